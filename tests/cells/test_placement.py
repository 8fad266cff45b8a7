"""Windows compared with the mask: tables in micrometres, of X and Y exchanged, of other masks."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import cellcutter
from cellcutter.commands import cli
from cellcutter.completing import complete
from cellcutter.options import CellOptions
from tests import slides

SHAPE = (120, 200)
UM = 0.2125
COLUMNS = ["CellID", "Y_centroid", "X_centroid"]


def slide(folder: Path, pixel: float | None = None, unit: str = "\N{MICRO SIGN}m") -> slides.Slide:
    """A grid of cells of 9 to 13 pixels, each apart from the others."""
    labels = np.zeros(SHAPE, np.int32)
    for cell, (i, j) in enumerate(
        ((i, j) for i in range(10, 105, 22) for j in range(10, 185, 26)), start=1
    ):
        labels[i : i + 9 + cell % 4, j : j + 8 + cell % 5] = cell
    rows = [(c, *(p.mean() for p in np.nonzero(labels == c))) for c in range(1, labels.max() + 1)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    image = np.random.default_rng(1).integers(0, 65535, (2, *SHAPE), dtype="u2")
    sizes = {f"PhysicalSize{a}": pixel for a in "XY"} | {f"PhysicalSize{a}Unit": unit for a in "XY"}
    options = {"metadata": {"axes": "CYX", **(sizes if pixel else {})}}
    return slides.write(folder, image, labels, table, image_options=options)


def micrometres(table: pd.DataFrame, size: float = UM) -> pd.DataFrame:
    return table.assign(Y_centroid=table.Y_centroid * size, X_centroid=table.X_centroid * size)


def exchanged(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={"Y_centroid": "X_centroid", "X_centroid": "Y_centroid"})


def another(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(CellID=np.random.default_rng(0).permutation(table["CellID"]))


WRONG = {
    "micrometres": (
        micrometres,
        UM,
        "they look like micrometres: --centroid-unit um$",
    ),
    "micrometres, said in nanometres": (
        micrometres,
        (UM * 1000, "nm"),
        "they look like micrometres: --centroid-unit um$",
    ),
    "micrometres, size not known": (
        micrometres,
        None,
        r"divided by 0\.2125 they would fit: .*slide\.ome\.tif does not say the size of its",
    ),
    "pixels of half the resolution": (
        lambda t: micrometres(t, 0.5),
        UM,
        r"divided by 0\.5 they would fit: .*slide\.ome\.tif has pixels of 0\.2125 x 0\.2125 micro",
    ),
    "exchanged": (
        exchanged,
        None,
        "X and Y look exchanged: --columns X_centroid=Y_centroid,Y_centroid=X_centroid$",
    ),
    "micrometres and exchanged": (
        lambda t: exchanged(micrometres(t)),
        UM,
        "they look like micrometres: --centroid-unit um, and X and Y look exchanged: --columns ",
    ),
    "another segmentation": (another, UM, "may be of another image or segmentation$"),
}


def opened(folder: Path, pixel: object) -> slides.Slide:
    return slide(folder, *pixel) if isinstance(pixel, tuple) else slide(folder, pixel)


@pytest.mark.parametrize("window", [None, 15])
@pytest.mark.parametrize("name", WRONG)
def test_a_table_that_is_wrong_as_a_whole(tmp_path, name, window):
    spoil, pixel, message = WRONG[name]
    made = opened(tmp_path, pixel)
    table = spoil(made.table)
    arguments = (made.image_path, made.labels_path, table, tmp_path / "out.zarr")
    with pytest.raises(cellcutter.TableError, match=message):
        cellcutter.cut_cells(*arguments, window_size=window)
    assert not (tmp_path / "out.zarr").exists()
    with pytest.warns(match=message):
        cellcutter.cut_cells(*arguments, window_size=window, on_missing="warn")
    size = window or slides.largest_cell(made.labels, table["CellID"].to_numpy())
    status = pd.read_csv(tmp_path / "out.zarr" / "cells.csv")["Status"].to_numpy()
    inside = ((table["Y_centroid"] < SHAPE[0]) & (table["X_centroid"] < SHAPE[1])).to_numpy()
    assert (status[~inside] == "outside image").all()
    if window:
        assert status[inside].tolist() == slides.statuses(made.labels, table[inside], size)
    assert (status[inside] == "cell not in window").sum() > inside.sum() / 2


@pytest.mark.parametrize(
    "unit", [("um", UM), ("\N{MICRO SIGN}m", UM), ("nm", UM * 1000), ("mm", UM / 1000)]
)
def test_centroids_in_micrometres(tmp_path, unit):
    made = slide(tmp_path, unit[1], unit[0])
    micrometres(made.table).to_csv(made.table_path, index=False)
    words = [*made.paths, str(tmp_path / "out.zarr"), "--centroid-unit=um", "--mask-cells"]
    assert cli.main_cut_cells(words) == 0
    size = slides.largest_cell(made.labels, made.table["CellID"].to_numpy())
    expected, masks = slides.expected(made.image, made.labels, made.table, size, mask=True)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out.zarr")[:], expected)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out_mask.zarr")[:], masks)


def test_other_columns_exchanged_and_in_micrometres(tmp_path):
    made = slide(tmp_path, UM)
    names = dict(zip(COLUMNS, ("Object", "centroid-1", "centroid-0"), strict=True))
    exchanged(micrometres(made.table)).rename(
        columns=dict(zip(COLUMNS, ("Object", "centroid-0", "centroid-1"), strict=True))
    ).to_csv(made.table_path, index=False)
    option = ",".join(f"{meant}={column}" for meant, column in names.items())
    words = [*made.paths, str(tmp_path / "out.zarr"), "--centroid-unit=um", "--window-size=15"]
    assert cli.main_cut_cells([*words, "--columns", option]) == 0
    expected, _ = slides.expected(made.image, made.labels, made.table, 15)
    store = slides.open_store(tmp_path / "out.zarr")
    np.testing.assert_array_equal(store[:], expected)
    asked = store.attrs["cellcutter"]["options"]
    assert asked["columns"] == names
    assert asked["centroid_unit"] == "um"


def test_some_windows_without_their_cell(tmp_path):
    """One warning with the number; everything else goes on."""
    made = slide(tmp_path)
    table = made.table.copy()
    table.loc[[3, 7], "X_centroid"] = 199
    with pytest.warns() as caught:
        cellcutter.cut_cells(*made.paths[:2], table, tmp_path / "out.zarr", window_size=15)
    (warning,) = caught
    assert "2 of 35 windows found that hold no pixel of their cell" in str(warning.message)
    assert "CellID 4 in row 4 at " in str(warning.message)
    status = pd.read_csv(tmp_path / "out.zarr" / "cells.csv")["Status"]
    assert status.tolist() == slides.statuses(made.labels, table, 15)
    assert (status == "cell not in window").sum() == 2


def test_cells_larger_than_the_window(tmp_path, caplog):
    made = slide(tmp_path)
    caplog.set_level("INFO", "cellcutter")
    cellcutter.cut_cells(*made.paths, tmp_path / "out.zarr", window_size=11)
    expected = slides.statuses(made.labels, made.table, 11)
    assert pd.read_csv(tmp_path / "out.zarr" / "cells.csv")["Status"].tolist() == expected
    count = expected.count("larger than window")
    assert 0 < count < len(expected)
    assert f"{count} cells are larger than the window" in caplog.text


def test_a_curved_cell_whose_centroid_is_outside_of_it(tmp_path):
    """No reason to refuse a table, however small it is."""
    labels = np.zeros((60, 60), "i4")
    labels[10:40, 10:40] = 1
    labels[14:36, 14:40] = 0
    table = pd.DataFrame([(1, 25.0, 27.0)], columns=COLUMNS)
    made = slides.write(tmp_path, np.zeros((1, 60, 60), "u2"), labels, table)
    with pytest.warns(match="1 of 1 windows found that hold no pixel of their cell"):
        cellcutter.cut_cells(*made.paths, tmp_path / "out.zarr", window_size=5)


def test_a_right_table_says_nothing(tmp_path):
    made = slide(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cellcutter.cut_cells(*made.paths, tmp_path / "out.zarr")
    assert set(pd.read_csv(tmp_path / "out.zarr" / "cells.csv")["Status"]) == {"ok"}


@pytest.mark.parametrize(
    ("given", "pixel", "expected"),
    [
        ("20um", (0.5, "um"), 40),
        ("20.1 um", (0.5, "um"), 41),
        ("17\N{MICRO SIGN}m", (UM, "um"), 80),
        ("17um", (UM * 1000, "nm"), 80),
        ("0.01um", (0.5, "um"), 1),
        ("12", None, 12),
    ],
)
def test_windows_in_micrometres(tmp_path, caplog, given, pixel, expected):
    made = opened(tmp_path, pixel)
    caplog.set_level("INFO", "cellcutter")
    result = cellcutter.cut_cells(*made.paths, tmp_path / "out.zarr", window_size=given)
    assert result.shape[-1] == expected
    if given != "12":
        assert f"{expected} pixels" in caplog.text
    wanted, _ = slides.expected(made.image, made.labels, made.table, expected)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out.zarr")[:], wanted)


REFUSED = {
    "20 mm": "--window-size: '20 mm' found, a whole number of pixels, or micrometres such as 20um,",
    "0um": "a whole number of pixels, or micrometres such as 20um, expected",
    "-5um": "a whole number above 0 expected",
    "nan um": "a whole number above 0 expected",
    "20um": r"--window-size: 20um found, pixels expected: .*slide\.ome\.tif does not say the size",
}


@pytest.mark.parametrize("given", REFUSED)
def test_windows_that_are_refused(tmp_path, given):
    made = slide(tmp_path)
    with pytest.raises(cellcutter.SettingsError, match=REFUSED[given]):
        cellcutter.cut_cells(*made.paths, tmp_path / "out.zarr", window_size=given)


@pytest.mark.parametrize("unit", [None, "furlong"])
def test_micrometres_where_the_pixel_size_is_not_known(tmp_path, unit):
    made = slide(tmp_path)
    if unit:
        xml = tifffile.tiffcomment(made.image_path)
        sizes = " ".join(f'PhysicalSize{a}="1" PhysicalSize{a}Unit="{unit}"' for a in "XY")
        tifffile.tiffcomment(made.image_path, xml.replace("<Pixels ", f"<Pixels {sizes} ").encode())
    with pytest.raises(cellcutter.SettingsError, match="--centroid-unit: um found, px expected: "):
        cellcutter.cut_cells(*made.paths, tmp_path / "out.zarr", centroid_unit="um")


COLUMNS_OPTION = [
    ("CellID=Object", {"CellID": "Object"}),
    (" CellID = Object ID , X_centroid=x,", {"CellID": "Object ID", "X_centroid": "x"}),
    ({"CellID": "a, b=c"}, {"CellID": "a, b=c"}),
    ("", None),
    ({}, None),
]
WRONG_COLUMNS = [
    "Object=CellID",
    "CellID",
    "CellID=",
    "CellID=a,CellID=b",
    {"CellID": 1},
    {1: "a"},
    7,
    ["CellID"],
]


@pytest.mark.parametrize(("given", "expected"), COLUMNS_OPTION)
def test_names_of_columns(given, expected):
    assert complete(CellOptions, {"columns": given})["columns"] == expected


@pytest.mark.parametrize("given", WRONG_COLUMNS)
def test_names_of_columns_that_are_refused(given):
    with pytest.raises(cellcutter.SettingsError) as caught:
        complete(CellOptions, {"columns": given})
    assert re.fullmatch(
        r"--columns: .* found, names of columns such as .* expected", str(caught.value)
    )


def test_one_label_at_both_ends(tmp_path, capfd):
    """The cell that makes the window as large as the slide is named, and its box."""
    n = 600
    labels = np.zeros((n, n), "u2")
    rows = []
    for cell, (i, j) in enumerate(
        ((i, j) for i in range(5, n - 15, 20) for j in range(5, n - 15, 20)), 1
    ):
        labels[i : i + 12, j : j + 12] = cell
        rows.append((cell, i + 5.5, j + 5.5))
    labels[580:590, 580:590] = 1
    table = pd.DataFrame(rows, columns=COLUMNS)
    options = {"compression": "zlib"}
    made = slides.write(tmp_path, np.zeros((9, n, n), "u2"), labels, table, image_options=options)
    words = [*made.paths, str(tmp_path / "out.zarr"), "--cache-size=64"]
    assert cli.main_cut_cells(words) == 2
    *logged, error = capfd.readouterr().err.splitlines()
    for line in (logged[0], error):
        assert "CellID 1 has 585 x 585 pixels (rows 5 to 589, columns 5 to 589)" in line
        assert "--window-size" in line
    assert cli.main_cut_cells([*words, "--window-size=12"]) == 0
    expected, _ = slides.expected(made.image, made.labels, table, 12)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out.zarr")[:], expected)
