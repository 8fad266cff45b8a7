"""Statistics against numpy's own, over the pixels that the store holds."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import zarr

import cellcutter
from cellcutter.store import statistics
from tests import slides

PERCENTILES = statistics.PERCENTILES


def pixels_of(slide: slides.Slide, size: int, *, masked: bool) -> list[np.ndarray]:
    """The pixels of each channel that count: inside the image, and inside the cell if masked."""
    thumbnails, masks = slides.expected(slide.image, slide.labels, slide.table, size)
    ones = np.ones((1, *slide.image.shape[1:]), bool)
    inside = slides.oracle(ones, slides.cell_windows(slide.table, size), size)[0]
    return [channel[masks if masked else inside] for channel in thumbnails]


def told(path) -> dict:
    return zarr.open(path, mode="r").attrs["cellcutter"]["statistics"]


@pytest.mark.parametrize("layout", ["chunks", "cells"])
@pytest.mark.parametrize("keywords", [{}, {"masks": True}, {"mask_cells": True}])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_exact(tmp_path, layout, keywords, dtype):
    slide = slides.simple(tmp_path, dtype=dtype)
    cellcutter.cut_cells(
        *slide.paths, tmp_path / "out", layout=layout, window_size=11, cells_per_chunk=7, **keywords
    )
    found = told(tmp_path / "out")
    assert found["exact"] is True
    for channel, values in enumerate(pixels_of(slide, 11, masked=bool(keywords))):
        assert found["pixels"][channel] == values.size
        exact = values.astype(np.float64)
        assert found["mean"][channel] == pytest.approx(exact.mean(), rel=1e-12)
        assert found["std"][channel] == pytest.approx(exact.std(), rel=1e-12)
        for p in PERCENTILES:
            assert found["percentiles"][f"{p:g}"][channel] == pytest.approx(
                np.percentile(exact, p), rel=1e-12, abs=1e-9
            )


def test_the_same_on_every_machine(tmp_path):
    """What BLAS adds up depends on its threads and its processor; identities must not."""
    slide = slides.simple(tmp_path, dtype="f4", shape=(2, 300, 300), number=60)
    code = (
        "import sys, cellcutter\n"
        "cellcutter.cut_cells(*sys.argv[1:], window_size=61, statistics='exact')\n"
    )
    found = []
    for number, core in enumerate(("", "Haswell", "Nehalem")):
        told = {"OPENBLAS_NUM_THREADS": str(1 + number % 2)} | (
            {"OPENBLAS_CORETYPE": core} if core else {}
        )
        out = tmp_path / f"{number}.zarr"
        subprocess.run(
            [sys.executable, "-c", code, *slide.paths, out], env={**os.environ, **told}, check=True
        )
        found.append((out / ".zattrs").read_bytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("dtype", ["u4", "i4", "f4", "f8"])
def test_approximate(tmp_path, dtype):
    slide = slides.simple(tmp_path, dtype=dtype)
    cellcutter.cut_cells(*slide.paths, tmp_path / "out", window_size=11, cells_per_chunk=7)
    found = told(tmp_path / "out")
    assert (found["exact"], found["relative_error"]) == (False, 2**-7)
    for channel, values in enumerate(pixels_of(slide, 11, masked=False)):
        exact = values.astype(np.float64)
        assert found["mean"][channel] == pytest.approx(exact.mean(), rel=1e-6, abs=1e-9)
        assert found["std"][channel] == pytest.approx(exact.std(), rel=1e-6)
        for p in PERCENTILES:
            nearest = [np.percentile(exact, p, method=m) for m in ("lower", "higher")]
            low, high = (
                v * (1 + s * np.sign(v) * 2**-7) for v, s in zip(nearest, (-1, 1), strict=True)
            )
            assert low <= found["percentiles"][f"{p:g}"][channel] <= high


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_is_no_number(tmp_path, dtype):
    image = np.ones((2, 40, 40), dtype)
    image[0, :, 20:] = np.nan
    image[1] = np.inf
    labels, table = slides.cells(np.random.default_rng(0), (40, 40), 9)
    slide = slides.write(tmp_path, image, labels.astype("i4"), table)
    cellcutter.cut_cells(*slide.paths, tmp_path / "out", window_size=9)
    found = told(tmp_path / "out")
    assert found["mean"] == [1.0, None]
    assert found["std"] == [0.0, None]
    assert found["percentiles"]["50"][0] == pytest.approx(1, rel=2**-7)
    assert found["percentiles"]["50"][1] is None


def test_sampled_and_left_out(tmp_path, monkeypatch):
    slide = slides.simple(tmp_path)
    monkeypatch.setattr(statistics, "ENOUGH", 11 * 11 * 10)
    keywords = {"window_size": 11, "cells_per_chunk": 7}
    cellcutter.cut_cells(*slide.paths, tmp_path / "a", **keywords)
    cellcutter.cut_cells(*slide.paths, tmp_path / "b", statistics="exact", **keywords)
    cellcutter.cut_cells(*slide.paths, tmp_path / "c", statistics="none", **keywords)
    every = len(slide.table) // 10
    some = slide.table.iloc[::every]
    sample = slides.Slide(slide.image, slide.labels, some, *[slide.image_path] * 3)
    found = told(tmp_path / "a")
    assert (found["cells"], found["exact"]) == (len(some), False)
    means = [values.mean() for values in pixels_of(sample, 11, masked=False)]
    assert found["mean"] == pytest.approx(means, rel=1e-12)
    assert told(tmp_path / "b")["exact"] is True
    assert "statistics" not in zarr.open(tmp_path / "c", mode="r").attrs["cellcutter"]
