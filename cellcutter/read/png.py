"""A PNG picture as (C, Y, X): the whole picture is one block.

PNG: https://www.w3.org/TR/png. Cellpose saves its masks so.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Self

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.image import ImageInfo
from cellcutter.read.positional import open_regular, read_at
from cellcutter.types import PixelSize

_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}  # by type of colour; 3 is a palette
_PALETTE = 3
_INFLATION = 1100  # times its size that deflate can make of a file, at the most
_SCALED = {1: 255, 2: 85, 4: 17}  # decoding stretches grey of few bits to a byte by these


class PngImage:
    """A PNG picture seen as :class:`cellcutter.read.image.Image`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ImageError
        It is no PNG of grey values or colours, or claims more pixels than it can hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.files: tuple[Path, ...] = (path,)
        self.notes: tuple[str, ...] = ()
        self.channel_names: tuple[str, ...] | None = None
        self.pixel_size: PixelSize | None = None
        try:
            self._descriptor = open_regular(path)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror or error}; an image expected") from error
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        self._nbytes = os.fstat(self._descriptor).st_size
        try:
            head = read_at(self._descriptor, 26, 0)
        except EOFError as error:
            raise ImageError(f"{self.path}: truncated: {error} found") from error
        width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
        if colour == _PALETTE:
            raise ImageError(
                f"{self.path}: a PNG with a palette of colours found, grey values expected: save "
                "the CellIDs themselves, as 16-bit PNG or TIFF"
            )
        if colour not in _SAMPLES or depth not in (1, 2, 4, 8, 16) or not width or not height:
            raise ImageError(f"{self.path}: a damaged PNG found, an undamaged one expected")
        samples = _SAMPLES[colour]
        self.dtype = np.dtype(np.uint16 if depth == 16 else np.uint8)
        self.shape = (samples, height, width)
        decoded = prod(self.shape) * self.dtype.itemsize
        if decoded * depth // 8 // self.dtype.itemsize > _INFLATION * self._nbytes:
            raise ImageError(
                f"{self.path}: {height} x {width} pixels found in {self._nbytes} bytes, which "
                "cannot hold them"
            )
        self._divisor = _SCALED.get(depth, 1)
        self.block_shape = (height, width)
        self.planes: tuple[tuple[int, ...], ...] = (tuple(range(samples)),)
        self.block_nbytes = 2 * decoded + self._nbytes

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode the picture, see :meth:`cellcutter.read.image.Image.read_block`."""
        del plane, row, col  # there is one
        try:
            data = read_at(self._descriptor, self._nbytes, 0)
            pixels = imagecodecs.png_decode(data)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(f"{self.path}: {reason} found, an undamaged PNG expected") from error
        pixels = pixels.reshape(*self.shape[1:], -1)[:, :, : self.shape[0]].transpose(2, 0, 1)
        if self._divisor > 1:
            pixels = pixels // self._divisor
        out[...] = pixels

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:  # noqa: ARG002 - of the interface
        """Return False for the one block."""
        return np.zeros((1, 1), bool)

    def check_channels(self, channels: Sequence[int]) -> None:
        """Accept all: a PNG is one file."""

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def info(self) -> ImageInfo:
        """Return what the file says of its image."""
        samples, height, width = self.shape
        axes, shape = ("YXS", (height, width, samples)) if samples > 1 else ("YX", (height, width))
        return ImageInfo(
            1, None, axes, shape, self.dtype, None, None, "deflate", self.block_shape, ()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
