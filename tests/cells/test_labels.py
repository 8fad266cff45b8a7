"""What a survey of the mask says of cells, against the dullest way to find it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

import cellcutter
from cellcutter.cells.found import Extent
from cellcutter.cells.labels import survey
from cellcutter.engine.windows import Windows, around
from cellcutter.read.sources import open_image
from tests import slides

MEMORY = 100 << 20


def mask(folder: Path, labels: np.ndarray) -> Path:
    tifffile.imwrite(folder / "mask.tif", labels, tile=(32, 32), compression="zlib")
    return folder / "mask.tif"


def in_window(labels: np.ndarray, cell: int, y: int, x: int, size: int) -> bool:
    top, left = max(y, 0), max(x, 0)
    return bool((labels[top : max(y + size, 0), left : max(x + size, 0)] == cell).any())


@pytest.mark.parametrize("size", [1, 7, 31])
def test_pixels_in_windows_and_boxes(tmp_path, size):
    rng = np.random.default_rng(size)
    labels, table = slides.cells(rng, (120, 150), 60)
    ids = table["CellID"].to_numpy()
    # half of the windows are where they should be, the others anywhere, some of them outside
    y = np.where(rng.random(len(ids)) < 0.5, table["Y_centroid"], rng.integers(-50, 200, len(ids)))
    windows = around(y, table["X_centroid"].to_numpy(), size)
    with open_image(mask(tmp_path, labels.astype("u2"))) as image:
        found = survey(image, ids, windows, 2, MEMORY)
        alone = survey(image, ids, None, 2, MEMORY)
    expected = [
        in_window(labels, *row, size)
        for row in zip(ids.tolist(), windows.y.tolist(), windows.x.tolist(), strict=True)
    ]
    assert 0 < sum(expected) < len(ids)
    np.testing.assert_array_equal(found.in_windows(windows), expected)
    assert found.present.all()
    assert alone.present.all()
    for i, cell in enumerate(ids):
        rows, columns = np.nonzero(labels == cell)
        box = (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
        np.testing.assert_array_equal(alone.boxes[:, i], box)
    assert alone.size == slides.largest_cell(labels, ids)
    # without windows the boxes have to do: they see no less than there is
    assert not (np.array(expected) & ~alone.in_windows(windows)).any()


def test_largest_cell_is_named(tmp_path):
    labels = np.zeros((100, 90), "u2")
    labels[3:6, 4:6] = 7
    labels[97:99, 80:83] = 7
    labels[50:60, 50:60] = 9
    with open_image(mask(tmp_path, labels)) as image:
        found = survey(image, np.array([9, 7, 8]), None, 1, MEMORY)
    assert found.present.tolist() == [True, True, False]
    assert found.size == 96
    assert found.largest == Extent(7, 3, 99, 4, 83)
    assert str(found.largest) == "CellID 7 has 96 x 79 pixels (rows 3 to 98, columns 4 to 82)"


def test_repeated_ids_go_by_their_boxes(tmp_path):
    labels = np.zeros((64, 64), "i4")
    labels[10:14, 10:14] = 5
    with open_image(mask(tmp_path, labels)) as image:
        windows = Windows(np.array([9, 40]), np.array([9, 9]), 3)
        found = survey(image, np.array([5, 5]), windows, 1, MEMORY)
    assert found.in_windows(windows).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_labels_beyond_what_a_float_holds(tmp_path, dtype):
    ids = np.array([*(2**53 + i for i in range(4)), 2**62 + 5, 2**63 - 1])
    labels = np.zeros((64, 64), dtype)
    for i, cell in enumerate(ids):
        labels[8 * i + 2 : 8 * i + 8, 10:16] = cell
    labels[60:, 60:] = 2**64 - 2 if dtype == "uint64" else -1
    with open_image(mask(tmp_path, labels)) as image:
        found = survey(image, ids, None, 1, MEMORY)
        assert found.present.all()
        assert found.size == 6
        neighbours = survey(image, ids[:4] + 4, None, 1, MEMORY)
        assert not neighbours.present.any()
        assert neighbours.largest is None
    tifffile.imwrite(tmp_path / "image.tif", np.ones((1, 64, 64), "u1"), photometric="minisblack")
    rows = "".join(f"{cell},{8 * i + 5},13\n" for i, cell in enumerate(ids))
    (tmp_path / "cells.csv").write_text("CellID,Y_centroid,X_centroid\n" + rows)
    cellcutter.cut_cells(
        tmp_path / "image.tif",
        tmp_path / "mask.tif",
        tmp_path / "cells.csv",
        tmp_path / "out.zarr",
        mask_cells=True,
    )
    assert slides.open_store(tmp_path / "out.zarr")[:].sum((0, 2, 3)).tolist() == [36] * 6


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
def test_background_of_minus_one(tmp_path, dtype):
    labels = np.full((40, 40), -1, dtype)
    labels[5:9, 5:8] = 3
    with open_image(mask(tmp_path, labels)) as image:
        found = survey(image, np.array([3, 4]), None, 1, MEMORY)
    assert found.present.tolist() == [True, False]
    assert found.size == 4
