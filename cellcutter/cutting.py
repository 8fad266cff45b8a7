"""The work of a run: what is decided before it begins, and the chunks that are still to be cut.

Invariant: a chunk has the same bytes, whichever run has cut it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cellcutter.engine.assemble import Cutting, Sink
from cellcutter.engine.plan import Plan, make_plan
from cellcutter.outputs import Outputs
from cellcutter.progress import Tally
from cellcutter.request import Array, Request
from cellcutter.stops import Stopped
from cellcutter.store.publishing.publish import Publication
from cellcutter.threads import pool
from cellcutter.types import Progress

log = logging.getLogger("cellcutter")


@dataclass(frozen=True)
class Work:
    """What is to be cut, and how: decided before any pixel of the image is read.

    Parameters
    ----------
    arrays : list of Array
        The masks', if they are wanted, and the thumbnails'.
    plans : list of Plan
        One for each.
    """

    arrays: list[Array]
    plans: list[Plan]

    @property
    def chunks(self) -> int:
        """Number of chunks of all arrays."""
        return sum(array.layout.number for array in self.arrays)

    @property
    def memory(self) -> int:
        """Bytes for pixels at the most."""
        return max(plan.memory for plan in self.plans)


def work_of(request: Request) -> Work:
    """Decide how a request is done.

    Raises
    ------
    SettingsError
        No plan fits the memory, or a chunk would be larger than the codec takes.
    """
    arrays = request.arrays()
    # the thumbnails' plan first: where memory is short, they need the most
    return Work(arrays, [make_plan(array.job) for array in reversed(arrays)][::-1])


def cut_missing(
    request: Request,
    work: Work,
    outputs: Outputs,
    publication: Publication,
    progress: Progress,
) -> None:
    """Cut the chunks that are not whole yet, and write the tables."""
    missing = outputs.missing()
    cuttings = [
        _cutting(array, plan, sink, chunks, publication.folder)
        for array, plan, sink, chunks in zip(
            work.arrays, work.plans, outputs.sinks(), missing, strict=True
        )
    ]
    number = work.chunks
    if whole := number - sum(map(len, missing)):
        log.info("going on: %d of %d chunks are whole", whole, number)
    tally = Tally(progress, "cutting", sum(cutting.work for cutting in cuttings if cutting))
    *of_masks, last = cuttings
    for cutting in filter(None, of_masks):
        cutting.run(tally.add)
    outputs.count(sorted({*range(work.arrays[-1].layout.number)} - {*missing[-1]}))

    def write_tables() -> None:
        outputs.write_tables()
        if publication.names.metadata:
            with publication.metadata.open("w", encoding="utf-8", newline="") as file:
                file.writelines(request.metadata())

    # tables are written while threads decode and encode
    with pool(1, "cellcutter-tables") as thread:
        thread.start(write_tables)
        if last:
            last.run(tally.add)


def _cutting(
    array: Array, plan: Plan, sink: Sink, chunks: Sequence[int], folder: Path
) -> Cutting | None:
    """Return what cuts some chunks of an array; None where there are none."""
    if not chunks:
        return None
    if len(chunks) == array.layout.number:
        return Cutting(plan, array.job, sink, folder)
    job = array.job.of_chunks(chunks)
    return Cutting(make_plan(job), job, lambda i, pixels: sink(chunks[i], pixels), folder)


def leave(error: BaseException, work: Work, outputs: Outputs, publication: Publication) -> None:
    """Leave what is whole of a run that ends with an error, for a run that goes on."""
    number = work.chunks
    whole = number - sum(map(len, outputs.missing()))
    publication.leave(whole=whole > 0)
    if not whole:
        return
    left = f"{whole} of {number} chunks are kept, and the same command goes on from them"
    if isinstance(error, Stopped):
        error.left = left
    else:
        log.warning("%s: %s", publication.names.destination, left)
