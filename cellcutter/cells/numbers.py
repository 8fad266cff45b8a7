"""Columns of a table as numbers: what pandas could not read as such is looked at one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellcutter.cells.rows import WIDTH
from cellcutter.errors import TableError
from cellcutter.types import Floats, Ints

Column = NDArray[np.generic] | Sequence[str]
# What stands for a missing number, beside nothing at all and what is NaN to Python: as in pandas.
_MISSING = {"NA", "N/A", "n/a", "NULL", "null", "None", "<NA>", "#N/A", "#NA", "#N/A N/A"}
_MISSING |= {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}


def numbers(name: str, column: str, values: Column, rows: int) -> Floats:
    """Return numbers or texts as numbers, NaN where one is missing.

    Parameters
    ----------
    name, column : str
        For messages.
    values : array of shape (n,), or n texts
    rows : int
        How many were read before.

    Raises
    ------
    TableError
        Some text is no number.
    """
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    found = np.empty(len(values))
    for i, text in enumerate(values):
        number = _number(text)
        if number is None:
            raise _no_number(name, column, text, rows + i + 1)
        found[i] = number
    return found


def cell_ids(name: str, column: str, values: Column, rows: int) -> Ints:
    """Return numbers or texts as CellIDs, exactly.

    Parameters
    ----------
    name, column : str
        For messages.
    values : array of shape (n,), or n texts
    rows : int
        How many were read before.

    Raises
    ------
    TableError
        Some value is no whole number from 0 to 2**63 - 1, or may have been rounded.
    """
    if not isinstance(values, np.ndarray):
        return np.array(
            [_cell_id(name, column, text, rows + i + 1) for i, text in enumerate(values)], np.int64
        )
    given: NDArray[Any] = values
    if given.dtype.kind == "f":
        exact = 2.0 ** (np.finfo(given.dtype).nmant + 1)
        wrong = ~((given >= 0) & (given < exact) & (given == np.floor(given)))
    else:
        wrong = (given < 0) | (given > np.iinfo(np.int64).max)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise _no_id(name, column, given[i], rows + i + 1)
    return given.astype(np.int64)


def _cell_id(name: str, column: str, text: str, row: int) -> int:
    number: float | None
    text = text.strip() if len(text) <= WIDTH else text
    try:
        number = int(text) if "_" not in text and len(text) <= WIDTH else None
    except ValueError:
        number = _number(text)
        if number is not None and not number < 2.0**53:
            number = math.nan if math.isnan(number) else math.inf
    if number is None:
        error = _no_number(name, column, text, row)
        raise TableError(f"{error}, as in the mask")
    if not 0 <= number < 2**63 or number != math.floor(number):
        raise _no_id(name, column, number if math.isnan(number) else text, row)
    return int(number)


def _number(text: str) -> float | None:
    """Return a number, NaN for one that is missing, None for what is none."""
    word = text.strip()
    if "_" in word or len(text) > WIDTH or not text.isascii():
        return None
    if not word or word in _MISSING:
        return math.nan
    try:
        return float(word)
    except ValueError:
        return None


def _no_number(name: str, column: str, text: str, row: int) -> TableError:
    return TableError(f"{name}: {column} {text[:WIDTH]!r} in row {row} found, a number expected")


def _no_id(name: str, column: str, value: object, row: int) -> TableError:
    return TableError(
        f"{name}: {column} {value} in row {row} found, a whole number of 0 or more expected"
    )
