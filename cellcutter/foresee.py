"""What a run would make and take, out of the same request and plan as the run's own.

Files that hold no pixels, such as tables and metadata, are made in a temporary folder as a run
makes them, and measured; files of pixels are reckoned.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cellcutter.cells.checks import LARGER, OK
from cellcutter.cells.found import Extent, Survey
from cellcutter.cutting import Work
from cellcutter.engine.plan import Plan
from cellcutter.limits import MB
from cellcutter.outputs import Outputs
from cellcutter.planned import CutPlan, PlannedArray, PlannedBlocks, PlannedWindow
from cellcutter.request import Array, Request
from cellcutter.store import manifest
from cellcutter.store.layout import IMAGES, MASKS
from cellcutter.store.publishing.names import is_stream
from cellcutter.store.statistics import PERCENTILES
from cellcutter.store.zarr2 import METADATA
from cellcutter.store.zipped import zipped_nbytes
from cellcutter.trial import Tried, planes_of, try_out

BESIDE = 300 * MB  # the interpreter, its libraries, and what compressors need
CELL = 200  # bytes: what a run knows of each cell
_HASH = bytes(32)  # stands for a SHA-256
_DIGITS = 24  # of a number in JSON, at the most
_NAMES = ("masks", "thumbnails")
File = tuple[str, int]


def foresee(
    request: Request, work: Work, found: Survey | None, largest: Extent | None, opening: float
) -> CutPlan:
    """Return what a run would make and take.

    Parameters
    ----------
    request : Request
    work : Work
    found : Survey, optional
        What the mask holds of the cells.
    largest : Extent, optional
        The cell that makes the window.
    opening : float
        Seconds that it took to open and to check everything.

    Raises
    ------
    ImageError
        A block that was tried is damaged.
    """
    arrays, plan = work.arrays, work.plans[-1]
    tried = try_out(request, work)
    made = _made(request, arrays, tried)
    counts = _counts(request)
    seen = 0 if found is None else found.memory
    return CutPlan(
        request.image.name,
        None if found is None else str(request.sources["labels"]),
        len(request.windows),
        counts.get(OK, 0) + counts.get(LARGER, 0),
        counts,
        _window(request, found, largest),
        _channels(request),
        str(request.image.dtype),
        request.options["layout"],
        request.options["compression"],
        request.options["z"],
        tuple(_array(each) for each in arrays),
        made.files,
        made.members,
        sum(array.layout.nbytes for array in arrays),
        made.nbytes,
        made.nbytes_is,
        max(work.memory, seen) + BESIDE + CELL * len(request.windows),
        work.memory,
        plan.threads,
        len(plan.parts),
        _scratch_nbytes(arrays[-1], plan),
        _all_blocks(request, work, found),
        *_seconds(request, work, tried, opening),
        (),
    )


@dataclass(frozen=True)
class _Made:
    """Files, and their bytes, as in :class:`CutPlan`."""

    files: int
    members: int
    nbytes: int
    nbytes_is: str


def _made(request: Request, arrays: Sequence[Array], tried: Sequence[Tried] | None) -> _Made:
    """Return what is made."""
    stores = list(_stores(request, arrays))
    metadata = request.options["save_metadata"]
    beside = 0 if metadata is None or is_stream(Path(metadata)) else 1
    members = sum(map(len, stores))
    if request.options["z"]:
        files, nbytes = len(stores), sum(map(zipped_nbytes, stores))
    else:
        files, nbytes = members, sum(size for store in stores for _, size in store)
    return _Made(files + beside, members + beside, *_nbytes(request, nbytes, tried, arrays))


def _stores(request: Request, arrays: Sequence[Array]) -> Iterator[list[File]]:
    """Yield the files of each store, with their sizes where nothing is compressed.

    In the order that they have in a zip file.
    """
    with tempfile.TemporaryDirectory(prefix="cellcutter-") as name:
        root = Path(name)
        folders = [root / each for each in _NAMES[-len(arrays) :]]
        if request.cells_first:
            folders = folders[-1:]
        with Outputs(request, arrays, [(f, None) for f in folders], root) as outputs:
            outputs.write_tables()
            outputs.describe(_widest(request))
        for number, folder in enumerate(folders):
            small = {
                file.relative_to(folder).as_posix(): file.stat().st_size
                for file in sorted(folder.rglob("*"))
                if file.is_file()
            }
            first = [] if request.cells_first else [(METADATA, small.pop(METADATA))]
            ours = arrays[::-1] if request.cells_first else [arrays[number]]
            files = [*first, *(file for each in ours for file in _files(each)), *small.items()]
            listed = manifest.written({name: _HASH for name, _ in files})
            yield [*files, (manifest.NAME, len(listed))]


def _files(array: Array) -> Iterator[File]:
    """Yield the files of an array's chunks or shards, where nothing is compressed."""
    layout = array.layout
    below = ""
    if array.job.cells_first:
        below = f"{MASKS if array.job.only is not None else IMAGES}/"
    for index in range(layout.number):
        yield f"{below}{layout.key(index)}", layout.file_nbytes(index)


def _widest(request: Request) -> dict[str, object] | None:
    """Return statistics whose numbers have as many digits as any; None where there are none."""
    if request.options["statistics"] == "none":
        return None
    channels, size = len(request.channels), request.windows.size
    each = (2 + len(PERCENTILES)) * channels
    bits = np.random.PCG64(0).random_raw(64 * each) & np.uint64((1 << 52) - 1)
    numbers = -(bits | np.uint64(1 << 52)).astype(np.float64) * 1e-300
    wide = [n for n in numbers.tolist() if len(repr(n)) >= _DIGITS - 1][:each]
    rows = [wide[i : i + channels] for i in range(0, each, channels)]
    return {
        "cells": len(request.windows),
        "pixels": [len(request.windows) * size**2] * channels,
        "exact": False,
        "relative_error": 2.0**-7,
        "mean": rows[0],
        "std": rows[1],
        "percentiles": {f"{p:g}": row for p, row in zip(PERCENTILES, rows[2:], strict=True)},
    }


def _nbytes(
    request: Request, nbytes: int, tried: Sequence[Tried] | None, arrays: Sequence[Array]
) -> tuple[int, str]:
    """Return the bytes of all stores, and what that number is."""
    if request.options["compression"] == "none":
        return nbytes, "exact" if request.options["statistics"] == "none" else "at most"
    if tried is None:
        return nbytes, "unknown"
    less = sum(
        each.layout.files_nbytes * (1 - one.written / one.nbytes)
        for each, one in zip(arrays, tried, strict=True)
    )
    return nbytes - int(less), "about"


def _counts(request: Request) -> Mapping[str, int]:
    """Return how many cells have each status, those that are fine first."""
    if request.status is None:
        return {OK: len(request.windows)}
    words, numbers = np.unique(request.status.astype(str), return_counts=True)
    counts = dict(zip(words.tolist(), numbers.tolist(), strict=True))
    order = sorted(counts, key=lambda word: (word != OK, word != LARGER, -counts[word]))
    return {word: counts[word] for word in order}


def _window(request: Request, found: Survey | None, largest: Extent | None) -> PlannedWindow:
    size = request.windows.size
    if found is None or largest is None:
        return PlannedWindow(size, "--window-size")
    top, bottom, left, right = found.boxes[:, found.present]
    sides = np.maximum(bottom - top, right - left)
    of_100 = int(np.quantile(sides, 0.99, method="lower"))
    return PlannedWindow(
        size,
        "largest cell",
        largest.cell,
        (largest.top, largest.bottom, largest.left, largest.right),
        {"median": int(np.median(sides)), "99 %": of_100, "largest": int(sides.max())},
    )


def _channels(request: Request) -> tuple[Mapping[str, object], ...]:
    names = request.names
    return tuple({"number": c + 1, "name": names[c] if names else None} for c in request.channels)


def _array(array: Array) -> PlannedArray:
    layout = array.layout
    name = _NAMES[0] if array.job.only is not None else _NAMES[1]
    return PlannedArray(
        name,
        layout.stored_shape,
        layout.stored_chunks,
        str(layout.dtype),
        layout.number,
        layout.nbytes,
    )


def _all_blocks(request: Request, work: Work, found: Survey | None) -> Mapping[str, PlannedBlocks]:
    """Return the blocks of the image; and of the mask, once more where masks are cut."""
    masks, image = work.plans[0], work.plans[-1]
    needed = image.touches.needed
    read = int(np.count_nonzero(needed)) * planes_of(image, request, masks=False)
    blocks = {"image": PlannedBlocks(read, needed.size * len(request.image.planes))}
    if found is not None:
        again = 0 if masks is image else int(np.count_nonzero(masks.touches.needed))
        blocks["mask"] = PlannedBlocks(found.blocks + again, found.of)
    return blocks


def _scratch_nbytes(array: Array, plan: Plan) -> int:
    if plan.places is None:
        return 0
    return len(plan.places) * array.job.cell_nbytes(max(map(len, plan.parts)))


def _seconds(
    request: Request, work: Work, tried: Sequence[Tried] | None, opening: float
) -> tuple[float | None, str]:
    """Return about how long a run takes, and how that was reckoned."""
    if tried is None:
        return None, "not tried: no cell lies in the image, or its blocks are too large"
    seconds = 0.0
    for array, plan, one in zip(work.arrays, work.plans, tried, strict=True):
        planes = planes_of(plan, request, masks=array.job.only is not None)
        blocks = int(np.count_nonzero(plan.touches.needed)) * planes
        nbytes = array.layout.files_nbytes
        seconds += one.seconds(blocks, nbytes) / plan.threads
    last = tried[-1]
    how = (
        f"{opening:.1f} s to read the table and the mask, and {seconds:.1f} s for the rest by a "
        f"trial ({last.blocks} blocks, {last.nbytes / MB:.1f} MB of thumbnails); a slow disk, or a "
        "busy computer, takes longer"
    )
    return opening + seconds, how
