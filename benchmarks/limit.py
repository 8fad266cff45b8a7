"""The lower limit: what any program must do that makes a given store, and nothing else.

Every block of the image (and of the labels, where the run needs them) that a window touches is read
and decoded once into memory that exists already; the chunks of the finished store are encoded once
by the program's own encoder, and what comes out is thrown away; and as many bytes are written once.
Each part is timed by itself with the same number of threads, and the limit is their sum.

Of cellcutter only the encoder is used: the windows come from the store's own table.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from cellcutter.store.blosc import Encoder, Frame, divide
from cellcutter.store.codec import CODECS
from cellcutter.store.thumbnails import Thumbnails

Task = Callable[[], object]


@dataclass(frozen=True)
class Limit:
    """Seconds of each part with all threads, and bytes written."""

    decode_image: float
    decode_labels: float
    encode: float
    write: float
    nbytes: int

    @property
    def seconds(self) -> float:
        """The sum of all parts."""
        return self.decode_image + self.decode_labels + self.encode + self.write

    def as_dict(self) -> dict[str, float]:
        """Return all figures by name."""
        return {**asdict(self), "seconds": self.seconds}


def measure(
    image: Path, labels: Path | None, stores: Iterable[Path], threads: int, scratch: Path
) -> Limit:
    """Measure the limit of a run that has made some stores.

    Parameters
    ----------
    image, labels : Path
        `labels` only where the run needs them whole.
    stores : paths
        Folders of Zarr format 2, the first with a table of the windows.
    threads : int
    scratch : Path
        Folder for the bytes to be written; it is removed again.
    """
    stores = list(stores)
    windows = read_windows(stores[0] / "cells.csv")
    channels = json.loads((stores[0] / ".zattrs").read_text())["cellcutter"]["channels"]
    numbers = [channel["number"] - 1 for channel in channels]
    decode_image = run(decoding(image, windows, numbers), threads)
    decode_labels = run(decoding(labels, None, [0]), threads) if labels else 0.0
    encode = sum(run_encoding(store, threads) for store in stores)
    scratch.mkdir()
    sizes = [file.stat().st_size for store in stores for file in chunk_files(store)]
    content = memoryview(os.urandom(max(sizes)))
    write = run(
        [partial((scratch / str(i)).write_bytes, content[:size]) for i, size in enumerate(sizes)],
        threads,
    )
    shutil.rmtree(scratch)
    return Limit(decode_image, decode_labels, encode, write, sum(sizes))


def run(tasks: Iterable[Task], threads: int) -> float:
    """Do tasks in threads; return the seconds it took."""
    todo = list(tasks)
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda task: task(), todo):
            pass
    return time.perf_counter() - start


def read_windows(table: Path) -> NDArray[np.int64]:
    """Return (top, bottom, left, right) of each window of a store's table, shape (n, 4)."""
    with table.open(newline="") as lines:
        rows = csv.DictReader(lines)
        names = ("Y_start", "Y_stop", "X_start", "X_stop")
        return np.array([[int(row[name]) for name in names] for row in rows])


def touched(windows: NDArray[np.int64], page: Any) -> list[int]:
    """Return the indices of the blocks of a page that windows touch."""
    height, width = page.imagelength, page.imagewidth
    tiled = page.is_tiled
    block = (page.tilelength, page.tilewidth) if tiled else (page.rowsperstrip, width)
    rows, cols = math.ceil(height / block[0]), math.ceil(width / block[1])
    top, bottom = np.clip(windows[:, 0], 0, height), np.clip(windows[:, 1], 0, height)
    left, right = np.clip(windows[:, 2], 0, width), np.clip(windows[:, 3], 0, width)
    found = np.zeros((rows, cols), bool)
    for down in range(int(((bottom - 1) // block[0] - top // block[0]).max()) + 1):
        for across in range(int(((right - 1) // block[1] - left // block[1]).max()) + 1):
            row = np.minimum(top // block[0] + down, (bottom - 1) // block[0])
            col = np.minimum(left // block[1] + across, (right - 1) // block[1])
            found[row, col] = True
    return [int(i) for i in np.flatnonzero(found)]


def decoding(path: Path, windows: NDArray[np.int64] | None, channels: list[int]) -> Iterable[Task]:
    """Yield a task for each needed block: read it, decode it into its thread's buffer."""
    decoders = {1: None, 8: imagecodecs.deflate_decode, 50000: imagecodecs.zstd_decode}
    with tifffile.TiffFile(path) as tiff:
        level = tiff.series[0].levels[0]
        pages: list[Any] = list(level.pages)
        key: Any = level.keyframe
        decode = decoders[int(key.compression)]
        shape = (key.tilelength, key.tilewidth) if key.is_tiled else key.shape
        nbytes = math.prod(shape) * key.dtype.itemsize
        blocks = touched(windows, key) if windows is not None else range(len(key.dataoffsets))
        places = [
            (pages[c].dataoffsets[i], pages[c].databytecounts[i])
            for c in set(channels)
            for i in blocks
        ]
    descriptor = os.open(path, os.O_RDONLY)
    memory = threading.local()

    def one(offset: int, count: int) -> None:
        if not hasattr(memory, "out"):
            memory.out = np.empty(nbytes, np.uint8)
        if decode is None:
            os.preadv(descriptor, [memory.out[:count]], offset)
        elif count:
            decode(os.pread(descriptor, count, offset), out=memory.out)

    return [partial(one, o, c) for o, c in places]


def chunk_files(store: Path) -> list[Path]:
    """Return the files of a store's chunks."""
    return sorted(p for p in store.iterdir() if p.name[0].isdigit())


class Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def write(self, content: Any) -> int:
        return len(content)

    def seek(self, offset: int, _whence: int = 0) -> int:
        return offset

    def truncate(self, size: int | None = None) -> int:
        return size or 0


def run_encoding(store: Path, threads: int) -> float:
    """Encode all chunks of a store as it did; return the seconds it took.

    They are decoded before in small lots, so that memory stays bounded, and only the encoding is
    timed.
    """
    metadata = json.loads((store / ".zarray").read_text())
    config = {key: value for key, value in metadata["compressor"].items() if key != "id"}
    codec = next(codec for codec in CODECS.values() if codec and codec.config() == config)
    dtype = np.dtype(metadata["dtype"])
    division = divide(metadata["chunks"], dtype.itemsize, codec.block_nbytes)
    memory = threading.local()

    def encode(content: bytes | bytearray) -> None:
        if not hasattr(memory, "encoder"):
            memory.encoder = Encoder(codec, division)
        part = Thumbnails(np.frombuffer(content, dtype))
        memory.encoder.append(Frame(division), part, Nowhere())

    seconds = 0.0
    files = chunk_files(store)
    lot = 8 * threads
    for start in range(0, len(files), lot):
        part = files[start : start + lot]
        contents = [imagecodecs.blosc_decode(file.read_bytes()) for file in part]
        seconds += run([partial(encode, c) for c in contents], threads)
    return seconds


def main() -> None:
    """Measure one limit and print it as JSON: arguments are those of :func:`measure`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("stores", type=Path, nargs="+")
    given = parser.parse_args()
    limit = measure(given.image, given.labels, given.stores, given.threads, given.scratch)
    print(json.dumps(limit.as_dict()))


if __name__ == "__main__":
    main()
