"""Which cells a caller's options ask for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from cellcutter.errors import SettingsError
from cellcutter.gallery_options import GROUP_CELLS, PAGE_CELLS, SHEET_CELLS, GalleryOptions
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.places import readable
from cellcutter.types import Floats, Ints
from cellcutter.view.choose import Choice, How, choose, groups_of, sort
from cellcutter.view.table import Table

log = logging.getLogger("cellcutter")


def choice_of(
    cells: Cells, table: Table, wanted: GalleryOptions, *, page: bool
) -> tuple[Choice, str | None, list[str]]:
    """Return which cells are shown.

    Parameters
    ----------
    cells : Cells
    table : Table
    wanted : GalleryOptions
    page : bool
        A page shows more cells than a picture.

    Returns
    -------
    choice : Choice
    column : str or None
        The column that orders them.
    said : list of str
        Which they are, in words.

    Raises
    ------
    SettingsError
        A column or a CellID is not there, or no cell is chosen.
    """
    how, column = _way(wanted)
    values: Floats | None = None
    if column:
        numbers = table.numbers(column, f"--{how}")
        column, values = str(numbers.name), numbers.to_numpy(np.float64)
        if lacking := int(np.isnan(values).sum()):
            log.info("%d of the cells have no number in %s; left out", lacking, column)
    among = np.arange(len(cells)) if wanted["ids"] is None else _rows_of(cells, wanted)
    groups: list[tuple[str | None, Ints]] = [(None, among)]
    if wanted["group_by"] is not None:
        found = groups_of(table.column(wanted["group_by"], "--group-by"), "--group-by")
        groups = [(name, among[np.isin(among, rows)]) for name, rows in found]
    number = wanted["number"] or _number(wanted, len(groups), page=page)
    if wanted["ids"] is not None:
        number = len(among)
    chosen = [
        choose(rows, number, how, values, wanted["seed"]) if wanted["ids"] is None else rows
        for _, rows in groups
    ]
    if wanted["sort_by"] is not None:
        by = table.column(wanted["sort_by"], "--sort-by")
        column = str(by.name)
        chosen = [sort(rows, by) for rows in chosen]
    counted = [(g[0], len(rows)) for g, rows in zip(groups, chosen, strict=True) if len(rows)]
    rows = np.concatenate([*chosen, np.zeros(0, np.int64)]).astype(np.int64)
    if not len(rows):
        raise SettingsError(f"{cells.paths[0]}: no cell chosen, at least one expected")
    said = [f"{len(rows):,} of {len(cells):,} cells, {_words(wanted, how)}"]
    if wanted["group_by"] is not None:
        left = len(among) - sum(len(rows) for _, rows in groups)
        if left:
            log.info("%d of the cells have no %s; left out", left, wanted["group_by"])
        said[0] += f", by {wanted['group_by']}"
    return Choice(rows, counted), column, said


def _way(wanted: GalleryOptions) -> tuple[How, str | None]:
    ways: tuple[How, ...] = ("top", "bottom", "spread")
    for how in ways:
        if (column := cast(Mapping[str, str | None], wanted)[how]) is not None:
            return how, column
    return "random", None


def _number(wanted: GalleryOptions, groups: int, *, page: bool) -> int:
    if page:
        return max(1, PAGE_CELLS // groups)
    return SHEET_CELLS if wanted["group_by"] is None else GROUP_CELLS


def _words(wanted: GalleryOptions, how: How) -> str:
    if wanted["ids"] is not None:
        return "by CellID"
    if how == "random":
        return f"at random (seed {wanted['seed']})"
    column = wanted[how]
    return {
        "top": f"highest {column}",
        "bottom": f"lowest {column}",
        "spread": f"evenly along {column}",
    }[how]


def _rows_of(cells: Cells, wanted: GalleryOptions) -> Ints:
    """Return the rows of cells that a caller names, in that order."""
    words = [str(word).rpartition(":") for word in cast(Sequence[str], wanted["ids"])]
    ids = [(readable(slide) if separator else None, int(cell)) for slide, separator, cell in words]
    rows = np.zeros(len(ids), np.int64)
    for slide in {slide for slide, _ in ids}:
        places = [place for place, (of, _) in enumerate(ids) if of == slide]
        rows[places] = cells.rows_of([ids[place][1] for place in places], slide)
    _, first = np.unique(rows, return_index=True)
    if len(first) < len(rows):
        twice = int(np.setdiff1d(np.arange(len(rows)), first)[0])
        raise SettingsError(f"--ids: {ids[twice][1]} found twice, once expected")
    return rows
