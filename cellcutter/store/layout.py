"""Pure: shape, type and chunks of an array, and what can be stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from cellcutter.errors import SettingsError
from cellcutter.store.blosc import LARGEST, Division, divide
from cellcutter.store.codec import BLOCK_NBYTES, CELL_CODECS, CODECS

INDEX_NBYTES, CHECKSUM_NBYTES = 16, 4  # at the end of a shard, for each cell and for all
IMAGES, MASKS = "obsm/single_cell_images", "obsm/single_cell_masks"  # in the layout `cells`


@dataclass(frozen=True)
class Layout:
    """Shape and type of an array whose first or second axis is chunked.

    Parameters
    ----------
    shape : tuple of int
        (channels, cells, size, size), or (cells, size, size) for masks.
    per_chunk : int
        Cells in a chunk.
    dtype : numpy.dtype
    block_nbytes : int
        Largest size of the blocks that a chunk is compressed in.
    """

    shape: tuple[int, ...]
    per_chunk: int
    dtype: np.dtype[np.generic]
    block_nbytes: int = BLOCK_NBYTES

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of the array as readers see it."""
        return self.shape

    @property
    def stored_chunks(self) -> tuple[int, ...]:
        """Shape of what one file of the array holds."""
        return self.chunks

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        return (*self.shape[:-3], self.per_chunk, *self.shape[-2:])

    @property
    def number(self) -> int:
        """Number of chunks."""
        return -(-self.shape[-3] // self.per_chunk)

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of a chunk before it is compressed."""
        return prod(self.chunks) * self.dtype.itemsize

    @property
    def division(self) -> Division:
        """How a chunk is divided into blocks."""
        return divide(self.chunks, self.dtype.itemsize, self.block_nbytes)

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def files_nbytes(self) -> int:
        """Bytes of all files of chunks where nothing is compressed."""
        return sum(map(self.file_nbytes, range(self.number)))

    def file_nbytes(self, index: int) -> int:  # noqa: ARG002 - of shards, the last is smaller
        """Bytes of the file of a chunk where nothing is compressed."""
        return self.chunk_nbytes

    def key(self, index: int) -> str:
        """Name of the file of a chunk."""
        return ".".join(["0"] * (len(self.shape) - 3) + [str(index), "0", "0"])


@dataclass(frozen=True)
class CellsLayout(Layout):
    """The same with the cells first: each is compressed by itself, and a file is a shard of them.

    `shape` is that of the thumbnails on their way, (channels, cells, size, size), nevertheless.
    """

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of the array as readers see it."""
        return (self.shape[-3], *self.shape[:-3], *self.shape[-2:])

    @property
    def cell_shape(self) -> tuple[int, ...]:
        """Shape of an inner chunk."""
        return (1, *self.stored_shape[1:])

    @property
    def stored_chunks(self) -> tuple[int, ...]:
        """Shape of a shard."""
        return (self.per_chunk, *self.stored_shape[1:])

    @property
    def division(self) -> Division:
        """How a cell is divided into blocks."""
        cell = (*self.shape[:-3], 1, *self.shape[-2:])
        return divide(cell, self.dtype.itemsize, self.block_nbytes)

    def file_nbytes(self, index: int) -> int:
        """Bytes of the file of a shard where nothing is compressed: cells, index, checksum."""
        cells = min(self.per_chunk, self.shape[-3] - index * self.per_chunk)
        cell_nbytes = prod(self.cell_shape) * self.dtype.itemsize
        return cells * cell_nbytes + self.per_chunk * INDEX_NBYTES + CHECKSUM_NBYTES

    def key(self, index: int) -> str:
        """Name of the file of a shard, below the array's folder."""
        return "/".join(["c", str(index), *("0" for _ in self.shape[1:])])


def cells_per_chunk(cell_nbytes: int, cells: int, per_chunk: int | None, chunk_nbytes: int) -> int:
    """Return how many cells make a chunk: at least one, at most all.

    Parameters
    ----------
    cell_nbytes : int
        Bytes of one cell in all channels.
    cells : int
        All cells.
    per_chunk : int, optional
        What is asked for.
    chunk_nbytes : int
        Bytes that a chunk should have where `per_chunk` is not given.
    """
    return max(1, min(per_chunk or chunk_nbytes // cell_nbytes, cells))


def layouts_of(
    shape: tuple[int, ...],
    per_chunk: int,
    dtype: np.dtype[np.generic],
    compression: str,
    *,
    cells_first: bool,
) -> tuple[Layout, Layout]:
    """Return the layouts of thumbnails and of their masks, which have chunks of as many cells.

    Parameters
    ----------
    shape : tuple of int
        Of the thumbnails: (channels, cells, size, size).
    per_chunk : int
    dtype : numpy.dtype
    compression : str
        A key of `CODECS`, or of `CELL_CODECS`.
    cells_first : bool
        Whether it is the layout `cells`.

    Raises
    ------
    SettingsError
        A chunk would be larger than the codec takes.
    """
    codec = (CELL_CODECS if cells_first else CODECS)[compression]
    block_nbytes = codec.block_nbytes if codec else BLOCK_NBYTES
    kind = CellsLayout if cells_first else Layout
    images = check_layout(kind(shape, per_chunk, dtype, block_nbytes))
    return images, kind(shape[1:], per_chunk, np.dtype(bool), block_nbytes)


def check_layout(layout: Layout) -> Layout:
    """Return a layout that the codec can store.

    Raises
    ------
    SettingsError
        A chunk would be larger than the codec takes.
    """
    one = replace(layout, per_chunk=1)
    checked = one if isinstance(layout, CellsLayout) else layout  # a shard may have any size
    if checked.chunk_nbytes <= _largest(checked):
        return layout
    if one.chunk_nbytes > _largest(one):
        size, channels = layout.shape[-1], prod(layout.shape[:-3])
        raise SettingsError(
            f"windows of {size} x {size} pixels in {channels} channel{'s' if channels > 1 else ''} "
            f"found, each {one.chunk_nbytes:,} bytes; at most {LARGEST:,} bytes expected, since "
            "a chunk can hold no more: smaller windows or fewer channels"
        )
    raise SettingsError(
        f"chunks of {layout.chunk_nbytes} bytes found ({layout.per_chunk} windows each), at most "
        f"{_largest(layout)} expected: a smaller --chunk-size, or fewer per chunk"
    )


def _largest(layout: Layout) -> int:
    """Return the largest size of a chunk, before it is compressed, that fits into a frame."""
    return LARGEST - (layout.division.frame_nbytes - layout.chunk_nbytes)


def numeric(dtype: DTypeLike) -> bool:
    """Tell whether the store takes a dtype: integers and floats of 1 to 8 bytes."""
    kind = np.dtype(dtype)
    return kind.kind in "iuf" and kind.itemsize in (1, 2, 4, 8)
