"""The table of a store's cells: ``cells.csv`` beside chunks, or ``obs`` as AnnData stores it.

AnnData's format: https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

from cellcutter.errors import StoreError
from cellcutter.exact import exact_floats
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.places import Place, Remote, open_files
from cellcutter.types import Column, Ints

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:  # zarr takes a quarter of a second, and opening a store does not need it
    import zarr
    from zarr.abc.store import Store

IDS = ("CellID", "TileID")
WINDOWS = ("X_start", "X_stop", "Y_start", "Y_stop")
OWN = (*WINDOWS, "OutOfBounds", "row", "Status")
"""Columns that cutting writes."""
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, OSError)


def csv_table(files: Files, key: str, texts: Sequence[str]) -> pd.DataFrame:
    """Return the table beside chunks, with the cells' numbers as its index.

    Parameters
    ----------
    files : Files
    key : str
    texts : sequence of str
        The columns of texts, which may look like numbers.

    Raises
    ------
    StoreError
    """
    table = _csv(files, key, dtype=dict.fromkeys(texts, str))
    column = next((name for name in IDS if name in table), None)
    return table if column is None else table.set_index(column)


def csv_ids(files: Files, key: str) -> Ints:
    """Return the cells' numbers, int64 of shape (n,), out of the table beside chunks."""
    import pandas as pd

    try:
        column = pd.read_csv(_content(files, key), usecols=lambda name: name in IDS)
        return column.iloc[:, 0].to_numpy(np.int64)
    except (ValueError, UnicodeError, IndexError) as error:
        message = str(error).splitlines()[0]
        raise StoreError(f"{files.name}/{key}: {message}; CellIDs expected") from error


def csv_columns(files: Files, key: str, texts: Sequence[str]) -> Iterator[tuple[str, Column]]:
    """Yield the columns of the table beside chunks, each with its type; see :func:`csv_table`."""
    words = dict.fromkeys(texts, "string")
    table = _csv(files, key, dtype=words, dtype_backend="numpy_nullable", low_memory=False)
    for name in table.columns:
        yield str(name), _of_series(table[name])


def _csv(files: Files, key: str, **how: Any) -> pd.DataFrame:
    """Return a table as we write it: only what is empty is missing."""
    import pandas as pd

    how |= {"keep_default_na": False, "na_values": [""], **exact_floats()}
    try:
        table: pd.DataFrame = pd.read_csv(_content(files, key), **how)
    except (ValueError, UnicodeError) as error:
        message = str(error).splitlines()[0]
        raise StoreError(f"{files.name}/{key}: {message}; a CSV file expected") from error
    return table


def _of_series(series: pd.Series[Any]) -> Column:
    """Return a column that pandas has read."""
    absent = series.isna().to_numpy(bool)
    dtype: Any = series.dtype
    kind = getattr(dtype, "kind", "O")
    if absent.all() or kind == "f":  # nothing is known of a column without values
        return Column(series.to_numpy(np.float64, na_value=np.nan))
    if kind in "iub":
        values = series.to_numpy(np.dtype(dtype.numpy_dtype), na_value=0)
        return Column(values, absent if absent.any() else None)
    return texts([None if no else str(v) for v, no in zip(series, absent, strict=True)])


def texts(values: list[str | None]) -> Column:
    """Return texts as categories, or as they are where all differ."""
    known = sorted({text for text in values if text is not None})
    if len(known) == len(values):
        return Column(np.array(values, object))
    number: dict[str | None, int] = {text: i for i, text in enumerate(known)} | {None: -1}
    small = np.min_scalar_type(-max(1, len(known)))
    return Column(np.array([number[text] for text in values], small), None, known)


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
    for name in IDS:
        if (quick := _written(open_files(path), f"obs/{name}")) is not None:
            return quick

    def read(obs: zarr.Group) -> Ints:
        names = [*IDS, str(obs.attrs["_index"])]
        values = _column(obs[next(name for name in names if name in obs)])
        return np.asarray(values).astype(np.int64)

    found: Ints = _read_obs(path, read)
    return found


def _written(files: Files, key: str) -> Ints | None:
    """Return whole numbers as `zarr3.py` writes them, in one piece; None where they are not so.

    Anything else, and what is damaged, is left to zarr, which takes a fifth of a second to import.
    """
    content = files.read(f"{key}/zarr.json")
    try:
        given = json.loads(content or b"{}")
        grid, codecs = given["chunk_grid"], [codec["name"] for codec in given["codecs"]]
        (rows,) = given["shape"]
        plain = (
            given["data_type"] == "int64"
            and codecs == ["bytes", "zstd"]
            and given["codecs"][0]["configuration"] == {"endian": "little"}
            and grid["name"] == "regular"
            and grid["configuration"]["chunk_shape"] == [rows]
            and given["chunk_key_encoding"]["name"] == "default"
        )
        packed = _content(files, f"{key}/c/0").getvalue() if plain else b""
        if not plain or zstandard.frame_content_size(packed) != 8 * rows:
            return None
        found = np.frombuffer(zstandard.decompress(packed), "<i8").astype(np.int64)
    except (StoreError, zstandard.ZstdError, *_FAULTS):
        return None
    return found if len(found) == rows else None


def obs_columns(path: Place) -> Iterator[tuple[str, Column]]:
    """Yield the columns of ``obs`` as they are stored, one by one.

    Raises
    ------
    StoreError
    """
    names: list[str] = _read_obs(path, _order)
    for name in names:
        yield name, _read_obs(path, lambda obs: _stored(obs[name]))  # noqa: B023 - called at once


def _order(obs: Any) -> list[str]:
    names = obs.attrs["column-order"]
    if not isinstance(names, list):
        raise TypeError("column-order is no list")
    return [str(name) for name in names]


def _stored(node: Any) -> Column:
    """Return a column as it is stored."""
    kind = node.attrs.get("encoding-type", "array")
    if kind == "categorical":
        categories = [str(text) for text in np.asarray(_column(node["categories"])).tolist()]
        return Column(node["codes"][:], None, categories)
    if kind in ("nullable-integer", "nullable-boolean"):
        return Column(node["values"][:], node["mask"][:].astype(bool))
    values = _column(node)
    if kind == "nullable-string-array":
        return texts(values.tolist())
    return Column(values)


def _read_obs(path: Place, read: Callable[[Any], Any]) -> Any:
    """Read something of ``obs``; a store may be anything, so whatever zarr says is one error."""
    if isinstance(path, Path):
        _check_links(path / "obs")
    try:
        import zarr

        with closing(_store(path)) as store:
            return read(zarr.open_group(store, mode="r", path="obs"))
    except Exception as error:  # of zarr, its codecs, or the zip file
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise StoreError(
            f"{path}: obs: {message}; a table as AnnData stores it expected"
        ) from error


def _store(place: Place) -> Store:
    from zarr.storage import FsspecStore, LocalStore, ZipStore

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
    import pandas as pd

    index = str(obs.attrs["_index"])
    columns = {name: _column(obs[name]) for name in _order(obs)}
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
    import pandas as pd
    import zarr

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
