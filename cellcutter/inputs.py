"""What the user names, opened and checked: images, channels, what the mask says of cells."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from cellcutter.cells.labels import check_labels, survey
from cellcutter.cells.markers import positions, read_markers
from cellcutter.cells.table import CellTable
from cellcutter.engine.windows import around
from cellcutter.errors import ImageError, TableError, reading
from cellcutter.limits import Limits
from cellcutter.options import Name, Options
from cellcutter.read.image import Image
from cellcutter.read.sources import open_image
from cellcutter.store.layout import numeric
from cellcutter.types import Bools, Progress


def silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


def open_checked(stack: ExitStack, path: Name) -> Image:
    """Open an image or a mask whose pixels are numbers, until the stack is closed.

    Raises
    ------
    ImageError
    """
    with reading(path, "an image", ImageError):
        image = stack.enter_context(open_image(path))
    if not numeric(image.dtype):
        raise ImageError(
            f"{image.path}: pixels of {image.dtype} found, integers or floats expected"
        )
    return image


def channels_of(image: Image, options: Options) -> tuple[tuple[str, ...] | None, list[int]]:
    """Return the marker names of the image's channels and the positions of those to be cut."""
    names = image.channel_names
    if options["markers"] is not None:
        with reading(options["markers"], "a CSV file of markers", TableError):
            names = read_markers(options["markers"], image)
    return names, positions(options["channels"], image, names)


def survey_cells(
    table: CellTable,
    image: Image,
    labels: Image | None,
    window_size: int | None,
    limits: Limits,
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
        limits.threads,
        limits.memory,
        lambda done, total: progress("reading labels", done, total),
    )
    if not window_size and not found.size:
        raise ImageError(f"{labels.path}: none of the cells of {table.name} found, labels expected")
    return found.present, window_size or found.size
