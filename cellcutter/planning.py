"""The same story as `cut_cells`, up to where cutting would begin: what a run would make and take.

Nothing is cut but a few cells for a trial, and nothing is written but into temporary folders.
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from cellcutter import images, inputs
from cellcutter.cells.checks import LARGER
from cellcutter.completing import complete
from cellcutter.cutting import work_of
from cellcutter.documented import takes
from cellcutter.foresee import foresee
from cellcutter.limits import MB
from cellcutter.options import CellOptions, Name
from cellcutter.planned import CutPlan
from cellcutter.produce import look, names_of
from cellcutter.types import Progress

if TYPE_CHECKING:
    import pandas as pd

_RETURNED = """CutPlan
    What a run with these options would make and take."""
_FAR = 1.5  # times as large as 99 of 100 cells: the largest may be a mistake


@takes(CellOptions, _RETURNED)
def plan_cells(
    image: Name,
    mask: Name | None,
    cells: Name | pd.DataFrame,
    destination: Name | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[CellOptions],
) -> CutPlan:
    """Tell what :func:`cellcutter.cut_cells` would do, without doing it.

    Everything is opened and checked as for a run, and planned by the same functions; what is
    wrong raises the same errors. Warnings of a run become `problems`. About a second is used to
    cut a few cells for a trial, into a temporary folder: that tells how long a run takes.

    Parameters
    ----------
    image : path
        As for :func:`cellcutter.cut_cells`.
    mask : path or None
        As for :func:`cellcutter.cut_cells`.
    cells : path or DataFrame
        As for :func:`cellcutter.cut_cells`.
    destination : path, optional
        Where the store would be: whether it can be made there, and whether the disk has room.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> plan = cellcutter.plan_cells("image.ome.tif", "cell.tif", "cells.csv")  # doctest: +SKIP
    >>> plan.window.size, plan.status  # doctest: +SKIP
    """
    started = time.monotonic()
    wanted = complete(CellOptions, options)
    mask = images.given_mask(mask, wanted)
    with ExitStack() as stack:
        protect: Callable[[Iterable[Path]], None] = _nothing
        if destination is not None:
            paths = [image, mask, cells, wanted["markers"]]
            protect = stack.enter_context(look(destination, paths, wanted)).protect
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        request, found = inputs.open_cells(
            stack, image, mask, cells, wanted, protect, progress or inputs.silent
        )
        with inputs.naming_largest(request, found):
            work = work_of(request)
        opening = time.monotonic() - started
        largest = inputs.largest_of(request, found)
        plan = foresee(request, work, found, largest, opening)
        said = [str(each.message) for each in caught]
        where = [] if destination is None else _at(Path(destination), plan, wanted)
        return replace(plan, problems=(*said, *_of_cells(plan), *where))


def _nothing(_paths: Iterable[Path]) -> None:
    """Protect nothing: without a destination nothing can get the name of an input."""


def _of_cells(plan: CutPlan) -> Iterator[str]:
    """Yield what the user should know of cells and their window."""
    window = plan.window
    if number := plan.status.get(LARGER):
        yield (
            f"{number} of {plan.cells} cells are larger than the window of {window.size} pixels, "
            "and are cut off at its border"
        )
    if window.sides and window.size > _FAR * window.sides["99 %"]:
        yield (
            f"the window of {window.size} pixels is the size of the largest cell, CellID "
            f"{window.cell}; about 99 of 100 cells fit into {window.sides['99 %']} pixels: look at "
            "this cell in the mask, or give --window-size"
        )
    if plan.scratch_nbytes:
        yield (
            f"little memory: thumbnails pass through a temporary file of "
            f"{plan.scratch_nbytes / MB:,.0f} MB; a larger --cache-size is quicker"
        )


def _at(destination: Path, plan: CutPlan, options: CellOptions) -> Iterator[str]:
    """Yield what the user should know of the destination."""
    names = names_of(destination, options)
    there = [name for name in (names.destination, names.masks, names.file) if name is not None]
    for name in there:
        if os.path.lexists(name):
            how = "replaced"
            if name == names.masks and not names.has_masks:
                how = "removed"  # those of the store that is replaced
            yield f"{name}: exists, and is {how} when all is complete (-f/--force)"
    folder = next(each for each in destination.absolute().parents if each.is_dir())
    free, needed = shutil.disk_usage(folder).free, plan.store_nbytes + plan.scratch_nbytes
    if free < needed:
        how = {"exact": "", "about": "about "}.get(plan.store_nbytes_is, "at most ")
        yield (
            f"{folder}: {free / MB:,.0f} MB found free on this disk, {how}{needed / MB:,.0f} MB "
            "expected for the store"
        )
