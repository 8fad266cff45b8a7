"""A few cells cut for a trial: how long it takes, and how far they can be compressed.

The cells lie in a few regions of the image, are cut as a run cuts them, by one thread, and go into
a temporary folder, which is removed at once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cellcutter.cutting import Work, work_of
from cellcutter.engine.assemble import Cutting, Sink
from cellcutter.engine.plan import Plan
from cellcutter.outputs import Outputs
from cellcutter.request import Request
from cellcutter.types import Ints, Pixels

SECONDS = 1.0  # that a trial should take
_MOST_NBYTES = 256 << 20  # of a block: larger ones take too long to be tried
_CHUNK_NBYTES = 4 << 20  # of thumbnails of a region
_REGIONS, _CHANNELS = 8, 8


@dataclass(frozen=True)
class Tried:
    """What an array of a trial took, by one thread.

    Parameters
    ----------
    blocks : int
        Blocks that were decoded.
    reading : float
        Seconds for decoding, and for copying windows.
    nbytes : int
        Bytes of the pixels before they were compressed.
    writing : float
        Seconds for compressing and writing.
    written : int
        Bytes that were written.
    """

    blocks: int
    reading: float
    nbytes: int
    writing: float
    written: int

    def seconds(self, blocks: int, nbytes: int) -> float:
        """Return how long so many blocks and bytes take one thread."""
        return self.reading / self.blocks * blocks + self.writing / self.nbytes * nbytes


def try_out(request: Request, work: Work) -> list[Tried] | None:
    """Cut a few cells of a request, for about a second.

    Returns
    -------
    list of Tried, or None
        One for each array. None where no cell lies in the image, or where decoding a single block
        may take long.

    Raises
    ------
    ImageError
        A block is damaged.
    """
    touches = work.plans[-1].touches
    if not len(touches.regions) or request.image.block_nbytes > _MOST_NBYTES:
        return None
    started = time.monotonic()
    _trial(_some(request, work, 1, 1))  # libraries are loaded, too
    found = _trial(some := _some(request, work, 1, 1))
    one = max(found[-1].reading + found[-1].writing, 1e-3)
    left = SECONDS - (time.monotonic() - started)
    if left > one:
        channels = max(1, min(_CHANNELS, len(request.channels), int(left / one)))
        regions = max(1, min(_REGIONS, int(left / one) // channels))
        some = _some(request, work, regions, channels)
        found = _trial(some)
    return found


def planes_of(plan: Plan, request: Request, *, masks: bool) -> int:
    """Return how many planes the walks of a plan read, all together."""
    if masks:
        return 1
    of_channel = {c: number for number, plane in enumerate(request.image.planes) for c in plane}
    return sum(len({of_channel[request.channels[i]] for i in part}) for part in plan.parts)


def _some(request: Request, work: Work, regions: int, channels: int) -> Request:
    """Return the request for some cells, of regions that are spread evenly, and some channels."""
    touches, chosen = work.plans[-1].touches, request.channels
    if channels < len(chosen):
        chosen = [chosen[i] for i in _spread(len(chosen), channels)]
    cell_nbytes = len(chosen) * request.windows.size**2 * request.image.dtype.itemsize
    most = max(1, _CHUNK_NBYTES // cell_nbytes)
    where = [touches.of(i)[:most] for i in _spread(len(touches.regions), regions)]
    rows: Ints = np.unique(np.concatenate(where)).astype(np.int64)
    options = request.options.copy()
    options["z"] = False
    if options["statistics"] != "exact":
        options["statistics"] = "none"  # those of some thousand cells are nothing beside a run
    return replace(
        request,
        channels=list(chosen),
        windows=request.windows[rows],
        ids=request.ids[rows],
        options=options,
        # no more memory than the run itself: chunks of as many cells, and fewer channels
        limits=replace(request.limits, threads=1, per_chunk=work.arrays[-1].layout.per_chunk),
        status=None,
        present=None if request.present is None else request.present[rows],
        order=None,
    )


def _spread(number: int, some: int) -> list[int]:
    """Return so many places of a number of places, evenly, from the middle of each part."""
    some = min(some, number)
    return [(2 * i + 1) * number // (2 * some) for i in range(some)]


def _trial(request: Request) -> list[Tried]:
    work, found = work_of(request), []
    with tempfile.TemporaryDirectory(prefix="cellcutter-") as name:
        folder = Path(name)
        apart = len(work.arrays) if not request.cells_first else 1
        places = [(folder / str(number), None) for number in range(apart)]
        with Outputs(request, work.arrays, places, folder) as outputs:
            written = 0
            for array, plan, sink in zip(work.arrays, work.plans, outputs.sinks(), strict=True):
                timed = _Timed(sink)
                started = time.perf_counter()
                Cutting(plan, array.job, timed, folder).run(lambda: None)
                seconds = time.perf_counter() - started
                planes = planes_of(plan, request, masks=array is not work.arrays[-1])
                blocks = int(np.count_nonzero(plan.touches.needed)) * planes
                new, written = outputs.nbytes - written, outputs.nbytes
                nbytes = array.layout.files_nbytes
                found.append(
                    Tried(max(1, blocks), seconds - timed.seconds, nbytes, timed.seconds, new)
                )
    return found


class _Timed:
    """A sink that adds up how long it takes."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Callable[[int, Pixels], None] = sink
        self.seconds = 0.0

    def __call__(self, index: int, pixels: Pixels) -> None:
        started = time.perf_counter()
        self._sink(index, pixels)
        self.seconds += time.perf_counter() - started
