"""The page, in a real browser: what it shows, what it does, and that it loads nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cellcutter
from cellcutter.view import page as room
from tests.view.conftest import SIZE, cut

SHOWN = "gallery.shown.map((i) => gallery.nodes[i].button.getAttribute('aria-label'))"
PIXELS = """(i) => {
  const c = gallery.nodes[i].canvas;
  return [c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]];
}"""


class Opened:
    """A page in a tab; any error, message or request of it is noted."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.context = browser.new_context(
            accept_downloads=True, color_scheme="light", viewport={"width": 1280, "height": 800}
        )
        self.tab = self.context.new_page()
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("console", self.note)
        self.tab.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.url = path.absolute().as_uri()
        self.tab.goto(self.url)
        self.wait()

    def note(self, message: Any) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def wait(self) -> None:
        self.tab.wait_for_selector("html[data-ready]", state="attached")
        assert self.tab.evaluate("window.ready") is True

    def go(self, path: Path) -> None:
        """Open another page in the same tab, with what the browser has kept."""
        self.requests.clear()
        self.url = path.absolute().as_uri()
        self.tab.goto(self.url)
        self.wait()

    def marks(self) -> dict[int, str]:
        rows = [line.split(",") for line in self.tab.evaluate("gallery.csv()").splitlines()[1:]]
        return {int(cell): "/".join(filter(None, words)) for cell, _, *words in rows}

    def labels(self) -> list[str]:
        return self.tab.evaluate(SHOWN)

    def ids(self) -> list[int]:
        return [int(re.search(r"Cell (\d+)", label)[1]) for label in self.labels()]

    def focused(self) -> str:
        return self.tab.evaluate("document.activeElement.getAttribute('aria-label')")

    def pixels(self, number: int) -> np.ndarray:
        self.tab.evaluate("(i) => gallery.draw(i)", number)
        width, values = self.tab.evaluate(PIXELS, number)
        return np.array(values, np.uint8).reshape(-1, width, 4)

    def key(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Any]:
    pages: list[Opened] = []

    def make(store: Any, **options: Any) -> Opened:
        cellcutter.gallery(store, tmp_path / "a.html", force=True, **options)
        pages.append(Opened(browser, tmp_path / "a.html"))
        return pages[-1]

    yield make
    for each in pages:
        each.context.close()
        assert each.wrong == []
        assert each.requests == [each.url]


def expected(pixels: np.ndarray, limits, colours, gamma: float = 1) -> np.ndarray:
    """A cell [channels, y, x] in its colours, as the page's bytes have it."""
    shown = np.zeros((*pixels.shape[1:], 3))
    for channel, (low, high), colour in zip(pixels, limits, colours, strict=True):
        bytes_ = np.floor(np.clip((channel - low) * (128 / (high - low)) + 32.5, 0, 255))
        bright = np.clip((bytes_ - 32) / 128, 0, 1) ** gamma
        shown += np.floor(bright[..., None] * np.array(colour) + 0.5)
    return np.minimum(shown, 255)


def test_pixels_are_those_of_numpy(opened, store):
    page = opened(store, contrast=(100, 900), gamma=0.5, channels=["DNA", "CD8:magenta"])
    with cellcutter.open(store) as cells:
        pixels = cells.read(slice(None), ["DNA", "CD8"]).astype(float)
        masks = cells.masks[:]
    grey, magenta = (255, 255, 255), (255, 0, 255)
    for number in (0, 7, 20):
        wanted = expected(pixels[number], [(100, 900)] * 2, [grey, magenta], 0.5)
        found = page.pixels(number)
        assert (found[..., 3] == 255).all()
        np.testing.assert_allclose(found[..., :3], wanted, atol=1)  # of powers
        assert abs(int(found[..., :3].sum()) - int(wanted.sum())) <= 0.001 * wanted.sum()
    page.key("1")  # without DNA
    page.tab.get_by_label("Colour of CD8").select_option(label="yellow")
    wanted = expected(pixels[7, 1:], [(100, 900)], [(255, 255, 0)], 0.5)
    np.testing.assert_allclose(page.pixels(7)[..., :3], wanted, atol=1)
    page.key("1", "c")  # beside one another
    apart = page.pixels(7)
    assert apart.shape == (SIZE, 2 * SIZE + 1, 4)
    wanted = expected(pixels[7, :1], [(100, 900)], [grey], 0.5)
    np.testing.assert_allclose(apart[:, :SIZE, :3], wanted, atol=1)
    page.key("c", "o", "1", "2")  # the outline alone
    drawn = page.pixels(7)[..., 0] == 255
    padded = np.pad(masks[7], 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    np.testing.assert_array_equal(drawn, masks[7] & ~inner)


def test_contrast_and_gamma(opened, store):
    page = opened(store, contrast=(0, 1024), channels=["CD3"])
    with cellcutter.open(store) as cells:
        pixels = cells.read([3], ["CD3"])[0].astype(float)
    page.tab.get_by_role("button", name="Contrast of CD3").click()
    page.tab.get_by_label("Upper of CD3").fill("96")  # half as bright
    np.testing.assert_array_equal(
        page.pixels(3)[..., :3],
        np.minimum(
            np.floor(np.clip((np.floor(pixels[0] / 8 + 32.5) - 32) / 64, 0, 1) * 255 + 0.5), 255
        )[..., None].repeat(3, axis=-1),
    )
    assert page.tab.get_by_label("Upper of CD3").get_attribute("aria-valuetext") == "512"
    histogram = page.tab.locator(".histogram")
    box = histogram.bounding_box()
    page.tab.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 30)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30)
    page.tab.mouse.up()
    high = int(page.tab.get_by_label("Upper of CD3").input_value())
    assert abs(high - 128) <= 2
    page.tab.get_by_label("Gamma of CD3").fill("2")
    page.tab.get_by_role("button", name="Reset").click()
    wanted = expected(pixels, [(0, 1024)], [(255, 255, 255)])
    np.testing.assert_array_equal(page.pixels(3)[..., :3], wanted)


def test_sort_filter_group_and_search(opened, store):
    page = opened(store)
    with cellcutter.open(store) as cells:
        obs = cells.obs
    assert page.ids() == obs.index.tolist()
    select = page.tab.get_by_label
    select("Sort by").select_option(label="CD45")
    assert page.ids() == obs["CD45"].sort_values(na_position="last").index.tolist()
    page.tab.get_by_role("button", name="Highest first").click()
    falling = obs["CD45"].sort_values(ascending=False, na_position="last").index.tolist()
    assert page.ids() == falling
    select("Filter by").select_option(label="CD45")
    page.tab.get_by_label("Lowest CD45").fill("10")
    page.tab.get_by_label("Highest CD45").fill("15.5")
    kept = obs["CD45"].between(10, 15.5)
    assert page.ids() == [cell for cell in falling if kept[cell]]
    assert page.tab.get_by_role("status").inner_text() == f"6 of {len(obs)} cells"
    hidden = int(obs.index[~kept][0])
    page.key("Escape")
    page.tab.get_by_role("searchbox", name="Find a cell").fill(str(hidden))
    page.key("Enter")
    assert "hidden by a filter" in page.tab.get_by_role("status").inner_text()
    page.tab.get_by_role("button", name="Remove").click()
    select("Group by").select_option(label="phenotype")
    headings = page.tab.get_by_role("heading", level=3).all_inner_texts()
    counts = obs["phenotype"].value_counts()
    assert [h.split() for h in headings] == [
        ["phenotype:", "B", "cell", str(counts["B cell"])],
        ["phenotype:", "T", "cell", str(counts["T cell"])],
        ["phenotype:", "\N{EN DASH}", "1"],
    ]
    kinds = obs["phenotype"].astype(object).fillna("-")[page.ids()].tolist()
    assert kinds == [*sorted(kinds[:-1]), "-"]
    select("Filter by").select_option(label="phenotype")
    page.tab.get_by_label("B cell").uncheck()
    assert set(obs["phenotype"].astype(object).fillna("-")[page.ids()]) == {"T cell", "-"}
    page.tab.get_by_role("searchbox", name="Find a cell").fill(str(page.ids()[3]))
    page.key("Enter")
    assert page.focused().startswith(f"Cell {page.ids()[3]}")


def test_the_order_of_the_command_is_the_first(opened, store):
    page = opened(store, top="CD45", number=5, group_by="phenotype")
    with cellcutter.open(store) as cells:
        obs = cells.obs
    top = [obs["CD45"][obs["phenotype"] == kind].nlargest(5).index for kind in ("B cell", "T cell")]
    assert page.ids() == [*top[0], *top[1]]
    assert page.labels()[0] == f"Cell {top[0][0]}, CD45 {obs['CD45'][top[0][0]]:g}"


def test_keys_marks_and_their_table(opened, store, tmp_path):
    page = opened(store)
    ids = page.ids()
    page.tab.locator(".cell").first.focus()
    page.key("a", "ArrowRight", "r", "ArrowRight", "ArrowRight", "a", "a")
    assert page.focused() == f"Cell {ids[3]}"  # marked, and not marked any more
    page.key("End", "a", "Home")
    assert page.focused() == f"Cell {ids[0]}, accepted"
    top = page.tab.locator(".cell").first.bounding_box()
    page.key("ArrowDown")
    below = page.tab.locator(":focus").bounding_box()
    assert below["y"] > top["y"]
    assert below["x"] == top["x"]
    page.key("ArrowUp", "ArrowRight", "l")
    page.tab.get_by_label("Label", exact=True).first.fill('odd, "big"')
    page.tab.locator(".cell").nth(1).focus()
    page.key("l")
    with page.tab.expect_download() as download:
        page.key("d")
    download.value.save_as(tmp_path / "marks.csv")
    assert download.value.suggested_filename == "marks.csv"
    found = pd.read_csv(tmp_path / "marks.csv")
    assert [*found.columns] == ["CellID", "slide", "mark", "label"]
    assert found["CellID"].tolist() == [ids[0], ids[1], ids[-1]]
    assert found["mark"].tolist() == ["accept", "reject", "accept"]
    assert found["label"].tolist()[1] == 'odd, "big"'
    drawn = cellcutter.gallery(
        store, tmp_path / "b.html", table=tmp_path / "marks.csv", group_by="mark"
    )
    with cellcutter.open(store) as cells:
        assert cells.ids[drawn.rows].tolist() == [ids[0], ids[-1], ids[1]]
    page.tab.reload()  # marks are kept
    page.wait()
    page.requests.pop()
    assert page.labels()[1].endswith('rejected, label odd, "big"')
    page.tab.get_by_label("Group by").select_option(label="mark")
    heads = page.tab.get_by_role("heading", level=3).all_inner_texts()
    assert [h.split()[1] for h in heads] == ["accept", "reject", "\N{EN DASH}"]
    page.tab.get_by_role("button", name="Clear").click()
    assert page.tab.get_by_text("0 accepted, 0 rejected").is_visible()


def test_marks_belong_to_the_cells_of_their_store(opened, tmp_path):
    first = cut(tmp_path / "core1")
    second = cut(tmp_path / "core2", seed=1)
    with cellcutter.open(first) as cells:
        one, two, three, *_ = cells.ids.tolist()
    few, other, both = (tmp_path / f"{name}.html" for name in ("few", "other", "both"))
    cellcutter.gallery(first, few, ids=[two, three])
    cellcutter.gallery(second, other, ids=[one, two, three])
    cellcutter.gallery([second, first], both)
    page = opened(first, ids=[one, two, three])
    page.tab.locator(".cell").first.focus()
    page.key("a", "ArrowRight", "r")
    assert page.marks() == {one: "accept", two: "reject"}
    page.go(other)
    assert page.marks() == {}
    page.tab.locator(".cell").nth(2).focus()
    page.key("r")
    page.go(few)
    assert page.marks() == {two: "reject"}
    page.tab.locator(".cell").first.focus()
    page.key("u", "ArrowRight", "a")
    page.go(tmp_path / "a.html")
    assert page.marks() == {one: "accept", three: "accept"}
    page.go(both)
    lines = page.tab.evaluate("gallery.csv()").splitlines()
    wanted = [(three, "core2/a,reject"), (one, "core1/a,accept"), (three, "core1/a,accept")]
    assert sorted(lines[1:]) == sorted(f"{cell},{words}," for cell, words in wanted)
    page.tab.get_by_role("button", name="Clear").click()
    page.go(other)
    assert page.marks() == {}


def test_what_marks_are_kept_by_tells_no_path(store, tmp_path):
    """The same store makes the same page wherever it lies; one without identity is its place."""
    keys = []
    for folder, whole in (("a", True), ("b", True), ("a", False), ("b", False)):
        copy = tmp_path / folder / f"{whole}" / "a.zarr"
        shutil.copytree(store, copy)
        if not whole:
            (copy / "manifest-sha256.txt").unlink()
        made = [copy.with_name(f"{number}.html") for number in range(2)]
        for each in made:
            cellcutter.gallery(copy, each, number=2)
        assert made[0].read_bytes() == made[1].read_bytes()
        text = made[0].read_text(encoding="utf-8")
        assert str(tmp_path) not in text
        (key,) = re.findall(r'"stores":\["([0-9a-f]{32})"\]', text)
        keys.append(key)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_table_of_marks_is_what_a_page_begins_with(opened, store, tmp_path):
    with cellcutter.open(store) as cells:
        one, two, three, *_ = cells.ids.tolist()
    marks = tmp_path / "marks.csv"
    marks.write_text(
        f"CellID,slide,mark,label\n{one},a,accept,\n{two},a,reject,NA\n{three},a,,07\n"
    )
    page = opened(store, table=marks)
    begun = {one: "accept", two: "reject/NA", three: "07"}
    assert page.marks() == begun
    assert page.tab.get_by_text("1 accepted, 1 rejected, 2 with a label").is_visible()
    for menu in ("sort", "group", "caption", "filter"):
        names = page.tab.locator(f"#{menu} option").all_inner_texts()
        assert (names.count("mark"), names.count("label")) == (1, 1)
    page.tab.locator(".cell").first.focus()
    page.key("u", "ArrowRight", "a")
    page.go(tmp_path / "a.html")
    assert page.marks() == {two: "accept/NA", three: "07"}  # what the reader has chosen
    page.tab.get_by_role("button", name="Clear").click()
    page.go(tmp_path / "a.html")
    assert page.marks() == {}
    grouped = opened(store, table=marks, group_by="mark", sort_by="label")
    heads = grouped.tab.get_by_role("heading", level=3).all_inner_texts()
    assert [head.split() for head in heads] == [["mark:", "accept", "1"], ["mark:", "reject", "1"]]
    assert grouped.labels()[1] == f"Cell {two}, label NA, rejected, label NA"


def test_other_columns_of_these_names_stay_columns(opened, store, tmp_path):
    with cellcutter.open(store) as cells:
        ids = cells.ids
    table = pd.DataFrame({"CellID": ids, "mark": ["yes", "no"] * (len(ids) // 2), "label": ids * 2})
    table.to_csv(tmp_path / "t.csv", index=False)
    page = opened(store, table=tmp_path / "t.csv", group_by="mark", top="label")
    assert page.marks() == {}
    names = page.tab.locator("#sort option").all_inner_texts()
    assert [name for name in names if name.startswith(("mark", "label"))] == [
        "mark",
        "label",
        "mark (page)",
        "label (page)",
    ]
    heads = page.tab.get_by_role("heading", level=3).all_inner_texts()
    assert [head.split()[1] for head in heads] == ["no", "yes"]


def test_a_filter_shows_what_is_marked_later(opened, store):
    page = opened(store)
    ids = page.ids()
    page.tab.get_by_label("Filter by").select_option(label="mark")
    page.tab.get_by_label("\N{EN DASH}", exact=True).uncheck()
    assert page.ids() == []
    page.tab.get_by_label("\N{EN DASH}", exact=True).check()
    page.tab.locator(".cell").first.focus()
    page.key("a", "ArrowRight", "r")
    assert page.ids() == ids
    page.tab.get_by_label("\N{EN DASH}", exact=True).uncheck()
    assert page.ids() == ids[:2]
    page.tab.get_by_label("reject", exact=True).uncheck()
    assert page.ids() == ids[:1]
    page.tab.get_by_label("Sort by").select_option(label="label")
    page.tab.locator(".cell").first.focus()
    page.key("r")
    page.tab.get_by_label("\N{EN DASH}", exact=True).check()
    assert page.ids() == ids[2:]
    page.tab.get_by_label("reject", exact=True).check()
    assert page.ids() == ids


def test_one_cell(opened, store):
    from playwright.sync_api import expect

    page = opened(store)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with cellcutter.open(store) as cells:
        obs, ids, masks = cells.obs, cells.ids, cells.masks[:]
    page.tab.locator(".cell").nth(4).focus()
    page.key("Enter")
    dialog = page.tab.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == f"CellID {ids[4]}"
    names = [i.get_attribute("aria-label") for i in dialog.get_by_role("img").all()]
    assert names == ["as shown", "DNA", "CD3", "CD8", "CD45", "mask"]
    drawn = page.tab.evaluate(
        """() => { const c = document.querySelector('#d-channels figure:last-child canvas');
        return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"""
    )
    shown = np.array(drawn).reshape(SIZE, SIZE, 4)[..., 0] == 255
    np.testing.assert_array_equal(shown, masks[4])
    rows = dict(row.locator("th, td").all_inner_texts() for row in dialog.locator("tr").all())
    assert rows["CellID"] == str(ids[4])
    assert float(rows["CD45"]) == pytest.approx(obs["CD45"].iloc[4])
    assert rows["phenotype"] == obs["phenotype"].iloc[4]
    dialog.get_by_role("button", name="Copy ID").click()
    dialog.get_by_text(f"Copied {ids[4]}").wait_for()
    assert page.tab.evaluate("navigator.clipboard.readText()") == str(ids[4])
    page.key("ArrowRight", "r")
    assert dialog.get_by_role("heading").inner_text() == f"CellID {ids[5]}"
    assert dialog.get_by_role("button", name="Reject").get_attribute("aria-pressed") == "true"
    page.key("Escape")
    expect(page.tab.locator(".cell").nth(5)).to_be_focused()  # a moment after the dialog is closed
    assert page.focused() == f"Cell {ids[5]}, rejected"


def test_theme_help_and_size(opened, store):
    page = opened(store)
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.tab.evaluate(back)
    page.key("t")
    assert page.tab.evaluate(back) != light
    page.key("?")
    assert page.tab.get_by_role("dialog", name="Keys").is_visible()
    page.key("Escape")
    canvas = page.tab.locator(".cell canvas").first
    bar = page.tab.locator("#bar")
    before, length = canvas.bounding_box()["width"], bar.bounding_box()["width"]
    page.key("+", "+")
    after = canvas.bounding_box()["width"]
    assert after == before + 16
    assert bar.bounding_box()["width"] / length == pytest.approx(after / before, rel=0.02)
    assert page.tab.locator("#bar-text").inner_text() == "5 \N{MICRO SIGN}m"
    assert length == pytest.approx(5 / 0.65 * before / SIZE, abs=0.1)


def test_digits_before_the_point_are_never_lost(opened, store, tmp_path):
    with cellcutter.open(store) as cells:
        ids = cells.ids
    far = [12361.67, 1234567.8, 0.123456, *([1.0] * (len(ids) - 3))]
    pd.DataFrame({"CellID": ids, "far": far}).to_csv(tmp_path / "t.csv", index=False)
    page = opened(
        store, table=tmp_path / "t.csv", sort_by="far", channels=["DNA"], contrast=(12361, 22361)
    )
    shown = {label.split("far ")[1] for label in page.labels()}
    assert shown == {"12362", "1234568", "0.1235", "1"}
    lower = page.tab.get_by_label("Lower of DNA")
    assert lower.get_attribute("aria-valuetext") == "12361"


HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_hostile_texts_are_only_texts(opened, tmp_path):
    store = cut(tmp_path / "a", (HOSTILE, "<!--", "b&amp;\u2028", "__proto__"))
    with cellcutter.open(store) as cells:
        ids = cells.ids
    table = pd.DataFrame(
        {"CellID": ids, HOSTILE: [HOSTILE] * (len(ids) - 1) + ["<!--<script>"], "x<b>": 1}
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    slides = {HOSTILE: store, "constructor": cut(tmp_path / "b", (HOSTILE,))}
    with pytest.raises(cellcutter.TableError):
        cellcutter.gallery(slides, tmp_path / "no.html", table=tmp_path / "t.csv")
    page = opened({HOSTILE: store}, table=tmp_path / "t.csv", group_by=HOSTILE, sort_by="x<b>")
    assert page.tab.locator("img").count() == 0
    assert page.tab.title() == HOSTILE
    assert page.tab.locator("h1").inner_text() == HOSTILE
    assert page.tab.locator(".channel .name").first.inner_text() == HOSTILE
    assert f"{HOSTILE}: {HOSTILE}" in page.tab.get_by_role("heading", level=3).nth(1).inner_text()
    page.tab.locator(".cell").first.click()
    assert page.tab.get_by_role("dialog").get_by_role("img").nth(1).is_visible()
    page.key("Escape")
    both = opened(slides, group_by="slide")
    assert both.tab.locator("img").count() == 0
    assert f"{HOSTILE}" in both.labels()[0]


def test_a_name_that_is_not_utf8(opened, store, tmp_path):
    """The marks of such slides are read back, too."""
    odd = [tmp_path / os.fsdecode(name) for name in (b"a\xff.zarr", b"a\xfe.zarr")]
    try:
        for each in odd:
            shutil.copytree(store, each)
    except OSError:
        pytest.skip("the file system takes no such name")
    page = opened(odd[0])
    assert page.tab.title() == page.tab.locator("h1").inner_text() == "a\\udcff"
    both = opened(odd, group_by="slide")
    heads = both.tab.get_by_role("heading", level=3).all_inner_texts()
    assert [head.split()[1] for head in heads] == ["a\\udcff", "a\\udcfe"]
    both.tab.locator(".cell").first.focus()
    both.key("a")
    with both.tab.expect_download() as download:
        both.key("d")
    download.value.save_as(tmp_path / "marks.csv")
    again = opened(odd, table=tmp_path / "marks.csv", group_by="mark")
    heads = again.tab.get_by_role("heading", level=3).all_inner_texts()
    assert [head.split() for head in heads] == [["mark:", "accept", "1"]]
    assert again.labels()[0].split(", ")[1] == "a\\udcff"
    cellcutter.gallery(odd, tmp_path / "a.png", group_by="slide", number=2)
    cell = int(both.ids()[0])
    cellcutter.gallery(odd, tmp_path / "b.png", ids=[f"{odd[0].stem}:{cell}"])


def test_slides_with_other_contrast_and_an_absent_channel(opened, tmp_path):
    first = cut(tmp_path / "a", ("DNA", "CD3"))
    second = cut(tmp_path / "b", ("DNA",), seed=1)
    page = opened({"a": first, "b": second})
    with cellcutter.open({"a": first, "b": second}, join="outer") as cells:
        pixels, slide = cells.read(slice(None)).astype(float), cells.slide
        limits = [frame[["p1", "p99.9"]].to_numpy() for frame in cells.statistics]
    colours = [(255, 255, 255), (0, 255, 0)]
    last = len(slide) - 1
    for number, part in ((0, slice(0, 2)), (last, slice(0, 1))):
        wanted = expected(pixels[number, part], limits[slide[number]][part], colours[part])
        np.testing.assert_allclose(page.pixels(number)[..., :3], wanted, atol=2)
    page.key("1")  # CD3 alone, which the second slide lacks
    assert set(np.unique(page.pixels(last)[..., :3])) == {90, 150}
    assert page.tab.get_by_text("absent in some").is_visible()
    assert page.labels()[-1].endswith(", b")


def test_bytes_leave_room_on_both_sides():
    limits = np.array([[[100.0, 228.0]]])
    pixels = np.array([0, 68, 100, 164, 228, 323, 9999], "u2")[None, None, None]
    assert room.quantised(pixels, limits).ravel().tolist() == [0, 0, 32, 96, 160, 255, 255]
    large = 1e8 + pixels.astype("u4")
    assert room.quantised(large.astype("u4"), limits + 1e8).ravel().tolist() == (
        room.quantised(pixels, limits).ravel().tolist()
    )
    far = np.array([1e38, 1e300, -1e300])[None, None, None]
    assert room.quantised(far, limits * 1e36).ravel().tolist() == [32, 255, 0]
    floats = np.array([np.nan, np.inf, -np.inf], "f4")[None, None, None]
    assert room.quantised(floats, limits).ravel().tolist() == [0, 255, 0]


def test_scripts_are_small_and_ours_alone():
    assets = Path(room.__file__).with_name("assets")
    assert (assets / "gallery.js").stat().st_size < 32_000
    for asset in assets.iterdir():
        assert not re.search(
            r"https?:|//[a-z]+\.|@import|url\(|innerHTML|eval\(", asset.read_text()
        )
