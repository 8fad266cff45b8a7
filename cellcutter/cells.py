"""The cell table: reading and checking it.

Invariant: the cells of a :class:`CellTable` are in the order of the table, and every CellID is a
whole number from 0 to 2**63 - 1.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import TableError
from cellcutter.image import Image
from cellcutter.windows import Bools, Ints

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("CellID", "Y_centroid", "X_centroid")

Column = NDArray[np.generic]
# What stands for a missing number, beside nothing at all and what is NaN to Python: as in pandas.
_MISSING = frozenset(["NA", "N/A", "n/a", "NULL", "null", "None", "<NA>", "#N/A", "#NA"])
_WIDTH = 64  # characters of a number, at the most
_PIECE_NBYTES = 16 << 20  # of a table are read at one time


@dataclass(frozen=True)
class CellTable:
    """The cells to be cut.

    Parameters
    ----------
    name : str
        Path of the table as given, for messages.
    ids : int64 array of shape (n,)
    y, x : float64 arrays of shape (n,)
        Centroids in pixels; NaN where the table has none.
    """

    name: str
    ids: Ints
    y: NDArray[np.float64]
    x: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def digest(self) -> str:
        """Return the SHA-256 of the CellIDs as little-endian 64-bit integers."""
        return hashlib.sha256(self.ids.astype("<i8").tobytes()).hexdigest()


def read_cells(table: str | os.PathLike[str] | pd.DataFrame) -> CellTable:
    """Read and check a cell table.

    Parameters
    ----------
    table : path or DataFrame
        With the columns CellID, Y_centroid and X_centroid (pixels) among any others.

    Raises
    ------
    TableError
        The table cannot be read, lacks a column or rows, or has a value that is no number, or a
        CellID that is no whole number of 0 or more.
    """
    if isinstance(table, str | os.PathLike):
        name = os.fspath(table)
        pieces: Iterator[Mapping[str, Column]] = _read_csv(Path(name))
    else:
        name = "cells"
        _check_columns(name, list(table.columns))
        pieces = iter([{column: _values(table[column]) for column in COLUMNS}])
    ids, y, x = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    rows = 0
    for piece in pieces:
        ids.append(_ids(name, piece["CellID"], rows))
        for numbers, column in ((y, "Y_centroid"), (x, "X_centroid")):
            numbers.append(_numbers(name, column, piece[column], rows))
        rows += len(ids[-1])
    if not rows:
        raise TableError(f"{name}: no rows found, at least one cell expected")
    return CellTable(name, np.concatenate(ids), np.concatenate(y), np.concatenate(x))


def problems(
    cells: CellTable, image: Image, labels: Image | None, present: Bools
) -> tuple[str | None, NDArray[np.str_]]:
    """Find the cells that cannot be cut as they should be.

    Parameters
    ----------
    cells : CellTable
    image : Image
    labels : Image, optional
    present : bool array of shape (n,)
        Whether the labels hold each cell.

    Returns
    -------
    message : str or None
        One line that tells of the gravest problem, None where there is none.
    status : str array of shape (n,)
        ``ok``, ``duplicate``, ``no centroid``, ``outside image`` or ``not in labels``.
    """
    height, width = image.shape[1:]
    known = np.isfinite(cells.y) & np.isfinite(cells.x)
    inside = (cells.y >= 0) & (cells.x >= 0) & (cells.y < height) & (cells.x < width)
    kinds = (
        ("duplicate", _repeated(cells.ids), "CellIDs that differ"),
        ("not in labels", ~present, f"a cell of the labels {labels.path if labels else ''}"),
        (
            "outside image",
            known & ~inside,
            f"inside {height} x {width} pixels (Y x X) of {image.path}",
        ),
        ("no centroid", ~known, "a centroid in pixels"),
    )
    status = np.full(len(cells), "ok", dtype="<U13")
    message = None
    for kind, where, expected in kinds:
        status[where] = kind
        if count := int(np.count_nonzero(where)):
            message = (
                f"{cells.name}: {_first(cells, where, count)} found ({kind}), {expected} expected"
            )
    return message, status


def _first(cells: CellTable, where: Bools, count: int) -> str:
    row = int(np.argmax(where))
    more = f", and {count - 1} more" if count > 1 else ""
    place = f"Y {cells.y[row]:.6g}, X {cells.x[row]:.6g}"
    return f"CellID {cells.ids[row]} in row {row + 1} at {place}{more}"


def _repeated(ids: Ints) -> Bools:
    repeated = np.ones(len(ids), bool)
    repeated[np.unique(ids, return_index=True)[1]] = False
    return repeated


def _read_csv(path: Path) -> Iterator[Mapping[str, Column]]:
    """Yield the text of the columns, a piece of the table after the other."""
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        raise TableError(f"{path}: {found} found, a CSV file expected")
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            header = [column.strip() for column in next(csv.reader(lines), [])]
            _check_columns(str(path), header)
            yield from _pieces(lines, header)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}; a CSV file expected") from error
    except UnicodeError as error:
        raise TableError(f"{path}: {error} found, a CSV file in UTF-8 expected") from error
    except (csv.Error, ValueError) as error:
        raise TableError(f"{path}: {_what_is_wrong(path, error)}") from error


def _pieces(lines: TextIO, header: Sequence[str]) -> Iterator[Mapping[str, Column]]:
    """Yield the text of the columns; each row must have as many as the header.

    Columns that are not needed are cut off after a character.
    """
    dtype = np.dtype(
        [(str(i), f"S{_WIDTH}" if c in COLUMNS else "U1") for i, c in enumerate(header)]
    )
    rows = max(1, _PIECE_NBYTES // dtype.itemsize)
    filled = (line for line in lines if not line.isspace())
    for first in filled:
        piece = np.loadtxt(
            chain([first], filled),
            dtype,
            comments=None,
            delimiter=",",
            quotechar='"',
            max_rows=rows,
            ndmin=1,
        )
        yield {column: piece[str(header.index(column))] for column in COLUMNS}


def _what_is_wrong(path: Path, error: Exception) -> str:
    """Return what was found in a table that could not be read, and what was expected."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.reader(lines, strict=True)
        try:
            header = next(rows)
            for number, row in enumerate(filter(None, rows), 1):
                if len(row) != len(header):
                    return (
                        f"{len(row)} columns in row {number} found, "
                        f"{len(header)} expected as in the header"
                    )
                for column in COLUMNS:
                    text = row[header.index(column)]
                    if not text.isascii():
                        return f"{column} {text!r} in row {number} found, a number expected"
        except csv.Error as broken:
            error = broken
    return f"{' '.join(str(error).split())} found, a CSV file in UTF-8 expected"


def _check_columns(name: str, header: Sequence[object]) -> None:
    names = [str(column).strip() for column in header]
    for column in COLUMNS:
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


def _values(column: pd.Series) -> Column:
    """Return a column of a DataFrame as numbers, or as text where these are of mixed types."""
    values: Column = column.to_numpy()
    if values.dtype.kind in "iuf":
        return values
    missing = column.isna().to_numpy(bool)
    texts = ["" if none else str(value) for value, none in zip(values, missing, strict=True)]
    return np.array(texts, dtype=str)


def _numbers(name: str, column: str, values: Column, rows: int) -> NDArray[np.float64]:
    """Return numbers or text as numbers, NaN where one is missing; `rows` were read before."""
    numbers = _at_once(values, np.float64)
    if numbers is not None:
        return numbers
    found = []
    texts: NDArray[Any] = values
    if values.dtype.kind == "S":
        texts = np.char.decode(values.astype(np.bytes_), "latin-1")
    for row, value in enumerate(texts.tolist(), rows + 1):
        found.append(_number(value))
        if found[-1] is None:
            raise TableError(f"{name}: {column} {value!r} in row {row} found, a number expected")
    return np.array(found, np.float64)


def _at_once(values: Column, dtype: type[np.generic]) -> NDArray[Any] | None:
    """Return numbers, or text that holds nothing but plain numbers of a type, as numbers."""
    if values.dtype.kind in "iuf":
        return values.astype(dtype)
    content = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    if (content == ord("_")).any() or content[:, -1].any():  # 1_000, and what was cut off
        return None
    try:
        return values.astype(dtype)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """Return a number, NaN for one that is missing, None for what is none."""
    word = text.strip()
    if not word or word in _MISSING:
        return math.nan
    if "_" in word or len(text) == _WIDTH:
        return None
    try:
        return float(word)
    except ValueError:
        return None


def _ids(name: str, values: Column, rows: int) -> Ints:
    """Return CellIDs, of which `rows` were read before."""
    ids: NDArray[Any] | None = values if values.dtype.kind in "iu" else None
    if values.dtype.kind in "SU":
        ids = _at_once(values, np.int64)
    if ids is None:
        ids = _numbers(name, "CellID", values, rows)
        wrong = ~((ids >= 0) & (ids < 2.0**53) & (ids == np.floor(ids)))
    else:
        wrong = (ids < 0) | (ids > np.iinfo(np.int64).max)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TableError(
            f"{name}: CellID {ids[row]} in row {rows + row + 1} found, "
            "a whole number of 0 or more expected"
        )
    return ids.astype(np.int64)
