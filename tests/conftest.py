"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import slides


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real data."""
    if not slides.REAL_DATA.is_dir():
        pytest.skip(f"no real data at {slides.REAL_DATA}; CELLCUTTER_TEST_DATA may name its folder")
    return slides.REAL_DATA
