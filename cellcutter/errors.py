"""The errors a caller can catch; each message is one line fit to be shown to a user."""

from __future__ import annotations


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


class CellWarning(UserWarning):
    """Cells that cannot be cut as they should be are cut as far as possible."""
