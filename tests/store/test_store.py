"""What is stored: shape, codec, attributes, tables; for zarr-python 2 too; the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray
import zarr

import cellcutter
from cellcutter.engine import plan
from cellcutter.errors import DestinationError
from cellcutter.store.layout import Layout
from cellcutter.store.writer import StoreWriter
from tests import environments, slides


@pytest.fixture(scope="session")
def zarr2() -> str:
    return environments.with_zarr_2()


def files(folder: Path) -> dict[str, bytes]:
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture
def slide(tmp_path) -> slides.Slide:
    rng = np.random.default_rng(3)
    labels, table = slides.cells(rng, (120, 150), 40)
    return slides.write(
        tmp_path,
        slides.pixels(rng, (3, 120, 150), "u2"),
        labels.astype("i4"),
        table,
        image_options={
            "ome": True,
            "tile": (32, 32),
            "compression": "zlib",
            "metadata": {
                "axes": "CYX",
                "Channel": {"Name": ["DNA 1", "CD3", "CD8"]},
                "PhysicalSizeX": 0.65,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": 0.65,
                "PhysicalSizeYUnit": "µm",
            },
        },
    )


@pytest.mark.parametrize("z", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"])
def test_read_by_zarr_python_2(zarr2, tmp_path, z, dtype):
    slide = slides.simple(tmp_path, dtype=dtype)
    destination = tmp_path / ("out.zarr.zip" if z else "out.zarr")
    cellcutter.cut_cells(*slide.paths, destination, z=z, mask_cells=True, cells_per_chunk=7)
    script = (
        "import sys, numpy, zarr\n"
        "assert zarr.__version__.startswith('2.18')\n"
        "for source, to in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    array = zarr.open(source, mode='r')\n"
        "    assert isinstance(array, zarr.Array), array\n"
        "    numpy.save(to, array[...])\n"
    )
    masks = tmp_path / destination.name.replace("out", "out_mask")
    copies = [tmp_path / "a.npy", tmp_path / "b.npy"]
    words = [destination, copies[0], masks, copies[1]]
    subprocess.run([zarr2, "-W", "error", "-c", script, *map(str, words)], check=True)
    size = slides.largest_cell(slide.labels, slide.table["CellID"].to_numpy())
    expected, expected_masks = slides.expected(
        slide.image, slide.labels, slide.table, size, mask=True
    )
    np.testing.assert_array_equal(slides.bits(np.load(copies[0])), slides.bits(expected))
    np.testing.assert_array_equal(np.load(copies[1]), expected_masks)


@pytest.mark.parametrize(
    ("compression", "codec"),
    [("default", ("zstd", 1)), ("fast", ("lz4", 5)), ("small", ("zstd", 2)), ("none", None)],
)
@pytest.mark.parametrize("z", [False, True])
def test_compressions(zarr2, tmp_path, compression, codec, z):
    slide = slides.simple(tmp_path)
    destination = tmp_path / ("out.zarr.zip" if z else "out.zarr")
    cellcutter.cut_cells(
        *slide.paths, destination, window_size=9, cells_per_chunk=7, z=z, compression=compression
    )
    array = slides.open_store(destination)
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, 9)
    np.testing.assert_array_equal(array[:], expected)
    found = [(c.cname, c.clevel) for c in array.compressors]
    assert found == ([] if codec is None else [codec])
    script = "import sys, zarr; print(zarr.open(sys.argv[1], mode='r')[...].sum())"
    done = subprocess.run(
        [zarr2, "-W", "error", "-c", script, destination], check=True, capture_output=True
    )
    assert int(done.stdout) == int(expected.sum())


def test_format_and_chunks(slide, tmp_path):
    result = cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr", cells_per_chunk=7)
    array = zarr.open(tmp_path / "out.zarr", mode="r")
    assert array.metadata.zarr_format == 2
    assert array.chunks == result.chunks == (3, 7, *array.shape[2:])
    assert array.fill_value is None
    assert len(list((tmp_path / "out.zarr").glob("0.*.0.0"))) == -(-array.shape[1] // 7)


@pytest.mark.parametrize(
    ("keywords", "cells"),
    [
        ({}, 660),
        ({"chunk_size": 16}, 330),
        ({"chunk_size": 0.001}, 1),
        ({"cells_per_chunk": 5}, 5),
        ({"chunk_size": 1000}, 700),
        ({"cells_per_chunk": 5000}, 700),
    ],
)
def test_cells_per_chunk(tmp_path, keywords, cells):
    """12 channels of 46 x 46 pixels of 16 bits: 660 cells in 32 MB."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((12, 60, 60), "u2"), photometric="minisblack")
    table = pd.DataFrame({"CellID": range(700), "Y_centroid": 30.0, "X_centroid": 30.0})
    result = cellcutter.cut_cells(
        tmp_path / "a.tif", None, table, tmp_path / "out.zarr", window_size=46, **keywords
    )
    assert result.chunks == (12, cells, 46, 46)


def test_it_explains_itself(slide, tmp_path):
    cellcutter.cut_cells(
        *slide.paths, tmp_path / "out.zarr", channels=["CD8", 1], mask_cells=True, window_size=9
    )
    array = zarr.open(tmp_path / "out.zarr", mode="r")
    assert array.attrs["_ARRAY_DIMENSIONS"] == ["channel", "cell", "y", "x"]
    ids = slide.table["CellID"].to_numpy("<i8")
    found = dict(array.attrs["cellcutter"])
    assert set(found.pop("statistics")) == {
        "cells",
        "pixels",
        "exact",
        "relative_error",
        "mean",
        "std",
        "percentiles",
    }
    assert found == {
        "version": cellcutter.__version__,
        "manifest": "manifest-sha256.txt",
        "axes": ["channel", "cell", "y", "x"],
        "channels": [{"number": 3, "name": "CD8"}, {"number": 1, "name": "DNA 1"}],
        "window_size": 9,
        "pixel_size": {"y": 0.65, "x": 0.65, "unit": "µm"},
        "image_shape": [3, 120, 150],
        "sources": {"image": "slide.ome.tif", "labels": "cell.tif", "cells": "cells.csv"},
        "options": {"window_size": 9, "mask_cells": True, "on_missing": "error"},
        "table": {
            "file": "cells.csv",
            "rows": len(ids),
            "cell_ids_sha256": hashlib.sha256(ids.tobytes()).hexdigest(),
        },
    }
    masks = zarr.open(tmp_path / "out_mask.zarr", mode="r")
    assert masks.attrs["_ARRAY_DIMENSIONS"] == ["cell", "y", "x"]
    statuses = slides.statuses(slide.labels, slide.table, 9)
    for store in ("out.zarr", "out_mask.zarr"):
        found = pd.read_csv(tmp_path / store / "cells.csv")
        pd.testing.assert_frame_equal(found, table_of(slide, 9).assign(Status=statuses))


def table_of(slide: slides.Slide, size: int) -> pd.DataFrame:
    windows = np.array(slides.cell_windows(slide.table, size))
    height, width = slide.labels.shape
    y, x = windows.T
    return pd.DataFrame(
        {
            "CellID": slide.table["CellID"],
            "X_start": x,
            "X_stop": x + size,
            "Y_start": y,
            "Y_stop": y + size,
            "OutOfBounds": (y < 0) | (x < 0) | (y + size > height) | (x + size > width),
        }
    )


def test_metadata_of_cells(slide, tmp_path):
    cellcutter.cut_cells(
        *slide.paths, tmp_path / "out.zarr", save_metadata=tmp_path / "m.csv", window_size=9
    )
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "m.csv"), table_of(slide, 9))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
def test_xarray_by_its_defaults_has_axes_types_and_pixels(tmp_path, dtype):
    """Zeros are zeros: a fill value in the metadata would make NaN of them, and floats of all."""
    slide = slides.simple(tmp_path, dtype=dtype)
    root = tmp_path / "group.zarr"
    zarr.open_group(root, mode="w", zarr_format=2)
    cellcutter.cut_cells(*slide.paths, root / "thumbnails", window_size=9, mask_cells=True)
    expected, masks = slides.expected(slide.image, slide.labels, slide.table, 9, mask=True)
    with xarray.open_zarr(root, consolidated=False) as dataset:
        thumbnails = dataset["thumbnails"]
        assert thumbnails.dims == ("channel", "cell", "y", "x")
        assert thumbnails.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(thumbnails.values, expected)
        assert dataset["thumbnails_mask"].dims == ("cell", "y", "x")
        assert dataset["thumbnails_mask"].dtype == bool
        np.testing.assert_array_equal(dataset["thumbnails_mask"].values, masks)


def test_status_of_cells_that_cannot_be_cut_whole(slide, tmp_path):
    table = slide.table.astype({"CellID": float})
    table.loc[3, "CellID"] = table.loc[2, "CellID"]
    table.loc[5, "CellID"] = 999
    table.loc[7, "Y_centroid"] = np.nan
    table.loc[9, "X_centroid"] = -4.0
    table.loc[11, "X_centroid"] = 1e300
    with pytest.warns(match="no centroid"):
        cellcutter.cut_cells(
            slide.image_path,
            slide.labels_path,
            table,
            tmp_path / "out.zarr",
            window_size=9,
            on_missing="warn",
            mask_cells=True,
        )
    status = pd.read_csv(tmp_path / "out.zarr" / "cells.csv")["Status"]
    assert status[[2, 3, 5, 7, 9, 11]].tolist() == [
        "ok",
        "duplicate",
        "not in mask",
        "no centroid",
        "outside image",
        "outside image",
    ]
    store = zarr.open(tmp_path / "out.zarr", mode="r")[:]
    masks = zarr.open(tmp_path / "out_mask.zarr", mode="r")[:]
    assert not store[:, [5, 7, 11]].any()
    assert not masks[[5, 7, 11]].any()
    good = [i for i in range(len(table)) if i not in (5, 7, 9, 11)]
    expected, _ = slides.expected(slide.image, slide.labels, table.iloc[good], 9, mask=True)
    np.testing.assert_array_equal(store[:, good], expected)
    good.remove(3)
    assert status[good].tolist() == slides.statuses(slide.labels, table.iloc[good], 9)


VARIANTS = [
    {"p": 1},
    {"p": 3},
    {"cache_size": 0.5},
    {"cache_size": 0.5, "p": 2},
]


@pytest.mark.parametrize("z", [False, True])
def test_same_input_and_options_same_bytes(slide, tmp_path, z):
    found = []
    slide.table.sample(frac=1, random_state=0).to_csv(slide.table_path, index=False)
    for i, variant in enumerate(VARIANTS):
        folder = tmp_path / str(i)
        folder.mkdir()
        cellcutter.cut_cells(
            *slide.paths, folder / "out.zarr", cells_per_chunk=4, mask_cells=True, z=z, **variant
        )
        found.append([files(folder / "out.zarr"), files(folder / "out_mask.zarr")])
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("compression", ["default", "none"])
@pytest.mark.parametrize("z", [False, True])
def test_same_bytes_in_one_walk_in_many_and_by_a_scratch_file(
    tmp_path, monkeypatch, caplog, compression, z
):
    """A window of odd size and an odd number of cells: blocks do not end where channels do."""
    monkeypatch.setattr("cellcutter.limits.LEAST_CACHE_SIZE", 0)
    rng = np.random.default_rng(7)
    labels, table = slides.cells(rng, (600, 700), 900, largest=9)
    slide = slides.write(
        tmp_path,
        slides.pixels(rng, (6, 600, 700), "u2"),
        labels.astype("i4"),
        table.sample(frac=1, random_state=2),
        image_options={"tile": (128, 128)},
    )
    caplog.set_level("DEBUG", "cellcutter")
    found = []
    for i, (enough, cache_size) in enumerate([(10**9, 500), (1_100_000, 500), (1 << 20, 5)]):
        monkeypatch.setattr(plan, "ENOUGH", enough)
        (tmp_path / str(i)).mkdir()
        cellcutter.cut_cells(
            *slide.paths,
            tmp_path / str(i) / "out.zarr",
            window_size=35,
            cells_per_chunk=211,
            mask_cells=True,
            cache_size=cache_size,
            compression=compression,
            z=z,
            p=2,
        )
        found.append([files(tmp_path / str(i) / name) for name in ("out.zarr", "out_mask.zarr")])
    assert found[0] == found[1] == found[2]
    plans = re.findall(r"(\d) pass(?:es)? over the image(.*)", caplog.text)
    assert [int(walks) for walks, _ in plans] == [1, 3, 6]
    assert [bool(scratch) for _, scratch in plans] == [False, False, True]
    expected, masks = slides.expected(slide.image, slide.labels, slide.table, 35, mask=True)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "0" / "out.zarr")[:], expected)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "0" / "out_mask.zarr")[:], masks)


def test_zip_holds_what_the_folder_holds(slide, tmp_path):
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", cells_per_chunk=4)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr.zip", cells_per_chunk=4, z=True)
    with zipfile.ZipFile(tmp_path / "a.zarr.zip") as archive:
        assert archive.testzip() is None
        assert {n: archive.read(n) for n in archive.namelist()} == files(tmp_path / "a.zarr")
        chunks = [n for n in archive.namelist() if n[0].isdigit()]
        assert chunks == [f"0.{i}.0.0" for i in range(len(chunks))]
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"short")])
def test_file_changed_while_it_waits_for_its_turn(tmp_path, damage):
    layout = Layout((1, 2, 8, 8), 1, np.dtype("u2"))
    chunk = np.ones(layout.chunks, "u2")

    def write(writer: StoreWriter) -> None:
        writer.write(1, chunk)
        damage(tmp_path / "store" / "0.1.0.0")
        writer.write(0, chunk)
        writer.finish({})  # not reached where the file is missing

    with (
        StoreWriter(tmp_path / "store", layout, "default", tmp_path / "zip") as writer,
        pytest.raises(DestinationError, match=r"0\.1\.0\.0: .* something else has changed"),
    ):
        write(writer)


@pytest.mark.parametrize("compression", ["default", "none"])
def test_chunk_changed_before_it_is_read_back(tmp_path, compression):
    layout = Layout((3, 9, 9), 3, np.dtype(bool))
    masks = np.random.default_rng(0).random(layout.chunks) < 0.5
    with StoreWriter(tmp_path / "store", layout, compression, rereadable=True) as writer:
        writer.write(0, masks)
        again = np.zeros_like(masks)
        writer.read(0, again)
        np.testing.assert_array_equal(again, masks)
        (tmp_path / "store" / "0.0.0").write_bytes(b"short")
        with pytest.raises(DestinationError, match=r"0\.0\.0: 5 bytes found, \d+ bytes expected"):
            writer.read(0, again)


@pytest.mark.parametrize(
    ("name", "masks"),
    [
        ("out.zarr", "out_mask.zarr"),
        ("out.zarr.zip", "out_mask.zarr.zip"),
        ("out", "out_mask"),
        ("a.b.zarr", "a.b_mask.zarr"),
        ("out.zip", "out_mask.zip"),
        ("x y.zarr", "x y_mask.zarr"),
    ],
)
def test_name_of_the_masks(slide, tmp_path, name, masks):
    result = cellcutter.cut_cells(
        *slide.paths, tmp_path / name, mask_cells=True, z=name.endswith("zip")
    )
    assert result.masks == tmp_path / masks
    assert result.masks.exists()


@pytest.mark.parametrize("step", [None, 1, 7, 20, 33, 64])
@pytest.mark.parametrize("size", [1, 20, 33, 130, 200])
def test_tiles(slide, tmp_path, size, step):
    if size == 200 and step == 1:
        step = 17
    cellcutter.cut_tiles(
        slide.image_path,
        size,
        tmp_path / "tiles.zarr",
        step_size=step,
        save_metadata=tmp_path / "m.csv",
        channels=[2],
        p=2,
    )
    step = step or size
    starts = [(y, x) for y in range(0, 120, step) for x in range(0, 150, step)]
    expected = slides.oracle(slide.image[1:2], starts, size)
    np.testing.assert_array_equal(zarr.open(tmp_path / "tiles.zarr", mode="r")[:], expected)
    y, x = np.array(starts).T
    table = pd.DataFrame(
        {
            "TileID": range(len(starts)),
            "X_start": x,
            "X_stop": x + size,
            "Y_start": y,
            "Y_stop": y + size,
            "OutOfBounds": (y + size > 120) | (x + size > 150),
        }
    )
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "m.csv"), table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tiles.zarr" / "tiles.csv"), table)
    attributes = json.loads((tmp_path / "tiles.zarr" / ".zattrs").read_text())
    assert attributes["_ARRAY_DIMENSIONS"] == ["channel", "tile", "y", "x"]
    assert attributes["cellcutter"]["table"] == {"file": "tiles.csv", "rows": len(starts)}


def test_real_data(real, tmp_path):
    """All pairs of fields and segmentations, plain and masked, with the default window."""
    cells = 0
    for table_path in sorted((real / "imc" / "quantification").iterdir()):
        field, method = table_path.stem.removesuffix("_cell").split("--")
        image_path = real / "imc" / "registration" / f"{field}.ome.tif"
        labels_path = real / "imc" / "segmentation" / f"{method}-{field}" / "cell.tif"
        image, labels = tifffile.imread(image_path), tifffile.imread(labels_path)
        table = pd.read_csv(table_path)
        size = slides.largest_cell(labels, table["CellID"].to_numpy())
        for mask in (False, True):
            destination = tmp_path / f"{table_path.stem}-{mask}.zarr"
            cellcutter.cut_cells(image_path, labels_path, table_path, destination, mask_cells=mask)
            expected, _ = slides.expected(image, labels, table, size, mask=mask)
            store = zarr.open(destination, mode="r")
            np.testing.assert_array_equal(slides.bits(store[:]), slides.bits(expected))
        cells += len(table)
    assert cells == 758
