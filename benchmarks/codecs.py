"""What each codec costs, on thumbnails of real and of made cells.

    python -m benchmarks.codecs STORE [STORE ...]

takes stores of cellcutter, and prints a Markdown table of compression ratio and of encoding and
decoding speed on one thread: for what `--compression` offers, and for Blosc's own encoder. Stock
zarr-python 2 and 3 read all of them.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import zarr
from numpy.typing import NDArray

from cellcutter.store.blosc import HEADER, Encoder, Frame, divide
from cellcutter.store.codec import CODECS, Codec
from cellcutter.store.thumbnails import Thumbnails

Content = bytes | bytearray | memoryview
KIB = 1024
BLOSC = [
    ("lz4", 5, 1, 0),
    ("lz4", 5, 2, 0),
    ("zstd", 1, 1, 0),
    ("zstd", 1, 1, 2048 * KIB),
    ("zstd", 1, 2, 2048 * KIB),
    ("zstd", 2, 1, 0),
    ("zstd", 2, 1, 2048 * KIB),
    ("zstd", 3, 1, 2048 * KIB),
    ("zstd", 5, 1, 2048 * KIB),
    ("zlib", 1, 1, 1024 * KIB),
]
ROUNDS = 3
Pixels = NDArray[np.generic]


def best(act: Callable[[], object]) -> float:
    """Return the seconds of the quickest of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ours(codec: Codec) -> Callable[[Pixels], Content]:
    """Return what encodes as cellcutter does; all that is written stays in memory."""

    def encode(pixels: Pixels) -> Content:
        file = io.BytesIO()
        division = divide(pixels.shape, pixels.dtype.itemsize, codec.block_nbytes)
        Encoder(codec, division).append(Frame(division), Thumbnails(pixels), file)
        return file.getbuffer()

    return encode


def blosc(name: str, level: int, shuffle: int, blocksize: int) -> Callable[[Pixels], Content]:
    """Return what encodes as Blosc does."""

    def encode(pixels: Pixels) -> Content:
        return imagecodecs.blosc_encode(
            pixels,  # type: ignore[arg-type]  # any buffer will do
            level=level,
            compressor=name,
            shuffle=shuffle,
            typesize=pixels.dtype.itemsize,
            blocksize=blocksize,
            numthreads=1,
        )

    return encode


def shuffle_of(encoded: Content) -> str:
    """Return how a frame is shuffled; one of 8 bits is not by bytes."""
    flags = HEADER.unpack_from(encoded)[2]
    return "bit" if flags & 4 else "byte" if flags & 1 else "none"


def rows(pixels: Pixels) -> list[str]:
    """Measure all codecs on an array of thumbnails; return rows of a table."""
    ways = [(f"`{n}`", c.block_nbytes, ours(c)) for n, c in CODECS.items() if c]
    ways += [(f"{which[0]} {which[1]}", which[-1], blosc(*which)) for which in BLOSC]
    memory = np.empty(pixels.nbytes, np.uint8)
    found = []
    for name, nbytes, encode in ways:
        encoded = bytes(encode(pixels))
        seconds = (
            best(partial(encode, pixels)),
            best(partial(imagecodecs.blosc_decode, encoded, numthreads=1, out=memory.data)),
        )
        speeds = [pixels.nbytes / each / 1e6 for each in seconds]
        block = f"{nbytes // KIB} KiB" if nbytes else "automatic"
        what = f"{name} | {shuffle_of(encoded)} | {block}"
        ratio = pixels.nbytes / len(encoded)
        found.append(f"| {what} | {ratio:.2f} | {speeds[0]:.0f} | {speeds[1]:.0f} |")
    return found


def variants(pixels: Pixels) -> dict[str, Pixels]:
    """Return pixels, and pixels of 16 bits also as other types."""
    if pixels.dtype != np.uint16:
        return {f"{pixels.dtype}": pixels}
    numbers = pixels.astype(np.uint32)
    return {
        "uint16": pixels,
        "uint8, by 16 darker": np.minimum(numbers >> 4, 255).astype(np.uint8),
        "uint32, by 37 brighter": numbers * 37,
        "float32, by 37 darker": (numbers / 37).astype(np.float32),
    }


def main() -> None:
    """Print tables for each store."""
    for path in map(Path, sys.argv[1:]):
        array = zarr.open_array(path, mode="r")
        cells = max(1, (32 << 20) * array.shape[1] // array.nbytes)
        for what, pixels in variants(np.ascontiguousarray(array[:, :cells])).items():
            print(f"\n{path.name}: {what}\n")
            print("| codec | shuffle | block | ratio | encode MB/s | decode MB/s |")
            print("| --- | --- | --- | --: | --: | --: |")
            print("\n".join(rows(pixels)))


if __name__ == "__main__":
    main()
