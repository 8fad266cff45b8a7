"""Inputs are never written to, whatever names they go by.

Invariant: a name is refused that is an input, lies in one, or holds one. Files are compared by what
they are (device and inode), with all links followed on the way, not by how they are spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cellcutter.errors import DestinationError

_Identity = tuple[int, int]
_LINKS = 40  # as many as the kernel follows


class Inputs:
    """The files and folders that a run reads.

    Parameters
    ----------
    paths : iterable of Path
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths: list[Path] = []
        self._inputs: dict[_Identity, Path] = {}
        self._above: dict[_Identity, Path] = {}
        self.add(paths)

    def add(self, paths: Iterable[Path]) -> None:
        """Add more of them, which were found in the meantime."""
        self._paths.extend(paths)
        self._look(self._paths)

    def check(self, name: Path) -> None:
        """Make sure that something may get this name.

        Raises
        ------
        DestinationError
        """
        self._look(self._paths)  # they may have been replaced
        for found in filter(None, (_identity(name), _identity(name, follow=False))):
            if found in self._inputs:
                raise _refused(name, "is", self._inputs[found])
            if found in self._above:
                raise _refused(name, "holds", self._above[found])
        for folder in _folders(name):
            if folder in self._inputs:
                raise _refused(name, "lies in", self._inputs[folder])

    def _look(self, paths: Iterable[Path]) -> None:
        for path in paths:
            for step in _steps(path):
                for found in filter(None, (_identity(step), _identity(step, follow=False))):
                    self._inputs[found] = path
                for folder in _folders(step):
                    self._above[folder] = path


def lies_in(name: Path, folder: Path) -> bool:
    """Tell whether a name is, or is somewhere below, what has another name or would have it."""
    place = name.parent.resolve() / name.name
    other = folder.parent.resolve() / folder.name
    return place.is_relative_to(other) or _identity(folder) in {
        _identity(name),
        *_folders(name),
    } - {None}


def _refused(name: Path, how: str, path: Path) -> DestinationError:
    return DestinationError(
        f"{name}: {how} the input {path}, and inputs are never written to; another name expected"
    )


def _identity(path: Path, *, follow: bool = True) -> _Identity | None:
    try:
        found = path.stat(follow_symlinks=follow)
    except (OSError, ValueError):  # nothing there: its reader will say so
        return None
    return found.st_dev, found.st_ino


def _steps(path: Path) -> Iterator[Path]:
    """Yield a path, and where its links lead, one after another."""
    for _ in range(_LINKS):
        yield path
        try:
            path = path.parent / path.readlink()
        except (OSError, ValueError):
            return


def _folders(path: Path) -> Iterator[_Identity]:
    """Yield the folders above a path: those of its spelling, and those where it really lies."""
    above = path.absolute().parents
    with_links = [identity for folder in above if (identity := _identity(folder, follow=False))]
    yield from dict.fromkeys(
        [
            *with_links,
            *(i for folder in above if (i := _identity(folder))),
            *(i for folder in _real(path.parent) if (i := _identity(folder))),
        ]
    )


def _real(folder: Path) -> list[Path]:
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return []
    return [folder, *folder.parents]
