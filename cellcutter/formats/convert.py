"""A store into the other layout, or into other chunks or compression, without the slide."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Unpack

import numpy as np

from cellcutter.completing import complete
from cellcutter.documented import takes
from cellcutter.errors import StoreError
from cellcutter.formats import targets
from cellcutter.formats.targets import Layouts, Target
from cellcutter.formats.work import WRITTEN, Written, fit, read_nbytes
from cellcutter.kinds import read_path
from cellcutter.limits import MB, Limits
from cellcutter.options import Name
from cellcutter.progress import Tally
from cellcutter.store.anndata import added_by_others
from cellcutter.store.layout import numeric
from cellcutter.store.publishing.claim import claimed
from cellcutter.store.publishing.names import Names, mask_name
from cellcutter.store.publishing.publish import Publication
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.slide import Slide
from cellcutter.store_options import ConvertOptions
from cellcutter.threads import pool
from cellcutter.types import Progress

log = logging.getLogger("cellcutter")


@takes(ConvertOptions, WRITTEN)
def convert(
    store: Name,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[ConvertOptions],
) -> Written:
    """Write a store in the other layout, or with other chunks or another compression.

    Pixels, masks, table, channels, pixel size, statistics and what the store says of its origin
    stay as they are. The slide is not needed.

    Parameters
    ----------
    store : path
        A store of either layout, a folder or a zip file; also one of version 0.2.12.
    destination : path
        The store to be made.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> cellcutter.convert("cells.zarr", "quick.zarr", layout="cells")  # doctest: +SKIP
    """
    started = time.monotonic()
    wanted = complete(ConvertOptions, options)
    slide = open_slide(store)
    limits = Limits.of(wanted, wanted["cells_per_chunk"], wanted["chunk_size"])
    layouts = Layouts.of(
        slide, wanted["layout"], wanted["compression"], limits.per_chunk, limits.chunk_nbytes
    )
    _tell_of_what_is_left(slide)
    apart = slide.masks is not None and wanted["layout"] == "chunks"
    names = Names(Path(read_path("DESTINATION", destination)), apart, None, wanted["force"])
    with claimed(names, files_of(slide)) as publication:
        places = [publication.folder / name for name in ("store", "masks")[: 1 + apart]]
        zips = [(p, p.with_name(f"{p.name}.zip") if wanted["z"] else None) for p in places]
        with targets.make(slide, layouts, wanted["compression"], zips) as target:
            _copy(slide, layouts, target, limits, progress or (lambda *_: None))
            made = _finish(target, publication)
            publication.publish(*made)
            nbytes, identity = target.nbytes, target.identity
    seconds = time.monotonic() - started
    log.info("wrote %s: %.1f MB in %.1f s", names.destination, nbytes / MB, seconds)
    log.info("identity %s", identity)
    masks = names.masks if apart else None
    return Written(names.destination, masks, layouts.images.stored_shape, nbytes, seconds, identity)


def open_slide(store: Name) -> Slide:
    """Open a store whose pixels can be written again.

    Raises
    ------
    StoreError
    """
    path = Path(read_path("STORE", store))
    slide = Slide(path, path.name)
    if not len(slide):
        raise StoreError(f"{path}: no cells found, at least one expected")
    dtype = slide.images.array.dtype
    if not numeric(dtype):
        raise StoreError(f"{path}: pixels of type {dtype} found, integers or floats expected")
    return slide


def files_of(slide: Slide) -> list[Path]:
    """Return the folders and files that a store consists of."""
    parts = [slide.images, *filter(None, [slide.masks])]
    places = dict.fromkeys(part.path for part in parts)
    return [place for place in places if isinstance(place, Path)]


def _tell_of_what_is_left(slide: Slide) -> None:
    """Say what stays behind: masks that nothing proves to be the cells', and what others added."""
    if not isinstance(slide.path, Path):
        return
    beside = slide.path.with_name(mask_name(slide.path.name))
    if slide.images.array.sharded:
        if others := added_by_others(slide.path):
            log.warning("%s: %s: not of cellcutter; left out", slide.path, ", ".join(others))
    elif slide.masks is None and beside.exists():
        log.warning("%s: not known to be the masks of %s; left out", beside, slide.path)


def _copy(
    slide: Slide, layouts: Layouts, target: Target, limits: Limits, progress: Progress
) -> None:
    """Write all chunks of images and masks."""
    images, masks = layouts.images, layouts.masks
    most = layouts.thread_nbytes + read_nbytes(slide)
    what = f"chunks of {images.chunk_nbytes / MB:.3g} MB"
    threads = fit(limits, read_nbytes(slide), most, what)
    plural = "s" if images.number > 1 else ""
    log.info("%d cells, %d chunk%s of %d", len(slide), images.number, plural, images.per_chunk)
    memory = threading.local()
    total = images.number + (masks.number if masks else 0)
    tally = Tally(progress, "converting", total)
    cache = threads * read_nbytes(slide) / MB
    with Cells([slide.path], [slide.name], threads=1, cache_size=cache) as cells:
        read_masks = cells.masks

        def write(number: int) -> None:
            is_images = number < images.number
            index = number if is_images else number - images.number
            rows = slice(index * images.per_chunk, (index + 1) * images.per_chunk)
            if is_images:
                if not hasattr(memory, "cells"):
                    shape = (images.per_chunk, *cells.shape[1:])
                    memory.cells = np.empty(shape, images.dtype)
                out = memory.cells[: len(range(*rows.indices(len(slide))))]
                target.write_images(index, cells.read(rows, out=out))
            elif read_masks is not None:
                target.write_masks(index, read_masks.read(rows).astype(bool, copy=False))
            tally.add()

        with pool(max(1, min(threads, total)), "cellcutter-store") as several:
            several.each(write, range(total))


def _finish(target: Target, publication: Publication) -> list[Path]:
    scratch = publication.folder / "scratch"
    scratch.mkdir()
    return target.finish(scratch)
