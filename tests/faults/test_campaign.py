"""A sample of the campaign of faults; the whole of it is a command, see `campaign.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(480)
def test_sample():
    """In a process of its own, which forks."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.campaign", "--every=131", "--taken=1000", "--stops=0"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pairs of runs to one name" in done.stdout


@pytest.mark.timeout(480)
def test_sample_of_stops():
    none = [f"--{name}=0" for name in ("every", "taken", "kills", "pairs", "resumed", "full")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.campaign", "--stops=80", *none],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIGTERM between two steps of threads" in done.stdout


@pytest.mark.timeout(480)
def test_sample_of_damaged_inputs():
    """The whole of it: `python -m tests.faults.damage`, see there."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.faults.damage",
            "--every=500",
            "--changes=2",
            "--texts=6",
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OME-XML mutated" in done.stdout
