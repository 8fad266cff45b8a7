"""A plan carried out: thumbnails gathered in buffers, each chunk handed on when complete.

Either the buffers are the chunks themselves; or they are in the order of the image, are written to
a scratch file, and each chunk is put together from there at the end.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine import Layer, Target, Walker
from cellcutter.gather import Pixels
from cellcutter.image import Image
from cellcutter.plan import Job, Plan, Walk
from cellcutter.windows import Ints

Masks = NDArray[np.bool_]
Sink = Callable[[int, Pixels, Masks | None], None]
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Channel:
    """An output channel: where it comes from.

    Parameters
    ----------
    plane : int
        The plane of the image.
    position : int
        The channel's position in the plane.
    """

    plane: int
    position: int


@dataclass(frozen=True)
class Inputs:
    """What is read.

    Parameters
    ----------
    image : Image
    channels : sequence of Channel
        In the order of the output.
    labels : Image, optional
        Where masks are wanted.
    only : array of shape (n,), optional
        The label of each window's cell, of the labels' dtype.
    """

    image: Image
    channels: Sequence[Channel]
    labels: Image | None = None
    only: Pixels | None = None

    @property
    def planes(self) -> list[int]:
        """The planes of the image that are needed."""
        return sorted({channel.plane for channel in self.channels})

    def channels_of(self, planes: Sequence[int]) -> list[int]:
        """Return the numbers of the output channels that come from some planes."""
        return [i for i, channel in enumerate(self.channels) if channel.plane in planes]


def carry_out(
    plan: Plan, job: Job, inputs: Inputs, sink: Sink, folder: Path, advance: Advance
) -> None:
    """Cut every window and hand the chunks on.

    Parameters
    ----------
    plan, job : Plan, Job
    inputs : Inputs
    sink : callable (chunk number, pixels, masks or None)
        Gets each chunk once, in any order and from any thread: pixels as unsigned integers of
        shape (channels, cells per chunk, size, size), masks of shape (cells per chunk, size,
        size). Both are used again after the call.
    folder : Path
        Where a scratch file may lie.
    advance : callable (done, total)
    """
    if plan.places is None:
        _straight(plan, job, inputs, sink, advance)
    else:
        with ScratchFile(folder, job, plan) as scratch:
            _through_scratch(plan, job, inputs, sink, scratch, advance)


def _straight(plan: Plan, job: Job, inputs: Inputs, sink: Sink, advance: Advance) -> None:
    (walk,) = plan.walks
    size = job.windows.size
    shape = (walk.buffers, len(inputs.channels), walk.groups.capacity, size, size)
    pixels = np.empty(shape, _unsigned(inputs.image))
    masks = np.empty((shape[0], *shape[2:]), bool) if walk.labels else None
    targets = [pixels[:, i] for i in range(len(inputs.channels))]

    def emit(group: int, buffer: int) -> None:
        sink(group, pixels[buffer], None if masks is None else masks[buffer])

    walker = _walker(plan, job, inputs, walk, targets, masks, emit, _Counter(advance))
    walker.run(plan.threads)


def _through_scratch(
    plan: Plan, job: Job, inputs: Inputs, sink: Sink, scratch: ScratchFile, advance: Advance
) -> None:
    counter = _Counter(advance)
    counter.expect(scratch.chunks)
    for number, walk in enumerate(plan.walks):
        _cut_to_scratch(plan, job, inputs, walk, number, scratch, counter)
    memory = threading.local()

    def one(chunk: int) -> None:
        if not hasattr(memory, "buffers"):
            memory.buffers = scratch.buffers(inputs)
        sink(chunk, *scratch.read(chunk, inputs, memory.buffers))
        counter.add()

    pool = ThreadPoolExecutor(plan.threads, thread_name_prefix="assemble")
    try:
        for _ in pool.map(one, range(scratch.chunks)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _cut_to_scratch(
    plan: Plan,
    job: Job,
    inputs: Inputs,
    walk: Walk,
    number: int,
    scratch: ScratchFile,
    counter: _Counter,
) -> None:
    """Do one walk whose buffers, cell by cell, are written to the scratch file."""
    size = job.windows.size
    channels = scratch.channels(inputs, walk)
    shape = (walk.buffers, walk.groups.capacity, max(1, len(channels)), size, size)
    buffers = np.empty(shape, bool if walk.labels else _unsigned(inputs.image))
    targets = [buffers[:, :, i] for i in range(shape[2])]

    def emit(group: int, buffer: int) -> None:
        scratch.write(number, walk.groups.members(group), buffers[buffer])

    masks = targets[0] if walk.labels else None
    walker = _walker(plan, job, inputs, walk, targets, masks, emit, counter)
    walker.run(plan.threads)


def _walker(
    plan: Plan,
    job: Job,
    inputs: Inputs,
    walk: Walk,
    targets: Sequence[Pixels],
    masks: Pixels | None,
    emit: Callable[[int, int], None],
    counter: _Counter,
) -> Walker:
    """Return the walker of a walk; `targets` are those of its output channels."""
    layers = []
    planes = [inputs.planes[i] for i in walk.planes]
    if planes:
        found: dict[int, list[Target]] = {plane: [] for plane in planes}
        for target, number in zip(targets, inputs.channels_of(planes), strict=True):
            channel = inputs.channels[number]
            found[channel.plane].append(Target(channel.position, target))
        layers.append(Layer(inputs.image, plan.image, found))
    if masks is not None and inputs.labels is not None and plan.labels is not None:
        layers.append(Layer(inputs.labels, plan.labels, {0: [Target(0, masks)]}, inputs.only))
    walker = Walker(layers, job.windows, walk.groups, walk.buffers, plan.batch, emit, counter.add)
    counter.expect(walker.work)
    return walker


def _unsigned(image: Image) -> np.dtype[np.generic]:
    return np.dtype(f"u{image.dtype.itemsize}")


class _Counter:
    """Counts work done, from any thread."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._lock = threading.Lock()
        self._done = self._total = 0

    def expect(self, work: int) -> None:
        self._total += work

    def add(self) -> None:
        with self._lock:
            self._done += 1
            self._advance(self._done, self._total)


class ScratchFile:
    """Thumbnails on their way from the order of the image to that of the output.

    A file without a name, gone when it is closed, however the program ends. Each walk has a
    part of it, in which each window has a place of its own; those of a chunk lie together.

    Parameters
    ----------
    folder : Path
        On the file system that is to hold it.
    job, plan : Job, Plan
    """

    def __init__(self, folder: Path, job: Job, plan: Plan) -> None:
        if plan.places is None:
            raise ValueError("the plan has no scratch file")
        self._places = plan.places
        self._walks = plan.walks
        self._job = job
        self._cell_nbytes = [
            job.mask_nbytes if walk.labels else job.cell_nbytes(walk.planes) for walk in plan.walks
        ]
        ends = np.cumsum([len(self._places) * nbytes for nbytes in self._cell_nbytes])
        self._bases = [0, *ends.tolist()]
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115

    def __enter__(self) -> ScratchFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self._places) // self._job.cells_per_chunk)

    def channels(self, inputs: Inputs, walk: Walk) -> list[int]:
        """Return the output channels that a walk cuts; none for masks."""
        return inputs.channels_of([inputs.planes[i] for i in walk.planes])

    def write(self, walk: int, windows: Ints, cells: Pixels) -> None:
        """Write thumbnails, shape (slots, channels, size, size), of windows in order of place."""
        places = self._places[windows]
        content = memoryview(cells.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        nbytes = self._cell_nbytes[walk]
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        for start, stop in zip([0, *breaks], [*breaks, len(places)], strict=True):
            run = content[start * nbytes : stop * nbytes]
            offset = self._bases[walk] + int(places[start]) * nbytes
            while run:
                written = os.pwrite(self._file.fileno(), run, offset)
                run, offset = run[written:], offset + written

    def buffers(self, inputs: Inputs) -> tuple[Pixels, Masks | None, NDArray[np.uint8]]:
        """Return memory for :meth:`read`: a chunk, its masks, and what is read of the file."""
        n, size = self._job.cells_per_chunk, self._job.windows.size
        pixels = np.empty((len(inputs.channels), n, size, size), _unsigned(inputs.image))
        masks = np.empty((n, size, size), bool) if inputs.only is not None else None
        return pixels, masks, np.empty(n * max(self._cell_nbytes), np.uint8)

    def read(
        self, chunk: int, inputs: Inputs, buffers: tuple[Pixels, Masks | None, NDArray[np.uint8]]
    ) -> tuple[Pixels, Masks | None]:
        """Put a chunk together; return its pixels and masks."""
        pixels, masks, raw = buffers
        first = chunk * self._job.cells_per_chunk
        places = self._places[first : first + self._job.cells_per_chunk] - first
        n, size = len(places), self._job.windows.size
        for number, walk in enumerate(self._walks):
            nbytes = self._cell_nbytes[number]
            self._fill(raw[: n * nbytes], self._bases[number] + first * nbytes)
            if walk.labels:
                if masks is not None:
                    masks[:n] = raw[: n * nbytes].view(bool).reshape(n, size, size)[places]
                    masks[n:] = False
                continue
            cells = raw[: n * nbytes].view(pixels.dtype).reshape(n, -1, size, size)
            for position, channel in enumerate(self.channels(inputs, walk)):
                np.take(cells[:, position], places, axis=0, out=pixels[channel, :n], mode="clip")
                pixels[channel, n:] = 0
        return pixels, masks

    def _fill(self, memory: NDArray[np.uint8], offset: int) -> None:
        while len(memory):
            count = os.preadv(self._file.fileno(), [memory.data], offset)
            if not count:
                raise OSError(f"the scratch file ends at byte {offset}")
            memory, offset = memory[count:], offset + count
