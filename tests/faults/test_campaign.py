"""A sample of the campaign of faults; the whole of it is a command, see `campaign.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def said(module: str, *words: str) -> str:
    """Return what a campaign says, in a process of its own, which forks."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.faults.{module}", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(480)
def test_sample():
    counts = said("campaign", "--every=131", "--taken=1000", "--stops=0")
    assert "pairs of runs to one name" in counts


@pytest.mark.timeout(480)
def test_sample_of_stops():
    none = [f"--{name}=0" for name in ("every", "taken", "kills", "pairs", "resumed", "full")]
    assert "SIGTERM between two steps of threads" in said("campaign", "--stops=80", *none)


@pytest.mark.timeout(480)
def test_sample_of_damaged_inputs():
    """The whole of it: `python -m tests.faults.damage`, see there."""
    assert "OME-XML mutated" in said("damage", "--every=500", "--changes=2", "--texts=6")
