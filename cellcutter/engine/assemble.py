"""A plan carried out: thumbnails gathered in buffers, each chunk handed on when complete.

Either the buffers are the chunks themselves, or some channels of them; or they are in the order of
the image, are written to a scratch file, and each chunk is put together from there.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.plan import Job, Plan
from cellcutter.engine.schedule import steps_of_groups
from cellcutter.engine.walk import Layer, Target, Walker
from cellcutter.read.image import Image
from cellcutter.types import Ints, Pixels

Sink = Callable[[int, Pixels], None]
Advance = Callable[[], None]


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
        Or labels, where masks are wanted.
    channels : sequence of Channel
        In the order of the output.
    only : array of shape (n,), optional
        For masks: the label of each window's cell, of the labels' dtype.
    """

    image: Image
    channels: Sequence[Channel]
    only: Pixels | None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the thumbnails while they are put together."""
        return np.dtype(bool if self.only is not None else f"u{self.image.dtype.itemsize}")


class Cutting:
    """Cuts every window of a job and hands the chunks on.

    Parameters
    ----------
    plan, job : Plan, Job
    inputs : Inputs
    sink : callable (chunk number, pixels)
        Gets the channels of each chunk in their order, once, from any thread; one chunk is in no
        two threads at a time. Pixels as in ``inputs.dtype``, of shape (channels, cells per chunk,
        size, size), or with ``job.cells_first`` (cells per chunk, channels, size, size), are used
        again after the call.
    folder : Path
        Where a scratch file may lie.
    """

    def __init__(self, plan: Plan, job: Job, inputs: Inputs, sink: Sink, folder: Path) -> None:
        self._plan = plan
        self._job = job
        self._inputs = inputs
        self._sink = sink
        self._folder = folder
        self._chunks = -(-len(job.windows) // job.cells_per_chunk)

    @property
    def work(self) -> int:
        """How many times `advance` is called in :meth:`run`."""
        plan = self._plan
        assembled = 0 if plan.places is None else self._chunks
        reads = sum(len(self._planes(part)) for part in plan.parts) * len(plan.touches.regions)
        return reads + len(plan.parts) * (plan.groups.number + assembled)

    def run(self, advance: Advance) -> None:
        """Cut; call `advance` after each step, in any thread."""
        plan = self._plan
        steps = steps_of_groups(plan.touches, plan.groups)
        if plan.places is None:
            memory = np.empty(plan.buffers * plan.buffer_nbytes, np.uint8)
            for part in plan.parts:
                self._straight(part, steps, memory, advance)
            return
        with ScratchFile(self._folder, plan.places) as scratch:
            for part in plan.parts:
                self._to_scratch(part, steps, scratch, advance)
                self._from_scratch(part, scratch, advance)

    def _order(self, cells: int, channels: int) -> tuple[int, int]:
        return (cells, channels) if self._job.cells_first else (channels, cells)

    def _planes(self, part: range) -> set[int]:
        return {self._inputs.channels[i].plane for i in part}

    def _straight(
        self, part: range, steps: Ints, memory: NDArray[np.uint8], advance: Advance
    ) -> None:
        size, plan = self._job.windows.size, self._plan
        shape = plan.buffers, *self._order(plan.groups.capacity, len(part)), size, size
        dtype = self._inputs.dtype
        buffers = memory[: prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
        channels = buffers.swapaxes(1, 2) if self._job.cells_first else buffers
        targets = [channels[:, i] for i in range(len(part))]

        def emit(group: int, buffer: int) -> None:
            self._sink(group, buffers[buffer])

        self._walk(part, targets, steps, emit, advance)

    def _to_scratch(self, part: range, steps: Ints, scratch: ScratchFile, advance: Advance) -> None:
        """Walk with buffers that are written, cell by cell, to the scratch file."""
        groups, size = self._plan.groups, self._job.windows.size
        shape = self._plan.buffers, groups.capacity, len(part), size, size
        buffers = np.empty(shape, self._inputs.dtype)
        targets = [buffers[:, :, i] for i in range(len(part))]

        def emit(group: int, buffer: int) -> None:
            scratch.write(groups.members(group), buffers[buffer])

        self._walk(part, targets, steps, emit, advance)

    def _from_scratch(self, part: range, scratch: ScratchFile, advance: Advance) -> None:
        """Put each chunk together from what is in the scratch file."""
        memory = threading.local()
        n, size = self._job.cells_per_chunk, self._job.windows.size

        def one(chunk: int) -> None:
            if not hasattr(memory, "pixels"):
                shape = (*self._order(n, len(part)), size, size)
                memory.pixels = np.empty(shape, self._inputs.dtype)
                memory.raw = np.empty((n, len(part), size, size), self._inputs.dtype)
            scratch.read(chunk * n, memory.raw, memory.pixels, cells_first=self._job.cells_first)
            self._sink(chunk, memory.pixels)
            advance()

        pool = ThreadPoolExecutor(self._plan.threads, thread_name_prefix="assemble")
        try:
            for _ in pool.map(one, range(self._chunks)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)

    def _walk(
        self,
        part: range,
        targets: Sequence[Pixels],
        steps: Ints,
        emit: Callable[[int, int], None],
        advance: Advance,
    ) -> None:
        plan, inputs = self._plan, self._inputs
        found: dict[int, list[Target]] = {plane: [] for plane in sorted(self._planes(part))}
        for target, number in zip(targets, part, strict=True):
            channel = inputs.channels[number]
            found[channel.plane].append(Target(channel.position, target))
        walker = Walker(
            Layer(inputs.image, found, inputs.only),
            plan.touches,
            self._job.windows,
            plan.groups,
            steps,
            plan.buffers,
            plan.batch,
            emit,
            advance,
        )
        walker.run(plan.threads)


class ScratchFile:
    """Thumbnails on their way from the order of the image to that of the output.

    A file without a name, gone when it is closed, however the program ends. Each window has a place
    of its own in it; those of a chunk lie together.

    Parameters
    ----------
    folder : Path
        On the file system that is to hold it.
    places : int64 array of shape (n,)
        The place of each window.
    """

    def __init__(self, folder: Path, places: Ints) -> None:
        self._places = places
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115

    def __enter__(self) -> ScratchFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, windows: Ints, cells: Pixels) -> None:
        """Write thumbnails, shape (slots, channels, size, size), of windows in order of place."""
        places = self._places[windows]
        nbytes = cells[0].nbytes
        content = memoryview(cells.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        for start, stop in zip([0, *breaks], [*breaks, len(places)], strict=True):
            run = content[start * nbytes : stop * nbytes]
            offset = int(places[start]) * nbytes
            while run:
                written = os.pwrite(self._file.fileno(), run, offset)
                run, offset = run[written:], offset + written

    def read(self, first: int, raw: Pixels, pixels: Pixels, *, cells_first: bool = False) -> None:
        """Put the thumbnails of a chunk together.

        Parameters
        ----------
        first : int
            The chunk's first window.
        raw : array of shape (n, channels, size, size)
            Memory for what is read.
        pixels : array of shape (channels, n, size, size), or (n, channels, size, size)
            Gets the thumbnails in the order of the windows, and zeros where there are none.
        cells_first : bool
            Which of both shapes it is.
        """
        places = self._places[first : first + len(raw)] - first
        n = len(places)
        self._fill(raw[:n].reshape(-1).view(np.uint8), first * raw[0].nbytes)
        if cells_first:
            np.take(raw[:n], places, axis=0, out=pixels[:n], mode="clip")
            pixels[n:] = 0
            return
        for position, channel in enumerate(pixels):
            np.take(raw[:n, position], places, axis=0, out=channel[:n], mode="clip")
            channel[n:] = 0

    def _fill(self, memory: NDArray[np.uint8], offset: int) -> None:
        while len(memory):
            count = os.preadv(self._file.fileno(), [memory.data], offset)
            if not count:
                raise OSError(f"the scratch file ends at byte {offset}")
            memory, offset = memory[count:], offset + count
