"""The command ``cellcutter plan``: what `cut_cells` would do."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cellcutter.commands.cut_cells import add_inputs
from cellcutter.commands.parser import Parser, Values
from cellcutter.options import CellOptions
from cellcutter.progress import ProgressReport

if TYPE_CHECKING:
    from cellcutter.planned import CutPlan, PlannedBlocks, PlannedWindow

_EXAMPLES = """\
examples:
  cellcutter plan image.ome.tif cell.tif cells.csv
  cellcutter plan --window-size 64 --layout cells image.ome.tif cell.tif cells.csv cells.zarr
  cellcutter plan --json --on-missing warn image.ome.tif cell.tif cells.csv
"""
_MB = 1024 * 1024
_WIDTH, _TITLE = 100, 12


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter plan",
        "Tell what cut_cells would do with the same words, without doing it: cells and why some "
        "cannot be cut, the window and what makes it, files, bytes, memory, time, and problems. "
        "What would stop cut_cells before it cuts stops this command too.",
        CellOptions,
        _EXAMPLES,
    )
    add_inputs(parser)
    parser.add_argument(
        "DESTINATION",
        nargs="?",
        help="where the store would be: tells whether it can be made there, and whether the disk "
        "has room",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Print."""
    from dataclasses import asdict

    from cellcutter.planning import plan_cells

    as_json = given.pop("json", False)
    image, mask, cells = (given.pop(n) for n in ("IMAGE", "SEGMENTATION_MASK", "CELL_DATA"))
    destination = given.pop("DESTINATION", None)
    plan = plan_cells(image, mask, cells, destination, progress=progress, **given)
    if as_json:
        text = json.dumps(asdict(plan), indent=2, ensure_ascii=False) + "\n"
    else:
        text = "".join(f"{line}\n" for title, value in _text(plan) for line in _lines(title, value))
    sys.stdout.write(text)
    sys.stdout.flush()


def _lines(title: str, value: str) -> list[str]:
    """Return lines that fit a screen, the title before the first."""
    from cellcutter.commands.running import printable

    return textwrap.wrap(
        printable(value),
        _WIDTH,
        initial_indent=f"{title:<{_TITLE}} ",
        subsequent_indent=" " * (_TITLE + 1),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _text(plan: CutPlan) -> Iterator[tuple[str, str]]:
    """Yield lines, each with a title, empty where it goes on."""
    yield "cells", f"{plan.cells:,} in the table, {plan.cut:,} can be cut"
    for word, number in plan.status.items():
        yield "", f"{number:,} {word}"
    yield from _window(plan.window)
    names = ", ".join(f"{c['number']} {c['name'] or ''}".strip() for c in plan.channels)
    yield "channels", f"{len(plan.channels)} of {plan.image}, {plan.dtype}: {names}"
    yield from _store(plan)
    whole, pixels = _short(plan.memory), _short(plan.pixel_memory)
    threads = _number(plan.threads, "thread")
    yield "memory", f"at most {whole}, {pixels} of it for pixels; {threads}"
    yield "to read", ", ".join(_blocks(name, each) for name, each in plan.blocks.items())
    if plan.walks > 1:
        yield "", f"the image is visited {plan.walks} times, each time for other channels"
    yield "time", "unknown" if plan.seconds is None else f"about {_time(plan.seconds)}"
    yield "", plan.seconds_from
    title = "problems"
    for problem in plan.problems or ("none found",):
        yield title, problem
        title = ""


def _window(window: PlannedWindow) -> Iterator[tuple[str, str]]:
    size = f"{window.size} x {window.size} pixels"
    if window.box is None or window.sides is None:
        yield "window", f"{size}, as --window-size says"
        return
    top, bottom, left, right = window.box
    place = f"rows {top} to {bottom - 1}, columns {left} to {right - 1} of the mask"
    yield "window", f"{size}, the size of the largest cell: CellID {window.cell} ({place})"
    half, most = window.sides["median"], window.sides["99 %"]
    yield "", f"half of the cells fit into {half} pixels, about 99 of 100 into {most}"


def _store(plan: CutPlan) -> Iterator[tuple[str, str]]:
    zipped = ", one zip file" if plan.zipped else ""
    yield "store", f"layout {plan.layout}, compression {plan.compression}{zipped}"
    for array in plan.arrays:
        files = _number(array.files, "shard" if plan.layout == "cells" else "chunk")
        what = f"{array.name} {_by(array.shape)}, {array.dtype}"
        yield "", f"{what}, in {files} of {_by(array.chunks)}"
    inside = f", {plan.members:,} with those inside" if plan.zipped else ""
    yield "files", f"{plan.files:,}{inside}"
    yield "bytes", f"{_bytes(plan.nbytes)} of pixels before they are compressed"
    yield "", f"on disk: {_on_disk(plan)}"


def _blocks(name: str, blocks: PlannedBlocks) -> str:
    more = blocks.read - blocks.of
    twice = f" ({more:,} of them twice)" if more > 0 else ""
    return f"{min(blocks.read, blocks.of):,} of {blocks.of:,} blocks of the {name}{twice}"


def _by(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers))


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _on_disk(plan: CutPlan) -> str:
    if plan.store_nbytes_is == "unknown":
        return "unknown, since no cell could be tried"
    if plan.store_nbytes_is == "about":
        return f"about {_short(plan.store_nbytes)}, if all cells are like those of the trial"
    if plan.store_nbytes_is == "exact":
        return _bytes(plan.store_nbytes)
    return f"at most {_bytes(plan.store_nbytes)}; the digits of the statistics vary"


def _bytes(number: int) -> str:
    return f"{number:,} bytes ({_short(number)})"


def _short(number: int) -> str:
    if number < _MB:
        return f"{number / 1024:.1f} KB"
    return f"{number / _MB:,.0f} MB" if number >= 100 * _MB else f"{number / _MB:.1f} MB"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
