"""Pure: how the image is walked within the memory allowed, decided before any pixel is read.

Invariant: a plan's figure of memory bounds what the engine allocates. Memory changes sizes (of
regions, of the number of buffers and threads) and whether thumbnails pass through a scratch file
on their way to their chunks; it never changes which code cuts them, nor the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cellcutter.blosc import encoder_nbytes
from cellcutter.errors import SettingsError
from cellcutter.regions import Touches, grid_for, touches
from cellcutter.schedule import (
    Groups,
    Times,
    by_place,
    groups_of,
    image_order,
    open_at_once,
    scratch_places,
    times,
)
from cellcutter.windows import Bools, Ints, Windows

MB = 1024 * 1024

# A region's least height in pixels, the same in windows, and its area: the sizes tried in turn.
# High regions share few windows; low ones keep few buffers open.
REGION_SIZES = ((256, 4, 1 << 20), (128, 2, 1 << 19), (64, 1, 1 << 18), (1, 0, 1))
# Bytes of a buffer on the way to the scratch file: large ones are written in longer runs.
SCRATCH_BUFFERS = (64 * MB, 8 * MB, MB, MB // 8, 1)
# A batch of windows that is copied should stay in a processor's own cache.
BATCH_NBYTES = 768 * 1024


@dataclass(frozen=True)
class Source:
    """What a plan must know of an image or of labels.

    Parameters
    ----------
    image_shape, block_shape : (height, width) in pixels
    itemsize : int
        Bytes of a pixel.
    planes : tuple of int
        Number of channels stored together in each needed plane.
    wanted : tuple of int
        Number of output channels that come from each needed plane.
    block_nbytes : int
        Temporary memory for reading one block.
    """

    image_shape: tuple[int, int]
    block_shape: tuple[int, int]
    itemsize: int
    planes: tuple[int, ...]
    wanted: tuple[int, ...]
    block_nbytes: int


@dataclass(frozen=True)
class Job:
    """What is to be cut, and with what.

    Parameters
    ----------
    windows : Windows
        In the order of the output.
    image : Source
    labels : Source or None
        None where no masks are wanted.
    labelled : bool array of shape (n,)
        Windows whose cell the labels hold.
    cells_per_chunk : int
    threads : int
    memory : int
        Bytes allowed.
    """

    windows: Windows
    image: Source
    labels: Source | None
    labelled: Bools
    cells_per_chunk: int
    threads: int
    memory: int

    @property
    def mask_nbytes(self) -> int:
        """Bytes of one cell's boolean mask."""
        return self.windows.size**2

    def cell_nbytes(self, planes: range) -> int:
        """Bytes of one cell's thumbnails in the output channels of some planes."""
        return sum(self.image.wanted[i] for i in planes) * self.mask_nbytes * self.image.itemsize

    @property
    def all_planes(self) -> range:
        """Positions of all needed planes of the image."""
        return range(len(self.image.planes))

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of a chunk, with its masks if there are any."""
        masks = self.mask_nbytes if self.labels else 0
        return self.cells_per_chunk * (self.cell_nbytes(self.all_planes) + masks)


@dataclass(frozen=True)
class Walk:
    """One walk down the image that fills the buffers of groups.

    Parameters
    ----------
    planes : range
        Positions in ``Source.planes`` of the image.
    labels : bool
        Whether the masks are cut.
    groups : Groups
    buffers : int
        Buffers held at one time.
    """

    planes: range
    labels: bool
    groups: Groups
    buffers: int


@dataclass(frozen=True)
class Plan:
    """How a job is done.

    Parameters
    ----------
    threads : int
    batch : int
        Windows copied at one time.
    image : Touches
    labels : Touches or None
    walks : tuple of Walk
        One, whose groups are the chunks; or several, whose groups go to a scratch file.
    places : int64 array of shape (n,), or None
        The place of each window in the scratch file, if there is one.
    memory : int
        Bytes that the engine allocates at the most.
    """

    threads: int
    batch: int
    image: Touches
    labels: Touches | None
    walks: tuple[Walk, ...]
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
    visits = [_Visit(job, *sizes) for sizes in REGION_SIZES]
    threads = job.threads
    while threads:
        yield from (_direct(visit, threads) for visit in visits)
        for visit in visits:
            yield from _through_scratch(visit, threads)
        threads //= 2


class _Visit:
    """The image and the labels divided into regions of a size, and when windows are touched."""

    def __init__(self, job: Job, height: int, window_heights: int, area: int) -> None:
        self.job = job
        self.height = max(height, window_heights * job.windows.size)
        self.area = area

    @cached_property
    def image(self) -> Touches:
        return self._touches(self.job.image, None)

    @cached_property
    def labels(self) -> Touches | None:
        return self._touches(self.job.labels, self.job.labelled) if self.job.labels else None

    def _touches(self, source: Source, select: Bools | None) -> Touches:
        grid = grid_for(source.image_shape, source.block_shape, self.height, self.area)
        return touches(self.job.windows, grid, select)

    def times(self, *, image: bool, labels: bool) -> Times:
        layers = ([self.image] if image else []) + ([self.labels] if labels and self.labels else [])
        return times(layers, len(self.job.windows))

    def batch(self, threads: int) -> int:
        """Windows that a thread copies at one time."""
        pixel = max(self.job.image.itemsize, self.job.labels.itemsize if self.job.labels else 0)
        allowed = min(BATCH_NBYTES, self.job.memory // (16 * threads))
        return max(1, allowed // (pixel * self.job.mask_nbytes))

    def worker_nbytes(self, threads: int) -> int:
        """Memory of a thread that reads regions: pixels with margins, a block, a batch."""
        pairs = [(self.job.image, self.image)]
        if self.job.labels and self.labels:
            pairs.append((self.job.labels, self.labels))
        regions = max(region_nbytes(s, t, self.job.windows.size) for s, t in pairs)
        pixel = max(source.itemsize for source, _ in pairs) + 1
        batch = self.batch(threads) * pixel * self.job.mask_nbytes
        return regions + max(source.block_nbytes for source, _ in pairs) + 2 * batch


def region_nbytes(source: Source, layer: Touches, size: int) -> int:
    """Bytes of the largest region of a layer with the margins that windows of `size` need."""
    height, width = (
        min(r, i) + 2 * (size - 1)
        for r, i in zip(layer.grid.region_shape, source.image_shape, strict=True)
    )
    return height * width * source.itemsize * max(source.planes)


def _encoding_nbytes(job: Job) -> int:
    """Memory of a thread that encodes a chunk: blocks and streams, and masks as wide as pixels."""
    nbytes = job.cells_per_chunk * job.cell_nbytes(job.all_planes)
    pixels = encoder_nbytes(job.image.itemsize, nbytes)
    if not job.labels:
        return pixels
    masks = job.cells_per_chunk * job.mask_nbytes
    return pixels + encoder_nbytes(1, masks) + masks * job.image.itemsize


def _direct(visit: _Visit, threads: int) -> Plan:
    """Plan one walk whose buffers are the chunks."""
    job = visit.job
    groups = groups_of(np.arange(len(job.windows)), job.cells_per_chunk)
    least = open_at_once(visit.times(image=True, labels=True), groups)
    workers = threads * (visit.worker_nbytes(threads) + _encoding_nbytes(job))
    affordable = (job.memory - workers) // job.chunk_nbytes
    buffers = max(least, min(least + threads + 1, groups.number, affordable))
    walk = Walk(job.all_planes, visit.labels is not None, groups, buffers)
    memory = workers + buffers * job.chunk_nbytes
    return Plan(threads, visit.batch(threads), visit.image, visit.labels, (walk,), None, memory)


def _through_scratch(visit: _Visit, threads: int) -> Iterator[Plan]:
    """Plan walks in the order of the image, whose buffers are written to a scratch file."""
    job = visit.job
    if len(job.windows) <= job.cells_per_chunk:
        return
    image = _ImageOrder.of(visit.image, visit.times(image=True, labels=False))
    places = scratch_places(image.order, job.cells_per_chunk)
    labels = visit.labels and _ImageOrder.of(visit.labels, visit.times(image=False, labels=True))
    reading = threads * visit.worker_nbytes(threads)
    encoding = threads * (2 * job.chunk_nbytes + _encoding_nbytes(job))
    planes = job.all_planes
    for share in _halvings(len(planes)):
        parts = [planes[i : i + share] for i in range(0, len(planes), share)]
        for nbytes in SCRATCH_BUFFERS:
            walks = [
                image.walk(part, job.cell_nbytes(part), nbytes, places, threads) for part in parts
            ]
            if labels:
                walks.append(labels.walk(range(0), job.mask_nbytes, nbytes, places, threads))
            held = max(walk.buffers * walk_buffer_nbytes(job, walk) for walk in walks)
            memory = max(reading + held, encoding)
            yield Plan(
                threads,
                visit.batch(threads),
                visit.image,
                visit.labels,
                tuple(walks),
                places,
                memory,
            )


@dataclass(frozen=True)
class _ImageOrder:
    """Windows in an order in which few buffers are open at once, and when they are touched."""

    order: Ints
    when: Times

    @classmethod
    def of(cls, layer: Touches, when: Times) -> _ImageOrder:
        return cls(image_order(layer, when), when)

    def walk(
        self, planes: range, cell_nbytes: int, nbytes: int, places: Ints, threads: int
    ) -> Walk:
        """Plan a walk of some planes, or of the masks where there are none, and its buffers."""
        capacity = max(1, min(len(self.order), nbytes // cell_nbytes))
        groups = groups_of(by_place(self.order, capacity, places), capacity)
        writing = threads + 1  # buffers that are written while the walk goes on
        buffers = min(open_at_once(self.when, groups) + writing, groups.number)
        return Walk(planes, not planes, groups, buffers)


def walk_buffer_nbytes(job: Job, walk: Walk) -> int:
    """Bytes of one buffer of a walk."""
    cell = (job.cell_nbytes(walk.planes) if walk.planes else 0) + (
        job.mask_nbytes if walk.labels else 0
    )
    return walk.groups.capacity * cell


def _halvings(number: int) -> Iterator[int]:
    """Yield `number`, half of it, ... down to 1."""
    while number > 1:
        yield number
        number = -(-number // 2)
    yield 1
