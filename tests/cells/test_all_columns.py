"""The columns of a table: as pandas reads the whole of it, however it is cut in pieces."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from cellcutter.cells import all_columns
from cellcutter.cells.all_columns import TableColumns
from cellcutter.errors import TableError


def table(n: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = np.arange(n)
    frame = pd.DataFrame({"CellID": numbers + 1, "area": rng.normal(size=n)})
    frame["few"] = np.where(numbers % 3 == 0, "B cell, mature", "T céll")
    frame["all differ"] = [f"cell {i}" for i in numbers]
    frame["flag"] = numbers % 2 == 0
    frame["large"] = 2**62 + numbers
    frame["gaps"] = pd.array([None if i % 7 == 2 else 2**60 + i for i in numbers], "Int64")
    frame["some flags"] = pd.array([None if i % 7 == 2 else i % 2 == 0 for i in numbers], "boolean")
    frame["float gaps"] = np.where(numbers % 5 == 1, np.nan, rng.random(n))
    frame["text gaps"] = [None if i % 5 == 1 else f"{i % 4}x" for i in numbers]
    frame["late text"] = ["1", "007", *["2"] * (n - 3), "end"]
    frame["late float"] = [*[1] * (n - 1), 2.5]
    frame["nothing"] = np.nan
    return frame


def values(column) -> list:
    found = column.values.tolist()
    if column.categories is not None:
        assert column.categories == sorted(column.categories)
        return [None if code < 0 else column.categories[code] for code in found]
    if column.missing is not None:
        return [None if gone else v for v, gone in zip(found, column.missing, strict=True)]
    return [None if isinstance(v, float) and np.isnan(v) else v for v in found]


@pytest.mark.parametrize("piece", [13, 130, 1 << 20])
@pytest.mark.parametrize("shuffled", [False, True])
def test_values_and_types(tmp_path, monkeypatch, piece, shuffled):
    monkeypatch.setattr(all_columns, "_VALUES", piece)
    frame = table()
    frame.to_csv(tmp_path / "t.csv", index=False)
    order = np.random.default_rng(1).permutation(len(frame)) if shuffled else None
    expected = frame if order is None else frame.iloc[order]
    with TableColumns(tmp_path / "t.csv", len(frame), tmp_path) as found:
        assert found.names == list(frame)
        for name in found.names:
            column = found.read(name, order)
            wanted = [None if pd.isna(v) else v for v in expected[name].tolist()]
            assert values(column) == wanted, name
        kinds = {name: found.read(name).values.dtype.kind for name in found.names}
    assert "".join(kinds.values()) == "ifiObiibfiiff"
    assert list(tmp_path.iterdir()) == [tmp_path / "t.csv"]


def test_a_frame_in_memory(tmp_path):
    frame = table()
    frame["small"] = np.arange(len(frame), dtype="u1")
    frame["categories"] = pd.Categorical(["b", "a", None, *["b"] * (len(frame) - 3)])
    frame["time"] = pd.Timestamp("2020-01-01")
    with TableColumns(frame, len(frame), tmp_path) as found:
        assert found.read("small").values.dtype == np.uint8
        assert values(found.read("categories"))[:4] == ["b", "a", None, "b"]
        assert values(found.read("time"))[0] == "2020-01-01 00:00:00"
        assert values(found.read("gaps")) == [None if pd.isna(v) else v for v in frame["gaps"]]


@pytest.mark.parametrize("low", [0, -1])
def test_whole_numbers_of_two_types(tmp_path, monkeypatch, low):
    """A piece of int64, and one of uint64: none of their digits are lost."""
    monkeypatch.setattr(all_columns, "_VALUES", 4)
    numbers = [low, 2**62 + 1, 2**63 + 1, 2**64 - 1]
    frame = pd.DataFrame({"CellID": range(4), "n": [str(number) for number in numbers]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with TableColumns(tmp_path / "t.csv", 4, tmp_path) as found:
        assert [int(value) for value in values(found.read("n"))] == numbers


def test_unusual_types_of_a_frame(tmp_path):
    pa = pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "flags": pd.array([True, None, False], pd.ArrowDtype(pa.bool_())),
            "numbers": pd.array([1, None, 3], pd.ArrowDtype(pa.int32())),
            "sparse": pd.arrays.SparseArray([0.0, 2.5, 0.0]),
            "wide": np.array([1, 2, 3], np.longdouble) / 4,
        }
    )
    with TableColumns(frame, 3, tmp_path) as found:
        assert values(found.read("flags")) == [True, None, False]
        assert values(found.read("numbers")) == [1, None, 3]
        assert values(found.read("sparse")) == [0, 2.5, 0]
        assert values(found.read("wide")) == [0.25, 0.5, 0.75]
        assert found.read("wide").values.dtype == np.float64


def test_floats_are_exact(tmp_path):
    numbers = np.random.default_rng(0).random(2000) * 1e5
    pd.DataFrame({"CellID": range(2000), "x": numbers}).to_csv(tmp_path / "t.csv", index=False)
    with TableColumns(tmp_path / "t.csv", 2000, tmp_path) as found:
        np.testing.assert_array_equal(found.read("x").values, numbers)


def test_a_table_that_has_changed(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TableError, match="50 rows found, 49 expected"):
        TableColumns(tmp_path / "t.csv", 49, tmp_path)


def test_bytes_that_are_no_utf_8(tmp_path):
    text = b"CellID,\xb5m,name\n1,2.5,T c\xe9ll\n2,3.5,\xc3\xa9\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text))
    with TableColumns(tmp_path / "t.csv.gz", 2, tmp_path) as found:
        assert found.names == ["CellID", "µm", "name"]
        assert found.read("name").values.tolist() == ["T céll", "é"]


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    frame = table().drop(columns="late text")
    frame.to_parquet(tmp_path / "t.parquet")
    with TableColumns(tmp_path / "t.parquet", len(frame), tmp_path) as found:
        for name in found.names:
            wanted = [None if pd.isna(v) else v for v in frame[name].tolist()]
            assert values(found.read(name)) == wanted, name
