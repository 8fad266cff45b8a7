"""The benchmark: ours, the lower limit and a peer side by side, round by round, medians.

python -m benchmarks.run --size quick --rounds 3 --peer PATH/cut_cells
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cases import FULL, QUICK, Case, Paths, cases, make_slides
from benchmarks.measure import run
from benchmarks.report import summary, write_report

HERE = Path(__file__).parent
Result = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Make the slides, measure every case, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("quick", "full"), default="quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", type=Path, default=Path(sys.executable).parent / "cut_cells")
    parser.add_argument("--peer", type=Path, help="another program's cut_cells")
    parser.add_argument("--only", action="append", help="name of a case; may be repeated")
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    given = parser.parse_args()
    specs = QUICK if given.size == "quick" else FULL
    chosen = [case for case in cases(specs) if not given.only or case.name in given.only]
    used = {case.slide for case in chosen}
    slides = make_slides(given.data, {k: v for k, v in specs.items() if k in used}, say)
    results: dict[str, Result] = {
        case.name: {"ours": [], "limit": [], "peer": []} for case in chosen
    }
    for number in range(given.rounds):
        for case in chosen:
            say(f"round {number + 1}: {case.name}")
            measure(case, slides[case.slide], given, results[case.name])
    results["--help"] = {"ours": [asdict(run([str(given.ours), "--help"])) for _ in range(3)]}
    folder = given.results / time.strftime("%Y-%m-%d-%H%M%S")
    folder.mkdir(parents=True)
    about = {
        "size": given.size,
        "rounds": given.rounds,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cases": {case.name: asdict(case) for case in chosen},
    }
    (folder / "results.json").write_text(json.dumps({"about": about, "results": results}, indent=1))
    say(write_report(folder, summary(about, chosen, results)))
    say(
        f"results: {folder}; python -m benchmarks.report {folder}/summary.json puts them into docs/"
    )


def measure(case: Case, paths: Paths, given: argparse.Namespace, result: Result) -> None:
    """Measure one round of a case: ours, the limit, the peer."""
    destination = given.data / "out.zarr"
    inputs = [str(paths["image"]), str(paths["labels"]), str(paths[case.table])]
    for path in inputs:  # into the page cache, for all alike
        with Path(path).open("rb") as file:
            while file.read(1 << 24):
                pass
    tail = [*inputs, str(destination), *case.after]
    for who, program in (("ours", given.ours), ("peer", given.peer if case.peer else None)):
        if program is None:
            continue
        remove(destination)
        words = [str(program), "-p", str(case.threads), *case.flags, *tail]
        found = asdict(run(words)) | {"nbytes": size(destination)}
        result[who].append(found)
        say(
            f"    {who}: {found['seconds']:.2f} s, {found['peak_mb']:.0f} MB"
            + ("" if found["status"] == 0 else f", failed: {found['message']}")
        )
        if who == "ours" and case.limit:
            failed = {"status": found["status"]}
            result["limit"].append(failed if found["status"] else limit(case, paths, destination))
            say(f"    limit: {result['limit'][-1].get('seconds', 0):.2f} s")
    remove(destination)


def limit(case: Case, paths: Paths, destination: Path) -> dict[str, Any]:
    """Measure the limit of what ours has just written, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.limit",
        "--image",
        str(paths["image"]),
        "--threads",
        str(case.threads),
        "--scratch",
        str(destination.with_name("limit")),
    ]
    if case.labels:
        command += ["--labels", str(paths["labels"])]
    stores = [str(destination)]
    masks = destination.with_name("out_mask.zarr")
    if masks.exists():
        stores.append(str(masks))
    done = subprocess.run(
        [*command, *stores], check=True, capture_output=True, text=True, cwd=HERE.parent
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def size(store: Path) -> int:
    """Return the bytes of a store and of its masks."""
    stores = [store, store.with_name("out_mask.zarr")]
    files = [p for s in stores for p in ([s] if s.is_file() else s.rglob("*")) if p.is_file()]
    return sum(p.stat().st_size for p in files)


def remove(store: Path) -> None:
    """Remove a store and its masks."""
    for path in (store, store.with_name("out_mask.zarr")):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
