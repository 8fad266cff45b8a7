"""Masks laid over pixels as they are read, against `numpy.where`."""

from __future__ import annotations

import numpy as np
import pytest

from cellcutter.store.thumbnails import Thumbnails
from tests import slides


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_outside_of_masks_is_zero(dtype):
    rng = np.random.default_rng(0)
    pixels = slides.pixels(rng, (3, 5, 4, 4), dtype)
    if dtype[0] == "f":
        pixels[0, 0] = np.nan
    before = pixels.copy()
    masks = rng.random((5, 4, 4)) < 0.5
    expected = slides.bits(np.where(masks, pixels, pixels.dtype.type(0))).reshape(-1)
    thumbnails = Thumbnails(pixels, masks)
    assert thumbnails.size == 240
    for start, stop in [(0, 240), (0, 1), (70, 90), (79, 161), (239, 240), (9, 9)]:
        memory = np.full(250, 7, expected.dtype)
        np.testing.assert_array_equal(
            thumbnails.read(start, stop, memory), expected[start:stop], f"{start} to {stop}"
        )
        assert (memory[stop - start :] == 7).all()
    np.testing.assert_array_equal(slides.bits(pixels), slides.bits(before))
