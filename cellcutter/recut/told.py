"""All but pixels: what a store tells, compared with what its sources say."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from cellcutter.cells.all_columns import TableColumns
from cellcutter.outputs import given_names
from cellcutter.request import Request
from cellcutter.store.anndata import named
from cellcutter.store.reading.slide import Slide
from cellcutter.store.reading.table import IDS, OWN
from cellcutter.store.verifying.faults import Verdict
from cellcutter.types import Column, Name, Pixels, PixelSize

_COMPARED = ("X_start", "X_stop", "Y_start", "Y_stop", "OutOfBounds", "Status")


def same(slide: Slide, request: Request, verdict: Verdict) -> bool:
    """Compare all but pixels; tell whether pixels can be compared."""
    array, about = slide.images.array, slide.about
    found: list[tuple[str, object, object]] = [
        ("window", array.shape[-1], request.windows.size),
        ("channels", array.shape[0], len(request.channels)),
        ("pixels of type", array.dtype.newbyteorder("="), request.image.dtype),
        (f"{request.kind}s", len(slide), len(request.windows)),
    ]
    for name, stored, wanted in found:
        if stored != wanted:
            verdict.add("sources", "", f"{name}: {stored} stored, {wanted} in the sources")
    if verdict.faults and any(stored != wanted for _, stored, wanted in found):
        return False
    shape = about.get("image_shape")
    if shape is not None and shape != list(request.image.shape):
        verdict.add("sources", "", f"image of {shape} told, {list(request.image.shape)} found")
    told, found_size = slide.pixel_size, request.image.pixel_size
    if told is not None and found_size is not None and told != found_size:
        verdict.add("sources", "", f"pixels of {_size(told)} told, {_size(found_size)} found")
    _compare_tables(slide, request, verdict)
    if request.kind == "cell":
        _compare_columns(slide, request, verdict)
    return True


def _size(size: PixelSize) -> str:
    return f"{size.y:g} x {size.x:g} {size.unit}"


def _compare_tables(slide: Slide, request: Request, verdict: Verdict) -> None:
    if slide.ids is not None and (differ := np.flatnonzero(slide.ids != request.ids)).size:
        row = int(differ[0])
        verdict.add(
            "sources",
            "",
            f"{differ.size} cells have another CellID than in the table, the first in row {row}: "
            f"{slide.ids[row]} stored, {request.ids[row]} in the table",
        )
    wanted: dict[str, Any] = {name: column.values for name, column in request.columns()}
    if request.status is not None:
        wanted["Status"] = request.status.astype(str)
    obs = slide.obs
    without_mask = request.present is None
    for name in _COMPARED:
        if name not in obs or name not in wanted or (name == "Status" and without_mask):
            continue
        stored = obs[name].astype(str).to_numpy()
        differ = np.flatnonzero(stored != np.asarray(wanted[name]).astype(str))
        if differ.size:
            row = int(differ[0])
            verdict.add(
                "sources",
                "",
                f"{name} of {differ.size} {request.kind}s is another than in the sources, the "
                f"first in row {row}: {stored[row]} stored, {wanted[name][row]} found",
            )


def _compare_columns(slide: Slide, request: Request, verdict: Verdict) -> None:
    """Compare the columns of the given table that are stored, one by one."""
    stored = set(map(str, slide.obs)) - {*IDS, *OWN}
    if not stored:
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        TableColumns(cast("Name", request.cells), len(request.windows), Path(folder)) as table,
    ):
        called = dict(named((shown, name) for name, shown in given_names(table, request).items()))
        for name, column in slide.columns():
            if name in stored and name not in called:
                verdict.add("sources", "", f"column {name!r} stored, none such in the table")
            elif name in stored:
                given = table.read(called[name], request.order)
                _compare_column(name, _values(column), _values(given), verdict)


def _compare_column(name: str, stored: Pixels, given: Pixels, verdict: Verdict) -> None:
    differ = np.flatnonzero(stored != given)
    if differ.size:
        row = int(differ[0])
        verdict.add(
            "sources",
            "",
            f"{name} of {differ.size} cells is another than in the table, the first in row {row}: "
            f"{stored[row]} stored, {given[row]} in the table",
        )


def _values(column: Column) -> Pixels:
    """Return values that can be compared whatever type they are stored in; None where missing.

    An empty text is missing, as it is in CSV.
    """
    values: Pixels = column.values
    if column.is_text:
        texts = values if column.categories is None else [*column.categories, None]
        known: Pixels = np.array([text or None for text in texts], object)
        return known if column.categories is None else known[values]
    missing = values != values if values.dtype.kind == "f" else column.missing
    if missing is None or not missing.any():
        return values
    found = values.astype(object)
    found[missing] = None
    return found
