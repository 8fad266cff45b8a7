"""One channel of an image, seen as an image of its own: masks of several channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cellcutter.read.image import Image
from cellcutter.types import PixelSize


class ChannelOf:
    """A channel of an image, seen as :class:`cellcutter.read.image.Image`.

    Parameters
    ----------
    image : Image
        Closed with this one.
    channel : int
        Position, from 0.
    """

    def __init__(self, image: Image, channel: int) -> None:
        self._image = image
        self._channel = channel
        self._plane = next(i for i, plane in enumerate(image.planes) if channel in plane)
        self._place = image.planes[self._plane].index(channel)
        self.name: str = image.name
        self.path: Path = image.path
        self.files: tuple[Path, ...] = image.files
        self.shape: tuple[int, int, int] = (1, *image.shape[1:])
        self.dtype: np.dtype[np.generic] = image.dtype
        self.block_shape: tuple[int, int] = image.block_shape
        self.planes: tuple[tuple[int, ...], ...] = ((0,),)
        names = image.channel_names
        self.channel_names: tuple[str, ...] | None = (names[channel],) if names else None
        self.pixel_size: PixelSize | None = image.pixel_size
        self.notes: tuple[str, ...] = image.notes
        self._samples = len(image.planes[self._plane])
        whole = prod(image.block_shape) * self._samples * image.dtype.itemsize
        self.block_nbytes: int = image.block_nbytes + (whole if self._samples > 1 else 0)

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode a block, see :meth:`cellcutter.read.image.Image.read_block`."""
        del plane  # there is one
        if self._samples == 1:
            self._image.read_block(self._plane, row, col, out)
            return
        pixels = np.empty((self._samples, *out.shape[1:]), out.dtype)
        self._image.read_block(self._plane, row, col, pixels)
        out[0] = pixels[self._place]

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:
        """Tell which blocks have no bytes, see :meth:`cellcutter.read.image.Image.empty_blocks`."""
        del plane
        return self._image.empty_blocks(self._plane)

    def check_channels(self, channels: Sequence[int]) -> None:
        """See :meth:`cellcutter.read.image.Image.check_channels`."""
        if channels:
            self._image.check_channels([self._channel])

    def close(self) -> None:
        """Close the image."""
        self._image.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
