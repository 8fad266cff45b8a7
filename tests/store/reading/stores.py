"""Stores of both layouts made by zarr-python, as the writer's counterpart, and what they hold."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

CODECS = {
    "lz4": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
    "zstd": ZstdCodec(level=1),
    "none": None,
}


def pixels(n: int = 30, channels: int = 3, size: int = 9, dtype: str = "u2", seed: int = 0):
    """Noise [cells, channels, y, x], in which cell 4 is empty."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 200, (n, channels, size, size)).astype(dtype)
    found[4:5] = 0
    return found


def table(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    ids = rng.permutation(n) + 1
    kinds = np.array(["T cell", "B cell", "tumour"])[rng.integers(0, 3, n)]
    return pd.DataFrame(
        {
            "patient": pd.Categorical(np.array(["p1", "p2", "p3", "p4"])[rng.integers(0, 4, n)]),
            "CELLTYPE": kinds,
            "CD8": rng.random(n),
            "cluster": rng.integers(0, 4, n),
        },
        index=pd.Index(ids, name="CellID"),
    )


def about(images: np.ndarray, ids: np.ndarray, names) -> dict:
    n, channels = images.shape[:2]
    values = images.transpose(1, 0, 2, 3).reshape(channels, -1).astype(float)
    return {
        "version": "0",
        "channels": [
            {"number": i + 1, "name": names[i] if names else None} for i in range(channels)
        ],
        "window_size": images.shape[-1],
        "pixel_size": {"y": 0.65, "x": 0.65, "unit": "µm"},
        "statistics": {"mean": values.mean(1).tolist(), "std": values.std(1).tolist()},
        "table": {
            "rows": n,
            "cell_ids_sha256": hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest(),
        },
    }


def cells_store(
    path: Path,
    images: np.ndarray,
    obs: pd.DataFrame | None = None,
    names=("DNA", "CD3", "CD8"),
    masks: np.ndarray | None = None,
    codec: str = "lz4",
    per_shard: int = 7,
) -> Path:
    """Write a store of the layout `cells`."""
    obs = table(len(images)) if obs is None else obs
    root = zarr.create_group(path, zarr_format=3)
    root.attrs.update(
        {
            "encoding-type": "anndata",
            "encoding-version": "0.1.0",
            "cellcutter": about(images, obs.index.to_numpy(), names),
        }
    )
    obsm = root.create_group("obsm", attributes={"encoding-type": "dict"})
    arrays = {"single_cell_images": images}
    if masks is not None:
        arrays["single_cell_masks"] = masks
    for name, values in arrays.items():
        array = obsm.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(1, *values.shape[1:]),
            shards=(per_shard, *values.shape[1:]),
            compressors=CODECS[codec],
            config={"write_empty_chunks": True},
        )
        array[...] = values
    frame = root.create_group("obs")
    frame.attrs.update(
        {
            "encoding-type": "dataframe",
            "encoding-version": "0.2.0",
            "_index": "CellID",
            "column-order": list(obs.columns),
        }
    )
    write_column(frame, "CellID", obs.index.astype(str))
    for name in obs:
        write_column(frame, name, obs[name])
    return path


def write_column(group: zarr.Group, name: str, values) -> None:
    """As AnnData writes a column."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        part = group.create_group(name)
        part.attrs.update({"encoding-type": "categorical", "ordered": False})
        part.create_array("codes", data=values.cat.codes.to_numpy())
        write_column(part, "categories", values.cat.categories)
        return
    found = values.to_numpy()
    if found.dtype.kind in "OUT" or isinstance(values.dtype, pd.StringDtype):
        array = group.create_array(name, shape=found.shape, dtype=str)
        array[...] = found.astype(object)
        array.attrs["encoding-type"] = "string-array"
        return
    group.create_array(name, data=found).attrs["encoding-type"] = "array"


def zipped(folder: Path) -> Path:
    """Put a store into a zip file beside it."""
    made = folder.with_name(folder.name + ".zip")
    with zipfile.ZipFile(made, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return made


def old_store(path: Path, images: np.ndarray, per_chunk: int = 7, **options) -> Path:
    """Write a store as version 0.2.12 did: an array of format 2, of which nothing is told."""
    import numcodecs

    values = images.swapaxes(0, 1)
    array = zarr.create_array(
        path,
        shape=values.shape,
        chunks=(values.shape[0], per_chunk, *values.shape[2:]),
        dtype=values.dtype,
        zarr_format=2,
        config={"write_empty_chunks": True},
        **{"compressors": numcodecs.Blosc("zstd", 2, 1), **options},
    )
    array[...] = values
    return path
