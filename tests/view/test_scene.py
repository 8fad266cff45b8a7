"""Numbers as captions, legends and pages show them: no digit before the point is lost."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cellcutter.view import page
from cellcutter.view.scene import number, shown


@pytest.mark.parametrize(
    ("value", "caption", "legend", "stored"),
    [
        (0.123456789, "0.1235", "0.123", 0.123457),
        (999.7, "999.7", "1,000", 999.7),
        (999.97, "1000", "1,000", 999.97),
        (12361.67, "12362", "12,362", 12361.7),
        (-12361.67, "-12362", "-12,362", -12361.7),
        (1234567.8, "1234568", "1,234,568", 1234568),
        (2.0, "2", "2", 2),
        (math.nan, "-", None, None),
        (math.inf, None, None, None),
    ],
)
def test_digits_before_the_point_are_never_lost(value, caption, legend, stored):
    if caption is not None:
        assert shown(pd.Series([value]), np.array([0])) == [caption]
    if legend is not None:
        assert number(value) == legend
    assert page._number(value) == stored


@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint64"])
def test_whole_numbers_that_scripts_do_not_hold_are_texts_in_their_order(dtype):
    values = pd.Series([10**17 + 1, 7, 10**17], dtype=dtype)
    texts = ["7", "100000000000000000", "100000000000000001"]
    assert page._column("x", values) == {"name": "x", "texts": texts, "codes": [2, 0, 1]}
    gaps = pd.Series([-(10**17) - 1, None, 3], dtype="Int64")
    found = page._column("x", gaps)
    assert (found["texts"], found["codes"]) == (["-100000000000000001", "3"], [0, -1, 1])
    assert page._column("x", pd.Series([3, None, 4], dtype="Int64"))["numbers"] == [3, None, 4]
