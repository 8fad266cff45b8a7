"""The columns that cells are chosen, sorted and grouped by: of the stores, and of a given table.

Invariant: a column has a value, or a gap, for each cell of the stores, in their order.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellcutter.errors import SettingsError, TableError
from cellcutter.exact import exact_floats
from cellcutter.store.reading.cells import Cells
from cellcutter.types import Ints

log = logging.getLogger("cellcutter")
CELL, SLIDE, MARK, LABEL = "CellID", "slide", "mark", "label"
_MARKS = {"accept", "reject"}  # as pages save them
_PARQUET = (".parquet", ".pq")
_NAMES = 12  # of columns in a message
# Words for gaps among numbers, as R, pandas and others write them; among texts they are texts
_GAPS = {"NA", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A", "<NA>", "NULL", "null", "None"}
_GAPS |= {"NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
_TRUTHS = dict.fromkeys(("True", "TRUE", "true"), True)
_TRUTHS |= dict.fromkeys(("False", "FALSE", "false"), False)


@dataclass(frozen=True)
class Columns:
    """What is known of some cells.

    Parameters
    ----------
    table : DataFrame
        A row for each of them.
    marks : list of (int, mapping)
        Of those that a given table has marked, as pages save marks: the cell's number among these,
        its `mark` and its `label`. The table has no such columns then.
    """

    table: pd.DataFrame
    marks: list[tuple[int, dict[str, str]]]


class Table:
    """The columns of cells.

    Parameters
    ----------
    cells : Cells
    file : Path, optional
        A table whose columns come on top of the stores' own.

    Raises
    ------
    TableError
        The file cannot be read, or its rows cannot be told to belong to the cells.
    """

    def __init__(self, cells: Cells, file: Path | None = None) -> None:
        self._cells = cells
        self._file = file
        self._given = None if file is None else _joined(file, _read(file), cells)

    @cached_property
    def _all(self) -> pd.DataFrame:
        own = self._cells.obs.reset_index(drop=True)
        own.columns = own.columns.map(str)
        if self._given is None:
            return own
        twice = [str(name) for name in own if name in self._given]
        if twice:
            log.info("%s: its %s shown, not the stores' own", self._file, ", ".join(twice[:_NAMES]))
        own = own.drop(columns=twice)
        return pd.concat([self._given, own], axis=1)

    def column(self, name: str, option: str) -> pd.Series[Any]:
        """Return a column, a value for each cell.

        Parameters
        ----------
        name : str
            Exact, or unique but for its case.
        option : str
            Who asks, for the message.

        Raises
        ------
        SettingsError
            There is none of the name.
        """
        return _texts(self._found(name, option))

    def _found(self, name: str, option: str) -> pd.Series[Any]:
        if name == SLIDE and (len(self._cells.slides) > 1 or SLIDE not in self._all):
            return _slides(self._cells)
        if name == CELL and self._cells.ids is not None:
            return pd.Series(self._cells.ids, name=CELL)
        if self._given is not None and name in self._given:
            return self._given[name]
        names = [str(each) for each in self._all]
        found = [each for each in names if each == name]
        found = found or [each for each in names if each.casefold() == name.casefold()]
        if len(found) != 1:
            shown = ", ".join(names[:_NAMES]) + (", ..." if len(names) > _NAMES else "")
            hint = f"one of {shown}" if names else "a store with a table, or --table,"
            raise SettingsError(f"{option}: no column {name!r} found, {hint} expected")
        return self._all[found[0]]

    def numbers(self, name: str, option: str) -> pd.Series[Any]:
        """Return a column of numbers, float64 with NaN for gaps.

        Raises
        ------
        SettingsError
            There is none of the name, or it has no numbers.
        """
        column = self.column(name, option)
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
        numbers = numbers.where(column.notna())  # of times, too
        if numbers.isna().all():
            text = column.dropna()
            found = repr(str(text.iloc[0])) if len(text) else "no value"
            raise SettingsError(f"{option}: {found} found in column {name!r}, numbers expected")
        return numbers.replace([np.inf, -np.inf], np.nan)

    def rows(self, rows: Ints, group_by: str | None = None) -> Columns:
        """Return all columns of some cells; the one that they are grouped by is among them."""
        found = self._all.iloc[rows].reset_index(drop=True).apply(_texts)
        if SLIDE not in found and (len(self._cells.slides) > 1 or group_by == SLIDE):
            found.insert(0, SLIDE, _slides(self._cells).iloc[rows].reset_index(drop=True))
        if self._given is None or not _are_marks(self._given):
            return Columns(found, [])
        given = zip(*(found.pop(name).tolist() for name in (MARK, LABEL)), strict=True)
        pairs = enumerate([["" if pd.isna(text) else str(text) for text in pair] for pair in given])
        return Columns(found, [(i, {MARK: m, LABEL: la}) for i, (m, la) in pairs if m or la])


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column whose objects, of several kinds perhaps, are texts."""
    if column.dtype != object:
        return column
    texts: pd.Series[Any] = column.map(str, na_action="ignore")
    return texts


def _slides(cells: Cells) -> pd.Series[Any]:
    slides: Any = pd.Categorical.from_codes(cells.slide, pd.Index(cells.slides))
    return pd.Series(slides, name=SLIDE)


def _read(file: Path) -> pd.DataFrame:
    """Return the table of a file."""
    expected = "a table of cells with a column CellID expected"
    try:
        file.open("rb").close()
        is_parquet = file.name.lower().endswith(_PARQUET)
        found = pd.read_parquet(file) if is_parquet else _read_csv(file)
    except ImportError as error:
        raise TableError(
            f"{file}: a Parquet table found: pip install pyarrow to read it"
        ) from error
    except OSError as error:
        raise TableError(f"{file}: {error.strerror or error}; {expected}") from error
    except (ValueError, UnicodeError, EOFError) as error:
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise TableError(f"{file}: {message}; {expected}") from error
    if found.index.name == CELL:
        found = found.reset_index()
    found.columns = found.columns.map(lambda name: str(name).strip())
    twice = found.columns[found.columns.duplicated()]
    if len(twice):
        raise TableError(f"{file}: column {twice[0]!r} found twice, once expected")
    if CELL not in found:
        names = ", ".join(found.columns[:_NAMES])
        raise TableError(f"{file}: columns {names} found; {expected}")
    return found


def _read_csv(file: Path) -> pd.DataFrame:
    """Return a CSV file; only empty fields are gaps, and of numbers the words for them."""
    how: Any = {"encoding": "utf-8-sig", "skipinitialspace": True, "index_col": False}
    head = pd.read_csv(file, header=None, nrows=1, dtype=str, keep_default_na=False, **how)
    names = head.iloc[0].str.strip() if len(head) else head
    twice = names[names.duplicated() & (names != "")]
    if len(twice):  # pandas would give it another name
        raise TableError(f"{file}: column {twice.iloc[0]!r} found twice, once expected")
    found: pd.DataFrame = pd.read_csv(
        file,
        low_memory=False,  # it would make texts of some numbers only, in a large file
        keep_default_na=False,
        na_values=[""],
        dtype={SLIDE: str, LABEL: str},  # 007 is a name
        **how,
        **exact_floats(),
    )
    texts = {SLIDE, *((MARK, LABEL) if _are_marks(found) else ())}
    return found.assign(**{str(c): _typed(found[c]) for c in found if c not in texts})


def _are_marks(table: pd.DataFrame) -> bool:
    """Tell whether a table has marks as pages save them."""
    has_both = {MARK, LABEL} <= set(table)
    return has_both and set(table[MARK].dropna().map(str)) <= _MARKS


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts as numbers or truth values where they are such, but for words for gaps."""
    if column.dtype.kind != "O":
        return column
    gaps = (column.isna() | column.isin(_GAPS)).to_numpy(bool)
    known = column.to_numpy(object)[~gaps]
    if not len(known):
        return pd.Series(np.nan, column.index, np.float64, column.name)
    values: Any = np.full(len(column), np.nan, object)
    if _are_numbers(known[:1]) and _are_numbers(known):
        whole = pd.to_numeric(pd.Series(known, dtype=object)).to_numpy()
        if whole.dtype.kind in "iu" and not gaps.any():
            return pd.Series(whole, column.index, name=column.name)
        values = values.astype(np.float64)
        values[~gaps] = [*map(float, known)]  # which is exact
    elif known[0] in _TRUTHS and set(known) <= set(_TRUTHS):
        values[~gaps] = [_TRUTHS[word] for word in known]
    else:
        return column
    return pd.Series(values, column.index, name=column.name)


def _are_numbers(texts: Any) -> bool:
    is_text = isinstance(texts[0], str)  # truth values with gaps come as such
    found = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce")
    return is_text and bool(found.notna().all())


def _by_slide(file: Path, table: pd.DataFrame, cells: Cells, ids: Ints) -> bool:
    """Tell whether a table is joined by slide, too; it may have slides that are not open."""
    if len(cells.slides) == 1:
        if SLIDE not in table or (table[SLIDE].astype(str) == cells.slides[0]).any():
            return SLIDE in table
        others = ", ".join(table[SLIDE].dropna().astype(str).unique()[:_NAMES])
        log.warning(
            "%s: slide %s found, not %s: joined by CellID alone", file, others, cells.slides[0]
        )
        return False
    if SLIDE not in table and len(np.unique(ids)) < len(ids):
        raise TableError(
            f"{file}: no column slide found, but expected: several slides have the same CellIDs"
        )
    return SLIDE in table


def _joined(file: Path, table: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """Return a table with a row for each cell: by CellID, and by slide where it says that."""
    ids = cells.ids
    if ids is None:
        raise TableError(
            f"{file}: stores without CellIDs found, ones that --table can join expected"
        )
    numbers = pd.to_numeric(table[CELL], errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0)
    if wrong.any():
        value = table[CELL][wrong].iloc[0]
        raise TableError(f"{file}: {str(value)[:40]!r} found in CellID, whole numbers expected")
    by_slide = _by_slide(file, table, cells, ids)
    slide = cells.slide if by_slide else np.zeros(len(ids), np.int64)
    of_rows = np.zeros(len(table), np.int64)
    if by_slide:
        known = {name: i for i, name in enumerate(cells.slides)}
        of_rows = table[SLIDE].map(lambda name: known.get(str(name), -1)).to_numpy(np.int64)
    keys = pd.MultiIndex.from_arrays([of_rows, numbers.astype(np.int64)])
    twice = keys.duplicated() & (of_rows >= 0)
    if twice.any():
        first = int(np.flatnonzero(twice)[0])
        where = f" of slide {cells.slides[of_rows[first]]}" if by_slide else ""
        cell = int(numbers.iloc[first])
        raise TableError(f"{file}: CellID {cell}{where} found twice, once expected")
    kept = of_rows >= 0
    places = keys[kept].get_indexer(pd.MultiIndex.from_arrays([slide, ids]))
    if (places < 0).all():
        raise TableError(
            f"{file}: none of the stores' CellIDs found; a table of the same cells expected"
        )
    some = table[kept].reset_index(drop=True).drop(columns=CELL)
    if by_slide:
        some = some.drop(columns=SLIDE)
    found_rows = some.take(np.maximum(places, 0)).reset_index(drop=True)
    return found_rows.mask(pd.Series(places < 0)) if (places < 0).any() else found_rows
