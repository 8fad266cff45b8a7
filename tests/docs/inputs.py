"""The files that pages take for granted, small."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import tifffile
from skimage.measure import regionprops_table

import cellcutter
from benchmarks.slides import SlideSpec, write_project
from tests.docs.pages import ROOT

SPEC = SlideSpec("exemplar-001", channels=12, height=200, width=220, tile=64, spacing=20, seed=3)


def make_all(folder: Path) -> None:
    """Write every file that a page may name: a MCMICRO project, its parts, tables of others."""
    project = folder / "exemplar-001"
    paths = write_project(project, SPEC)
    mask = project / "segmentation/unmicst-exemplar-001/cellMask.tif"
    table = project / "quantification/exemplar-001--unmicst_cellMask.csv"
    paths["labels"].rename(mask)
    paths["table"].rename(table)
    shutil.copytree(project, folder / "PROJECT")
    as_nf_core(folder, paths["image"], mask, table)
    shutil.copytree(ROOT / "tests/pipeline/host", folder / "mcmicro")
    shutil.copy(paths["image"], folder / "image.ome.tif")
    shutil.copy(mask, folder / "cell.tif")
    shutil.copy(table, folder / "cells.csv")
    shutil.copy(project / "markers.csv", folder / "markers.csv")
    labels, cells = tifffile.imread(mask), pd.read_csv(table)
    found = regionprops_table(labels, properties=["label", "centroid", "area"])
    pd.DataFrame(found).to_csv(folder / "regionprops.csv", index=False)
    cells[["Y_centroid", "X_centroid"]] *= 0.65
    cells.to_csv(folder / "micrometres.csv", index=False)
    labels[labels == 5] = 0
    tifffile.imwrite(folder / "filtered.tif", labels)
    for name in ("cells.zarr", "cells.zarr.zip", "cellMaskThumbnails.zarr"):
        z = name.endswith(".zip")
        cellcutter.cut_cells(paths["image"], mask, table, folder / name, z=z)
    cellcutter.cut_cells(
        paths["image"], mask, table, folder / "random.zarr", layout="cells", masks=True
    )


def as_nf_core(folder: Path, image: Path, mask: Path, table: Path) -> None:
    """Copy a slide to where nf-core/mcmicro has it."""
    for source, name in (
        (image, "registration/ashlar/s1.ome.tif"),
        (mask, "segmentation/mesmer/s1_mask.tif"),
        (table, "quantification/mcquant/mesmer/s1.csv"),
    ):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(source, folder / name)


def place(names: Iterable[str], source: Path, folder: Path) -> None:
    """Copy the files that a page takes for granted into its folder."""
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
        else:
            shutil.copy(source / name, folder / name)
