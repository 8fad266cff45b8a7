"""Results appear whole or not at all: made beside the destination, checked, and renamed last.

Everything a run writes lies in a *staging folder* ``.<name>.cellcutter-<random>`` beside the
destination, which the run holds locked. A folder of that form that nobody holds is what an
interrupted run has left: the next run puts back what was set aside in it, if need be, and removes
it.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellcutter.errors import DestinationError
from cellcutter.store.writer import is_store

_LOCK = "lock"
_OLD = "old"
_RANDOM = 8  # hexadecimal digits in the name of a staging folder


class Staging:
    """A folder beside a result's name in which it is made.

    Parameters
    ----------
    folder : Path
    name : Path
        The name that the result gets.
    """

    def __init__(self, folder: Path, name: Path) -> None:
        self.folder = folder
        self.new = folder / "new"
        self._name = name
        (folder / _OLD).mkdir()

    def publish(self) -> None:
        """Give the finished result its name; what has the name already is replaced."""
        if os.path.lexists(self._name) and not (self.new.is_file() and self._name.is_file()):
            self._name.rename(self.folder / _OLD / self._name.name)
        self.new.replace(self._name)


@contextmanager
def staging(name: Path) -> Iterator[Staging]:
    """Make a staging folder beside a result's name and remove it at the end, whatever happens.

    Raises
    ------
    DestinationError
        The folder cannot be made.
    """
    folder = name.parent / f"{_prefix(name)}{secrets.token_hex(_RANDOM // 2)}"
    try:
        folder.mkdir()
    except OSError as error:
        raise DestinationError(
            f"{name}: {error.strerror} found, a folder that can be written to expected"
        ) from error
    try:
        with (folder / _LOCK).open("w") as lock:
            _hold(lock.fileno())
            yield Staging(folder, name)
    finally:
        shutil.rmtree(folder)


def check_destination(destination: Path, *, force: bool) -> None:
    """Make sure that a store may get this name; remove what interrupted runs have left beside it.

    Raises
    ------
    DestinationError
        The folder it lies in is missing or cannot be written to; another run is writing to it;
        something has the name already and `force` is not given, or it is no Zarr store.
    """
    _check_folder(destination)
    if not os.path.lexists(destination):
        return
    if not force:
        raise DestinationError(
            f"{destination}: exists already, a new name expected (or -f/--force to replace it)"
        )
    empty = destination.is_dir() and not any(destination.iterdir())
    if not (empty or is_store(destination)):
        raise DestinationError(
            f"{destination}: something other than a Zarr store found; "
            "--force replaces nothing but Zarr stores"
        )


def check_file(file: Path) -> None:
    """Make sure that a file may be written under this name, new or in the place of another.

    Raises
    ------
    DestinationError
    """
    _check_folder(file)
    if file.is_dir():
        raise DestinationError(f"{file}: a folder found, a file expected")


def _check_folder(name: Path) -> None:
    if not name.parent.is_dir():
        raise DestinationError(f"{name}: no folder {name.parent} found, an existing one expected")
    if not os.access(name.parent, os.W_OK | os.X_OK):
        raise DestinationError(
            f"{name}: folder {name.parent} is read-only, one that can be written to expected"
        )
    _remove_leftovers(name)


def _prefix(name: Path) -> str:
    return f".{name.name}.cellcutter-"


def _remove_leftovers(name: Path) -> None:
    """Remove what interrupted runs have left, and put back what they had set aside."""
    pattern = glob.escape(_prefix(name)) + _RANDOM * "[0-9a-f]"
    for folder in sorted(name.parent.glob(pattern)):
        try:
            lock = (folder / _LOCK).open("r+")
        except FileNotFoundError:  # killed before it held the lock, or removed by its own run
            shutil.rmtree(folder, ignore_errors=True)
            continue
        with lock:
            free = _hold(lock.fileno())
            if free is None:  # nobody can tell: leave it alone
                continue
            if not free:
                raise DestinationError(
                    f"{name}: another run is writing to it ({folder.name}), none expected"
                )
            for old in (folder / _OLD).glob("*"):
                if not os.path.lexists(name):
                    old.rename(name)
            shutil.rmtree(folder)


def _hold(descriptor: int) -> bool | None:
    """Lock a file until it is closed; tell whether nobody else holds it.

    None on file systems without locks, such as Lustre where it is mounted without them.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            return None
        raise
    return True
