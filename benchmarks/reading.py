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

from benchmarks.epoch import BATCH
from benchmarks.reading_readers import Peer, Read, Reader, peer, readers_of
from benchmarks.reading_stores import make_stores

HERE = Path(__file__).parent
CASES = tuple((number, order) for number in (100, 256) for order in ("random", "contiguous"))
Times = dict[str, list[list[float]]]


def main() -> None:
    """Make the stores, measure every reader in turns, write a table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cold", action="store_true", help="drop caches too; needs root")
    parser.add_argument("--peer", type=Path, help="the same cells, cut by version 0.2.12")
    parser.add_argument("--peer-python", help="a Python that has zarr 2.14, which reads --peer")
    parser.add_argument("--torch-python", help="a Python that has torch: measure epochs, too")
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
    epochs = measure_epochs(stores, readers, truth, given.torch_python)
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
    (folder / "report.md").write_text(report(results) + report_of(epochs))
    say(report(results))
    say(report_of(epochs))
    say(bars(results))
    say(bar_of(epochs))
    say(f"results: {folder}")


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
    if isinstance(read, Peer):
        return [1000 * seconds for seconds in found[:2]]
    return [1000 * (time.perf_counter() - start), 1000 * (time.process_time() - spent)]


def measure_epochs(
    stores: dict[str, Path], readers: list[Reader], truth: NDArray[Any], python: str | None
) -> list[dict[str, Any]]:
    """Measure an epoch of random batches: by torch, and of 0.2.12's store without it."""
    if python is None:
        return []
    found: list[dict[str, Any]] = []
    for reader in readers:
        if reader.name != "zarr 2.14":
            continue
        say("epoch, 0.2.12")
        read = reader.make()
        order = np.random.default_rng(0).permutation(len(truth))
        parts = [read(np.sort(order[i : i + BATCH])) for i in range(0, len(order), BATCH)]
        times = np.array(parts).sum(axis=0).tolist()
        keys = ("s", "cpu", "sum")
        found.append(
            {"name": "0.2.12 by zarr 2.14, no torch", "workers": 0}
            | dict(zip(keys, times, strict=True))
        )
    say("epochs by torch")
    command = [python, "-m", "benchmarks.epoch", json.dumps({n: str(p) for n, p in stores.items()})]
    command += [str(len(truth)), "0", "2"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    found += [json.loads(line) for line in done.stdout.splitlines()]
    whole, few = (float(part.sum(dtype=np.float64)) for part in (truth, truth[:, 0, 0]))
    for each in found:
        expected = whole if each["name"].startswith("0.2.12") else few
        if abs(float(each["sum"]) / expected - 1) > 1e-9:
            raise SystemExit(f"epoch of {each['name']}: other pixels read")
    return found


def report_of(epochs: list[dict[str, Any]]) -> str:
    """Return a table of the epochs."""
    lines = [
        "| one epoch, random batches of 256 | workers | s | CPU s |",
        "| --- | --: | --: | --: |",
    ]
    lines += ["| {name} | {workers} | {s:.2f} | {cpu:.2f} |".format(**each) for each in epochs]
    return "\n".join(lines) + "\n" if epochs else ""


def bar_of(epochs: list[dict[str, Any]]) -> str:
    """Return how the epoch stands to that of 0.2.12's store."""
    by_name = {(each["name"], each["workers"]): each for each in epochs}
    old, ours = (by_name.get((name, 0)) for name in ("0.2.12 by zarr 2.14, no torch", "cells fast"))
    if old is None or ours is None:
        return ""
    ratio, cpu = (old[key] / ours[key] for key in ("s", "cpu"))
    mark = "ok  " if ratio >= 50 else "MISS"
    return f"{mark} epoch, 0.2.12 / ours: {ratio:.0f} (CPU {cpu:.0f}), at least 50"


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
