"""`convert`: the same pixels, tables and attributes in the other layout; where it can be, bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

import cellcutter
from cellcutter.commands import cli
from cellcutter.store.manifest import NAME
from tests import environments, slides
from tests.formats import measure
from tests.store.reading import stores

ROOT = Path(__file__).parents[2]
CUT = {"window_size": 11, "cells_per_chunk": 7}
MB = 1024 * 1024
# A run that gets a signal before one of its calls, and tells which of them names a file first
SIGNALLED = """
import sys
from cellcutter.commands import cli
from tests.faults.injection import Injection
_, folder, first, number, *words = sys.argv
injection = Injection(folder, None if number == "None" else int(number), "SIGTERM")
injection.install()
status = cli.main(words)
print(next(n for n, call in enumerate(injection.calls) if first in call))
sys.exit(status)
"""


def contents(path: Path) -> dict[str, bytes]:
    """All files of a store by name, or the zip file."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in files}


def differing(one: Path, other: Path) -> set[str]:
    a, b = contents(one), contents(other)
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def rich(slide: slides.Slide) -> pd.DataFrame:
    """A table with a column of every kind; written where the slide's own is, too."""
    n = len(slide.table)
    table = slide.table.assign(
        phenotype=np.where(slide.table["CellID"] % 2 == 0, "B, cell", 'T "cell"'),
        area=pd.array([None, *range(1, n)], "Int64"),
        name=[f"n{i}" for i in slide.table["CellID"]],
        flag=slide.table["CellID"] % 3 == 0,
        ratio=np.random.default_rng(1).random(n) / 3,
        nothing=None,
        some=np.where(np.arange(n) % 5, 1.5, np.nan),
    )
    table.loc[3, "phenotype"] = None
    table.to_csv(slide.table_path, index=False)
    return table


def check_same(one: Path, other: Path) -> None:
    """Both stores hold the same cells and say the same of them."""
    with cellcutter.open(one) as a, cellcutter.open(other) as b:
        np.testing.assert_array_equal(slides.bits(a[:]), slides.bits(b[:]))
        assert (a.channels, a.pixel_size, a.dtype) == (b.channels, b.pixel_size, b.dtype)
        assert (a.masks is None) == (b.masks is None)
        if a.masks is not None and b.masks is not None:
            np.testing.assert_array_equal(a.masks[:], b.masks[:])
        if a.ids is None:
            assert b.ids is None
        else:
            np.testing.assert_array_equal(a.ids, b.ids)
        for mine, theirs in zip(a.statistics, b.statistics, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                pd.testing.assert_frame_equal(mine, theirs)
        own = [c for c in ("X_start", "X_stop", "Y_start", "Y_stop", "OutOfBounds") if c in a.obs]
        for name in [*own, *(n for n in ("row", "Status") if n in a.obs)]:
            assert a.obs[name].tolist() == b.obs[name].tolist(), name


@pytest.mark.parametrize("z", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize(("source", "layout"), [("chunks", "cells"), ("cells", "chunks")])
def test_layouts(tmp_path, source, layout, dtype, z):
    slide = slides.simple(tmp_path, dtype=dtype)
    ending = ".zarr.zip" if z else ".zarr"
    made, out = tmp_path / f"made{ending}", tmp_path / f"out{ending}"
    cellcutter.cut_cells(*slide.paths, made, layout=source, masks=True, shuffle=2, z=z, **CUT)
    before = contents(made)
    result = cellcutter.convert(made, out, layout=layout, z=z, cells_per_chunk=5, p=3)
    assert contents(made) == before
    assert out.is_file() == z
    check_same(made, out)
    opened = zarr.storage.ZipStore(out, mode="r") if z else out
    array = zarr.open(opened, mode="r")
    found = array if layout == "chunks" else array["obsm/single_cell_images"]
    assert found.shape == result.shape
    assert (found.chunks[1] if layout == "chunks" else found.shards[0]) == 5
    assert (result.masks is None) == (layout == "cells")
    assert {p.name for p in tmp_path.iterdir() if p.name.startswith(".")} == set()


@pytest.mark.parametrize("compression", ["default", "small", "none"])
@pytest.mark.parametrize("keywords", [{"masks": True}, {"mask_cells": True, "shuffle": 3}])
def test_same_bytes_as_cutting(tmp_path, keywords, compression):
    """All but the columns of the given table, which `chunks` does not have."""
    slide = slides.simple(tmp_path)
    rich(slide)
    options = {"compression": compression, "cells_per_chunk": 7}
    for layout in ("chunks", "cells"):
        out = tmp_path / f"{layout}.zarr"
        cellcutter.cut_cells(
            *slide.paths, out, layout=layout, window_size=11, **options, **keywords
        )
    to_chunks, to_cells = tmp_path / "to_chunks.zarr", tmp_path / "to_cells.zarr"
    cellcutter.convert(tmp_path / "cells.zarr", to_chunks, layout="chunks", **options)
    cellcutter.convert(tmp_path / "chunks.zarr", to_cells, **options)
    assert differing(tmp_path / "chunks.zarr", to_chunks) == {"cells.csv", ".zattrs", NAME}
    of_cut, made = (
        json.loads((path / ".zattrs").read_text())["cellcutter"]
        for path in (tmp_path / "chunks.zarr", to_chunks)
    )
    assert made["table"].pop("texts") == ["phenotype", "name"]
    assert made == of_cut
    assert differing(tmp_path / "chunks_mask.zarr", tmp_path / "to_chunks_mask.zarr") == {
        "cells.csv",
        ".zattrs",
        NAME,
    }
    differ = differing(tmp_path / "cells.zarr", to_cells)
    assert {"zarr.json", "obs/zarr.json", "obs/area/zarr.json"} <= differ
    own = ("CellID", "X_", "Y_st", "OutOfBounds", "row", "Status", "_index")
    assert not [n for n in differ if n.startswith(tuple(f"obs/{c}" for c in own if c != "X_"))]
    assert all(n in ("zarr.json", NAME) or n.startswith("obs/") for n in differ)
    # nothing is lost on the way there and back
    back = tmp_path / "back.zarr"
    cellcutter.convert(to_chunks, back, **options)
    assert differing(tmp_path / "cells.zarr", back) == set()
    table = pd.read_csv(to_chunks / "cells.csv")
    given = pd.read_csv(slide.table_path)
    if "row" in table:
        given = given.iloc[table["row"]].reset_index(drop=True)
    for name in ("phenotype", "area", "name", "flag", "some"):
        pd.testing.assert_series_equal(table[name], given[name])


ODD = {
    "mean of a text": ("mean", lambda s: s["mean"].__setitem__(0, "../x")),
    "mean of an object": ("float", lambda s: s["mean"].__setitem__(0, {})),
    "mean of a list": ("statistics", lambda s: s["mean"].__setitem__(0, [1])),
    "one mean less": ("mean", lambda s: s["mean"].pop()),
    "no percentiles": ("percentiles", lambda s: s.pop("percentiles")),
    "no median": ("50", lambda s: s["percentiles"].pop("50")),
}


@pytest.mark.parametrize("layout", ["chunks", "cells"])
@pytest.mark.parametrize("name", ODD)
def test_statistics_that_are_none(tmp_path, capfd, layout, name):
    slide = slides.simple(tmp_path)
    store = tmp_path / "a.zarr"
    cellcutter.cut_cells(*slide.paths, store, layout=layout, **CUT)
    file = store / (".zattrs" if layout == "chunks" else "zarr.json")
    told = json.loads(file.read_text())
    own = told if layout == "chunks" else told["attributes"]
    ODD[name][1](own["cellcutter"]["statistics"])
    file.write_text(json.dumps(told))
    for other in ("chunks", "cells"):
        words = ["convert", str(store), str(tmp_path / "b.zarr"), "--layout", other]
        assert cli.main(words) == 2
        said = capfd.readouterr().err.splitlines()[-1]
        assert f"{store}: statistics: " in said
        assert "numbers for each channel expected" in said
        assert not (tmp_path / "b.zarr").exists()


@pytest.mark.parametrize("change", [("Y_start", "Y_strat"), ("X_stop", "X_start")])
def test_a_table_whose_columns_are_others(tmp_path, capfd, change):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", **CUT)
    table = tmp_path / "a.zarr/cells.csv"
    table.write_text(table.read_text().replace(*change))
    assert cli.main(["convert", str(tmp_path / "a.zarr"), str(tmp_path / "b.zarr")]) in (0, 2)
    assert "Error:" not in capfd.readouterr().err
    table.write_text(table.read_text().replace("0,", "x,"))
    assert cli.main(["convert", str(tmp_path / "a.zarr"), str(tmp_path / "c.zarr")]) == 2
    assert "a.zarr" in capfd.readouterr().err.splitlines()[-1]


def test_texts_that_look_like_others_come_back(tmp_path):
    slide = slides.simple(tmp_path)
    odd = ["007", "NA", "None", "nan", "null", "True", "1e3", "-", None]
    n = len(slide.table)
    table = slide.table.assign(
        label=[odd[i % len(odd)] for i in range(n)],
        code=[f"{i:03}" for i in range(n)],
        same="000",
        area=pd.array([None, *range(1, n)], "Int64"),
        exact=np.random.default_rng(2).random(n) * 1e5,
    )
    cells, chunks, back = (tmp_path / f"{name}.zarr" for name in ("cells", "chunks", "back"))
    cellcutter.cut_cells(*slide.paths[:2], table, cells, layout="cells", **CUT)
    cellcutter.convert(cells, chunks, layout="chunks", cells_per_chunk=7)
    cellcutter.convert(chunks, back, layout="cells", cells_per_chunk=7)
    assert differing(cells, back) == set()
    with cellcutter.open(chunks) as found:
        for name in ("label", "code", "same"):
            expected = [None if pd.isna(text) else text for text in table[name]]
            assert found.obs[name].astype(object).where(found.obs[name].notna(), None).tolist() == (
                expected
            )
        assert found.obs["exact"].tolist() == table["exact"].tolist()


@pytest.mark.parametrize("z", [False, True])
def test_same_bytes_of_tiles_both_ways(tmp_path, z):
    slide = slides.simple(tmp_path)
    for layout in ("chunks", "cells"):
        out = tmp_path / f"{layout}.zarr"
        cellcutter.cut_tiles(slide.image_path, 32, out, layout=layout, z=z, tiles_per_chunk=3)
    for source, layout in (("chunks", "cells"), ("cells", "chunks"), ("cells", "cells")):
        out = tmp_path / f"{source}_to_{layout}.zarr"
        cellcutter.convert(
            tmp_path / f"{source}.zarr", out, layout=layout, z=z, cells_per_chunk=3, p=2
        )
        assert differing(tmp_path / f"{layout}.zarr", out) == set()


def test_the_same_bytes_however_many_threads_and_chunks_on_the_way(tmp_path):
    slide = slides.simple(tmp_path, number=90)
    cellcutter.cut_cells(*slide.paths, tmp_path / "cells.zarr", layout="cells", **CUT)
    expected = contents(tmp_path / "cells.zarr")
    for number, per_chunk in enumerate([1, 3, 1000]):
        way, back = tmp_path / f"way{number}.zarr", tmp_path / f"back{number}.zarr"
        convert = cellcutter.convert
        convert(tmp_path / "cells.zarr", way, layout="chunks", cells_per_chunk=per_chunk, p=4)
        convert(way, back, cells_per_chunk=7, p=1 + number)
        assert contents(back) == expected


def test_a_store_by_hand_as_0_2_12_wrote_it(tmp_path, capfd):
    images = stores.pixels(20, dtype=">u2")
    old = stores.old_store(tmp_path / "old.zarr", images)
    stores.old_store(tmp_path / "old_mask.zarr", images)
    for layout in ("cells", "chunks"):
        out = tmp_path / f"{layout}.zarr"
        assert cli.main(["convert", "--layout", layout, str(old), str(out)]) == 0
        assert "old_mask.zarr" in capfd.readouterr().err
        with cellcutter.open(out) as cells:
            np.testing.assert_array_equal(cells[:], images)
            assert (cells.ids, cells.masks, cells.channels) == (None, None, [1, 2, 3])
            assert len(cells.obs) == 20
            assert cells.obs.columns.tolist() == []
        about = zarr.open(out, mode="r").attrs["cellcutter"]
        assert (about["version"], about["window_size"]) == (None, 9)
        again = tmp_path / f"again_{layout}.zarr"
        cellcutter.convert(out, again, layout="cells")
        check_same(old, again)


@pytest.mark.timeout(600)
def test_a_store_by_0_2_12_itself(tmp_path):
    old_tool = Path(environments.with_old_tool()).with_name("cut_cells")
    slide = slides.simple(tmp_path)
    old = tmp_path / "old.zarr"
    options = ["--window-size", "12", "--cells-per-chunk", "8"]
    subprocess.run([old_tool, *options, *slide.paths, str(old)], check=True, capture_output=True)
    cellcutter.convert(old, tmp_path / "out.zarr")
    pixels, _ = slides.expected(slide.image, slide.labels, slide.table, 12)
    with cellcutter.open(tmp_path / "out.zarr") as cells:
        np.testing.assert_array_equal(cells[:], pixels.swapaxes(0, 1))


def test_nothing_is_left_of_a_store_that_is_damaged(tmp_path, capfd):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", **CUT)
    cellcutter.convert(tmp_path / "a.zarr", tmp_path / "out.zarr")
    before = contents(tmp_path / "out.zarr")
    chunk = tmp_path / "a.zarr" / "0.3.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    words = ["convert", "-f", str(tmp_path / "a.zarr"), str(tmp_path / "out.zarr")]
    assert cli.main(words) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 2
    assert "a.zarr/0.3.0.0: " in error
    assert contents(tmp_path / "out.zarr") == before
    assert not [p.name for p in tmp_path.iterdir() if "cellcutter-" in p.name]


def test_replacing(tmp_path):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", masks=True, **CUT)
    out = tmp_path / "out.zarr"
    cellcutter.convert(tmp_path / "a.zarr", out, layout="chunks")
    assert (tmp_path / "out_mask.zarr").exists()
    with pytest.raises(cellcutter.DestinationError, match=r"out\.zarr: exists already"):
        cellcutter.convert(tmp_path / "a.zarr", out)
    cellcutter.convert(tmp_path / "a.zarr", out, force=True)
    assert not (tmp_path / "out_mask.zarr").exists()
    check_same(tmp_path / "a.zarr", out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.zarr", "a.zarr", "-f"], "a.zarr: is the input"),
        (["a.zarr", "a_mask.zarr", "-f"], "a_mask.zarr: is the input"),
        (["a.zarr", "a.zarr/x.zarr"], "x.zarr: lies in the input"),
        (["none.zarr", "o.zarr"], "none.zarr: no such file or folder, a store expected"),
        (["a_mask.zarr", "o.zarr"], "a_mask.zarr: an array of 3 axes found, 4 expected"),
        (["slide.ome.tif", "o.zarr"], "slide.ome.tif: File is not a zip file found"),
        (["bool.zarr", "o.zarr"], "bool.zarr: pixels of type bool found, integers or floats"),
        (["a.zarr", "o.zarr", "--layout", "rows"], "--layout: 'rows' found, one of cells, chunks"),
        (["a.zarr"], "the following arguments are required: DESTINATION"),
        (["a.zarr", "o.zarr", "--chunk-size", "1", "--cells-per-chunk", "2"], "found together"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capfd, monkeypatch, words, said):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", masks=True, **CUT)
    stores.old_store(tmp_path / "bool.zarr", stores.pixels(5) > 100)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["convert", *words]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not (tmp_path / "o.zarr").exists()


def test_too_little_memory(tmp_path, capfd):
    images = np.zeros((3, 2, 3000, 3000), "u2")
    stores.old_store(tmp_path / "a.zarr", images, per_chunk=3)
    words = ["convert", str(tmp_path / "a.zarr"), str(tmp_path / "o.zarr"), "--cache-size", "64"]
    assert cli.main(words) == 2
    error = capfd.readouterr().err
    assert "--cache-size: 64 MB found, at least" in error
    needed = error.split("at least ")[1].split(" MB")[0]
    assert cli.main([*words[:-1], needed]) == 0
    with cellcutter.open(tmp_path / "o.zarr") as cells:
        assert cells.shape == images.shape


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("layout", ["cells", "chunks"])
def test_memory_does_not_grow_with_the_store(tmp_path, layout):
    noise = stores.pixels(64, 4, 64)
    source = stores.old_store(tmp_path / "a.zarr", np.tile(noise, (250, 1, 1, 1)), per_chunk=128)
    call = (
        "cellcutter.convert(*sys.argv[1:3], layout=sys.argv[3], chunk_size=4, p=2, cache_size=64)"
    )
    peak = measure.peak_of(call, source, tmp_path / "out.zarr", layout)
    assert 250 * noise.nbytes > 2 * (64 + 100) * MB
    assert peak - measure.peak_of("") < (64 + 100) * MB


@pytest.mark.parametrize("z", [False, True])
def test_what_others_have_added_is_left_out_and_said(tmp_path, capfd, z):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", layout="cells", masks=True, **CUT)
    words = ["convert", str(tmp_path / "a.zarr"), str(tmp_path / "plain.zarr")]
    assert cli.main(words) == 0
    assert "left out" not in capfd.readouterr().err
    group = zarr.open_group(tmp_path / "a.zarr")
    group.create_array("obsm/X_umap", data=np.zeros((len(slide.table), 2)))
    group.create_array("X", data=np.zeros((len(slide.table), 3)))
    source = stores.zipped(tmp_path / "a.zarr") if z else tmp_path / "a.zarr"
    assert cli.main(["convert", str(source), str(tmp_path / "o.zarr")]) == 0
    error = capfd.readouterr().err
    assert f"{source}: X, obsm/X_umap: not of cellcutter; left out" in error
    check_same(tmp_path / "plain.zarr", tmp_path / "o.zarr")


@pytest.mark.parametrize(
    ("words", "file"),
    [(["convert"], "/c/0/0/0/0"), (["export", "--to", "webdataset"], "/shard-000000.tar")],
)
def test_a_signal_leaves_nothing(tmp_path, words, file):
    """It comes where the first pixels are written."""
    source = stores.old_store(tmp_path / "a.zarr", stores.pixels(300, 4, 16), per_chunk=10)
    words = [*words, str(source), "-p", "2"]

    def run(name: str, number: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-c", SIGNALLED, f".{name}.cellcutter-", file, number]
        return subprocess.run([*call, *words, tmp_path / name], capture_output=True, text=True)

    whole = run("whole", "None")
    assert whole.returncode == 0, whole.stderr
    stopped = run("out", whole.stdout)
    assert stopped.returncode == 128 + signal.SIGTERM, stopped.stderr
    assert "stopped; nothing was written" in stopped.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "whole"]


def test_said_on_the_way(tmp_path, capfd):
    """One line tells what was written; `info` understands the store."""
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", **CUT)
    assert cli.main(["convert", str(tmp_path / "a.zarr"), str(tmp_path / "o.zarr")]) == 0
    assert f"cellcutter convert: wrote {tmp_path / 'o.zarr'}: " in capfd.readouterr().err
    assert cli.main(["info", "--json", str(tmp_path / "o.zarr")]) == 0
    (found,) = json.loads(capfd.readouterr().out)["files"]
    assert found["attributes"]["options"]["layout"] == "cells"
    done = []
    cellcutter.convert(
        tmp_path / "a.zarr",
        tmp_path / "p.zarr",
        cells_per_chunk=10,
        progress=lambda *said: done.append(said),
    )
    number = -(-len(slide.table) // 10)
    assert done == [("converting", i, number) for i in range(1, number + 1)]
