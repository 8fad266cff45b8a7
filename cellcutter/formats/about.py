"""Pure: what a store says of itself, said by a store of the other layout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from cellcutter.errors import StoreError
from cellcutter.store import describe, manifest
from cellcutter.store.reading.slide import Slide
from cellcutter.store.reading.table import OWN
from cellcutter.types import Column

_ORDER = ("layout", "masks", "shuffle")  # of the last options, as cutting writes them


def kind_of(slide: Slide) -> str:
    """Return what a store has a thumbnail of: ``cell`` or ``tile``."""
    axes = slide.about.get("axes")
    return "tile" if isinstance(axes, list) and "tile" in axes else "cell"


def about(slide: Slide, layout: str, *, masks: bool = False) -> dict[str, object]:
    """Return the attribute ``cellcutter``, as cutting in this layout would have written it.

    Parameters
    ----------
    slide : Slide
    layout : str
        ``cells`` or ``chunks``.
    masks : bool
        It is for a store of masks.
    """
    array, kind = slide.images.array, kind_of(slide)
    axes = {"cells": (kind, "channel", "y", "x"), "chunks": ("channel", kind, "y", "x")}[layout]
    told = dict(slide.about) or _unknown(slide)
    channels_of(slide)  # statistics are handed on as they are
    told["axes"] = [kind, "y", "x"] if masks else list(axes)
    options = told.get("options")
    if isinstance(options, dict):
        told["options"] = _options(options, layout)
    told["table"] = _table(slide, layout, array.cells)
    if masks:
        told.pop("statistics", None)
    told["manifest"] = manifest.NAME
    return told


def channels_of(slide: Slide) -> dict[str, Column]:
    """Return the table of the channels: names, numbers, and statistics where there are some.

    Raises
    ------
    StoreError
        The statistics are not what they must be.
    """
    names, numbers = [str(label) for label in slide.labels], [n - 1 for n in slide.numbers]
    told: Any = slide.about.get("statistics")
    try:
        columns = dict(describe.channel_columns(names, numbers, told))
        wrong = [name for name, column in columns.items() if column.values.shape != (len(names),)]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        wrong = [" ".join(str(error).split())[:80]]
    if wrong:
        raise StoreError(
            f"{slide.path}: statistics: {wrong[0]} found, numbers for each channel expected"
        )
    return columns


def _unknown(slide: Slide) -> dict[str, object]:
    """Return what can be said of a store that says nothing, as those of 0.2.12."""
    pairs = zip(slide.numbers, slide.names, strict=True)
    return {
        "version": None,
        "axes": None,
        "channels": [{"number": number, "name": name} for number, name in pairs],
        "window_size": slide.images.array.shape[-1],
        "pixel_size": None,
        "image_shape": None,
        "sources": {},
        "options": {},
    }


def _options(options: Mapping[str, Any], layout: str) -> dict[str, Any]:
    last = {name: options[name] for name in _ORDER if name in options and name != "layout"}
    if layout == "cells":
        last = {"layout": layout, **last}
    return {name: value for name, value in options.items() if name not in _ORDER} | last


def _table(slide: Slide, layout: str, rows: int) -> dict[str, object]:
    kind, ids = kind_of(slide), slide.ids
    if layout == "cells":
        found: dict[str, object] = {"group": None if ids is None else "obs", "rows": rows}
    else:
        found = {"file": None if ids is None else f"{kind}s.csv", "rows": rows}
        # CSV keeps no types: what looks like a number may be a text
        texts = [name for name, column in slide.columns() if column.is_text and name not in OWN]
        if texts:
            found["texts"] = texts
    if ids is not None and kind == "cell":
        found["cell_ids_sha256"] = hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()
    return found
