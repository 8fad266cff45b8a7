"""The cell table: reading and checking it.

Invariant: the cells of a :class:`CellTable` are in the order of the table, and every CellID is a
whole number from 0 to 2**63 - 1.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellcutter.cells.csv_table import (
    Column,
    check_columns,
    numbers,
    plain_numbers,
    read_csv,
    values_of,
)
from cellcutter.errors import TableError
from cellcutter.read.image import Image
from cellcutter.types import Bools, Ints

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("CellID", "Y_centroid", "X_centroid")


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

    def take(self, order: Ints) -> CellTable:
        """Return the cells in another order."""
        return CellTable(self.name, self.ids[order], self.y[order], self.x[order])

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
        pieces: Iterator[Mapping[str, Column]] = read_csv(Path(name), COLUMNS)
    else:
        name = "cells"
        check_columns(name, list(table.columns), COLUMNS)
        pieces = iter([{column: values_of(table[column]) for column in COLUMNS}])
    ids, y, x = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    rows = 0
    for piece in pieces:
        ids.append(_ids(name, piece["CellID"], rows))
        y.append(numbers(name, "Y_centroid", piece["Y_centroid"], rows))
        x.append(numbers(name, "X_centroid", piece["X_centroid"], rows))
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


def _ids(name: str, values: Column, rows: int) -> Ints:
    """Return CellIDs, of which `rows` were read before."""
    ids: NDArray[Any] | None = values if values.dtype.kind in "iu" else None
    if values.dtype.kind in "SU":
        ids = plain_numbers(values, np.int64)
    if ids is None:
        ids = numbers(name, "CellID", values, rows)
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
