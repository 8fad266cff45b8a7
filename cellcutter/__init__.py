"""Cut a thumbnail of every cell out of a multiplexed tissue image into one Zarr array."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cellcutter.version import __version__

__all__ = [
    "CellWarning",
    "CellcutterError",
    "CutResult",
    "DestinationError",
    "ImageError",
    "InputError",
    "PublicationError",
    "SettingsError",
    "TableError",
    "__version__",
    "cut_cells",
    "cut_tiles",
]

if TYPE_CHECKING:
    from cellcutter.cut import CutResult, cut_cells, cut_tiles
    from cellcutter.errors import (
        CellcutterError,
        CellWarning,
        DestinationError,
        ImageError,
        InputError,
        PublicationError,
        SettingsError,
        TableError,
    )


def __getattr__(name: str) -> Any:
    """Import the program's interface when it is first asked for: `--help` need not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module 'cellcutter' has no attribute {name!r}")
    room = "errors" if name.endswith(("Error", "Warning")) else "cut"
    return getattr(importlib.import_module(f"cellcutter.{room}"), name)
