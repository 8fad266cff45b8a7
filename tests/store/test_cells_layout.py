"""The layout `cells`: the oracle's pixels, however cut; read by zarr, anndata and others."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

import cellcutter
from cellcutter.engine import plan
from cellcutter.errors import SettingsError
from cellcutter.store.anndata import CellsStore
from cellcutter.store.layout import CellsLayout
from tests import environments, slides

DTYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")
CUT = {"layout": "cells", "window_size": 11, "cells_per_chunk": 7}


def opened(path: Path) -> zarr.Group:
    store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
    return zarr.open_group(store, mode="r")


def digest(path: Path) -> str:
    """One digest of all files of a store, or of the zip file."""
    found = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        found.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def check(slide: slides.Slide, path: Path, size: int, *, mask: bool = False) -> zarr.Group:
    """Compare a store with the oracle, each cell by the row that it comes from."""
    group = opened(path)
    obs = group["obs"]
    table = slide.table.iloc[obs["row"][:]] if "row" in obs else slide.table
    pixels, masks = slides.expected(slide.image, slide.labels, table, size, mask=mask)
    found = group["obsm/single_cell_images"]
    assert found.dtype == slide.image.dtype
    np.testing.assert_array_equal(slides.bits(found[:]), slides.bits(pixels.swapaxes(0, 1)))
    assert obs["CellID"][:].tolist() == table["CellID"].tolist()
    assert obs["_index"][:].tolist() == table["CellID"].astype(str).tolist()
    if "single_cell_masks" in group["obsm"]:
        np.testing.assert_array_equal(group["obsm/single_cell_masks"][:], masks)
    return group


@pytest.mark.parametrize("compression", ["default", "fast", "small", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(tmp_path, dtype, compression):
    slide = slides.simple(tmp_path, dtype=dtype)
    masked = dtype in ("u1", "u2", "f4")
    cellcutter.cut_cells(
        *slide.paths, tmp_path / "out", compression=compression, mask_cells=masked, **CUT
    )
    group = check(slide, tmp_path / "out", 11, mask=masked)
    assert ("single_cell_masks" in group["obsm"]) == masked
    array = group["obsm/single_cell_images"]
    assert (array.shards, array.chunks) == ((7, 3, 11, 11), (1, 3, 11, 11))


@pytest.mark.parametrize("z", [False, True])
@pytest.mark.parametrize("keywords", [{"masks": True}, {"mask_cells": True, "shuffle": 3}])
def test_same_bytes_however_it_is_cut(tmp_path, monkeypatch, z, keywords):
    slide = slides.simple(tmp_path, number=60)
    found = set()
    candidates = plan._candidates
    for number, (threads, scratch) in enumerate([(1, False), (3, False), (1, True), (4, True)]):
        monkeypatch.setattr(
            plan,
            "_candidates",
            lambda job, scratch=scratch: sorted(
                candidates(job), key=lambda c: c.scratch != scratch
            ),
        )
        out = tmp_path / f"out{number}"
        cellcutter.cut_cells(*slide.paths, out, z=z, p=threads, **keywords, **CUT)
        check(slide, out, 11, mask="mask_cells" in keywords)
        assert out.is_file() == z
        found.add(digest(out))
    assert len(found) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 8, 37])
def test_windows_of_odd_numbers_of_pixels(tmp_path, size):
    slide = slides.simple(tmp_path)
    for compression in ("default", "small"):
        cellcutter.cut_cells(
            *slide.paths,
            tmp_path / compression,
            layout="cells",
            window_size=size,
            compression=compression,
        )
        check(slide, tmp_path / compression, size)


def test_shuffled(tmp_path):
    slide = slides.simple(tmp_path)
    rows = {}
    for name, shuffle in {"a": True, "b": 0, "c": 5}.items():
        cellcutter.cut_cells(*slide.paths, tmp_path / name, shuffle=shuffle, **CUT)
        group = check(slide, tmp_path / name, 11)
        assert group.attrs["cellcutter"]["options"]["shuffle"] == (shuffle if shuffle > 1 else 0)
        rows[name] = group["obs/row"][:].tolist()
    assert rows["a"] == rows["b"] != rows["c"]
    assert sorted(rows["c"]) == list(range(len(slide.table))) != rows["c"]
    expected = np.argsort(np.random.PCG64(5).random_raw(len(slide.table)), kind="stable")
    assert rows["c"] == expected.tolist()


def test_shuffled_chunks_and_masks_apart(tmp_path):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(
        *slide.paths, tmp_path / "o.zarr", shuffle=2, masks=True, window_size=11, cells_per_chunk=7
    )
    table = pd.read_csv(tmp_path / "o.zarr" / "cells.csv")
    ordered = slide.table.iloc[table["row"]]
    assert table["CellID"].tolist() == ordered["CellID"].tolist()
    pixels, masks = slides.expected(slide.image, slide.labels, ordered, 11)
    np.testing.assert_array_equal(zarr.open(tmp_path / "o.zarr", mode="r")[:], pixels)
    np.testing.assert_array_equal(zarr.open(tmp_path / "o_mask.zarr", mode="r")[:], masks)


@pytest.mark.parametrize("shuffle", [None, 4])
def test_tiles(tmp_path, shuffle):
    slide = slides.simple(tmp_path)
    cellcutter.cut_tiles(
        slide.image_path, 32, tmp_path / "out", layout="cells", shuffle=shuffle, tiles_per_chunk=3
    )
    group = opened(tmp_path / "out")
    windows = [(y, x) for y in range(0, 120, 32) for x in range(0, 150, 32)]
    ids = group["obs/TileID"][:].tolist()
    assert sorted(ids) == list(range(len(windows)))
    pixels = slides.oracle(slide.image, [windows[i] for i in ids], 32).swapaxes(0, 1)
    np.testing.assert_array_equal(group["obsm/single_cell_images"][:], pixels)
    assert group["obs/X_start"][:].tolist() == [windows[i][1] for i in ids]


def test_masks_want_a_mask(tmp_path):
    slide = slides.simple(tmp_path)
    with pytest.raises(SettingsError, match="- found with --masks, the path of a mask expected"):
        cellcutter.cut_cells(
            slide.image_path, None, slide.table_path, tmp_path / "o", window_size=9, masks=True
        )


def test_names_of_columns(tmp_path):
    """What cannot be a name in a store is changed, and no column of the table hides one of ours."""
    slide = slides.simple(tmp_path)
    odd = {"CD8/CD4": 1.5, "..": 2, "__x": 3, "Status": "mine", "Area\nlong\r\t\x85": 4}
    odd |= {"é" * 200 + "1": 5, "é" * 200 + "2": 6}
    table = slide.table.assign(**odd)
    cellcutter.cut_cells(slide.image_path, slide.labels_path, table, tmp_path / "out", **CUT)
    obs = opened(tmp_path / "out")["obs"]
    assert obs["CD8|CD4"][0] == 1.5
    assert obs["column .."][0] == 2
    assert obs["column __x"][0] == 3
    assert obs["Area|long|||"][0] == 4
    assert [obs[name][0] for name in ("é" * 120, "é" * 120 + ".2")] == [5, 6]
    assert obs["Status (table)/categories"][:].tolist() == ["mine"]
    assert "ok" in obs["Status/categories"][:].tolist()
    assert obs.attrs["column-order"][0] == "CellID"


def test_a_shard_that_is_gone(tmp_path):
    layout = CellsLayout((1, 2, 8, 8), 1, np.dtype("u2"))
    with CellsStore(tmp_path / "store", layout, None, "default", "cell") as store:
        for index in range(2):
            store.images.write(index, np.ones((1, 1, 8, 8), "u2"))
        (tmp_path / "store" / store.images.key(1)).unlink()
        store.write_frame("obs", [1, 2], [])
        store.write_frame("var", [0], [])
        with pytest.raises(cellcutter.DestinationError, match="something else has changed"):
            store.finish({"cellcutter": {}}, ["DNA"])


@pytest.fixture(scope="session")
def readers() -> str:
    """Python of an environment with today's readers."""
    return environments.with_readers()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("compression", ["default", "small", "none"])
def test_read_by_others(readers, tmp_path, compression):
    slide = slides.simple(tmp_path)
    table = slide.table.assign(
        phenotype=np.where(slide.table["CellID"] % 2 == 0, "B cell", "T cell"),
        area=pd.array([None, *range(1, len(slide.table))], "Int64"),
        name=[f"n{i}" for i in slide.table["CellID"]],
        flag=True,
    )
    table.loc[3, "phenotype"] = None
    table.to_csv(slide.table_path, index=False)
    for z in (False, True):
        out = tmp_path / ("out.zarr.zip" if z else "out.zarr")
        cellcutter.cut_cells(
            *slide.paths, out, compression=compression, masks=True, shuffle=1, z=z, **CUT
        )
    group = check(slide, tmp_path / "out.zarr", 11)
    np.save(tmp_path / "images.npy", group["obsm/single_cell_images"][:])
    np.save(tmp_path / "masks.npy", group["obsm/single_cell_masks"][:])
    reader = Path(__file__).with_name("read_by_others.py")
    done = subprocess.run(
        [readers, "-W", "error", "-W", "ignore::DeprecationWarning", reader, tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == ["anndata", "lazily", "zip", "tensorstore", "zarrs", "Loader", "collection"]
