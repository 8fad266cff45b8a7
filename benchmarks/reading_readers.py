"""Readers of stores, each with the short cuts that it has."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

import cellcutter
from benchmarks.reading_stores import INNER

Read = Callable[[NDArray[np.int64]], Any]


@dataclass(frozen=True)
class Reader:
    """Something that reads cells of a store.

    Parameters
    ----------
    layout, name : str
    path : Path
        What it reads; dropped from the page cache before a cold run.
    make : callable
        Opens the store and returns what reads rows.
    """

    layout: str
    name: str
    path: Path
    make: Callable[[], Read]


def readers_of(stores: dict[str, Path]) -> list[Reader]:
    """Return the readers that are installed, for each store."""
    readers = []
    for layout, path in stores.items():
        if layout == "npy":
            readers.append(Reader(layout, "numpy memmap", path, lambda p=path: memmap(p)))  # type: ignore[misc]
            continue
        if layout == "h5sc":
            readers.append(
                Reader(layout, "h5py, a cell a call", path, lambda p=path: by_h5py(p))  # type: ignore[misc]
            )
            continue
        inner = path if layout == "chunks" else path / INNER
        first = layout != "chunks"
        readers += [
            Reader(layout, "cellcutter.open", path, lambda p=path: cellcutter.open(p).read),  # type: ignore[misc]
            Reader(layout, "zarr", inner, lambda p=inner, f=first: by_zarr(p, f)),  # type: ignore[misc]
        ]
        if importlib.util.find_spec("tensorstore"):
            readers.append(
                Reader(layout, "tensorstore", inner, lambda p=inner, f=first: by_tensorstore(p, f))  # type: ignore[misc]
            )
        if importlib.util.find_spec("zarrs"):
            readers.append(
                Reader(layout, "zarrs", inner, lambda p=inner, f=first: by_zarrs(p, f))  # type: ignore[misc]
            )
    return readers


def memmap(path: Path) -> Read:
    """Return a reader of a NumPy file."""
    images = np.load(path, mmap_mode="r")
    return lambda rows: np.array(images[as_slice(rows)])


def as_slice(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return a slice where rows follow each other: readers know short cuts for it."""
    if len(rows) > 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def by_zarr(path: Path, cells_first: bool) -> Read:
    """Return a reader by zarr-python."""
    array: Any = zarr.open_array(path, mode="r")

    def read(rows: NDArray[np.int64]) -> Any:
        key = as_slice(rows)
        found = array.oindex[key] if cells_first else array.oindex[:, key]
        return found if cells_first else found.swapaxes(0, 1)

    return read


def by_zarrs(path: Path, cells_first: bool) -> Read:
    """Return a reader by zarr-python with the pipeline that is written in Rust."""
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        return by_zarr(path, cells_first)


def by_tensorstore(path: Path, cells_first: bool) -> Read:
    """Return a reader by tensorstore, which keeps the indices of shards as ours does."""
    import tensorstore

    array = tensorstore.open(
        {
            "driver": "zarr3" if cells_first else "zarr",
            "kvstore": {"driver": "file", "path": str(path)},
            "recheck_cached_data": False,
            "context": {"cache_pool": {"total_bytes_limit": 64 << 20}},
        },
        read=True,
    ).result()

    def read(rows: NDArray[np.int64]) -> Any:
        key = as_slice(rows)
        found = (array[key] if cells_first else array[:, key]).read().result()
        return found if cells_first else found.swapaxes(0, 1)

    return read


def by_h5py(path: Path) -> Read:
    """Return a reader of scPortrait's form, a cell a call: quicker than h5py's lists of rows."""
    import h5py

    images = h5py.File(path)["obsm/single_cell_images"]
    return lambda rows: np.stack([images[row] for row in rows.tolist()])


_PEER = """
import json, sys, time, numpy, zarr
array = zarr.open(sys.argv[1], mode="r")
for line in sys.stdin:
    rows = json.loads(line)
    start, spent = time.perf_counter(), time.process_time()
    found = array.oindex[:, rows] if rows[-1] - rows[0] + 1 != len(rows) else (
        array[:, rows[0]:rows[-1] + 1])
    took = time.perf_counter() - start, time.process_time() - spent
    print(json.dumps([*took, int(found.astype("u8").sum())]), flush=True)
"""


class Peer:
    """A process of another Python that reads a store; tells the seconds it took."""

    def __init__(self, path: Path, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", _PEER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, rows: NDArray[np.int64]) -> list[float]:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("no pipes")
        print(json.dumps(rows.tolist()), file=self._process.stdin, flush=True)
        found: list[float] = json.loads(self._process.stdout.readline())
        return found


def peer(path: Path, python: str) -> Reader:
    """Return the reader of version 0.2.12's store by zarr 2.14."""
    return Reader("0.2.12", "zarr 2.14", path, lambda: Peer(path, python))
