"""What the user names, opened and checked: images, channels, what the mask says of cells."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from cellcutter.cells.checks import Status, placement, problems
from cellcutter.cells.found import Extent, Survey
from cellcutter.cells.labels import survey
from cellcutter.cells.markers import positions, read_markers
from cellcutter.cells.mask import check_labels
from cellcutter.cells.table import CellTable, read_cells
from cellcutter.cells.units import in_pixels, window_pixels
from cellcutter.engine.windows import Windows, around, grid
from cellcutter.errors import CellWarning, ImageError, SettingsError, TableError, reading
from cellcutter.images import open_image_of, open_mask, sources
from cellcutter.limits import Limits
from cellcutter.options import CellOptions, Name, Options, TileOptions
from cellcutter.read import Image
from cellcutter.request import Request
from cellcutter.types import Ints, Progress

if TYPE_CHECKING:
    import pandas as pd

LARGE = 200  # pixels: a window of the largest cell that is larger may be a mistake
log = logging.getLogger("cellcutter")


def silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


def asked(options: Options, *names: str) -> dict[str, object]:
    """Return options as the attributes show them: those named, and which image was chosen."""
    given: dict[str, object] = dict(options)
    chosen = ("image_index", "mask_index", "mask_channel", "columns", "centroid_unit")
    told = {name: given[name] for name in chosen if given.get(name) not in (None, "px")}
    unused = {"layout": "chunks", "masks": False, "shuffle": None}
    told |= {n: given[n] for n, not_used in unused.items() if given.get(n, not_used) != not_used}
    return {name: given[name] for name in names} | told


def shuffled(number: int, seed: int | None) -> Ints | None:
    """Return a random order that a seed fixes, or None.

    The order of random numbers from PCG64 itself, which numpy promises to keep, while those of
    its generators may change (https://numpy.org/neps/nep-0019-rng-policy.html).
    """
    if seed is None:
        return None
    numbers = np.random.PCG64(seed).random_raw(number)
    return np.argsort(numbers, kind="stable").astype(np.int64)


def channels_of(image: Image, options: Options) -> tuple[tuple[str, ...] | None, list[int]]:
    """Return the marker names of the image's channels and the positions of those to be cut."""
    names = image.channel_names
    if options["markers"] is not None:
        with reading(options["markers"], "a CSV file of markers", TableError):
            names = read_markers(options["markers"], image)
    chosen = positions(options["channels"], image, names)
    image.check_channels(chosen)
    return names, chosen


def cells_of(table: Name | pd.DataFrame, image: Image, options: CellOptions) -> CellTable:
    """Return the cells of a table, with their centroids in pixels.

    Raises
    ------
    TableError
    SettingsError
        Centroids are in micrometres, and the image's pixel size is not known.
    """
    unit = options["centroid_unit"]
    columns = cast("dict[str, str] | None", options["columns"])
    with reading(table, "a table of cells", TableError):
        cells = in_pixels(read_cells(table, columns), unit, image)
    if unit != "px" and image.pixel_size is not None:
        size = image.pixel_size
        log.info("centroids in %s, pixels of %g x %g %s", unit, size.y, size.x, size.unit)
    return cells


def window_of(image: Image, options: CellOptions) -> int | None:
    """Return the size of the window in pixels, where it is given.

    Raises
    ------
    SettingsError
        It is given in micrometres, and the image's pixel size is not known.
    """
    given = options["window_size"]
    size = window_pixels(given, image)
    if isinstance(given, str):
        log.info("window of %s: %d pixels", given, size)
    return size


def check_cells(
    cells: CellTable,
    image: Image,
    mask: Image | None,
    found: Survey | None,
    windows: Windows,
    on_missing: str,
) -> Status:
    """Return what is the matter with each cell.

    Raises
    ------
    TableError
        Cells cannot be cut, or the table as a whole is wrong, and `on_missing` is "error".

    Warns
    -----
    CellWarning
    """
    message, status = problems(cells, image, mask, found)
    grave = message is not None
    messages = [message] if message else []
    if found is not None and not (grave and on_missing == "error"):
        place = placement(cells, image, found, windows, status)
        grave |= place.wrong
        messages += [place.message] if place.message else []
        if place.larger:
            log.info("%d cells are larger than the window", place.larger)
    for message in messages:
        if grave and on_missing == "error":
            raise TableError(message)
        warnings.warn(message, CellWarning, stacklevel=4)
    return status


def survey_cells(
    table: CellTable,
    image: Image,
    labels: Image | None,
    window_size: int | None,
    limits: Limits,
    progress: Progress,
) -> tuple[Survey | None, int]:
    """Return what the labels say of cells (None without labels), and the size of the window."""
    if labels is None:
        return None, window_size or 0
    check_labels(labels, image)
    found = survey(
        labels,
        table.ids,
        None if window_size is None else around(table.y, table.x, window_size),
        limits.threads,
        limits.memory,
        progress,
    )
    if not window_size and not found.size:
        raise ImageError(
            f"{labels.path}: none of the cells of {table.name} found, their mask expected"
        )
    if not window_size and found.size > LARGE:
        log.info(
            "window of %d pixels, the size of the largest cell: %s; --window-size sets another",
            found.size,
            found.largest,
        )
    return found, window_size or found.size


def open_cells(
    stack: ExitStack,
    image: Name,
    mask: Name | None,
    cells: Name | pd.DataFrame,
    options: CellOptions,
    protect: Callable[[Iterable[Path]], None],
    progress: Progress,
) -> tuple[Request, Survey | None]:
    """Open what the user names, until the stack is closed, and return what is asked for.

    Parameters
    ----------
    stack : ExitStack
    image, mask, cells : path
        A table may be a DataFrame, and the mask None.
    options : CellOptions
    protect : callable (paths)
        Told of all files that are read, before much is.
    progress : callable

    Returns
    -------
    request : Request
    found : Survey, optional
        What the mask holds of the cells.
    """
    segmentation = None if mask is None else open_mask(stack, mask, options)
    picture = open_image_of(stack, image, options, segmentation)
    protect([*picture.files, *(segmentation.files if segmentation else ())])
    return request_of_cells(picture, segmentation, cells, options, progress)


def request_of_cells(
    image: Image,
    mask: Image | None,
    cells: Name | pd.DataFrame,
    options: CellOptions,
    progress: Progress,
) -> tuple[Request, Survey | None]:
    """Return what is asked for, and what the mask holds of the cells."""
    limits = Limits.of(options, options["cells_per_chunk"], options["chunk_size"])
    names, channels = channels_of(image, options)
    window = window_of(image, options)
    table = cells_of(cells, image, options)
    found, size = survey_cells(table, image, mask, window, limits, progress)
    windows = around(table.y, table.x, size)
    status = check_cells(table, image, mask, found, windows, options["on_missing"])
    present = None if found is None else found.present
    order = shuffled(len(table), options["shuffle"])
    if order is not None:
        table, windows, status = table.take(order), windows[order], status[order]
        present = None if present is None else present[order]
    labels = mask.name if mask else None
    request = Request(
        image,
        channels,
        names,
        "cell",
        windows,
        table.ids,
        {**sources(image, mask), "labels": labels, "cells": Path(table.name).name},
        asked(options, "window_size", "mask_cells", "on_missing"),
        options,
        limits,
        status,
        table.digest(),
        mask if options["mask_cells"] or options["masks"] else None,
        present,
        options["mask_cells"],
        cells,
        order,
    )
    return request, found


def request_of_tiles(image: Image, size: int, options: TileOptions) -> Request:
    """Return what is asked for where tiles of some size are cut."""
    limits = Limits.of(options, options["tiles_per_chunk"], options["chunk_size"])
    names, channels = channels_of(image, options)
    windows = grid(image.shape[1:], size, options["step_size"] or size)
    ids = np.arange(len(windows))
    order = shuffled(len(windows), options["shuffle"])
    if order is not None:
        windows, ids = windows[order], order
    return Request(
        image,
        channels,
        names,
        "tile",
        windows,
        ids,
        sources(image),
        {"window_size": size, **asked(options, "step_size")},
        options,
        limits,
        order=order,
    )


@contextmanager
def naming_largest(request: Request, found: Survey | None) -> Iterator[None]:
    """Add to an error of settings which cell makes the window large, where that may be why."""
    try:
        yield
    except SettingsError as error:
        largest = largest_of(request, found)
        if largest is None or request.windows.size <= LARGE:
            raise
        raise SettingsError(
            f"{error}; the window is as large as the largest cell: {largest}; if the "
            "mask is wrong there, give --window-size"
        ) from error


def largest_of(request: Request, found: Survey | None) -> Extent | None:
    """Return the cell that makes the window; None where its size was given."""
    given = dict(request.options)["window_size"] is not None
    return None if found is None or given else found.largest
