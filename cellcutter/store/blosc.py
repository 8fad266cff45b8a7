"""A chunk as a Blosc frame, written in one part or in many.

The format is that of Blosc 1, shuffled and split
(https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst): a block holds a compressed
stream for each plane of its pixels. Blosc's own encoder treats all of them alike; here each is
compressed in the way that suits it (see `codec.py`).

Invariant: the same chunk makes the same frame, in however many parts it is written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from cellcutter.store.codec import BLOCK_NBYTES, OCTET, Codec, Compressors, Shuffle
from cellcutter.store.thumbnails import Thumbnails
from cellcutter.types import Unsigned

# A frame's header, and the largest frame that readers take: they count in 32 bits with a sign.
HEADER = struct.Struct("<BBBBIII")
LARGEST = 2**31 - 1
LEAST_NBYTES = 256 << 10  # of a unit, where a chunk has several
LENGTH = struct.Struct("<i")
_VERSION = 2  # of the format, and 1 of each compressor's
_BYTES, _BITS, _NOT_SPLIT = 0x01, 0x04, 0x10
LEAST_SPLIT = 128  # pixels: smaller blocks are not split (MIN_BUFFERSIZE)
# Samples to choose the shuffle by, and the ways: pieces from all over, so large that windows which
# overlap lie in one.
_PIECE = 8 << 10  # pixels
_SAMPLES = 4, 2  # pieces


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

    @property
    def frame_nbytes(self) -> int:
        """Bytes of a frame in which nothing could be made smaller."""
        index = self.blocks * LENGTH.size * (1 + self.itemsize)
        return HEADER.size + index + self.pixels * self.itemsize


def divide(shape: Sequence[int], itemsize: int, block_nbytes: int = BLOCK_NBYTES) -> Division:
    """Divide a chunk into blocks of some size at the most; a unit has 256 KiB or more if possible.

    Parameters
    ----------
    shape : tuple of int
        (channels, cells, size, size), or (cells, size, size).
    itemsize : int
        Bytes of a pixel.
    block_nbytes : int
        Largest size of a block.
    """
    channels, per_channel = prod(shape[:-3]), prod(shape[-3:])
    units = (unit for unit in range(1, channels) if channels % unit == 0)
    large = (unit for unit in units if unit * per_channel * itemsize >= LEAST_NBYTES)
    unit = next(large, channels)
    pixels = unit * per_channel
    per_unit = -(-pixels * itemsize // block_nbytes)
    per_block = pixels // per_unit
    per_block -= per_block % OCTET if per_block > OCTET else 0
    return Division(channels, per_channel, itemsize, unit, per_unit, per_block)


def encoder_nbytes(division: Division) -> int:
    """Return the memory of an encoder: a block as read, shuffled and half done, and two streams.

    What compressors need beside is not counted: their tables and copies, about 4 MB in all.
    """
    return division.per_block * (3 * division.itemsize + 2)


def decoder_nbytes(division: Division) -> int:
    """Return the memory of :func:`decode` for a frame that is in memory: two blocks."""
    return division.per_block * 2 * division.itemsize


def masks_nbytes(masks: Division, itemsize: int) -> int:
    """Return the memory for the masks of a chunk: as stored, decoded, and as wide as pixels."""
    return masks.pixels * (2 + itemsize) + decoder_nbytes(masks)


def header(
    codec: Codec, division: Division, shuffle: Shuffle, *, split: bool, nbytes: int
) -> bytes:
    """Return the header of a frame.

    Parameters
    ----------
    codec : Codec
    division : Division
    shuffle : "byte" or "bit"
    split : bool
        Whether each plane of a block is a stream.
    nbytes : int
        Of the whole frame.
    """
    flags = codec.flags | (0 if split else _NOT_SPLIT)
    if shuffle == "bit":
        flags |= _BITS
    elif division.itemsize > 1:
        flags |= _BYTES
    return HEADER.pack(
        _VERSION,
        1,
        flags,
        division.itemsize,
        division.pixels * division.itemsize,
        division.per_block * division.itemsize,
        nbytes,
    )


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
        self.end = HEADER.size + LENGTH.size * division.blocks
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
        self.division = division
        self._compressors = Compressors(codec, division.itemsize, division.per_block)
        self._read = np.empty(division.per_block, f"u{division.itemsize}")

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
        division = self.division
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
        streams = self._compressors.planes(
            pixels.read(block.start, block.stop, self._read),
            frame.shuffle,
            split=self._split and len(block) == self.division.per_block,
        )
        frame.starts.append(frame.end)
        for stream, way in zip(streams, frame.ways, strict=False):
            content = self._compressors.compress(stream, frame.shuffle, way)
            stored = content if len(content) < len(stream) else stream
            file.write(LENGTH.pack(len(stored)))
            file.write(stored)
            frame.end += LENGTH.size + len(stored)
            del content, stored  # before the next is made

    @property
    def _split(self) -> bool:
        return self.division.per_block >= LEAST_SPLIT

    def _header(self, frame: Frame) -> bytes:
        head = header(
            self._codec, self.division, frame.shuffle, split=self._split, nbytes=frame.end
        )
        return head + np.array(frame.starts, "<i4").tobytes()

    def _choose(self, frame: Frame, pixels: _Pixels, start: int) -> None:
        """Choose the ways for the blocks of a unit that starts somewhere, and once the shuffle."""
        unit = range(start, start + self.division.per_unit * self.division.per_block)
        if not frame.starts and len(self._codec.ways) > 1:
            sample = self._sample(pixels, unit, _SAMPLES[0])
            frame.shuffle = self._compressors.choose_shuffle(sample)
        frame.ways = [0] * self.division.itemsize
        if len(self._codec.ways[frame.shuffle]) > 1:
            sample = self._sample(pixels, unit, _SAMPLES[1])
            frame.ways = self._compressors.choose_ways(frame.shuffle, sample)

    def _sample(self, pixels: _Pixels, unit: range, pieces: int) -> Unsigned:
        """Return pixels from all over a unit, or a block where that is not larger."""
        if self.division.per_block <= pieces * _PIECE:
            stop = unit.start + self.division.per_block
            return pixels.read(unit.start, stop, self._read).copy()
        starts = np.linspace(unit.start, unit.stop - _PIECE, pieces).astype(np.int64).tolist()
        sample = np.empty(pieces * _PIECE, self._read.dtype)
        for piece, start in zip(sample.reshape(pieces, _PIECE), starts, strict=True):
            piece[:] = pixels.read(start, start + _PIECE, self._read)
        return sample
