"""Columns of numbers out of a CSV file, or of a DataFrame.

Quick enough for millions of rows, and without pandas, whose import takes longer than most tables.
"""

from __future__ import annotations

import csv
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

Column = NDArray[np.generic]
# What stands for a missing number, beside nothing at all and what is NaN to Python: as in pandas.
_MISSING = {"NA", "N/A", "n/a", "NULL", "null", "None", "<NA>", "#N/A", "#NA", "#N/A N/A"}
_MISSING |= {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
_WIDTH = 64  # characters of a number, at the most
_PIECE_NBYTES = 16 << 20  # of a table are read at one time


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[Mapping[str, Column]]:
    """Yield the text of some columns, a piece of the table after the other.

    Parameters
    ----------
    path : Path
        CSV file in UTF-8 with a header; each row must have as many columns.
    columns : sequence of str
        Names of the columns; text in them is cut off after 64 characters.

    Raises
    ------
    TableError
        The file cannot be read, lacks a column or has it twice, or a row has another number of
        columns.
    """
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        raise TableError(f"{path}: {found} found, a CSV file expected")
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            header = [column.strip() for column in next(csv.reader(lines), [])]
            check_columns(str(path), header, columns)
            yield from _pieces(lines, header, columns)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}; a CSV file expected") from error
    except UnicodeError as error:
        raise TableError(f"{path}: {error} found, a CSV file in UTF-8 expected") from error
    except (csv.Error, ValueError) as error:
        raise TableError(f"{path}: {_what_is_wrong(path, columns, error)}") from error


def _pieces(
    lines: TextIO, header: Sequence[str], columns: Sequence[str]
) -> Iterator[Mapping[str, Column]]:
    """Yield the text of the columns; each row must have as many as the header.

    Columns that are not needed are cut off after a character.
    """
    dtype = np.dtype(
        [(str(i), f"S{_WIDTH}" if name in columns else "U1") for i, name in enumerate(header)]
    )
    most = max(1, _PIECE_NBYTES // dtype.itemsize)
    read = 0

    def filled() -> Iterator[str]:
        nonlocal read
        for line in lines:
            if not line.isspace():
                read += 1
                yield line

    source, rows = filled(), 0
    for first in source:
        piece = np.loadtxt(
            chain([first], source),
            dtype,
            comments=None,
            delimiter=",",
            quotechar='"',
            max_rows=most,
            ndmin=1,
        )
        rows += len(piece)
        yield {column: piece[str(header.index(column))] for column in columns}
    if read > rows:  # some text has several lines; or a quote has no end, which numpy lets pass
        lines.seek(0)
        deque(csv.reader(lines, strict=True), 0)


def _what_is_wrong(path: Path, columns: Sequence[str], error: Exception) -> str:
    """Return what was found in a table that could not be read, and what was expected."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.reader(lines, strict=True)
        try:
            header = [name.strip() for name in next(rows)]
            filled = (row for row in rows if len(row) > 1 or "".join(row).strip())
            for number, row in enumerate(filled, 1):
                if len(row) != len(header):
                    return (
                        f"{len(row)} columns in row {number} found, "
                        f"{len(header)} expected as in the header"
                    )
                for column in columns:
                    text = row[header.index(column)]
                    if not text.isascii():
                        return f"{column} {text!r} in row {number} found, a number expected"
        except csv.Error as broken:
            error = broken
    return f"{' '.join(str(error).split())} found, a CSV file in UTF-8 expected"


def check_columns(name: str, header: Sequence[object], columns: Sequence[str]) -> None:
    """Make sure that a header has each of some columns once.

    Raises
    ------
    TableError
    """
    names = [str(column) for column in header]
    for column in columns:
        if names.count(column) == 1:
            continue
        if column in names:
            raise TableError(f"{name}: {names.count(column)} columns {column} found, one expected")
        line = names[0] if len(names) == 1 else ""
        separated = next((s for s in ";\t|" if s in line and column in line), None)
        if separated:
            raise TableError(f"{name}: columns separated by {separated!r} found, ',' expected")
        found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        raise TableError(f"{name}: columns {found or '(none)'} found, {column} expected too")


def values_of(column: pd.Series) -> Column:
    """Return a column of a DataFrame as numbers, or as text where these are of mixed types."""
    values: Column = column.to_numpy()
    if values.dtype.kind in "iuf":
        return values
    missing = column.isna().to_numpy(bool)
    texts = ["" if none else str(value) for value, none in zip(values, missing, strict=True)]
    return np.array(texts, dtype=str)


def numbers(name: str, column: str, values: Column, rows: int) -> NDArray[np.float64]:
    """Return numbers or text as numbers, NaN where one is missing.

    Parameters
    ----------
    name, column : str
        For messages.
    values : array of shape (n,)
    rows : int
        How many were read before.

    Raises
    ------
    TableError
        Some text is no number.
    """
    plain = plain_numbers(values, np.float64)
    if plain is not None:
        return plain
    found = []
    texts: NDArray[Any] = values
    if values.dtype.kind == "S":
        texts = np.char.decode(values.astype(np.bytes_), "latin-1")
    for row, value in enumerate(texts.tolist(), rows + 1):
        found.append(_number(value))
        if found[-1] is None:
            raise TableError(f"{name}: {column} {value!r} in row {row} found, a number expected")
    return np.array(found, np.float64)


def plain_numbers(values: Column, dtype: type[np.generic]) -> NDArray[Any] | None:
    """Return numbers, or text that holds nothing but plain numbers of a type, as numbers."""
    if values.dtype.kind in "iuf":
        return values.astype(dtype)
    content = np.ascontiguousarray(values).view(np.uint8)
    content = content.reshape(len(values), values.dtype.itemsize)
    if (content == ord("_")).any() or content[:, -1].any():  # 1_000, and what was cut off
        return None
    try:
        return values.astype(dtype)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """Return a number, NaN for one that is missing, None for what is none."""
    word = text.strip()
    if "_" in word or len(text) == _WIDTH:
        return None
    if not word or word in _MISSING:
        return math.nan
    try:
        return float(word)
    except ValueError:
        return None
