"""What the tests of the documentation share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import inputs


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that pages take for granted."""
    folder = tmp_path_factory.mktemp("made")
    inputs.make_all(folder)
    return folder
