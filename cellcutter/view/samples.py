"""What a store tells of a sample, as a page of a run shows it: numbers, names, a strip of cells.

Invariant: all of it is read from the store, nothing from logs; a store that cannot be read is told
of as well, with the reason.
"""

from __future__ import annotations

import base64
import os
import warnings
from pathlib import Path
from typing import Any, TypedDict

from cellcutter.errors import InputError, StoreError
from cellcutter.store.facts import store_facts
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.places import readable
from cellcutter.view.scene import size_of
from cellcutter.view.strip import strip

OK, LARGER = "ok", "larger than window"  # of `cellcutter.cells.checks`
_CELLS, _SIZE = 8, 40  # of a strip; pixels of a cell


class Sample(TypedDict):
    """A sample, fit for JSON; what is not known is None.

    Parameters
    ----------
    name, store, gallery : str
        The latter two are paths relative to the page; the gallery may be None.
    asked, cut : int
        Cells of the table; those of them whose thumbnail shows them, as `cellcutter plan` counts.
    larger : int
        Those of them that are larger than their window.
    off : list of (str, int)
        The other statuses, with the number of their cells, the most frequent first.
    window : int
        Side in pixels.
    pixelSize : mapping
        ``x`` and ``unit``.
    channels : list of str or int
        Marker names, or numbers where there are none.
    layout, type, version, identity : str
    masks : bool
    bytes : int
    seconds : float
        How long the cut took, where a pipeline tells.
    strip : str
        A few cells, the address of a PNG that holds it.
    problems : list of str
    """

    name: str
    store: str | None
    gallery: str | None
    asked: int | None
    cut: int | None
    larger: int
    off: list[tuple[str, int]]
    window: int | None
    pixelSize: dict[str, Any] | None
    channels: list[str | int]
    layout: str | None
    type: str | None
    version: str | None
    identity: str | None
    masks: bool
    bytes: int | None
    seconds: float | None
    strip: str | None
    problems: list[str]


def sample_of(name: str, store: Path, page: Path, gallery: Path | None) -> Sample:
    """Return what a store tells.

    Parameters
    ----------
    name : str
    store : Path
    page : Path
        The file that will hold it; paths are relative to its folder.
    gallery : Path, optional
        The sample's gallery, if there is one.
    """
    found = Sample(
        name=readable(name),
        store=_relative(store, page),
        gallery=None if gallery is None else _relative(gallery, page),
        asked=None,
        cut=None,
        larger=0,
        off=[],
        window=None,
        pixelSize=None,
        channels=[],
        layout=None,
        type=None,
        version=None,
        identity=None,
        masks=False,
        bytes=None,
        seconds=None,
        strip=None,
        problems=[],
    )
    try:
        _read(store, found)
    except (InputError, OSError) as error:
        found["problems"].append(readable(str(error)))
    except ValueError as error:  # what it says of itself can be anything
        found["problems"].append(readable(f"{store}: {error}; a store of cellcutter expected"))
    return found


def _read(store: Path, found: Sample) -> None:
    facts = store_facts(store)
    if facts is None:
        raise StoreError(f"{store}: no store of cellcutter found, one expected")
    about = facts["attributes"] or {}
    version = about.get("version")
    found["version"] = None if version is None else str(version)
    found["identity"], found["bytes"] = facts["identity"], facts["bytes"]
    found["layout"] = "cells" if facts["format"] == 3 else "chunks"
    lacking = facts["chunks_expected"] - facts["chunks_there"]
    if lacking:
        found["problems"].append(
            f"{lacking} of {facts['chunks_expected']} files of pixels are missing"
        )
    with Cells([store], [found["name"]]) as cells:
        _tell(cells, found)
    if not lacking and len(cells):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            png = strip([store], number=_CELLS, size=_SIZE)
        found["strip"] = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _tell(cells: Cells, found: Sample) -> None:
    found["asked"] = found["cut"] = len(cells)
    found["window"] = cells.shape[3]
    found["type"] = str(cells.dtype)
    found["channels"] = cells.channels
    found["masks"] = cells.masks is not None
    size = size_of(cells)
    found["pixelSize"] = None if size is None else {"x": size.x, "unit": size.unit}
    obs = cells.obs
    if "Status" in obs:
        counts = obs["Status"].astype(str).value_counts()
        found["larger"] = int(counts.get(LARGER, 0))
        others = counts.drop([OK, LARGER], errors="ignore")
        found["off"] = [(str(word), int(count)) for word, count in others.items()]
        found["cut"] = len(cells) - sum(count for _, count in found["off"])


def _relative(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path.absolute(), page.absolute().parent)).as_posix()
