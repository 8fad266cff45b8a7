"""A slide cut with masks, marker names, a pixel size and a table of all kinds; and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

import cellcutter
from tests import slides
from tests.services import running

SIZE = 11


def cut(folder: Path, names=("DNA", "CD3", "CD8", "CD45"), seed: int = 0, **options) -> Path:
    """Cut a small slide; its store is `a.zarr`."""
    folder.mkdir(exist_ok=True)
    slide = slides.simple(folder, shape=(len(names), 120, 150), seed=seed, number=30)
    metadata = {
        "axes": "CYX",
        "Channel": {"Name": list(names)},
        "PhysicalSizeX": 0.65,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.65,
        "PhysicalSizeYUnit": "µm",
    }
    image = slide.image // 64
    tifffile.imwrite(slide.image_path, image, photometric="minisblack", metadata=metadata)
    rng = np.random.default_rng(seed)
    n = len(slide.table)
    table = slide.table.assign(
        CD45=rng.permutation(n) + 0.5,
        area=np.arange(n) // 3,
        phenotype=np.where(np.arange(n) % 3 == 0, "T cell", "B cell"),
    )
    table.loc[2, "CD45"] = np.nan
    table.loc[5, "phenotype"] = None
    table.to_csv(slide.table_path, index=False)
    given = {"layout": "cells", "masks": True, "window_size": SIZE, "on_missing": "warn"}
    cellcutter.cut_cells(*slide.paths, folder / "a.zarr", **(given | options))
    return folder / "a.zarr"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("view"))


@pytest.fixture(scope="session")
def browser() -> Iterator:
    running.need("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield found
        found.close()
