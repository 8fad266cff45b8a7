"""Read a store by today's readers: a script for an environment that has them, not a test module."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import tensorstore
import zarr
import zarrs  # noqa: F401
from annbatch import DatasetCollection, Loader


def main(folder: Path) -> list[str]:
    images, masks = (np.load(folder / f"{name}.npy") for name in ("images", "masks"))
    table = pd.read_csv(folder / "cells.csv")
    store = folder / "out.zarr"
    done = []

    def check(adata: anndata.AnnData) -> None:
        np.testing.assert_array_equal(adata.obsm["single_cell_images"], images)
        np.testing.assert_array_equal(adata.obsm["single_cell_masks"], masks)
        expected = table.iloc[adata.obs["row"]]
        assert adata.obs_names.tolist() == expected["CellID"].astype(str).tolist()
        for name in ("CellID", "Y_centroid", "X_centroid", "flag", "name"):
            assert adata.obs[name].tolist() == expected[name].tolist(), name
        kinds = {name: str(adata.obs[name].dtype) for name in ("phenotype", "area", "flag")}
        assert kinds == {"phenotype": "category", "area": "Int64", "flag": "bool"}
        for name in ("phenotype", "area"):
            assert adata.obs[name].isna().tolist() == expected[name].isna().tolist()
            found, wanted = adata.obs[name].dropna(), expected[name].dropna()
            assert found.tolist() == wanted.tolist(), name
        assert adata.var["channels"].tolist() == ["1", "2", "3"]
        assert json.loads(adata.uns["cellcutter"])["options"]["shuffle"] == 1
        assert adata.uns["single_cell_images"]["channel_names"].tolist() == ["1", "2", "3"]

    adata = anndata.read_zarr(store)
    check(adata)
    adata.write_zarr(folder / "again.zarr")
    check(anndata.read_zarr(folder / "again.zarr"))
    done.append("anndata")
    lazy = anndata.experimental.read_lazy(store)
    np.testing.assert_array_equal(np.asarray(lazy.obsm["single_cell_images"][2:5]), images[2:5])
    done.append("lazily")
    with zarr.storage.ZipStore(folder / "out.zarr.zip", mode="r") as archive:
        check(anndata.read_zarr(archive))
    done.append("zip")
    for name, truth in (("images", images), ("masks", masks)):
        path = str(store / "obsm" / f"single_cell_{name}")
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
        found = tensorstore.open(spec).result().read().result()
        np.testing.assert_array_equal(found, truth)
    done.append("tensorstore")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        array = zarr.open_group(store, mode="r")["obsm/single_cell_images"]
        np.testing.assert_array_equal(array[:], images)
        np.testing.assert_array_equal(array[3:9], images[3:9])
    done.append("zarrs")

    place = {cell: row for row, cell in enumerate(adata.obs["CellID"])}
    array = zarr.open_group(store, mode="r")["obsm/single_cell_images"]
    loader = Loader(batch_size=8, chunk_size=1, preload_nchunks=16, shuffle=True, to=None)
    loader.add_dataset(array, obs=adata.obs)
    seen = []
    for batch in loader:
        seen += batch["obs"]["CellID"].tolist()
        rows = [place[cell] for cell in batch["obs"]["CellID"]]
        np.testing.assert_array_equal(batch["X"], images[rows])
    assert sorted(seen) == sorted(place)
    done.append("Loader")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of annbatch's own doing
        DatasetCollection(folder / "collection.zarr").add_adatas([store])
    collected = anndata.read_zarr(folder / "collection.zarr" / "dataset_0")
    rows = [place[cell] for cell in collected.obs["CellID"]]
    assert sorted(rows) == list(range(len(images)))
    np.testing.assert_array_equal(collected.obsm["single_cell_images"], images[rows])
    done.append("collection")
    return done


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
