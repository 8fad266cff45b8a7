"""Pure: an image divided into regions of some size, and what a walk over them takes.

Of each route that a plan tries only numbers are kept; arrays with an item for each window are made
again for the one that is taken.
"""

from __future__ import annotations

from functools import cached_property

from cellcutter.engine.job import Job
from cellcutter.engine.regions import Grid, Touches, grid_for, touches
from cellcutter.engine.schedule import (
    Groups,
    Places,
    Times,
    by_place,
    groups_of,
    image_order,
    open_at_once,
    scratch_places,
    times,
)

# A region's least height in pixels, and in windows, and its area: the sizes tried in turn.
# High regions share few windows; low ones keep few buffers open. The last are as small as blocks
# allow, but windows do not lie in more than nine.
REGION_SIZES = ((256, 4.0, 1 << 20), (128, 2.0, 1 << 19), (64, 1.0, 1 << 18), (1, 0.5, 1))
# A batch of windows that is copied should stay in a processor's own cache.
BATCH_NBYTES = 768 * 1024


def routes_for(job: Job) -> list[Route]:
    """Return the routes to try, from large regions to small."""
    shape, block, size = job.image.shape[1:], job.image.block_shape, job.windows.size
    grids = (
        grid_for(shape, block, max(height, int(windows * size)), max(area, (size // 2) ** 2))
        for height, windows, area in REGION_SIZES
    )
    return [Route(job, grid) for grid in dict.fromkeys(grids)]


class Route:
    """Regions of a size over the image of a job.

    Parameters
    ----------
    job : Job
    grid : Grid
    """

    def __init__(self, job: Job, grid: Grid) -> None:
        self.job = job
        self.grid = grid
        self._open_groups: dict[int, int] = {}

    def forget(self) -> None:
        """Free the arrays; they are made again where they are asked for."""
        for name in ("touches", "when", "order"):
            self.__dict__.pop(name, None)

    @cached_property
    def touches(self) -> Touches:
        """Which windows touch which region."""
        return touches(self.job.windows, self.grid, self.job.select)

    @cached_property
    def when(self) -> Times:
        """When each window is touched."""
        return times(self.touches, len(self.job.windows))

    @cached_property
    def order(self) -> Places:
        """The windows in the order of the image."""
        return image_order(self.touches, self.when)

    @cached_property
    def chunks(self) -> Groups:
        """The chunks as groups."""
        return Groups(len(self.job.windows), self.job.cells_per_chunk)

    @cached_property
    def open_chunks(self) -> int:
        """How many chunks are open at once."""
        return open_at_once(self.when, self.chunks)

    def open_groups(self, capacity: int) -> int:
        """Return how many groups in the order of the image are open at once."""
        if capacity not in self._open_groups:
            groups = Groups(len(self.job.windows), capacity, self.order)
            self._open_groups[capacity] = open_at_once(self.when, groups)
        return self._open_groups[capacity]

    def scratch_groups(self, capacity: int) -> tuple[Places, Groups]:
        """Return the windows' places in a scratch file, and the groups that are written to it."""
        order = self.order
        self.forget()
        places = scratch_places(order, self.job.cells_per_chunk)
        return places, groups_of(by_place(order, capacity, places), capacity)

    def batch(self, threads: int) -> int:
        """Return how many windows a thread copies at one time."""
        allowed = min(BATCH_NBYTES, self.job.memory // (16 * threads))
        return max(1, allowed // (self.job.image.dtype.itemsize * self.job.windows.size**2))

    def worker_nbytes(self, threads: int) -> int:
        """Return the memory of a thread that reads regions: pixels, a block, a batch."""
        image, size = self.job.image, self.job.windows.size
        batch = self.batch(threads) * (image.dtype.itemsize + 1) * size**2
        return self._region_nbytes + image.block_nbytes + 2 * batch

    @property
    def _region_nbytes(self) -> int:
        """Bytes of the largest region with the margins that windows need."""
        image, margins = self.job.image, 2 * (self.job.windows.size - 1)
        height, width = (
            min(r, i) + margins
            for r, i in zip(self.grid.region_shape, image.shape[1:], strict=True)
        )
        return height * width * image.dtype.itemsize * max(map(len, image.planes))
