"""Pure: how windows are cut within the memory allowed, decided before any pixel is read.

Invariant: a plan's figure of memory bounds what the engine allocates for pixels. Memory changes
sizes (of regions, of the number of buffers and threads), how often the image is walked, each time
for other channels, and whether thumbnails pass through a scratch file on their way to their chunks;
it never changes which code cuts them, nor the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cellcutter.engine.job import Job
from cellcutter.engine.parting import Parting
from cellcutter.engine.regions import Touches
from cellcutter.engine.route import Route, routes_for
from cellcutter.engine.schedule import Groups, Places
from cellcutter.errors import SettingsError

MB = 1024 * 1024

# Bytes of a buffer on the way to the scratch file: large ones are written in longer runs.
SCRATCH_BUFFERS = (64 * MB, 8 * MB, MB, MB // 8, 1)
# More than this, and a buffer for each thread, is not taken where more walks do with less: memory
# not used before is dear, another walk is not.
ENOUGH = 384 * MB


@dataclass(frozen=True)
class Plan:
    """How a job is done.

    Parameters
    ----------
    threads : int
    batch : int
        Windows copied at one time.
    touches : Touches
    parts : tuple of range
        The output channels of each walk.
    groups : Groups
        Those of each walk: the chunks, or groups that go to a scratch file.
    buffers : int
        Buffers held at one time.
    buffer_nbytes : int
        Bytes of a buffer, in the walk of the most channels.
    places : int32 array of shape (n,), or None
        The place of each window in the scratch file, if there is one.
    memory : int
        Bytes that the engine allocates for pixels at the most.
    """

    threads: int
    batch: int
    touches: Touches
    parts: tuple[range, ...]
    groups: Groups
    buffers: int
    buffer_nbytes: int
    places: Places | None
    memory: int


@dataclass(frozen=True)
class Candidate:
    """The numbers of a plan, without its arrays; of many candidates one becomes a plan.

    Parameters
    ----------
    route : Route
    threads, buffers, memory : int
        As in :class:`Plan`.
    parting : Parting
    walks : int
    capacity : int
        Windows in a buffer.
    cell_nbytes : int
        Bytes of a window in a buffer.
    scratch : bool
        Whether there is a scratch file.
    """

    route: Route
    threads: int
    parting: Parting
    walks: int
    buffers: int
    capacity: int
    cell_nbytes: int
    memory: int
    scratch: bool

    def plan(self) -> Plan:
        """Make the plan, and its arrays."""
        places, groups = None, self.route.chunks
        if self.scratch:
            places, groups = self.route.scratch_groups(self.capacity)
        return Plan(
            self.threads,
            self.route.batch(self.threads),
            self.route.touches,
            self.parting.parts(self.walks),
            groups,
            self.buffers,
            self.capacity * self.cell_nbytes,
            places,
            self.memory,
        )


def make_plan(job: Job) -> Plan:
    """Return the first plan that fits the memory allowed, from the quickest to the smallest.

    Raises
    ------
    SettingsError
        Even the smallest plan needs more memory.
    """
    least = 0
    for candidate in _candidates(job):
        if candidate.memory <= job.memory:
            return candidate.plan()
        least = min(least or candidate.memory, candidate.memory)
    found, expected = job.memory // MB, -(-least // MB)
    what = f"windows of {job.windows.size} pixels, {job.cells_per_chunk} per chunk"
    if job.asked:
        raise SettingsError(
            f"--cache-size: {found} MB found, at least {expected} MB expected for {what}"
        )
    raise SettingsError(
        f"{what} found, which need {expected} MB of memory; {found} MB are free for pixels: "
        f"smaller windows, fewer per chunk, or --cache-size {expected} expected"
    )


def _candidates(job: Job) -> Iterator[Candidate]:
    """Yield plans: walks that need no more than enough, the most walks, and a scratch file."""
    routes = routes_for(job)
    parting = Parting([channel.plane for channel in job.channels], job.unit)
    threads = job.threads
    while threads:
        for route in routes:
            for walks in parting.numbers():
                found = _direct(route, threads, parting, walks)
                if (found.buffers - threads) * found.capacity * found.cell_nbytes <= ENOUGH:
                    yield found
            route.forget()
        for route in routes:
            yield _direct(route, threads, parting, parting.most)
            route.forget()
        for route in routes:
            yield from _through_scratch(route, threads, parting)
            route.forget()
        threads //= 2


def _direct(route: Route, threads: int, parting: Parting, walks: int) -> Candidate:
    """Plan walks whose buffers are the chunks, or those channels of them that are the walk's."""
    job = route.job
    capacity, cell_nbytes = job.cells_per_chunk, job.cell_nbytes(parting.largest(walks))
    nbytes = capacity * cell_nbytes
    least = route.open_chunks
    encoding = job.encoder_nbytes + job.mask_nbytes
    workers = threads * (route.worker_nbytes(threads) + encoding)
    affordable = (job.memory - workers) // nbytes
    buffers = max(least, min(least + threads + 1, route.chunks.number, affordable))
    memory = workers + buffers * nbytes
    return Candidate(route, threads, parting, walks, buffers, capacity, cell_nbytes, memory, False)


def _through_scratch(route: Route, threads: int, parting: Parting) -> Iterator[Candidate]:
    """Plan walks in the order of the image, whose buffers are written to a scratch file."""
    job = route.job
    if len(job.windows) <= job.cells_per_chunk:
        return
    walks = parting.most
    cell_nbytes = job.cell_nbytes(parting.largest(walks))
    reading = threads * route.worker_nbytes(threads)
    # a chunk as it is in the file, and in order, and a channel of it on the way
    chunks = job.cells_per_chunk * (2 * cell_nbytes + job.cell_nbytes(1))
    encoding = threads * (chunks + job.encoder_nbytes + job.mask_nbytes)
    for nbytes in SCRATCH_BUFFERS:
        capacity = max(1, min(len(job.windows), nbytes // cell_nbytes))
        number = -(-len(job.windows) // capacity)
        writing = threads + 1  # buffers that are written while the walk goes on
        buffers = min(route.open_groups(capacity) + writing, number)
        memory = max(reading + buffers * capacity * cell_nbytes, encoding)
        yield Candidate(
            route, threads, parting, walks, buffers, capacity, cell_nbytes, memory, True
        )
