"""A few thumbnails as an array, for a notebook: cut as they would be for a store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from cellcutter import images, inputs
from cellcutter.cells.table import read_cells
from cellcutter.completing import complete
from cellcutter.documented import takes
from cellcutter.errors import SettingsError, TableError, reading
from cellcutter.options import CellOptions, Name
from cellcutter.produce import cut_into_memory
from cellcutter.store.reading.gather import rows_of
from cellcutter.types import Pixels

if TYPE_CHECKING:
    import pandas as pd

_OF_STORES = (
    "z",
    "force",
    "resume",
    "save_metadata",
    "compression",
    "chunk_size",
    "cells_per_chunk",
    "layout",
    "shuffle",
    "statistics",
    "masks",
)
_RETURNED = """array of shape (cells, channels, y, x)
    Of the image's type, in the order of `rows`."""


@takes(CellOptions, _RETURNED, _OF_STORES)
def thumbnails(
    image: Name,
    mask: Name | None,
    cells: Name | pd.DataFrame,
    rows: object = slice(None),
    **options: Unpack[CellOptions],
) -> Pixels:
    """Cut thumbnails of some cells, and return them instead of storing them.

    Parameters
    ----------
    image : path
        As for :func:`cellcutter.cut_cells`.
    mask : path or None
        As for :func:`cellcutter.cut_cells`.
    cells : path or DataFrame
        As for :func:`cellcutter.cut_cells`.
    rows : sequence of int, slice, or bool array
        Rows of the table, in any order, of the cells that are wanted. Where no `window_size` is
        given, it is that of the largest of these.
        A row that is not there is an IndexError.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> images = cellcutter.thumbnails(
    ...     "image.ome.tif", "cell.tif", "cells.csv", rows=[7, 3], channels=["DNA", "CD8"]
    ... )  # doctest: +SKIP
    """
    if wrong := [name for name in _OF_STORES if name in options]:
        raise SettingsError(f"{wrong[0]}: found, but nothing is stored")
    columns = complete(CellOptions, options)["columns"]
    with reading(cells, "a table of cells", TableError):
        table = read_cells(cells, cast("dict[str, str] | None", columns))
    wanted = rows_of(rows, len(table))
    if not len(wanted):
        raise SettingsError("rows: none found, at least one cell expected")
    unique, places = np.unique(wanted, return_inverse=True)
    every = _frame({"CellID": table.ids, "Y_centroid": table.y, "X_centroid": table.x})
    settings = complete(CellOptions, {**options, "columns": None, "layout": "cells"})
    settings["statistics"] = "none"
    mask = images.given_mask(mask, settings)
    with ExitStack() as stack:
        segmentation = None if mask is None else images.open_mask(stack, mask, settings)
        picture = images.open_image_of(stack, image, settings, segmentation)
        request, found = inputs.request_of_cells(
            picture, segmentation, every.iloc[unique], settings, inputs.silent
        )
        with inputs.naming_largest(request, found):
            return cut_into_memory(request)[places]


def _frame(columns: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns)
