"""Pure geometry of windows: squares of image pixels, one for each cell or tile.

Invariant: a window is ``[y, y + size) x [x, x + size)`` in image pixels. It may overhang the image
or lie outside of it; only :func:`clip` knows what of it the image covers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellcutter.types import Bools, Ints

FARTHEST = 2.0**40  # pixels; no image is as large, and no sum of windows overflows


@dataclass(frozen=True)
class Windows:
    """Windows of one size.

    Parameters
    ----------
    y, x : int64 arrays of shape (n,)
        First row and first column of each window, in pixels; may be negative.
    size : int
        Height and width in pixels, at least 1.
    """

    y: Ints
    x: Ints
    size: int

    def __len__(self) -> int:
        return len(self.y)

    def take(self, order: Ints) -> Windows:
        """Return the windows in another order."""
        return Windows(self.y[order], self.x[order], self.size)


def around(y_centroid: NDArray[np.float64], x_centroid: NDArray[np.float64], size: int) -> Windows:
    """Return the window of each centroid: it starts at ``trunc(centroid) - size // 2``.

    Parameters
    ----------
    y_centroid, x_centroid : float64 arrays of shape (n,)
        In pixels. Where either is NaN or infinite the window lies outside of every image.
    size : int
        Height and width in pixels.
    """
    known = np.isfinite(y_centroid) & np.isfinite(x_centroid)

    def start(centroid: NDArray[np.float64]) -> Ints:
        somewhere = np.clip(np.where(known, centroid, -2.0 * size), -FARTHEST, FARTHEST)
        first: Ints = np.trunc(somewhere).astype(np.int64) - size // 2
        return first

    return Windows(start(y_centroid), start(x_centroid), size)


def grid(image_shape: tuple[int, int], size: int, step: int) -> Windows:
    """Return a tile for every start inside the image, from (0, 0), row by row.

    Parameters
    ----------
    image_shape : (height, width) in pixels
    size, step : int
        Size of a tile, and distance of two starts, in pixels.
    """
    starts_y = np.arange(0, image_shape[0], step, dtype=np.int64)
    starts_x = np.arange(0, image_shape[1], step, dtype=np.int64)
    return Windows(np.repeat(starts_y, len(starts_x)), np.tile(starts_x, len(starts_y)), size)


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

    row_start: Ints
    row_stop: Ints
    col_start: Ints
    col_stop: Ints

    @property
    def count(self) -> Ints:
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

    def divide(start: Ints, stop: Ints, step: int) -> tuple[Ints, Ints]:
        first = start // step
        return first, np.where(inside, (stop - 1) // step + 1, first)

    return CellRanges(
        *divide(row_start, row_stop, cell_shape[0]), *divide(col_start, col_stop, cell_shape[1])
    )


def clip(start: Ints, size: int, length: int) -> tuple[Ints, Ints]:
    """Clip intervals ``[start, start + size)`` to ``[0, length)``; return starts and stops."""
    return np.clip(start, 0, length), np.clip(start + size, 0, length)
