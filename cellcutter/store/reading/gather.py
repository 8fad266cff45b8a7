"""Cells of several stores into one array, by a few threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cellcutter.errors import SettingsError
from cellcutter.store.reading.runs import Pick
from cellcutter.store.reading.slide import Reader
from cellcutter.store.reading.threads import run
from cellcutter.types import Ints, Pixels


def rows_of(key: object, cells: int) -> Ints:
    """Return the rows that an index means, int64 of shape (n,), none of them negative.

    Parameters
    ----------
    key : slice, bool array of shape (cells,), or integers in any order, repeated or negative
    cells : int

    Raises
    ------
    IndexError
        A row is not there, or the key is of another kind.
    """
    if isinstance(key, slice):
        return np.arange(cells, dtype=np.int64)[key] if cells < 2**32 else _far(key, cells)
    found = np.asarray(key)
    if found.dtype == np.bool_:
        if found.shape != (cells,):
            raise IndexError(f"truth values of shape {found.shape} found, ({cells},) expected")
        return np.flatnonzero(found)
    if found.size == 0:
        return np.empty(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise IndexError(f"{str(key)[:80]} found, integers, truth values or a slice expected")
    rows = found.astype(np.int64)
    outside = (rows < -cells) | (rows >= cells)
    if outside.any():
        raise IndexError(f"row {rows[outside][0]} found, {-cells} to {cells - 1} expected")
    return np.where(rows < 0, rows + cells, rows)


def _far(key: slice, cells: int) -> Ints:
    return np.arange(*key.indices(cells), dtype=np.int64)


def output(out: Pixels | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Pixels:
    """Return the array that cells are read into: the caller's, if it is as it must be.

    Raises
    ------
    SettingsError
    """
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise SettingsError(f"out: {out.shape} {out.dtype} found, {shape} {dtype} expected")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise SettingsError("out: a view or read-only found, a writeable array in C order expected")
    return out


def gather(
    readers: Sequence[Reader],
    starts: Ints,
    rows: Ints,
    out: Pixels,
    picks: Sequence[Pick | None],
    threads: int,
) -> None:
    """Read cells of several stores.

    Parameters
    ----------
    readers : sequence of readers
        One for each store.
    starts : int64 array of shape (stores,)
        The first row of each.
    rows : int64 array of shape (n,)
    out : array of shape (n, ...), C-contiguous
    picks : sequence of Pick or None
        The channels to read of each store.
    threads : int

    Raises
    ------
    StoreError
    """
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    edges = [*np.searchsorted(ascending, starts).tolist(), len(rows)]
    parts: list[tuple[int, Ints, Ints]] = []
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        if first == last:
            continue
        own, places = ascending[first:last] - starts[number], order[first:last]
        parts += [(number, own[p], places[p]) for p in readers[number].split(own, threads)]
    helpers = max(1, threads // max(1, len(parts)))
    tasks: list[Callable[[], None]] = [
        partial(readers[number].fill, own, places, out, picks[number], helpers)
        for number, own, places in parts
    ]
    run(tasks, threads)
