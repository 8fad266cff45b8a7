"""Runs of pixels of one label, against the labels put together again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellcutter.cells.tally import runs


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_runs(height, width, seed):
    labels = np.random.default_rng(seed).integers(0, 3, (height, width))
    again = np.zeros_like(labels)
    for label, y, start, stop in zip(*runs(labels), strict=True):
        assert label != 0
        assert not again[y, start:stop].any()
        again[y, start:stop] = label
    np.testing.assert_array_equal(again, labels)
