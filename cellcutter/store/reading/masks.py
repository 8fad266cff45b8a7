"""The cell masks of stores that are read, in any order."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cellcutter.store.reading.cohort import Cohort
from cellcutter.types import Pixels


class ByRow(Protocol):
    """What can be read by rows, and so by ``[]``."""

    def read(self, rows: object) -> Pixels:
        """Read what lies in some rows."""

    def __getitem__(self, key: object) -> Pixels:
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            one: Pixels = self.read([int(key)])[0]
            return one
        return self.read(key)


class Masks(ByRow):
    """The boolean windows of cells: True where a pixel is the cell's own.

    Parameters
    ----------
    cohort : Cohort
    """

    dtype = np.dtype(bool)

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort

    def __len__(self) -> int:
        return len(self._cohort)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of all masks: (cells, y, x)."""
        _, y, x = self._cohort.cell
        return len(self), y, x

    def read(self, rows: object, out: Pixels | None = None) -> Pixels:
        """Read masks, as :meth:`Cells.read` does: bool of shape (n, y, x)."""
        return self._cohort.masks(rows, out)
