"""A store into the files of other programs."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Unpack

from cellcutter.completing import complete
from cellcutter.documented import takes
from cellcutter.errors import SettingsError
from cellcutter.formats import h5sc, npy, ome_tiff, webdataset
from cellcutter.formats.convert import files_of, open_slide
from cellcutter.formats.source import Source
from cellcutter.formats.work import WRITTEN, Written, read_nbytes
from cellcutter.kinds import read_path
from cellcutter.limits import MB, Limits
from cellcutter.options import Name
from cellcutter.progress import Tally
from cellcutter.store.publishing.claim import claimed
from cellcutter.store.publishing.names import Form, Names
from cellcutter.store.reading.cells import Cells
from cellcutter.store_options import DEFAULT_SHARD_SIZE, FORMS, ExportOptions
from cellcutter.types import Progress

log = logging.getLogger("cellcutter")

_FORMS = {
    "h5sc": Form("an export to h5sc", "such files alone", h5sc.is_h5sc),
    "npy": Form("an export to npy", "folders of such files alone", npy.is_npy),
    "webdataset": Form(
        "an export to webdataset", "folders of such files alone", webdataset.is_webdataset
    ),
    "ome-tiff": Form("an export to ome-tiff", "such files alone", ome_tiff.is_ome_tiff),
}


@takes(ExportOptions, WRITTEN)
def export(
    store: Name,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[ExportOptions],
) -> Written:
    """Write a store as the files of other programs.

    Parameters
    ----------
    store : path
        A store of either layout, a folder or a zip file; also one of version 0.2.12.
    destination : path
        The file or folder to be made.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> cellcutter.export("cells.zarr", "cells_npy", to="npy")  # doctest: +SKIP
    """
    started = time.monotonic()
    wanted = complete(ExportOptions, options)
    to = wanted["to"]
    if to is None:
        raise SettingsError(f"--to: nothing found, one of {', '.join(FORMS)} expected")
    if wanted["shard_size"] is not None and to != "webdataset":
        raise SettingsError(f"--shard-size: found with --to {to}, --to webdataset expected")
    if to == "h5sc":
        h5sc.check_h5py()
    slide = open_slide(store)
    limits = Limits.of(wanted)
    place = Path(read_path("DESTINATION", destination))
    names = Names(place, force=wanted["force"], form=_FORMS[to])
    cache = read_nbytes(slide) / MB
    with (
        claimed(names, files_of(slide)) as publication,
        Cells([slide.path], [slide.name], cache_size=cache) as cells,
    ):
        tally = Tally(progress or (lambda *_: None), "exporting", len(slide))
        source = Source(slide, cells, wanted["channels"], limits, tally)
        made, scratch = publication.folder / "made", publication.folder / "scratch"
        scratch.mkdir()
        if to == "h5sc":
            h5sc.write_h5sc(source, made, scratch)
        elif to == "npy":
            npy.write_npy(source, made, scratch)
        elif to == "webdataset":
            shard_nbytes = int((wanted["shard_size"] or DEFAULT_SHARD_SIZE) * MB)
            webdataset.write_webdataset(source, made, scratch, shard_nbytes)
        else:
            ome_tiff.write_ome_tiff(source, made)
        nbytes = sum(file.stat().st_size for file in [made, *made.rglob("*")] if file.is_file())
        publication.publish(made)
    seconds = time.monotonic() - started
    log.info("wrote %s: %.1f MB in %.1f s", place, nbytes / MB, seconds)
    return Written(place, None, source.shape, nbytes, seconds)
