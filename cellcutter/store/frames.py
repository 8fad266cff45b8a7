"""One cell as a Blosc frame of its own, small and made in one go.

The format is that of `blosc.py`. A block has whole octets of pixels, so that bits can be shuffled
whatever the size of the window: Blosc's own encoder leaves cells of 37 x 37 pixels unshuffled.
Where a cell is one block of whole octets, and LZ4 compresses it, Blosc's own encoder makes the same
frame in two thirds of the time, and is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np

from cellcutter.store.blosc import HEADER, LEAST_SPLIT, LENGTH, Division, header
from cellcutter.store.codec import Codec, Compressors, Shuffle
from cellcutter.types import Unsigned

_SHUFFLES = {"byte": 1, "bit": 2}  # as Blosc numbers them


@dataclass(frozen=True)
class Choice:
    """How the cells of a shard are compressed.

    Parameters
    ----------
    shuffle : "byte" or "bit"
    ways : list of int
        For each plane, the number of the codec's way.
    """

    shuffle: Shuffle
    ways: list[int]


class FrameEncoder:
    """Encodes cells; for one thread.

    Parameters
    ----------
    codec : Codec
    division : Division
        Of a cell.
    """

    def __init__(self, codec: Codec, division: Division) -> None:
        self._codec = codec
        self._division = division
        self._compressors = Compressors(codec, division.itemsize, division.per_block)
        self._split = division.per_block >= LEAST_SPLIT
        self._by_blosc = codec.name == "lz4" and division.blocks == 1

    def choose(self, cells: Unsigned) -> Choice:
        """Choose how to compress cells like these, shape (n, pixels)."""
        samples = cells[:, : self._division.per_block]
        shuffle = self._compressors.choose_shuffle(*samples)
        return Choice(shuffle, self._compressors.choose_ways(shuffle, *samples))

    def encode(self, cell: Unsigned, choice: Choice) -> bytes | bytearray:
        """Return the frame of a cell, shape (pixels,), C-contiguous."""
        division = self._division
        if self._by_blosc:
            return imagecodecs.blosc_encode(
                cell,  # type: ignore[arg-type]
                level=self._codec.level,
                compressor=self._codec.name,
                shuffle=_SHUFFLES[choice.shuffle],
                typesize=division.itemsize,
                blocksize=division.per_block * division.itemsize,
                numthreads=1,
            )
        step = division.per_block
        starts, parts = [], []
        end = HEADER.size + LENGTH.size * division.blocks
        for start in range(0, len(cell), step):
            block = cell[start : start + step]
            split = self._split and len(block) == step
            starts.append(end)
            streams = self._compressors.planes(block, choice.shuffle, split=split)
            for stream, way in zip(streams, choice.ways, strict=False):
                content = self._compressors.compress(stream, choice.shuffle, way)
                # a stream that stays as it is shares memory with the next block: copied
                stored = content if len(content) < len(stream) else bytes(stream)
                parts += [LENGTH.pack(len(stored)), stored]
                end += LENGTH.size + len(stored)
        head = header(self._codec, division, choice.shuffle, split=self._split, nbytes=end)
        return b"".join([head, np.array(starts, "<i4").tobytes(), *parts])
