"""Pure: the order in which regions are visited, and which buffers are open meanwhile.

The one place that knows both orders, that of the image and that of the output. A *step* is the
visit of one region; regions are visited row by row. Windows that share a buffer are a *group*; the
buffer is open from the first step that touches any of them to the last.

There are millions of windows: what is kept of each has 32 bits, and what is only needed on the way
is made slice by slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.regions import Touches
from cellcutter.engine.windows import rows_of, slices
from cellcutter.types import Ints

Places = NDArray[np.int32]
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Groups:
    """Windows put into groups, each with a buffer of its own.

    Parameters
    ----------
    windows : int
        How many windows there are, n.
    capacity : int
        Slots of a buffer.
    order : int32 array of shape (n,), optional
        The windows, group by group: group i holds ``order[i * capacity:(i + 1) * capacity]``. In
        the order of the output where it is not given.
    place : int32 array of shape (n,), optional
        Where each window is in `order`.
    """

    windows: int
    capacity: int
    order: Places | None = None
    place: Places | None = None

    @property
    def number(self) -> int:
        """Number of groups."""
        return -(-self.windows // self.capacity)

    def members(self, group: int) -> Places:
        """Return the windows of a group in the order of their slots."""
        start, stop = group * self.capacity, min((group + 1) * self.capacity, self.windows)
        if self.order is None:
            return np.arange(start, stop, dtype=np.int32)
        return self.order[start:stop]

    def of(self, windows: Places) -> tuple[Places, Places]:
        """Return the group of each of some windows, and its slot in the group's buffer."""
        return np.divmod(windows if self.place is None else self.place[windows], self.capacity)


def groups_of(order: Places, capacity: int) -> Groups:
    """Put windows into groups of `capacity`, in the order given."""
    return Groups(len(order), capacity, order, _inverse(order))


def _inverse(order: Places) -> Places:
    """Return where each number is in a permutation."""
    place = np.empty(len(order), np.int32)
    for part in slices(len(order)):
        place[order[part]] = np.arange(part.start, part.stop)
    return place


@dataclass(frozen=True)
class Times:
    """The first and last step that touches each window; ``first > last`` where none does.

    Parameters
    ----------
    first, last : int32 arrays of shape (n,)
    """

    first: Places
    last: Places


def times(layer: Touches, n: int) -> Times:
    """Find when each of `n` windows is touched."""
    first, last = np.full(n, _NEVER, np.int32), np.full(n, -1, np.int32)
    parts = slices(len(layer.windows))
    for part in parts:  # in the order of time: what is written last stays
        last[layer.windows[part]] = layer.positions(part)
    for part in reversed(parts):
        first[layer.windows[part][::-1]] = layer.positions(part)[::-1]
    return Times(first, last)


def steps_of_groups(layer: Touches, groups: Groups) -> Ints:
    """Return how many steps touch each group."""
    steps = np.zeros(groups.number, np.int64)
    parts = slices(len(layer.windows))
    begins = np.searchsorted(layer.starts, [part.start for part in parts])
    bounds = np.unique(np.append(begins, len(layer.regions)))  # no region lies in two parts
    for first, past in pairwise(bounds.tolist()):
        part = slice(layer.starts[first], layer.starts[past])
        group, _ = groups.of(layer.windows[part])
        pairs = np.unique(layer.positions(part) * groups.number + group)
        np.add.at(steps, pairs % groups.number, 1)
    return steps


def open_at_once(when: Times, groups: Groups) -> int:
    """Return the largest number of buffers open at any step, at least 1."""
    first, last = np.empty(groups.number, np.int64), np.empty(groups.number, np.int64)
    for part, width in rows_of(groups.windows, groups.capacity):
        members = part if groups.order is None else groups.order[part]
        rows = slice(part.start // groups.capacity, -(-part.stop // groups.capacity))
        first[rows] = when.first[members].reshape(-1, width).min(1)
        last[rows] = when.last[members].reshape(-1, width).max(1)
    touched = last >= 0
    if not touched.any():
        return 1
    change = np.zeros(int(last.max()) + 2, np.int64)
    np.add.at(change, first[touched], 1)
    np.add.at(change, last[touched] + 1, -1)
    return int(change.cumsum().max())


def image_order(layer: Touches, when: Times) -> Places:
    """Return the windows in an order in which few buffers are open at once.

    By the row of regions in which a window is complete; in it first those that began in a row
    above (they fill buffers of their own, open for a whole row), then the others, region by
    region.
    """
    # The place of a window by its last step: a row of regions has two for each of its steps. The
    # last item, which is at -1, is for windows that no step touches.
    row = np.append(layer.regions // layer.grid.columns, -1)
    step = np.arange(len(layer.regions))
    above = np.append(np.searchsorted(row[:-1], row[:-1], "left") + step, -1)
    inside = np.append(np.searchsorted(row[:-1], row[:-1], "right") + step, -1)
    place = np.empty(len(when.last), np.int32)
    for part in slices(len(place)):
        last = when.last[part]
        first = np.where(last < 0, -1, when.first[part])
        place[part] = np.where(row[first] == row[last], inside[last], above[last])
    return np.argsort(place, kind="stable").astype(np.int32)


def scratch_places(order: Places, cells_per_chunk: int) -> Places:
    """Return each window's place in a scratch file in which the windows of a chunk lie together.

    Parameters
    ----------
    order : int32 array of shape (n,)
        The order in which windows are written: inside a chunk's share they keep it, so that
        what is written at one time for one chunk is one run.
    cells_per_chunk : int

    Returns
    -------
    int32 array of shape (n,)
    """
    places = _inverse(order)
    for part, width in rows_of(len(order), cells_per_chunk):
        chunks = places[part].reshape(-1, width)
        starts = np.arange(part.start, part.stop, width)[:, None]
        np.put_along_axis(chunks, chunks.argsort(1), starts + np.arange(width), 1)
    return places


def by_place(order: Places, capacity: int, places: Places) -> Places:
    """Sort the windows of each group of `capacity` by their places in the scratch file."""
    found = order.copy()
    for part, width in rows_of(len(order), capacity):
        groups = found[part].reshape(-1, width)
        groups[:] = np.take_along_axis(groups, places[groups].argsort(1), 1)
    return found
