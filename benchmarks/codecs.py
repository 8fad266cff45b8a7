"""What each codec costs, on thumbnails of real and of made cells.

    python -m benchmarks.codecs STORE [STORE ...]

takes stores of cellcutter, and prints a Markdown table of compression ratio and of encoding and
decoding speed on one thread, for codecs of Blosc that stock zarr-python 2 and 3 read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import zarr
from numpy.typing import NDArray

KIB = 1024
CODECS = [
    ("lz4", 5, 1, 0),
    ("lz4", 5, 2, 0),
    ("zstd", 1, 1, 0),
    ("zstd", 1, 1, 1024 * KIB),
    ("zstd", 1, 1, 2048 * KIB),
    ("zstd", 1, 2, 1024 * KIB),
    ("zstd", 2, 1, 0),
    ("zstd", 2, 1, 2048 * KIB),
    ("zstd", 3, 1, 2048 * KIB),
    ("zstd", 5, 1, 2048 * KIB),
    ("zlib", 1, 1, 1024 * KIB),
]
SHUFFLES = {1: "byte", 2: "bit"}
ROUNDS = 3


def best(act: Callable[[], object]) -> float:
    """Return the seconds of the quickest of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def rows(pixels: NDArray[np.generic]) -> list[str]:
    """Measure all codecs on an array of thumbnails; return rows of a table."""
    out = bytearray(2 * pixels.nbytes + KIB)
    found = []
    for name, level, shuffle, blocksize in CODECS:

        def encode(
            name: str = name, level: int = level, shuffle: int = shuffle, size: int = blocksize
        ) -> bytes | bytearray:
            return imagecodecs.blosc_encode(
                pixels,  # type: ignore[arg-type]  # any buffer will do
                level=level,
                compressor=name,
                shuffle=shuffle,
                typesize=pixels.dtype.itemsize,
                blocksize=size,
                numthreads=1,
                out=out,
            )

        encoded = bytes(encode())
        speeds = [
            pixels.nbytes / best(act) / 1e6
            for act in (encode, lambda e=encoded: imagecodecs.blosc_decode(e, numthreads=1))
        ]
        block = f"{blocksize // KIB} KiB" if blocksize else "automatic"
        found.append(
            f"| {name} {level} | {SHUFFLES[shuffle]} | {block} | "
            f"{pixels.nbytes / len(encoded):.2f} | {speeds[0]:.0f} | {speeds[1]:.0f} |"
        )
    return found


def main() -> None:
    """Print a table for each store."""
    for path in map(Path, sys.argv[1:]):
        array = zarr.open_array(path, mode="r")
        cells = max(1, (32 << 20) * array.shape[1] // array.nbytes)
        pixels: NDArray[np.generic] = np.ascontiguousarray(array[:, :cells])
        print(f"\n{path.name}: {array.dtype}, {array.shape[0]} channels\n")
        print("| codec | shuffle | block | ratio | encode MB/s | decode MB/s |")
        print("| --- | --- | --- | --: | --: | --: |")
        print("\n".join(rows(pixels)))


if __name__ == "__main__":
    main()
