"""What is black and what is brightest: over the slide, from where it is said."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import tifffile
import yaml

import cellcutter
from cellcutter.errors import SettingsError
from cellcutter.view.channels import COLOURS, brightness, channels_of, composite
from cellcutter.view.contrast import contrast_of
from tests import slides
from tests.store.reading import stores
from tests.view.conftest import cut


def of(cells, wanted=None, words=None):
    return contrast_of(cells, channels_of(cells, words, every=True), wanted)


def test_stored_percentiles(store, caplog):
    with cellcutter.open(store) as cells:
        found = of(cells)
        stored = cells.statistics[0]
        np.testing.assert_array_equal(found.limits[0], stored[["p1", "p99.9"]])
        assert found.said == ["p1 to p99.9"] * 4
        found = of(cells, ("p50", "p99"), ["CD8"])
        np.testing.assert_array_equal(found.limits[0], stored.loc[["CD8"], ["p50", "p99"]])
    assert not caplog.records


def test_one_large_number_everywhere(tmp_path):
    images = np.full((5, 3, 9, 9), 1e20)
    with cellcutter.open(stores.cells_store(tmp_path / "a.zarr", images)) as cells:
        low, high = of(cells).limits[0, 0]
    assert low == 1e20 < high


@pytest.mark.parametrize("layout", ["cells", "old"])
def test_percentiles_of_some_cells_where_none_are_stored(tmp_path, layout, caplog):
    images = stores.pixels(n=30)
    if layout == "old":
        path = stores.old_store(tmp_path / "a.zarr", images)
    else:
        path = stores.cells_store(tmp_path / "a.zarr", images)
    with caplog.at_level(logging.INFO), cellcutter.open(path) as cells:
        found = of(cells, ("p2", "p98"))
    expected = np.percentile(images, [2, 98], axis=(0, 2, 3)).T
    np.testing.assert_allclose(found.limits[0], expected)
    assert found.said[0] == "p2 to p98 of 30 cells"
    assert "not stored; taken of 30 cells" in caplog.text


@pytest.mark.parametrize("layout", ["cells", "chunks"])
@pytest.mark.parametrize("options", [{"masks": True}, {"mask_cells": True}, {}])
def test_percentiles_are_of_the_pixels_that_statistics_count(tmp_path, layout, options):
    """Of a cell's own pixels where masks are stored, and of none that are not finite."""
    slide = slides.simple(tmp_path, dtype="f4", shape=(2, 120, 150))
    image = np.nan_to_num(slide.image, nan=1, posinf=1, neginf=1)
    image[0, ::7, ::5] = np.inf
    tifffile.imwrite(slide.paths[0], image, photometric="minisblack")
    out = tmp_path / "a.zarr"
    cellcutter.cut_cells(*slide.paths, out, window_size=9, layout=layout, **options)
    pixels, masks = (
        slides.expected(np.broadcast_to(each, image.shape), slide.labels, slide.table, 9, mask=m)[0]
        for each, m in ((image, False), (np.ones((120, 150), "f4"), bool(options)))
    )
    with cellcutter.open(out) as cells:
        found = of(cells, ("p2", "p98"))
        inside = ~cells.obs["OutOfBounds"].to_numpy(bool)
    for channel, each, mask in zip(found.limits[0], pixels, masks, strict=True):
        counted = each[mask.astype(bool)] if options else each[inside]
        counted = counted[np.isfinite(counted)]
        np.testing.assert_allclose(channel, np.percentile(counted, [2, 98]), rtol=1e-6)


def test_a_channel_without_a_finite_pixel(tmp_path):
    slide = slides.simple(tmp_path, dtype="f4", shape=(2, 120, 150))
    image = np.ones_like(slide.image)
    image[1] = np.nan
    tifffile.imwrite(slide.paths[0], image, photometric="minisblack")
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", window_size=9)
    with cellcutter.open(tmp_path / "a.zarr") as cells:
        found = of(cells)
    assert found.said[1].endswith(": no finite pixel found")
    assert found.limits[0, 1].tolist() == [0, 1]


def test_of_a_large_store_some_files_are_read(tmp_path, monkeypatch):
    images = stores.pixels(n=3000, size=3)
    path = stores.old_store(tmp_path / "a.zarr", images, per_chunk=100)
    with cellcutter.open(path) as cells:
        read = []
        monkeypatch.setattr(
            type(cells), "read", lambda self, rows, *_: read.extend(rows) or images[rows]
        )
        of(cells)
    assert len(read) == 512
    assert len({row // 100 for row in read}) == 8


def test_given_limits(store):
    with cellcutter.open(store) as cells:
        assert of(cells, (3.0, 7.0)).limits[0].tolist() == [[3, 7]] * 4
        found = of(cells, {"cd8": (1.0, 2.0)})
        assert found.limits[0, 2].tolist() == [1, 2]
        assert found.said[2] == "as given"
        assert found.said[0] == "p1 to p99.9"


def test_given_limits_by_number(tmp_path):
    path = stores.old_store(tmp_path / "a.zarr", stores.pixels())
    with cellcutter.open(path) as cells:
        assert of(cells, {"2": (1.0, 2.0)}).limits[0, 1].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"setContrast": {"DNA": [10, 20], "CD8": [1, 5]}, "gating": {}}, [[10, 20], [1, 5]]),
        ({"DNA": [10, 20], "CD8": [1.5, 5]}, [[10, 20], [1.5, 5]]),
        (
            {
                "groups": [
                    {"label": "g", "channels": [{"label": "DNA", "min": 0.1, "max": 0.5}]},
                    {"channels": [{"label": "CD8", "min": 0, "max": 1, "color": "ff0000"}]},
                ]
            },
            [[6553.5, 32767.5], [0, 65535]],
        ),
    ],
)
def test_files_of_cylinter_and_minerva(store, tmp_path, content, expected):
    path = tmp_path / "contrast.yml"
    as_json = "groups" in content
    path.write_text(json.dumps(content) if as_json else yaml.safe_dump(content))
    with cellcutter.open(store) as cells:
        found = of(cells, str(path))
    np.testing.assert_allclose(found.limits[0, [0, 2]], expected)
    assert found.said == ["contrast.yml", "p1 to p99.9", "contrast.yml", "p1 to p99.9"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("setContrast: {DNA: [20, 10]}", r"DNA: \[20, 10\] found, 'marker: \[lower, upper\]'"),
        ("- 1", r"'\[1\]' found"),
        ("other: [1, 2]", "limits of other found, of one of DNA, CD3"),
        ("groups: [{channels: [{label: DNA, min: 3, max: 9}]}]", "from 0 to 1 expected"),
        ("a: [1", "a YAML file expected"),
    ],
)
def test_files_that_are_wrong(store, tmp_path, text, message):
    path = tmp_path / "contrast.yml"
    path.write_text(text)
    with cellcutter.open(store) as cells, pytest.raises(SettingsError, match=message) as caught:
        of(cells, str(path))
    assert str(path) in str(caught.value)


def test_each_slide_by_itself_and_absent_channels(tmp_path):
    first = cut(tmp_path / "a", ("DNA", "CD3"))
    second = cut(tmp_path / "b", ("CD3", "CD8"), seed=1)
    with cellcutter.open({"a": first, "b": second}, join="outer") as cells:
        found = of(cells).limits
        stored = [frame[["p1", "p99.9"]] for frame in cells.statistics]
    np.testing.assert_array_equal(found[0], [*stored[0].to_numpy(), [np.nan] * 2])
    np.testing.assert_array_equal(found[1], [[np.nan] * 2, *stored[1].to_numpy()])


def test_channels_that_are_the_same_everywhere(tmp_path):
    images = np.zeros((5, 2, 4, 4), "u2")
    with cellcutter.open(stores.old_store(tmp_path / "a.zarr", images)) as cells:
        assert of(cells).limits[0].tolist() == [[0, 1], [0, 1]]


def test_colours():
    pixels = np.array([0, 5, 10, 15, 20])[None, None, None, :].repeat(2, axis=1)
    limits = np.array([[[5, 15], [0, 10]]], float)
    bright = brightness(pixels, limits, 1)
    np.testing.assert_allclose(bright[0, :, 0], [[0, 0, 0.5, 1, 1], [0, 0.5, 1, 1, 1]])
    np.testing.assert_allclose(brightness(pixels, limits, 2)[0, 0, 0], [0, 0, 0.25, 1, 1])
    shown = composite(bright, [COLOURS["grey"], COLOURS["magenta"]])[0, 0]
    assert shown.tolist() == [[0] * 3, [128, 0, 128], [255, 128, 255], [255] * 3, [255] * 3]
    limits[0, 1] = np.nan  # a channel that is not there adds nothing
    assert composite(brightness(pixels, limits, 1), [(255, 255, 255)] * 2)[0, 0, 2, 0] == 128


def test_words_for_channels(store, tmp_path):
    with cellcutter.open(store) as cells:
        found = channels_of(cells, ["CD8:green", "DNA", "4:#0a0B0c"])
        assert [(c.name, c.colour) for c in found] == [
            ("CD8", COLOURS["green"]),
            ("DNA", COLOURS["green"]),
            ("CD45", (10, 11, 12)),
        ]
        assert [c.colour for c in channels_of(cells, None, apart=True)] == [(255, 255, 255)] * 4
        for words, message in (
            (["CD8:pink"], "colour 'pink' found, one of grey, green"),
            (["CD9"], "'CD9' not found"),
            (["CD8", "3"], "not found"),
            (["CD8", "CD8:red"], "CD8 found twice"),
        ):
            with pytest.raises(SettingsError, match=message):
                channels_of(cells, words)
    named = cut(tmp_path / "colon", ("HLA:green", "a"))
    with cellcutter.open(named) as cells:
        assert channels_of(cells, ["HLA:green"])[0].name == "HLA:green"
        assert channels_of(cells, ["HLA:green:cyan"])[0].colour == COLOURS["cyan"]
