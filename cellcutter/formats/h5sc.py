"""An HDF5 file as scPortrait reads it: AnnData, with the images of cells as float16.

The format is that of scPortrait 1.8 (its ``io/h5sc.py`` and ``pipeline/extraction.py``): masks
first, then channels, each value between 0 and 1. As there, each channel of each cell is spread
between two percentiles of its own pixels, after what is outside of the cell was set to zero. So
intensities of two cells cannot be compared any more; the file says how they were changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import SettingsError
from cellcutter.formats.source import Batch, Source
from cellcutter.store.publishing.names import begins
from cellcutter.types import Column, Pixels

if TYPE_CHECKING:
    import h5py

RANGE = (0.001, 0.999)  # quantiles of a cell's pixels that become 0 and 1; scPortrait's default
_MAGIC = b"\x89HDF\r\n\x1a\n"
_NAME = "single_cell_images"
_ID = "scportrait_cell_id"
_MASK = "mask"
_COMPRESSION = "lzf"
_ARRAY, _DICT, _STRINGS = ("array", "0.2.0"), ("dict", "0.1.0"), ("string-array", "0.2.0")


_is_hdf5 = begins(_MAGIC)


def is_h5sc(path: Path) -> bool:
    """Tell whether a path is a file that this has written; not any other HDF5 file."""
    if not _is_hdf5(path):
        return False
    import h5py

    with suppress(OSError), h5py.File(path, "r") as file:
        return "uns/cellcutter" in file
    return False


def check_h5py() -> None:
    """Make sure that h5py is there, before anything is done.

    Raises
    ------
    SettingsError
    """
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "--to h5sc: no package h5py found, which writes HDF5 files, but expected: "
            "pip install 'cellcutter[h5sc]'"
        ) from error


def write_h5sc(source: Source, place: Path, scratch: Path) -> None:
    """Write the file.

    Parameters
    ----------
    source : Source
    place : Path
        The file to be made.
    scratch : Path
        A folder for files that are in use for a while.
    """
    import h5py

    masks = [_MASK] if source.has_masks else []
    names = [*masks, *source.names]
    n, _, y, x = source.shape
    with h5py.File(place, "x") as file:
        _encode(file, "anndata", "0.1.0")
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            _encode(file.create_group(name), *_DICT)
        mapping = ["mask"] * len(masks) + ["image_channel"] * len(source.names)
        told = _told(source, names, mapping, len(masks))
        ids = {_ID: Column(source.ids.astype(np.uint64))}
        columns = ids | source.columns(scratch) | ids  # whatever the table has of that name
        _frame(file.create_group("obs"), n, columns)
        texts = {"channels": names, "channel_mapping": mapping}
        in_var = {name: Column(np.array(values, object)) for name, values in texts.items()}
        _frame(file.create_group("var"), len(names), in_var)
        _dict(file["uns"].create_group(_NAME), told)
        _scalar(file["uns"], "cellcutter", json.dumps(dict(source.slide.about)))
        images = file["obsm"].create_dataset(
            _NAME,
            (n, len(names), y, x),
            np.float16,
            chunks=(1, 1, y, x),
            compression=_COMPRESSION,
        )
        _encode(images, *_ARRAY)
        lower, upper = told.pop("normalization_range_lower"), told.pop("normalization_range_upper")
        for name, value in (told | {"normalization_range": [lower, upper]}).items():
            texts_as_bytes = isinstance(value, list) and isinstance(value[0], str)
            encoded = [each.encode() for each in value] if texts_as_bytes else value
            images.attrs[name] = np.array(encoded) if isinstance(encoded, list) else encoded
        for batch in source.batches():
            for i, cell in enumerate(normalised(batch), batch.rows.start):
                images[i] = cell


def normalised(batch: Batch) -> Pixels:
    """Return cells as scPortrait has them: float16 of shape (n, masks and channels, y, x)."""
    images: NDArray[Any] = batch.images
    if batch.masks is not None:
        images = np.where(batch.masks[:, None], images, images.dtype.type(0))
    values = images if images.dtype.kind == "f" else images.astype(np.float32)
    flat = values.reshape(*values.shape[:2], -1)
    low, high = (np.quantile(flat, q, axis=-1)[..., None, None] for q in RANGE)
    spread = high - low
    values = (values - low) / np.where(spread == 0, values.dtype.type(1), spread)
    found: Pixels = np.clip(values, 0, 1).astype(np.float16)
    if batch.masks is None:
        return found
    return np.concatenate([batch.masks[:, None].astype(np.float16), found], axis=1)


def _told(
    source: Source, names: Sequence[str], mapping: Sequence[str], masks: int
) -> dict[str, Any]:
    """Return what scPortrait wants to know of the images."""
    n, channels, y, x = source.shape
    return {
        "n_cells": n,
        "n_channels": masks + channels,
        "n_masks": masks,
        "n_image_channels": channels,
        "image_size": y,
        "image_size_x": x,
        "image_size_y": y,
        "normalization": True,
        "normalization_range_lower": RANGE[0],
        "normalization_range_upper": RANGE[1],
        "channel_names": list(names),
        "channel_mapping": list(mapping),
        "compression": _COMPRESSION,
    }


def _encode(node: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    node.attrs["encoding-type"] = kind
    node.attrs["encoding-version"] = version


def _dict(group: h5py.Group, values: dict[str, Any]) -> None:
    _encode(group, *_DICT)
    for name, value in values.items():
        if isinstance(value, list):
            _texts(group, name, value)
        else:
            _scalar(group, name, value)


def _scalar(group: h5py.Group, name: str, value: str | float) -> None:
    import h5py

    is_text = isinstance(value, str)
    node = group.create_dataset(name, data=value, dtype=h5py.string_dtype() if is_text else None)
    _encode(node, "string" if is_text else "numeric-scalar", "0.2.0")


def _texts(group: h5py.Group, name: str, texts: Iterable[object]) -> None:
    import h5py

    values = np.array([str(text) for text in texts], object)
    _encode(group.create_dataset(name, data=values, dtype=h5py.string_dtype()), *_STRINGS)


def _values(group: h5py.Group, name: str, values: Pixels) -> None:
    _encode(group.create_dataset(name, data=values), *_ARRAY)


def _frame(group: h5py.Group, rows: int, columns: dict[str, Column]) -> None:
    """Write a table, whose rows are called by their numbers, as in scPortrait."""
    _encode(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = list(columns)
    _texts(group, "_index", range(rows))
    for name, column in columns.items():
        values = column.values
        if column.categories is not None:
            part = group.create_group(name)
            _encode(part, "categorical", "0.2.0")
            part.attrs["ordered"] = False
            _texts(part, "categories", column.categories)
            _values(part, "codes", values)
        elif column.missing is not None:
            part = group.create_group(name)
            _encode(part, f"nullable-{'boolean' if values.dtype == bool else 'integer'}", "0.1.0")
            _values(part, "values", values)
            _values(part, "mask", column.missing)
        elif values.dtype.kind == "O":
            _texts(group, name, values.tolist())
        else:
            _values(group, name, values)
