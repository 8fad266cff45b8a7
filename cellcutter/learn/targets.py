"""Pure: columns of the table as what is to be learnt, and cells divided without leaks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellcutter.errors import SettingsError
from cellcutter.types import Ints


def encode(values: pd.Series, name: str) -> tuple[NDArray[np.generic], list[str] | None]:
    """Return a column as numbers, and the classes where it was text.

    Parameters
    ----------
    values : Series of shape (n,)
        Text, categories and truth values become codes, int64, in the order of the classes; whole
        numbers stay int64; other numbers become float32.
    name : str

    Raises
    ------
    SettingsError
        A cell has no value.
    """
    missing = int(values.isna().sum())
    if missing:
        raise SettingsError(
            f"target: {missing} of {len(values)} cells without {name!r} found, a value for each "
            "expected; leave them out by `rows`, or by unlabelled='drop'"
        )
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        text = values.astype(str)
        classes = sorted(set(text))
        return pd.Categorical(text, classes).codes.astype(np.int64), classes
    if pd.api.types.is_integer_dtype(values):
        return values.to_numpy(np.int64), None
    return values.to_numpy(np.float32), None


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of a table.

    Raises
    ------
    SettingsError
        There is none of that name.
    """
    if name not in table:
        known = ", ".join(map(str, table.columns))
        raise SettingsError(f"column {name!r} not found, one of these expected: {known}")
    return table[name]


def divide(groups: Ints, fractions: Sequence[float], seed: int) -> list[Ints]:
    """Divide cells so that no group is in two parts, and parts come near to their fractions.

    Parameters
    ----------
    groups : int64 array of shape (n,)
        The group of each cell.
    fractions : sequence of float
        Of the cells, for each part; together 1 at most.
    seed : int

    Returns
    -------
    list of int64 arrays
        The positions of each part's cells, in ascending order.

    Raises
    ------
    SettingsError
        Fractions are impossible, or there are fewer groups than parts.
    """
    wanted = np.asarray(fractions, np.float64)
    if not len(wanted) or not (wanted > 0).all() or wanted.sum() > 1 + 1e-9:
        raise SettingsError(
            f"fractions: {list(fractions)} found, numbers above 0 expected, together 1 at most"
        )
    numbers, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(numbers) < len(wanted):
        raise SettingsError(
            f"split: {len(numbers)} groups found, at least one for each of {len(wanted)} parts "
            "expected"
        )
    shuffled = np.random.default_rng(seed).permutation(len(numbers))
    if len(numbers) == len(groups):  # each cell by itself
        edges = np.rint(np.cumsum([0, *wanted]) * len(groups)).astype(int).tolist()
        parts = [shuffled[a:b] for a, b in itertools.pairwise(edges)]
        owner = np.full(len(numbers), -1)
        for number, part in enumerate(parts):
            owner[part] = number
        return [np.flatnonzero(owner[member] == number) for number in range(len(wanted))]
    rest = max(0.0, 1 - float(wanted.sum()))
    limits = np.append(wanted, rest if rest > 1e-9 else 0) * len(groups)
    owner = np.empty(len(numbers), np.int64)
    taken = np.zeros(len(limits))
    empty: list[int] = list(range(len(wanted)))
    # the largest groups first, each to the part that lacks most; every part gets one
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    for left, group in zip(range(len(order), 0, -1), map(int, order), strict=True):
        choices = empty if left <= len(empty) else list(range(len(limits)))
        nearest: int = choices[int(np.argmax((limits - taken)[choices]))]
        owner[group] = nearest
        taken[nearest] += sizes[group]
        if nearest in empty:
            empty.remove(nearest)
    return [np.flatnonzero(owner[member] == number) for number in range(len(wanted))]
