"""The page of a run: what it tells, in which order, and that texts of the data stay texts."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import imagecodecs
import numpy as np
import pytest

import cellcutter
from cellcutter.commands import cli
from cellcutter.store.facts import store_facts
from cellcutter.view import report as room
from cellcutter.view.markup import json_in_page
from cellcutter.view.report import report
from cellcutter.view.strip import strip
from tests.view.conftest import cut
from tests.view.test_page import HOSTILE, Opened


def about(page: Path) -> dict[str, Any]:
    """What a page shows."""
    (found,) = re.findall(r'id="about">(.*)</script>', page.read_text(encoding="utf-8"))
    return json.loads(found)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two stores, and one that has lost its pixels."""
    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(cut(folder / "1"), folder / "whole.zarr")
    shutil.copytree(cut(folder / "2", ("DNA",), layout="chunks", masks=False), folder / "b.zarr")
    shutil.copytree(folder / "b.zarr", folder / "torn.zarr")
    (folder / "torn.zarr/0.0.0.0").unlink()
    return [folder / name for name in ("whole.zarr", "b.zarr", "torn.zarr")]


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Any:
    """Open a page; no request, error or message is allowed."""
    pages: list[Opened] = []

    def show(path: Path) -> Any:
        tab: Any = Opened.__new__(Opened)
        tab.wait = lambda: tab.tab.wait_for_selector("html[data-ready]", state="attached")
        tab.__init__(browser, path)
        pages.append(tab)
        return tab.tab

    yield show
    for page in pages:
        assert [url for url in page.requests if not url.startswith("data:")] == [page.url]
        assert page.wrong == []
        page.context.close()


def first(tab: Any) -> list[str]:
    return [text.split("\n")[0] for text in tab.locator("tbody th").all_inner_texts()]


def test_what_is_told_is_what_the_stores_hold(stores: list[Path], tmp_path: Path) -> None:
    galleries = tmp_path / "qc"
    galleries.mkdir()
    (galleries / "b.html").touch()
    page, multiqc = tmp_path / "index.html", tmp_path / "cellcutter_mqc.json"
    words = [*map(str, stores), str(tmp_path / "none.zarr")]
    words += ["--output", str(page), "--galleries", str(galleries), "--multiqc", str(multiqc)]
    assert cli.main(["report", *words]) == 0
    *three, none = about(page)["samples"]
    for store, sample in zip(stores, three, strict=True):
        with cellcutter.open(store) as cells:
            status = cells.obs["Status"].astype(str)
            assert sample["name"] == store.stem
            assert (tmp_path / sample["store"]).resolve() == store.resolve()
            assert sample["asked"] == len(cells)
            shown = status.isin(["ok", "larger than window"])
            assert sample["cut"] == shown.sum()
            assert sample["larger"] == (status == "larger than window").sum() > 0
            assert dict(sample["off"]) == status[~shown].value_counts().to_dict()
            assert sample["channels"] == cells.channels
            assert sample["window"] == cells.shape[-1]
            assert sample["masks"] == (cells.masks is not None)
        facts = store_facts(store)
        assert facts is not None
        assert (sample["bytes"], sample["identity"]) == (facts["bytes"], facts["identity"])
        assert sample["version"] == facts["attributes"]["version"]
    assert [each["layout"] for each in three] == ["cells", "chunks", "chunks"]
    assert [each["gallery"] for each in three] == [None, "qc/b.html", None]
    kind, content = three[0]["strip"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == strip(stores[0], number=8, size=40)
    assert [each["problems"] for each in three] == [
        [],
        [],
        ["1 of 1 files of pixels are missing"],
    ]
    assert three[2]["strip"] is None
    assert "none.zarr" in none["problems"][0]
    assert none["asked"] is None
    told = json.loads(multiqc.read_text())
    assert (told["id"], told["plot_type"]) == ("cellcutter", "generalstats")
    columns = [name for column in told["pconfig"] for name in column]
    assert set(told["data"]) == {"whole", "b", "torn"}
    for sample in three:
        row = told["data"][sample["name"]]
        assert [*row] == columns
        assert row["off"] == sample["asked"] - sample["cut"]
        assert row["megabytes"] * 1e6 == pytest.approx(sample["bytes"])


def test_problems_come_first(stores: list[Path], tmp_path: Path, shown: Callable) -> None:
    problems = tmp_path / "problems.csv"
    problems.write_text('name,problem\nlost,"not cut, <b>\n"\n')
    report(stores, tmp_path / "index.html", problems=problems)
    tab = shown(tmp_path / "index.html")
    said = tab.locator("#problems li").all_inner_texts()
    assert said[0].strip() == "lost: not cut, <b>"
    assert said[1:] == ["torn: 1 of 1 files of pixels are missing"]
    assert first(tab) == ["torn", "b", "whole"]
    asked = [each["asked"] for each in about(tmp_path / "index.html")["samples"]]
    assert f"3 samples · {sum(asked)} cells asked" in tab.locator("#sums").inner_text()
    tab.get_by_role("button", name="Channels").click()
    assert first(tab) == ["b", "torn", "whole"]
    tab.get_by_role("button", name="Channels").click()
    assert first(tab)[0] == "whole"
    tab.get_by_label("Find").fill("cd45")
    assert first(tab) == ["whole"]
    assert tab.locator("#shown").inner_text() == "1 of 3 shown"
    theme = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(theme)
    tab.get_by_role("button", name="Dark or light").click()
    assert tab.evaluate(theme) != light


def test_texts_of_the_data_are_only_texts(tmp_path: Path, shown: Callable) -> None:
    odd = tmp_path / "x' onerror=alert(1) <img src=x onerror=alert(2)> #?%41.zarr"
    shutil.copytree(cut(tmp_path / "a", (HOSTILE, "<!--", "{{about}}")), odd)
    (tmp_path / f"{odd.stem}.html").touch()
    problems = tmp_path / "problems.json"
    problems.write_text(json.dumps([{"name": HOSTILE, "problem": HOSTILE + "\u2028<!--<script>"}]))
    report(odd, tmp_path / "page.html", galleries=tmp_path, problems=problems)
    tab = shown(tmp_path / "page.html")
    assert tab.locator("img").count() == 1  # the strip
    assert first(tab) == [odd.stem]
    assert tab.locator("#problems strong").inner_text() == HOSTILE
    assert tab.locator("tbody li").first.text_content() == HOSTILE
    links = tab.locator("tbody a").evaluate_all("(all) => all.map((a) => a.href)")
    assert [*map(plain, links)] == [str(tmp_path / f"{odd.stem}.html"), str(odd)]


def plain(address: str) -> str:
    """The path that an address leads to."""
    parts = urlsplit(address)
    assert (parts.query, parts.fragment) == ("", "")
    return unquote(parts.path)


def test_a_name_that_is_not_utf8(tmp_path: Path, shown: Callable) -> None:
    odd = tmp_path / os.fsdecode(b"a\xff\xc3\xa9 \xf0\x9f\x92\xa1.zarr")
    try:
        shutil.copytree(cut(tmp_path / "a"), odd)
    except OSError:
        pytest.skip("the file system takes no such name")
    (tmp_path / f"{odd.stem}.html").touch()
    other = tmp_path / os.fsdecode(b"b\xfe.zarr")
    multiqc = tmp_path / "a_mqc.json"
    report([odd, other], tmp_path / "page.html", galleries=tmp_path, multiqc=multiqc)
    tab = shown(tmp_path / "page.html")
    assert first(tab) == ["b\\udcfe", "a\\udcff\u00e9 \U0001f4a1"]
    links = tab.locator("tbody a").evaluate_all("(all) => all.map((a) => a.href)")
    found = [os.fsdecode(unquote_to_bytes(urlsplit(link).path)) for link in links]
    assert found == [str(other), str(tmp_path / f"{odd.stem}.html"), str(odd)]
    assert [*json.loads(multiqc.read_text())["data"]] == ["a\\udcff\u00e9 \U0001f4a1"]
    multiqc.read_text().encode()


@pytest.mark.parametrize("size", [math.inf, math.nan, 0, -1, 1e308, 5e-324])
def test_a_pixel_size_that_is_none(tmp_path: Path, shown: Callable, size: float) -> None:
    store = cut(tmp_path / "a", layout="chunks", masks=False)
    attributes = json.loads((store / ".zattrs").read_text())
    attributes["cellcutter"]["pixel_size"]["x"] = size
    (store / ".zattrs").write_text(json.dumps(attributes))
    report(store, tmp_path / "page.html")
    (sample,) = about(tmp_path / "page.html")["samples"]
    assert sample["pixelSize"] is None
    assert sample["strip"]
    tab = shown(tmp_path / "page.html")
    assert first(tab) == ["a"]
    assert tab.get_by_text("11 px", exact=True).is_visible()
    for ending in ("html", "png"):
        cellcutter.gallery(store, tmp_path / f"b.{ending}", number=2)


def test_a_store_that_says_what_cannot_be_written(stores: list[Path], tmp_path: Path) -> None:
    """It is told of, and the others are shown."""
    odd = tmp_path / "odd.zarr"
    shutil.copytree(stores[1], odd)
    attributes = json.loads((odd / ".zattrs").read_text())
    attributes["cellcutter"]["channels"][0]["name"] = "D\ud800"
    (odd / ".zattrs").write_text(json.dumps(attributes))
    report([odd, stores[0]], tmp_path / "page.html")
    first, second = about(tmp_path / "page.html")["samples"]
    assert first["name"] == "odd"
    assert first["problems"] == [] or str(odd) in first["problems"][0]
    assert second["problems"] == []
    assert second["strip"]


def test_numbers_are_fit_for_json() -> None:
    given = {"a": [math.nan, (1, -math.inf)], "b": {"c": math.inf}, "d": [1.5, True, None, "x"]}
    found = json.loads(json_in_page(given))
    assert found == {"a": [None, [1, None]], "b": {"c": None}, "d": [1.5, True, None, "x"]}


def test_two_hundred_samples(stores: list[Path], tmp_path: Path, shown: Callable) -> None:
    report(stores[:2], tmp_path / "two.json")
    told = json.loads((tmp_path / "two.json").read_text())
    whole, other = told["samples"]
    many = [
        {**whole, "name": f"sample {i}", "off": [], "cut": whole["asked"], "larger": 0}
        for i in range(199)
    ]
    page = tmp_path / "index.html"
    page.write_text(room.page({**told, "samples": [*many, other]}), encoding="utf-8")
    tab = shown(page)
    assert first(tab)[:3] == ["b", "sample 0", "sample 1"]
    assert len(first(tab)) == 200
    assert "200 samples" in tab.locator("#sums").inner_text()
    tab.get_by_label("only those").check()
    assert first(tab) == ["b"]


def test_files_that_are_there(stores: list[Path], tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "index.html"
    page.write_text("mine")
    words = ["report", str(stores[1]), "--output", str(page)]
    assert cli.main([*words, "-f"]) == 2
    assert cli.main(words) == 2
    assert page.read_text() == "mine"
    page.unlink()
    assert cli.main(words) == 0
    before = page.read_bytes()
    assert cli.main(words) == 2
    assert cli.main([*words, "-f"]) == 0
    assert page.read_bytes() == before
    capsys.readouterr()
    for more, text in {
        ("--multiqc", f"{tmp_path}/a.json"): "_mqc.json expected",
        ("--problems", f"{tmp_path}/none.csv"): "a CSV or JSON file of name and problem expected",
        ("--galleries", f"{tmp_path}/none"): "none: nothing found, a folder expected",
        ("--galleries", str(page)): "index.html: no folder found, a folder expected",
        (f"{stores[1]}/../b.zarr", "--force"): "b.zarr: found twice, once expected",
        ("--problems", str(page)): "a CSV or JSON file of name and problem expected",
    }.items():
        assert cli.main([*words, "-f", *more]) == 2
        said = capsys.readouterr().err
        assert text in said
        assert said.count("\n") == 1
    assert cli.main(["report", str(stores[1]), "-o", f"{tmp_path}/page.txt"]) == 2


def test_large_cells_are_made_smaller(tmp_path: Path) -> None:
    store = cut(tmp_path / "a", window_size=25)
    whole = np.asarray(imagecodecs.png_decode(strip(store, number=3)))
    small = np.asarray(imagecodecs.png_decode(strip(store, number=3, size=10)))
    assert whole.shape == (25, 3 * 27 - 2, 4)
    assert small.shape == (8, 3 * 10 - 2, 4)
    square = whole[3:6, 27 + 3 : 27 + 6, :3].astype(float).mean((0, 1))
    np.testing.assert_allclose(small[1, 10 + 1, :3], square, atol=0.5)


def test_the_script_loads_nothing() -> None:
    for asset in Path(room.__file__).with_name("assets").glob("report.*"):
        text = asset.read_text()
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|innerHTML|eval\(", text)


def test_no_input_is_an_output(stores: list[Path], tmp_path: Path) -> None:
    """The file of problems is one, too, whatever its name."""
    given = tmp_path / "a_mqc.json"
    given.write_text('[{"name": "a", "problem": "late"}]')
    with pytest.raises(cellcutter.DestinationError, match="is the input"):
        report(stores, tmp_path / "index.html", problems=given, multiqc=given, force=True)
    assert given.read_text() == '[{"name": "a", "problem": "late"}]'
    assert not (tmp_path / "index.html").exists()
