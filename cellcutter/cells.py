"""The cell table: reading and checking it.

Invariant: the cells of a :class:`CellTable` are in the order of the table, and every CellID is a
whole number from 0 to 2**63 - 1.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import TableError
from cellcutter.image import Image
from cellcutter.windows import Bools, Ints

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
        frame = _read_csv(Path(name))
    else:
        name, frame = "cells", table
        _check_columns(name, list(frame.columns))
    if len(frame) == 0:
        raise TableError(f"{name}: no rows found, at least one cell expected")
    y, x = (_numbers(name, frame, column) for column in COLUMNS[1:])
    return CellTable(name, _ids(name, frame), y, x)


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


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        raise TableError(f"{path}: {found} found, a CSV file expected")
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            header = next(csv.reader(lines), [])
        _check_columns(str(path), header)
        return pd.read_csv(
            path,
            usecols=list(COLUMNS),
            encoding="utf-8-sig",
            skipinitialspace=True,
            low_memory=False,
        )
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}; a CSV file expected") from error
    except (pd.errors.ParserError, csv.Error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"{path}: {reason} found, a CSV file in UTF-8 expected") from error


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


def _numbers(name: str, frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    import pandas as pd

    values = frame[column]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    text = np.isnan(numbers) & values.notna().to_numpy(bool)
    if text.any() or values.dtype == bool:
        row = int(np.argmax(text))
        raise TableError(
            f"{name}: {column} {values.iloc[row]!r} in row {row + 1} found, a number expected"
        )
    return numbers


def _ids(name: str, frame: pd.DataFrame) -> Ints:
    values = frame["CellID"]
    if values.dtype.kind in "iu":
        ids = values.to_numpy()
        wrong = (ids < 0) | (ids > np.iinfo(np.int64).max)
    else:
        ids = _numbers(name, frame, "CellID")
        wrong = ~((ids >= 0) & (ids < 2.0**53) & (ids == np.floor(ids)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TableError(
            f"{name}: CellID {ids[row]} in row {row + 1} found, "
            "a whole number of 0 or more expected"
        )
    return ids.astype(np.int64)
