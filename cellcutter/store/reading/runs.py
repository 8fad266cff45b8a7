"""Pure: which rows are read together, and which channels of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cellcutter.types import Ints


@dataclass(frozen=True)
class Pick:
    """Which channels of a cell go where.

    Parameters
    ----------
    own : int64 array
        Positions in the store.
    to : int64 array
        Positions in the output.
    """

    own: Ints
    to: Ints


def runs(values: Ints) -> list[slice]:
    """Return where the same value stands in a row, for values in ascending order."""
    if not len(values):
        return []
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return [slice(first, last) for first, last in pairwise(edges)]
