"""What tests of the engine share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_least_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small slides have a memory so small that plans must do without."""
    monkeypatch.setattr("cellcutter.limits.LEAST_CACHE_SIZE", 0)
