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
