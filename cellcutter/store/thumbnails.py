"""Pixels on their way into chunks, with the cells' masks laid over them as they are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellcutter.types import Pixels, Unsigned, unsigned


class Thumbnails:
    """Pixels of thumbnails, over which masks are laid as they are read.

    Parameters
    ----------
    pixels : array of shape (..., n, size, size), C-contiguous
        Of any dtype of 1 to 8 bytes.
    masks : bool array of shape (n, size, size), optional
        What is outside of them reads as zero, in all channels.
    """

    def __init__(self, pixels: Pixels, masks: NDArray[np.bool_] | None = None) -> None:
        self._pixels = unsigned(pixels).reshape(-1)
        self._keep: Unsigned | None = None
        if masks is not None:
            self._keep = masks.reshape(-1).astype(self._pixels.dtype)
            np.negative(self._keep, out=self._keep)  # all bits set where the mask is

    @property
    def size(self) -> int:
        """Number of pixels."""
        return len(self._pixels)

    def read(self, start: int, stop: int, memory: Unsigned) -> Unsigned:
        """Return pixels from `start` to `stop` in C order, as unsigned integers of their width.

        Parameters
        ----------
        start, stop : int
        memory : array of shape (stop - start or more,)
            Where masked pixels are put.
        """
        if self._keep is None:
            return self._pixels[start:stop]
        masked = memory[: stop - start]
        while start < stop:
            first = start % len(self._keep)
            count = min(stop - start, len(self._keep) - first)
            np.bitwise_and(
                self._pixels[start : start + count],
                self._keep[first : first + count],
                out=masked[-(stop - start) :][:count],
            )
            start += count
        return masked
