"""Pure: where thumbnails, their captions and the names of groups are on a sheet.

All places and sizes are in pixels of the windows, so that a thumbnail keeps its pixels; how large
such a pixel is printed is said once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PAGE = 7.1  # inches: as wide as two columns of a journal
_LARGEST, _SMALLEST = 1.1, 0.3  # inches of a thumbnail
_NAMES = 1.15  # inches for the names of groups, at most
_LETTER = 0.068  # inches of a letter of them
_LINE = 0.1  # inches of a line of a caption
_MARGIN = 0.12
MOST_ACROSS, MOST_OF_GROUP = 16, 12


@dataclass(frozen=True)
class Layout:
    """A sheet.

    Parameters
    ----------
    pixel : float
        Inches of a pixel.
    width, height : int
        Of the sheet, in pixels.
    places : list of (int, int)
        Left and upper end of each cell; its channels follow to the right, where they are apart.
    step : int
        From a channel to the next.
    names : list of (str, float, float)
        Name of each group, and where it stands: its left end and its middle.
    headers : list of int
        Left ends of the cells in the first row.
    left, footer : int
        Where the legend begins.
    """

    pixel: float
    width: int
    height: int
    places: list[tuple[int, int]]
    step: int
    names: list[tuple[str, float, float]]
    headers: list[int]
    left: int
    footer: int


def lay_out(
    groups: Sequence[tuple[str | None, int]],
    window: tuple[int, int],
    *,
    tiles: int = 1,
    lines: int = 1,
    legend: float = 0.5,
    across: int | None = None,
    dots: int | None = None,
) -> Layout:
    """Lay out cells, row by row; a group begins a row.

    Parameters
    ----------
    groups : sequence of (str or None, int)
        Name and number of cells of each.
    window : tuple of int
        Height and width of a thumbnail in pixels.
    tiles : int
        Thumbnails of a cell beside one another.
    lines : int
        Of the caption below a cell.
    legend : float
        Inches for the legend at the bottom.
    across : int, optional
        Cells in a row.
    dots : int, optional
        Dots per inch; a pixel then is a whole number of dots.
    """
    height, width = window
    named = any(name is not None for name, _ in groups)
    across = across or _across(groups, tiles, named=named)
    beside = min(_NAMES, max(0 if name is None else len(name) + 1 for name, _ in groups) * _LETTER)
    pixel = _pixel(width, (PAGE - 2 * _MARGIN - beside) / (across * tiles), dots)
    gap = max(1, round(0.05 / pixel))
    step = width + max(1, gap // 3)
    cell = (tiles - 1) * step + width
    margin, down = round(_MARGIN / pixel), height + math.ceil(lines * _LINE / pixel)
    left = margin + round(beside / pixel)
    places, names = [], []
    y = margin + (math.ceil(0.16 / pixel) if tiles > 1 else 0)
    for name, number in groups:
        places += [
            (left + i % across * (cell + gap), y + i // across * down) for i in range(number)
        ]
        if name is not None:
            names.append((name, float(margin), y + height / 2))
        y += -(-number // across) * down + (gap if named else 0)
    most = min(across, max(number for _, number in groups))
    return Layout(
        pixel=pixel,
        width=max(left + most * (cell + gap) - gap + margin, math.ceil(3.4 / pixel)),
        height=y + math.ceil(legend / pixel),
        places=places,
        step=step,
        names=names,
        headers=[left + i * (cell + gap) for i in range(most)],
        left=margin,
        footer=y,
    )


def _pixel(width: int, room: float, dots: int | None) -> float:
    """Return the inches of a pixel, where a thumbnail and a gap have so much room."""
    inches = min(_LARGEST, max(_SMALLEST, room * 0.94))
    return max(1, math.floor(inches * dots / width)) / dots if dots else inches / width


def _across(groups: Sequence[tuple[str | None, int]], tiles: int, *, named: bool) -> int:
    """Return how many cells look well in a row."""
    most = max((number for _, number in groups), default=1)
    if tiles > 1:
        return max(1, min(most, round(12 / tiles)))
    if named:
        return max(1, min(most, MOST_OF_GROUP))
    least = max(1, math.ceil(math.sqrt(most)))
    widths = range(min(least, MOST_ACROSS), min(math.ceil(1.6 * least), MOST_ACROSS) + 1)
    return min(widths, key=lambda width: (-most % width, width))


def scale_bar(pixel: float, width: int) -> float:
    """Return the length of a bar: 1, 2 or 5 times a power of ten, at most 0.7 of a window.

    Parameters
    ----------
    pixel : float
        Width of a pixel, in the unit of the bar.
    width : int
        Of the window in pixels.
    """
    most = 0.7 * width * pixel
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (5, 2, 1) if step * power <= most * (1 + 1e-9))
