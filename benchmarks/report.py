"""A table (Markdown) and a plot (SVG) of what was measured, both of the same figures.

python -m benchmarks.report benchmarks/results/DATE/summary.json    puts them into docs/
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.cases import Case

COLUMNS = (
    "case",
    "slide",
    "threads",
    "seconds",
    "CPU",
    "peak MB",
    "MB written",
    "limit",
    "x limit",
    "peer",
    "peer MB",
    "peer wrote",
    "x faster",
)
Summary = dict[str, Any]
Results = dict[str, dict[str, list[dict[str, Any]]]]
DOCS = Path(__file__).parents[1] / "docs"
PAGE = "explanation/performance.md"
FIGURES, PICTURE = "images/benchmark.json", "images/benchmark.svg"
BEGIN = "<!-- made by benchmarks/report.py of ../images/benchmark.json -->"
END = "<!-- end of what is made -->"
SCALE = "Seconds, less is better. Each case has a scale of its own: compare bars of one case only."
BARS = {"ours": "seconds", "limit": "limit", "peer": "peer"}
NAMES = {"ours": "cellcutter", "limit": "lower limit", "peer": "version 0.2.12"}
COLOURS = {"ours": "#1b6ca8", "limit": "#b8c4ce", "peer": "#d9822b"}


def median(rounds: Sequence[dict[str, Any]], figure: str) -> float | None:
    """Return the median of a figure over the rounds that went well."""
    values = [r[figure] for r in rounds if r.get("status", 0) == 0]
    return statistics.median(values) if values else None


def summary(about: dict[str, Any], chosen: Sequence[Case], results: Results) -> Summary:
    """Return the figures of one run: all that its table and its picture are made of."""
    rows = []
    for case in chosen:
        found = results[case.name]
        figures = [
            median(found["ours"], "seconds"),
            median(found["ours"], "cpu_seconds"),
            median(found["ours"], "peak_mb"),
            megabytes(found["ours"]),
            median(found["limit"], "seconds"),
            ratio(found["ours"], found["limit"]),
            median(found["peer"], "seconds"),
            median(found["peer"], "peak_mb"),
            megabytes(found["peer"]),
            ratio(found["peer"], found["ours"]),
        ]
        row = [case.name, case.slide, case.threads, *figures]
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    help_cpu = median(results["--help"]["ours"], "cpu_seconds")
    return {"about": about, "help CPU": help_cpu, "rows": rows}


def write_report(folder: Path, found: Summary) -> str:
    """Write ``summary.json``, and of it ``table.md`` and ``plot.svg``; return the table."""
    text = table(found)
    (folder / "summary.json").write_text(as_json(found), encoding="utf-8")
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    (folder / "plot.svg").write_text(plot(found), encoding="utf-8")
    return text


def as_json(found: Summary) -> str:
    """Return the figures as text, a line for each case."""
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in found["rows"])
    rest = {"about": found["about"], "help CPU": found["help CPU"]}
    head = json.dumps(rest, indent=1, ensure_ascii=False)
    return f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def table(found: Summary) -> str:
    """Return a Markdown table, a row for each case."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "| --- | --- |" + " --: |" * (len(COLUMNS) - 2),
    ]
    for row in found["rows"]:
        cells = [row["case"], row["slide"], str(row["threads"])]
        cells += [
            number(row[name], 0 if "MB" in name or "wrote" in name else 2) for name in COLUMNS[3:]
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"`cut_cells --help`: {number(found['help CPU'])} s of CPU"])


def megabytes(rounds: Sequence[dict[str, Any]]) -> float | None:
    """Return the megabytes that were written."""
    nbytes = median(rounds, "nbytes")
    return None if nbytes is None else nbytes / 2**20


def ratio(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> float | None:
    """Return the median over the rounds of how many times as long one took as the other."""
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if not a.get("status")]
    ratios = [a["seconds"] / b["seconds"] for a, b in pairs if not b.get("status")]
    return statistics.median(ratios) if ratios else None


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def plot(found: Summary) -> str:
    """Return bars of seconds as SVG, to a scale of its own for each case, which is said."""
    left, width, height = 190, 440, 26
    rows = [f'<text x="{left}" y="15" class="small">{SCALE}</text>']
    for row in found["rows"]:
        seconds = {who: row[column] for who, column in BARS.items()}
        longest = max((value for value in seconds.values() if value is not None), default=1.0)
        name = f'text-anchor="end">{escape(row["case"])}</text>'
        rows.append(f'<text x="{left - 8}" y="{height + 14}" {name}')
        rows.append(
            f'<text x="{left - 8}" y="{height + 26}" text-anchor="end" class="scale">'
            f"longest bar: {longest:.1f} s</text>"
        )
        top = height
        for who, value in seconds.items():
            if value is None:
                continue
            bar = width * value / longest
            rows.append(
                f'<rect x="{left}" y="{height + 4}" width="{bar:.1f}" height="11" '
                f'fill="{COLOURS[who]}"/><text x="{left + bar + 5:.1f}" '
                f'y="{height + 13}" class="small">{value:.2f} s</text>'
            )
            height += 14
        height = max(height, top + 26) + 10
    legend = "".join(
        f'<rect x="{left + i * 140}" y="{height + 6}" width="11" height="11" fill="{colour}"/>'
        f'<text x="{left + i * 140 + 16}" y="{height + 16}">{NAMES[who]}</text>'
        for i, (who, colour) in enumerate(COLOURS.items())
    )
    style = "<style>.small{font-size:10px}.scale{font-size:9px;fill:#666}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height + 26}" '
        f'font-family="sans-serif" font-size="12">{style}'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(rows)}{legend}</svg>\n'
    )


def publish(found: Summary, docs: Path) -> None:
    """Put figures into the documentation: the file of figures, and of it table and picture."""
    page = docs / PAGE
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    made = f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{after}"
    (docs / FIGURES).write_text(as_json(found), encoding="utf-8")
    page.write_text(made, encoding="utf-8")
    (docs / PICTURE).write_text(plot(found), encoding="utf-8")


def main() -> None:
    """Put the figures of a run into the documentation; without a run, those that it has."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("summary", type=Path, nargs="?", default=DOCS / FIGURES)
    given = parser.parse_args()
    publish(json.loads(given.summary.read_text(encoding="utf-8")), DOCS)


if __name__ == "__main__":
    main()
