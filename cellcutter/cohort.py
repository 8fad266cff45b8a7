"""Lists of the cells of several stores: a CSV file that ``cellcutter.open`` takes as one.

Each row is a cell of a store, in the order of the stores and of their cells. Columns are those that
all slides have. Invariant: the same stores and tables make the same bytes, whole or not at all.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from cellcutter.cells.all_columns import TableColumns
from cellcutter.cells.columns import ids_called
from cellcutter.errors import SettingsError, StoreError, TableError, reading
from cellcutter.store.publishing.claim import claimed
from cellcutter.store.publishing.names import Form, Names, begins
from cellcutter.store.reading.listing import CELL, ROW, SLIDE, STORE
from cellcutter.store.reading.opening import Paths
from cellcutter.store.reading.several import names_of
from cellcutter.store.reading.slide import Slide
from cellcutter.store.reading.table import OWN
from cellcutter.types import Column, Ints, Name

_OURS = (SLIDE, STORE, ROW, CELL)  # then what was cut, and the columns of the tables
_ROWS = 100_000  # that are text at one time
_HEADS = [",".join(names).encode() for names in (_OURS, [f'"{name}"' for name in _OURS])]
_LIST = Form("a list of cells", "lists of cells", begins(*_HEADS))


def make_cohort(
    stores: Paths,
    destination: Name,
    *,
    tables: Sequence[Name] | None = None,
    force: bool = False,
) -> None:
    """Write a list of the cells of several stores, which :func:`cellcutter.open` takes as one.

    A CSV file with a row for each cell: `slide`; `store`, the path of the store, relative to the
    file; `store_row`, the place of the cell in the store; `CellID`, the window and `Status`; and
    the columns of the tables that all slides have. In memory is the table of one slide.

    Parameters
    ----------
    stores : path, sequence of paths, or mapping of slides' names to paths
        Names are taken from the paths where they are not given.
    destination : path
        The file.
    tables : sequence of path, optional
        The tables that the stores were cut by, one for each, in the same order. Stores of the
        layout `cells` have their tables in them, and need none.
    force : bool
        Replace a file of that name.

    Raises
    ------
    cellcutter.InputError
        A store or a table cannot be read, or they do not belong together; or the file exists.

    Examples
    --------
    >>> import cellcutter
    >>> cellcutter.make_cohort(["a.zarr", "b.zarr"], "cells.csv")  # doctest: +SKIP
    >>> cells = cellcutter.open("cells.csv")  # doctest: +SKIP
    """
    named = _named(stores)
    if tables is not None and len(tables) != len(named):
        raise SettingsError(
            f"tables: {len(tables)} found, {len(named)} expected, one for each store"
        )
    given = [None] * len(named) if tables is None else [Path(table) for table in tables]
    file = Path(destination)
    names = Names(file, force=force, form=_LIST)
    with claimed(names, [*named.values(), *filter(None, given)]) as publication:
        made = publication.folder / "made"
        _write_list(named, given, file, made)
        publication.publish(made)


def _write_list(
    named: Mapping[str, Path], tables: Sequence[Path | None], file: Path, made: Path
) -> None:
    """Write the list of slides, each with its table; paths in it are as seen from `file`."""

    def frames() -> Iterator[pd.DataFrame]:
        for (name, path), table in zip(named.items(), tables, strict=True):
            yield _frame(Slide(path.absolute(), name), table, file)  # which keeps what it reads

    columns: list[str] | None = None
    if len(named) > 1:
        for frame in frames():
            found = [str(name) for name in frame]
            columns = found if columns is None else [name for name in columns if name in found]
    with made.open("x", encoding="utf-8", newline="") as text:
        for number, frame in enumerate(frames()):
            _write(text, frame if columns is None else frame[columns], header=not number)


def _named(stores: Paths) -> Mapping[str, Path]:
    if isinstance(stores, Mapping):
        found = {str(name): Path(path) for name, path in stores.items()}
    else:
        paths = [stores] if isinstance(stores, (str, os.PathLike)) else stores
        several = [Path(path) for path in paths]
        found = dict(zip(names_of(several), several, strict=True))
    if not found:
        raise SettingsError("stores: none found, at least one expected")
    twice = len(found) - len({path.resolve() for path in found.values()})
    if twice:
        raise SettingsError("stores: the same store found twice, each once expected")
    return found


def _frame(slide: Slide, table: Path | None, file: Path) -> pd.DataFrame:
    """Return the rows of a slide."""
    obs, ids = slide.obs, slide.ids
    if ids is None or obs.index.name != CELL:
        raise StoreError(f"{slide.path}: no CellIDs found, a store of cells expected")
    columns: dict[str, Any] = {str(name): obs[name] for name in obs}
    has_table = set(columns) - set(OWN)
    if table is not None and not has_table:
        order = columns["row"].to_numpy(np.int64) if "row" in columns else None
        columns |= _given(table, slide, ids, order, file)
    ours = {
        SLIDE: slide.name,
        STORE: _seen_from(file, Path(str(slide.path))),
        ROW: np.arange(len(ids)),
        CELL: ids,
    }
    renamed = {_free(name, _OURS): values for name, values in columns.items()}
    cut = {name: renamed.pop(name) for name in OWN if name in renamed}
    everything = {**ours, **cut, **renamed}
    return pd.DataFrame({name: _plain(values) for name, values in everything.items()})


def _seen_from(file: Path, store: Path) -> str:
    """Return the path of a store relative to the folder of a file; links may lead there."""
    folder = file.parent.absolute()
    found = os.path.relpath(store, folder)
    if (folder / found).resolve() != store.resolve():
        found = os.path.relpath(store.parent.resolve() / store.name, folder.resolve())
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"{store}: a name that is no UTF-8 found, which no list can hold"
        ) from error
    return Path(found).as_posix()


def _given(
    table: Path, slide: Slide, ids: Ints, order: Ints | None, file: Path
) -> Mapping[str, Any]:
    """Return the columns of the table that a store was cut by."""
    found: dict[str, Any] = {}
    options = slide.about.get("options")
    key, has_key = ids_called(options if isinstance(options, dict) else {}), False
    with (
        reading(table, "a table of cells", TableError),
        TableColumns(table, len(ids), file.parent) as columns,
    ):
        for name in columns.names:
            values = _series(columns.read(name, order))
            has_key |= name.strip() == key
            if name.strip() != key:
                found[_free(name, (*OWN, *_OURS))] = values
            elif not np.array_equal(np.asarray(values), ids):
                raise TableError(
                    f"{table}: other CellIDs than in {slide.path} found, the table that it was "
                    "cut by expected"
                )
    if not has_key:
        raise TableError(f"{table}: no column {key} found, the table of {slide.path} expected")
    return found


def _free(name: str, taken: Sequence[str]) -> str:
    return f"{name} (table)" if name in taken else name


def _series(column: Column) -> Any:
    values: Any = column.values
    if column.categories is not None:
        return pd.Categorical.from_codes(values, pd.Index(column.categories))
    if column.missing is None:
        return values
    if values.dtype == bool:
        return pd.arrays.BooleanArray(values, column.missing)
    return pd.arrays.IntegerArray(values, column.missing)


def _plain(values: Any) -> Any:
    """Return values without an index."""
    return values.array if isinstance(values, pd.Series) else values


def _write(text: IO[str], frame: pd.DataFrame, *, header: bool) -> None:
    """Write rows; texts get quotes where some of them end lines."""
    ends = any("\r" in str(value) for value in _texts(frame))
    frame.to_csv(
        text,
        header=header,
        index=False,
        lineterminator="\n",
        chunksize=_ROWS,
        quoting=csv.QUOTE_NONNUMERIC if ends else csv.QUOTE_MINIMAL,
    )


def _texts(frame: pd.DataFrame) -> Iterator[object]:
    for name in frame:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            yield from column.cat.categories
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            yield from column
