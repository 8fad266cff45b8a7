"""The story: `cut_cells` and `cut_tiles`, from input to published store.

Both come down to the same thing, windows of one size in the order of the output, which one engine
cuts. Nothing is written before all input is checked, and nothing has the name that the caller gave
before it is whole.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellcutter.cells.labels import check_labels, survey
from cellcutter.cells.markers import positions, read_markers
from cellcutter.cells.table import CellTable, problems, read_cells
from cellcutter.config import Settings, check_window
from cellcutter.engine.windows import around, grid
from cellcutter.errors import ImageError, SettingsError, TableError
from cellcutter.produce import CutResult, Target, produce
from cellcutter.production import Masking, Production, Subject
from cellcutter.read.image import Image
from cellcutter.read.sources import open_image
from cellcutter.store.layout import numeric
from cellcutter.types import Bools, Name, Progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellWarning", "CutResult", "cut_cells", "cut_tiles"]


class CellWarning(UserWarning):
    """Cells that cannot be cut as they should be are cut as far as possible."""


def cut_cells(
    image: Name,
    labels: Name | None,
    cells: Name | pd.DataFrame,
    destination: Name,
    *,
    window_size: int | None = None,
    mask_cells: bool = False,
    on_missing: Literal["error", "warn"] = "error",
    channels: Sequence[int | str] | None = None,
    markers: Name | None = None,
    chunk_size: float | None = None,
    cells_per_chunk: int | None = None,
    cache_size: float | None = None,
    save_metadata: Name | None = None,
    compression: Literal["default", "fast", "small", "none"] = "default",
    p: int | None = None,
    z: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> CutResult:
    """Cut a thumbnail of every cell of a table and store them as one Zarr array.

    Parameters
    ----------
    image : path
        TIFF, OME-TIFF or OME-Zarr with one or more channels.
    labels : path or None
        Segmentation of the same height and width: integers, 0 for background, else the CellID.
        None, or "-", where `window_size` is given and `mask_cells` is not.
    cells : path or DataFrame
        Table with the columns CellID, Y_centroid and X_centroid (pixels).
    destination : path
        Store to be made: an array (channels, cells, window, window) of the image's dtype, the
        cells in the order of the table.
    window_size : int, optional
        Height and width of a thumbnail in pixels; that of the largest cell where not given.
    mask_cells : bool
        Set pixels outside of the thumbnail's own cell to zero, and store the boolean masks
        (cells, window, window) beside `destination`.
    on_missing : "error" or "warn"
        What to do with cells that the labels lack, repeated CellIDs, and centroids that are
        missing or outside the image. With "warn" they keep their place in the array.
    channels : sequence of int or str, optional
        Channel numbers, from 1, or marker names, in the order of the output.
    markers : path, optional
        CSV file with a column marker_name, a row for each channel.
    chunk_size : float, optional
        Uncompressed size of a chunk in MB (1024 x 1024 bytes), 32 by default.
    cells_per_chunk : int, optional
        Instead of `chunk_size`.
    cache_size : float, optional
        Memory for pixels in MB: 10240, or half of what is available if that is less.
    save_metadata : path, optional
        CSV file of the windows to be written.
    compression : "default", "fast", "small" or "none"
        How chunks are compressed: docs/performance.md has what each costs.
    p : int, optional
        Threads; by default the CPUs this process may use.
    z : bool
        Store in one zip file.
    force : bool
        Replace `destination` when the new store is whole.
    progress : callable (what, done, total), optional
        Called often, from any thread.

    Returns
    -------
    CutResult

    Raises
    ------
    cellcutter.errors.InputError
        The input, the settings or the destination are not as they must be.
    OSError
        Writing failed.
    """
    settings = Settings(
        p,
        z,
        force,
        chunk_size,
        cells_per_chunk,
        cache_size,
        channels,
        markers,
        save_metadata,
        compression,
    )
    check_window("--window-size", window_size)
    if on_missing not in ("error", "warn"):
        raise SettingsError(f"--on-missing: {on_missing!r} found, error or warn expected")
    has_labels = labels is not None and os.fspath(labels) != "-"
    if not has_labels and (window_size is None or mask_cells):
        because = "with --mask-cells" if mask_cells else "without --window-size"
        raise SettingsError(f"SEGMENTATION_MASK: - found {because}, the path of a mask expected")
    target = Target.checked(Path(destination), settings, masks=mask_cells)
    report = progress or _silent
    with ExitStack() as stack:
        picture = _open(stack, image)
        segmentation = _open(stack, labels) if labels is not None and has_labels else None
        names, chosen = _channels(picture, settings)
        table = read_cells(cells)
        present, size = _survey(table, picture, segmentation, window_size, settings, report)
        message, status = problems(table, picture, segmentation, present)
        if message and on_missing == "error":
            raise TableError(message)
        if message:
            warnings.warn(message, CellWarning, stacklevel=2)
        masking = None
        if segmentation and mask_cells:
            masking = Masking(segmentation, table.ids.astype(segmentation.dtype), present)
        subject = Subject(
            "cell",
            around(table.y, table.x, size),
            table.ids,
            {
                "image": picture.name,
                "labels": segmentation.name if segmentation else None,
                "cells": Path(table.name).name,
            },
            {"window_size": window_size, "mask_cells": mask_cells, "on_missing": on_missing},
            status,
            table.digest(),
            masking,
        )
        return produce(Production(picture, chosen, names, subject, settings), target, report)


def cut_tiles(
    image: Name,
    window_size: int,
    destination: Name,
    *,
    step_size: int | None = None,
    channels: Sequence[int | str] | None = None,
    markers: Name | None = None,
    chunk_size: float | None = None,
    tiles_per_chunk: int | None = None,
    cache_size: float | None = None,
    save_metadata: Name | None = None,
    compression: Literal["default", "fast", "small", "none"] = "default",
    p: int | None = None,
    z: bool = False,
    force: bool = False,
    progress: Progress | None = None,
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
    step_size : int, optional
        Distance of two starts in pixels; `window_size` where not given.
    channels, markers, chunk_size, cache_size, save_metadata, compression, p, z, force, progress
        As for :func:`cut_cells`.
    tiles_per_chunk : int, optional
        Instead of `chunk_size`.

    Returns
    -------
    CutResult

    Raises
    ------
    cellcutter.errors.InputError
        The input, the settings or the destination are not as they must be.
    OSError
        Writing failed.
    """
    settings = Settings(
        p,
        z,
        force,
        chunk_size,
        tiles_per_chunk,
        cache_size,
        channels,
        markers,
        save_metadata,
        compression,
    )
    check_window("WINDOW_SIZE", window_size)
    check_window("--step-size", step_size)
    target = Target.checked(Path(destination), settings, masks=False)
    with ExitStack() as stack:
        picture = _open(stack, image)
        names, chosen = _channels(picture, settings)
        windows = grid(picture.shape[1:], window_size, step_size or window_size)
        subject = Subject(
            "tile",
            windows,
            np.arange(len(windows)),
            {"image": picture.name},
            {"window_size": window_size, "step_size": step_size},
        )
        production = Production(picture, chosen, names, subject, settings)
        return produce(production, target, progress or _silent)


def _silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


def _open(stack: ExitStack, path: Name) -> Image:
    image = stack.enter_context(open_image(path))
    if not numeric(image.dtype):
        raise ImageError(
            f"{image.path}: pixels of {image.dtype} found, integers or floats expected"
        )
    return image


def _channels(image: Image, settings: Settings) -> tuple[tuple[str, ...] | None, list[int]]:
    """Return the marker names of the image's channels and the positions of those to be cut."""
    names = image.channel_names
    if settings.markers is not None:
        names = read_markers(settings.markers, image)
    return names, positions(settings.channels, image, names)


def _survey(
    table: CellTable,
    image: Image,
    labels: Image | None,
    window_size: int | None,
    settings: Settings,
    progress: Progress,
) -> tuple[Bools, int]:
    """Return which cells the labels hold (all, without labels), and the size of the window."""
    if labels is None:
        return np.ones(len(table), bool), window_size or 0
    check_labels(labels, image)
    found = survey(
        labels,
        table.ids,
        None if window_size is None else around(table.y, table.x, window_size),
        settings.workers,
        settings.memory,
        lambda done, total: progress("reading labels", done, total),
    )
    if not window_size and not found.size:
        raise ImageError(f"{labels.path}: none of the cells of {table.name} found, labels expected")
    return found.present, window_size or found.size
