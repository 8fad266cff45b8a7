"""Planes of a TIFF: where their blocks lie in which file, and decoding them.

tifffile decodes; reading is at positions of files of our own, so that threads share no position
and no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import lcm, prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.headers import check_encoded
from cellcutter.read.positional import Files
from cellcutter.read.tiff_images import Absent, Page
from cellcutter.types import Bools, Ints

_ROWS = 64  # rows of a block where nothing is compressed, and any rows can be read
_JPEG = {6, 7, 33007, 34892}  # compressions whose tables stand in tags of the page
_OLD_JPEG = 6  # its header may stand in tags, and so may its end
_PICTURES = {*tifffile.TIFF.IMAGE_COMPRESSIONS, *_JPEG, 34887}  # blocks that have a header


class Plane(Protocol):
    """The channels that lie in the same blocks.

    Attributes
    ----------
    file : Path
    block_shape : (height, width) in pixels, optional
        None where any rows can be read.
    block_nbytes : int
        Temporary memory, in bytes, that reading one block (or `_ROWS` rows) takes.
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
        """Memory for `_ROWS` rows, in bytes."""
        return _ROWS * self.row_nbytes

    def read(self, files: Files, top: int, left: int, out: NDArray[np.generic]) -> None:
        """Read rows."""
        _, height, width = out.shape
        for y in range(0, height, _ROWS):  # a block of planes of several kinds may be higher
            rows = min(_ROWS, height - y)
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


def planes_of_page(path: Path, page: Page, files: Files) -> list[Plane]:
    """Return the planes of a page: one, or one for each sample where samples lie apart.

    Parameters
    ----------
    path : Path
        The image, for messages.
    page : Page
        With all its tags; its file must be open.
    files : Files

    Raises
    ------
    ImageError
        The file is shorter than its tags say.
    """
    if isinstance(page, Absent):
        return [AbsentPlane(path.parent / page.file, page)]
    file = Path(page.parent.filehandle.path)
    separate = page.shaped[0]
    if _is_raw(page):
        return list(raw_planes(file, page, page.dataoffsets[0], separate, files))
    offsets = np.array(page.dataoffsets, np.int64)
    counts = np.array(page.databytecounts, np.int64)
    height, width = page.imagelength, page.imagewidth
    block = (page.tilelength, page.tilewidth)
    if not page.is_tiled:
        block = (min(page.rowsperstrip, height), width)
    grid = (-(-height // block[0]), -(-width // block[1]))
    blocks = prod(page.chunked)
    if min(len(offsets), len(counts)) < blocks or blocks < separate * prod(grid):
        raise ImageError(f"{path}: {len(offsets)} blocks found, {blocks} expected")
    _check_end(file, files, int((offsets[:blocks] + counts[:blocks]).max()))
    decode = page.decode  # made now: it may have to look into the file
    header = None
    if page.compression in _JPEG:
        header = page.jpegheader
        decode = partial(decode, jpegtables=page.jpegtables, jpegheader=header)
    return [
        BlockPlane(
            file,
            offsets,
            counts,
            blocks // separate * i,
            grid,
            block,
            page.shaped[4] * page.dtype.itemsize,
            page.nodata,
            decode,
            page.compression in _PICTURES,
            header is None and page.compression != _OLD_JPEG,
        )
        for i in range(separate)
    ]


def raw_planes(file: Path, page: Page, offset: int, number: int, files: Files) -> list[RawPlane]:
    """Return planes that lie one after the other, uncompressed, alike a page.

    Raises
    ------
    ImageError
        The file is shorter.
    """
    stored = np.dtype(page.parent.byteorder + page.dtype.char)
    width, samples = page.imagewidth, page.shaped[4]
    nbytes = page.imagelength * width * samples * stored.itemsize
    _check_end(file, files, offset + number * nbytes)
    return [RawPlane(file, offset + i * nbytes, stored, width, samples) for i in range(number)]


def common_block(planes: list[Plane], height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) in pixels of blocks that consist of whole blocks of each plane."""
    shapes = {plane.block_shape for plane in planes if not isinstance(plane, AbsentPlane)}
    known = [shape for shape in shapes if shape is not None]
    if not known:
        return min(_ROWS, height), width
    if len(shapes) == 1:
        return known[0]
    rows = min(lcm(*(shape[0] for shape in known)), height)
    widths = {shape[1] for shape in known}
    return rows, widths.pop() if len(widths) == 1 and None not in shapes else width


def _check_end(file: Path, files: Files, end: int) -> None:
    size = files.size(file)
    if end > size:
        raise ImageError(f"{file}: truncated: {size} bytes found, at least {end} expected")


def _is_raw(page: Page) -> bool:
    """Tell whether a page's pixels lie row by row in one piece of the file."""
    if page.compression != 1 or page.predictor != 1 or page.fillorder != 1 or page.is_tiled:
        return False
    if page.bitspersample != 8 * page.dtype.itemsize or not len(page.dataoffsets):
        return False
    offsets, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
    together = bool(np.all(counts > 0) and np.all(offsets[:-1] + counts[:-1] == offsets[1:]))
    return together and int(counts.sum()) == page.nbytes
