"""Planes of a TIFF: where their blocks lie in which file, and reading them.

tifffile decodes; reading is at positions of files of our own, so that threads share no position
and no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellcutter.read.headers import check_encoded
from cellcutter.read.positional import Files
from cellcutter.read.tiff.images import Absent
from cellcutter.types import Bools, Ints

ROWS = 64  # rows of a block where nothing is compressed, and any rows can be read


class Plane(Protocol):
    """The channels that lie in the same blocks.

    Attributes
    ----------
    file : Path
    block_shape : (height, width) in pixels, optional
        None where any rows can be read.
    block_nbytes : int
        Temporary memory, in bytes, that reading one block (or `ROWS` rows) takes.
    """

    @property
    def file(self) -> Path:
        """Where the plane lies."""

    @property
    def block_shape(self) -> tuple[int, int] | None:
        """Of a block, if there are blocks."""

    @property
    def block_nbytes(self) -> int:
        """Memory that reading a block takes."""

    def read(self, files: Files, top: int, left: int, out: NDArray[np.generic]) -> None:
        """Read pixels from whole blocks on, or from a row on, into (channels, height, width)."""

    def empty_blocks(self) -> Bools | None:
        """Tell which blocks have no bytes and so are zero; None where that is not known."""


@dataclass(frozen=True)
class RawPlane:
    """A plane whose pixels lie row by row, neither compressed nor divided.

    Parameters
    ----------
    file : Path
    offset : int
        Of its first pixel, in bytes.
    stored : numpy.dtype
        As pixels are stored.
    width, samples : int
        Of a row.
    """

    file: Path
    offset: int
    stored: np.dtype[np.generic]
    width: int
    samples: int

    @property
    def block_shape(self) -> None:
        """None: any rows can be read."""
        return

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row."""
        return self.width * self.samples * self.stored.itemsize

    @property
    def block_nbytes(self) -> int:
        """Memory for `ROWS` rows, in bytes."""
        return ROWS * self.row_nbytes

    def read(self, files: Files, top: int, left: int, out: NDArray[np.generic]) -> None:
        """Read rows."""
        _, height, width = out.shape
        for y in range(0, height, ROWS):  # a block of planes of several kinds may be higher
            rows = min(ROWS, height - y)
            data = files.read(
                self.file, rows * self.row_nbytes, self.offset + (top + y) * self.row_nbytes
            )
            pixels = np.frombuffer(data, self.stored).reshape(rows, self.width, self.samples)
            out[:, y : y + rows] = pixels[:, left : left + width].transpose(2, 0, 1)

    def empty_blocks(self) -> None:
        """None: it has no blocks."""


@dataclass(frozen=True)
class BlockPlane:
    """A plane of strips or tiles.

    Parameters
    ----------
    file : Path
    offsets, counts : int64 arrays
        Of each block of the page, in bytes; blocks that were never written have a 0.
    first : int
        Index of the plane's first block in the page.
    grid : (rows, columns) of blocks
    block_shape : (height, width) in pixels
    pixel_nbytes : int
        Bytes of a pixel with all its samples.
    nodata : float
        Value of the pixels of blocks that were never written.
    decode : callable
        tifffile's decoder of the plane's page: (bytes, index) to pixels, place and shape.
    picture : bool
        Whether each block is a picture in a format of its own, with a header.
    whole : bool
        Whether such a picture has an end of its own.
    """

    file: Path
    offsets: Ints
    counts: Ints
    first: int
    grid: tuple[int, int]
    block_shape: tuple[int, int]
    pixel_nbytes: int
    nodata: float
    decode: Callable[..., Any]
    picture: bool
    whole: bool

    @property
    def block_nbytes(self) -> int:
        """Memory for a block; decoding undoes a predictor, or byte order, in a second array."""
        largest = int(self.counts.max(initial=0))
        return 2 * prod(self.block_shape) * self.pixel_nbytes + largest

    def read(self, files: Files, top: int, left: int, out: NDArray[np.generic]) -> None:
        """Decode blocks: one, unless the planes of the image have blocks of several sizes."""
        _, height, width = out.shape
        rows, columns = self.block_shape
        for y in range(0, height, rows):
            for x in range(0, width, columns):
                row, column = (top + y) // rows, (left + x) // columns
                index = self.first + row * self.grid[1] + column
                self._read_one(files, index, out[:, y : y + rows, x : x + columns])

    def _read_one(self, files: Files, index: int, out: NDArray[np.generic]) -> None:
        _, height, width = out.shape
        offset, count = int(self.offsets[index]), int(self.counts[index])
        if not offset or not count:  # never written
            out[...] = self.nodata
            return
        data = files.read(self.file, count, offset)
        if self.picture:
            check_encoded(data, self.block_shape, whole=self.whole)
        pixels, _, _ = self.decode(data, index)
        if pixels.shape[1] < height or pixels.shape[2] < width:
            raise ValueError(f"a block of {pixels.shape[1:3]} pixels instead of {(height, width)}")
        out[...] = pixels[0, :height, :width].transpose(2, 0, 1)

    def empty_blocks(self) -> Bools | None:
        """Tell which blocks have no bytes."""
        if self.nodata:
            return None
        part = slice(self.first, self.first + prod(self.grid))
        empty: Bools = (self.offsets[part] == 0) | (self.counts[part] == 0)
        return empty.reshape(self.grid)


@dataclass(frozen=True)
class AbsentPlane:
    """A plane that is not there, in a file that may be missing."""

    file: Path
    absent: Absent

    @property
    def block_shape(self) -> None:
        """None: it has no blocks."""
        return

    @property
    def block_nbytes(self) -> int:
        """No memory."""
        return 0

    def read(self, *_where: object) -> None:
        """Read nothing: raise an error."""
        raise FileNotFoundError(self.absent.reason)

    def empty_blocks(self) -> None:
        """None: it has no blocks."""
