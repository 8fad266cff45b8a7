"""A TIFF file as (C, Y, X): which blocks it has, and decoding them. The only importer of tifffile.

tifffile says what is in the file and decodes; reading is by ``pread`` on descriptors of our own,
so that threads share no position and no lock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.image import interpret_axes
from cellcutter.read.ome import from_imagej, from_ome_xml, from_qptiff
from cellcutter.types import Ints, PixelSize

_ROWS = 64  # rows of a block where nothing is compressed, and any rows can be read
_JPEG = {6, 7, 33007, 34892}  # compressions whose tables stand in tags of the page


@dataclass(frozen=True)
class _Plane:
    """Where the blocks of a plane lie.

    Parameters
    ----------
    descriptor : int
    file : Path
    offsets, counts : int64 arrays
        Of each block of the page, in bytes; empty blocks have a 0. Where `raw` is set there is
        one of each, of the whole plane.
    first : int
        Index of the plane's first block in the page.
    raw : bool
        Whether the pixels lie there row by row, neither compressed nor divided.
    nodata : float
        Value of the pixels of empty blocks.
    decode : callable, optional
        tifffile's decoder of the plane's page: (bytes, index) to pixels, place and shape.
    """

    descriptor: int
    file: Path
    offsets: Ints
    counts: Ints
    raw: bool = False
    first: int = 0
    nodata: float = 0
    decode: Callable[..., Any] | None = None


class _Heard(logging.Handler):
    """What tifffile logs while a file is opened, kept from the user's terminal."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._logger = logging.getLogger("tifffile")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, without the name of the object that it starts with."""
        self.messages.append(" ".join(record.getMessage().split("> ", 1)[-1].split()))

    def broken(self) -> str | None:
        """Return the message that says that pages are missing, if there is one.

        tifffile goes on with those that it has; we do not, for channels would be missing.
        """
        signs = ("invalid page offset", "metadata invalid or corrupted")
        return next((m for m in self.messages if any(sign in m for sign in signs)), None)

    def __enter__(self) -> Self:
        self._propagate, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        self._logger.propagate = self._propagate
        self._logger.removeHandler(self)


class TiffImage:
    """A TIFF file seen as :class:`cellcutter.read.image.Image`.

    The series with the largest height times width is taken, at full resolution.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ImageError
        The file is missing, cannot be read, or is no image of one time point and focal plane.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.notes: tuple[str, ...] = ()
        self._descriptors: dict[Path, int] = {}
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: neither file nor folder found, an image expected")
        try:
            with _Heard() as heard, tifffile.TiffFile(path) as tiff:
                self._read_structure(tiff)
            self._heed(heard)
        except ImageError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise ImageError(f"{path}: {error.strerror or error}; an image expected") from error
        except Exception as error:
            self.close()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(f"{path}: {reason} found, a TIFF image expected") from error

    def _heed(self, heard: _Heard) -> None:
        """Refuse a file of which tifffile says that it is broken; hand on what else it says."""
        if broken := heard.broken():
            raise ImageError(f"{self.path}: truncated or damaged: {broken}; a whole file expected")
        self.notes = (*self.notes, *heard.messages)

    def _read_structure(self, tiff: tifffile.TiffFile) -> None:
        index, notes = _largest(tiff, self.path)
        series = tiff.series[index].levels[0]
        page: Any = series.keyframe
        axes = interpret_axes(self.path, series.axes, series.shape)
        separate, depth, _, _, contiguous = page.shaped
        if depth != 1 or page.dtype is None:
            raise ImageError(
                f"{self.path}: {page.dtype} samples in volumes {depth} deep found, "
                "planes of integers or floats expected"
            )
        self.shape = axes.shape
        self.dtype = np.dtype(np.uint8) if page.dtype == bool else np.dtype(page.dtype)
        self.notes = (*notes, axes.note) if axes.note else notes
        self._samples = contiguous
        _check_order(self.path, series, page)
        self._stored = np.dtype(tiff.byteorder + page.dtype.char)
        number = axes.shape[0] // contiguous
        self.planes = tuple(
            tuple(range(i * contiguous, (i + 1) * contiguous)) for i in range(number)
        )
        self._planes = self._find_planes(series, number, separate)
        self._find_blocks(page)
        self.channel_names, self.pixel_size = _metadata(tiff, index, self.shape[0])

    def _find_planes(self, series: Any, number: int, separate: int) -> list[_Plane]:
        """Find where each plane lies; `separate` of them are in each page."""
        pages = list(series.pages)
        if missing := sum(page is None for page in pages):
            raise ImageError(
                f"{self.path}: {missing} of {len(pages)} planes lie in files that were not found, "
                "all files of the set expected"
            )
        if len(pages) * separate != number:  # ImageJ describes one page; the others follow it
            if series.dataoffset is None:
                raise ImageError(
                    f"{self.path}: {len(pages) * separate} planes found, {number} expected"
                )
            return self._raw_planes(
                Path(pages[0].parent.filehandle.path), series.dataoffset, number
            )
        planes: list[_Plane] = []
        for frame in pages:
            # a frame is taken to be stored like the first page, which need not be so
            page = frame if isinstance(frame, tifffile.TiffPage) else frame.aspage()
            self._check_alike(page, series.keyframe)
            file = Path(page.parent.filehandle.path)
            if _is_raw(page):
                planes += self._raw_planes(file, page.dataoffsets[0], separate)
            else:
                planes += self._divided_planes(file, page, separate)
        if len({plane.raw for plane in planes}) > 1:
            raise ImageError(f"{self.path}: planes stored in several ways found, one way expected")
        return planes

    def _check_alike(self, page: Any, key: Any) -> None:
        """Make sure that a page has the size, the type and the blocks of the first."""
        found, expected = (
            (p.shaped, p.dtype, p.is_tiled, p.chunks, p.parent.byteorder) for p in (page, key)
        )
        if found != expected:
            raise ImageError(f"{self.path}: planes {found} and {expected} found, one kind expected")

    def _raw_planes(self, file: Path, offset: int, number: int) -> list[_Plane]:
        descriptor = self._open(file)
        nbytes = self.shape[1] * self._row_nbytes
        self._check_end(file, descriptor, offset + number * nbytes)
        return [
            _Plane(descriptor, file, np.array([offset + i * nbytes]), np.array([nbytes]), raw=True)
            for i in range(number)
        ]

    def _divided_planes(self, file: Path, page: Any, separate: int) -> list[_Plane]:
        descriptor = self._open(file)
        offsets = np.array(page.dataoffsets, np.int64)
        counts = np.array(page.databytecounts, np.int64)
        blocks = prod(page.chunked)
        if min(len(offsets), len(counts)) < blocks:
            raise ImageError(f"{self.path}: {len(offsets)} blocks found, {blocks} expected")
        self._check_end(file, descriptor, int((offsets[:blocks] + counts[:blocks]).max()))
        decode = page.decode  # made now: it may have to look into the file
        if page.compression in _JPEG:
            decode = partial(decode, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        first = blocks // separate
        return [
            _Plane(descriptor, file, offsets, counts, False, first * i, page.nodata, decode)
            for i in range(separate)
        ]

    def _open(self, file: Path) -> int:
        if file not in self._descriptors:
            self._descriptors[file] = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptors[file]

    def _check_end(self, file: Path, descriptor: int, end: int) -> None:
        size = os.fstat(descriptor).st_size
        if end > size:
            raise ImageError(f"{file}: truncated: {size} bytes found, at least {end} expected")

    @property
    def _row_nbytes(self) -> int:
        return int(self.shape[2] * self._samples * self._stored.itemsize)

    def _find_blocks(self, page: Any) -> None:
        """Find the shape of a block and the memory that reading one takes."""
        height, width = self.shape[1:]
        if self._planes[0].raw:
            self.block_shape = (min(_ROWS, height), width)
            self.block_nbytes = self.block_shape[0] * self._row_nbytes
            return
        if page.is_tiled:
            self.block_shape = (page.tilelength, page.tilewidth)
        else:
            self.block_shape = (min(page.rowsperstrip, height), width)
        decoded = prod(self.block_shape) * self._samples * self._stored.itemsize
        largest = max(int(plane.counts.max()) for plane in self._planes)
        # decoding undoes a predictor, or the order of bytes, in a second array
        self.block_nbytes = 2 * decoded + largest

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode a block, see :meth:`cellcutter.read.image.Image.read_block`."""
        where = self._planes[plane]
        try:
            if where.raw:
                self._read_rows(where, row, out)
            else:
                self._read_encoded(where, row, col, out)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            channel = self.planes[plane][0] + 1
            raise ImageError(
                f"{where.file}: channel {channel}, block at row {row * self.block_shape[0]}, "
                f"column {col * self.block_shape[1]}: {reason} found, undamaged data expected"
            ) from error

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:
        """Tell which blocks have no bytes, see :meth:`cellcutter.read.image.Image.empty_blocks`."""
        rows, cols = (-(-n // b) for n, b in zip(self.shape[1:], self.block_shape, strict=True))
        where = self._planes[plane]
        if where.raw or where.nodata:
            return np.zeros((rows, cols), bool)
        part = slice(where.first, where.first + rows * cols)
        written = (where.offsets[part] != 0) & (where.counts[part] != 0)
        empty: NDArray[np.bool_] = ~written.reshape(rows, cols)
        return empty

    def _read_rows(self, plane: _Plane, row: int, out: NDArray[np.generic]) -> None:
        _, height, width = out.shape
        offset = int(plane.offsets[0]) + row * self.block_shape[0] * self._row_nbytes
        data = _read(plane.descriptor, offset, height * self._row_nbytes)
        pixels = np.frombuffer(data, self._stored).reshape(height, width, self._samples)
        out[...] = pixels.transpose(2, 0, 1)

    def _read_encoded(self, plane: _Plane, row: int, col: int, out: NDArray[np.generic]) -> None:
        _, height, width = out.shape
        columns = -(-self.shape[2] // self.block_shape[1])
        index = plane.first + row * columns + col
        offset, count = int(plane.offsets[index]), int(plane.counts[index])
        if plane.decode is None or not offset or not count:  # a block that was never written
            out[...] = plane.nodata
            return
        data = _read(plane.descriptor, offset, count)
        pixels, _, _ = plane.decode(data, index)
        if pixels.shape[1] < height or pixels.shape[2] < width:
            raise ValueError(f"a block of {pixels.shape[1:3]} pixels instead of {(height, width)}")
        out[...] = pixels[0, :height, :width].transpose(2, 0, 1)

    def close(self) -> None:
        """Close the files."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _is_raw(page: Any) -> bool:
    """Tell whether a page's pixels lie row by row in one piece of the file."""
    if page.compression != 1 or page.predictor != 1 or page.fillorder != 1 or page.is_tiled:
        return False
    if page.bitspersample != 8 * page.dtype.itemsize or not len(page.dataoffsets):
        return False
    offsets, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
    together = bool(np.all(counts > 0) and np.all(offsets[:-1] + counts[:-1] == offsets[1:]))
    return together and int(counts.sum()) == page.nbytes


def _check_order(path: Path, series: Any, page: Any) -> None:
    """Make sure that Y and X are the rows and columns of a page."""
    axes, lengths = series.axes, series.shape
    y, x = axes.index("Y"), axes.index("X")
    in_order = (
        y < x
        and prod(lengths[y + 1 : x]) == 1
        and prod(lengths[x + 1 :]) == page.shaped[4]
        and (lengths[y], lengths[x]) == (page.imagelength, page.imagewidth)
    )
    if not in_order:
        raise ImageError(
            f"{path}: axes {axes} of {lengths} in planes of {page.shape} found, "
            "Y and X as the rows and columns of a plane expected"
        )


def _read(descriptor: int, offset: int, count: int) -> bytes:
    data = os.pread(descriptor, count, offset)
    if len(data) != count:
        raise EOFError(f"{len(data)} of {count} bytes")
    return data


def _largest(tiff: tifffile.TiffFile, path: Path) -> tuple[int, tuple[str, ...]]:
    """Return the index of the series of the largest height times width, and a note."""
    areas = [_area(series) for series in tiff.series]
    if not any(areas):
        axes = ", ".join(series.axes for series in tiff.series) or "nothing"
        raise ImageError(f"{path}: axes {axes} found, an image with Y and X expected")
    index = int(np.argmax(areas))
    if len(areas) == 1:
        return index, ()
    same = areas.count(areas[index])
    which = f"the first of {same} that are the largest" if same > 1 else "the largest"
    return index, (f"image {index + 1} of {len(areas)} in the file is taken, {which}",)


def _area(series: Any) -> int:
    """Return the height times width of a series in pixels; 0 where it has none."""
    lengths = dict(zip(series.axes, series.shape, strict=True))
    return int(lengths.get("Y", 0) * lengths.get("X", 0))


def _metadata(
    tiff: tifffile.TiffFile, index: int, channels: int
) -> tuple[tuple[str, ...] | None, PixelSize | None]:
    """Return the channel names and the pixel size that a file gives."""
    if tiff.is_ome and tiff.ome_metadata:
        return from_ome_xml(tiff.ome_metadata, index, channels)
    series: Any = tiff.series[index]
    if tiff.is_imagej and tiff.imagej_metadata:
        resolution = series.keyframe.get_resolution()
        return from_imagej(tiff.imagej_metadata, resolution, channels)
    if tiff.is_qpi:
        return from_qptiff([page.description for page in series.pages], channels), None
    return None, None
