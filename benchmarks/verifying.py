"""`cellcutter verify` beside `sha256sum` and `openssl dgst` over the same files.

python -m benchmarks.verifying STORE... [--rounds N]

Files are read into the page cache before. In each round the commands run one after the other; the
table has medians, and ratios to `sha256sum`, of seconds and of processor time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import run


def commands(store: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands that are compared: names and words."""
    files = [str(file) for file in sorted(store.rglob("*")) if file.is_file()] or [str(store)]
    yield "sha256sum", ["sha256sum", "--", *files]
    if openssl := shutil.which("openssl"):
        yield "openssl dgst", [openssl, "dgst", "-sha256", *files]
    cellcutter = str(Path(sys.executable).with_name("cellcutter"))
    yield "verify", [cellcutter, "verify", str(store)]
    yield "verify -p 1", [cellcutter, "verify", "-p", "1", str(store)]
    yield "verify --deep", [cellcutter, "verify", "--deep", str(store)]


def main() -> None:
    """Measure and print a table for each store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("STORES", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for store in given.STORES:
        files = [store] if store.is_file() else [f for f in store.rglob("*") if f.is_file()]
        nbytes = sum(len(file.read_bytes()) for file in files)
        found: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(given.rounds):
            for name, words in commands(store):
                done = run(words)
                if done.status:
                    sys.exit(f"{name}: {done.message}")
                figures = done.seconds, done.cpu_seconds, done.peak_mb
                found.setdefault(name, []).append(figures)
        print(f"\n{store}: {len(files)} files, {nbytes / (1 << 20):.0f} MB\n")
        print("| | seconds | CPU s | peak MB | ratio | ratio of CPU |")
        print("| --- | --: | --: | --: | --: | --: |")
        base = found["sha256sum"]
        for name, runs in found.items():
            wall, cpu, peak = (statistics.median(column) for column in zip(*runs, strict=True))
            ratios = [
                statistics.median(a[i] / b[i] for a, b in zip(runs, base, strict=True))
                for i in (0, 1)
            ]
            print(
                f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {ratios[0]:.2f} | "
                f"{ratios[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
