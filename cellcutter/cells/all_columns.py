"""All columns of a cell table with their types, in bounded memory.

The table is read once, some rows at a time, into a scratch file, and given out column by column; a
column that begins as numbers and goes on as text is read once more. Held are a column of numbers,
and the texts that differ.
"""

from __future__ import annotations

import codecs
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cellcutter.cells.text import PARQUET, opened, starts_with
from cellcutter.errors import TableError, reading
from cellcutter.exact import exact_floats
from cellcutter.types import Bools, Column, Ints, Name, Pixels

if TYPE_CHECKING:
    import pandas as pd

_LATIN = "cellcutter.latin-1"
_CSV: Any = {"skipinitialspace": True, "index_col": False}
_VALUES = 1 << 20  # of a table that are in memory at one time


@dataclass
class _Part:
    """Some rows of a column in the scratch file: values, and behind them what is missing.

    Where all of them are missing, nothing is in the file.
    """

    kind: str
    offset: int
    rows: int
    dtype: np.dtype[np.generic]
    has_missing: bool


@dataclass
class _Spool:
    """A column in the scratch file."""

    kinds: set[str] = field(default_factory=set)
    parts: list[_Part] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    negative: bool = False


class TableColumns:
    """The columns of a table; a context manager.

    Parameters
    ----------
    table : path or DataFrame
    rows : int
        How many rows are expected.
    folder : Path
        Where a scratch file may lie.

    Raises
    ------
    TableError
        The table cannot be read, or has changed since it was read first.
    """

    def __init__(self, table: Name | pd.DataFrame, rows: int, folder: Path) -> None:
        self._table = table
        self._rows = rows
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._spools: dict[str, _Spool] = {}
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TableColumns:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._spools)

    def read(self, name: str, order: Ints | None = None) -> Column:
        """Return a column.

        Parameters
        ----------
        name : str
        order : int64 array of shape (n,), optional
            The rows in the order wanted.
        """
        spool = self._spools[name]
        kinds = spool.kinds - {"empty"}
        if (len(kinds) > 1 and kinds != {"int", "float"}) or self._beyond(spool, kinds):
            spool = self._spools[name] = self._again(name)
            kinds = {"text"}
        values, missing = self._load(spool, kinds)
        if order is not None:
            values = values[order]
            missing = None if missing is None else missing[order]
        if kinds == {"text"}:
            return _text_column(values, list(spool.texts))
        return Column(values, None if values.dtype.kind == "f" else missing)

    @staticmethod
    def _beyond(spool: _Spool, kinds: set[str]) -> bool:
        """Tell whether a column has whole numbers that no type has room for all of."""
        used = {part.dtype for part in spool.parts if part.kind == "int"}
        return spool.negative and kinds == {"int"} and np.dtype(np.uint64) in used

    def _read(self) -> None:
        """Read the table into the scratch file."""
        for frame in self._frames():
            for position, name in enumerate(frame.columns):
                series = frame.iloc[:, position]
                self._append(self._spools.setdefault(str(name), _Spool()), series)
        found = {sum(part.rows for part in spool.parts) for spool in self._spools.values()}
        if found != {self._rows}:
            raise TableError(
                f"{self._table}: {max(found, default=0)} rows found, {self._rows} expected"
            )

    def _frames(self, only: str | None = None) -> Iterator[pd.DataFrame]:
        """Yield some rows of the table after the others, or of one of its columns as texts."""
        import pandas as pd

        if isinstance(self._table, pd.DataFrame):
            yield self._table
            return
        path = Path(self._table)
        with reading(path, "a table of cells", TableError):
            if starts_with(path, PARQUET):
                yield from _parquet(path, only)
                return
            with opened(path, "a CSV file") as file:
                # what is no UTF-8 is taken for Latin-1, in the names of columns too
                cast(io.TextIOWrapper, file).reconfigure(errors=_LATIN)
                header = pd.read_csv(file, nrows=0, **_CSV).columns
            with opened(path, "a CSV file") as file:
                cast(io.TextIOWrapper, file).reconfigure(errors=_LATIN)
                with pd.read_csv(
                    file,
                    chunksize=max(1, _VALUES // max(1, len(header))),
                    dtype_backend="numpy_nullable",
                    usecols=None if only is None else [only],
                    dtype=None if only is None else "string",
                    low_memory=False,
                    **exact_floats(),
                    **_CSV,
                ) as frames:
                    yield from frames

    def _again(self, name: str) -> _Spool:
        spool = _Spool()
        for frame in self._frames(name):
            self._append(spool, frame[name])
        return spool

    def _append(self, spool: _Spool, series: pd.Series[Any]) -> None:
        kind, values, missing = _plain(series, spool.texts)
        spool.kinds.add(kind)
        spool.negative |= kind == "int" and int(values.min(initial=0)) < 0
        offset = self._file.seek(0, 2)
        if kind != "empty":
            self._file.write(np.ascontiguousarray(values).data)
            if missing is not None:
                self._file.write(np.ascontiguousarray(missing).data)
        spool.parts.append(_Part(kind, offset, len(values), values.dtype, missing is not None))

    def _load(self, spool: _Spool, kinds: set[str]) -> tuple[Pixels, Bools | None]:
        """Return the values of a column, and which are missing; missing floats are NaN."""
        used = [part.dtype for part in spool.parts if part.kind != "empty"]
        dtype = np.result_type(*used) if kinds and kinds != {"int", "float"} else np.dtype("f8")
        if kinds == {"int"} and dtype.kind == "f":
            dtype = np.dtype(np.uint64)  # int64 and uint64, none of them negative
        values = np.full(self._rows, -1 if kinds == {"text"} else 0, dtype)
        missing = np.zeros(self._rows, bool)
        row = 0
        for part in spool.parts:
            rows = slice(row, row + part.rows)
            row += part.rows
            if part.kind == "empty":
                missing[rows] = True
                continue
            values[rows] = self._piece(part.offset, part.rows, part.dtype)
            if part.has_missing:
                end = part.offset + part.rows * part.dtype.itemsize
                missing[rows] = self._piece(end, part.rows, np.dtype(bool))
        if dtype.kind == "f":
            values[missing] = np.nan
        return values, missing if missing.any() else None

    def _piece(self, offset: int, rows: int, dtype: np.dtype[np.generic]) -> Pixels:
        self._file.seek(offset)
        return np.frombuffer(self._file.read(rows * dtype.itemsize), dtype)


def _parquet(path: Path, only: str | None) -> Iterator[pd.DataFrame]:
    """Yield some rows of a Parquet file after the others."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    nullable: dict[object, object] = {
        pa.bool_(): pd.BooleanDtype(),
        **{
            getattr(pa, f"{sign.lower()}int{bits}")(): getattr(pd, f"{sign}Int{bits}Dtype")()
            for sign in ("", "U")
            for bits in (8, 16, 32, 64)
        },
    }
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        rows = max(1, _VALUES // max(1, len(names)))
        for batch in file.iter_batches(rows, columns=None if only is None else [only]):
            yield batch.to_pandas(types_mapper=nullable.get)


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    """Return bytes that are no UTF-8 as they read in Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN, _as_latin)


def _plain(series: pd.Series[Any], texts: dict[str, int]) -> tuple[str, Pixels, Pixels | None]:
    """Return the kind of a series, its values, and which are missing.

    Texts become numbers, -1 where missing; new ones are added to `texts`.
    """
    import pandas as pd

    if isinstance(series.dtype, pd.SparseDtype):
        series = pd.Series(series.to_numpy())
    absent = series.isna().to_numpy(bool)
    missing = absent if absent.any() else None
    dtype: Any = series.dtype
    kind = {"i": "int", "u": "int", "f": "float", "b": "bool"}.get(getattr(dtype, "kind", "O"))
    if kind and not isinstance(dtype, pd.CategoricalDtype):
        numpy_dtype = np.dtype(getattr(dtype, "numpy_dtype", dtype))
        if numpy_dtype.itemsize > 8:  # wider floats than anybody reads
            numpy_dtype = np.dtype(np.float64)
        none: Any = False if kind == "bool" else 0
        values = (
            series.to_numpy(numpy_dtype)
            if missing is None
            else series.to_numpy(numpy_dtype, na_value=none)
        )
        if kind == "float" and missing is not None:
            values = values.copy()
            values[absent] = np.nan
            missing = None
        return "empty" if absent.all() else kind, values, missing
    codes, found = pd.factorize(series.astype(object), sort=False)
    numbers = np.array([texts.setdefault(str(text), len(texts)) for text in found], np.int32)
    values = np.where(codes < 0, np.int32(-1), np.append(numbers, np.int32(-1))[codes])
    return "empty" if absent.all() else "text", values.astype(np.int32), None


def _text_column(codes: Pixels, texts: list[str]) -> Column:
    """Return texts as categories, or as they are where all differ, as AnnData stores them."""
    if len(texts) == len(codes) and not (codes == -1).any():
        return Column(np.array(texts, object)[codes])
    categories = sorted(texts)
    number = {text: i for i, text in enumerate(categories)}
    ranks = np.array([*(number[text] for text in texts), -1])
    small = np.min_scalar_type(-max(1, len(texts)))
    return Column(ranks[codes].astype(small), None, categories)
