"""The table of a store's cells: ``cells.csv`` beside chunks, or ``obs`` as AnnData stores it.

AnnData's format: https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, ZipStore

from cellcutter.errors import StoreError
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.places import Place, Remote
from cellcutter.types import Ints

IDS = ("CellID", "TileID")
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, OSError)


def csv_table(files: Files, key: str) -> pd.DataFrame:
    """Return the table beside chunks, with the cells' numbers as its index.

    Raises
    ------
    StoreError
    """
    try:
        table = pd.read_csv(_content(files, key))
    except (ValueError, UnicodeError) as error:
        message = str(error).splitlines()[0]
        raise StoreError(f"{files.name}/{key}: {message}; a CSV file expected") from error
    column = next((name for name in IDS if name in table), None)
    return table if column is None else table.set_index(column)


def csv_ids(files: Files, key: str) -> Ints:
    """Return the cells' numbers, int64 of shape (n,), out of the table beside chunks."""
    try:
        column = pd.read_csv(_content(files, key), usecols=lambda name: name in IDS)
        return column.iloc[:, 0].to_numpy(np.int64)
    except (ValueError, UnicodeError, IndexError) as error:
        message = str(error).splitlines()[0]
        raise StoreError(f"{files.name}/{key}: {message}; CellIDs expected") from error


def _content(files: Files, key: str) -> io.BytesIO:
    blob = files.blob(key)
    return io.BytesIO(blob.pieces([0], [blob.size])[0])


def obs_table(path: Place) -> pd.DataFrame:
    """Return ``obs`` of a store in the layout `cells`.

    Raises
    ------
    StoreError
    """
    found: pd.DataFrame = _read_obs(path, _frame)
    return found


def obs_ids(path: Place) -> Ints:
    """Return the cells' numbers, int64 of shape (n,): a column of that name, or the index."""

    def read(obs: zarr.Group) -> Ints:
        names = [*IDS, str(obs.attrs["_index"])]
        values = _column(obs[next(name for name in names if name in obs)])
        return np.asarray(values).astype(np.int64)

    found: Ints = _read_obs(path, read)
    return found


def _read_obs(path: Place, read: Any) -> Any:
    """Read something of ``obs``; a store may be anything, so whatever zarr says is one error."""
    if isinstance(path, Path):
        _check_links(path / "obs")
    try:
        with closing(_store(path)) as store:
            return read(zarr.open_group(store, mode="r", path="obs"))
    except _FAULTS as error:
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise StoreError(
            f"{path}: obs: {message}; a table as AnnData stores it expected"
        ) from error


def _store(place: Place) -> Store:
    if isinstance(place, Remote):
        options = dict(place.options)
        return FsspecStore.from_url(str(place), storage_options=options, read_only=True)
    return LocalStore(place, read_only=True) if place.is_dir() else ZipStore(place, mode="r")


def _check_links(folder: Path) -> None:
    """Make sure that no link leads out of a folder."""
    root = folder.parent.resolve()
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise StoreError(
                    f"{path}: a link to {path.resolve()} found, a file of the store expected"
                )


def _frame(obs: zarr.Group) -> pd.DataFrame:
    index = str(obs.attrs["_index"])
    order = obs.attrs["column-order"]
    if not isinstance(order, list):
        raise TypeError("column-order is no list")
    columns = {str(name): _column(obs[str(name)]) for name in order}
    name = None if index == "_index" else index
    if stored := [each for each in IDS if each in columns]:
        return pd.DataFrame(columns).set_index(stored[0])
    values = _column(obs[index])
    with suppress(ValueError):  # AnnData wants text there; CellIDs are numbers
        values = np.asarray(values).astype(np.int64)
        name = name or IDS[0]
    return pd.DataFrame(columns, index=pd.Index(values, name=name))


def _column(node: Any) -> Any:
    """Return a column: an array, or a group of arrays that are one column together."""
    attributes: Mapping[str, Any] = node.attrs
    kind = attributes.get("encoding-type", "array")
    if isinstance(node, zarr.Array):
        values: Any = node[:]
        text = kind == "string-array" or values.dtype.kind in "OUT"
        return values.astype(object) if text else values
    if kind == "categorical":
        categories = pd.Index(_column(node["categories"]))
        ordered = bool(attributes.get("ordered", False))
        return pd.Categorical.from_codes(node["codes"][:], categories, ordered)
    values, missing = _column(node["values"]), node["mask"][:].astype(bool)
    if kind == "nullable-integer":
        return pd.arrays.IntegerArray(values, missing)
    if kind == "nullable-boolean":
        return pd.arrays.BooleanArray(values, missing)
    if kind == "nullable-string-array":
        return np.where(missing, None, values)
    raise ValueError(f"{node.name}: {kind} found, a column expected")
