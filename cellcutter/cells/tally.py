"""Presence, bounding boxes and windows of cells, summed up over pieces of labels."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from cellcutter.cells.found import Extent, Survey, meet
from cellcutter.engine.windows import Windows
from cellcutter.errors import ImageError
from cellcutter.read import Image
from cellcutter.types import Bools, Ints


class Tally:
    """Presence, boxes, and pixels in windows, of a table's cells, summed up over pieces of labels.

    It counts by CellID. Whether a pixel lies in a window is looked at for CellIDs that one row of
    the table has; for those of several rows (a mistake, which is reported elsewhere) their boxes
    have to do.
    """

    def __init__(self, labels: Image, ids: Ints, windows: Windows | None) -> None:
        self._labels = labels
        self._ids, self._row, self._cell, count = np.unique(
            ids, return_index=True, return_inverse=True, return_counts=True
        )
        self._windows = windows
        self._single = count == 1
        self._lock = threading.Lock()
        n = len(self._ids)
        self._low = np.full((2, n), np.iinfo(np.int64).max)  # top, left
        self._high = np.full((2, n), -1)  # bottom, right
        self._seen = np.zeros(n, bool)
        if windows is not None:  # of the first row that has the CellID
            self._window_y, self._window_x = windows.y[self._row], windows.x[self._row]

    @property
    def complete(self) -> bool:
        """Whether each cell of the table was found."""
        return bool((self._high[0] >= 0).all())

    def survey(self) -> Survey:
        """Return what was found."""
        low, high = self._low, self._high
        found = high[0] >= 0
        extents = np.where(found, (high - low).max(0), 0)
        largest = None
        if found.any():
            i = int(extents.argmax())
            largest = Extent(
                int(self._ids[i]), *(int(n) for n in (low[0, i], high[0, i], low[1, i], high[1, i]))
            )
        boxes = np.stack([low[0], high[0], low[1], high[1]])[:, self._cell]
        present = found[self._cell]
        seen = None
        if self._windows is not None:
            w = self._windows
            seen = np.where(
                self._single[self._cell],
                self._seen[self._cell],
                present & meet(w.y, w.x, w.size, boxes),
            )
        return Survey(present, boxes, int(extents.max(initial=0)), largest, seen)

    def add(self, pixels: NDArray[np.generic], top: int, left: int) -> None:
        """Count in a piece of labels, shape (height, width), that lies at (top, left)."""
        found, y, start, stop = runs(pixels)
        labels, whole = self._whole(found)
        place = np.searchsorted(self._ids, labels)
        place[place == len(self._ids)] = 0
        ours = (self._ids[place] == labels) & whole
        cell = place[ours]
        y, start, stop = y[ours] + top, start[ours] + left, stop[ours] + left
        seen = None
        if self._windows is not None:
            size = self._windows.size
            box = np.stack([y, y + 1, start, stop])
            seen = cell[meet(self._window_y[cell], self._window_x[cell], size, box)]
        with self._lock:
            for axis, (first, past) in enumerate(((y, y + 1), (start, stop))):
                np.minimum.at(self._low[axis], cell, first)
                np.maximum.at(self._high[axis], cell, past)
            if seen is not None:
                self._seen[seen] = True

    def _whole(self, labels: NDArray[np.generic]) -> tuple[Ints, Bools]:
        """Return labels as int64, and which of them that holds: exact, as CellIDs are compared."""
        if labels.dtype.kind == "f":
            wrong = ~(np.isfinite(labels) & (labels == np.floor(labels)))
            if wrong.any():
                raise ImageError(
                    f"{self._labels.path}: CellID {labels[wrong][0]} found, whole numbers expected"
                )
            fits = np.abs(labels.astype(np.float64)) < 2.0**63
        elif labels.dtype == np.uint64:
            fits = np.less_equal(labels, np.iinfo(np.int64).max)
        else:
            fits = np.ones(len(labels), bool)
        return np.where(fits, labels, 0).astype(np.int64), fits


def runs(pixels: NDArray[np.generic]) -> tuple[NDArray[np.generic], Ints, Ints, Ints]:
    """Return the horizontal runs of equal, non-zero labels.

    Parameters
    ----------
    pixels : array of shape (height, width)

    Returns
    -------
    labels, y, start, stop : arrays of shape (runs,)
        The label, row, first column, and one past the last column of each run.
    """
    height, width = pixels.shape
    begins = np.ones((height, width), bool)
    np.not_equal(pixels[:, 1:], pixels[:, :-1], out=begins[:, 1:])
    first = np.flatnonzero(begins)
    labels = pixels.reshape(-1)[first]
    past = np.append(first[1:], height * width)
    cells = labels != 0
    first, past = first[cells], past[cells]
    y = first // width
    return labels[cells], y, first - y * width, past - y * width
