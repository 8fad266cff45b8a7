"""The story: `cut_cells` and `cut_tiles`, from input to published store.

Both come down to the same thing, windows of one size in the order of the output, which one engine
cuts. Nothing is written before all input is checked, and nothing has the name that the caller gave
before it is whole.
"""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from cellcutter.cells.table import problems, read_cells
from cellcutter.documented import takes
from cellcutter.engine.windows import around, grid
from cellcutter.errors import CellWarning, SettingsError, TableError, reading
from cellcutter.inputs import channels_of, open_checked, silent, survey_cells
from cellcutter.kinds import read_pixels
from cellcutter.limits import Limits
from cellcutter.options import CellOptions, Name, Options, TileOptions, complete
from cellcutter.produce import CutResult, Target, produce
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
        TIFF, OME-TIFF or OME-Zarr with one or more channels.
    mask : path or None
        Segmentation mask of the same height and width: integers, 0 for background, else the
        CellID. None, or "-", where `window_size` is given and `mask_cells` is not.
    cells : path or DataFrame
        Table with the columns CellID, Y_centroid and X_centroid (pixels).
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
    window, masked = wanted["window_size"], wanted["mask_cells"]
    with_masks = masked or wanted["masks"]
    has_mask = mask is not None and os.fspath(mask) != "-"
    if not has_mask and (window is None or with_masks):
        flag = "--mask-cells" if masked else "--masks"
        because = f"with {flag}" if with_masks else "without --window-size"
        raise SettingsError(f"SEGMENTATION_MASK: - found {because}, the path of a mask expected")
    apart = with_masks and wanted["layout"] == "chunks"
    target = Target.checked(Path(destination), wanted, masks=apart)
    limits = Limits.of(wanted, wanted["cells_per_chunk"])
    report = progress or silent
    with ExitStack() as stack:
        picture = open_checked(stack, image)
        segmentation = open_checked(stack, mask) if mask is not None and has_mask else None
        names, chosen = channels_of(picture, wanted)
        with reading(cells, "a table of cells", TableError):
            table = read_cells(cells)
        present, size = survey_cells(table, picture, segmentation, window, limits, report)
        message, status = problems(table, picture, segmentation, present)
        if message and wanted["on_missing"] == "error":
            raise TableError(message)
        if message:
            warnings.warn(message, CellWarning, stacklevel=2)
        order = shuffled(len(table), wanted["shuffle"])
        if order is not None:
            table, status, present = table.take(order), status[order], present[order]
        request = Request(
            picture,
            chosen,
            names,
            "cell",
            around(table.y, table.x, size),
            table.ids,
            {
                "image": picture.name,
                "labels": segmentation.name if segmentation else None,
                "cells": Path(table.name).name,
            },
            {name: wanted[name] for name in ("window_size", "mask_cells", "on_missing")}
            | said(wanted),
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
        return produce(request, target, report)


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
        TIFF, OME-TIFF or OME-Zarr with one or more channels.
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
    target = Target.checked(Path(destination), wanted, masks=False)
    limits = Limits.of(wanted, wanted["tiles_per_chunk"])
    with ExitStack() as stack:
        picture = open_checked(stack, image)
        names, chosen = channels_of(picture, wanted)
        windows = grid(picture.shape[1:], size, step or size)
        ids = np.arange(len(windows))
        order = shuffled(len(windows), wanted["shuffle"])
        if order is not None:
            windows, ids = windows.take(order), ids[order]
        request = Request(
            picture,
            chosen,
            names,
            "tile",
            windows,
            ids,
            {"image": picture.name},
            {"window_size": size, "step_size": step} | said(wanted),
            wanted,
            limits,
            order=order,
        )
        return produce(request, target, progress or silent)


def said(options: Options) -> dict[str, object]:
    """Return the options that stores are told of only where they are used."""
    unused: dict[str, object] = {"layout": "chunks", "shuffle": None, "masks": False}
    return {n: value for n, value in options.items() if n in unused and value != unused[n]}


def shuffled(number: int, seed: int | None) -> NDArray[np.int64] | None:
    """Return a random order that a seed fixes, or None.

    The order of random numbers from PCG64 itself, which numpy promises to keep, while those of
    its generators may change (https://numpy.org/neps/nep-0019-rng-policy.html).
    """
    if seed is None:
        return None
    numbers = np.random.PCG64(seed).random_raw(number)
    return np.argsort(numbers, kind="stable").astype(np.int64)
