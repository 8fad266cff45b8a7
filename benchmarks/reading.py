"""Random and contiguous cells out of stores, by several readers, in one run.

python -m benchmarks.reading --cells 20000 --rounds 7 --cold --peer OLD.zarr --peer-python PYTHON \
    --torch-python PYTHON
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from benchmarks import reading_report as report
from benchmarks.epoch import BATCH
from benchmarks.reading_readers import Peer, Read, Reader, peer, readers_of
from benchmarks.reading_report import OLD_EPOCH, Times
from benchmarks.reading_stores import make_stores

HERE = Path(__file__).parent
CASES = tuple((number, order) for number in (100, 256) for order in ("random", "contiguous"))


def main() -> None:
    """Make the stores, measure every reader in turns, write a table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cold", action="store_true", help="drop caches too; needs root")
    parser.add_argument("--peer", type=Path, help="the same cells, cut by version 0.2.12")
    parser.add_argument("--peer-python", help="a Python that has zarr 2.14, which reads --peer")
    parser.add_argument("--torch-python", help="a Python that has torch: measure epochs, too")
    parser.add_argument("--annbatch-python", help="the same of annbatch")
    parser.add_argument("--data", type=Path, default=HERE / "data" / "reading")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    given = parser.parse_args()
    stores = make_stores(given.data, given.cells)
    readers = list(readers_of(stores))
    if given.peer:
        readers.append(peer(given.peer, given.peer_python or sys.executable))
    truth = np.load(stores["npy"], mmap_mode="r")
    check(readers, truth)
    epochs = measure_epochs(
        stores, readers, truth, torch=given.torch_python, annbatch=given.annbatch_python
    )  # first: other Pythons may lack something
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
    (folder / "results.json").write_text(
        json.dumps({"about": about, "ms": results, "epochs": epochs}, indent=1)
    )
    say(report.table(results))
    say(report.epochs_table(epochs))
    say(report.bars(results, epochs))
    say(f"results: {folder}")


def check(readers: list[Reader], truth: NDArray[Any]) -> None:
    """Make sure that every reader reads what was written."""
    for reader in readers:
        for order in ("random", "contiguous"):
            rows = rows_for(40, order, len(truth), 0)
            found = reader.make()(rows)
            if reader.layout == "h5sc":  # which holds other values: each cell's own range
                same = found.shape == (40, *truth.shape[1:])
            elif reader.name == "zarr 2.14":
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
    if isinstance(read, Peer):
        return [1000 * seconds for seconds in found[:2]]
    return [1000 * (time.perf_counter() - start), 1000 * (time.process_time() - spent)]


def measure_epochs(
    stores: dict[str, Path],
    readers: list[Reader],
    truth: NDArray[Any],
    *,
    torch: str | None,
    annbatch: str | None,
) -> list[dict[str, Any]]:
    """Measure an epoch of random batches, by torch, annbatch, and of 0.2.12's store by neither."""
    found: list[dict[str, Any]] = []
    whole, few = (float(part.sum(dtype=np.float64)) for part in (truth, truth[:, 0, 0]))

    def add(name: str, workers: int, figures: dict[str, Any], expected: float) -> None:
        if abs(figures["sum"] / expected - 1) > 1e-9:
            raise SystemExit(f"epoch of {name}: other pixels read")
        found.append({**figures, "name": name, "workers": workers})

    for reader in readers:
        if (torch or annbatch) and reader.name == "zarr 2.14":
            say("epoch, 0.2.12")
            read = reader.make()
            order = np.random.default_rng(0).permutation(len(truth))
            parts = [read(np.sort(order[i : i + BATCH])) for i in range(0, len(order), BATCH)]
            times = np.array(parts).sum(axis=0).tolist()
            add(OLD_EPOCH, 0, dict(zip(("s", "cpu", "sum"), times, strict=True)), whole)
    for through, python, workers in (("torch", torch, "02"), ("annbatch", annbatch, "0")):
        if python is None:
            continue
        say(f"epochs by {through}")
        kinds = stores if through == "torch" else {"cells fast": stores["cells fast"]}
        paths = {name: str(path) for name, path in kinds.items() if name != "h5sc"}
        done = subprocess.run(
            [
                python,
                "-m",
                "benchmarks.epoch",
                through,
                json.dumps(paths),
                str(len(truth)),
                *workers,
            ],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for line in done.stdout.splitlines():
            told = json.loads(line)
            add(f"{told.pop('name')}, {through}", told.pop("workers"), told, few)
    return found


def drop_caches() -> None:
    """Have the system forget what it has read."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def size(path: Path) -> int:
    """Return the bytes of a file or folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
