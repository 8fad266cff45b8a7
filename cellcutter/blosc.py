"""A chunk as a Blosc frame, each plane of bytes compressed in the way that suits it.

The format is that of Blosc 1, byte shuffled and split
(https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst): a block holds one compressed
stream for the lowest bytes of its pixels, one for the next higher ones, and so on. Blosc's own
encoder treats all of them alike. But the low bytes of pixels are mostly noise, which hardly becomes
smaller whatever is done to it, and in which nothing repeats but what overlapping windows have in
common; the high bytes are nearly constant. So each plane is compressed in the quickest way that
does well enough on a sample of it.

Invariant: the same chunk makes the same frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np
import zstandard
from numpy.typing import NDArray

Stream = memoryview
Way = Callable[[Stream], bytes]

BLOCK_NBYTES = 2 << 20
# A frame's header, and the largest content that Blosc 1 takes (BLOSC_MAX_BUFFERSIZE).
HEADER = struct.Struct("<BBBBIII")
LARGEST = 2**31 - 1 - HEADER.size
_LENGTH = struct.Struct("<i")
_VERSION = 2  # of the format, and 1 of each compressor's
_SHUFFLED, _COPIED, _NOT_SPLIT = 0x01, 0x02, 0x10
_PIECES = 8  # of a sample
_LEAST_SPLIT = 128  # pixels: smaller blocks are not split (MIN_BUFFERSIZE)


@dataclass(frozen=True)
class Codec:
    """How a chunk is compressed.

    Parameters
    ----------
    name : str
        Blosc's name of the compressor, ``zstd`` or ``lz4``.
    level : int
        Blosc's level that comes nearest, for programs that write to the store.
    ways : sequence of (maker, tolerated)
        From the slowest to the quickest: what makes a compressor of its own, for one thread, and
        how many times as large as the smallest it may make a sample to be taken.
    sample : int
        Bytes of a plane on which the ways are tried, in pieces from all over the chunk.
    """

    name: str
    level: int
    ways: Sequence[tuple[Callable[[], Way], float]]
    sample: int = 64 << 10

    @property
    def flags(self) -> int:
        """The compressor's number in a frame's header."""
        return {"lz4": 1, "zstd": 4}[self.name] << 5

    def config(self) -> dict[str, str | int]:
        """Return the parameters of ``numcodecs.Blosc``."""
        return {
            "cname": self.name,
            "clevel": self.level,
            "shuffle": 1,
            "blocksize": BLOCK_NBYTES,
        }


def zstd(hash_log: int, min_match: int, step: int) -> Callable[[], Way]:
    """Return a maker of zstd compressors that look for the latest repetition only.

    Parameters
    ----------
    hash_log : int
        Entries of the table of what was seen, as a power of two.
    min_match : int
        Shortest repetition in bytes, 4 to 7.
    step : int
        0 to look at every second byte, and to store what does not repeat by its frequencies;
        else it is stored as it is, and the bytes looked at are ``step + 1`` apart or more
        (https://facebook.github.io/zstd/zstd_manual.html, ZSTD_c_targetLength).
    """
    parameters = zstandard.ZstdCompressionParameters(
        strategy=zstandard.STRATEGY_FAST,
        window_log=20,
        hash_log=hash_log,
        min_match=min_match,
        target_length=step,
        write_content_size=True,
    )
    return lambda: zstandard.ZstdCompressor(compression_params=parameters).compress


def lz4(acceleration: int) -> Callable[[], Way]:
    """Return a maker of LZ4 compressors."""

    def compress(stream: Stream) -> bytes:
        return bytes(
            imagecodecs.lz4_encode(
                stream,  # type: ignore[arg-type]  # any buffer will do
                level=acceleration,
                header=False,
            )
        )

    return lambda: compress


def encoder_nbytes(itemsize: int, nbytes: int) -> int:
    """Return the memory of an encoder of chunks of `nbytes`: a block's planes, one compressed.

    What compressors need beside is not counted: their tables and copies, about 4 MB in all.
    """
    block = min(BLOCK_NBYTES, nbytes)
    return block // itemsize + (block if itemsize > 1 else 0)


class Encoder:
    """Encodes chunks; for one thread.

    Parameters
    ----------
    codec : Codec
    itemsize : int
        Bytes of a pixel.
    nbytes : int
        Bytes of the largest chunk.
    """

    def __init__(self, codec: Codec, itemsize: int, nbytes: int) -> None:
        self._codec = codec
        self._itemsize = itemsize
        self._ways = [(make(), tolerated) for make, tolerated in codec.ways]
        self._planes = np.empty(min(BLOCK_NBYTES, nbytes) if itemsize > 1 else 0, np.uint8)

    def write(self, chunk: NDArray[np.generic], file: BinaryIO) -> int:
        """Write a chunk to a new file and return the number of bytes.

        Parameters
        ----------
        chunk : array, C-contiguous
            Pixels of `itemsize` bytes; at most `nbytes` and `LARGEST` bytes in all.
        file : binary file, empty

        Raises
        ------
        OSError
        """
        pixels = chunk.reshape(-1).view(f"u{self._itemsize}")
        # blocks of one size, so that the last, which is not split, has a few pixels at the most
        per_block = len(pixels) // -(-chunk.nbytes // BLOCK_NBYTES)
        split = per_block >= _LEAST_SPLIT
        blocks = [pixels[i : i + per_block] for i in range(0, len(pixels), per_block)]
        ways = self._choose(pixels, per_block)
        starts = np.empty(len(blocks), np.int64)
        end = HEADER.size + _LENGTH.size * len(blocks)
        file.seek(end)
        for number, block in enumerate(blocks):
            starts[number] = end
            streams = self._streams(block, split=split and len(block) == per_block)
            for stream, way in zip(streams, ways, strict=False):
                content = way(stream)
                stored = content if len(content) < len(stream) else stream
                file.write(_LENGTH.pack(len(stored)))
                file.write(stored)
                end += _LENGTH.size + len(stored)
                del content, stored  # before the next is made
        flags = self._codec.flags
        flags |= _SHUFFLED if self._itemsize > 1 else 0
        flags |= 0 if split else _NOT_SPLIT
        copied = end > HEADER.size + chunk.nbytes  # nothing makes it smaller
        if copied:
            flags |= _COPIED
            end = HEADER.size + chunk.nbytes
        header = (_VERSION, 1, flags, self._itemsize, chunk.nbytes, per_block * self._itemsize, end)
        file.seek(0)
        file.write(HEADER.pack(*header))
        file.write(pixels.data if copied else starts.astype("<i4").data)
        file.truncate(end)
        return end

    def _streams(self, block: NDArray[np.unsignedinteger], *, split: bool) -> list[Stream]:
        """Return the planes of a block's bytes from the lowest up, or all of them as one."""
        if self._itemsize == 1:
            return [block.data]
        planes = self._planes[: block.nbytes].reshape(self._itemsize, len(block))
        for number, plane in enumerate(planes):
            np.right_shift(block, 8 * number, out=plane, casting="unsafe")
        return [stream.data for stream in (planes if split else planes.reshape(1, -1))]

    def _choose(self, pixels: NDArray[np.unsignedinteger], per_block: int) -> list[Way]:
        """Return the way that suits each plane of a chunk."""
        if len(self._ways) == 1:
            return [self._ways[0][0]] * self._itemsize
        pieces = min(_PIECES, per_block)
        size = min(self._codec.sample, per_block) // pieces
        starts = np.linspace(0, len(pixels) - size, pieces).astype(np.int64).tolist()
        sample = np.concatenate([pixels[start : start + size] for start in starts])
        chosen = []
        for plane in self._streams(sample, split=True):
            sizes = [len(way(plane)) for way, _ in self._ways]
            good = [
                way
                for (way, tolerated), size in zip(self._ways, sizes, strict=True)
                if size <= tolerated * min(sizes)
            ]
            chosen.append(good[-1])
        return chosen
