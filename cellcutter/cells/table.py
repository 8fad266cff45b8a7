"""The cell table, read by pandas; the only room that imports it.

Invariant: the cells of a :class:`CellTable` are in the order of the table, and every CellID is a
whole number from 0 to 2**63 - 1.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellcutter.cells.columns import CELL_ID, X, Y, places
from cellcutter.cells.numbers import Column, cell_ids, numbers
from cellcutter.cells.rows import Rows
from cellcutter.cells.text import PARQUET, check_regular, opened, starts_with
from cellcutter.errors import TableError
from cellcutter.types import Floats, Ints, Name

if TYPE_CHECKING:
    import pandas as pd

_EXPECTED = "a CSV file"
_ROWS = 100_000  # that are read at one time


@dataclass(frozen=True)
class CellTable:
    """The cells to be cut.

    Parameters
    ----------
    name : str
        Path of the table as given, for messages.
    ids : int64 array of shape (n,)
    y, x : float64 arrays of shape (n,)
        Centroids, as the table has them, or in pixels; NaN where it has none.
    """

    name: str
    ids: Ints
    y: Floats
    x: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, order: Ints) -> CellTable:
        """Return the cells in another order."""
        return CellTable(self.name, self.ids[order], self.y[order], self.x[order])

    def digest(self) -> str:
        """Return the SHA-256 of the CellIDs as little-endian 64-bit integers."""
        return hashlib.sha256(self.ids.astype("<i8").tobytes()).hexdigest()


def read_cells(table: Name | pd.DataFrame, columns: Mapping[str, str] | None = None) -> CellTable:
    """Read and check a cell table.

    Parameters
    ----------
    table : path or DataFrame
        With the columns CellID, Y_centroid and X_centroid among any others. The file is CSV,
        perhaps compressed, or Parquet where pyarrow is installed.
    columns : mapping of str to str, optional
        What these columns are called, where not so: ``{"CellID": "Object"}``.

    Raises
    ------
    TableError
        The table cannot be read, lacks a column or rows, or has a value that is no number, or a
        CellID that is no whole number of 0 or more.
    """
    if isinstance(table, str | os.PathLike):
        name = os.fspath(table)
        pieces = _read_file(Path(name), columns)
    else:
        name = "cells"
        pieces = _read_frame(name, table, columns)
    called = {column: (columns or {}).get(column, column) for column in (CELL_ID, Y, X)}
    parts: tuple[list[Any], ...] = ([], [], [])
    rows = 0
    for ids, y, x in pieces:
        parts[0].append(cell_ids(name, called[CELL_ID], ids, rows))
        parts[1].append(numbers(name, called[Y], y, rows))
        parts[2].append(numbers(name, called[X], x, rows))
        rows += len(ids)
    if not rows:
        raise TableError(f"{name}: no rows found, at least one cell expected")
    return CellTable(name, _joined(parts[0]), _joined(parts[1]), _joined(parts[2]))


def _joined(parts: list[Any]) -> Any:
    """Return arrays as one, and free them."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _read_file(path: Path, columns: Mapping[str, str] | None) -> Iterator[tuple[Column, ...]]:
    """Yield CellIDs, Y and X of a file, a piece after the other."""
    try:
        check_regular(path, _EXPECTED)
        parquet = starts_with(path, PARQUET)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}; {_EXPECTED} expected") from error
    return _read_parquet(path, columns) if parquet else _read_csv(path, columns)


def _read_csv(path: Path, columns: Mapping[str, str] | None) -> Iterator[tuple[Column, ...]]:
    """Yield CellIDs, Y and X of a CSV file; its rows are checked before pandas sees them."""
    import pandas as pd

    try:
        with opened(path, _EXPECTED) as file:
            header = _header(iter(file.readline, ""))
            where = places(str(path), header, columns)
            rows = Rows(str(path), file, len(header), {p: header[p] for p in where.values()})
            exact = {"float_precision": "round_trip"} if int(pd.__version__[0]) == 2 else {}
            pieces: Any = pd.read_csv(  # type: ignore[call-overload]
                rows,
                header=None,
                names=range(len(header)),
                usecols=sorted(set(where.values())),
                index_col=False,
                chunksize=_ROWS,
                low_memory=False,
                skipinitialspace=True,
                encoding_errors="backslashreplace",  # strings of Arrow hold no surrogates
                **exact,
            )
            count = 0
            for piece in pieces:
                yield tuple(_values(piece[where[column]]) for column in (CELL_ID, Y, X))
                count += len(piece)
            if count != rows.count:
                raise TableError(f"{path}: {count} rows found by pandas, {rows.count} expected")
    except pd.errors.EmptyDataError:
        return
    except (csv.Error, pd.errors.ParserError) as error:
        raise TableError(f"{path}: {error} found, a CSV file in UTF-8 expected") from error


def _header(lines: Iterator[str]) -> list[str]:
    """Return the names of the columns; those that are no UTF-8 are taken for Latin-1."""
    for row in csv.reader(lines, skipinitialspace=True):
        if any(field.strip() for field in row):
            return [_name(field.strip()) for field in row]
    return []


def _name(field: str) -> str:
    try:
        field.encode()
    except UnicodeEncodeError:
        return field.encode("utf-8", "surrogateescape").decode("latin-1")
    return field


def _read_parquet(path: Path, columns: Mapping[str, str] | None) -> Iterator[tuple[Column, ...]]:
    """Yield CellIDs, Y and X of a Parquet file."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise TableError(
            f"{path}: a Parquet table found, {_EXPECTED} expected: pip install pyarrow to read "
            "it, or save it as CSV"
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            where = places(str(path), names, columns)
            wanted = [names[position] for position in where.values()]
            for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(wanted))):
                piece = batch.to_pandas(integer_object_nulls=True)
                yield tuple(_values(piece[column]) for column in wanted)
    except pa.ArrowException as error:
        raise TableError(
            f"{path}: a damaged file found ({error}), a Parquet table expected"
        ) from error


def _read_frame(
    name: str, frame: pd.DataFrame, columns: Mapping[str, str] | None
) -> Iterator[tuple[Column, ...]]:
    """Yield CellIDs, Y and X of a DataFrame, all of them."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TableError(
            f"{name}: {type(frame).__module__.split('.')[0]}.{type(frame).__name__} found, "
            "the path of a CSV file or a pandas DataFrame expected"
        )
    header: Sequence[object] = list(frame.columns)
    index = (columns or {}).get(CELL_ID, CELL_ID)
    if index in frame.index.names and index not in header:
        raise TableError(
            f"{name}: {index} found as the index, a column {index} expected: use .reset_index()"
        )
    where = places(name, header, columns)
    yield tuple(_values(frame.iloc[:, where[column]]) for column in (CELL_ID, Y, X))


def _values(column: pd.Series[Any]) -> Column:
    """Return a column as an array of numbers, or as texts where it is no such thing."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        values: Column = column.to_numpy()
        return values
    missing = column.isna().to_numpy(bool)
    values = column.astype(object).to_numpy()
    return ["" if none else str(value) for value, none in zip(values, missing, strict=True)]
