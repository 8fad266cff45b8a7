"""A folder with old results, a run that replaces them, and what may be found after it."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cellcutter.commands import cli
from tests import slides

Contents = dict[str, bytes]
NAMES = ("d/out.zarr", "d/out_mask.zarr", "q/w.csv", "d/w.csv")
HIDDEN = {
    "all": "",
    "no exchange": "exchange",
    "no exchange, no links": "exchange links",
}


@dataclass(frozen=True)
class Mode:
    """How a run is called.

    Parameters
    ----------
    flags : tuple of str
        ``{}`` stands for the scene's folder.
    old : tuple of str or None
        Flags of the run that has made the old results.
    """

    flags: tuple[str, ...] = ()
    old: tuple[str, ...] | None = None


FAR, NEAR = "--save-metadata={}/q/w.csv", "--save-metadata={}/d/w.csv"
MODES = {
    "new": Mode(),
    "new, with all": Mode(("--mask-cells", FAR)),
    "new zip, table beside": Mode(("-z", NEAR)),
    "replaced": Mode(("-f",), ()),
    "replaced, masks go": Mode(("-f",), ("--mask-cells",)),
    "all replaced": Mode(("-f", "--mask-cells", FAR), ("--mask-cells", FAR)),
    "zip replaced by zip": Mode(("-f", "-z", "--mask-cells"), ("-z", "--mask-cells")),
    "cells": Mode(("--layout=cells", "--masks")),
    "cells replaced": Mode(("-f", "--layout=cells"), ("--layout=cells",)),
    "chunks replaced by cells": Mode(("-f", "-z", "--layout=cells"), ("--mask-cells",)),
    "folder replaced by zip": Mode(("-f", "-z", NEAR), (NEAR,)),
}


def fork(act: Callable[[], int]) -> int:
    """Start a process that acts and ends, without anything of this one's end."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = act()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def wait(child: int) -> int:
    """Return a process's status; a signal's is negative."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _wait_for_threads() -> None:
    """Wait as Python does at its end."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def contents(folder: Path) -> Contents:
    """Return all files below a folder, and the folders as empty files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[f"{name}/"] = b""
        else:
            found[name] = path.read_bytes()
    return found


@dataclass
class Scene:
    """Inputs, and for each mode what is there before and after a run that nothing disturbs.

    Parameters
    ----------
    folder : Path
        All is made in it.
    """

    folder: Path
    place: Path = field(init=False)
    inputs: list[str] = field(init=False)
    before: dict[str, Contents] = field(default_factory=dict)
    after: dict[str, Contents] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place = self.folder / "place"
        (self.folder / "in").mkdir()
        self.inputs = slides.simple(self.folder / "in", shape=(2, 64, 64), number=12).paths
        for name, mode in MODES.items():
            self.clear()
            if mode.old is not None:
                self._must(self.run(*mode.old, "--window-size=5"), name)
            self.before[name] = contents(self.place)
            shutil.rmtree(self.folder / name, ignore_errors=True)
            shutil.copytree(self.place, self.folder / name)
            self._must(self.run(*mode.flags), name)
            self.after[name] = contents(self.place)

    def clear(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        for name in ("d", "q"):
            (self.place / name).mkdir(parents=True)

    def set(self, mode: str) -> None:
        """Put the old results there."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.folder / mode, self.place)

    def words(self, *flags: str) -> list[str]:
        flags = tuple(flag.format(self.place) for flag in flags)
        return [*self.inputs, str(self.place / "d" / "out.zarr"), "-p1", *flags]

    def run(self, *flags: str, begin: Callable[[], object] = lambda: None) -> int:
        """Run the command in a process of its own, its messages in a file."""

        def act() -> int:
            log = (self.folder / "log").open("w")
            os.dup2(log.fileno(), 2)
            sys.stderr = io.TextIOWrapper(os.fdopen(os.dup(2), "wb", 0), write_through=True)
            begin()
            try:
                return cli.main_cut_cells(self.words(*flags))
            finally:
                _wait_for_threads()

        return wait(fork(act))

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def refused(self) -> int:
        """Run to the same destination with an image that is not there: it only puts right."""

        def act() -> int:
            log = (self.folder / "log2").open("w")
            os.dup2(log.fileno(), 2)
            sys.stderr = io.TextIOWrapper(os.fdopen(os.dup(2), "wb", 0), write_through=True)
            return cli.main_cut_cells(["none.tif", *self.words()[1:]])

        return wait(fork(act))

    def found(self, mode: str) -> dict[str, str]:
        """Tell of each name whether it is old, new, absent, or none of these."""
        now = contents(self.place)
        return {
            name: _which(_part(now, name), _part(self.before[mode], name), self._new(mode, name))
            for name in NAMES
            if any(_part(each, name) for each in (now, self.before[mode], self.after[mode]))
        }

    def leftovers(self) -> list[str]:
        known = {name.split("/")[1] for name in NAMES}
        return [
            p.name for d in ("d", "q") for p in (self.place / d).iterdir() if p.name not in known
        ]

    def _new(self, mode: str, name: str) -> Contents:
        return _part(self.after[mode], name)

    @staticmethod
    def _must(status: int, name: str) -> None:
        if status:
            raise RuntimeError(f"{name}: exit status {status}")


def _part(all_files: Contents, name: str) -> Contents:
    return {k: v for k, v in all_files.items() if k.rstrip("/") == name or k.startswith(f"{name}/")}


def _which(now: Contents, old: Contents, new: Contents) -> str:
    if now == new == old:
        return "same"
    if now == new:
        return "new"
    if now == old:
        return "old"
    return "damaged" if now else "absent"


def shown(found: dict[str, str]) -> str:
    return json.dumps(found)
