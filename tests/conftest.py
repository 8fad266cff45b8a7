"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import slides

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# Tests of these files share a service that is started once, and take longest.
SERVICES = ("test_apptainer.py", "test_services.py")


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real data."""
    if not slides.REAL_DATA.is_dir():
        pytest.skip(f"no real data at {slides.REAL_DATA}; CELLCUTTER_TEST_DATA may name its folder")
    return slides.REAL_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that at the end of `pytest -n 2` no process waits for the other."""
    items.sort(
        key=lambda item: (item.path.name not in SERVICES, item.path.parent.name != "pipeline")
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """With `-n`, tests of a file run in one process, in this order: fixtures are made once."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "services" if file.endswith(SERVICES) else file

    config.option.loadscopereorder = False
    return Files(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI nothing may be skipped: what a test needs is to be installed there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
