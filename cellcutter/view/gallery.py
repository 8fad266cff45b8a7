"""The story of a gallery: which cells, how they look, and a file that appears when it is whole."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack, cast

from cellcutter.completing import complete
from cellcutter.documented import takes
from cellcutter.errors import DestinationError, SettingsError, StoreError
from cellcutter.gallery_options import MANY, GalleryOptions
from cellcutter.kinds import read_path
from cellcutter.options import Name
from cellcutter.progress import Tally
from cellcutter.store.publishing.claim import claimed
from cellcutter.store.publishing.names import Form, Names, begins
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.opening import Paths
from cellcutter.store.reading.opening import open as open_stores
from cellcutter.types import Ints, Progress
from cellcutter.view.channels import channels_of
from cellcutter.view.contrast import contrast_of
from cellcutter.view.page import MARK, write_page
from cellcutter.view.scene import MAKER, Scene, names_of, shown
from cellcutter.view.selection import choice_of
from cellcutter.view.table import Table

log = logging.getLogger("cellcutter")
MB = 1 << 20
DRAWN = """Drawn
    What was drawn: the file, the cells, and how long it took."""
_NEEDED = {"matplotlib": "matplotlib", "skimage": "scikit-image"}


@dataclass(frozen=True)
class Drawn:
    """What was drawn of one or several stores.

    Parameters
    ----------
    destination : Path
        The file.
    rows : int64 array of shape (n,)
        Rows of the cells in what :func:`cellcutter.open` gives, in the order shown.
    nbytes : int
        Bytes on disk.
    seconds : float
        How long it took.
    """

    destination: Path
    rows: Ints
    nbytes: int
    seconds: float


_FORMS = {
    ".html": Form("a gallery", "galleries", begins(MARK.encode(), within=1024)),
    ".png": Form("a gallery", "galleries", begins(MAKER.encode(), within=256)),
    ".pdf": Form("a gallery", "galleries", begins(MAKER.encode(), ends=1 << 16)),
}


@takes(GalleryOptions, DRAWN)
def gallery(
    stores: Paths,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[GalleryOptions],
) -> Drawn:
    """Draw cells of one or several stores as a picture (PNG, PDF) or a page (HTML).

    Parameters
    ----------
    stores : path, sequence of paths, or mapping of slides' names to paths
        As :func:`cellcutter.open` takes them.
    destination : path
        The file to be made; its name ends in `.html`, `.png` or `.pdf`.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> cellcutter.gallery("cells.zarr", "cells.png", top="CD45")  # doctest: +SKIP
    """
    started = time.monotonic()
    wanted = complete(GalleryOptions, options)
    place = Path(read_path("OUT", destination))
    form = place.suffix.lower()
    if form not in _FORMS:
        raise DestinationError(
            f"{place}: {place.suffix or 'no ending'} found, a name that ends in .html, .png or "
            ".pdf expected"
        )
    _check(wanted, form)
    given = None if wanted["table"] is None else Path(wanted["table"])
    files = [given] if given else []
    if isinstance(wanted["contrast"], str):
        files.append(Path(wanted["contrast"]))
    names = Names(place, force=wanted["force"], form=_FORMS[form])
    with open_stores(stores, join="outer", threads=wanted["p"]) as cells:
        inputs = [path for path in cells.paths if isinstance(path, Path)] + files
        with claimed(names, inputs) as publication:
            table = Table(cells, given)
            scene = scene_of(cells, table, wanted, page=form == ".html")
            number = len(scene.ids)
            tally = Tally(progress or (lambda *_: None), "drawing", number)
            made = publication.folder / f"made{form}"
            _make(scene, table, made, wanted, tally)
            nbytes = made.stat().st_size
            publication.publish(made)
    seconds = time.monotonic() - started
    log.info("wrote %s: %d cells, %.1f MB in %.1f s", place, number, nbytes / MB, seconds)
    return Drawn(place, scene.choice.rows, nbytes, seconds)


def _make(scene: Scene, table: Table, made: Path, wanted: GalleryOptions, tally: Tally) -> None:
    """Write the file."""
    number = len(scene.ids)
    if made.suffix == ".html":
        if number > MANY:
            log.warning(
                "%d cells: a page of more than %d is slow to open; --number makes it smaller",
                number,
                MANY,
            )
        by = wanted["group_by"]
        group = None if by is None else str(table.column(by, "--group-by").name)
        write_page(scene, table.rows(scene.choice.rows, group), made, group, tally)
        return
    from cellcutter.view.sheet import draw

    draw(scene, made, made.suffix[1:], wanted["dpi"], wanted["across"], tally)


def _check(wanted: GalleryOptions, form: str) -> None:
    """Make sure that options go together, and that what draws is installed."""
    given = cast(Mapping[str, Any], wanted)
    ways = [name for name in ("ids", "top", "bottom", "spread") if given[name] is not None]
    if len(ways) > 1:
        raise SettingsError(f"--{ways[0]} and --{ways[1]} found together, one of them expected")
    if ways == ["ids"] and wanted["number"]:
        raise SettingsError("--ids and --number found together, one of them expected")
    if form == ".html":
        if wanted["across"]:
            raise SettingsError("--across: found for a page, a picture (.png, .pdf) expected")
        return
    needed = [name for name in _NEEDED if name != "skimage" or wanted["outline"]]
    lacking = [_NEEDED[name] for name in needed if importlib.util.find_spec(name) is None]
    if lacking:
        raise SettingsError(
            f"{form}: {lacking[0]} is not installed, but needed to draw it: "
            "pip install 'cellcutter[gallery]', or make an HTML page"
        )


def scene_of(cells: Cells, table: Table, wanted: GalleryOptions, *, page: bool) -> Scene:
    """Return what is drawn.

    Parameters
    ----------
    cells : Cells
    table : Table
    wanted : GalleryOptions
        All of them, as `complete` gives them.
    page : bool
        Whether it is a page, with all channels and more cells, or a picture.

    Raises
    ------
    SettingsError, StoreError
    """
    if cells.dtype.kind not in "biuf":
        raise StoreError(f"{cells.paths[0]}: pixels of type {cells.dtype} found, numbers expected")
    if wanted["outline"] and cells.masks is None:
        raise SettingsError(
            f"--outline: no cell masks found in {cells.paths[0]}, a store cut with --masks expected"
        )
    channels = channels_of(
        cells, wanted["channels"], every=page, apart=wanted["apart"] and not page
    )
    choice, column, said = choice_of(cells, table, wanted, page=page)
    values = shown(table.column(column, "--sort-by"), choice.rows) if column else []
    return Scene(
        cells=cells,
        choice=choice,
        channels=channels,
        contrast=contrast_of(cells, channels, wanted["contrast"]),
        gamma=wanted["gamma"],
        apart=wanted["apart"],
        outline=wanted["outline"],
        ids=names_of(cells, choice.rows),
        column=column,
        values=values,
        said=said,
    )
