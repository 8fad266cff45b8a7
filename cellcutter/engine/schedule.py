"""Pure: the order in which regions are visited, and which buffers are open meanwhile.

The one place that knows both orders, that of the image and that of the output. A *step* is the
visit of one region; regions are visited row by row. Windows that share a buffer are a *group*; the
buffer is open from the first step that touches any of them to the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellcutter.engine.regions import Touches
from cellcutter.types import Ints

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Groups:
    """Windows put into groups, each with a buffer of its own.

    Parameters
    ----------
    order : int64 array of shape (n,)
        The windows, group by group: group i holds ``order[i * capacity:(i + 1) * capacity]``.
    group, slot : int64 arrays of shape (n,)
        The group of each window, and its place in the group's buffer.
    capacity : int
        Slots of a buffer.
    """

    order: Ints
    group: Ints
    slot: Ints
    capacity: int

    @property
    def number(self) -> int:
        """Number of groups."""
        return -(-len(self.order) // self.capacity)

    def members(self, group: int) -> Ints:
        """Return the windows of a group in the order of their slots."""
        return self.order[group * self.capacity : (group + 1) * self.capacity]


def groups_of(order: Ints, capacity: int) -> Groups:
    """Put windows into groups of `capacity`, in the order given."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Groups(order, place // capacity, place % capacity, capacity)


@dataclass(frozen=True)
class Times:
    """The first and last step that touches each window; ``first > last`` where none does.

    Parameters
    ----------
    first, last : int64 arrays of shape (n,)
    """

    first: Ints
    last: Ints


def times(layer: Touches, n: int) -> Times:
    """Find when each of `n` windows is touched."""
    first, last = np.full(n, _NEVER), np.full(n, -1)
    np.minimum.at(first, layer.windows, layer.positions)
    np.maximum.at(last, layer.windows, layer.positions)
    return Times(first, last)


def steps_of_groups(layer: Touches, groups: Groups) -> Ints:
    """Return how many steps touch each group."""
    pairs = layer.positions * groups.number + groups.group[layer.windows]
    return np.bincount(np.unique(pairs) % groups.number, minlength=groups.number)


def open_at_once(when: Times, groups: Groups) -> int:
    """Return the largest number of buffers open at any step, at least 1."""
    starts = np.arange(groups.number) * groups.capacity
    first = np.minimum.reduceat(when.first[groups.order], starts)
    last = np.maximum.reduceat(when.last[groups.order], starts)
    touched = last >= 0
    if not touched.any():
        return 1
    change = np.zeros(int(last.max()) + 2, np.int64)
    np.add.at(change, first[touched], 1)
    np.add.at(change, last[touched] + 1, -1)
    return int(change.cumsum().max())


def image_order(layer: Touches, when: Times) -> Ints:
    """Return the windows in an order in which few buffers are open at once.

    By the row of regions in which a window is complete; in it first those that began in a row
    above (they fill buffers of their own, open for a whole row), then the others, region by
    region.
    """
    rows = np.append(layer.regions // layer.grid.columns, -1)  # the last: of untouched windows
    row_last = rows[when.last]
    row_first = rows[np.where(when.last < 0, -1, when.first)]
    return np.lexsort((when.last, row_first == row_last, row_last)).astype(np.int64)


def scratch_places(order: Ints, cells_per_chunk: int) -> Ints:
    """Return each window's place in a scratch file in which the windows of a chunk lie together.

    Parameters
    ----------
    order : int64 array of shape (n,)
        The order in which windows are written: inside a chunk's share they keep it, so that
        what is written at one time for one chunk is one run.
    cells_per_chunk : int

    Returns
    -------
    int64 array of shape (n,)
    """
    places = np.empty(len(order), np.int64)
    places[order[np.argsort(order // cells_per_chunk, kind="stable")]] = np.arange(len(order))
    return places


def by_place(order: Ints, capacity: int, places: Ints) -> Ints:
    """Sort the windows of each group of `capacity` by their places in the scratch file."""
    group = np.arange(len(order)) // capacity
    return order[np.lexsort((places[order], group))]
