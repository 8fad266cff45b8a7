"""A chunk as a Blosc frame, each plane of it compressed in the way that suits it.

The format is that of Blosc 1, shuffled and split
(https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst). Shuffled by bytes, a block
holds one compressed stream for the lowest bytes of its pixels, one for the next higher ones, and so
on; shuffled by bits, each stream holds eight planes of bits instead. Blosc's own encoder treats all
streams alike. But the low bits of pixels are mostly noise, which hardly becomes smaller whatever is
done to it; the high bits are nearly constant. So the shuffle is chosen for each chunk and the way
of compressing for each plane, by what they make of samples.

Invariant: the same chunk makes the same frame, in however many parts it is written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import BinaryIO, Literal

import imagecodecs
import numpy as np
import zstandard
from numpy.typing import NDArray

from cellcutter.gather import Thumbnails, Unsigned

Stream = memoryview
Way = Callable[[Stream], bytes]
Shuffle = Literal["byte", "bit"]

BLOCK_NBYTES = 2 << 20
# A frame's header, and the largest content that Blosc 1 takes (BLOSC_MAX_BUFFERSIZE).
HEADER = struct.Struct("<BBBBIII")
LARGEST = 2**31 - 1 - HEADER.size
_LENGTH = struct.Struct("<i")
_VERSION = 2  # of the format, and 1 of each compressor's
_BYTES, _BITS, _NOT_SPLIT = 0x01, 0x04, 0x10
_LEAST_SPLIT = 128  # pixels: smaller blocks are not split (MIN_BUFFERSIZE)
LEAST_NBYTES = 256 << 10  # of a part of a chunk, where there may be several
_OCTET = 8  # pixels: bits of other numbers are not shuffled
_PIECES = 8  # of a sample
_BITS_TOLERATED = 1.05  # by bits, pixels of several bytes are encoded twice as fast
_SAMPLES = 32 << 10, 8 << 10  # pixels to choose the shuffle by, and the ways


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
        For each shuffle that may be chosen ("byte" is always there), from the slowest to the
        quickest: what makes a compressor of its own, for one thread, and how many times as large
        as the smallest it may make a sample to be taken.
    """

    name: str
    level: int
    ways: Mapping[Shuffle, Sequence[tuple[Callable[[], Way], float]]]

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


@dataclass(frozen=True)
class Division:
    """A chunk divided into blocks, as it can be written channel by channel.

    Parameters
    ----------
    channels : int
    per_channel : int
        Pixels of a channel.
    itemsize : int
        Bytes of a pixel.
    unit : int
        A frame is written in parts of so many channels; a divisor of `channels`.
    per_unit : int
        Blocks that can be made when a unit is there. The few pixels that are left over come into
        the first block of the next, and at last into a small block of their own.
    per_block : int
        Pixels of a block; those of whole octets can be shuffled by bits.
    """

    channels: int
    per_channel: int
    itemsize: int
    unit: int
    per_unit: int
    per_block: int

    @property
    def pixels(self) -> int:
        """Pixels of the chunk."""
        return self.channels * self.per_channel

    @property
    def blocks(self) -> int:
        """Blocks of the chunk."""
        return -(-self.pixels // self.per_block)


def divide(shape: Sequence[int], itemsize: int) -> Division:
    """Divide a chunk into blocks of at most 2 MiB; the unit has at least 256 KiB if possible.

    Parameters
    ----------
    shape : tuple of int
        (channels, cells, size, size), or (cells, size, size).
    itemsize : int
        Bytes of a pixel.
    """
    channels, per_channel = prod(shape[:-3]), prod(shape[-3:])
    units = (unit for unit in range(1, channels) if channels % unit == 0)
    large = (unit for unit in units if unit * per_channel * itemsize >= LEAST_NBYTES)
    unit = next(large, channels)
    pixels = unit * per_channel
    per_unit = -(-pixels * itemsize // BLOCK_NBYTES)
    per_block = pixels // per_unit
    per_block -= per_block % _OCTET if per_block > _OCTET else 0
    return Division(channels, per_channel, itemsize, unit, per_unit, per_block)


def encoder_nbytes(division: Division, *, masked: bool) -> int:
    """Return the memory of an encoder: a block shuffled and half done, a stream, one compressed.

    With masks there is another block. What compressors need beside is not counted: their tables
    and copies, about 4 MB in all.
    """
    return division.per_block * ((3 if masked else 2) * division.itemsize + 2)


def decode(frame: bytes, out: NDArray[np.generic]) -> None:
    """Decode a frame into an array, C-contiguous, of its size."""
    imagecodecs.blosc_decode(frame, numthreads=1, out=out.reshape(-1).view(np.uint8).data)


class Frame:
    """A frame of which some parts are written.

    Parameters
    ----------
    division : Division
    """

    def __init__(self, division: Division) -> None:
        self.channels = 0
        self.shuffle: Shuffle = "byte"
        self.ways: list[int] = []
        self.starts: list[int] = []
        self.end = HEADER.size + _LENGTH.size * division.blocks
        self.left: Unsigned = np.empty(0, f"u{division.itemsize}")
        self._division = division

    @property
    def complete(self) -> bool:
        """Whether all channels are written."""
        return self.channels == self._division.channels


class _Pixels:
    """What is left of one part, and then another part."""

    def __init__(self, left: Unsigned, part: Thumbnails) -> None:
        self._left = left
        self._part = part
        self.size = len(left) + part.size

    def read(self, start: int, stop: int, memory: Unsigned) -> Unsigned:
        """Return pixels as :meth:`Thumbnails.read` does."""
        behind = len(self._left)
        if start >= behind:
            return self._part.read(start - behind, stop - behind, memory)
        joined = memory[: stop - start]
        before = self._left[start:stop]
        joined[: len(before)] = before
        rest = joined[len(before) :]
        rest[:] = self._part.read(0, len(rest), rest)
        return joined


class Encoder:
    """Encodes chunks; for one thread.

    Parameters
    ----------
    codec : Codec
    division : Division
        Of all chunks.
    """

    def __init__(self, codec: Codec, division: Division) -> None:
        self._codec = codec
        self._division = division
        self._ways = {
            shuffle: [(make(), tolerated) for make, tolerated in ways]
            for shuffle, ways in codec.ways.items()
        }
        self._read, self._shuffled = (
            np.empty(division.per_block, f"u{division.itemsize}") for _ in range(2)
        )

    def append(self, frame: Frame, part: Thumbnails, file: BinaryIO) -> None:
        """Write the next channels of a frame.

        Parameters
        ----------
        frame : Frame
        part : Thumbnails
            Whole units of channels.
        file : binary file
            What was written before; nothing if this is the first part.

        Raises
        ------
        OSError
        """
        division = self._division
        pixels = _Pixels(frame.left, part)
        frame.channels += part.size // division.per_channel
        file.seek(frame.end)
        start, step = 0, division.per_block
        while start + step <= pixels.size or (frame.complete and start < pixels.size):
            if len(frame.starts) % division.per_unit == 0 and start + step <= pixels.size:
                self._choose(frame, pixels, start)
            self._write_block(frame, pixels, range(start, min(start + step, pixels.size)), file)
            start += step
        left = range(min(start, pixels.size), pixels.size)
        frame.left = pixels.read(left.start, left.stop, self._read).copy()
        if frame.complete:
            file.seek(0)
            file.write(self._header(frame))

    def _write_block(self, frame: Frame, pixels: _Pixels, block: range, file: BinaryIO) -> None:
        ways = self._ways[frame.shuffle]
        streams = self._streams(
            pixels.read(block.start, block.stop, self._read),
            frame.shuffle,
            split=self._split and len(block) == self._division.per_block,
        )
        frame.starts.append(frame.end)
        for stream, way in zip(streams, frame.ways, strict=False):
            content = ways[way][0](stream)
            stored = content if len(content) < len(stream) else stream
            file.write(_LENGTH.pack(len(stored)))
            file.write(stored)
            frame.end += _LENGTH.size + len(stored)
            del content, stored  # before the next is made

    @property
    def _split(self) -> bool:
        return self._division.per_block >= _LEAST_SPLIT

    def _header(self, frame: Frame) -> bytes:
        division = self._division
        flags = self._codec.flags | (0 if self._split else _NOT_SPLIT)
        if frame.shuffle == "bit":
            flags |= _BITS
        elif division.itemsize > 1:
            flags |= _BYTES
        header = HEADER.pack(
            _VERSION,
            1,
            flags,
            division.itemsize,
            division.pixels * division.itemsize,
            division.per_block * division.itemsize,
            frame.end,
        )
        return header + np.array(frame.starts, "<i4").tobytes()

    def _streams(self, block: Unsigned, shuffle: Shuffle, *, split: bool) -> list[Stream]:
        """Return the planes of a block from the lowest up, or all of them as one."""
        itemsize = self._division.itemsize
        shuffled = self._shuffled[: len(block)]
        planes = shuffled.view(np.uint8).reshape(itemsize, len(block))
        if shuffle == "bit" and len(block) % _OCTET == 0:
            imagecodecs.bitshuffle_encode(block, blocksize=len(block), out=shuffled)
        elif shuffle == "bit" or itemsize == 1:
            shuffled[:] = block
        else:
            for number, plane in enumerate(planes):
                np.right_shift(block, 8 * number, out=plane, casting="unsafe")
        return [stream.data for stream in (planes if split else planes.reshape(1, -1))]

    def _choose(self, frame: Frame, pixels: _Pixels, start: int) -> None:
        """Choose the ways for the blocks of a unit that starts somewhere, and once the shuffle.

        The shuffle is the one that makes a sample smaller, or the quicker one if that will do.
        """
        unit = range(start, start + self._division.per_unit * self._division.per_block)
        if not frame.starts and "bit" in self._ways:
            sample = self._sample(pixels, unit, _SAMPLES[0])
            sizes = {shuffle: self._try(shuffle, sample)[1] for shuffle in self._ways}
            tolerated = _BITS_TOLERATED if self._division.itemsize > 1 else 1.0
            frame.shuffle = "bit" if sizes["bit"] <= tolerated * sizes["byte"] else "byte"
        if len(self._ways[frame.shuffle]) == 1:
            frame.ways = [0] * self._division.itemsize
        else:
            frame.ways = self._try(frame.shuffle, self._sample(pixels, unit, _SAMPLES[1]))[0]

    def _sample(self, pixels: _Pixels, unit: range, size: int) -> Unsigned:
        """Return pixels from all over a unit, or a block where that is not larger."""
        length = size // _PIECES
        if self._division.per_block <= size:
            stop = unit.start + self._division.per_block
            return pixels.read(unit.start, stop, self._read).copy()
        starts = np.linspace(unit.start, unit.stop - length, _PIECES).astype(np.int64).tolist()
        sample = np.empty(_PIECES * length, self._read.dtype)
        for piece, start in zip(sample.reshape(_PIECES, length), starts, strict=True):
            piece[:] = pixels.read(start, start + length, self._read)
        return sample

    def _try(self, shuffle: Shuffle, sample: Unsigned) -> tuple[list[int], int]:
        """Return the way that suits each plane of a sample, and the bytes that they make of it.

        Planes of bits are so long in a chunk that each has frequencies of its own, so each is
        compressed by itself.
        """
        ways = self._ways[shuffle]
        chosen, total = [], 0
        for plane in self._streams(sample, shuffle, split=True):
            parts = [plane]
            if shuffle == "bit" and len(plane) % _OCTET == 0:
                step = len(plane) // _OCTET
                parts = [plane[i : i + step] for i in range(0, len(plane), step)]
            sizes = [sum(len(way(part)) for part in parts) for way, _ in ways]
            limits = [tolerated * min(sizes) for _, tolerated in ways]
            good = [i for i, size in enumerate(sizes) if size <= limits[i]]
            chosen.append(good[-1])
            total += sizes[good[-1]]
        return chosen, total
