"""A list of the cells of several stores: written, opened as one, and what is wrong with one."""

from __future__ import annotations

import csv
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cellcutter
from cellcutter import cohort
from cellcutter.commands import cli
from cellcutter.errors import DestinationError, InputError, SettingsError, StoreError
from tests import slides
from tests.store.reading import stores

WINDOW = {"X_start", "X_stop", "Y_start", "Y_stop", "OutOfBounds", "Status"}
TEXTS = ["plain", "a,b", 'say "x"', "two\nlines", "carriage\rreturn", "é", None, "NULL?"]


def cut(folder: Path, name: str, seed: int, **options) -> tuple[Path, Path, slides.Slide]:
    """Cut a slide of its own panel; return its store, its table and itself."""
    (folder / name).mkdir(parents=True)
    slide = slides.simple(folder / name, seed=seed, number=20 + seed)
    table = slide.table.assign(
        kind=[TEXTS[i % len(TEXTS)] for i in slide.table["CellID"]],
        area=pd.array([None, *range(1, len(slide.table))], "Int64"),
        third=slide.table["CellID"] / 3,
        **{f"only {name}": 1, "slide": "mine"},
    )
    table.to_csv(slide.table_path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    markers = folder / name / "markers.csv"
    panel = {"a": ("DNA", "CD3", "CD8"), "b": ("CD8", "DNA", "PD1")}[name]
    pd.DataFrame({"marker_name": panel}).to_csv(markers, index=False)
    store = folder / name / f"NA {name}.zarr{'.zip' if options.get('z') else ''}"
    cellcutter.cut_cells(*slide.paths, store, markers=markers, window_size=11, **options)
    return store, slide.table_path, slide


KINDS = [
    {"layout": "chunks"},
    {"layout": "chunks", "z": True, "shuffle": 3, "cells_per_chunk": 7},
    {"layout": "cells", "masks": True},
    {"layout": "cells", "z": True, "shuffle": 3, "cells_per_chunk": 7},
]


@pytest.fixture(params=KINDS, ids=["chunks", "chunks-zip", "cells", "cells-zip"])
def listed(request, tmp_path) -> tuple[Path, list[Path], list[slides.Slide], dict]:
    """A list in a folder of its own, its stores and slides, and how they were cut."""
    folder = tmp_path / "results"
    made = [cut(folder, name, seed, **request.param) for seed, name in enumerate("ab", 3)]
    found = [store for store, _, _ in made]
    tables = [table for _, table, _ in made]
    file = folder / "cells.csv"
    cellcutter.make_cohort(found, file, tables=tables)
    return file, found, [slide for _, _, slide in made], request.param


@pytest.mark.parametrize("join", ["inner", "outer"])
def test_opened_as_one(listed, join):
    file, paths, made, options = listed
    cells, expected = cellcutter.open(file, join=join), cellcutter.open(paths, join=join)
    assert cells.slides == expected.slides == ["NA a", "NA b"]
    assert cells.channels == expected.channels
    assert len(cells.channels) == {"inner": 2, "outer": 4}[join]
    np.testing.assert_array_equal(cells[:], expected[:])
    np.testing.assert_array_equal(cells.ids, expected.ids)
    np.testing.assert_array_equal(cells.slide, expected.slide)
    assert (cells.masks is None) == (not options.get("masks"))
    obs = cells.obs
    assert obs.index.tolist() == cells.ids.tolist()
    assert obs["slide"].tolist() == [cells.slides[i] for i in cells.slide]
    own = {"Y_centroid", "X_centroid", "kind", "area", "third", "slide (table)"}
    assert set(obs.columns) - {"row"} == WINDOW | own | {"slide"}
    assert ("row" in obs.columns) == ("shuffle" in options)
    for number, slide in enumerate(made):
        some = obs[(cells.slide == number)]
        table = pd.read_csv(slide.table_path, dtype={"area": "Int64"}).set_index("CellID")
        table = table.loc[some.index]
        for name in ("Y_centroid", "X_centroid", "third"):
            assert some[name].tolist() == table[name].tolist()
        assert some["area"].fillna(-1).tolist() == table["area"].fillna(-1).tolist()
        kinds = table["kind"].fillna("-").str.replace("\r", "\n")  # as cut_cells reads lines
        assert some["kind"].fillna("-").tolist() == kinds.tolist()
        row = 7
        y = int(table["Y_centroid"].iloc[row]) - 5
        assert some["Y_start"].iloc[row] == y


def test_ids_are_those_of_a_slide(listed):
    file, paths, _, _ = listed
    cells = cellcutter.open(file)
    with pytest.raises(SettingsError, match="2 cells found, one expected; say which slide"):
        cells.by_id([3])
    np.testing.assert_array_equal(
        cells.by_id([3, 5], "NA b"), cellcutter.open(paths).by_id([3, 5], "NA b")
    )


def test_moved_and_in_another_process(listed, tmp_path, monkeypatch):
    file, _, _, _ = listed
    before = cellcutter.open(file)
    expected, obs = before[[3, 1, -1]], before.obs
    file.parent.rename(tmp_path / "moved")
    cells = cellcutter.open(tmp_path / "moved" / "cells.csv")
    np.testing.assert_array_equal(cells[[3, 1, -1]], expected)
    monkeypatch.chdir(tmp_path / "moved")
    cells = cellcutter.open("cells.csv")
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(cells))
    np.testing.assert_array_equal(again[[3, 1, -1]], expected)
    pd.testing.assert_frame_equal(again.obs, obs)
    pd.testing.assert_frame_equal(cells.obs, obs)


def test_same_bytes_again_and_by_the_command(listed, capfd):
    file, paths, made, options = listed
    tables = [slide.table_path for slide in made]
    words = ["cohort", *paths, "--output", file.with_name("again.csv")]
    words += [] if options["layout"] == "cells" else ["--tables", *tables]
    assert cli.main([*map(str, words)]) == 0
    assert file.with_name("again.csv").read_bytes() == file.read_bytes()
    assert cli.main([*map(str, words)]) == 2
    assert "exists already" in capfd.readouterr().err
    file.with_name("again.csv").write_text("thesis")
    assert cli.main([*map(str, words), "-f"]) == 2
    assert "--force replaces nothing but lists of cells" in capfd.readouterr().err
    assert file.with_name("again.csv").read_text() == "thesis"
    file.with_name("again.csv").write_text("slide,store,store_row,CellID\n")
    assert cli.main([*map(str, words), "-f"]) == 0
    assert file.with_name("again.csv").read_bytes() == file.read_bytes()


def test_both_layouts_are_listed_alike(tmp_path):
    texts = []
    for layout in ("chunks", "cells"):
        folder = tmp_path / layout
        store, table, _ = cut(folder, "a", 3, layout=layout)
        cellcutter.make_cohort(store, folder / "cells.csv", tables=[table])
        texts.append((folder / "cells.csv").read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize("layout", ["chunks", "cells"])
def test_texts_that_end_lines(tmp_path, layout):
    """Of a Parquet table they come as they are."""
    slide = slides.simple(tmp_path)
    kinds = [TEXTS[:5][i % 5] for i in slide.table["CellID"]]
    table = tmp_path / "cells.parquet"
    slide.table.assign(kind=kinds).to_parquet(table)
    store = tmp_path / "a.zarr"
    paths = (slide.image_path, slide.labels_path, table)
    cellcutter.cut_cells(*paths, store, layout=layout, window_size=11)
    cellcutter.make_cohort(store, tmp_path / "list.csv", tables=[table])
    assert cellcutter.open(tmp_path / "list.csv").obs["kind"].tolist() == kinds


@pytest.fixture
def two(tmp_path) -> tuple[Path, list[Path]]:
    """A list of two small stores."""
    paths = [
        stores.cells_store(tmp_path / f"{n}.zarr", stores.pixels(n), stores.table(n, seed=n))
        for n in (8, 9)
    ]
    cellcutter.make_cohort(paths, tmp_path / "cells.csv")
    return tmp_path / "cells.csv", paths


def change(file: Path, how) -> None:
    frame = pd.read_csv(file)
    how(frame).to_csv(file, index=False)


def test_rows_in_another_order_and_columns_of_a_users_own(two):
    file, paths = two
    expected = cellcutter.open(file).obs
    change(file, lambda f: f.sample(frac=1, random_state=0).assign(gate=f["CellID"] > 3))
    cells = cellcutter.open(file)
    # the slide of the first row comes first
    order = [paths.index(file.parent / f"{name}.zarr") for name in cells.slides]
    assert sorted(order) == [0, 1]
    alone = [cellcutter.open(paths[i]) for i in order]
    np.testing.assert_array_equal(cells[:], np.concatenate([each[:] for each in alone]))
    obs = cells.obs
    assert obs["gate"].tolist() == (obs.index > 3).tolist()
    for name in cells.slides:
        found = obs[obs["slide"] == name].drop(columns=["gate", "slide"])
        wanted = expected[expected["slide"] == name].drop(columns="slide")
        pd.testing.assert_frame_equal(found, wanted)


@pytest.mark.parametrize(
    "names", [["NA", "007", "1e3", "a b, \"c\" 'd'", "None"], ["01", "1", "002", "1.0"]]
)
def test_slides_whose_names_are_no_names(tmp_path, names):
    images = stores.pixels(5)
    paths = {
        name: stores.cells_store(tmp_path / f"{name}.zarr", images + i, stores.table(5))
        for i, name in enumerate(names)
    }
    cellcutter.make_cohort(paths, tmp_path / "cells.csv")
    cells = cellcutter.open(tmp_path / "cells.csv")
    assert cells.slides == names
    for i, name in enumerate(names):
        np.testing.assert_array_equal(cells[cells.slide == i], images + i)
        assert (cells.obs["slide"] == name).sum() == 5
        assert cells.rows_of([1], name).tolist() == [5 * i + cells.ids[:5].tolist().index(1)]


HARM = {
    "no column": (lambda f: f.drop(columns="store_row"), "no column store_row found"),
    "no rows": (lambda f: f.head(0), "no cells found"),
    "rows left out": (lambda f: f.iloc[1:], "7 rows for .*8.zarr found, 8 as many as its cells"),
    "row twice": (lambda f: f.iloc[[0, 0, *range(2, 17)]], "there twice found in store_row"),
    "no number": (
        lambda f: f.assign(store_row=["x", *f["store_row"][1:]]),
        "whole numbers in store_row and CellID expected",
    ),
    "other CellID": (
        lambda f: f.assign(CellID=[99, *f["CellID"][1:]]),
        r"CellID 99 found for row 0 of .*8.zarr, \d+ expected",
    ),
    "two stores": (lambda f: f.assign(slide="x"), "slide 'x' found with several of the other"),
    "two slides": (lambda f: f.assign(store="8.zarr"), "store '8.zarr' found with several of"),
    "no store": (lambda f: f.assign(store=f["store"] + "x"), "no such file or folder"),
}


@pytest.mark.parametrize("harm", HARM)
def test_lists_that_are_wrong(two, harm):
    file, _ = two
    how, message = HARM[harm]
    change(file, how)
    with pytest.raises(StoreError, match=message):
        cellcutter.open(file).obs  # noqa: B018


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b'slide,"sto', b"x" * 100])
def test_what_is_no_list(tmp_path, content):
    (tmp_path / "cells.csv").write_bytes(content)
    with pytest.raises(StoreError, match=r"cells\.csv: .*a list of cells.* expected"):
        cellcutter.open(tmp_path / "cells.csv")
    with pytest.raises(StoreError, match=r"other\.csv: No such file"):
        cellcutter.open(tmp_path / "other.csv")


def test_stores_that_were_cut_anew(two):
    file, paths = two
    shutil.rmtree(paths[0])
    stores.cells_store(paths[0], stores.pixels(8), stores.table(8, seed=99))
    cells = cellcutter.open(file)
    with pytest.raises(StoreError, match="the list is not of this store"):
        cells.obs  # noqa: B018


def test_one_list_at_a_time(two):
    file, paths = two
    with pytest.raises(SettingsError, match="a list of cells among several paths found"):
        cellcutter.open([paths[0], file])


# Writing


def test_what_cannot_be_listed(tmp_path, two):
    file, paths = two
    out = tmp_path / "new.csv"
    old = stores.old_store(tmp_path / "old.zarr", stores.pixels(5))
    slide = slides.simple(tmp_path)
    cellcutter.cut_tiles(slide.image_path, 32, tmp_path / "tiles.zarr")
    cut_from = tmp_path / "x.zarr"
    cellcutter.cut_cells(*slide.paths, cut_from, window_size=11)
    other = tmp_path / "other.csv"
    slide.table.assign(CellID=slide.table["CellID"] + 1).to_csv(other, index=False)
    short = tmp_path / "short.csv"
    slide.table.head(3).to_csv(short, index=False)
    cases = [
        ([], {}, "stores: none found"),
        ([paths[0], paths[0]], {}, "the same store found twice"),
        ([old], {}, "no CellIDs found, a store of cells expected"),
        ([tmp_path / "tiles.zarr"], {}, "no CellIDs found, a store of cells expected"),
        ([tmp_path / "typo.zarr"], {}, "no such file or folder"),
        (paths, {"tables": [other]}, "1 found, 2 expected, one for each store"),
        ([cut_from], {"tables": [other]}, "other.csv: other CellIDs than in"),
        ([cut_from], {"tables": [short]}, "short.csv: 3 rows found"),
        ([cut_from], {"tables": [tmp_path / "typo.csv"]}, "typo.csv: "),
    ]
    before = {path.name for path in tmp_path.iterdir()}
    for given, options, message in cases:
        with pytest.raises(InputError, match=message):
            cellcutter.make_cohort(given, out, **options)
        assert {path.name for path in tmp_path.iterdir()} == before, message
    places = [
        (file, {}, "exists already"),
        (paths[0] / "cells.csv", {}, "lies in the input"),
        (paths[0], {"force": True}, "is the input"),
        (old, {"force": True}, "something other than a list of cells found"),
    ]
    content = file.read_bytes()
    for place, options, message in places:
        with pytest.raises(DestinationError, match=message):
            cellcutter.make_cohort(paths, place, **options)
    assert file.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_file_that_appears_meanwhile_is_kept(two, monkeypatch):
    file, paths = two
    new = file.with_name("new.csv")
    write = cohort._write

    def late(*words, **options):
        write(*words, **options)
        new.write_text("mine")

    monkeypatch.setattr(cohort, "_write", late)
    before = set(file.parent.iterdir())
    with pytest.raises(DestinationError, match=r"new\.csv: exists already"):
        cellcutter.make_cohort(paths, new)
    assert new.read_text() == "mine"
    assert set(file.parent.iterdir()) == {*before, new}
