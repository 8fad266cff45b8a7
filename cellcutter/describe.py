"""Pure: what a store says of itself, and the tables of its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cellcutter.image import Image
from cellcutter.version import __version__
from cellcutter.windows import Windows, overhangs

Column = NDArray[np.generic]
_ROWS = 10_000  # of a table that are text at one time


def attributes(
    *,
    axes: Sequence[str],
    image: Image,
    channels: Sequence[int],
    names: Sequence[str] | None,
    window: int,
    sources: Mapping[str, str | None],
    options: Mapping[str, object],
    table: Mapping[str, object],
) -> dict[str, object]:
    """Return the attributes of a store; the same input and options make the same attributes.

    Parameters
    ----------
    axes : sequence of str
        Names of the array's axes; they stand in ``_ARRAY_DIMENSIONS`` too, where xarray looks
        (https://docs.xarray.dev/en/stable/internals/zarr-encoding-spec.html).
    image : Image
    channels : sequence of int
        Positions, from 0, of the output's channels in the image.
    names : sequence of str, optional
        Marker names of the image's channels.
    window : int
        Height and width of a window in pixels.
    sources : mapping
        File names of the inputs, without folders.
    options : mapping
        What was asked for, as far as it changes the result.
    table : mapping
        Where the cells or tiles are listed, and what identifies them.
    """
    pixel = image.pixel_size
    return {
        "_ARRAY_DIMENSIONS": list(axes),
        "cellcutter": {
            "version": __version__,
            "axes": list(axes),
            "channels": [{"number": c + 1, "name": names[c] if names else None} for c in channels],
            "window_size": window,
            "pixel_size": None
            if pixel is None
            else {"y": pixel.y, "x": pixel.x, "unit": pixel.unit},
            "image_shape": list(image.shape),
            "sources": dict(sources),
            "options": dict(options),
            "table": dict(table),
        },
    }


def window_columns(windows: Windows, image_shape: tuple[int, int]) -> dict[str, Column]:
    """Return the columns that place windows in the image, in pixels."""
    return {
        "X_start": windows.x,
        "X_stop": windows.x + windows.size,
        "Y_start": windows.y,
        "Y_stop": windows.y + windows.size,
        "OutOfBounds": overhangs(windows, image_shape),
    }


def csv_text(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield columns of numbers, truth values or plain words, each of shape (n,), as CSV."""
    yield ",".join(columns) + "\n"
    line = ",".join(["%s"] * len(columns)) + "\n"
    for start in range(0, len(next(iter(columns.values()))), _ROWS):
        part = (column[start : start + _ROWS].tolist() for column in columns.values())
        yield "".join(map(line.__mod__, zip(*part, strict=True)))
