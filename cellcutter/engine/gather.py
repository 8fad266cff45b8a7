"""Pure copying: windows out of a region of pixels into the slots of buffers, and masking.

A *region* here is a 2-D array with a margin of ``size - 1`` zeros on each side, so that every
window that touches the region lies wholly inside the array. Pixels move as unsigned integers of
their own width: a window of several regions is put together with a bitwise or, which is exact for
every dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cellcutter.types import Indices, Pixels


@dataclass(frozen=True)
class Placement:
    """Where windows of a region are, and where their thumbnails go.

    Parameters
    ----------
    y, x : int32 or int64 arrays of shape (n,)
        First row and column of each window in the region's array.
    buffer, slot : int32 or int64 arrays of shape (n,)
        Where each thumbnail goes: index 0 and 1 of the target.
    whole : int
        The first `whole` windows lie in this region alone; the others share their pixels with
        other regions and are merged.
    """

    y: Indices
    x: Indices
    buffer: Indices
    slot: Indices
    whole: int


def windows_of(region: Pixels, size: int) -> Pixels:
    """Return the view (rows, columns, size, size) of all windows of a 2-D array."""
    shape = (region.shape[0] - size + 1, region.shape[1] - size + 1, size, size)
    return as_strided(region, shape, region.strides + region.strides, writeable=False)


def put(
    region: Pixels,
    size: int,
    placement: Placement,
    target: Pixels,
    merging: AbstractContextManager[object],
    batch: int,
    only: Pixels | None = None,
) -> None:
    """Copy the windows of a region to their slots.

    Parameters
    ----------
    region : array of shape (rows, columns)
        Pixels with margins; unsigned integers, or labels of any dtype where `only` is given.
    size : int
        Window size in pixels.
    placement : Placement
    target : array of shape (buffers, slots, size, size)
        Unsigned integers of the region's width, or bool where `only` is given.
    merging : context manager
        Held while windows are merged that other regions write to as well.
    batch : int
        Windows copied at one time.
    only : array of shape (n,), optional
        A label for each window: what is put is the boolean window ``region == only``.
    """
    view = windows_of(region, size)
    p = placement
    for part in _batches(0, p.whole, batch):
        target[p.buffer[part], p.slot[part]] = _take(view, p, part, only)
    if p.whole == len(p.y):
        return
    for part in _batches(p.whole, len(p.y), batch):
        found = _take(view, p, part, only)
        where = p.buffer[part], p.slot[part]
        with merging:
            target[where] = np.bitwise_or(target[where], found)


def _take(view: Pixels, p: Placement, part: slice, only: Pixels | None) -> Pixels:
    found = view[p.y[part], p.x[part]]
    return found if only is None else found == only[part, None, None]


def _batches(start: int, stop: int, batch: int) -> Iterator[slice]:
    return (slice(i, min(i + batch, stop)) for i in range(start, stop, batch))
