"""What is drawn, as pictures and pages both take it: cells, channels, captions, words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cellcutter.store.reading.cells import Cells
from cellcutter.types import Ints, PixelSize
from cellcutter.view.channels import Channel
from cellcutter.view.choose import Choice
from cellcutter.view.contrast import Contrast

MAKER = "cellcutter gallery"
"""What files say of who made them; with `force` a gallery replaces no others."""

_MOST_CELLS, _MOST_NBYTES = 256, 1 << 25  # that are read at one time


@dataclass(frozen=True)
class Scene:
    """Chosen cells, and how they are shown.

    Parameters
    ----------
    cells : Cells
    choice : Choice
    channels : list of Channel
    contrast : Contrast
        Of these channels.
    gamma : float
    apart, outline : bool
    ids : list of str
        What each chosen cell is called: its CellID, or its row where there is none.
    column : str or None
        The column whose values are shown below cells.
    values : list of str
        Of that column.
    said : list of str
        Which cells these are, in words.
    """

    cells: Cells
    choice: Choice
    channels: list[Channel]
    contrast: Contrast
    gamma: float
    apart: bool
    outline: bool
    ids: list[str]
    column: str | None
    values: list[str]
    said: list[str]

    @property
    def slides(self) -> Ints:
        """The number of each chosen cell's slide."""
        found: Ints = self.cells.slide[self.choice.rows]
        return found


def batches(scene: Scene, channels: int) -> Iterator[slice]:
    """Yield parts of the chosen cells that fit the memory that one of them may take."""
    _, _, height, width = scene.cells.shape
    nbytes = max(1, channels * height * width * scene.cells.dtype.itemsize)
    size = max(1, min(_MOST_CELLS, _MOST_NBYTES // nbytes))
    for first in range(0, len(scene.ids), size):
        yield slice(first, min(first + size, len(scene.ids)))


def names_of(cells: Cells, rows: Ints) -> list[str]:
    """Return what cells are called: by their CellIDs, or by their rows."""
    ids = cells.ids
    if ids is None:
        return [f"row {row}" for row in rows.tolist()]
    return [str(cell) for cell in ids[rows].tolist()]


def shown(column: pd.Series[Any], rows: Ints) -> list[str]:
    """Return values as captions show them."""
    return [_text(value) for value in column.iloc[rows].tolist()]


def _text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "-"
    if isinstance(value, float):
        whole = value.is_integer() or abs(value) >= 1000  # digits before the point are never lost
        return f"{value:.0f}" if whole and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def size_of(cells: Cells) -> PixelSize | None:
    """Return height and width of a pixel, where they are such that lengths can be drawn."""
    size = cells.pixel_size
    known = size is not None and all(1e-30 < side < 1e30 for side in (size.y, size.x))
    return size if known else None


def range_of(limits: Sequence[float]) -> str:
    """Return limits in words."""
    low, high = limits
    return f"{number(low)} \N{EN DASH} {number(high)}"


def number(value: float) -> str:
    """Return a number with as many digits as people read."""
    if abs(value) >= 999.5 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.3g}"
