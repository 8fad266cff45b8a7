"""Statistics of each channel, counted on the way of the pixels into the store.

Integers of 8 and 16 bits are counted by value, so that all results are exact. Others are counted by
the upper 16 bits of them as float32, so that a percentile is off by at most 2**-7 of itself; mean
and standard deviation are sums in float64. Pixels outside of the image are not counted, nor are
those outside of the cell where there are masks, nor NaN.

Counting takes about 2 ns a pixel, a sixth of a run, so of large stores cells are counted that are
spread evenly: every k-th.

Invariant: counts do not depend on the order in which chunks come, on threads, or on the machine.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from cellcutter.types import Bools, Floats, Ints, Pixels

PERCENTILES = (0.1, 1, 50, 99, 99.9)
ENOUGH = 1 << 21  # pixels of a channel that are counted of large stores
_BINS = 1 << 16
_BATCH = 1 << 16  # pixels that stay in a processor's own cache


class Statistics:
    """Counts pixels; :meth:`add` may be called from several threads.

    Parameters
    ----------
    channels : int
    cells : int
        Of the store.
    per_chunk : int
    dtype : numpy.dtype
        Of the image.
    size : int
        Height and width of a thumbnail.
    inside : int64 array of shape (n,)
        Pixels of each thumbnail that lie in the image.
    exact : bool
        Count all cells, whatever time it takes.
    """

    def __init__(
        self,
        channels: int,
        cells: int,
        per_chunk: int,
        dtype: np.dtype[np.generic],
        size: int,
        inside: Ints,
        *,
        exact: bool,
    ) -> None:
        self._cells = cells
        self._per_chunk = per_chunk
        self._dtype = dtype
        self._size = size
        self._inside = inside
        self._every = 1 if exact else max(1, cells * size * size // ENOUGH)
        self._counts = np.zeros((channels, _BINS), np.int64)
        self._sums: dict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
        self._done: dict[int, int] = {}
        self._lock = threading.Lock()
        self._exact = dtype.itemsize <= 2 and dtype.kind in "iub"

    def add(
        self, chunk: int, part: Pixels, masks: Bools | None, *, cells_first: bool = False
    ) -> None:
        """Count the next channels of a chunk.

        Parameters
        ----------
        chunk : int
        part : array of shape (channels, n, size, size), or (n, channels, size, size)
            Of any dtype as wide as the image's.
        masks : bool array of shape (n, size, size), optional
        cells_first : bool
            Which of both shapes it is.
        """
        pixels = part.view(self._dtype)
        if cells_first:
            pixels = pixels.swapaxes(0, 1)
        first = chunk * self._per_chunk
        stop = min(first + self._per_chunk, self._cells)
        counted = slice(-(-first // self._every) * self._every, stop, self._every)
        inside = self._inside[counted]
        outside = 0 if masks is not None else self._size**2 * len(inside) - int(inside.sum())
        here = slice(counted.start - first, stop - first, self._every)
        start = self._done.get(chunk, 0)
        for channel, of_cells in enumerate(pixels, start):
            self._count(
                chunk, channel, of_cells[here], None if masks is None else masks[here], outside
            )
        self._done[chunk] = start + len(pixels)

    def _count(
        self, chunk: int, channel: int, cells: Pixels, masks: Bools | None, outside: int
    ) -> None:
        """Count pixels, of which so many zeros lie outside of the image."""
        counts = self._counts[channel]
        step = max(1, _BATCH // self._size**2)
        memory = np.empty(step * self._size**2, np.intp)
        total = square = 0.0
        for first in range(0, len(cells), step):
            some = cells[first : first + step]
            batch = some.reshape(-1) if masks is None else some[masks[first : first + step]]
            if not self._exact:
                batch = batch[~np.isnan(batch)].astype(np.float64)
            bins = memory[: len(batch)]
            np.copyto(bins, self._bins_of(batch))
            found = np.bincount(bins)
            if not self._exact:
                # Not by `@`: what BLAS adds up differs by processor and by its threads
                with np.errstate(over="ignore", invalid="ignore"):
                    total += float(batch.sum())
                    square += float(np.square(batch, out=batch).sum())
            with self._lock:
                counts[: len(found)] += found
        zero = int(self._bins_of(np.zeros(1, self._dtype))[0])
        with self._lock:
            counts[zero] -= outside
            if not self._exact:
                self._sums[channel][chunk] = total, square

    def _bins_of(self, values: Pixels) -> Pixels:
        """Return the bins of pixels, which rise with their values."""
        if self._exact:
            if self._dtype.kind != "i":
                return values
            return values.astype(np.int32) + (1 << (8 * self._dtype.itemsize - 1))
        with np.errstate(over="ignore"):
            upper = values.astype(np.float32).view(np.uint32) >> 16
        return np.where(upper >> 15, 0xFFFF - upper, upper | 0x8000)

    def _values(self) -> Floats:
        """Return the value that stands for each bin."""
        bins = np.arange(_BINS)
        if self._exact:
            low = 1 << (8 * self._dtype.itemsize - 1) if self._dtype.kind == "i" else 0
            return (bins - low).astype(np.float64)
        upper = np.where(bins >> 15, bins & 0x7FFF, 0xFFFF - bins).astype(np.uint32)
        size = upper & 0x7FFF
        upper = np.where(size > 0x7F80, upper & 0x8000 | 0x7F80, upper)  # of NaN: never used
        middle = np.where((size > 0) & (size < 0x7F80), 0x7FFF, 0).astype(np.uint32)
        return (upper << 16 | middle).view(np.float32).astype(np.float64)

    def result(self) -> dict[str, object]:
        """Return the statistics, fit for JSON: lists have a value for each channel."""
        values = self._values()
        means, deviations = [], []
        for channel, counts in enumerate(self._counts):
            mean, deviation = self._moments(channel, counts, values)
            means.append(mean)
            deviations.append(deviation)
        return {
            "cells": -(-self._cells // self._every),
            "pixels": self._counts.sum(axis=1).tolist(),
            "exact": self._exact and self._every == 1,
            "relative_error": 0.0 if self._exact else 2.0**-7,
            "mean": means,
            "std": deviations,
            "percentiles": {
                f"{p:g}": [_percentile(counts, values, p) for counts in self._counts]
                for p in PERCENTILES
            },
        }

    def _moments(
        self, channel: int, counts: Ints, values: Floats
    ) -> tuple[float | None, float | None]:
        """Return mean and standard deviation."""
        number = int(counts.sum())
        if not number:
            return None, None
        if self._exact:
            weighted = values.astype(np.int64) * counts
            total = int(weighted.sum())
            # in two halves, each of which 64 bits hold
            low, high = weighted & 0xFFFFFF, weighted >> 24
            square = int(values.astype(np.int64) @ low) + (
                int(values.astype(np.int64) @ high) << 24
            )
            variance = (number * square - total * total) / number**2
            return total / number, math.sqrt(variance)
        sums = [self._sums[channel][chunk] for chunk in sorted(self._sums[channel])]
        mean = sum(s for s, _ in sums) / number
        variance = sum(q for _, q in sums) / number - mean * mean
        return _known(mean), _known(math.sqrt(max(variance, 0.0)))


def _percentile(counts: Ints, values: Floats, percent: float) -> float | None:
    """Return the percentile of counted values, between two of them as `numpy.percentile` does."""
    rising = counts.cumsum()
    if not rising[-1]:
        return None
    rank = (int(rising[-1]) - 1) * percent / 100
    low, high = (int(np.searchsorted(rising, r, "right")) for r in (rank // 1, math.ceil(rank)))
    below, above = float(values[low]), float(values[high])
    return _known(below + (above - below) * (rank % 1) if above != below else below)


def _known(value: float) -> float | None:
    """Return a number that JSON can hold, or None."""
    return value if math.isfinite(value) else None


def inside_image(y: Ints, x: Ints, size: int, image_shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return how many pixels of each window lie in the image, shape (n,)."""
    lengths = [
        np.maximum(np.minimum(start + size, length) - np.maximum(start, 0), 0)
        for start, length in zip((y, x), image_shape, strict=True)
    ]
    result: NDArray[np.int64] = lengths[0] * lengths[1]
    return result
