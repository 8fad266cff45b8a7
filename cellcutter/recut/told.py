"""All but pixels: what a store tells, compared with what its sources say."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellcutter.request import Request
from cellcutter.store.reading.slide import Slide
from cellcutter.store.verifying.faults import Verdict

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
    _compare_tables(slide, request, verdict)
    return True


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
