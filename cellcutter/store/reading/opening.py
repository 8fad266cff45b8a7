"""Opening the stores that a caller names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cellcutter.errors import CellWarning, SettingsError
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.listing import Listing, is_listing
from cellcutter.store.reading.places import place_of
from cellcutter.store.reading.several import Join, names_of
from cellcutter.types import Name

Paths = Name | Sequence[Name] | Mapping[str, Name]


def open(  # noqa: A001 - called as cellcutter.open
    paths: Paths,
    *,
    join: Join = "inner",
    threads: int | None = None,
    cache_size: float = 256,
    storage_options: Mapping[str, Any] | None = None,
) -> Cells:
    """Open a store of thumbnails, or the stores of several slides as one.

    Both layouts can be read, as folders and as zip files, and stores of version 0.2.12. Only
    metadata are read at first.

    Parameters
    ----------
    paths : path, sequence of paths, or mapping of slides' names to paths
        Names are taken from the paths where they are not given. Addresses such as
        ``s3://bucket/cells.zarr`` are read through fsspec: ``pip install 'cellcutter[s3]'``.
        A file ``cells.csv``, as the pipeline and ``cellcutter cohort`` write it, names the stores
        of several slides, and its columns are those of :attr:`Cells.obs`.
    join : "inner" or "outer"
        Of several slides: the channels that all have, or those that any has. Channels are aligned
        by marker name; what a slide lacks is zero, and :attr:`Cells.present` tells of it.
    threads : int, optional
        That read at one time (default: the CPUs that this process may use, at most 8; 16 where an
        object store is read).
    cache_size : float
        MB for decoded chunks, in each process; only the layout `chunks` wants it.
    storage_options : mapping, optional
        What fsspec is told of an object store, as pandas and xarray take it: keys, an endpoint.

    Returns
    -------
    Cells
        The cells of all slides, one behind the other.

    Raises
    ------
    cellcutter.StoreError
        A store is none, is damaged, or does not fit the others; the message is one line.

    Examples
    --------
    >>> import cellcutter
    >>> cells = cellcutter.open("cells.zarr")  # doctest: +SKIP
    >>> cells.read([7, 3, 7], channels=["CD8", "DNA"]).shape  # doctest: +SKIP
    (3, 2, 40, 40)
    """
    return _checked(_opened(paths, join, threads, cache_size, storage_options))


def _opened(
    paths: Paths,
    join: Join,
    threads: int | None,
    cache_size: float,
    options: Mapping[str, Any] | None,
) -> Cells:
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    several = [*paths.values()] if isinstance(paths, Mapping) else [*paths]
    places = [place_of(path, options) for path in several]
    if not places:
        raise SettingsError("paths: none found, at least one store expected")
    lists = [place for place in places if isinstance(place, Path) and is_listing(place)]
    if lists and len(places) > 1:
        raise SettingsError(f"{lists[0]}: a list of cells among several paths found, one expected")
    if lists:
        return _listed(lists[0], join, threads, cache_size)
    names = [*map(str, paths)] if isinstance(paths, Mapping) else names_of(places)
    return Cells(places, names, join, threads, cache_size)


def _listed(path: Path, join: Join, threads: int | None, cache_size: float) -> Cells:
    """Open the stores that a file lists."""
    listing = Listing(path)
    cells = Cells(listing.stores, listing.names, join, threads, cache_size, path)
    listing.check(np.bincount(cells.slide, minlength=len(cells.slides)).tolist())
    return cells


def _checked(cells: Cells) -> Cells:
    """Warn where slides have pixels of several sizes."""
    sizes = cells.pixel_sizes
    if len(set(sizes)) > 1:
        shown = ", ".join(
            f"{name} {'unknown' if size is None else f'{size.y} x {size.x} {size.unit}'}"
            for name, size in zip(cells.slides, sizes, strict=True)
        )
        warnings.warn(f"pixels of several sizes: {shown}", CellWarning, stacklevel=3)
    return cells
