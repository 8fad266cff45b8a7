"""A few cells as a small picture."""

from __future__ import annotations

import imagecodecs
import numpy as np

import cellcutter
from cellcutter.view.strip import strip
from tests.view.conftest import SIZE


def test_strip(store, tmp_path):
    found = imagecodecs.png_decode(strip(store, number=5, seed=2, channels="CD8"))
    assert found.shape == (SIZE, 5 * SIZE + 4 * 2, 4)
    drawn = cellcutter.gallery(store, tmp_path / "a.html", number=5, seed=2)
    with cellcutter.open(store) as cells:
        pixels = cells.read(drawn.rows, ["CD8"])[:, 0].astype(float)
        low, high = cells.statistics[0].loc["CD8", ["p1", "p99.9"]]
    wanted = (np.clip((pixels - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)
    for number, cell in enumerate(wanted):
        part = found[:, number * (SIZE + 2) : number * (SIZE + 2) + SIZE]
        np.testing.assert_array_equal(part, np.dstack([cell, cell, cell, np.full_like(cell, 255)]))
    assert (found[..., 3] == 0).sum() == 4 * 2 * SIZE
    assert imagecodecs.png_decode(strip(store, number=10_000)).shape[0] == SIZE
