"""Stores in an object store; what needs a server runs in an environment of its own."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cellcutter
from cellcutter.errors import SettingsError
from cellcutter.store.reading.objects import LARGEST_REQUEST, NEAR, together
from tests import environments


@pytest.mark.timeout(900)
def test_with_a_real_server():
    python = environments.with_object_store()
    inside = Path(__file__).with_name("objects_inside.py")
    words = ["-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", str(inside)]
    done = subprocess.run([python, *words], cwd=environments.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_options_are_for_addresses():
    with pytest.raises(SettingsError, match=r"storage_options: given for 'some.zarr'"):
        cellcutter.open("some.zarr", storage_options={"anon": True})


pieces = st.lists(st.tuples(st.integers(0, 1 << 24), st.integers(0, 1 << 18)), max_size=30)


@given(pieces)
def test_pieces_lie_in_the_ranges_that_are_fetched(given_pieces):
    starts = [start for start, _ in given_pieces]
    stops = [start + size for start, size in given_pieces]
    ranges = together(starts, stops)
    wanted = [(a, b) for a, b in zip(starts, stops, strict=True) if a < b]
    for a, b in wanted:
        assert sum(first <= a and b <= last for first, last in ranges) == 1
    for (_, last), (first, _) in itertools.pairwise(ranges):
        assert last <= first
    assert {a for a, _ in ranges} <= {a for a, _ in wanted}
    assert {b for _, b in ranges} <= {b for _, b in wanted}
    fetched = sum(b - a for a, b in ranges)
    assert fetched <= sum(b - a for a, b in wanted) + NEAR * len(wanted)


def test_ranges_are_few_and_not_too_large():
    size = 30 << 10
    starts = [*range(0, 600 * size, size)]
    ranges = together(starts, [start + size for start in starts])
    assert len(ranges) == -(-600 * size // (LARGEST_REQUEST // size * size))
    assert together([0, 10 << 20], [5, (10 << 20) + 5]) == [(0, 5), (10 << 20, (10 << 20) + 5)]
    assert together([7, 7, 3], [7, 9, 3]) == [(7, 9)]
