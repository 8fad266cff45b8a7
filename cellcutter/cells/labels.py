"""What the labels say of the cells: which they hold, and how large those are.

Labels are an integer segmentation: 0 is background, any other value is the CellID of the pixel's
cell. They are read by regions of whole blocks, each block once, and never held whole.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellcutter.cells.found import Survey
from cellcutter.cells.tally import Tally
from cellcutter.engine.regions import Grid, grid_for, needed_blocks
from cellcutter.engine.windows import Windows
from cellcutter.errors import SettingsError
from cellcutter.progress import Tally as Parts
from cellcutter.read.image import Image
from cellcutter.threads import pool
from cellcutter.types import Bools, Ints, Progress

MB = 1024 * 1024
_AREA = 1 << 19  # pixels of a region
_RUN_NBYTES = 116  # memory of a pixel while runs are found: worst case, each pixel another label


def survey(
    labels: Image,
    ids: Ints,
    windows: Windows | None,
    threads: int,
    memory: int,
    progress: Progress = lambda _what, _done, _total: None,
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
    progress : callable (what, done, total), optional
        Called with the number of regions read, from any thread.

    Raises
    ------
    ImageError
        A block is damaged, or a label is no whole number of 0 or more.
    SettingsError
        The memory does not suffice for one region.
    """
    image_shape = labels.shape[1:]
    grid = grid_for(image_shape, labels.block_shape, 1, _area(labels, threads, memory))
    tally = Tally(labels, ids, windows)
    every = wanted = ~labels.empty_blocks(0)
    if windows is not None:
        wanted = every & needed_blocks(windows, image_shape, grid.block_shape)
    taken = _scan(tally, labels, grid, wanted, threads, memory, progress)
    if windows is not None and not tally.complete:
        _scan(tally, labels, grid, every & ~wanted, threads, memory, progress)
        wanted = every
    read = int(np.count_nonzero(wanted))
    return replace(tally.survey(), blocks=read, of=every.size, memory=taken)


def _area(labels: Image, threads: int, memory: int) -> int:
    """Return how many pixels a thread should look at in one go."""
    return max(1, min(_AREA, memory // (2 * threads * (labels.dtype.itemsize + _RUN_NBYTES))))


def _scan(
    tally: Tally,
    labels: Image,
    grid: Grid,
    wanted: Bools,
    threads: int,
    memory: int,
    progress: Progress,
) -> int:
    """Tally the wanted blocks; return the bytes that it takes."""
    height, width = (min(r, s) for r, s in zip(grid.region_shape, labels.shape[1:], strict=True))
    rows = min(height, max(1, _area(labels, threads, memory) // width))
    needed = (
        height * width * labels.dtype.itemsize + labels.block_nbytes + rows * width * _RUN_NBYTES
    )
    threads = min(threads, memory // needed)
    if not threads:
        raise SettingsError(
            f"--cache-size: {memory / MB:.3g} MB found, at least {-(-needed // MB)} MB expected "
            f"to read the mask {labels.path}"
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
        read.add()

    regions = [r for r in range(grid.rows * grid.columns) if wanted[grid.blocks(r)].any()]
    read = Parts(progress, "reading the mask", len(regions))
    with pool(threads, "cellcutter-survey") as some:
        some.each(count, regions)
    return threads * needed
