"""The array of the layout `cells`: whole shards, each made in one go, a cell an inner chunk.

The format is Zarr's ``sharding_indexed``
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html): the frames of
the cells one behind the other, then for each cell its offset and its size (64 bits each, little
endian, all ones for cells that the last shard lacks), then the CRC-32C of that index.

Invariant: the bytes of a shard depend on its pixels only; its frames are in the order of the cells.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator

import google_crc32c
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from cellcutter.store.blosc import encoder_nbytes
from cellcutter.store.codec import CELL_CODECS
from cellcutter.store.container import Container
from cellcutter.store.frames import Choice, FrameEncoder
from cellcutter.store.layout import CellsLayout
from cellcutter.types import Unsigned, unsigned

_BUFFERED_NBYTES = 1 << 20
_SAMPLES = 6  # cells of a shard by which it is decided how to compress it
_MISSING = 2**64 - 1
_CHECKSUM = struct.Struct("<I")


class ShardWriter:
    """Writes the shards of an array; :meth:`write` may be called from several threads.

    Parameters
    ----------
    files : Container
        Of the store.
    path : str
        Of the array in the store.
    layout : CellsLayout
    compression : str
        A key of `CELL_CODECS`.
    """

    def __init__(self, files: Container, path: str, layout: CellsLayout, compression: str) -> None:
        self.layout = layout
        self._files = files
        self._path = path
        self._codec = CELL_CODECS[compression]
        self._memory = threading.local()

    @property
    def nbytes(self) -> int:
        """Bytes of all shards written."""
        return sum(self._files.nbytes(key) or 0 for key in self.names())

    def names(self) -> Iterator[str]:
        """Yield the names of all shards in the store."""
        return map(self.key, range(self.layout.number))

    def key(self, index: int) -> str:
        """Return the name of a shard in the store."""
        return f"{self._path}/{self.layout.key(index)}"

    def write(
        self, index: int, cells: NDArray[np.generic], masks: NDArray[np.bool_] | None = None
    ) -> None:
        """Encode and write a shard.

        Parameters
        ----------
        index : int
        cells : array of shape (cells, channels, size, size) or (cells, size, size), C-contiguous
        masks : bool array of shape (cells, size, size), optional
            What is outside of them is stored as zero.

        Raises
        ------
        OSError
        """
        number = min(len(cells), self.layout.shape[-3] - index * self.layout.per_chunk)
        pixels = _Cells(cells[:number], masks)
        sizes = np.full((self.layout.per_chunk, 2), _MISSING, "<u8")
        choice = self._choose(pixels)
        offset = 0
        with self._files.create(self.key(index), _BUFFERED_NBYTES) as out:
            for i in range(number):
                frame = self._encode(pixels.read(i), choice)
                out.write(frame)
                sizes[i] = offset, len(frame)
                offset += len(frame)
            content = sizes.tobytes()
            out.write(content)
            out.write(_CHECKSUM.pack(google_crc32c.value(content)))

    def missing(self) -> list[int]:
        """Return the shards that are not whole."""
        keys = enumerate(self.names())
        return [index for index, key in keys if self._files.nbytes(key) is None]

    def read(self, index: int, out: NDArray[np.generic]) -> None:
        """Read a shard back that was written; cells that it lacks are zero.

        Parameters
        ----------
        index : int
        out : array of shape ``layout.stored_chunks``, C-contiguous

        Raises
        ------
        DestinationError
            The file is not as it was written.
        OSError
        """
        content = self._files.content(self.key(index))
        n = self.layout.per_chunk
        stop = len(content) - _CHECKSUM.size
        index_of = np.frombuffer(content[stop - 16 * n : stop], "<u8").reshape(n, 2).tolist()
        cells = out.reshape(n, -1).view(np.uint8)
        for cell, (offset, size) in zip(cells, index_of, strict=True):
            if offset == _MISSING:
                cell[:] = 0
            elif self._codec is None:
                cell[:] = np.frombuffer(content, np.uint8, size, offset)
            else:
                frame = content[offset : offset + size]
                imagecodecs.blosc_decode(frame, numthreads=1, out=cell.data)

    def _encode(self, cell: Unsigned, choice: Choice | None) -> bytes | bytearray | memoryview:
        return cell.view(np.uint8).data if choice is None else self._encoder.encode(cell, choice)

    def _choose(self, pixels: _Cells) -> Choice | None:
        """Choose how to compress a shard, by some of its cells."""
        if self._codec is None:
            return None
        number = min(len(pixels), _SAMPLES)
        some = np.linspace(0, len(pixels) - 1, number).astype(np.int64).tolist()
        samples = np.empty((number, self.layout.division.pixels), pixels.dtype)
        for sample, i in zip(samples, some, strict=True):
            sample[:] = pixels.read(i)
        return self._encoder.choose(samples)

    @property
    def _encoder(self) -> FrameEncoder:
        """The encoder of the calling thread."""
        if not hasattr(self._memory, "encoder"):
            if self._codec is None:
                raise ValueError("nothing is encoded without a codec")
            self._memory.encoder = FrameEncoder(self._codec, self.layout.division)
        encoder: FrameEncoder = self._memory.encoder
        return encoder


class _Cells:
    """Cells, over which masks are laid as they are read."""

    def __init__(self, cells: NDArray[np.generic], masks: NDArray[np.bool_] | None) -> None:
        self._cells = unsigned(cells)
        self._masks = masks
        self._memory = None if masks is None else np.empty_like(self._cells[0])

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Type of a pixel on its way."""
        return self._cells.dtype

    def read(self, cell: int) -> Unsigned:
        """Return a cell, shape (pixels,); it is overwritten by the next where there are masks."""
        found = self._cells[cell]
        if self._masks is not None and self._memory is not None:
            found = np.multiply(found, self._masks[cell], out=self._memory)
        flat: Unsigned = found.reshape(-1)
        return flat


def shard_encoder_nbytes(layout: CellsLayout) -> int:
    """Return the memory of a thread that encodes shards, beside the shard.

    Some cells to choose by, one that is masked, its frame, and what waits to be written.
    """
    cell = layout.division.pixels * layout.dtype.itemsize
    index = 16 * layout.per_chunk
    return (_SAMPLES + 4) * cell + 2 * index + _BUFFERED_NBYTES + encoder_nbytes(layout.division)


def shard_masks_nbytes(masks: CellsLayout) -> int:
    """Return the memory for the masks of a shard: as stored, and decoded."""
    return 2 * masks.chunk_nbytes + 32 * masks.per_chunk
