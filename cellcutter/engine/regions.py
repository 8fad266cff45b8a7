"""Pure: an image divided into regions of whole blocks, and which windows touch which region.

Invariant: every block belongs to exactly one region, so whoever visits each region once decodes
each block at most once. A window that touches several regions is merged from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.windows import Windows, ranges, slices
from cellcutter.types import Bools, Indices, Ints


@dataclass(frozen=True)
class Grid:
    """A grid of regions over an image; a region is ``blocks_down x blocks_across`` blocks.

    Parameters
    ----------
    image_shape, block_shape : (height, width) in pixels
    blocks_down, blocks_across : int
        Blocks a region has in each direction.
    """

    image_shape: tuple[int, int]
    block_shape: tuple[int, int]
    blocks_down: int
    blocks_across: int

    @property
    def region_shape(self) -> tuple[int, int]:
        """Height and width of a region in pixels; those at the far borders may be smaller."""
        return self.blocks_down * self.block_shape[0], self.blocks_across * self.block_shape[1]

    @property
    def columns(self) -> int:
        """Regions side by side."""
        return -(-self.image_shape[1] // self.region_shape[1])

    @property
    def rows(self) -> int:
        """Regions one above the other."""
        return -(-self.image_shape[0] // self.region_shape[0])

    def box(self, region: int) -> tuple[int, int, int, int]:
        """Return (top, bottom, left, right) of a region in pixels, clipped to the image."""
        row, col = divmod(region, self.columns)
        height, width = self.region_shape
        return (
            row * height,
            min((row + 1) * height, self.image_shape[0]),
            col * width,
            min((col + 1) * width, self.image_shape[1]),
        )

    def blocks(self, region: int) -> tuple[slice, slice]:
        """Return the block rows and block columns of a region, as slices of the block grid."""
        row, col = divmod(region, self.columns)
        return (
            slice(row * self.blocks_down, (row + 1) * self.blocks_down),
            slice(col * self.blocks_across, (col + 1) * self.blocks_across),
        )


def grid_for(
    image_shape: tuple[int, int], block_shape: tuple[int, int], height: int, area: int
) -> Grid:
    """Return a grid whose regions are about `height` pixels high and `area` pixels large.

    A region is never smaller than a block nor larger than the image.
    """
    block_rows = -(-image_shape[0] // block_shape[0])
    block_cols = -(-image_shape[1] // block_shape[1])
    down = min(max(1, -(-height // block_shape[0])), block_rows)
    across = max(1, area // (down * block_shape[0] * block_shape[1]))
    return Grid(image_shape, block_shape, down, min(across, block_cols))


@dataclass(frozen=True)
class Touches:
    """Which windows touch which region of a grid.

    Parameters
    ----------
    grid : Grid
    regions : int64 array of shape (r,)
        The regions that any window touches, in the order of the grid (row by row).
    starts : int64 array of shape (r + 1,)
        ``windows[starts[i]:starts[i + 1]]`` are the windows that touch ``regions[i]``.
    windows : int32 array
        Indices of windows; in each region those that touch no other region come first.
    shared : bool array of shape (n,)
        Whether a window touches more than one region.
    unfilled : bool array of shape (n,)
        Whether no region alone holds all of a window: it touches several, or none.
    needed : bool array of shape (block rows, block columns)
        Whether any window touches a block.
    """

    grid: Grid
    regions: Ints
    starts: Ints
    windows: NDArray[np.int32]
    shared: Bools
    unfilled: Bools
    needed: Bools

    def of(self, position: int) -> NDArray[np.int32]:
        """Return the windows that touch the region ``regions[position]``."""
        return self.windows[self.starts[position] : self.starts[position + 1]]

    def positions(self, part: slice) -> Ints:
        """Return the position in `regions` that each entry of ``windows[part]`` belongs to."""
        found: Ints = np.searchsorted(self.starts, np.arange(part.start, part.stop), "right") - 1
        return found

    def needed_in(self, region: int) -> Ints:
        """Return (row, column) of the blocks of a region that windows touch, shape (k, 2)."""
        rows, cols = self.grid.blocks(region)
        found: Ints = np.argwhere(self.needed[rows, cols]) + np.array([rows.start, cols.start])
        return found


def touches(windows: Windows, grid: Grid, select: Bools | None = None) -> Touches:
    """Find which windows touch which region.

    A counting sort, slice by slice: beside what is returned it takes no memory for each window.

    Parameters
    ----------
    windows : Windows
    grid : Grid
    select : bool array of shape (n,), optional
        Windows to consider; the others touch nothing.
    """
    shared, unfilled = np.empty(len(windows), bool), np.empty(len(windows), bool)
    number = 2 * grid.rows * grid.columns  # places to sort to: in each region, alone and shared
    total = np.zeros(number, np.int64)
    for part in slices(len(windows)):
        count, _, place = _pairs(windows, grid, select, part)
        shared[part], unfilled[part] = count > 1, count != 1
        total += np.bincount(place, minlength=number)
    found = np.empty(total.sum(), np.int32)
    reached = total.cumsum() - total
    for part in slices(len(windows)):
        _, window, place = _pairs(windows, grid, select, part)
        order = np.argsort(place, kind="stable")
        place = place[order]
        here = np.bincount(place, minlength=number)
        first = reached - (here.cumsum() - here)
        found[first[place] + np.arange(len(place))] = window[order]
        reached += here
    per_region = total.reshape(-1, 2).sum(1)
    regions = np.flatnonzero(per_region)
    return Touches(
        grid,
        regions,
        np.append(0, per_region[regions].cumsum()),
        found,
        shared,
        unfilled,
        needed_blocks(windows, grid.image_shape, grid.block_shape, select),
    )


def _pairs(
    windows: Windows, grid: Grid, select: Bools | None, part: slice
) -> tuple[Indices, NDArray[np.int32], Ints]:
    """Return for a slice of windows how many regions each touches, and the pairs of both.

    Returns
    -------
    count : array of shape (windows of the slice,)
    window, place : arrays of shape (pairs,)
        The window; and twice the number of the region, one more where the window has others too.
    """
    spans = ranges(windows[part], grid.image_shape, grid.region_shape)
    count = spans.count if select is None else np.where(select[part], spans.count, 0)
    index = np.repeat(np.arange(len(count)), count)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    across = (spans.col_stop - spans.col_start)[index]
    down, right = np.divmod(nth, np.maximum(across, 1))
    region = (spans.row_start[index] + down) * grid.columns + spans.col_start[index] + right
    return count, (index + part.start).astype(np.int32), 2 * region + (count > 1)[index]


def needed_blocks(
    windows: Windows,
    image_shape: tuple[int, int],
    block_shape: tuple[int, int],
    select: Bools | None = None,
) -> Bools:
    """Tell for each block whether any (selected) window touches it.

    Returns
    -------
    bool array of shape (block rows, block columns)
        Found by adding a corner at each end of each window's range and summing up.
    """
    rows, cols = -(-image_shape[0] // block_shape[0]), -(-image_shape[1] // block_shape[1])
    corners = np.zeros((rows + 1, cols + 1), np.int64)
    for part in slices(len(windows)):
        spans = ranges(windows[part], image_shape, block_shape)
        used = spans.count > 0 if select is None else (spans.count > 0) & select[part]
        r0, r1 = spans.row_start[used], spans.row_stop[used]
        c0, c1 = spans.col_start[used], spans.col_stop[used]
        for row, col, sign in ((r0, c0, 1), (r0, c1, -1), (r1, c0, -1), (r1, c1, 1)):
            np.add.at(corners, (row, col), sign)
    np.cumsum(corners, 0, out=corners)
    np.cumsum(corners, 1, out=corners)
    found: Bools = corners[:-1, :-1] > 0
    return found
