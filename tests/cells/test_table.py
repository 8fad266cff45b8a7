"""The cell table as people have it: files, columns, values, DataFrames."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zstandard

from cellcutter.cells import rows as text_rows
from cellcutter.cells import table as tables
from cellcutter.cells.table import read_cells
from cellcutter.errors import TableError

HEADER = "CellID,Y_centroid,X_centroid\n"
PLAIN = HEADER + "3,1.5,2\n1,20.25,4e1\n"
STEINBOCK = {"CellID": "Object", "Y_centroid": "centroid-0", "X_centroid": "centroid-1"}


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, PLAIN)
    return file.getvalue()


def written(folder: Path, content: str | bytes, name: str = "cells.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(table: object, columns: dict[str, str] | None = None) -> list[tuple[float, ...]]:
    cells = read_cells(table, columns)
    return list(zip(cells.ids.tolist(), cells.y.tolist(), cells.x.tolist(), strict=True))


def refused(table: object, message: str, columns: dict[str, str] | None = None) -> None:
    with pytest.raises(TableError) as caught:
        read_cells(table, columns)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


READ = {
    "plain": PLAIN,
    "no end of line": PLAIN[:-1],
    "gzip": gzip.compress(PLAIN.encode()),
    "two members of gzip": gzip.compress(PLAIN[:30].encode()) + gzip.compress(PLAIN[30:].encode()),
    "bzip2": bz2.compress(PLAIN.encode()),
    "xz": lzma.compress(PLAIN.encode()),
    "zstd": zstandard.compress(PLAIN.encode()),
    "two frames of zstd": zstandard.compress(PLAIN[:30].encode())
    + zstandard.compress(PLAIN[30:].encode()),
    "zip": zipped("folder/cells.csv"),
    "zip from a Mac": zipped("cells.csv", "__MACOSX/._cells.csv"),
    "gzip with a byte-order mark": gzip.compress(PLAIN.encode("utf-8-sig")),
    "blank lines before the header": "\n  \n" + PLAIN,
    "blank line at the end": PLAIN + "\n",
    "row names as R writes them": (
        '"","CellID","Y_centroid","X_centroid"\n"1",3,1.5,2\n"2",1,20.25,40\n'
    ),
    "a long text in another column": PLAIN.replace("\n", "," + "x" * 100 + "\n"),
    "a quote inside of another column": PLAIN.replace("\n", ',5" tube\n'),
    "commas and lines in another column": PLAIN.replace("\n", ',"a, ""b""\n\nc"\n'),
    "more columns than characters of a piece": PLAIN.replace("\n", "," + "1," * 400 + "1\n"),
}
READ["Latin-1 in the name of another"] = (
    "CellID,Y_centroid,X_centroid,\N{MICRO SIGN}m\n3,1.5,2,7\n1,20.25,40,7\n".encode("latin-1")
)
READ["quotes behind spaces"] = '"CellID", "Y_centroid", "X_centroid"\n3, "1.5", 2\n1, 20.25, "40"\n'
READ["Latin-1 in another column"] = (
    "CellID,Y_centroid,X_centroid,note\n3,1.5,2,5 \N{MICRO SIGN}m\n1,20.25,40,\N{MICRO SIGN}\n"
).encode("latin-1")


@pytest.mark.parametrize("piece", [7, 1 << 22])
@pytest.mark.parametrize("name", READ)
def test_files_that_are_read(tmp_path, monkeypatch, name, piece):
    monkeypatch.setattr(text_rows, "_PIECE", piece)
    monkeypatch.setattr(tables, "_ROWS", 1 if piece == 7 else 100)
    assert rows_of(written(tmp_path, READ[name])) == [(3, 1.5, 2), (1, 20.25, 40)]


CSV = "a CSV file expected"
REFUSED = {
    "UTF-16": (PLAIN.encode("utf-16"), rf"text in UTF-16 found, {CSV}: save it as CSV in UTF-8"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), "text in UTF-16 found"),
    "gzip of UTF-16": (gzip.compress(PLAIN.encode("utf-16")), "text in UTF-16 found"),
    "half a gzip": (gzip.compress(PLAIN.encode() * 99)[:-30], r"a damaged file found \(.*CSV"),
    "half an xz": (lzma.compress(PLAIN.encode() * 99)[:-30], r"a damaged file found"),
    "half a bzip2": (bz2.compress(PLAIN.encode() * 99)[:-30], r"a damaged file found"),
    "a spoilt zstd": (b"\x28\xb5\x2f\xfd" + bytes(range(90)), r"a damaged file found"),
    "half a zip": (zipped("cells.csv")[:-30], r"a damaged file found"),
    "zip of two": (zipped("a.csv", "b.csv"), "a zip file of 2 files found"),
    "xlsx": (zipped("xl/workbook.xml", "b.xml"), "an xlsx table found, a CSV file expected: save"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an old Excel table"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "NUL behind a number": (PLAIN.replace("3,", "3\0,"), "text expected|no text found"),
    "NUL far below": (PLAIN + "7,1,1\n" * 2000 + "7\0,1,1\n", "a character NUL found near row"),
    "nothing": ("", r"columns \(none\) found, CellID, Y_centroid and X_centroid expected too"),
    "only a header": (HEADER[:-1], "no rows found, at least one cell expected"),
    "Latin-1 in a CellID": (
        PLAIN.replace("3,", "3\N{MICRO SIGN},").encode("latin-1"),
        "CellID '3.*' in row 1 found, a number expected",
    ),
    "CellID as Xenium has it": (PLAIN.replace("3,", "aaab-1,"), "'aaab-1' .*, as in the mask"),
    "short row far from the wanted columns": (
        PLAIN.replace("\n", ",1,2\n") + "8,1,1,1\n",
        "4 columns in row 3 found, 5 expected as in the header",
    ),
    "long row": (PLAIN.replace("2\n", "2,9\n"), "4 columns in row 1 found, 3 expected"),
    "long row below quotes": (
        PLAIN.replace("\n", ',"a\nb"\n') + "8,1,1,1,1\n",
        "5 columns in row 3 found, 4 expected",
    ),
    "quote without an end": (PLAIN + '8,1,"1\n', "unexpected end of data found"),
    "true": (PLAIN.replace("3,", "True,").replace("\n1,", "\nFalse,"), "CellID 'True' in row 1"),
    "a line without an end": (PLAIN + "1" * 300, "a line of more than 200 characters found"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(tmp_path, monkeypatch, name):
    if name == "a line without an end":
        monkeypatch.setattr(text_rows, "_PIECE", 50)
        monkeypatch.setattr(text_rows, "_LONGEST", 200)
    content, message = REFUSED[name]
    path = written(tmp_path, content)
    refused(path, rf"^{re.escape(str(path))}: .*({message})")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = written(tmp_path, b"PAR1" + bytes(50) + b"PAR1", "cells.parquet")
    refused(path, "a Parquet table found, a CSV file expected: pip install pyarrow to read it")


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"Object": pd.array([2**53 + 1, 7], "Int64"), "y": [1.5, None], "x": 2})
    names = {"CellID": "Object", "Y_centroid": "y", "X_centroid": "x"}
    path = tmp_path / "cells.parquet"
    for ids in (frame["Object"], frame["Object"].astype(str), frame["Object"].astype("category")):
        frame.assign(Object=ids).to_parquet(path)
        found = read_cells(path, names)
        assert found.ids.tolist() == [2**53 + 1, 7]
        np.testing.assert_array_equal(found.y, [1.5, np.nan])
    refused(path, "columns Object, y, x found, CellID, .* perhaps with --columns CellID=Object,")
    path.write_bytes(path.read_bytes()[:300])
    refused(path, "a damaged file found .* a Parquet table expected", names)


COLUMNS = {
    "steinbock": (
        "Object,area,centroid-0,centroid-1",
        (
            "columns Object, .* found, CellID, Y_centroid and X_centroid expected too; perhaps "
            "with --columns CellID=Object,Y_centroid=centroid-0,X_centroid=centroid-1$"
        ),
    ),
    "QuPath": (
        "Object ID,Centroid X \N{MICRO SIGN}m,Centroid Y \N{MICRO SIGN}m",
        (
            r'--columns "CellID=Object ID,Y_centroid=Centroid Y .m,X_centroid=Centroid X .m" '
            "--centroid-unit um$"
        ),
    ),
    "Xenium": (
        "cell_id,x_centroid,y_centroid",
        (
            "--columns CellID=cell_id,Y_centroid=y_centroid,X_centroid=x_centroid, and "
            "--centroid-unit um if this is from Xenium$"
        ),
    ),
    "CellProfiler": (
        "ObjectNumber,Location_Center_X,Location_Center_Y",
        "CellID=ObjectNumber,Y_centroid=Location_Center_Y,X_centroid=Location_Center_X$",
    ),
    "one is missing": ("CellID,Y_centroid,X", "found, X_centroid expected too; .* X_centroid=X$"),
    "nothing is near": ("a,b", "expected too; name the columns that are meant with --columns$"),
    "tabs": ("a\tb\tc", r"columns separated by '\\t' found, ',' expected: save it as CSV"),
    "twice": ("CellID,CellID,Y_centroid,X_centroid", "2 columns CellID found, one expected"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_missing(tmp_path, name):
    header, message = COLUMNS[name]
    refused(written(tmp_path, header + "\n1,1,1\n"), message)


def test_columns_of_other_names(tmp_path):
    text = "Object,area,centroid-0,centroid-1\n3,7,1.5,2\n1,7,20.25,40\n"
    expected = [(3, 1.5, 2), (1, 20.25, 40)]
    path = written(tmp_path, text)
    assert rows_of(path, STEINBOCK) == expected
    assert rows_of(pd.read_csv(path), STEINBOCK) == expected
    assert rows_of(path, {**STEINBOCK, "X_centroid": "centroid-0"}) == [
        (3, 1.5, 1.5),
        (1, 20.25, 20.25),
    ]
    refused(path, "area2 and Y_centroid expected too", {"CellID": "area2", "X_centroid": "area"})
    latin = written(tmp_path, "CellID,y \N{MICRO SIGN}m,X_centroid\n1,2,3\n".encode("latin-1"))
    assert rows_of(latin, {"Y_centroid": "y \N{MICRO SIGN}m"}) == [(1, 2, 3)]
    spoilt = written(tmp_path, text + "4,7,x,1\n")
    refused(spoilt, "centroid-0 'x' in row 3 found, a number expected", STEINBOCK)


NUMBERS = ["1", "1.5", ".5", "5.", "+5", "1e2", "1E-2", "-0.0", "inf", "-Infinity", "nan", "", "NA"]
NO_NUMBERS = ["1_0", "0x10", "1e", "e5", "1 2", "- 5", "1,5", "5d3", "7%", "--1", "1.2.3", "True"]


def test_numbers_are_those_of_python(tmp_path):
    rng = np.random.default_rng(0)
    values = [i / 7 for i in range(3000)] + (rng.random(3000) * 4e4).tolist()
    values += rng.integers(0, 2**64, 3000, dtype="u8").view("f8").tolist()
    values = [value for value in values if math.isfinite(value)]
    lines = "".join(f"{i},{value!r},1\n" for i, value in enumerate(values))
    assert read_cells(written(tmp_path, HEADER + lines)).y.tolist() == values
    for text in NUMBERS:
        found = read_cells(written(tmp_path, PLAIN.replace("1.5", f" {text} "))).y[0]
        expected = float("nan") if text in ("", "NA") else float(text)
        np.testing.assert_equal(found, expected)
    for text in NO_NUMBERS:
        quoted = f'"{text}"'
        refused(written(tmp_path, PLAIN.replace("1.5", quoted)), f"Y_centroid '{re.escape(text)}'")


IDS = {
    "exact": (["9007199254740993", "9223372036854775807"], None),
    "with a point": (["12.0", "7.0"], None),
    "as text": (["12", "7"], None),
    "too large": (["9223372036854775808", "7"], "CellID 9223372036854775808 in row 1"),
    "far too large": (["10" * 15, "7"], "CellID 1010.* in row 1"),
    "rounded": (["9007199254740993.0", "7"], "CellID 900719925474099.* in row 1"),
    "negative": (["7", "-3"], "CellID -3 in row 2 found, a whole number of 0 or more expected"),
    "missing": (["7", ""], "CellID nan in row 2 found"),
    "a fraction": (["7", "1.5"], "CellID 1.5 in row 2 found"),
    "infinite": (["7", "inf"], "CellID inf in row 2 found"),
    "underscore": (["7", "1_0"], "CellID '1_0' in row 2 found, a number expected"),
    "NUL": (["7", "1\0"], "NUL found|no text found|a number expected"),
}


@pytest.mark.parametrize("name", IDS)
def test_cell_ids_of_files_and_frames(tmp_path, name):
    ids, message = IDS[name]
    text = "CellID,Y_centroid,X_centroid\n" + "".join(f"{i},1,2\n" for i in ids)
    frame = pd.DataFrame({"CellID": ids, "Y_centroid": 1, "X_centroid": 2})
    mixed = frame.assign(CellID=np.array([*ids[:-1], ids[-1]], object))
    spaces = frame.assign(CellID=[f" {i} " for i in ids])
    for table in (written(tmp_path, text), frame, mixed, spaces):
        if message:
            refused(table, message)
        else:
            assert read_cells(table).ids.tolist() == [int(i.removesuffix(".0")) for i in ids]


FRAMES = {
    "float": ({"CellID": [3.0, 1.0]}, None),
    "float32": ({"CellID": np.array([3, 1], "f4")}, None),
    "float32 that may be rounded": (
        {"CellID": np.array([3, 2**24], "f4")},
        "CellID 16777216.0 in row 2",
    ),
    "text": ({"CellID": ["3", "1"]}, None),
    "Int64": ({"CellID": pd.array([3, 1], "Int64")}, None),
    "Int64 with NA": ({"CellID": pd.array([3, None], "Int64")}, "CellID nan in row 2"),
    "Float64 with NA": ({"X_centroid": pd.array([2.5, None], "Float64")}, None),
    "categories of numbers": ({"CellID": pd.Categorical([3, 1])}, None),
    "categories of texts": ({"CellID": pd.Categorical(["3", "1"])}, None),
    "large categories with NA": (
        {"CellID": pd.Categorical([2**53 + 1, None])},
        "CellID nan in row 2",
    ),
    "sparse": ({"X_centroid": pd.arrays.SparseArray([2.0, 40.0])}, None),
    "objects": ({"CellID": np.array([3, 1.0], object)}, None),
    "unsigned": ({"CellID": np.array([3, 1], "u2")}, None),
    "truth": ({"CellID": [True, False]}, "CellID 'True' in row 1 found, a number expected"),
    "dates": ({"Y_centroid": pd.to_datetime(["2020", "2021"])}, "Y_centroid '2020"),
    "complex": ({"Y_centroid": [1j, 2j]}, "Y_centroid '1j' in row 1"),
    "bytes": ({"CellID": [b"3", b"1"]}, "CellID .* in row 1 found, a number expected"),
    "lists": ({"X_centroid": [[1], [2]]}, r"X_centroid '\[1\]' in row 1"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_every_type(name):
    columns, message = FRAMES[name]
    frame = pd.DataFrame({"CellID": [3, 1], "Y_centroid": [1.5, 20.25], "X_centroid": [2, 40.0]})
    frame = frame.assign(**columns).set_index(pd.Index([9, 9]))
    if message:
        refused(frame, f"^cells: {message}")
        return
    found = read_cells(frame)
    assert found.ids.tolist() == [3, 1]
    expected = pd.to_numeric(frame["X_centroid"], errors="coerce").to_numpy("f8", na_value=np.nan)
    np.testing.assert_array_equal(found.x, expected)


def test_what_is_no_frame():
    frame = pd.DataFrame({"CellID": [3, 1], "Y_centroid": 1, "X_centroid": 2})
    refused(frame.set_index("CellID"), r"CellID found as the index, .*: use \.reset_index\(\)")
    refused(frame["CellID"], "pandas.Series found, the path of a CSV file or a pandas DataFrame")
    refused({"CellID": [1]}, "builtins.dict found")
    refused(frame.T, "columns 0, 1 found")
    refused("cells\0.csv", "a CSV file expected")


def test_pandas_waits_until_a_table_is_read():
    code = "import sys, cellcutter.cut; cellcutter.cut; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("quotes", [False, True])
def test_memory_of_a_large_table(tmp_path, quotes):
    """At most 200 bytes a cell, beside what pandas takes itself."""
    count = 1_000_000
    note = '"a"' if quotes else "a"
    rows = "".join(f"{i},{i / 7},{i / 3},{note}\n" for i in range(count // 10))
    header = "CellID,Y_centroid,X_centroid,note\n"
    path = written(tmp_path, header + rows * 10)
    small = written(tmp_path, header + rows[: rows.index("\n", 4000) + 1], "small.csv")
    code = (
        "import resource, sys; from cellcutter.cells.table import read_cells; "
        "read_cells(sys.argv[1]); read_cells(sys.argv[2]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(table: Path) -> int:
        words = [sys.executable, "-c", code, str(small), str(table)]
        return 1024 * int(subprocess.run(words, capture_output=True, check=True).stdout)

    assert peak(path) - peak(small) < 200 * count
