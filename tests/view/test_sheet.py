"""Pictures for papers: their pixels, outlines, scale bar, fonts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cellcutter
from cellcutter.view import sheet
from cellcutter.view.layout import lay_out, scale_bar
from cellcutter.view.outlines import outlines
from tests.view.conftest import SIZE, cut


def drawn(monkeypatch, store, out: Path, **options):
    """Draw a PNG; return its pixels, where cells are, and how many dots a pixel has."""
    laid = []
    monkeypatch.setattr(sheet, "lay_out", lambda *a, **k: laid.append(lay_out(*a, **k)) or laid[0])
    cellcutter.gallery(store, out, **options)
    image = np.asarray(Image.open(out).convert("RGB"))
    dots = round(laid[0].pixel * options.get("dpi", 200))
    assert image.shape[:2] == (laid[0].height * dots, laid[0].width * dots)
    return image, laid[0], dots


def tile(image, layout, dots, number, channel=0):
    left, upper = layout.places[number]
    left += channel * layout.step
    return image[upper * dots : (upper + SIZE) * dots, left * dots : (left + SIZE) * dots]


def expected(store, row, words, low, high):
    """By the dullest means: a pixel at a time would be slower only."""
    with cellcutter.open(store) as cells:
        pixels = cells.read([row], words)[0].astype(float)
    return np.clip((pixels - low) / (high - low), 0, 1)


@pytest.mark.parametrize("dpi", [72, 200])
def test_pixels_are_squares_of_whole_dots(monkeypatch, store, tmp_path, dpi):
    image, layout, dots = drawn(
        monkeypatch,
        store,
        tmp_path / "a.png",
        channels=["DNA", "CD8:magenta"],
        contrast=(100, 900),
        ids=[3, 9, 4],
        gamma=0.5,
        dpi=dpi,
    )
    with cellcutter.open(store) as cells:
        rows = cells.rows_of([3, 9, 4])
    for number, row in enumerate(rows):
        dna, cd8 = expected(store, row, ["DNA", "CD8"], 100, 900) ** 0.5 * 255
        rgb = np.stack([dna + cd8, dna, dna + cd8], axis=-1)
        rgb = (np.minimum(rgb, 255) + 0.5).astype(np.uint8)
        wanted = rgb.repeat(dots, axis=0).repeat(dots, axis=1)
        np.testing.assert_array_equal(tile(image, layout, dots, number), wanted)


def test_channels_apart_and_a_channel_that_a_slide_lacks(monkeypatch, tmp_path):
    first = cut(tmp_path / "a", ("DNA", "CD3"))
    second = cut(tmp_path / "b", ("DNA",), seed=1)
    with cellcutter.open(first) as cells:
        there = len(cells)
    image, layout, dots = drawn(
        monkeypatch,
        {"a": first, "b": second},
        tmp_path / "a.png",
        apart=True,
        contrast=(0, 1023),
        group_by="slide",
        number=1,
        bottom="area",
    )
    assert there
    wanted = expected(first, 0, ["DNA", "CD3"], 0, 1023)
    for channel in (0, 1):
        found = tile(image, layout, dots, 0, channel)[::dots, ::dots]
        grey = (wanted[channel] * 255 + 0.5).astype(np.uint8)
        np.testing.assert_array_equal(found, np.stack([grey] * 3, axis=-1))
    assert np.unique(tile(image, layout, dots, 1, 1)).tolist() == [214]


def test_the_scale_bar_is_as_long_as_it_says(monkeypatch, store, tmp_path):
    image, layout, dots = drawn(monkeypatch, store, tmp_path / "a.png", number=4)
    legend = image[layout.footer * dots :, layout.left * dots :]
    black = (legend == 0).all(axis=-1)
    bar = black[np.flatnonzero(black[:, 1])[0] + 1]  # its first row may be blended
    length = int(np.argmin(bar))
    assert length == pytest.approx(scale_bar(0.65, SIZE) / 0.65 * dots, abs=1.5)


@pytest.mark.parametrize(
    ("pixel", "width", "length"),
    [(0.65, 40, 10), (0.325, 40, 5), (1, 24, 10), (0.65, 11, 5), (1, 3, 2), (100, 40, 2000)],
)
def test_length_of_a_scale_bar(pixel, width, length):
    assert scale_bar(pixel, width) == pytest.approx(length)


def test_outlines_enclose_the_cell():
    mask = np.zeros((6, 7), bool)
    mask[2:4, 3:6] = True
    (line,) = outlines(mask)
    assert line[0].tolist() == line[-1].tolist()
    assert line.min(axis=0).tolist() == [3, 2]
    assert line.max(axis=0).tolist() == [6, 4]
    full = outlines(np.ones((4, 5), bool))[0]
    assert full.min(axis=0).tolist() == [0, 0]
    assert full.max(axis=0).tolist() == [5, 4]
    assert outlines(np.zeros((4, 5), bool)) == []
    mask[0, 0] = True
    assert len(outlines(mask)) == 2


def test_outlines_are_drawn_where_the_mask_ends(monkeypatch, store, tmp_path):
    options = {"ids": [3], "channels": ["DNA"], "contrast": (60000, 60001)}
    bare, layout, dots = drawn(monkeypatch, store, tmp_path / "a.png", **options)
    with_line, _, _ = drawn(monkeypatch, store, tmp_path / "b.png", outline=True, **options)
    with cellcutter.open(store) as cells:
        mask = cells.masks[int(cells.rows_of([3])[0])]
    found = tile(with_line, layout, dots, 0)[:, :, 0] > 100
    assert not tile(bare, layout, dots, 0).any()
    ys, xs = np.nonzero(found)
    inside = mask.repeat(dots, axis=0).repeat(dots, axis=1)
    rows, columns = np.nonzero(inside)
    assert abs(ys.min() - rows.min()) <= 2
    assert abs(xs.max() - columns.max()) <= 2
    assert found.sum() < 0.5 * inside.size


def test_fonts_of_a_pdf_are_embedded_and_the_same_cells_make_the_same_bytes(store, tmp_path):
    for name in ("a.pdf", "b.pdf", "a.png", "b.png"):
        cellcutter.gallery(store, tmp_path / name, group_by="phenotype", outline=True, top="CD45")
    content = (tmp_path / "a.pdf").read_bytes()
    assert re.search(rb"/FontFile2 ", content)
    assert b"/CIDFontType2" in content or b"/Subtype /TrueType" in content
    assert b"/Type3" not in content
    for ending in ("pdf", "png"):
        first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
        assert first == second


def test_hostile_names_are_drawn_as_they_are(tmp_path):
    names = ("$x^{$", "\N{CJK UNIFIED IDEOGRAPH-4E2D}\tb", "</script>", "%s\\frac")
    store = cut(tmp_path / "a", names)
    cellcutter.gallery(store, tmp_path / "a.png", apart=True, number=2)
    cellcutter.gallery(store, tmp_path / "a.pdf", number=2)


def test_layout_of_groups():
    layout = lay_out([("a", 3), ("b", 1)], (10, 20), across=2, dots=100)
    lefts, uppers = zip(*layout.places, strict=True)
    assert lefts[0] == lefts[2] == lefts[3]
    assert lefts[1] > lefts[0] + 20
    assert uppers[0] == uppers[1] < uppers[2] - 10 < uppers[3] - 20
    assert [name for name, _, _ in layout.names] == ["a", "b"]
    assert layout.width > max(lefts) + 20
    assert layout.footer >= max(uppers) + 10
    assert (layout.pixel * 100).is_integer()
    for n in (1, 7, 24, 64, 300):
        assert len(set(lay_out([(None, n)], (10, 10)).places)) == n
    assert len({y for _, y in lay_out([(None, 64)], (40, 40)).places}) == 8


@pytest.mark.parametrize("form", ["png", "pdf", "html"])
def test_any_unit_is_drawn(tmp_path, form):
    store = cut(tmp_path / "a", layout="chunks", masks=False)
    attributes = json.loads((store / ".zattrs").read_text())
    attributes["cellcutter"]["pixel_size"]["unit"] = "\ud800\n" + "m" * 2000
    (store / ".zattrs").write_text(json.dumps(attributes))
    cellcutter.gallery(store, tmp_path / f"a.{form}", number=2)
