"""What a store was cut from, opened, and cut again with the options that the store tells.

Invariant: what is cut again goes the way of a cut.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from cellcutter import images, inputs
from cellcutter.completing import complete, options_of
from cellcutter.errors import (
    CellWarning,
    InputError,
    SettingsError,
    StoreError,
    TableError,
    reading,
)
from cellcutter.options import CUT, CellOptions, Name, TileOptions
from cellcutter.recut.pixels import Comparison
from cellcutter.recut.told import same
from cellcutter.request import Request
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.slide import Slide
from cellcutter.store.verifying.faults import Verdict
from cellcutter.types import Progress

_CHUNK_SIZE = 4  # MB that are cut and compared at one time, by a thread


@dataclass(frozen=True)
class Sources:
    """What a store was cut from.

    Parameters
    ----------
    image : path
    mask : path or None
    table : path, optional
        None where tiles were cut.
    """

    image: Name
    mask: Name | None = None
    table: Name | None = None


@dataclass(frozen=True)
class Wanted:
    """How much is compared, and what that may take.

    Parameters
    ----------
    sample : int or None
        Cells at random; all where None.
    seed : int
    p : int or None
        Threads.
    cache_size : float or None
        MB for pixels.
    """

    sample: int | None
    seed: int
    p: int | None
    cache_size: float | None


def check_sources(
    path: Path, sources: Sources, wanted: Wanted, verdict: Verdict, progress: Progress
) -> None:
    """Cut cells again, and name each that differs from what is stored.

    Raises
    ------
    InputError
        A source cannot be opened, or one that is needed is missing.
    """
    try:
        slide = Slide(path, path.name)
        cells = Cells([path], [path.name], threads=1)
        _ = slide.ids, slide.obs
    except StoreError as error:
        verdict.add("sources", "", f"not compared with the sources: {error}")
        return
    with ExitStack() as stack:
        stack.enter_context(cells)
        request = _requested(stack, slide, sources, wanted, verdict, progress)
        if request is None or not same(slide, request, verdict):
            return
        n = len(request.windows)
        number = n if wanted.sample is None else min(wanted.sample, n)
        rows = np.sort(np.random.default_rng(wanted.seed).permutation(n)[:number])
        part = replace(
            request,
            windows=request.windows[rows],
            ids=request.ids[rows],
            present=None if request.present is None else request.present[rows],
        )
        Comparison(cells, rows, part, verdict, known=bool(slide.about)).run(progress)
        verdict.compared = number


def _check_given(sources: Sources, asked: Mapping[str, object], *, tiles: bool) -> None:
    """Make sure that all sources are there that the cut needs, and no others."""
    if tiles and sources.table is not None:
        raise SettingsError("--table: one found, none expected: the store has tiles")
    if tiles:
        return
    if sources.mask is None and (asked.get("masks") or asked.get("mask_cells")):
        raise SettingsError("--mask: none found, the mask of the cells expected")
    if sources.table is None:
        raise SettingsError("--table: none found, the table of the cells expected")


def _requested(
    stack: ExitStack,
    slide: Slide,
    sources: Sources,
    wanted: Wanted,
    verdict: Verdict,
    progress: Progress,
) -> Request | None:
    """Return what was asked for when the store was cut; None where the sources do not allow it."""
    told = slide.about.get("options")
    asked: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
    axes = slide.about.get("axes")
    tiles = isinstance(axes, list) and "tile" in axes
    kind: Any = TileOptions if tiles else CellOptions
    given = {
        name: asked[name]
        for name, option in options_of(kind).items()
        if asked.get(name) is not None and (option.group == CUT or name == "shuffle")
    }
    size = slide.images.array.shape[-1]
    if slide.about:
        given["channels"] = slide.numbers
    elif not tiles:
        given |= {"window_size": size, "masks": sources.mask is not None}
    if not tiles and sources.mask is None:
        given["window_size"] = size
    if not tiles:
        given["on_missing"] = "warn"
    given |= {"p": wanted.p, "cache_size": wanted.cache_size, "chunk_size": _CHUNK_SIZE}
    given |= {"layout": "cells", "statistics": "none"}
    try:
        options = complete(kind, given)
    except SettingsError as error:
        verdict.add("sources", "", f"options told of the cut cannot be: {error}")
        return None
    _check_given(sources, given, tiles=tiles)
    mask = None if tiles else images.given_mask(sources.mask, cast("CellOptions", options))
    segmentation = None if mask is None else images.open_mask(stack, mask, options)
    picture = images.open_image_of(stack, sources.image, options, segmentation)
    if isinstance(sources.table, str | Path):
        with reading(sources.table, "a table of cells", TableError):
            Path(sources.table).stat()
    try:
        if tiles:
            return inputs.request_of_tiles(picture, size, cast("TileOptions", options))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CellWarning)
            return inputs.request_of_cells(
                picture, segmentation, cast("Name", sources.table), options, progress
            )[0]
    except InputError as error:
        verdict.add("sources", "", f"cannot be cut from these sources: {error}")
        return None
