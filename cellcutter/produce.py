"""From windows to a published store: planned, cut, described, checked, renamed.

What both commands share.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cellcutter.engine.assemble import Cutting
from cellcutter.engine.plan import Plan, make_plan
from cellcutter.limits import MB
from cellcutter.options import Options
from cellcutter.outputs import Outputs
from cellcutter.request import Request
from cellcutter.store import publish
from cellcutter.store.layout import Layout
from cellcutter.types import Progress

log = logging.getLogger("cellcutter")


@dataclass(frozen=True)
class CutResult:
    """What was written.

    Parameters
    ----------
    destination : Path
        The store of the thumbnails.
    masks : Path or None
        The store of the masks, where they have one of their own.
    shape : tuple of int
        (channels, cells or tiles, window size, window size); with the layout `cells`, the cells
        come first.
    chunks : tuple of int
        Shape of a chunk, or of a shard.
    dtype : numpy.dtype
    nbytes : int
        Bytes of all chunks on disk.
    memory : int
        Bytes that were planned for pixels.
    seconds : float
    """

    destination: Path
    masks: Path | None
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[np.generic]
    nbytes: int
    memory: int
    seconds: float


@dataclass(frozen=True)
class Target:
    """The names under which results appear.

    Parameters
    ----------
    destination : Path
    masks : Path, optional
    metadata : Path, optional
    """

    destination: Path
    masks: Path | None = None
    metadata: Path | None = None

    @property
    def stores(self) -> list[Path]:
        """The names of the stores: the masks', if they are wanted, and the thumbnails'."""
        return [*filter(None, [self.masks]), self.destination]

    @property
    def names(self) -> list[Path]:
        """All names, in the order in which they appear: the destination says that all is there."""
        return [*filter(None, [self.metadata]), *self.stores]

    @classmethod
    def checked(cls, destination: Path, options: Options, *, masks: bool) -> Target:
        """Make sure that results may get these names.

        Raises
        ------
        DestinationError
        """
        metadata = options["save_metadata"]
        target = cls(
            destination,
            destination.with_name(mask_name(destination.name)) if masks else None,
            None if metadata is None else Path(metadata),
        )
        publish.check_destination(destination, force=options["force"])
        if target.masks:
            publish.check_destination(target.masks, force=options["force"])
        if target.metadata:
            publish.check_file(target.metadata)
        return target


def mask_name(name: str) -> str:
    """Return the name of the masks' store: ``out.zarr.zip`` has ``out_mask.zarr.zip``."""
    for ending in (".zarr.zip", ".zarr", ".zip"):
        if name.endswith(ending) and name != ending:
            return f"{name.removesuffix(ending)}_mask{ending}"
    path = Path(name)
    return f"{path.stem}_mask{path.suffix}"


def produce(request: Request, target: Target, progress: Progress) -> CutResult:
    """Cut, and publish the result.

    Raises
    ------
    InputError
        The plan does not fit the memory, a block of the image is damaged, or the destination
        cannot be written to.
    OSError
        Writing failed.
    """
    arrays = request.arrays()
    # the thumbnails' plan first: where memory is short, they need the most
    plans = [make_plan(array.job) for array in reversed(arrays)][::-1]
    memory = max(plan.memory for plan in plans)
    layout = arrays[-1].layout
    _log_plan(request, layout, plans[-1], memory)
    with ExitStack() as stack:
        stages = {name: stack.enter_context(publish.staging(name)) for name in target.names}
        folders = [stages[name].folder for name in target.stores]
        zipped = request.options["z"]
        places = [(f / "store", f / "archive" if zipped else None) for f in folders]
        outputs = stack.enter_context(Outputs(request, arrays, places, folders[-1]))
        sinks = outputs.sinks()
        cuttings = [
            Cutting(plan, array.job, array.inputs, sink, stages[target.destination].folder)
            for plan, array, sink in zip(plans, arrays, sinks, strict=True)
        ]
        counter = _Counter(progress, sum(cutting.work for cutting in cuttings))
        for cutting in cuttings[:-1]:
            cutting.run(counter.add)

        def write_tables() -> None:
            outputs.write_tables()
            if target.metadata:
                with stages[target.metadata].new.open("w", encoding="utf-8", newline="") as file:
                    file.writelines(request.metadata())

        # tables are written while threads decode and encode
        tables = stack.enter_context(ThreadPoolExecutor(1)).submit(write_tables)
        cuttings[-1].run(counter.add)
        tables.result()
        for name, made in zip(target.stores, outputs.finish(), strict=True):
            made.rename(stages[name].new)
        for name in target.names:
            stages[name].publish()
    seconds = time.monotonic() - request.started
    nbytes = outputs.nbytes
    log.info("wrote %s: %.1f MB in %.1f s", target.destination, nbytes / MB, seconds)
    return CutResult(
        target.destination,
        target.masks,
        layout.stored_shape,
        layout.stored_chunks,
        layout.dtype,
        nbytes,
        memory,
        seconds,
    )


class _Counter:
    """Counts work done, from any thread."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._lock = threading.Lock()
        self._done = 0

    def add(self) -> None:
        with self._lock:
            self._done += 1
            self._progress("cutting", self._done, self._total)


def _log_plan(request: Request, layout: Layout, plan: Plan, memory: int) -> None:
    image = request.image
    log.info(
        "%s: %d channels of %d x %d pixels, %s; %d of them are cut",
        image.name,
        *image.shape,
        image.dtype,
        len(request.channels),
    )
    for note in image.notes:
        log.info("%s: %s", image.name, note)
    log.info(
        "%d %ss, window %d x %d pixels; %d chunk%s of %d",
        len(request.windows),
        request.kind,
        *layout.shape[-2:],
        layout.number,
        "s" if layout.number > 1 else "",
        layout.per_chunk,
    )
    log.info(
        "%d thread%s, %d walk%s, at most %.0f MB for pixels%s",
        plan.threads,
        "s" if plan.threads > 1 else "",
        len(plan.parts),
        "s" if len(plan.parts) > 1 else "",
        memory / MB,
        " and a scratch file" if plan.places is not None else "",
    )
