"""A table (Markdown) and a plot (SVG) of what was measured."""

from __future__ import annotations

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
Results = dict[str, dict[str, list[dict[str, Any]]]]
COLOURS = {"ours": "#1b6ca8", "limit": "#b8c4ce", "peer": "#d9822b"}


def median(rounds: Sequence[dict[str, Any]], figure: str) -> float | None:
    """Return the median of a figure over the rounds that went well."""
    values = [r[figure] for r in rounds if r.get("status", 0) == 0]
    return statistics.median(values) if values else None


def write_report(folder: Path, chosen: Sequence[Case], results: Results) -> str:
    """Write ``table.md`` and ``plot.svg``; return the table."""
    text = table(chosen, results)
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    (folder / "plot.svg").write_text(plot(chosen, results), encoding="utf-8")
    return text


def table(chosen: Sequence[Case], results: Results) -> str:
    """Return a Markdown table, a row for each case."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "| --- | --- |" + " --: |" * (len(COLUMNS) - 2),
    ]
    for case in chosen:
        found = results[case.name]
        cells = [
            case.name,
            case.slide,
            str(case.threads),
            number(median(found["ours"], "seconds")),
            number(median(found["ours"], "cpu_seconds")),
            number(median(found["ours"], "peak_mb"), 0),
            number(megabytes(found["ours"]), 0),
            number(median(found["limit"], "seconds")),
            number(ratio(found["ours"], found["limit"])),
            number(median(found["peer"], "seconds")),
            number(median(found["peer"], "peak_mb"), 0),
            number(megabytes(found["peer"]), 0),
            number(ratio(found["peer"], found["ours"])),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    help_cpu = median(results["--help"]["ours"], "cpu_seconds")
    return "\n".join([*lines, "", f"`cut_cells --help`: {number(help_cpu)} s of CPU"])


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


def plot(chosen: Sequence[Case], results: Results) -> str:
    """Return bars of seconds, to a scale of its own for each case, as SVG."""
    rows, left, width, height = [], 190, 460, 0
    for case in chosen:
        seconds = {who: median(results[case.name][who], "seconds") for who in COLOURS}
        longest = max((value for value in seconds.values() if value is not None), default=1.0)
        name = f'text-anchor="end">{escape(case.name)}</text>'
        rows.append(f'<text x="{left - 8}" y="{height + 14}" {name}')
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
        height += 10
    legend = "".join(
        f'<rect x="{left + i * 90}" y="{height + 6}" width="11" height="11" fill="{colour}"/>'
        f'<text x="{left + i * 90 + 16}" y="{height + 16}">{who}</text>'
        for i, (who, colour) in enumerate(COLOURS.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height + 26}" '
        'font-family="sans-serif" font-size="12"><style>.small{font-size:10px}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(rows)}{legend}</svg>\n'
    )
