"""`cellcutter info`: what is understood of a file, as text and as JSON."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

import cellcutter
from cellcutter.commands import cli
from tests import slides
from tests.store.reading import stores


def told(capfd: pytest.CaptureFixture[str], *words: str | Path) -> dict:
    assert cli.main(["info", "--json", *map(str, words)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return json.loads(out)


def test_images(tmp_path, capfd):
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(
            np.zeros((3, 64, 80), "u2"),
            photometric="minisblack",
            tile=(32, 32),
            compression="zlib",
            metadata={
                "axes": "CYX",
                "Name": "tissue",
                "Channel": {"Name": ["DNA", "CD8", "CD3"]},
                "PhysicalSizeX": 0.65,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": 0.65,
                "PhysicalSizeYUnit": "µm",
            },
        )
        tiff.write(np.zeros((10, 12), "u1"), photometric="minisblack")
    (facts,) = told(capfd, path)["files"]
    assert facts["kind"] == "image"
    first, second = facts["images"]
    assert (first["index"], first["axes"], first["shape"]) == (1, "TZCYX", [1, 1, 3, 64, 80])
    assert first["type"] == "uint16"
    assert first["block_shape"] == [32, 32]
    assert "deflate" in first["compression"].lower()
    assert first["pixel_size"] == {"y": 0.65, "x": 0.65, "unit": "µm"}
    assert [c["name"] for c in first["channels"]] == ["DNA", "CD8", "CD3"]
    assert second["shape"][-2:] == [10, 12]
    assert cli.main(["info", str(path)]) == 0
    shown = capfd.readouterr().out
    for words in (
        "image 2 (--image-index 2)",
        "1 DNA",
        "0.65 x 0.65 µm",
        "TZCYX, 1 x 1 x 3 x 64 x 80 uint16",
    ):
        assert words in shown


@pytest.mark.parametrize("packed", [False, True])
def test_table(tmp_path, capfd, packed):
    text = 'CellID,note,Y_centroid\n1,a,2\n\n2,"b\nc",3\n'
    path = tmp_path / ("cells.csv.gz" if packed else "cells.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    (facts,) = told(capfd, path)["files"]
    assert facts["kind"] == "table"
    assert facts["columns"] == ["CellID", "note", "Y_centroid"]
    assert facts["rows"] == 2


@pytest.mark.parametrize("z", [False, True])
def test_store(tmp_path, capfd, z):
    slide = slides.simple(tmp_path)
    path = tmp_path / "out.zarr"
    result = cellcutter.cut_cells(*slide.paths, path, window_size=9, cells_per_chunk=10, z=z)
    (facts,) = told(capfd, path)["files"]
    assert facts["kind"] == "store"
    assert tuple(facts["shape"]) == result.shape
    assert facts["chunks_expected"] == facts["chunks_there"] == -(-result.shape[1] // 10)
    assert facts["attributes"]["window_size"] == 9
    if not z:
        (path / "0.1.0.0").unlink()
        (facts,) = told(capfd, path)["files"]
        assert facts["chunks_there"] == facts["chunks_expected"] - 1
    assert cli.main(["info", str(path)]) == 0
    assert "window size      9" in capfd.readouterr().out


@pytest.mark.parametrize("z", [False, True])
def test_store_of_the_layout_cells(tmp_path, capfd, z):
    slide = slides.simple(tmp_path)
    path = tmp_path / "out.zarr"
    result = cellcutter.cut_cells(
        *slide.paths, path, window_size=9, cells_per_chunk=10, layout="cells", mask_cells=True, z=z
    )
    (facts,) = told(capfd, path)["files"]
    cells = cellcutter.open(path)
    assert tuple(facts["shape"]) == result.shape == cells.shape
    assert facts["format"] == 3
    assert facts["chunks"] == [10, *cells.shape[1:]]
    assert facts["type"] == cells.dtype.str
    shards = -(-len(cells) // 10)
    assert facts["chunks_expected"] == facts["chunks_there"] == 2 * shards  # pixels and masks
    assert facts["attributes"]["window_size"] == 9
    if not z:
        (path / "obsm/single_cell_masks/c/1/0/0").unlink()
        (facts,) = told(capfd, path)["files"]
        assert facts["chunks_there"] == facts["chunks_expected"] - 1


def test_what_can_be_opened_has_facts(tmp_path, capfd):
    """A store that others made, of which we told nothing."""
    images = stores.pixels()
    path = stores.cells_store(tmp_path / "other.zarr", images)
    root = json.loads((path / "zarr.json").read_text())
    del root["attributes"]["cellcutter"]
    (path / "zarr.json").write_text(json.dumps(root))
    (facts,) = told(capfd, path)["files"]
    assert tuple(facts["shape"]) == cellcutter.open(path).shape == images.shape
    assert facts["attributes"] is None
    (path / "0").mkdir()
    (path / "0" / "c.0.0.0").write_text("no shard")
    (facts,) = told(capfd, path)["files"]
    assert facts["chunks_expected"] == facts["chunks_there"] == 5


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_image_whose_metadata_are_links(tmp_path, capfd, zarr_format):
    """As data managers lay files out, such as git-annex."""
    shape = {"shape": (3, 20, 30), "chunks": (1, 20, 30), "dtype": "u2"}
    zarr.create_array(tmp_path / "annex", zarr_format=zarr_format, **shape)
    image = tmp_path / "image.zarr"
    image.mkdir()
    for file in (tmp_path / "annex").iterdir():
        (image / file.name).symlink_to(file)
    (facts,) = told(capfd, image)["files"]
    assert facts["kind"] == "image"
    assert facts["images"][0]["shape"] == [3, 20, 30]


def test_a_store_of_0_2_12(tmp_path, capfd):
    path = tmp_path / "old.zarr"
    zarr.create_array(path, shape=(3, 7, 5, 5), chunks=(3, 4, 5, 5), dtype="u2", zarr_format=2)
    (facts,) = told(capfd, path)["files"]
    assert (facts["kind"], facts["shape"], facts["attributes"]) == ("store", [3, 7, 5, 5], None)
    assert (facts["chunks_expected"], facts["chunks_there"]) == (2, 0)


def test_versions_for_a_bug_report(capfd):
    versions = told(capfd)["versions"]
    assert versions["cellcutter"] == cellcutter.__version__
    assert versions["zarr"] == zarr.__version__
    assert {"python", "numpy", "tifffile", "imagecodecs", "system"} <= versions.keys()


def test_what_is_none_of_these_is_one_line(tmp_path, capfd):
    slide = slides.simple(tmp_path)
    (tmp_path / "text.md").write_text("hello")
    (tmp_path / "bad.csv").write_text("a;b\n1;2\n")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / ".zarray").write_text("{}")
    shutil.copy(slide.table_path, tmp_path / "dir.csv")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(".zarray", "no JSON")
    for name in ("none.tif", "text.md", "bad.csv", "bad.zarr", "bad.zip", "a" * 300):
        assert cli.main(["info", str(tmp_path / name)]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert name in err
        assert "expected" in err
