"""One store: which layout it has, and what it says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellcutter.errors import StoreError
from cellcutter.store.names import mask_name
from cellcutter.store.reading import metadata, table
from cellcutter.store.reading.chunks import ChunkCache, ChunkReader
from cellcutter.store.reading.files import Files, open_files
from cellcutter.store.reading.metadata import StoredArray
from cellcutter.store.reading.shards import ShardReader
from cellcutter.types import Column, Ints, PixelSize

IMAGES, MASKS = "obsm/single_cell_images", "obsm/single_cell_masks"
Reader = ShardReader | ChunkReader


@dataclass(frozen=True)
class Part:
    """An array and the store that it lies in.

    Parameters
    ----------
    path : Path
    array : StoredArray
    """

    path: Path
    array: StoredArray

    def reader(self, files: dict[Path, Files], cache: ChunkCache) -> Reader:
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
    path : path
        A folder or a zip file.
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

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        files = open_files(path)
        self.images, self.masks, self.about, self._table = _look(path, files)
        array = self.images.array
        channels = self.about.get("channels")
        if not isinstance(channels, list) or len(channels) != array.shape[0]:
            channels = [{}] * array.shape[0]
        described = [each if isinstance(each, dict) else {} for each in channels]
        self.numbers = [_number(each, i) for i, each in enumerate(described)]
        self.names = [str(each["name"]) if each.get("name") else None for each in described]

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
            return PixelSize(float(found["y"]), float(found["x"]), str(found["unit"]))
        except (TypeError, KeyError, ValueError):
            return None

    @property
    def statistics(self) -> pd.DataFrame | None:
        """Statistics of each channel's pixels, a row for each, where they are stored."""
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
        told = self.about.get("table")
        digest = told.get("cell_ids_sha256") if isinstance(told, dict) else None
        if digest not in (None, hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()):
            raise StoreError(
                f"{self.path}: CellIDs in {self._table} that differ from those that were cut "
                "found, the same expected"
            )
        return ids

    @cached_property
    def obs(self) -> pd.DataFrame:
        """The table of the cells, a row for each."""
        if self._table is None:
            return pd.DataFrame(index=pd.RangeIndex(len(self)))
        if self._table == "obs":
            found = table.obs_table(self.path)
        else:
            found = table.csv_table(open_files(self.path), self._table)
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
            found = table.csv_columns(open_files(self.path), self._table)
        for name, column in found:
            self._check_rows(len(column.values))
            yield name, column

    def _check_rows(self, found: int) -> None:
        if found != len(self):
            raise StoreError(
                f"{self.path}: {found} rows in {self._table} found, {len(self)} as many as cells "
                "expected"
            )


def _number(channel: Mapping[str, Any], position: int) -> int:
    found = channel.get("number")
    return found if type(found) is int else position + 1


_Found = tuple[Part, Part | None, Mapping[str, Any], str | None]


def _look(path: Path, files: Files) -> _Found:
    """Return the images, the masks, what is told of them, and where the table is."""
    old, new = files.read(".zarray"), files.read("zarr.json")
    if old is not None:
        return _look_at_chunks(path, files, old)
    if new is None:
        raise StoreError(f"{path}: neither .zarray nor zarr.json found, a Zarr store expected")
    given = metadata.read_json(new, f"{path}/zarr.json")
    if given.get("zarr_format") != 3:
        raise StoreError(f"{path}: format {str(given.get('zarr_format'))[:80]} found, 3 expected")
    if given.get("node_type") == "array":
        array = metadata.sharded(given, "", str(path))
        _check_axes(array, 4)
        return Part(path, array), None, _about(array.attributes), None
    parts: list[Part | None] = []
    for name, axes in ((IMAGES, 4), (MASKS, 3)):
        content = files.read(f"{name}/zarr.json")
        if content is None:
            parts.append(None)
            continue
        described = metadata.read_json(content, f"{path}/{name}/zarr.json")
        array = metadata.sharded(described, f"{name}/", f"{path}/{name}")
        _check_axes(array, axes)
        parts.append(Part(path, array))
    images, masks = parts
    if images is None:
        raise StoreError(f"{path}: a group without {IMAGES} found, thumbnails of cells expected")
    if masks is not None:
        _check_masks(masks.array, images.array)
    about = _about(given.get("attributes")) or _about(images.array.attributes)
    told = about.get("table")
    # null in stores made of one without a table: AnnData wants names of rows, which are no CellIDs
    no_ids = isinstance(told, dict) and told.get("group", "obs") is None
    has_table = files.read("obs/zarr.json") is not None and not no_ids
    return images, masks, about, "obs" if has_table else None


def _look_at_chunks(path: Path, files: Files, zarray: bytes) -> _Found:
    array = _chunked(path, files, zarray)
    _check_axes(array, 4)
    about = _about(array.attributes)
    told = about.get("table")
    name = told.get("file") if isinstance(told, dict) else None
    if name is not None and name not in ("cells.csv", "tiles.csv"):
        raise StoreError(f"{path}: table {str(name)[:80]!r} found, cells.csv expected")
    return Part(path, array), _sibling(path, array, about), about, name


def _chunked(path: Path, files: Files, zarray: bytes) -> StoredArray:
    zattrs = files.read(".zattrs")
    attributes = metadata.read_json(zattrs, f"{path}/.zattrs") if zattrs else {}
    given = metadata.read_json(zarray, f"{path}/.zarray")
    return metadata.chunked(given, attributes, str(path))


def _sibling(path: Path, images: StoredArray, about: Mapping[str, Any]) -> Part | None:
    """Return the masks that lie beside a store, if they are those of its cells.

    Version 0.2.12 told no CellIDs, and stored masks of wrong cells.
    """
    beside = path.with_name(mask_name(path.name))
    told = about.get("table")
    digest = told.get("cell_ids_sha256") if isinstance(told, dict) else None
    if digest is None or not beside.exists():
        return None
    files = open_files(beside)
    zarray = files.read(".zarray")
    if zarray is None:
        return None
    masks = _chunked(beside, files, zarray)
    theirs = _about(masks.attributes).get("table")
    if not isinstance(theirs, dict) or theirs.get("cell_ids_sha256") != digest:
        return None
    _check_axes(masks, 3)
    _check_masks(masks, images)
    return Part(beside, masks)


def _about(attributes: object) -> Mapping[str, Any]:
    found = attributes.get("cellcutter") if isinstance(attributes, dict) else None
    return found if isinstance(found, dict) else {}


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
