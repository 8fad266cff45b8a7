"""How chunks are compressed: by which shuffle, and each plane in which way.

Shuffled by bytes, the first plane of a block holds the lowest bytes of its pixels, the next one the
next higher ones, and so on; shuffled by bits, each plane holds eight planes of bits instead. Low
bits of pixels are mostly noise, which hardly becomes smaller whatever is done to it; high bits are
nearly constant. So shuffle and ways are chosen by what they make of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import imagecodecs
import numpy as np
import zstandard

from cellcutter.types import Unsigned

Stream = memoryview
Way = Callable[[Stream], bytes]
Shuffle = Literal["byte", "bit"]

BLOCK_NBYTES = 1 << 20
OCTET = 8  # pixels: bits of other numbers are not shuffled
_BITS_TOLERATED = 1.05  # by bits, pixels of several bytes are encoded twice as fast


@dataclass(frozen=True)
class Codec:
    """How a chunk is compressed.

    Parameters
    ----------
    name : str
        Blosc's name of the compressor, ``zstd`` or ``lz4``.
    level : int
        Blosc's level that comes nearest, for programs that write to the store.
    ways : mapping of "byte" or "bit" to a sequence of (maker, tolerated)
        For each shuffle that may be chosen, from the slowest to the
        quickest: what makes a compressor of its own, for one thread, and how many times as large
        as the smallest it may make a sample to be taken.
    block_nbytes : int
        Largest size of a block: small ones stay in a processor's own cache, in large ones more
        comes back.
    """

    name: str
    level: int
    ways: Mapping[Shuffle, Sequence[tuple[Callable[[], Way], float]]]
    block_nbytes: int = BLOCK_NBYTES

    @property
    def flags(self) -> int:
        """The compressor's number in a frame's header."""
        return {"lz4": 1, "zstd": 4}[self.name] << 5

    def config(self) -> dict[str, str | int]:
        """Return the parameters of ``numcodecs.Blosc``."""
        return {
            "cname": self.name,
            "clevel": self.level,
            "shuffle": 2 if "bit" in self.ways else 1,
            "blocksize": self.block_nbytes,
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


# All are Blosc as numcodecs registers it, read by zarr-python 2 and 3 as they are.
# docs/explanation/performance.md has the measurements that these were chosen by.
CODECS: dict[str, Codec | None] = {
    "default": Codec(
        "zstd",
        1,
        {
            "byte": [(zstd(12, 6, 0), 1.0), (zstd(6, 7, 0), 1.05), (zstd(6, 7, 2), 1.1)],
            "bit": [(zstd(12, 6, 0), 1.0), (zstd(6, 7, 0), 1.05), (zstd(6, 7, 2), 1.05)],
        },
    ),
    "fast": Codec("lz4", 5, {"byte": [(lz4(5), 1.0)], "bit": [(lz4(5), 1.0)]}),
    "small": Codec("zstd", 2, {"byte": [(zstd(17, 4, 0), 1.0), (zstd(10, 7, 0), 1.0)]}, 2 << 20),
    "none": None,
}

# The same for frames of one cell each: small ones, of which many are read one by one.
CELL_CODECS: dict[str, Codec | None] = {
    "default": Codec("lz4", 5, {"bit": [(lz4(5), 1.0)]}),
    "fast": Codec("lz4", 5, {"bit": [(lz4(5), 1.0)]}),
    "small": CODECS["default"],
    "none": None,
}


class Compressors:
    """The compressors of a codec, for one thread.

    Parameters
    ----------
    codec : Codec
    itemsize : int
        Bytes of a pixel.
    pixels : int
        Of the largest block.
    """

    def __init__(self, codec: Codec, itemsize: int, pixels: int) -> None:
        self._ways = {
            shuffle: [(make(), tolerated) for make, tolerated in ways]
            for shuffle, ways in codec.ways.items()
        }
        self._itemsize = itemsize
        self._shuffled = np.empty(pixels, f"u{itemsize}")

    def compress(self, stream: Stream, shuffle: Shuffle, way: int) -> bytes:
        """Compress a plane in one of the ways of a shuffle."""
        return self._ways[shuffle][way][0](stream)

    def planes(self, block: Unsigned, shuffle: Shuffle, *, split: bool) -> list[Stream]:
        """Return the planes of a block from the lowest up, or all of them as one.

        They share memory with the block, or are overwritten by the next call.
        """
        by_bits = shuffle == "bit" and len(block) % OCTET == 0
        by_bytes = shuffle == "byte" and self._itemsize > 1
        shuffled = self._shuffled[: len(block)] if by_bits or by_bytes else block
        planes = shuffled.view(np.uint8).reshape(self._itemsize, len(block))
        if by_bits:
            imagecodecs.bitshuffle_encode(block, blocksize=len(block), out=shuffled)
        elif by_bytes:
            for number, plane in enumerate(planes):
                np.right_shift(block, 8 * number, out=plane, casting="unsafe")
        return [stream.data for stream in (planes if split else planes.reshape(1, -1))]

    def choose_shuffle(self, *samples: Unsigned) -> Shuffle:
        """Return the shuffle that makes samples smaller, or the quicker one if that will do."""
        if len(self._ways) == 1:
            return next(iter(self._ways))
        sizes = {shuffle: self._suit(shuffle, samples)[1] for shuffle in self._ways}
        tolerated = _BITS_TOLERATED if self._itemsize > 1 else 1.0
        return "bit" if sizes["bit"] <= tolerated * sizes["byte"] else "byte"

    def choose_ways(self, shuffle: Shuffle, *samples: Unsigned) -> list[int]:
        """Return the way that suits each plane of samples."""
        if len(self._ways[shuffle]) == 1:
            return [0] * self._itemsize
        return self._suit(shuffle, samples)[0]

    def _suit(self, shuffle: Shuffle, samples: Sequence[Unsigned]) -> tuple[list[int], int]:
        """Return the way that suits each plane of samples, and the bytes that they make of them.

        Planes of bits are so long in a chunk that each has frequencies of its own, so each is
        compressed by itself.
        """
        ways = self._ways[shuffle]
        sizes = [[0] * len(ways) for _ in range(self._itemsize)]
        for sample in samples:
            planes = self.planes(sample, shuffle, split=True)
            for plane, found in zip(planes, sizes, strict=True):
                parts = [plane]
                if shuffle == "bit" and len(plane) % OCTET == 0:
                    step = len(plane) // OCTET
                    parts = [plane[i : i + step] for i in range(0, len(plane), step)]
                for number, (way, _) in enumerate(ways):
                    found[number] += sum(len(way(part)) for part in parts)
        chosen, total = [], 0
        for found in sizes:
            limits = [tolerated * min(found) for _, tolerated in ways]
            good = [i for i, size in enumerate(found) if size <= limits[i]]
            chosen.append(good[-1])
            total += found[good[-1]]
        return chosen, total
