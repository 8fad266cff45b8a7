"""A plan carried out: thumbnails gathered in buffers, each chunk handed on when complete.

Either the buffers are the chunks themselves, or some channels of them; or they are in the order of
the image, are written to a scratch file, and each chunk is put together from there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.job import Job
from cellcutter.engine.plan import Plan
from cellcutter.engine.schedule import steps_of_groups
from cellcutter.engine.scratch import ScratchFile
from cellcutter.engine.walk import ChannelBuffers, Layer, Walker
from cellcutter.threads import pool
from cellcutter.types import Ints, Pixels

Sink = Callable[[int, Pixels], None]
Advance = Callable[[], None]


class Cutting:
    """Cuts every window of a job and hands the chunks on.

    Parameters
    ----------
    plan, job : Plan, Job
    sink : callable (chunk number, pixels)
        Gets the channels of each chunk in their order, once, from any thread; one chunk is in no
        two threads at a time. Pixels of ``job.pixel``, of shape (channels, cells per chunk,
        size, size), or with ``job.cells_first`` (cells per chunk, channels, size, size), are used
        again after the call.
    folder : Path
        Where a scratch file may lie.
    """

    def __init__(self, plan: Plan, job: Job, sink: Sink, folder: Path) -> None:
        self._plan = plan
        self._job = job
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
        return {self._job.channels[i].plane for i in part}

    def _straight(
        self, part: range, steps: Ints, memory: NDArray[np.uint8], advance: Advance
    ) -> None:
        size, plan = self._job.windows.size, self._plan
        shape = plan.buffers, *self._order(plan.groups.capacity, len(part)), size, size
        dtype = self._job.dtype
        buffers = memory[: prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
        by_channel = buffers.swapaxes(1, 2) if self._job.cells_first else buffers
        channels = [by_channel[:, i] for i in range(len(part))]

        def emit(group: int, buffer: int) -> None:
            self._sink(group, buffers[buffer].view(self._job.pixel))

        self._walk(part, channels, steps, emit, advance)

    def _to_scratch(self, part: range, steps: Ints, scratch: ScratchFile, advance: Advance) -> None:
        """Walk with buffers that are written, cell by cell, to the scratch file."""
        groups, size = self._plan.groups, self._job.windows.size
        shape = self._plan.buffers, groups.capacity, len(part), size, size
        buffers = np.empty(shape, self._job.dtype)
        channels = [buffers[:, :, i] for i in range(len(part))]

        def emit(group: int, buffer: int) -> None:
            scratch.write(groups.members(group), buffers[buffer])

        self._walk(part, channels, steps, emit, advance)

    def _from_scratch(self, part: range, scratch: ScratchFile, advance: Advance) -> None:
        """Put each chunk together from what is in the scratch file."""
        memory = threading.local()
        n, size = self._job.cells_per_chunk, self._job.windows.size

        def one(chunk: int) -> None:
            if not hasattr(memory, "pixels"):
                shape = (*self._order(n, len(part)), size, size)
                memory.pixels = np.empty(shape, self._job.dtype)
                memory.raw = np.empty((n, len(part), size, size), self._job.dtype)
            first = self._job.cells_first
            scratch.read(chunk * n, memory.raw, memory.pixels, cells_first=first)
            self._sink(chunk, memory.pixels.view(self._job.pixel))
            advance()

        with pool(self._plan.threads, "cellcutter-assemble") as threads:
            threads.each(one, range(self._chunks))

    def _walk(
        self,
        part: range,
        buffers: Sequence[Pixels],
        steps: Ints,
        emit: Callable[[int, int], None],
        advance: Advance,
    ) -> None:
        plan, job = self._plan, self._job
        found: dict[int, list[ChannelBuffers]] = {plane: [] for plane in sorted(self._planes(part))}
        for each, number in zip(buffers, part, strict=True):
            channel = job.channels[number]
            found[channel.plane].append(ChannelBuffers(channel.position, each))
        walker = Walker(
            Layer(job.image, found, job.only),
            plan.touches,
            job.windows,
            plan.groups,
            steps,
            plan.buffers,
            plan.batch,
            emit,
            advance,
        )
        walker.run(plan.threads)
