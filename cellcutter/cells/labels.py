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
from cellcutter.read.image import Image
from cellcutter.types import Bools, Ints

MB = 1024 * 1024
_AREA = 1 << 19  # pixels of a region
_RUN_NBYTES = 40  # memory of a pixel while runs are found: worst case, each pixel another label


@dataclass(frozen=True)
class Survey:
    """What the labels hold of the cells of a table.

    Parameters
    ----------
    present : bool array of shape (n,)
        Whether any pixel has the cell's label.
    size : int
        Largest height or width, in pixels, of the bounding boxes of the cells; 0 if not asked for.
    """

    present: Bools
    size: int


def check_labels(labels: Image, image: Image) -> None:
    """Make sure that labels are labels of an image.

    Raises
    ------
    ImageError
        They have several channels, or another height or width than the image.
    """
    if labels.shape[0] != 1:
        raise ImageError(
            f"{labels.path}: {labels.shape[0]} channels found, one channel of labels expected"
        )
    if labels.shape[1:] != image.shape[1:]:
        found, expected = (" x ".join(map(str, i.shape[1:])) for i in (labels, image))
        raise ImageError(
            f"{labels.path}: labels of {found} pixels (Y x X) found, {expected} expected "
            f"as in the image {image.path}"
        )


def survey(
    labels: Image,
    ids: Ints,
    windows: Windows | None,
    threads: int,
    memory: int,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> Survey:
    """Find which cells the labels hold and, where no windows are given, how large they are.

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
    tally = _Tally(labels, ids, boxes=windows is None)
    every = ~labels.empty_blocks(0)
    if windows is None:
        _scan(tally, labels, grid, every, threads, memory, advance)
        return Survey(tally.present, tally.largest())
    near = needed_blocks(windows, image_shape, grid.block_shape)
    _scan(tally, labels, grid, every & near, threads, memory, advance)
    if not tally.present.all():
        _scan(tally, labels, grid, every & ~near, threads, memory, advance)
    return Survey(tally.present, 0)


class _Tally:
    """Presence and bounding boxes of the cells of a table, summed up over pieces of labels."""

    def __init__(self, labels: Image, ids: Ints, *, boxes: bool) -> None:
        self._labels = labels
        self._ids, self._cell = np.unique(ids, return_inverse=True)
        self._boxes = boxes
        self._lock = threading.Lock()
        n = len(self._ids)
        self._found = np.zeros(n, bool)
        self._low = np.full((2, n), np.iinfo(np.int64).max)
        self._high = np.full((2, n), -1)

    @property
    def present(self) -> Bools:
        """Whether each cell of the table was found."""
        found: Bools = self._found[self._cell]
        return found

    def largest(self) -> int:
        """Return the largest height or width of a bounding box."""
        extent = (self._high - self._low)[:, self._found]
        return int(extent.max(initial=0))

    def add(self, pixels: NDArray[np.generic], top: int, left: int) -> None:
        """Count in a piece of labels, shape (height, width), that lies at (top, left)."""
        labels, y, start, stop = runs(pixels)
        self._check(labels)
        place = np.searchsorted(self._ids, labels)
        place[place == len(self._ids)] = 0
        ours = self._ids[place] == labels
        cell = place[ours]
        with self._lock:
            self._found[cell] = True
            if self._boxes:
                for axis, (first, past) in enumerate(((y, y + 1), (start, stop))):
                    origin = (top, left)[axis]
                    np.minimum.at(self._low[axis], cell, first[ours] + origin)
                    np.maximum.at(self._high[axis], cell, past[ours] + origin)

    def _check(self, labels: NDArray[np.generic]) -> None:
        if labels.dtype.kind != "f":
            return
        wrong = ~(np.isfinite(labels) & (labels == np.floor(labels)))
        if wrong.any():
            raise ImageError(
                f"{self._labels.path}: label {labels[wrong][0]} found, whole numbers expected"
            )


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
