"""What a caller may ask of a gallery: every option of ``cellcutter gallery``, as `options.py` does.

Nothing heavy is imported here: `--help` waits for it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from cellcutter.completing import options_of
from cellcutter.kinds import (
    CHANNELS,
    COLUMN,
    CSV,
    DPI,
    FACTOR,
    PATH,
    START,
    SWITCH,
    WHOLE,
    Kind,
    Option,
)
from cellcutter.options import CellOptions, Name

SHEET_CELLS, GROUP_CELLS, PAGE_CELLS = 64, 12, 2000
"""How many cells a picture has, how many of each group, and how many a page."""
MANY = 5000  # cells of a page, from which on it is slow to open
DEFAULT_CONTRAST = ("p1", "p99.9")
DEFAULT_DPI = 200
_THREADS = options_of(CellOptions)["p"]
_WHICH, _HOW, _FILE = "which cells", "how they look", "the file"


def _cells(value: Any) -> list[str] | None:
    """Return CellIDs as texts, perhaps with a slide before them; several between commas."""
    words = value.split(",") if isinstance(value, str) else value
    found = [str(word).strip() for word in ([words] if hasattr(words, "__index__") else words)]
    for word in found:
        if not re.fullmatch(r"[0-9]{1,18}", word.rpartition(":")[2]):
            raise ValueError(value)
    return found or None


def _contrast(value: Any) -> object:
    """Return two limits, percentiles as texts; or limits by marker; or the path of a file."""
    if isinstance(value, Mapping):
        return {str(name): _limits(pair) for name, pair in value.items()}
    is_text = isinstance(value, str | os.PathLike)
    words = [str(word).strip() for word in (str(value).split(",") if is_text else value)]
    numbers = [word.removeprefix("p") for word in words]
    if is_text and (
        len(words) != 2 or not all(re.fullmatch(r"-?[0-9.]+(e[-+]?[0-9]+)?", n) for n in numbers)
    ):
        return PATH.read(value)
    low, high = _limits(numbers)
    if words == numbers:
        return low, high
    if not all(word.startswith("p") for word in words) or not 0 <= low < high <= 100:
        raise ValueError(value)
    return f"p{low:g}", f"p{high:g}"


def _limits(pair: Any) -> tuple[float, float]:
    low, high = map(float, pair)
    if not -math.inf < low < high < math.inf:
        raise ValueError(pair)
    return low, high


CELLS = Kind(
    "sequence of int or str", "a list of CellIDs, such as 7 or slide:7,", _cells, "ID", many=True
)
CONTRAST = Kind(
    "str, path, pair or mapping",
    "two limits such as p1,p99.9 or 100,4000, the lower first, or a file",
    _contrast,
    "LIMITS",
)


class GalleryOptions(TypedDict, total=False):
    """Options of ``cellcutter gallery``."""

    number: Annotated[
        int | None,
        Option(
            WHOLE,
            "how many cells, of each group with --group-by; at random, or as --top, --bottom or "
            f"--spread say (default: {SHEET_CELLS}; {GROUP_CELLS} of each group; an HTML page has "
            f"{PAGE_CELLS} in all)",
            _WHICH,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            START,
            "which random cells: the same for the same seed (default: 0)",
            _WHICH,
            default=0,
        ),
    ]
    ids: Annotated[
        Sequence[int | str] | str | None,
        Option(
            CELLS,
            "the cells with these CellIDs, in this order; SLIDE:ID where several slides have the "
            "same; separated by commas anywhere, or by spaces at the end",
            _WHICH,
        ),
    ]
    top: Annotated[
        str | None,
        Option(COLUMN, "the cells with the highest values of a column, these first", _WHICH),
    ]
    bottom: Annotated[
        str | None,
        Option(COLUMN, "the cells with the lowest values of a column, these first", _WHICH),
    ]
    spread: Annotated[
        str | None,
        Option(
            COLUMN, "cells from the lowest to the highest value of a column, evenly by rank", _WHICH
        ),
    ]
    group_by: Annotated[
        str | None,
        Option(COLUMN, "show cells in groups by a column, such as cell type or slide", _WHICH),
    ]
    sort_by: Annotated[
        str | None, Option(COLUMN, "put the chosen cells in the order of a column", _WHICH)
    ]
    table: Annotated[
        Name | None,
        Option(
            CSV,
            "more columns: a table with CellID, and with slide where there are several, such as "
            "clusters, or marks that were downloaded from a page",
            _WHICH,
        ),
    ]
    channels: Annotated[
        Sequence[int | str] | str | None,
        Option(
            CHANNELS,
            "channels to show, numbers in the image, from 1, or marker names, each perhaps with a "
            "colour: DNA:grey CD8:green CD4:#ff8000; separated by commas anywhere, or by spaces at "
            "the end (default: the first four, in grey, green, magenta and yellow; a page has all)",
            _HOW,
        ),
    ]
    apart: Annotated[
        bool,
        Option(
            SWITCH,
            "show the channels beside one another, not laid over one another",
            _HOW,
            default=False,
        ),
    ]
    contrast: Annotated[
        str | Name | tuple[float, float] | Mapping[str, tuple[float, float]] | None,
        Option(
            CONTRAST,
            "what is black and what is brightest: percentiles of each slide (p1,p99.9), values "
            "(100,4000), or a file: CyLinter's cylinter_report.yml or contrast_limits.yml, "
            "Minerva's story.json, or YAML with 'marker: [lower, upper]' "
            f"(default: {','.join(DEFAULT_CONTRAST)})",
            _HOW,
        ),
    ]
    gamma: Annotated[
        float,
        Option(
            FACTOR,
            "brightness is raised to this power: below 1 lifts what is dim (default: 1)",
            _HOW,
            default=1.0,
        ),
    ]
    outline: Annotated[
        bool,
        Option(
            SWITCH,
            "draw the cell's outline; for stores with cell masks (cut_cells --masks)",
            _HOW,
            default=False,
        ),
    ]
    across: Annotated[
        int | None, Option(WHOLE, "cells in a row of a picture (default: what looks well)", _HOW)
    ]
    dpi: Annotated[
        int,
        Option(DPI, f"dots per inch of a PNG (default: {DEFAULT_DPI})", _FILE, default=DEFAULT_DPI),
    ]
    force: Annotated[
        bool,
        Option(
            SWITCH,
            "replace an existing gallery of this name, once the new one is whole",
            _FILE,
            default=False,
            flags=("-f", "--force"),
        ),
    ]
    p: Annotated[int | None, _THREADS]
