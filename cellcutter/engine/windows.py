"""Pure geometry of windows: squares of image pixels, one for each cell or tile.

Invariant: a window is ``[y, y + size) x [x, x + size)`` in image pixels. It may overhang the image
or lie outside of it; only :func:`clip` knows what of it the image covers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cellcutter.types import Bools, Floats, Indices

FARTHEST = 2.0**40  # pixels; no image is as large, and no sum of windows overflows
_COMPACT = 2**30 - 1  # pixels; sums of two such numbers have 32 bits
_SLICE = 1 << 15  # windows looked at in one go: what that takes beside the result is little


@dataclass(frozen=True)
class Windows:
    """Windows of one size.

    Parameters
    ----------
    y, x : int32 or int64 arrays of shape (n,)
        First row and first column of each window, in pixels; may be negative.
    size : int
        Height and width in pixels, at least 1.
    """

    y: Indices
    x: Indices
    size: int

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, part: slice | Indices) -> Windows:
        return Windows(self.y[part], self.x[part], self.size)


def slices(n: int, step: int = _SLICE) -> list[slice]:
    """Return 0 to `n` in parts of `step`, for work whose temporary memory is not to grow with n."""
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def rows_of(n: int, width: int) -> Iterator[tuple[slice, int]]:
    """Yield 0 to `n` in parts that are whole rows of `width`, and the row's width; then the rest.

    Parts have about as many items as :func:`slices`, or one row.
    """
    whole = n - n % width
    for part in slices(whole, max(1, _SLICE // width) * width):
        yield part, width
    if n > whole:
        yield slice(whole, n), n - whole


def _compact(starts: Floats | Indices, size: int) -> Indices:
    """Return starts of windows as integers, of 32 bits if that is enough."""
    reach = max(size, -int(starts.min(initial=0)), int(starts.max(initial=0)))
    return starts.astype(np.int32 if reach <= _COMPACT else np.int64)


def around(y_centroid: Floats, x_centroid: Floats, size: int) -> Windows:
    """Return the window of each centroid: it starts at ``trunc(centroid) - size // 2``.

    Parameters
    ----------
    y_centroid, x_centroid : float64 arrays of shape (n,)
        In pixels. Where either is NaN or infinite the window lies outside of every image.
    size : int
        Height and width in pixels.
    """
    known = np.isfinite(y_centroid) & np.isfinite(x_centroid)

    def start(centroid: Floats) -> Indices:
        somewhere = np.where(known, centroid, -2.0 * size)
        np.clip(somewhere, -FARTHEST, FARTHEST, out=somewhere)
        np.trunc(somewhere, out=somewhere)
        somewhere -= size // 2
        return _compact(somewhere, size)

    return Windows(start(y_centroid), start(x_centroid), size)


def grid(image_shape: tuple[int, int], size: int, step: int) -> Windows:
    """Return a tile for every start inside the image, from (0, 0), row by row.

    Parameters
    ----------
    image_shape : (height, width) in pixels
    size, step : int
        Size of a tile, and distance of two starts, in pixels.
    """
    y, x = (_compact(np.arange(0, length, step), size) for length in image_shape)
    return Windows(np.repeat(y, len(x)), np.tile(x, len(y)), size)


def overhangs(windows: Windows, image_shape: tuple[int, int]) -> Bools:
    """Tell for each window whether any pixel of it lies outside the image, shape (n,)."""
    height, width = image_shape
    size = windows.size
    return (
        (windows.y < 0) | (windows.x < 0) | (windows.y + size > height) | (windows.x + size > width)
    )


@dataclass(frozen=True)
class CellRanges:
    """For each window the grid rows and columns that it touches, first and one past the last.

    A window outside the image has ``row_stop == row_start`` and ``col_stop == col_start``.
    """

    row_start: Indices
    row_stop: Indices
    col_start: Indices
    col_stop: Indices

    @property
    def count(self) -> Indices:
        """Number of grid cells each window touches, shape (n,)."""
        return (self.row_stop - self.row_start) * (self.col_stop - self.col_start)


def ranges(
    windows: Windows, image_shape: tuple[int, int], cell_shape: tuple[int, int]
) -> CellRanges:
    """Return which cells of a grid over the image each window touches.

    Parameters
    ----------
    image_shape : (height, width) in pixels
    cell_shape : (height, width) in pixels
        Size of a cell of the grid, which starts at (0, 0).
    """
    row_start, row_stop = clip(windows.y, windows.size, image_shape[0])
    col_start, col_stop = clip(windows.x, windows.size, image_shape[1])
    inside = (row_stop > row_start) & (col_stop > col_start)

    def divide(start: Indices, stop: Indices, step: int) -> tuple[Indices, Indices]:
        step = min(step, np.iinfo(start.dtype).max)  # a file may tell of any size
        first = start // step
        return first, np.where(inside, (stop - 1) // step + 1, first)

    return CellRanges(
        *divide(row_start, row_stop, cell_shape[0]), *divide(col_start, col_stop, cell_shape[1])
    )


def clip(start: Indices, size: int, length: int) -> tuple[Indices, Indices]:
    """Clip intervals ``[start, start + size)`` to ``[0, length)``; return starts and stops."""
    return np.clip(start, 0, length), np.clip(start + size, 0, length)
