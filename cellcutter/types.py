"""Types that rooms share: arrays by what they hold, and the size of a pixel."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Indices = NDArray[np.signedinteger]
"""Numbers of windows, or pixels: 32 bits wide where that is enough, since there are many."""
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.generic]
Unsigned = NDArray[np.unsignedinteger]
Name = str | os.PathLike[str]
Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it is done, and how much there is; from any thread."""


@dataclass(frozen=True)
class Column:
    """A column of a table, a value for each of n rows.

    Parameters
    ----------
    values : array of shape (n,)
        Numbers, truth values, or texts (as objects); for categories their numbers, from 0.
    missing : bool array of shape (n,), optional
        Where whole numbers or truth values are missing.
    categories : list of str, optional
        Where texts are stored as numbers of categories, -1 where one is missing.
    """

    values: Pixels
    missing: Bools | None = None
    categories: list[str] | None = None

    @property
    def is_text(self) -> bool:
        """Whether the values are texts."""
        return self.categories is not None or self.values.dtype.kind in "OU"


@dataclass(frozen=True)
class PixelSize:
    """Height and width of a pixel.

    Parameters
    ----------
    y, x : float
    unit : str
        As OME names it, normally "µm".
    """

    y: float
    x: float
    unit: str


def known_size(y: float, x: float, unit: str) -> PixelSize | None:
    """Return the size of a pixel, or None where a file tells none: 0, negative, infinite."""
    return PixelSize(y, x, unit) if 0 < y < math.inf and 0 < x < math.inf else None


def unsigned(array: Pixels) -> Unsigned:
    """Return a view of an array as unsigned integers of the same width."""
    return array.view(np.dtype(f"u{array.dtype.itemsize}"))
