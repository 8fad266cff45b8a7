"""The walk: regions are read once, in the image's own order, and their windows put into buffers.

Invariant: a buffer is handed out at the first step that touches its group, given to `emit` when the
last plane of the last such step is done, and then used again. Every block that a window touches is
decoded exactly once in a walk, any other block never. Steps are issued in order and need no more
buffers than the plan counted, so a walk that waits for a buffer waits only for work under way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.gather import Placement, put
from cellcutter.engine.regions import Touches
from cellcutter.engine.schedule import Groups
from cellcutter.engine.windows import Windows
from cellcutter.read.image import Image
from cellcutter.threads import Tasks, pool
from cellcutter.types import Indices, Ints, Pixels, unsigned


@dataclass(frozen=True)
class ChannelBuffers:
    """Where the windows of one channel of a plane go.

    Parameters
    ----------
    position : int
        The channel's position in its plane.
    buffers : array of shape (buffers, slots, size, size)
        Unsigned integers as wide as the pixels, or bool for masks.
    """

    position: int
    buffers: Pixels


@dataclass(frozen=True)
class Layer:
    """An image, or labels, and what is cut from it.

    Parameters
    ----------
    image : Image
    buffers : dict
        The buffers of the channels of each plane that is read.
    only : array of shape (n,), optional
        For labels: the label of each window's cell, of the labels' dtype; what is put is the
        boolean window of its pixels.
    """

    image: Image
    buffers: dict[int, list[ChannelBuffers]]
    only: Pixels | None = None
    merging: dict[int, threading.Lock] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "merging", {plane: threading.Lock() for plane in self.buffers})


@dataclass(frozen=True)
class _Step:
    """A region to read, its blocks, where its windows go, and the groups that these are in."""

    region: int
    blocks: Ints
    placement: Placement
    only: Pixels | None
    groups: Indices


class Walker:
    """Walks an image, or labels, once, and fills the buffers of groups.

    Parameters
    ----------
    layer : Layer
    touches : Touches
    windows : Windows
    groups : Groups
    steps : int64 array
        How many regions touch each group.
    buffers : int
        How many buffers each channel has.
    batch : int
        Windows copied at one time.
    emit : callable (group, buffer)
        Called in a thread of the walk when a group's buffer is complete.
    advance : callable ()
        Called in any thread after each read and each emitted group.
    """

    def __init__(
        self,
        layer: Layer,
        touches: Touches,
        windows: Windows,
        groups: Groups,
        steps: Ints,
        buffers: int,
        batch: int,
        emit: Callable[[int, int], None],
        advance: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._touches = touches
        self._windows = windows
        self._groups = groups
        self._batch = batch
        self._emit = emit
        self._advance = advance
        self._left = steps * len(layer.buffers)
        self._buffer = np.full(groups.number, -1, np.int64)
        self._free = deque(range(buffers))
        self._lock = threading.Lock()
        self._opening = 0
        self._memory = threading.local()

    def run(self, threads: int) -> None:
        """Walk; return when every group is emitted.

        Raises
        ------
        BaseException
            The first error of any thread, after all threads have stopped.
        """
        with pool(threads, "cellcutter-cut") as tasks:
            self._walk(tasks, threads)

    def _walk(self, tasks: Tasks, threads: int) -> None:
        """Hand out the work, region by region, to so many threads."""
        for group in np.flatnonzero(self._left == 0):  # no window of it touches the image
            self._open(tasks, np.array([group]))
            tasks.start(partial(self._finish, int(group)))
        for position in range(len(self._touches.regions)):
            step = self._prepare(tasks, position)
            for plane in self._layer.buffers:
                tasks.wait_until(lambda: tasks.left <= threads)
                tasks.start(partial(self._read, tasks, step, plane))

    def _prepare(self, tasks: Tasks, position: int) -> _Step:
        """Open the buffers that a step needs, and say where its windows go."""
        touches, only = self._touches, self._layer.only
        windows = touches.of(position)
        group, slot = self._groups.of(windows)
        groups = np.unique(group)
        self._open(tasks, groups[self._buffer[groups] < 0])
        region = int(touches.regions[position])
        top, _, left, _ = touches.grid.box(region)
        margin = self._windows.size - 1
        placement = Placement(
            self._windows.y[windows] - top + margin,
            self._windows.x[windows] - left + margin,
            self._buffer[group],
            slot,
            len(windows) - int(np.count_nonzero(touches.shared[windows])),
        )
        only = None if only is None else only[windows]
        return _Step(region, touches.needed_in(region), placement, only, groups)

    def _open(self, tasks: Tasks, groups: Indices) -> None:
        """Take a free buffer for each of some groups and have it made ready, in threads.

        Memory that was never used is dear to touch, and a shuffled table opens all buffers at
        once: one thread alone would take as long as all the rest.
        """
        for group in groups.tolist():
            tasks.wait_until(lambda: bool(self._free))
            self._buffer[group] = self._free.popleft()
            with self._lock:
                self._opening += 1
            tasks.start(partial(self._make_ready, group))
        tasks.wait_until(lambda: not self._opening)

    def _make_ready(self, group: int) -> None:
        """Zero the slots of a buffer that no single read fills."""
        buffer = self._buffer[group]
        members = self._groups.members(group)
        merged = np.flatnonzero(self._touches.unfilled[members])
        for channel in chain.from_iterable(self._layer.buffers.values()):
            channel.buffers[buffer, merged] = 0
            channel.buffers[buffer, len(members) :] = 0
        with self._lock:
            self._opening -= 1

    def _read(self, tasks: Tasks, step: _Step, plane: int) -> None:
        """Read one plane of a region and put its windows into the buffers."""
        layer = self._layer
        pixels = self._decode(step, plane)
        for channel in layer.buffers[plane]:
            region = pixels[channel.position]
            put(
                region if step.only is not None else unsigned(region),
                self._windows.size,
                step.placement,
                channel.buffers,
                layer.merging[plane],
                self._batch,
                step.only,
            )
        with self._lock:
            self._left[step.groups] -= 1
            complete = step.groups[self._left[step.groups] == 0]
        for group in complete:
            tasks.start(partial(self._finish, int(group)))
        self._advance()

    def _decode(self, step: _Step, plane: int) -> Pixels:
        """Return a region's pixels with zeros around, (channels of the plane, rows, columns)."""
        image, grid = self._layer.image, self._touches.grid
        top, bottom, left, right = grid.box(step.region)
        margin = self._windows.size - 1
        height, width = bottom - top, right - left
        shape = (len(image.planes[plane]), height + 2 * margin, width + 2 * margin)
        pixels = self._scratch(prod(shape) * image.dtype.itemsize).view(image.dtype).reshape(shape)
        pixels[:, :margin] = pixels[:, margin + height :] = 0
        pixels[:, :, :margin] = pixels[:, :, margin + width :] = 0
        inner = pixels[:, margin : margin + height, margin : margin + width]
        block_height, block_width = grid.block_shape
        for row, col in step.blocks.tolist():
            y, x = row * block_height - top, col * block_width - left
            image.read_block(plane, row, col, inner[:, y : y + block_height, x : x + block_width])
        return pixels

    def _scratch(self, nbytes: int) -> NDArray[np.uint8]:
        """Return memory of this thread that is used again for each region."""
        memory: NDArray[np.uint8] | None = getattr(self._memory, "bytes", None)
        if memory is None or memory.nbytes < nbytes:
            self._memory.bytes = None  # free the old before the new is made
            memory = self._memory.bytes = np.empty(nbytes, np.uint8)
        return memory[:nbytes]

    def _finish(self, group: int) -> None:
        buffer = int(self._buffer[group])
        self._emit(group, buffer)
        self._free.append(buffer)
        self._advance()
