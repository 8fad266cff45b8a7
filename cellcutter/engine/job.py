"""What is to be cut, out of what, and with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cellcutter.engine.windows import Windows
from cellcutter.read.image import Image
from cellcutter.types import Bools, Pixels


@dataclass(frozen=True)
class Channel:
    """An output channel: where it comes from.

    Parameters
    ----------
    plane : int
        The plane of the image.
    position : int
        The channel's position in the plane.
    """

    plane: int
    position: int


@dataclass(frozen=True)
class Job:
    """What is to be cut, out of what, and with what.

    Parameters
    ----------
    windows : Windows
        In the order of the output.
    image : Image
        The image; or the labels, where masks are cut.
    channels : tuple of Channel
        In the order of the output; one where masks are cut.
    cells_per_chunk : int
    unit : int
        Channels of a chunk that must be written together.
    encoder_nbytes : int
        Memory that a thread needs to encode a chunk, beside the chunk.
    threads : int
    memory : int
        Bytes allowed.
    asked : bool
        Whether the user has said how much memory.
    only : array of shape (n,), optional
        For masks: the label of each window's cell, of the labels' dtype.
    select : bool array of shape (n,), optional
        Windows to be cut; the others are zero.
    mask_nbytes : int
        Memory that a thread needs for the masks that it lays over a chunk.
    cells_first : bool
        Whether chunks are put together as (cells, channels, size, size).
    """

    windows: Windows
    image: Image
    channels: tuple[Channel, ...]
    cells_per_chunk: int
    unit: int
    encoder_nbytes: int
    threads: int
    memory: int
    asked: bool = True
    only: Pixels | None = None
    select: Bools | None = None
    mask_nbytes: int = 0
    cells_first: bool = False

    def of_chunks(self, chunks: Sequence[int]) -> Job:
        """Return the job of some chunks alone, which take the numbers from 0 in their order.

        Parameters
        ----------
        chunks : sequence of int
            Rising. Only the last chunk of all may lack windows, so each keeps its windows.
        """
        n = self.cells_per_chunk
        parts = [np.arange(i * n, min((i + 1) * n, len(self.windows))) for i in chunks]
        rows = np.concatenate(parts)
        return replace(
            self,
            windows=self.windows[rows],
            only=None if self.only is None else self.only[rows],
            select=None if self.select is None else self.select[rows],
        )

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the thumbnails while they are put together: bits."""
        return np.dtype(bool if self.only is not None else f"u{self.image.dtype.itemsize}")

    @property
    def pixel(self) -> np.dtype[np.generic]:
        """Type of the thumbnails as they are handed on: the image's, or bool for masks."""
        return self.dtype if self.only is not None else self.image.dtype

    def cell_nbytes(self, channels: int) -> int:
        """Bytes of one cell's thumbnails in some channels."""
        return channels * self.windows.size**2 * self.dtype.itemsize
