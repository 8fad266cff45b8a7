"""The story: `cut_cells` and `cut_tiles`, from input to published store.

Both come down to the same thing, windows of one size in the order of the output, which one engine
cuts. Nothing is written before all input is checked, and nothing has the name that the caller gave
before it is whole.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from cellcutter.documented import takes
from cellcutter.engine.windows import around, grid
from cellcutter.errors import SettingsError
from cellcutter.inputs import (
    asked,
    cells_of,
    channels_of,
    check_cells,
    naming_largest,
    open_image_of,
    open_mask,
    shuffled,
    silent,
    sources,
    survey_cells,
    window_of,
)
from cellcutter.kinds import read_pixels
from cellcutter.limits import Limits
from cellcutter.options import CellOptions, Name, TileOptions, complete
from cellcutter.produce import CutResult, claim, produce
from cellcutter.request import Request
from cellcutter.types import Progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CutResult", "cut_cells", "cut_tiles"]


@takes(CellOptions)
def cut_cells(
    image: Name,
    mask: Name | None,
    cells: Name | pd.DataFrame,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[CellOptions],
) -> CutResult:
    """Cut a thumbnail of every cell of a table and store them as one Zarr array.

    Parameters
    ----------
    image : path
        TIFF, OME-TIFF, PNG, OME-Zarr (a folder or a zip file), a Zarr array (c, y, x), or a folder
        of TIFF files of one channel each.
    mask : path or None
        Segmentation mask of the same height and width: integers, 0 for background, else the
        CellID. None, or "-", where `window_size` is given and `mask_cells` is not.
    cells : path or DataFrame
        Table with the columns CellID, Y_centroid and X_centroid (pixels): CSV, perhaps
        compressed, or Parquet where pyarrow is installed.
    destination : path
        Store to be made: an array (channels, cells, window, window) of the image's dtype, the
        cells in the order of the table.
    progress : callable (what, done, total), optional
        Called often, from any thread.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> result = cellcutter.cut_cells(
    ...     "image.ome.tif", "cell.tif", "cells.csv", "cells.zarr", window_size=64
    ... )  # doctest: +SKIP
    """
    wanted = complete(CellOptions, options)
    masked = wanted["mask_cells"]
    with_masks = masked or wanted["masks"]
    has_mask = mask is not None and os.fspath(mask) != "-"
    if not has_mask and (wanted["window_size"] is None or with_masks):
        flag = "--mask-cells" if masked else "--masks"
        because = f"with {flag}" if with_masks else "without --window-size"
        raise SettingsError(f"SEGMENTATION_MASK: - found {because}, the path of a mask expected")
    limits = Limits.of(wanted, wanted["cells_per_chunk"])
    report = progress or silent
    with ExitStack() as stack:
        inputs = [image, mask if has_mask else None, cells, wanted["markers"]]
        apart = with_masks and wanted["layout"] == "chunks"
        publication = stack.enter_context(claim(destination, inputs, wanted, has_masks=apart))
        segmentation = open_mask(stack, mask, wanted) if mask is not None and has_mask else None
        picture = open_image_of(stack, image, wanted, segmentation)
        publication.protect([*picture.files, *(segmentation.files if segmentation else ())])
        names, chosen = channels_of(picture, wanted)
        window = window_of(picture, wanted)
        table = cells_of(cells, picture, wanted)
        found, size = survey_cells(table, picture, segmentation, window, limits, report)
        windows = around(table.y, table.x, size)
        status = check_cells(table, picture, segmentation, found, windows, wanted["on_missing"])
        present = None if found is None else found.present
        order = shuffled(len(table), wanted["shuffle"])
        if order is not None:
            table, windows, status = table.take(order), windows[order], status[order]
            present = None if present is None else present[order]
        request = Request(
            picture,
            chosen,
            names,
            "cell",
            windows,
            table.ids,
            {
                **sources(picture, segmentation),
                "labels": segmentation.name if segmentation else None,
                "cells": Path(table.name).name,
            },
            asked(wanted, "window_size", "mask_cells", "on_missing"),
            wanted,
            limits,
            status,
            table.digest(),
            segmentation if with_masks else None,
            present,
            masked,
            cells,
            order,
        )
        with naming_largest(found, window):
            return produce(request, publication, report)


@takes(TileOptions)
def cut_tiles(
    image: Name,
    window_size: int,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[TileOptions],
) -> CutResult:
    """Cut the tiles of a regular grid and store them as one Zarr array.

    Parameters
    ----------
    image : path
        TIFF, OME-TIFF, PNG, OME-Zarr (a folder or a zip file), a Zarr array (c, y, x), or a folder
        of TIFF files of one channel each.
    window_size : int
        Height and width of a tile in pixels.
    destination : path
        Store to be made: an array (channels, tiles, window, window) of the image's dtype. The
        grid starts at (0, 0) and goes row by row, with a tile for every start in the image.
    progress : callable (what, done, total), optional
        Called often, from any thread.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> result = cellcutter.cut_tiles("image.ome.tif", 256, "tiles.zarr")  # doctest: +SKIP
    """
    wanted = complete(TileOptions, options)
    size = read_pixels("WINDOW_SIZE", window_size)
    step = wanted["step_size"]
    limits = Limits.of(wanted, wanted["tiles_per_chunk"])
    with ExitStack() as stack:
        inputs = [image, wanted["markers"]]
        publication = stack.enter_context(claim(destination, inputs, wanted))
        picture = open_image_of(stack, image, wanted)
        publication.protect(picture.files)
        names, chosen = channels_of(picture, wanted)
        windows = grid(picture.shape[1:], size, step or size)
        ids = np.arange(len(windows))
        order = shuffled(len(windows), wanted["shuffle"])
        if order is not None:
            windows, ids = windows[order], order
        request = Request(
            picture,
            chosen,
            names,
            "tile",
            windows,
            ids,
            sources(picture),
            {"window_size": size, **asked(wanted, "step_size")},
            wanted,
            limits,
            order=order,
        )
        return produce(request, publication, progress or silent)
