"""Pure: what a store says of itself, and the tables of its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cellcutter.store import manifest
from cellcutter.store.statistics import PERCENTILES
from cellcutter.types import Column as TableColumn
from cellcutter.types import PixelSize
from cellcutter.version import __version__

Column = NDArray[np.generic]
_ROWS = 10_000  # of a table that are text at one time


def attributes(
    *,
    axes: Sequence[str],
    pixel_size: PixelSize | None,
    image_shape: tuple[int, int, int],
    channels: Sequence[int],
    names: Sequence[str] | None,
    window: int,
    sources: Mapping[str, object],
    options: Mapping[str, object],
    table: Mapping[str, object],
    statistics: Mapping[str, object] | None,
) -> dict[str, object]:
    """Return the attributes of a store; the same input and options make the same attributes.

    Parameters
    ----------
    axes : sequence of str
        Names of the array's axes; they stand in ``_ARRAY_DIMENSIONS`` too, where xarray looks
        (https://docs.xarray.dev/en/stable/internals/zarr-encoding-spec.html).
    pixel_size : PixelSize, optional
    image_shape : (channels, height, width)
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
    statistics : mapping, optional
        Of each channel.
    """
    return {
        "_ARRAY_DIMENSIONS": list(axes),
        "cellcutter": {
            "version": __version__,
            "axes": list(axes),
            "channels": [
                {"number": c + 1, "name": (names[c] if names else "") or None} for c in channels
            ],
            "window_size": window,
            "pixel_size": None
            if pixel_size is None
            else {"y": pixel_size.y, "x": pixel_size.x, "unit": pixel_size.unit},
            "image_shape": list(image_shape),
            "sources": dict(sources),
            "options": dict(options),
            "table": dict(table),
            **({} if statistics is None else {"statistics": dict(statistics)}),
            "manifest": manifest.NAME,
        },
    }


def channel_columns(
    names: Sequence[str], channels: Sequence[int], statistics: Mapping[str, object] | None
) -> Iterator[tuple[str, TableColumn]]:
    """Yield the columns of the table of channels in a store of cells.

    Parameters
    ----------
    names : sequence of str
        Marker names of the output's channels, or their numbers.
    channels : sequence of int
        Positions, from 0, of the output's channels in the image.
    statistics : mapping, optional
        Of each channel.
    """
    yield "channels", TableColumn(np.array(names, object))
    yield "channel_mapping", TableColumn(np.array(["image_channel"] * len(names), object))
    yield "number", TableColumn(np.array(channels, np.int64) + 1)
    if statistics is None:
        return
    percentiles = statistics["percentiles"]
    found = {"mean": statistics["mean"], "std": statistics["std"]}
    if isinstance(percentiles, dict):
        found |= {f"percentile_{p:g}": percentiles[f"{p:g}"] for p in PERCENTILES}
    for name, values in found.items():
        yield name, TableColumn(np.array(values, np.float64))


def csv_text(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield columns of numbers, truth values or plain words, each of shape (n,), as CSV."""
    yield ",".join(columns) + "\n"
    line = ",".join(["%s"] * len(columns)) + "\n"
    for start in range(0, len(next(iter(columns.values()))), _ROWS):
        part = (column[start : start + _ROWS].tolist() for column in columns.values())
        yield "".join(map(line.__mod__, zip(*part, strict=True)))
