"""One system call of many fails, or a signal comes just before it.

Calls are those on paths below a folder, seen by audit events where Python has one, and by wrappers
where it has none (fsync, the renames with flags).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cellcutter import system

EVENTS = {
    "open",
    "fcntl.flock",
    "os.chmod",
    "os.link",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "os.truncate",
}
Run = Callable[[Callable[[], None]], int]
"""Runs in a process of its own, which begins with what is given; returns its exit status."""
ACTIONS = ("EIO", "ENOSPC", "EINTR", "SIGTERM", "SIGINT", "SIGKILL", "EIO for ever")


class Injection:
    """Counts calls, and does something at one of them; for a process that ends after its run.

    Parameters
    ----------
    folder : str
        Calls on paths that contain this are counted.
    number : int or None
        The call that fails; None only counts.
    action : str
        Of `ACTIONS`.
    """

    def __init__(self, folder: str, number: int | None = None, action: str = "EIO") -> None:
        self.calls: list[str] = []
        self._folder = folder
        self._number = number
        self._action = action
        self._busy = False

    def install(self) -> None:
        """Begin; it never ends."""
        sys.addaudithook(self._hear)
        fsync = os.fsync

        def watched_fsync(file: Any) -> None:
            self._meet("fsync")
            fsync(file)

        os.fsync = watched_fsync
        rename = system._rename
        if rename is not None:

            def watched_rename(old: bytes, new: bytes, flags: int) -> int:
                self._meet(f"renameat2 {flags} {old!r} {new!r}")
                return rename(old, new, flags)

            system._rename = watched_rename

    def _hear(self, event: str, words: tuple[Any, ...]) -> None:
        if event not in EVENTS or self._busy:
            return
        if event in ("fcntl.flock", "os.remove", "os.rmdir") or any(
            self._folder in os.fsdecode(word)
            for word in words
            if isinstance(word, (str, bytes, os.PathLike))
        ):
            self._meet(f"{event} {words[:2]}")

    def _meet(self, call: str) -> None:
        self.calls.append(call)
        count = len(self.calls) - 1
        if self._number is None or count < self._number:
            return
        if self._action == "EIO for ever":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if count > self._number:
            return
        if self._action.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, self._action))
        else:
            number = getattr(errno, self._action)
            raise OSError(number, os.strerror(number))


def calls_of(run: Run, folder: Path, file: Path) -> list[str]:
    """Return the calls of a run that nothing disturbs.

    Parameters
    ----------
    run : Run
    folder : Path
        Calls on paths in it are counted.
    file : Path
        For the process to tell them.
    """

    def begin() -> None:
        injection = Injection(str(folder))
        injection.install()
        before_exit(
            lambda: file.write_text("\n".join(c.replace("\n", " ") for c in injection.calls))
        )

    if status := run(begin):
        raise RuntimeError(f"exit status {status} of a run that nothing disturbs")
    return file.read_text().splitlines()


def before_exit(act: Callable[[], object]) -> None:
    """Have something done at the end of a process that ends after its run."""
    end = os._exit

    def exit_(status: int) -> None:
        act()
        end(status)

    os._exit = exit_


def hide(name: str) -> Callable[[], None]:
    """Return what takes a capability of the system away, for a process that ends after its run."""

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def without() -> None:
        if "exchange" in name:
            system._rename = None
        if "links" in name:
            os.link = no_links
        if "locks" in name:
            system.fcntl = None

    return without
