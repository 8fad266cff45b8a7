"""Cut a thumbnail of every cell out of a multiplexed tissue image into one Zarr array."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cellcutter.version import __version__

__all__ = [
    "CellWarning",
    "CellcutterError",
    "Cells",
    "CutPlan",
    "CutResult",
    "DestinationError",
    "Drawn",
    "Fault",
    "ImageError",
    "InputError",
    "PublicationError",
    "SettingsError",
    "StoreError",
    "TableError",
    "Verdict",
    "Written",
    "__version__",
    "convert",
    "cut_cells",
    "cut_tiles",
    "export",
    "gallery",
    "make_cohort",
    "open",
    "plan_cells",
    "report",
    "thumbnails",
    "verify",
]

_ROOMS = {
    "CutPlan": "planned",
    "Fault": "store.verifying.faults",
    "Verdict": "store.verifying.faults",
    "Drawn": "view.gallery",
    "Written": "formats.work",
    "convert": "formats.convert",
    "export": "formats.export",
    "gallery": "view.gallery",
    "Cells": "store.reading.cells",
    "make_cohort": "cohort",
    "open": "store.reading.opening",
    "plan_cells": "planning",
    "report": "view.report",
    "thumbnails": "in_memory",
    "verify": "checking",
}

if TYPE_CHECKING:
    from cellcutter.checking import verify
    from cellcutter.cohort import make_cohort
    from cellcutter.cut import CutResult, cut_cells, cut_tiles
    from cellcutter.errors import (
        CellcutterError,
        CellWarning,
        DestinationError,
        ImageError,
        InputError,
        PublicationError,
        SettingsError,
        StoreError,
        TableError,
    )
    from cellcutter.formats.convert import convert
    from cellcutter.formats.export import export
    from cellcutter.formats.work import Written
    from cellcutter.in_memory import thumbnails
    from cellcutter.planned import CutPlan
    from cellcutter.planning import plan_cells
    from cellcutter.store.reading.cells import Cells
    from cellcutter.store.reading.opening import open  # noqa: A004
    from cellcutter.store.verifying.faults import Fault, Verdict
    from cellcutter.view.gallery import Drawn, gallery
    from cellcutter.view.report import report


def __getattr__(name: str) -> Any:
    """Import the program's interface when it is first asked for: `--help` need not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module 'cellcutter' has no attribute {name!r}")
    room = "errors" if name.endswith(("Error", "Warning")) else _ROOMS.get(name, "cut")
    return getattr(importlib.import_module(f"cellcutter.{room}"), name)
