"""Pure: which cells a gallery shows, in which order, and in which groups."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from cellcutter.errors import SettingsError
from cellcutter.types import Floats, Ints

How = Literal["random", "top", "bottom", "spread"]
MOST_GROUPS = 200


@dataclass(frozen=True)
class Choice:
    """Cells that are shown.

    Parameters
    ----------
    rows : int64 array of shape (n,)
        Rows of the cells, in the order in which they are shown.
    groups : list of (str or None, int)
        Name and number of cells of each group, in order; one without a name where there are none.
    """

    rows: Ints
    groups: list[tuple[str | None, int]]


def choose(among: Ints, number: int, how: How, values: Floats | None, seed: int) -> Ints:
    """Choose some cells.

    Parameters
    ----------
    among : int64 array of shape (m,)
        Rows of the cells to choose from.
    number : int
        How many, at most.
    how : str
        "random" gives rows that rise; "top" the highest values, these first; "bottom" the
        lowest, these first; "spread" values that rise, evenly by rank from the lowest to the
        highest.
    values : float64 array of shape (cells,), optional
        Of all cells, by row; those without a value are not chosen. Not for "random".
    seed : int
        For "random".

    Returns
    -------
    int64 array of shape (n,)
    """
    if how == "random" or values is None:
        if number >= len(among):
            return among
        found: Ints = np.sort(np.random.default_rng(seed).choice(among, number, replace=False))
        return found
    known = among[~np.isnan(values[among])]
    rising = known[np.argsort(values[known], kind="stable")]
    if how == "top":
        falling = known[np.argsort(-values[known], kind="stable")]
        return falling[:number]
    if how == "bottom" or number >= len(rising):
        return rising[:number]
    places = np.round(np.linspace(0, len(rising) - 1, number)).astype(np.int64)
    return rising[places]


def groups_of(column: pd.Series[Any], option: str) -> list[tuple[str, Ints]]:
    """Return the groups of a column, and the rows of each; gaps belong to none.

    Numbers are in their order, ordered categories in theirs, texts by the alphabet.

    Raises
    ------
    SettingsError
        There are too many, or none.
    """
    codes, names = pd.factorize(column, sort=True)
    if not 0 < len(names) <= MOST_GROUPS:
        raise SettingsError(
            f"{option}: {len(names)} different values found in {column.name or 'the column'}, "
            f"1 to {MOST_GROUPS} expected"
        )
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    groups = [np.sort(order[a:b]).astype(np.int64) for a, b in pairwise(ends)]
    return [(group_name(name), rows) for name, rows in zip(names, groups, strict=True)]


def group_name(value: object) -> str:
    """Return what a group is called: whole numbers that a gap has turned into floats as such."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def sort(rows: Ints, column: pd.Series[Any]) -> Ints:
    """Return rows in the order of a column's values, those without one last."""
    part = column.iloc[rows].reset_index(drop=True)
    order = part.sort_values(kind="stable", na_position="last").index.to_numpy(np.int64)
    return rows[order]
