"""Tables and a plot of what `benchmarks.reading` has measured.

python -m benchmarks.reading_report results/reading-DATE/results.json    puts them into docs/
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

Times = dict[str, list[list[float]]]
Epochs = list[dict[str, Any]]
DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = "explanation/performance.md", "images/reading.svg"
BEGIN = "<!-- made by benchmarks/reading_report.py -->"
END = "<!-- end of what is made of reading -->"
OURS, OLD, OLD_EPOCH = "cellcutter.open", "0.2.12 | zarr 2.14", "0.2.12 by zarr 2.14, no torch"
RANDOM, CONTIGUOUS = "warm 256 random", "warm 256 contiguous"


def table(results: dict[str, Times]) -> str:
    """Return a table of the least times in ms, and in brackets those of the processors."""
    cases = list(next(iter(results.values())))
    lines = [
        "| layout | reader | " + " | ".join(cases) + " |",
        "| --- | --- |" + " --: |" * len(cases),
    ]
    for name, found in least(results).items():
        cells = ["{:.1f} ({:.1f})".format(*found[case]) for case in cases]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def epochs_table(epochs: Epochs) -> str:
    """Return a table of the epochs."""
    if not epochs:
        return ""
    lines = [
        "| one epoch, random batches of 256 | workers | s | CPU s |",
        "| --- | --: | --: | --: |",
    ]
    lines += ["| {name} | {workers} | {s:.2f} | {cpu:.2f} |".format(**each) for each in epochs]
    return "\n".join(lines) + "\n"


def least(results: dict[str, Times]) -> dict[str, dict[str, Any]]:
    """Return the least time of each reader and case, and that of the processors."""
    return {
        name: {case: np.array(times).min(axis=0) for case, times in found.items()}
        for name, found in results.items()
    }


def bars(results: dict[str, Times], epochs: Epochs) -> str:
    """Return how the figures stand to what they must not be above, by time and by CPU time."""
    found = least(results)
    lines = []
    for codec in ("fast", "small", "none"):
        ours = found[f"cells {codec} | {OURS}"]
        lines.append((f"{codec}: random / contiguous", ours[RANDOM] / ours[CONTIGUOUS], 1.3))
        if other := found.get(f"cells {codec} | tensorstore"):
            lines.append((f"{codec}: ours / tensorstore", ours[RANDOM] / other[RANDOM], 1.0))
    limit = found["npy | numpy memmap"][RANDOM]
    lines.append(("none / npy memmap", found[f"cells none | {OURS}"][RANDOM] / limit, 1.5))
    if old := found.get(OLD):
        ours, hundred = found[f"cells fast | {OURS}"], "warm 100 random"
        lines.append(("ours / 0.2.12, 100 random", ours[hundred] / old[hundred], 0.01))
    told = {(each["name"], each["workers"]): each for each in epochs}
    pair = [told.get((name, 0)) for name in ("cells fast, torch", OLD_EPOCH)]
    if pair[0] and pair[1]:
        one, two = (np.array([each["s"], each["cpu"]]) for each in pair if each)
        lines.append(("epoch: ours / 0.2.12", one / two, 0.02))
    return "\n".join(
        f"{'ok  ' if time <= bar else 'MISS'} {name}: {time:.3f} (CPU {cpu:.3f}), at most {bar}"
        for name, (time, cpu), bar in lines
    )


def plot(results: dict[str, Times], file: Path) -> None:
    """Draw the times of 256 cells, random and contiguous, to a scale of powers of ten."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "cellcutter"  # the same figures make the same file
    found = least(results)
    names = sorted(found, key=lambda name: float(found[name][RANDOM][0]), reverse=True)
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(names) + 1.2))
    for shift, case, colour in ((0.2, RANDOM, "#1b6ca8"), (-0.2, CONTIGUOUS, "#b8c4ce")):
        values = [float(found[name][case][0]) for name in names]
        places = np.arange(len(names)) + shift
        axes.barh(places, values, 0.4, color=colour, label=case.removeprefix("warm "))
    axes.set_yticks(range(len(names)), [name.replace(" | ", ", ") for name in names], fontsize=8)
    axes.set(xscale="log", xlabel="ms, less is better; a step is ten times")
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def publish(file: Path, docs: Path) -> None:
    """Put the figures of a run into the documentation."""
    told = json.loads(file.read_text(encoding="utf-8"))
    page = docs / PAGE
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    made = f"{table(told['ms'])}\n{epochs_table(told['epochs'])}"
    page.write_text(f"{before}{BEGIN}\n\n{made}\n{END}{after}", encoding="utf-8")
    plot(told["ms"], docs / PICTURE)


def main() -> None:
    """Put the figures of a run into the documentation."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("results", type=Path)
    publish(parser.parse_args().results, DOCS)


if __name__ == "__main__":
    main()
