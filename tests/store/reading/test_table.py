"""The table of a store: columns with gaps come back as they were, and what is wrong is one line."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import cellcutter
from cellcutter.errors import StoreError
from tests import slides
from tests.store.reading import stores


def test_columns_with_gaps(tmp_path):
    slide = slides.simple(tmp_path)
    n = len(slide.table)
    given = slide.table.assign(
        stage=pd.array([None, *range(1, n)], "Int64"),
        alive=pd.array([True, None, *[False] * (n - 2)], "boolean"),
        note=["a", None, *["b"] * (n - 2)],
    )
    path = tmp_path / "out.zarr"
    cellcutter.cut_cells(*slide.paths[:2], given, path, window_size=9, layout="cells")
    obs = cellcutter.open(path).obs
    for name in ("stage", "alive"):
        assert obs[name].isna().tolist() == given[name].isna().tolist()
        assert obs[name].dropna().tolist() == given[name].dropna().tolist()
        assert isinstance(obs[name].dtype, type(given[name].dtype))
    assert obs["note"].isna().tolist() == given["note"].isna().tolist()
    assert obs["note"].dropna().tolist() == given["note"].dropna().tolist()


def edit(path, change) -> None:
    found = json.loads(path.read_text())
    change(found["attributes"])
    path.write_text(json.dumps(found))


HARM = {
    "no list of columns": (
        "zarr.json",
        lambda a: a.update({"column-order": 3}),
        "column-order is no list",
    ),
    "a column that is not there": (
        "zarr.json",
        lambda a: a["column-order"].append("none"),
        "none",
    ),
    "no index": ("zarr.json", lambda a: a.pop("_index"), "_index"),
    "a column of another kind": (
        "patient/zarr.json",
        lambda a: a.update({"encoding-type": "awkward-array"}),
        "",
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_obs_that_is_no_table(tmp_path, name):
    file, change, words = HARM[name]
    path = stores.cells_store(tmp_path / "a.zarr", stores.pixels())
    assert len(cellcutter.open(path).obs) == 30
    edit(path / "obs" / file, change)
    with pytest.raises(StoreError, match=r"a\.zarr: obs: .*a table as AnnData stores") as caught:
        _ = cellcutter.open(path).obs
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe\x00", "a CSV file"), (b'CellID,a\n1,"2', "a CSV file"), (b"X\n1\n", "CellIDs")],
)
def test_csv_that_is_no_table(tmp_path, content, words):
    slide = slides.simple(tmp_path)
    path = tmp_path / "out.zarr"
    cellcutter.cut_cells(*slide.paths, path, window_size=9)
    (path / "cells.csv").write_bytes(content)
    cells = cellcutter.open(path)
    with pytest.raises(StoreError, match=rf"cells\.csv: .*{words} expected"):
        _ = cells.ids if words == "CellIDs" else cells.obs
