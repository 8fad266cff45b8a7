"""The command: what it makes, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import cellcutter
from cellcutter.commands import cli
from cellcutter.view import gallery as room
from cellcutter.view import page, sheet
from tests.store.reading import stores
from tests.view.conftest import cut


@pytest.mark.parametrize(("layout", "z"), [("cells", True), ("chunks", False)])
def test_of_every_kind_of_store(tmp_path, layout, z):
    store = cut(tmp_path / "s", layout=layout, z=z)
    for name in ("a.pdf", "a.html", "b.PNG"):
        assert cli.main(["gallery", str(store), str(tmp_path / name), "--outline"]) == 0
        assert (tmp_path / name).stat().st_size > 5000
    assert {p.name for p in tmp_path.iterdir()} == {"s", "a.pdf", "a.html", "b.PNG"}


def test_of_a_list_of_cells_and_in_python(tmp_path):
    paths = [cut(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    cellcutter.make_cohort({"one": paths[0], "two": paths[1]}, tmp_path / "cells.csv")
    seen = []
    drawn = cellcutter.gallery(
        tmp_path / "cells.csv",
        tmp_path / "a.html",
        group_by="slide",
        number=3,
        progress=lambda *told: seen.append(told),
    )
    assert drawn.destination == tmp_path / "a.html"
    assert len(drawn.rows) == 6
    assert drawn.nbytes == (tmp_path / "a.html").stat().st_size
    assert seen[-1] == ("drawing", 6, 6)


WRONG = [
    (["--top", "nope"], "--top: no column 'nope' found, one of "),
    (["--top", "phenotype"], "--top: 'T cell' found in column 'phenotype', numbers expected"),
    (["--group-by", "nope"], "--group-by: no column 'nope' found"),
    (["--sort-by", "nope"], "--sort-by: no column 'nope' found"),
    (["--channels=DNA,CD99"], "channels: 'CD99' not found"),
    (["--channels=DNA:pink"], "colour 'pink' found"),
    (["--ids=3,99999"], "CellID 99999: 0 cells found, one expected"),
    (["--ids=3,3"], "--ids: 3 found twice, once expected"),
    (["--ids=x"], "--ids: 'x' found, a list of CellIDs, such as 7 or slide:7, expected"),
    (["--ids=no:3"], "slide: 'no' not found"),
    (["--ids=3", "--top", "area"], "--ids and --top found together, one of them expected"),
    (["--ids=3", "--number", "3"], "--ids and --number found together"),
    (["--contrast", "p9,p1"], "--contrast: 'p9,p1' found, two limits such as"),
    (["--contrast", "nope.yml"], "nope.yml: No such file or directory; a YAML file expected"),
    (["--table", "nope.csv"], "nope.csv: No such file or directory; a table of cells"),
    (["--gamma", "0"], "--gamma: 0 found, a number above 0 expected"),
    (["--dpi", "5"], "--dpi: 5 found, a whole number from 20 to 2400 expected"),
    (["--across", "3"], "--across: found for a page"),
    (["--table", "few.csv", "--group-by", "kind", "--ids=3"], "no cell chosen"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(w) for w, _ in WRONG])
def test_mistakes_are_one_line(store, tmp_path, monkeypatch, capfd, words, message):
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text("CellID,kind\n4,a\n")
    assert cli.main(["gallery", *words, str(store), "out.html"]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert not Path("out.html").exists()


def test_destinations(store, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def said(*words) -> str:
        assert cli.main(["gallery", str(store), *map(str, words)]) == 2
        return capfd.readouterr().err

    assert "a.svg: .svg found, a name that ends in .html, .png or .pdf expected" in said("a.svg")
    assert "no ending found" in said("a")
    inside = store / "a.html"
    assert "lies in the input" in said(inside)
    table = tmp_path / "marks.html"
    table.write_text("CellID,x\n3,1\n")
    assert "is the input" in said("-f", "--table", table, table)
    Image.new("L", (9, 9)).save("a.png")  # a slide, perhaps
    Image.new("L", (9, 9)).save("a.pdf")
    Path("a.html").write_text("notes")
    for name in ("a.png", "a.pdf", "a.html"):
        content = Path(name).read_bytes()
        assert "exists already" in said(name)
        assert "something other than a gallery found" in said("-f", name)
        assert Path(name).read_bytes() == content
    for name in ("b.png", "b.pdf", "b.html"):
        for words in ((), ("-f",)):
            assert cli.main(["gallery", str(store), name, *words]) == 0
        capfd.readouterr()
        assert "exists already" in said(name)


def test_no_masks(tmp_path, capfd):
    store = cut(tmp_path / "a", masks=False)
    assert cli.main(["gallery", str(store), str(tmp_path / "a.html"), "--outline"]) == 2
    assert "no cell masks found in" in capfd.readouterr().err


def test_options_in_a_file(store, tmp_path):
    (tmp_path / "p.yml").write_text(
        "number: 3\nseed: 4\ncontrast: {DNA: [1, 500]}\nids:\nchannels: [DNA, 'CD8:cyan']\n"
    )
    words = ["--params", str(tmp_path / "p.yml"), str(store), str(tmp_path / "a.html")]
    assert cli.main(["gallery", *words]) == 0
    (tmp_path / "junk.txt").write_text("hello world")
    words = ["--params", str(tmp_path / "junk.txt"), str(store), str(tmp_path / "b.html")]
    assert cli.main(["gallery", *words]) == 2
    assert cli.main(["verify", *words[:3]]) == 2
    assert not (tmp_path / "b.html").exists()
    for value in (["p1,p50"], ["10,200"], ["-5,9"], ["-.5,-1e-3"]):
        words = ["--contrast", *value, "--ids=3,4", str(store), str(tmp_path / "a.html"), "-f"]
        assert cli.main(["gallery", *words]) == 0
    for value in ((10, 200.5), ("p1", "p50"), {"CD8": [1, 2]}):
        cellcutter.gallery(store, tmp_path / "a.html", contrast=value, ids=[3, "4"], force=True)


def test_without_what_draws_pictures(store, tmp_path, monkeypatch, capfd):
    find = room.importlib.util.find_spec
    monkeypatch.setattr(
        room.importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    assert cli.main(["gallery", str(store), str(tmp_path / "a.pdf")]) == 2
    err = capfd.readouterr().err
    assert "matplotlib is not installed" in err
    assert "pip install 'cellcutter[gallery]'" in err


def test_a_page_is_made_without_them(store, tmp_path):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['matplotlib', 'skimage', 'scipy', 'PIL']))\n"
        "import cellcutter\n"
        f"cellcutter.gallery({str(store)!r}, {str(tmp_path / 'a.html')!r}, outline=True)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "a.html").exists()


def test_what_is_too_large_is_refused_before_it_is_made(store, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(page, "_MOST", 10_000)
    monkeypatch.setattr(sheet, "_MOST", 10_000)
    for name in ("a.html", "a.png"):
        assert cli.main(["gallery", str(store), str(tmp_path / name)]) == 2
        err = capfd.readouterr().err
        assert "found, " in err
        assert "expected: fewer cells" in err
    assert not [*tmp_path.iterdir()]


def test_cells_without_a_group_are_told_of(store, tmp_path, caplog):
    with caplog.at_level("INFO"):
        cellcutter.gallery(store, tmp_path / "a.html", group_by="phenotype")
    assert "1 of the cells have no phenotype; left out" in caplog.text


def test_cells_without_a_number_are_told_of(store, tmp_path, caplog):
    table = tmp_path / "t.csv"
    table.write_text("CellID,score\n1,3\n2,\n3,inf\n4,8\n")
    with caplog.at_level("INFO"):
        drawn = cellcutter.gallery(store, tmp_path / "a.html", table=table, top="score")
    with cellcutter.open(store) as cells:
        assert cells.ids[drawn.rows].tolist() == [4, 1]
        assert f"{len(cells) - 2} of the cells have no number in score; left out" in caplog.text


def test_many_cells_are_warned_of(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(room, "MANY", 20)
    store = stores.cells_store(tmp_path / "a.zarr", stores.pixels())
    cellcutter.gallery(store, tmp_path / "a.html")
    assert "30 cells: a page of more than 20 is slow to open" in caplog.text
