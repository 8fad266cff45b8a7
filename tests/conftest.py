"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import slides


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real data."""
    if not slides.REAL_DATA.is_dir():
        pytest.skip(f"no real data at {slides.REAL_DATA}; CELLCUTTER_TEST_DATA may name its folder")
    return slides.REAL_DATA


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI nothing may be skipped: what a test needs is to be installed there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
