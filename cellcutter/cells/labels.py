"""What the labels say of the cells: which they hold, and how large those are.

Labels are an integer segmentation: 0 is background, any other value is the CellID of the pixel's
cell. They are read by regions of whole blocks, each block once, and never held whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.regions import Grid, grid_for, needed_blocks
from cellcutter.engine.windows import Windows
from cellcutter.errors import ImageError, SettingsError
from cellcutter.read.channel import ChannelOf
from cellcutter.read.image import Image, order_hint
from cellcutter.types import Bools, Ints

MB = 1024 * 1024
_LISTED = 6  # channels, in a message
_AREA = 1 << 19  # pixels of a region
_RUN_NBYTES = 116  # memory of a pixel while runs are found: worst case, each pixel another label


@dataclass(frozen=True)
class Extent:
    """The bounding box of a cell's pixels in the mask.

    Parameters
    ----------
    cell : int
        CellID.
    top, bottom, left, right : int
        Rows ``top`` to ``bottom - 1`` and columns ``left`` to ``right - 1``, in pixels.
    """

    cell: int
    top: int
    bottom: int
    left: int
    right: int

    def __str__(self) -> str:
        return (
            f"CellID {self.cell} has {self.bottom - self.top} x {self.right - self.left} pixels "
            f"(rows {self.top} to {self.bottom - 1}, columns {self.left} to {self.right - 1})"
        )


@dataclass(frozen=True)
class Survey:
    """What the labels hold of the cells of a table.

    Parameters
    ----------
    present : bool array of shape (n,)
        Whether any pixel has the cell's label.
    boxes : int64 array of shape (4, n)
        Bounding box of each cell's pixels: top, bottom, left, right, in pixels, bottom and right
        one past the last. With windows, of the blocks that were read. Nonsense (bottom < top)
        where a cell is not present.
    size : int
        Largest height or width, in pixels, of the boxes; 0 where no cell is present.
    largest : Extent, optional
        The cell that `size` comes from.
    seen : bool array of shape (n,), optional
        Whether any pixel of the cell lies in its window; where windows were given.
    """

    present: Bools
    boxes: Ints
    size: int
    largest: Extent | None
    seen: Bools | None = None

    def in_windows(self, windows: Windows) -> Bools:
        """Tell for each cell whether its window holds any of its pixels.

        Exact where the survey was given the windows. Else (the window's size comes from the
        survey itself) whether the window meets the bounding box of the cell.

        Parameters
        ----------
        windows : Windows
            Of the cells, in the order of the table; the same as the survey was given, if it was.
        """
        if self.seen is not None:
            return self.seen
        return self.present & _meet(windows.y, windows.x, windows.size, self.boxes)


def _meet(y: Ints, x: Ints, size: int, boxes: Ints) -> Bools:
    """Tell which windows share a pixel with the box (top, bottom, left, right) beside them."""
    top, bottom, left, right = boxes
    met: Bools = (y < bottom) & (y + size > top) & (x < right) & (x + size > left)
    return met


def one_channel(labels: Image, channel: int | None) -> Image:
    """Return the channel of a mask that has the labels.

    Parameters
    ----------
    labels : Image
    channel : int, optional
        Its number, from 1; not needed where there is one.

    Raises
    ------
    ImageError
        There are several, and no number; or fewer; or the channel's file is missing.
    """
    number = labels.shape[0]
    if channel is not None and channel > number:
        raise ImageError(
            f"{labels.path}: --mask-channel {channel} given, "
            f"{number} channel{'s' if number > 1 else ''} found"
        )
    if channel is None and number > 1:
        names = labels.channel_names
        named = (
            f" ({', '.join(names[:_LISTED])}{', ...' if number > _LISTED else ''})" if names else ""
        )
        hint = order_hint(labels.shape) or "choose one with --mask-channel"
        raise ImageError(
            f"{labels.path}: {number} channels of {labels.shape[1]} x {labels.shape[2]} pixels "
            f"found{named}, one channel of labels expected: {hint}"
        )
    labels.check_channels([(channel or 1) - 1])
    return labels if number == 1 else ChannelOf(labels, (channel or 1) - 1)


def check_labels(labels: Image, image: Image) -> None:
    """Make sure that labels are labels of an image.

    Raises
    ------
    ImageError
        They have another height or width than the image.
    """
    if labels.shape[1:] != image.shape[1:]:
        found, expected = (" x ".join(map(str, i.shape[1:])) for i in (labels, image))
        hint = order_hint(image.shape)
        raise ImageError(
            f"{labels.path}: labels of {found} pixels (Y x X) found, {expected} expected "
            f"as in the image {image.path}{f': {hint}' if hint else ''}"
        )


def survey(
    labels: Image,
    ids: Ints,
    windows: Windows | None,
    threads: int,
    memory: int,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> Survey:
    """Find which cells the labels hold, how large they are, and whether windows hold them.

    With windows, the blocks that these touch are read first, and the others only where a cell was
    not found there.

    Parameters
    ----------
    labels : Image
    ids : int64 array of shape (n,)
        CellIDs.
    windows : Windows, optional
        The windows of the cells, where these are known already.
    threads : int
    memory : int
        Bytes allowed.
    advance : callable (done, total), optional
        Called with the number of regions read.

    Raises
    ------
    ImageError
        A block is damaged, or a label is no whole number of 0 or more.
    SettingsError
        The memory does not suffice for one region.
    """
    image_shape = labels.shape[1:]
    grid = grid_for(image_shape, labels.block_shape, 1, _area(labels, threads, memory))
    tally = _Tally(labels, ids, windows)
    every = ~labels.empty_blocks(0)
    if windows is None:
        _scan(tally, labels, grid, every, threads, memory, advance)
        return tally.survey()
    near = needed_blocks(windows, image_shape, grid.block_shape)
    _scan(tally, labels, grid, every & near, threads, memory, advance)
    if not tally.complete:
        _scan(tally, labels, grid, every & ~near, threads, memory, advance)
    return tally.survey()


class _Tally:
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
                present & _meet(w.y, w.x, w.size, boxes),
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
            seen = cell[_meet(self._window_y[cell], self._window_x[cell], size, box)]
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
                    f"{self._labels.path}: label {labels[wrong][0]} found, whole numbers expected"
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


def _area(labels: Image, threads: int, memory: int) -> int:
    """Return how many pixels a thread should look at in one go."""
    return max(1, min(_AREA, memory // (2 * threads * (labels.dtype.itemsize + _RUN_NBYTES))))


def _scan(
    tally: _Tally,
    labels: Image,
    grid: Grid,
    wanted: Bools,
    threads: int,
    memory: int,
    advance: Callable[[int, int], None],
) -> None:
    """Tally the wanted blocks."""
    height, width = (min(r, s) for r, s in zip(grid.region_shape, labels.shape[1:], strict=True))
    rows = min(height, max(1, _area(labels, threads, memory) // width))
    needed = (
        height * width * labels.dtype.itemsize + labels.block_nbytes + rows * width * _RUN_NBYTES
    )
    threads = min(threads, memory // needed)
    if not threads:
        raise SettingsError(
            f"--cache-size: {memory / MB:.3g} MB found, at least {-(-needed // MB)} MB expected "
            f"for the labels {labels.path}"
        )

    def count(region: int) -> None:
        top, bottom, left, right = grid.box(region)
        pixels = np.zeros((bottom - top, right - left), labels.dtype)
        down, across = grid.blocks(region)
        for i, j in np.argwhere(wanted[down, across]).tolist():
            row, col = down.start + i, across.start + j
            y, x = row * grid.block_shape[0] - top, col * grid.block_shape[1] - left
            out = pixels[None, y : y + grid.block_shape[0], x : x + grid.block_shape[1]]
            labels.read_block(0, row, col, out)
        for y in range(0, len(pixels), rows):
            tally.add(pixels[y : y + rows], top + y, left)

    regions = [r for r in range(grid.rows * grid.columns) if wanted[grid.blocks(r)].any()]
    pool = ThreadPoolExecutor(threads, thread_name_prefix="survey")
    try:
        for done, _ in enumerate(pool.map(count, regions), 1):
            advance(done, len(regions))
    finally:
        pool.shutdown(cancel_futures=True)
