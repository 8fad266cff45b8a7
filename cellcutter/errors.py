"""The errors a caller can catch; each message is one line fit to be shown to a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CellcutterError(Exception):
    """Base of every error that cellcutter raises on purpose."""


class InputError(CellcutterError):
    """The input or the settings are wrong: names the file, what was found and expected."""


class PublicationError(CellcutterError):
    """Results could not be given their names, nor could that be undone; the next run does it."""


class ImageError(InputError):
    """An image or labels cannot be read as (C, Y, X), or a block of it is damaged."""


class TableError(InputError):
    """The cell table, or a markers table, is not what it must be."""


class SettingsError(InputError):
    """An option has a value that it cannot have, alone or together with the others."""


class DestinationError(InputError):
    """The destination cannot be written, or holds what must not be replaced."""


class StoreError(InputError):
    """A store cannot be read: there is none, it is damaged, or its layout is not known."""


class CellWarning(UserWarning):
    """Cells that cannot be cut as they should be are cut as far as possible."""


def changed(file: object, found: str, expected: str) -> DestinationError:
    """Return the error of a file of the store that is not as it was written."""
    return DestinationError(
        f"{file}: {found} found, {expected} expected; something else has changed the store while "
        "it was written"
    )


@contextmanager
def reading(name: object, expected: str, kind: type[InputError]) -> Iterator[None]:
    """Turn what the system says against a file that is read into an error of the input.

    Parameters
    ----------
    name : path, or whatever the caller gave
    expected : str
        What the file should be.
    kind : type
        Of the error.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{name}: {error.strerror or error}; {expected} expected") from error
