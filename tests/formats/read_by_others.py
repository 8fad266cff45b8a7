"""Read exports by the programs that they are made for: a script for an environment that has them.

Of scPortrait those modules are used that read images; its packages import much more (cellpose,
spatialdata), which is not installed: so they are taken here as folders of modules.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import anndata
import h5py
import numpy as np
import ome_types
import pandas as pd
import tifffile
import torch
import webdataset

ROOT = Path(find_spec("scportrait").submodule_search_locations[0])
PACKAGES = (
    "scportrait",
    "scportrait.pipeline",
    "scportrait.processing",
    "scportrait.processing.images",
    "scportrait.tools",
    "scportrait.tools.ml",
)


def scportrait(name: str) -> ModuleType:
    """Import a module of scPortrait without what its packages import."""
    for package in PACKAGES:
        if package not in sys.modules:
            module = ModuleType(package)
            module.__path__ = [str(ROOT.joinpath(*package.split(".")[1:]))]
            sys.modules[package] = module
    return import_module(f"scportrait.{name}")


def of_scportrait(folder: Path, images: np.ndarray, masks: np.ndarray, table: pd.DataFrame) -> None:
    """Its Dataset reads what its own normalisation makes of the pixels."""
    normalise = scportrait("processing.images._image_processing").percentile_normalization
    datasets = scportrait("tools.ml.datasets")
    expected = np.stack(
        [
            [mask.astype(np.float32), *(normalise(channel * mask) for channel in cell)]
            for cell, mask in zip(images, masks, strict=True)
        ]
    ).astype(np.float16)
    path = folder / "out.h5sc"
    found = datasets.H5ScSingleCellDataset([path], dir_labels=[1], return_id=True)
    assert len(found) == len(images)
    for row in (0, 3, len(images) - 1):
        image, label, cell = found[row]
        assert image.dtype == torch.float32
        np.testing.assert_array_equal(image.numpy(), expected[row].astype(np.float32))
        assert (float(label), int(cell)) == (1.0, table["CellID"][row])
    some = datasets.H5ScSingleCellDataset([path], dir_labels=[0], select_channel=[2])
    np.testing.assert_array_equal(some[4][0].numpy()[0], expected[4, 2].astype(np.float32))
    labelled = datasets.LabelledH5ScSingleCellDataset([path], label_colum="area")
    assert [float(labelled[i][1]) for i in range(5)] == table["area"][:5].tolist()
    whole = np.stack([found[i][0].numpy() for i in range(len(found))])
    np.testing.assert_array_equal(whole, expected.astype(np.float32))
    with h5py.File(path) as file:
        array = file["obsm/single_cell_images"]
        assert (array.chunks, array.compression) == ((1, 1, *images.shape[2:]), "lzf")
        assert array.dtype == np.float16
        assert array.attrs["channel_names"].tolist() == [b"mask", b"DNA", b"CD8", b"CD3"]
        assert array.attrs["normalization_range"].tolist() == [0.001, 0.999]


def of_anndata(folder: Path, table: pd.DataFrame) -> None:
    adata = anndata.read_h5ad(folder / "out.h5sc")
    assert adata.obsm["single_cell_images"].shape[0] == len(table)
    assert adata.obs["scportrait_cell_id"].tolist() == table["CellID"].tolist()
    for name in ("area", "name"):
        assert adata.obs[name].tolist() == table[name].tolist(), name
    kinds = {name: str(adata.obs[name].dtype) for name in ("phenotype", "count", "flag")}
    assert kinds == {"phenotype": "category", "count": "Int64", "flag": "bool"}
    for name in ("phenotype", "count"):
        assert adata.obs[name].isna().tolist() == table[name].isna().tolist()
    assert adata.var["channels"].tolist() == ["mask", "DNA", "CD8", "CD3"]
    assert adata.var["channel_mapping"].tolist() == ["mask", *["image_channel"] * 3]
    told = adata.uns["single_cell_images"]
    assert (told["n_masks"], told["n_image_channels"], told["n_cells"]) == (1, 3, len(table))
    assert bool(told["normalization"])
    assert (told["normalization_range_lower"], told["normalization_range_upper"]) == (0.001, 0.999)
    assert json.loads(adata.uns["cellcutter"])["window_size"] == 11


def of_webdataset(folder: Path, images: np.ndarray, masks: np.ndarray, table: pd.DataFrame) -> None:
    shards = sorted(str(path) for path in (folder / "out_wds").glob("*.tar"))
    assert len(shards) > 1
    dataset = webdataset.WebDataset(shards, shardshuffle=False).decode()
    for row, sample in enumerate(dataset):
        np.testing.assert_array_equal(sample["image.npy"], images[row])
        np.testing.assert_array_equal(sample["mask.npy"], masks[row])
        assert sample["__key__"] == str(table["CellID"][row])
        assert sample["json"]["CellID"] == table["CellID"][row]
        assert sample["json"]["area"] == table["area"][row]
        phenotype = table["phenotype"][row]
        assert sample["json"]["phenotype"] == (None if pd.isna(phenotype) else phenotype)
    assert row + 1 == len(images)
    pairs = webdataset.WebDataset(shards, shardshuffle=False).decode("torch")
    batch = next(iter(pairs.to_tuple("image.npy", "json").batched(4)))
    assert batch[0].shape == (4, *images.shape[1:])


def of_ome(folder: Path, images: np.ndarray, masks: np.ndarray, table: pd.DataFrame) -> None:
    path = folder / "out.ome.tif"
    with tifffile.TiffFile(path) as tiff:
        assert (len(tiff.series), tiff.series[0].axes) == (1, "TCYX")
        found = tiff.asarray()
        ome = ome_types.from_xml(tiff.ome_metadata, validate=True)
    np.testing.assert_array_equal(found[:, :-1], images)
    np.testing.assert_array_equal(found[:, -1], masks)
    pixels = ome.images[0].pixels
    assert [channel.name for channel in pixels.channels] == ["DNA", "CD8", "CD3", "mask"]
    assert (pixels.size_t, pixels.size_c, pixels.size_z) == (len(images), 4, 1)
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (0.65, "µm")
    (annotation,) = ome.structured_annotations
    assert list(map(int, dict(annotation.value)["CellID"].split())) == table["CellID"].tolist()


def main(folder: Path) -> list[str]:
    images, masks = (np.load(folder / "out_npy" / f"{name}.npy") for name in ("images", "masks"))
    table = pd.read_csv(folder / "cells.csv")
    of_scportrait(folder, images, masks, table)
    of_anndata(folder, table)
    of_webdataset(folder, images, masks, table)
    of_ome(folder, images, masks, table)
    return ["scPortrait", "anndata", "webdataset", "OME"]


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]))))
