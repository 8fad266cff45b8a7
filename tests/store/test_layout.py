"""How many cells make a chunk, and which chunks nobody could read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellcutter.errors import SettingsError
from cellcutter.store.layout import Layout, cells_per_chunk, check_layout


def test_cells_per_chunk():
    cell = 12 * 46 * 46 * 2
    assert cells_per_chunk(cell, 10**6, None, 32 * 2**20) == 660
    assert cells_per_chunk(2**40, 10, None, 32 * 2**20) == 1
    assert cells_per_chunk(cell, 10, 50, 1) == 10


def test_chunks_that_readers_of_blosc_cannot_count():
    """Where nothing becomes smaller, a frame needs more than its pixels."""
    large = Layout((1, 10**6, 64, 64), 262_143, np.dtype("u2"))
    with pytest.raises(
        SettingsError, match=r"chunks of 2147475456 bytes found .*, at most 21474\d+"
    ):
        check_layout(large)
    assert check_layout(replace(large, per_chunk=262_100)).chunk_nbytes > 2**31 - 2**20


@pytest.mark.parametrize(("size", "channels"), [(10**10, 2), (32_768, 1), (20, 10**7)])
def test_windows_that_no_chunk_can_hold(size, channels):
    layout = Layout((channels, 3, size, size), 1, np.dtype("u2"))
    message = (
        rf"^windows of {size} x {size} pixels in {channels} channels? found, each [\d,]+ bytes; "
    )
    with pytest.raises(SettingsError, match=message + r"at most 2,147,483,647 bytes expected"):
        check_layout(layout)
