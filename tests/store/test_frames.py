"""Cells as frames of their own: decoded by numcodecs, and the same by Blosc's own encoder."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest

from cellcutter.store.blosc import divide
from cellcutter.store.codec import CELL_CODECS
from cellcutter.store.frames import FrameEncoder

SHAPES = [(12, 1, 40, 40), (3, 1, 37, 37), (1, 1, 9, 9), (1, 1, 2, 2), (2, 1, 64, 64)]


def cells(shape, dtype, kind):
    rng = np.random.default_rng(0)
    values = {
        "fluorescence": lambda: rng.poisson(100, (5, *shape)),
        "noise": lambda: rng.integers(0, 256, (5, *shape)),
        "empty": lambda: np.zeros((5, *shape)),
    }[kind]()
    found = values.astype(dtype).reshape(5, -1)
    return found.view(f"u{found.itemsize}")


@pytest.mark.parametrize("kind", ["fluorescence", "noise", "empty"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("compression", ["default", "small"])
def test_decoded_by_numcodecs(compression, shape, dtype, kind):
    pixels = cells(shape, dtype, kind)
    codec = CELL_CODECS[compression]
    encoder = FrameEncoder(codec, divide(shape, pixels.itemsize, codec.block_nbytes))
    choice = encoder.choose(pixels)
    for cell in pixels:
        frame = bytes(encoder.encode(cell, choice))
        assert numcodecs.Blosc().decode(frame) == cell.tobytes()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_blosc_makes_the_same_frames(dtype, monkeypatch):
    shape = SHAPES[0]
    pixels = cells(shape, dtype, "fluorescence")
    codec = CELL_CODECS["default"]
    division = divide(shape, pixels.itemsize, codec.block_nbytes)
    encoder = FrameEncoder(codec, division)
    choice = encoder.choose(pixels)
    by_blosc = [bytes(encoder.encode(cell, choice)) for cell in pixels]
    assert encoder._by_blosc
    monkeypatch.setattr(encoder, "_by_blosc", False)
    assert [encoder.encode(cell, choice) for cell in pixels] == by_blosc
