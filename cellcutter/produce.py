"""From windows to a published store: planned, cut, described, checked, renamed.

What both commands share.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cellcutter.cutting import cut_missing, leave, work_of
from cellcutter.engine.assemble import Cutting, Sink
from cellcutter.engine.plan import Plan, make_plan
from cellcutter.limits import MB
from cellcutter.options import Name, Options
from cellcutter.outputs import Outputs
from cellcutter.record import record_of
from cellcutter.request import Request
from cellcutter.store.layout import Layout
from cellcutter.store.publishing.claim import Looked, claimed, looked_at
from cellcutter.store.publishing.names import Names
from cellcutter.store.publishing.publish import Publication
from cellcutter.types import Pixels, Progress

log = logging.getLogger("cellcutter")
_STORES = ("masks", "store")  # as they are called while they are made


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
        Channels, cells or tiles, window size, window size; with the layout `cells`, the cells
        come first.
    chunks : tuple of int
        Shape of a chunk, or of a shard.
    dtype : numpy.dtype
        Type of a pixel, that of the image.
    nbytes : int
        Bytes of all chunks on disk.
    memory : int
        Bytes that were planned for pixels.
    seconds : float
        How long it took.
    identity : str
        ``sha256:`` and the SHA-256 of the store's manifest, which names all its files.
    """

    destination: Path
    masks: Path | None
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[np.generic]
    nbytes: int
    memory: int
    seconds: float
    identity: str


def claim(
    destination: Name, inputs: Iterable[object], options: Options
) -> AbstractContextManager[Publication]:
    """Claim the names of the results before anything is read.

    Parameters
    ----------
    destination : path
    inputs : iterable
        What the run reads: paths; what is none is left out.
    options : Options

    Raises
    ------
    DestinationError
        A name cannot be given.
    """
    return claimed(names_of(destination, options), _paths(inputs))


def look(
    destination: Name, inputs: Iterable[object], options: Options
) -> AbstractContextManager[Looked]:
    """Make sure that the names could be claimed; see :func:`claim`."""
    return looked_at(names_of(destination, options), _paths(inputs))


def names_of(destination: Name, options: Options) -> Names:
    """Return the names that the results of a run get."""
    given = dict(options)  # masks are for cells alone
    with_masks = bool(given.get("mask_cells") or given.get("masks"))
    metadata = options["save_metadata"]
    return Names(
        Path(destination),
        with_masks and options["layout"] == "chunks",
        None if metadata is None else Path(metadata),
        options["force"],
        resume=options["resume"],
    )


def _paths(inputs: Iterable[object]) -> list[Path]:
    return [Path(each) for each in inputs if isinstance(each, str | os.PathLike)]


def produce(request: Request, publication: Publication, progress: Progress) -> CutResult:
    """Cut, and publish the result.

    Raises
    ------
    InputError
        The plan does not fit the memory, a block of the image is damaged, or the destination
        cannot be written to.
    OSError
        Writing failed.
    """
    work = work_of(request)
    arrays = work.arrays
    layout = arrays[-1].layout
    _log_plan(request, layout, work.plans[-1], work.memory)
    publication.begin(record_of(request, arrays, publication.names.metadata), _STORES)
    made_in = _STORES if publication.names.has_masks else _STORES[1:]
    folders = [publication.folder / name for name in made_in]
    zipped = request.options["z"]
    places = [(f, f.with_name(f"{f.name}.zip") if zipped else None) for f in folders]
    with Outputs(request, arrays, places, publication.folder) as outputs:
        try:
            cut_missing(request, work, outputs, publication, progress)
            *masks_made, made = outputs.finish()
            publication.publish(made, *masks_made)
        except BaseException as error:
            if request.options["resume"]:
                leave(error, work, outputs, publication)
            raise
    seconds = time.monotonic() - request.started
    nbytes = outputs.nbytes
    names = publication.names
    log.info("wrote %s: %.1f MB in %.1f s", names.destination, nbytes / MB, seconds)
    log.info("identity %s", outputs.identity)
    return CutResult(
        names.destination,
        names.masks if names.has_masks else None,
        layout.stored_shape,
        layout.stored_chunks,
        layout.dtype,
        nbytes,
        work.memory,
        seconds,
        outputs.identity,
    )


def cut_into_memory(request: Request) -> Pixels:
    """Cut, and return the thumbnails of a request with the cells first: (cells, channels, y, x).

    Raises
    ------
    InputError
        The plan does not fit the memory, or a block of the image is damaged.
    """
    made = []
    with tempfile.TemporaryDirectory(prefix="cellcutter-") as folder:
        for array in request.arrays():
            out = np.empty(array.layout.stored_shape, array.layout.dtype)
            sink = _copier(out, array.layout.per_chunk)
            Cutting(make_plan(array.job), array.job, sink, Path(folder)).run(lambda: None)
            made.append(out)
    *masks, thumbnails = made
    if masks:
        thumbnails[np.broadcast_to(~masks[0][:, None], thumbnails.shape)] = 0
    return thumbnails


def _copier(out: Pixels, per_chunk: int) -> Sink:
    """Return what takes chunks whose cells come first."""

    def sink(index: int, pixels: Pixels) -> None:
        part = out[index * per_chunk : (index + 1) * per_chunk]
        part[...] = pixels[: len(part)].reshape(part.shape)  # masks have an axis of one channel

    return sink


def _log_plan(request: Request, layout: Layout, plan: Plan, memory: int) -> None:
    image = request.image
    log.info(
        "%s: %d channels of %d x %d pixels, %s; %d of them are cut",
        image.name,
        *image.shape,
        image.dtype,
        len(request.channels),
    )
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
        "%d thread%s, at most %.0f MB for pixels",
        plan.threads,
        "s" if plan.threads > 1 else "",
        memory / MB,
    )
    log.debug(
        "%d pass%s over the image%s",
        len(plan.parts),
        "es" if len(plan.parts) > 1 else "",
        ", with a scratch file" if plan.places is not None else "",
    )
