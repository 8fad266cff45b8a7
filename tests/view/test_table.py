"""Tables that are joined to the cells of stores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cellcutter
from cellcutter.errors import TableError
from cellcutter.view.table import Table
from tests.store.reading import stores


def opened(tmp_path, *names):
    images = stores.pixels()
    for seed, name in enumerate(names):
        stores.cells_store(tmp_path / f"{name}.zarr", images, stores.table(30, seed))
    return cellcutter.open([tmp_path / f"{name}.zarr" for name in names])


def test_by_cell_id_in_any_order_with_gaps(tmp_path, caplog):
    caplog.set_level("INFO")
    with opened(tmp_path, "a") as cells:
        given = pd.DataFrame({"CellID": [7, 900, 3], "cluster": [1, 2, 5], "kind": ["x", "y", "z"]})
        given.to_csv(tmp_path / "t.csv", index=False)
        table = Table(cells, tmp_path / "t.csv")
        expected = [{7: 1, 3: 5}.get(cell, np.nan) for cell in cells.ids.tolist()]
        np.testing.assert_array_equal(table.column("cluster", "x").astype(float), expected)
        row = cells.rows_of([3])
        found = table.rows(row).table
        assert found["kind"].tolist() == ["z"]
        assert found["CD8"].tolist() == [cells.obs["CD8"].iloc[row[0]]]
        assert table.column("cd8", "x").name == "CD8"
        assert [*found].count("cluster") == 1  # the given one, not the store's
        assert f"{tmp_path}/t.csv: its cluster shown, not the stores' own" in caplog.text


def test_a_table_of_another_slide_is_warned_of(tmp_path, caplog):
    with opened(tmp_path, "a") as cells:
        (tmp_path / "t.csv").write_text("CellID,slide,mark\n3,b,yes\n4,c,no\n")
        assert Table(cells, tmp_path / "t.csv").column("mark", "x").dropna().tolist()
        assert "t.csv: slide b, c found, not a: joined by CellID alone" in caplog.text


@pytest.mark.parametrize("names", ["CellID,score,score", "CellID,score, score", "CellID,CellID,b"])
def test_a_column_that_is_there_twice(tmp_path, names):
    with opened(tmp_path, "a") as cells:
        (tmp_path / "t.csv").write_text(f"{names}\n1,2,3\n")
        with pytest.raises(TableError, match="found twice, once expected"):
            Table(cells, tmp_path / "t.csv")


def test_times_with_gaps(tmp_path):
    with opened(tmp_path, "a") as cells:
        times = pd.to_datetime(["2020-01-01", None, "2021-01-01"])
        pd.DataFrame({"CellID": [1, 2, 3], "when": times}).to_parquet(tmp_path / "t.parquet")
        numbers = Table(cells, tmp_path / "t.parquet").numbers("when", "x")
        first, gap, last = numbers.iloc[cells.rows_of([1, 2, 3])]
        assert np.isnan(gap)
        assert first < last
        assert numbers.notna().sum() == 2


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_a_table_that_is_not_there(tmp_path, name):
    message = f"{name}: No such file or directory; a table"
    with opened(tmp_path, "a") as cells, pytest.raises(TableError, match=message):
        Table(cells, tmp_path / name)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_by_slide(tmp_path, ending):
    with opened(tmp_path, "a", "b") as cells:
        given = pd.DataFrame(
            {"CellID": [4, 4, 4], "slide": ["b", "a", "other"], "mark": ["yes", "no", "lost"]}
        )
        path = tmp_path / f"t.{ending}"
        given.to_parquet(path) if ending == "parquet" else given.to_csv(path, index=False)
        marks = Table(cells, path).column("mark", "x")
        slide = cells.slide[marks.notna().to_numpy()].tolist()
        assert marks.dropna().tolist() == ["no", "yes"]
        assert cells.ids[marks.notna().to_numpy()].tolist() == [4, 4]
        assert slide == [0, 1]


def test_of_one_slide_out_of_a_table_of_several(tmp_path):
    with opened(tmp_path, "a") as cells:
        path = tmp_path / "t.csv"
        path.write_text("CellID,slide,mark\n3,a,yes\n3,b,no\n4,c,no\n")
        marks = Table(cells, path).column("mark", "x")
        assert marks.dropna().tolist() == ["yes"]
        assert cells.ids[marks.notna().to_numpy()].tolist() == [3]
        path.write_text("CellID,slide,mark\n3,other,yes\n")  # a name of its own
        assert Table(cells, path).column("mark", "x").dropna().tolist() == ["yes"]


def test_a_column_of_texts_and_numbers_is_one_of_texts(tmp_path):
    with opened(tmp_path, "a") as cells:
        path = tmp_path / "t.parquet"
        pd.DataFrame({"CellID": [1, 2, 3], "x": [["b"], ["a", "c"], None]}).to_parquet(path)
        column = Table(cells, path).column("x", "x")
        assert sorted(column.dropna()) == ["['a' 'c']", "['b']"]
        cellcutter.gallery(
            tmp_path / "a.zarr", tmp_path / "a.html", table=path, group_by="x", sort_by="x"
        )


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("Cell,x\n1,2\n", ["a"], "columns Cell, x found; a table of cells with a column CellID"),
        ("CellID,x\n1,2\n1,3\n", ["a"], "CellID 1 found twice, once expected"),
        ("CellID,x\n1.5,2\n", ["a"], "'1.5' found in CellID, whole numbers expected"),
        ("CellID,x\n99,2\n", ["a"], "none of the stores' CellIDs found"),
        ("CellID,x\n1,2\n", ["a", "b"], "no column slide found, but expected: several slides"),
        ("CellID,slide\n1,b\n1,b\n", ["a", "b"], "CellID 1 of slide b found twice"),
        ("CellID,slide\n1,c\n", ["a", "b"], "none of the stores' CellIDs found"),
        ("", ["a"], "No columns to parse"),
        ("CellID,CellID\n1,1\n", ["a"], "column 'CellID' found twice, once expected"),
    ],
)
def test_what_cannot_be_joined(tmp_path, text, names, message):
    (tmp_path / "t.csv").write_text(text)
    with opened(tmp_path, *names) as cells, pytest.raises(TableError, match=message) as caught:
        Table(cells, tmp_path / "t.csv")
    assert str(tmp_path / "t.csv") in str(caught.value)


def test_gaps_are_empty_fields_and_of_numbers_their_words_too(tmp_path):
    text = """CellID,kind,area,count,far,gate,odd,label
1,NA,1.5,1,NaN,TRUE,1,7
2,None,NA,,0.1,NA,x,8
3,,nan,3,12361.670000000001,FALSE,NA,9
4,T,2,4,,,,10
"""
    (tmp_path / "t.csv").write_text(text)
    with opened(tmp_path, "a") as cells:
        table = Table(cells, tmp_path / "t.csv").rows(cells.rows_of([1, 2, 3, 4])).table
    kinds = [None if pd.isna(kind) else kind for kind in table["kind"]]
    assert kinds == ["NA", "None", None, "T"]
    np.testing.assert_array_equal(table["area"], [1.5, np.nan, np.nan, 2])
    np.testing.assert_array_equal(table["count"], [1, np.nan, 3, 4])
    np.testing.assert_array_equal(table["far"], [np.nan, 0.1, 12361.670000000001, np.nan])
    assert table["gate"].fillna("-").tolist() == ["True", "-", "False", "-"]
    assert table["label"].dtype.kind in "if"
    assert table["label"].tolist() == [7, 8, 9, 10]
    assert table["odd"].fillna("-").tolist() == ["1", "x", "NA", "-"]


def test_floats_are_exact(tmp_path):
    values = np.random.default_rng(0).random(2000) * 10.0 ** np.arange(-2, 2).repeat(500)
    far = pd.Series(values, dtype=object)
    far[7] = "NA"
    given = pd.DataFrame({"CellID": np.arange(2000), "near": values, "far": far})
    given.to_csv(tmp_path / "t.csv", index=False)
    with opened(tmp_path, "a") as cells:
        table = Table(cells, tmp_path / "t.csv")
        ids = cells.ids
        np.testing.assert_array_equal(table.numbers("near", "x"), values[ids])
        wanted = np.where(ids == 7, np.nan, values[ids])
        np.testing.assert_array_equal(table.numbers("far", "x"), wanted)


def test_names_of_slides_are_texts(tmp_path):
    with opened(tmp_path, "007", "08") as cells:
        (tmp_path / "t.csv").write_text("CellID,slide,kind\n4,007,x\n4,08,y\n")
        kinds = Table(cells, tmp_path / "t.csv").column("kind", "x")
        assert kinds.dropna().tolist() == ["x", "y"]


def test_slide_is_the_column_of_a_single_store_where_it_has_one(tmp_path):
    images = stores.pixels()
    own = stores.table(30).assign(slide=["core 1"] * 10 + ["core 2"] * 20)
    stores.cells_store(tmp_path / "a.zarr", images, own)
    stores.cells_store(tmp_path / "b.zarr", images, own)
    with cellcutter.open(tmp_path / "a.zarr") as cells:
        table = Table(cells)
        assert table.column("slide", "x").tolist() == own["slide"].tolist()
        assert table.rows(np.arange(30), "slide").table["slide"].tolist() == own["slide"].tolist()
        given = tmp_path / "t.csv"
        given.write_text("CellID,slide\n3,x\n4,y\n")
        assert Table(cells, given).column("slide", "x").dropna().tolist() == ["x", "y"]
    with cellcutter.open([tmp_path / "a.zarr", tmp_path / "b.zarr"]) as cells:
        assert Table(cells).column("slide", "x").tolist() == ["a"] * 30 + ["b"] * 30
    with opened(tmp_path, "c") as cells:  # none has it: all cells are of one slide
        assert set(Table(cells).column("slide", "x")) == {"c"}
        assert set(Table(cells).rows(np.arange(3), "slide").table["slide"]) == {"c"}
