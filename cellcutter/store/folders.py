"""The folders above a destination: made where they are missing, gone again where nothing came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from cellcutter import stops
from cellcutter.errors import DestinationError


@contextmanager
def folders_above(name: Path) -> Iterator[None]:
    """Make the folders above a name that are missing; those that stay empty are removed again.

    Raises
    ------
    DestinationError
        A folder cannot be made.
    """
    made: list[Path] = []
    try:
        try:
            missing = list(takewhile(_is_missing, name.parents))
            with stops.held():
                for folder in reversed(missing):
                    with suppress(FileExistsError):  # of another run: it is not ours to remove
                        folder.mkdir()
                        made.append(folder)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DestinationError(
                f"{name}: {reason}: its folder cannot be made; a name in a folder that you may "
                "write to expected"
            ) from error
        yield
    finally:
        try:
            _remove_empty(made)
        except BaseException:  # it came before it could be held back; there is no second one
            _remove_empty(made)
            raise


def _remove_empty(folders: list[Path]) -> None:
    with stops.held():
        for folder in reversed(folders):
            with suppress(OSError):  # something lies in it
                folder.rmdir()


def _is_missing(folder: Path) -> bool:
    try:
        folder.lstat()
    except FileNotFoundError:
        return True
    return False
