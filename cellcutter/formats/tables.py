"""The table of a store's cells, as the other layout keeps it; and as CSV.

Cutting puts our own columns behind those of the given table in ``obs``, and writes only our own to
``cells.csv``. What is known only of ``obs`` goes behind our own in ``cells.csv``: nothing is lost.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cellcutter.errors import StoreError
from cellcutter.formats.about import kind_of
from cellcutter.store.reading.slide import Slide
from cellcutter.store.reading.table import IDS, OWN, WINDOWS
from cellcutter.types import Column, Pixels

_COMPACT = 2**30 - 1  # starts of windows up to it have 32 bits
_ROWS = 10_000  # that are text at one time
Columns = Iterator[tuple[str, Column]]


def obs(slide: Slide) -> Columns:
    """Yield the columns of ``obs``: the numbers of the cells, the given table's, our own."""
    if slide.images.array.sharded:
        yield from slide.columns()
        return
    found = dict(slide.columns())
    size = slide.images.array.shape[-1]
    first = [name for name in IDS if name in found]
    given = [name for name in found if name not in (*OWN, *IDS)]
    for name in [*first, *given, *(name for name in OWN if name in found)]:
        try:
            yield name, _as_cut(name, found, size)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{slide.path}: {name}: {error} found, a column as it is cut expected"
            ) from error


def _as_cut(name: str, found: dict[str, Column], size: int) -> Column:
    """Return a column of CSV in the type in which it is cut."""
    column = found[name]
    if column.missing is not None:
        return column
    if name in WINDOWS:
        starts = found[f"{name[0]}_start"].values
        reach = max(size, -int(starts.min(initial=0)), int(starts.max(initial=0)))
        return Column(column.values.astype(np.int32 if reach <= _COMPACT else np.int64))
    if name == "Status" and column.categories is None:
        words, codes = np.unique(column.values.astype(str), return_inverse=True)
        return Column(codes.astype(np.int8), None, words.tolist())
    return column


def cells_csv(slide: Slide, scratch: Path) -> Iterator[str]:
    """Yield the table of a store as CSV, some rows at a time.

    Parameters
    ----------
    slide : Slide
    scratch : Path
        A folder for columns, which are stored one by one and wanted all at a time.
    """
    found = {n: aside(column, scratch / f"{i}") for i, (n, column) in enumerate(slide.columns())}
    if slide.ids is not None and not any(name in found for name in IDS):
        found = {f"{kind_of(slide).capitalize()}ID": Column(slide.ids), **found}
    first = [name for name in IDS if name in found]
    own = [name for name in OWN if name in found]
    order = [*first, *own, *(name for name in found if name not in (*first, *own))]
    return csv_text(order, [found[name] for name in order], len(slide))


def aside(column: Column, place: Path) -> Column:
    """Return a column whose numbers lie in a file."""
    if column.values.dtype.kind == "O" or not column.values.size:
        return column

    def mapped(values: Pixels, ending: str) -> Pixels:
        file = place.with_suffix(ending)
        np.save(file, values)
        found: Pixels = np.load(file, mmap_mode="r")
        return found

    missing = column.missing
    if missing is not None:
        missing = mapped(missing, ".missing.npy").astype(bool, copy=False)
    return replace(column, values=mapped(column.values, ".npy"), missing=missing)


def csv_text(names: Sequence[str], columns: Sequence[Column], rows: int) -> Iterator[str]:
    """Yield columns as CSV; what is missing is empty."""
    yield _lines([names])
    for start in range(0, rows, _ROWS):
        part = slice(start, min(start + _ROWS, rows))
        yield _lines(zip(*(plain(column, part) for column in columns), strict=True))


def plain(column: Column, part: slice) -> list[object]:
    """Return some values of a column as Python's own, None where one is missing."""
    values = column.values[part]
    if column.categories is not None:
        known = [*column.categories, None]  # -1 is the last
        return [known[code] for code in values.tolist()]
    if values.dtype.kind == "f":
        return [None if value != value else value for value in values.tolist()]
    found: list[object] = values.tolist()
    if column.missing is not None:
        absent = column.missing[part].tolist()
        return [None if no else value for value, no in zip(found, absent, strict=True)]
    return found


def _lines(rows: object) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()
