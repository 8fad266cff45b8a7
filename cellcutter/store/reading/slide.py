"""One store: which layout it has, and what it says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellcutter.errors import StoreError
from cellcutter.store.publishing.names import mask_name
from cellcutter.store.reading import table
from cellcutter.store.reading.chunks import ChunkCache, ChunkReader
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.metadata import StoredArray
from cellcutter.store.reading.places import Place, open_files, readable
from cellcutter.store.reading.shards import ShardReader
from cellcutter.store.reading.stored import Stored, read_root, stored
from cellcutter.types import Column, Ints, PixelSize, known_size

if TYPE_CHECKING:
    import pandas as pd

Reader = ShardReader | ChunkReader


@dataclass(frozen=True)
class Part:
    """An array and the store that it lies in.

    Parameters
    ----------
    path : Place
    array : StoredArray
    """

    path: Place
    array: StoredArray

    def reader(self, files: dict[Place, Files], cache: ChunkCache) -> Reader:
        """Return what reads the array; `files` holds the stores that are open already."""
        if self.path not in files:
            files[self.path] = open_files(self.path)
        if self.array.sharded:
            return ShardReader(files[self.path], self.array)
        return ChunkReader(files[self.path], self.array, cache)


class Slide:
    """A store that was opened; holds metadata only, and no file open.

    Parameters
    ----------
    path : Place
        A folder or a zip file, or a folder in an object store.
    name : str

    Attributes
    ----------
    images, masks : Part
        Masks are None where there are none.
    about : mapping
        What the store says of itself; empty where it says nothing, as stores of 0.2.12.
    numbers, names : list
        Of each channel: its number in the image, from 1, and its marker name or None.

    Raises
    ------
    StoreError
    """

    def __init__(self, path: Place, name: str) -> None:
        self.path = path
        self.name = readable(name)
        files = open_files(path)
        self.images, self.masks, self.about, self._table = _look(path, files)
        array = self.images.array
        channels = self.about.get("channels")
        if not isinstance(channels, list) or len(channels) != array.shape[0]:
            channels = [{}] * array.shape[0]
        described = [each if isinstance(each, dict) else {} for each in channels]
        self.numbers = [_number(each, i) for i, each in enumerate(described)]
        self.names = [
            readable(str(each["name"])) if each.get("name") else None for each in described
        ]

    def __len__(self) -> int:
        return self.images.array.cells

    @property
    def labels(self) -> list[str | int]:
        """Marker names of the channels, or their numbers in the image where they have none."""
        pairs = zip(self.names, self.numbers, strict=True)
        return [number if name is None else name for name, number in pairs]

    @property
    def pixel_size(self) -> PixelSize | None:
        """Height and width of a pixel, where the image told."""
        found: Any = self.about.get("pixel_size")
        try:
            return known_size(float(found["y"]), float(found["x"]), str(found["unit"]))
        except (TypeError, KeyError, ValueError):
            return None

    @property
    def statistics(self) -> pd.DataFrame | None:
        """Statistics of each channel's pixels, a row for each, where they are stored."""
        import pandas as pd

        found = self.about.get("statistics")
        if not isinstance(found, dict):
            return None
        percentiles = found.get("percentiles")
        named = percentiles.items() if isinstance(percentiles, dict) else ()
        columns = {**found, **{f"p{percent}": values for percent, values in named}}
        index = pd.Index(self.labels, name="channel")
        kept = {
            name: pd.to_numeric(pd.Series(values, index, object), errors="coerce")
            for name, values in columns.items()
            if isinstance(values, list) and len(values) == len(index)
        }
        return pd.DataFrame(kept, index).astype(np.float64)

    @cached_property
    def ids(self) -> Ints | None:
        """The CellIDs (or TileIDs), int64 of shape (n,); None where they are not stored."""
        if self._table is None:
            return None
        if self._table == "obs":
            ids = table.obs_ids(self.path)
        else:
            ids = table.csv_ids(open_files(self.path), self._table)
        self._check_rows(len(ids))
        digest = _digest(self.about)
        if digest not in (None, hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()):
            raise StoreError(
                f"{self.path}: other CellIDs in {self._table} found than were cut, the "
                "same expected"
            )
        return ids

    @cached_property
    def obs(self) -> pd.DataFrame:
        """The table of the cells, a row for each."""
        import pandas as pd

        if self._table is None:
            return pd.DataFrame(index=pd.RangeIndex(len(self)))
        if self._table == "obs":
            found = table.obs_table(self.path)
        else:
            found = table.csv_table(open_files(self.path), self._table, self._texts)
        self._check_rows(len(found))
        return found

    def columns(self) -> Iterator[tuple[str, Column]]:
        """Yield the columns of the table of the cells as they are stored, one by one.

        Raises
        ------
        StoreError
        """
        if self._table is None:
            return
        if self._table == "obs":
            found = table.obs_columns(self.path)
        else:
            found = table.csv_columns(open_files(self.path), self._table, self._texts)
        for name, column in found:
            self._check_rows(len(column.values))
            yield name, column

    @property
    def _texts(self) -> list[str]:
        """The columns of the table beside chunks that have texts, where the store tells them."""
        told = self.about.get("table")
        found = told.get("texts") if isinstance(told, dict) else None
        names = [str(name) for name in found] if isinstance(found, list) else []
        return [name for name in names if name not in (*table.IDS, *table.OWN)]

    def _check_rows(self, found: int) -> None:
        if found != len(self):
            raise StoreError(
                f"{self.path}: {found} rows in {self._table} found, {len(self)} expected, one "
                "for each cell"
            )


def _number(channel: Mapping[str, Any], position: int) -> int:
    found = channel.get("number")
    return found if type(found) is int else position + 1


_Found = tuple[Part, Part | None, Mapping[str, Any], str | None]


def _look(path: Place, files: Files) -> _Found:
    """Return the images, the masks, what is told of them, and where the table is."""
    root = read_root(files)
    if root is None:
        raise StoreError(f"{path}: neither .zarray nor zarr.json found, a Zarr store expected")
    found = stored(root, files)
    _check_axes(found.images, 4)
    images = Part(path, found.images)
    if not found.images.sharded:
        return images, _sibling(path, found), found.about, _csv(path, found.about)
    told = found.about.get("table")
    # null in stores made of one without a table: AnnData wants names of rows, which are no CellIDs
    no_ids = isinstance(told, dict) and told.get("group", "obs") is None
    has_table = files.read("obs/zarr.json") is not None and not no_ids
    masks = None
    if found.masks is not None:
        _check_masks(found.masks, found.images)
        masks = Part(path, found.masks)
    return images, masks, found.about, "obs" if has_table else None


def _csv(path: Place, about: Mapping[str, Any]) -> str | None:
    """Return the name of the table beside chunks, where there is one."""
    told = about.get("table")
    name = told.get("file") if isinstance(told, dict) else None
    if name is not None and name not in ("cells.csv", "tiles.csv"):
        raise StoreError(f"{path}: table {str(name)[:80]!r} found, cells.csv expected")
    return name


def _sibling(path: Place, images: Stored) -> Part | None:
    """Return the masks that lie beside a store, if they are those of its cells.

    Version 0.2.12 told no CellIDs, and stored masks of wrong cells.
    """
    beside = path.with_name(mask_name(path.name))
    digest = _digest(images.about)
    if digest is None or (isinstance(beside, Path) and not beside.exists()):
        return None
    files = open_files(beside)
    root = read_root(files)
    if root is None or root.file != ".zarray":
        return None
    masks = stored(root, files)
    if _digest(masks.about) != digest:
        return None
    _check_masks(masks.images, images.images)
    return Part(beside, masks.images)


def _digest(about: Mapping[str, Any]) -> object:
    """Return the checksum of the CellIDs, where it is told."""
    told = about.get("table")
    return told.get("cell_ids_sha256") if isinstance(told, dict) else None


def _check_axes(array: StoredArray, axes: int) -> None:
    if len(array.shape) + 1 != axes:
        raise StoreError(
            f"{array.name}: an array of {len(array.shape) + 1} axes found, {axes} expected"
        )


def _check_masks(masks: StoredArray, images: StoredArray) -> None:
    if masks.cells != images.cells or masks.shape != images.shape[1:] or masks.dtype != np.bool_:
        raise StoreError(
            f"{masks.name}: {masks.cells} masks of {masks.shape}, {masks.dtype} found, "
            f"{images.cells} of {images.shape[1:]}, bool expected"
        )
