"""Axes of any order as (C, Y, X), or an error that says what was found."""

from __future__ import annotations

import pytest

from cellcutter.errors import ImageError
from cellcutter.read.image import interpret_axes


@pytest.mark.parametrize(
    ("names", "lengths", "shape"),
    [
        ("YX", (5, 6), (1, 5, 6)),
        ("TZCYX", (1, 1, 3, 5, 6), (3, 5, 6)),
        ("CYXS", (2, 5, 6, 3), (6, 5, 6)),
        ("ZYX", (4, 5, 6), (4, 5, 6)),
        ("QYX", (4, 5, 6), (4, 5, 6)),
        ("IYX", (4, 5, 6), (4, 5, 6)),
        ("XYC", (6, 5, 3), (3, 5, 6)),
    ],
)
def test_axes(tmp_path, names, lengths, shape):
    assert interpret_axes(tmp_path, names, lengths).shape == shape


@pytest.mark.parametrize(
    ("names", "lengths"), [("ZCYX", (2, 3, 5, 6)), ("CX", (3, 6)), ("YX", (0, 5))]
)
def test_axes_that_make_no_image(tmp_path, names, lengths):
    with pytest.raises(ImageError, match=r"found, .* expected"):
        interpret_axes(tmp_path, names, lengths)
