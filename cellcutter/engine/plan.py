"""Pure: how windows are cut within the memory allowed, decided before any pixel is read.

Invariant: a plan's figure of memory bounds what the engine allocates. Memory changes sizes (of
regions, of the number of buffers and threads), how often the image is walked, each time for other
channels, and whether thumbnails pass through a scratch file on their way to their chunks; it never
changes which code cuts them, nor the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cellcutter.engine.regions import Touches, grid_for, touches
from cellcutter.engine.schedule import (
    Groups,
    Times,
    by_place,
    groups_of,
    image_order,
    open_at_once,
    scratch_places,
    times,
)
from cellcutter.engine.windows import Windows
from cellcutter.errors import SettingsError
from cellcutter.types import Bools, Ints

MB = 1024 * 1024

# A region's least height in pixels, the same in windows, and its area: the sizes tried in turn.
# High regions share few windows; low ones keep few buffers open.
REGION_SIZES = ((256, 4, 1 << 20), (128, 2, 1 << 19), (64, 1, 1 << 18), (1, 0, 1))
# Bytes of a buffer on the way to the scratch file: large ones are written in longer runs.
SCRATCH_BUFFERS = (64 * MB, 8 * MB, MB, MB // 8, 1)
# A batch of windows that is copied should stay in a processor's own cache.
BATCH_NBYTES = 768 * 1024
# More than this, and a buffer for each thread, is not taken where more walks do with less: memory
# not used before is dear, another walk is not.
ENOUGH = 384 * MB


@dataclass(frozen=True)
class Source:
    """What a plan must know of an image or of labels.

    Parameters
    ----------
    image_shape, block_shape : (height, width) in pixels
    itemsize : int
        Bytes of a pixel.
    planes : tuple of int
        Number of channels stored together in each plane.
    block_nbytes : int
        Temporary memory for reading one block.
    """

    image_shape: tuple[int, int]
    block_shape: tuple[int, int]
    itemsize: int
    planes: tuple[int, ...]
    block_nbytes: int


@dataclass(frozen=True)
class Job:
    """What is to be cut, and with what.

    Parameters
    ----------
    windows : Windows
        In the order of the output.
    source : Source
        The image; or the labels, for masks.
    channels : tuple of int
        The plane of each output channel; one for masks.
    cells_per_chunk : int
    itemsize : int
        Bytes of a pixel of the output.
    unit : int
        Channels of a chunk that must be written together.
    encoder_nbytes : int
        Memory that a thread needs to encode a chunk, beside the chunk.
    threads : int
    memory : int
        Bytes allowed.
    select : bool array of shape (n,), optional
        Windows to be cut; the others are zero.
    mask_nbytes : int
        Memory that a thread needs for the masks that it lays over a chunk.
    cells_first : bool
        Whether chunks are put together as (cells, channels, size, size).
    """

    windows: Windows
    source: Source
    channels: tuple[int, ...]
    cells_per_chunk: int
    itemsize: int
    unit: int
    encoder_nbytes: int
    threads: int
    memory: int
    select: Bools | None = None
    mask_nbytes: int = 0
    cells_first: bool = False

    def cell_nbytes(self, channels: int) -> int:
        """Bytes of one cell's thumbnails in some channels."""
        return channels * self.windows.size**2 * self.itemsize


@dataclass(frozen=True)
class Plan:
    """How a job is done.

    Parameters
    ----------
    threads : int
    batch : int
        Windows copied at one time.
    touches : Touches
    parts : tuple of range
        The output channels of each walk.
    groups : Groups
        Those of each walk: the chunks, or groups that go to a scratch file.
    buffers : int
        Buffers held at one time.
    buffer_nbytes : int
        Bytes of a buffer, in the walk of the most channels.
    places : int64 array of shape (n,), or None
        The place of each window in the scratch file, if there is one.
    memory : int
        Bytes that the engine allocates at the most.
    """

    threads: int
    batch: int
    touches: Touches
    parts: tuple[range, ...]
    groups: Groups
    buffers: int
    buffer_nbytes: int
    places: Ints | None
    memory: int


def make_plan(job: Job) -> Plan:
    """Return the first plan that fits the memory allowed, from the quickest to the smallest.

    Raises
    ------
    SettingsError
        Even the smallest plan needs more memory.
    """
    least = 0
    for plan in _candidates(job):
        if plan.memory <= job.memory:
            return plan
        least = min(least or plan.memory, plan.memory)
    raise SettingsError(
        f"--cache-size: {job.memory / MB:.3g} MB found, at least {-(-least // MB)} MB expected "
        f"(window of {job.windows.size} pixels, {job.cells_per_chunk} per chunk)"
    )


def _candidates(job: Job) -> Iterator[Plan]:
    """Yield plans: walks that need no more than enough, the most walks, and a scratch file."""
    visits = [_Visit(job, *sizes) for sizes in REGION_SIZES]
    partings = partings_of(job)
    threads = job.threads
    while threads:
        for visit in visits:
            for parts in partings:
                plan = _direct(visit, threads, parts)
                if (plan.buffers - threads) * plan.buffer_nbytes <= ENOUGH:
                    yield plan
        for visit in visits:
            yield _direct(visit, threads, partings[-1])
        for visit in visits:
            yield from _through_scratch(visit, threads, partings[-1])
        threads //= 2


def partings_of(job: Job) -> list[tuple[range, ...]]:
    """Return the ways to share out the output's channels to walks, from one walk to many.

    A walk has whole units of the chunks' division, and no plane is read by two walks.
    """
    number, unit = len(job.channels), job.unit
    last = {plane: i for i, plane in enumerate(job.channels)}
    cuts, reach = [0], -1  # where channels may be parted
    for i, plane in enumerate(job.channels):
        reach = max(reach, last[plane])
        if reach == i and (i + 1) % unit == 0:
            cuts.append(i + 1)
    found: list[tuple[range, ...]] = []
    for walks in range(1, len(cuts)):
        starts = [cuts[(len(cuts) - 1) * walk // walks] for walk in range(walks)]
        stops = [*starts[1:], number]
        found.append(tuple(map(range, starts, stops)))
    return found


class _Visit:
    """The image divided into regions of a size, and when windows are touched."""

    def __init__(self, job: Job, height: int, window_heights: int, area: int) -> None:
        self.job = job
        self.height = max(height, window_heights * job.windows.size)
        self.area = area

    @cached_property
    def touches(self) -> Touches:
        source = self.job.source
        grid = grid_for(source.image_shape, source.block_shape, self.height, self.area)
        return touches(self.job.windows, grid, self.job.select)

    @cached_property
    def when(self) -> Times:
        return times(self.touches, len(self.job.windows))

    @cached_property
    def chunks(self) -> tuple[Groups, int]:
        """The chunks as groups, and how many of them are open at once."""
        groups = groups_of(np.arange(len(self.job.windows)), self.job.cells_per_chunk)
        return groups, open_at_once(self.when, groups)

    def batch(self, threads: int) -> int:
        """Windows that a thread copies at one time."""
        allowed = min(BATCH_NBYTES, self.job.memory // (16 * threads))
        return max(1, allowed // (self.job.source.itemsize * self.job.windows.size**2))

    def worker_nbytes(self, threads: int) -> int:
        """Memory of a thread that reads regions: pixels with margins, a block, a batch."""
        source, size = self.job.source, self.job.windows.size
        batch = self.batch(threads) * (source.itemsize + 1) * size**2
        return region_nbytes(source, self.touches, size) + source.block_nbytes + 2 * batch


def region_nbytes(source: Source, layer: Touches, size: int) -> int:
    """Bytes of the largest region of a layer with the margins that windows of `size` need."""
    height, width = (
        min(r, i) + 2 * (size - 1)
        for r, i in zip(layer.grid.region_shape, source.image_shape, strict=True)
    )
    return height * width * source.itemsize * max(source.planes)


def _direct(visit: _Visit, threads: int, parts: tuple[range, ...]) -> Plan:
    """Plan walks whose buffers are the chunks, or those channels of them that are the walk's."""
    job = visit.job
    groups, least = visit.chunks
    nbytes = job.cells_per_chunk * job.cell_nbytes(max(map(len, parts)))
    encoding = job.encoder_nbytes + job.mask_nbytes
    workers = threads * (visit.worker_nbytes(threads) + encoding)
    affordable = (job.memory - workers) // nbytes
    buffers = max(least, min(least + threads + 1, groups.number, affordable))
    memory = workers + buffers * nbytes
    return Plan(
        threads,
        visit.batch(threads),
        visit.touches,
        parts,
        groups,
        buffers,
        nbytes,
        None,
        memory,
    )


def _through_scratch(visit: _Visit, threads: int, parts: tuple[range, ...]) -> Iterator[Plan]:
    """Plan walks in the order of the image, whose buffers are written to a scratch file."""
    job = visit.job
    if len(job.windows) <= job.cells_per_chunk:
        return
    order = image_order(visit.touches, visit.when)
    places = scratch_places(order, job.cells_per_chunk)
    cell_nbytes = job.cell_nbytes(max(map(len, parts)))
    reading = threads * visit.worker_nbytes(threads)
    # a chunk as it is in the file, and in order, and a channel of it on the way
    chunks = job.cells_per_chunk * (2 * cell_nbytes + job.cell_nbytes(1))
    encoding = threads * (chunks + job.encoder_nbytes + job.mask_nbytes)
    for nbytes in SCRATCH_BUFFERS:
        capacity = max(1, min(len(order), nbytes // cell_nbytes))
        groups = groups_of(by_place(order, capacity, places), capacity)
        writing = threads + 1  # buffers that are written while the walk goes on
        buffers = min(open_at_once(visit.when, groups) + writing, groups.number)
        memory = max(reading + buffers * capacity * cell_nbytes, encoding)
        yield Plan(
            threads,
            visit.batch(threads),
            visit.touches,
            parts,
            groups,
            buffers,
            capacity * cell_nbytes,
            places,
            memory,
        )
