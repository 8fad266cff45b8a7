"""Random and contiguous cells out of stores, by several readers, in one run.

python -m benchmarks.reading --cells 20000 --rounds 7 --cold --peer OLD.zarr --peer-python PYTHON
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

import cellcutter
from benchmarks.slides import SlideSpec, write_project
from cellcutter.store.blosc import Encoder, Frame, divide
from cellcutter.store.codec import CODECS
from cellcutter.store.thumbnails import Thumbnails

HERE = Path(__file__).parent
CHANNELS, WINDOW = 12, 40
INNER = "obsm/single_cell_images"
CASES = tuple((number, order) for number in (100, 256) for order in ("random", "contiguous"))
Read = Callable[[NDArray[np.int64]], Any]
Times = dict[str, list[list[float]]]


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


def main() -> None:
    """Make the stores, measure every reader in turns, write a table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cold", action="store_true", help="drop caches too; needs root")
    parser.add_argument("--peer", type=Path, help="the same cells, cut by version 0.2.12")
    parser.add_argument("--peer-python", help="a Python that has zarr 2.14, which reads --peer")
    parser.add_argument("--data", type=Path, default=HERE / "data" / "reading")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    given = parser.parse_args()
    stores = make_stores(given.data, given.cells)
    readers = list(readers_of(stores))
    if given.peer:
        readers.append(peer(given.peer, given.peer_python or sys.executable))
    truth = np.load(stores["npy"], mmap_mode="r")
    check(readers, truth)
    results: dict[str, Times] = {}
    for warmth in ("warm", "cold") if given.cold else ("warm",):
        for number in range(given.rounds if warmth == "warm" else min(3, given.rounds)):
            say(f"{warmth}, round {number + 1}")
            for reader in readers:
                found = results.setdefault(f"{reader.layout} | {reader.name}", {})
                measure(reader, warmth, number, len(truth), found)
    folder = given.results / time.strftime("reading-%Y-%m-%d-%H%M%S")
    folder.mkdir(parents=True)
    about = {
        "cells": len(truth),
        "shape": list(truth.shape),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "zarr": zarr.__version__,
        "nbytes": {name: size(path) for name, path in stores.items()},
    }
    (folder / "results.json").write_text(json.dumps({"about": about, "ms": results}, indent=1))
    (folder / "report.md").write_text(report(results))
    say(report(results))
    say(bars(results))
    say(f"results: {folder}")


def make_stores(data: Path, cells: int) -> dict[str, Path]:
    """Cut a slide, and put the same cells into every layout; what is there is kept."""
    side = int(np.sqrt(cells * 1.06) * 29)
    spec = SlideSpec("reading", CHANNELS, side, side, seed=3)
    paths = write_project(data / f"slide-{cells}", spec)
    folder = data / f"stores-{cells}"
    folder.mkdir(parents=True, exist_ok=True)
    stores = {"chunks": folder / "chunks.zarr", "npy": folder / "cells.npy"}
    if not stores["chunks"].exists():
        cellcutter.cut_cells(
            paths["image"],
            paths["labels"],
            paths["table"],
            stores["chunks"],
            window_size=WINDOW,
            cells_per_chunk=873,
        )
    if not stores["npy"].exists():
        np.save(stores["npy"], cellcutter.open(stores["chunks"])[:cells])
    images = np.load(stores["npy"], mmap_mode="r")
    for codec in ("fast", "small", "none"):
        stores[f"cells {codec}"] = folder / f"cells-{codec}.zarr"
        if not stores[f"cells {codec}"].exists():
            write_cells(stores[f"cells {codec}"], images, codec)
    return stores


def write_cells(path: Path, images: NDArray[Any], codec: str, per_shard: int = 873) -> None:
    """Write a store of the layout `cells`, shard by shard; its frames are those of a codec."""
    import google_crc32c

    made = path.with_suffix(".part")
    shutil.rmtree(made, ignore_errors=True)
    group = zarr.create_group(made, zarr_format=3)
    group.attrs["cellcutter"] = {"channels": [{"number": i + 1} for i in range(images.shape[1])]}
    chosen = CODECS[codec]
    compressor = None
    if chosen is not None:
        config: dict[str, Any] = dict(chosen.config())
        compressor = BloscCodec(
            cname=config["cname"], clevel=config["clevel"], shuffle="bitshuffle"
        )
    group.create_group("obsm").create_array(
        "single_cell_images",
        shape=images.shape,
        dtype=images.dtype,
        chunks=(1, *images.shape[1:]),
        shards=(per_shard, *images.shape[1:]),
        compressors=compressor,
    )
    division = divide((*images.shape[1:2], 1, *images.shape[2:]), images.dtype.itemsize)
    encoder = None if chosen is None else Encoder(chosen, division)
    for number in range(-(-len(images) // per_shard)):
        file = made / INNER / "c" / str(number) / "0" / "0" / "0"
        file.parent.mkdir(parents=True)
        index = np.full((per_shard, 2), 2**64 - 1, "<u8")
        content = bytearray()
        for slot, cell in enumerate(images[number * per_shard : (number + 1) * per_shard]):
            frame = cell.tobytes() if encoder is None else encode(encoder, cell)
            index[slot] = len(content), len(frame)
            content += frame
        checksum = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
        file.write_bytes(bytes(content) + index.tobytes() + checksum)
    made.rename(path)


def encode(encoder: Encoder, cell: NDArray[Any]) -> bytes:
    """Return the frame of a cell."""
    import io

    file, frame = io.BytesIO(), Frame(encoder.division)
    part = np.ascontiguousarray(cell[:, None]).view(f"u{cell.dtype.itemsize}")
    encoder.append(frame, Thumbnails(part, None), file)
    return file.getvalue()


def readers_of(stores: dict[str, Path]) -> list[Reader]:
    """Return the readers that are installed, for each store."""
    readers = []
    for layout, path in stores.items():
        if layout == "npy":
            readers.append(Reader(layout, "numpy memmap", path, lambda p=path: memmap(p)))  # type: ignore[misc]
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


class _Peer:
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
    return Reader("0.2.12", "zarr 2.14", path, lambda: _Peer(path, python))


def check(readers: list[Reader], truth: NDArray[Any]) -> None:
    """Make sure that every reader reads what was written."""
    for reader in readers:
        for order in ("random", "contiguous"):
            rows = rows_for(40, order, len(truth), 0)
            found = reader.make()(rows)
            if reader.name == "zarr 2.14":
                same = found[2] == int(truth[rows].astype("u8").sum())
            else:
                same = np.array_equal(np.asarray(found), truth[rows])
            if not same:
                raise SystemExit(f"{reader.layout} by {reader.name}: other pixels read")


def rows_for(number: int, order: str, cells: int, seed: int) -> NDArray[np.int64]:
    """Return rows to read; other ones for each seed."""
    rng = np.random.default_rng([seed, number, order == "random"])
    if order == "random":
        return rng.choice(cells, number, replace=False).astype(np.int64)
    return np.arange(number, dtype=np.int64) + rng.integers(cells - number)


def measure(reader: Reader, warmth: str, seed: int, cells: int, found: Times) -> None:
    """Measure a reader in all cases, in ms; slow ones once, quick ones several times."""
    for number, order in CASES:
        times = found.setdefault(f"{warmth} {number} {order}", [])
        if warmth == "cold":
            drop_caches()
            read = reader.make()  # within what is measured: indices are read from the disk too
            times.append(timed(read, rows_for(number, order, cells, 1000 + seed)))
            continue
        read = reader.make()
        read(rows_for(number, order, cells, 10**6 + seed))
        gc.collect()
        spent = 0.0
        for again in range(10):
            times.append(timed(read, rows_for(number, order, cells, seed * 10 + again)))
            spent += times[-1][0]
            if spent > 500:
                break


def timed(read: Read, rows: NDArray[np.int64]) -> list[float]:
    """Return the ms that reading took, and those of the processors."""
    start, spent = time.perf_counter(), time.process_time()
    found = read(rows)
    if isinstance(read, _Peer):
        return [1000 * seconds for seconds in found[:2]]
    return [1000 * (time.perf_counter() - start), 1000 * (time.process_time() - spent)]


def drop_caches() -> None:
    """Have the system forget what it has read."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def size(path: Path) -> int:
    """Return the bytes of a file or folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def report(results: dict[str, Times]) -> str:
    """Return a table of the least times in ms, and in brackets those of the processors."""
    cases = list(next(iter(results.values())))
    lines = [
        "| layout | reader | " + " | ".join(cases) + " |",
        "| --- | --- |" + " --: |" * len(cases),
    ]
    for name, found in results.items():
        cells = [
            "{:.1f} ({:.1f})".format(*map(min, zip(*found[case], strict=True))) for case in cases
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bars(results: dict[str, Times]) -> str:
    """Return how the figures stand to what they must not be above, by time and by CPU time."""
    least = {
        name: {case: np.array(times).min(axis=0) for case, times in found.items()}
        for name, found in results.items()
    }
    ours, random, contiguous = "cellcutter.open", "warm 256 random", "warm 256 contiguous"
    lines = []
    for codec in ("fast", "small", "none"):
        found = least[f"cells {codec} | {ours}"]
        lines.append((f"{codec}: random / contiguous", found[random] / found[contiguous], 1.3))
        if other := least.get(f"cells {codec} | tensorstore"):
            lines.append((f"{codec}: ours / tensorstore", found[random] / other[random], 1.0))
    limit = least["npy | numpy memmap"][random]
    lines.append(("none / npy memmap", least[f"cells none | {ours}"][random] / limit, 1.5))
    if old := least.get("0.2.12 | zarr 2.14"):
        found, hundred = least[f"cells fast | {ours}"], "warm 100 random"
        lines.append(("ours / 0.2.12, 100 random", found[hundred] / old[hundred], 0.01))
    return "\n".join(
        f"{'ok  ' if time <= bar else 'MISS'} {name}: {time:.3f} (CPU {cpu:.3f}), at most {bar}"
        for name, (time, cpu), bar in lines
    )


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
