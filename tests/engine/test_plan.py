"""Plans: they fit the memory allowed, and choose what costs least."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcutter.engine import schedule
from cellcutter.engine.job import Channel, Job
from cellcutter.engine.parting import Parting
from cellcutter.engine.plan import ENOUGH, make_plan
from cellcutter.engine.windows import Windows
from cellcutter.errors import SettingsError
from cellcutter.store.blosc import divide, encoder_nbytes, masks_nbytes


def job(
    memory: float,
    *,
    n=3000,
    shuffled=False,
    masked=False,
    threads=2,
    block=(256, 256),
    channels=10,
    per_chunk=50,
) -> Job:
    rng = np.random.default_rng(0)
    y, x = np.sort(rng.integers(0, 3000, n)), rng.integers(0, 4000, n)
    if shuffled:
        y = rng.permutation(y)
    division = divide((channels, per_chunk, 37, 37), 2)
    image = SimpleNamespace(
        shape=(channels, 3000, 4000),
        dtype=np.dtype("u2"),
        block_shape=block,
        planes=tuple((i,) for i in range(channels)),
        block_nbytes=2 * block[0] * block[1] * 2,
    )
    return Job(
        Windows(y, x, 37),
        image,
        tuple(Channel(plane, 0) for plane in range(channels)),
        per_chunk,
        division.unit,
        encoder_nbytes(division),
        threads,
        int(memory * 2**20),
        mask_nbytes=masks_nbytes(divide((per_chunk, 37, 37), 1), 2) if masked else 0,
    )


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_plans_fit_the_memory_allowed(shuffled, masked):
    for memory in (4000, 400, 100, 40, 20):
        given = job(memory, shuffled=shuffled, masked=masked)
        plan = make_plan(given)
        assert plan.memory <= memory * 2**20
        least = schedule.open_at_once(schedule.times(plan.touches, 3000), plan.groups)
        assert plan.buffers >= least
        assert [i for part in plan.parts for i in part] == list(range(10))
        shapes = plan.groups.capacity, max(map(len, plan.parts)), 37, 37
        assert plan.buffers * np.prod(shapes) * 2 < plan.memory
    with pytest.raises(SettingsError, match=r"--cache-size: 1 MB found, at least \d+ MB expected"):
        make_plan(job(1, shuffled=shuffled, masked=masked))


def test_plan_needs_scratch_only_where_orders_disagree():
    assert make_plan(job(60)).places is None
    assert make_plan(job(60, shuffled=True)).places is None
    assert make_plan(job(20, shuffled=True)).places is not None
    assert make_plan(job(4000, shuffled=True)).places is None


def test_plan_has_more_walks_rather_than_much_memory_or_scratch():
    """3000 windows in 10 channels: 78 MB; in chunks of 500, whose channels are units."""
    assert len(make_plan(job(4000, shuffled=True, per_chunk=500)).parts) == 1
    plan = make_plan(job(60, shuffled=True, per_chunk=500))
    assert plan.places is None
    assert len(plan.parts) > 1
    large = {"n": 24_000, "per_chunk": 500, "shuffled": True}
    plan = make_plan(job(4000, **large))
    assert len(plan.parts) > 1
    assert plan.buffers * 500 * max(map(len, plan.parts)) * 37**2 * 2 <= ENOUGH
    # where even one channel is more than enough, but allowed
    plan = make_plan(job(4000, **{**large, "n": 200_000}))
    assert len(plan.parts) == 10
    assert plan.places is None
    assert plan.memory > ENOUGH


@pytest.mark.parametrize(
    ("planes", "unit_cells", "most"),
    [
        ((0, 1, 2, 3), 500, 4),
        ((0, 0, 0, 0), 500, 1),
        ((0, 0, 1, 1), 500, 2),
        ((1, 0, 1, 2), 500, 2),
        ((3, 1, 0, 2), 500, 4),
        ((0, 1, 2, 3), 50, 2),  # two channels are a unit
        ((0, 1, 1, 2), 50, 1),
        ((0, 1, 2, 3), 5, 1),
    ],
)
def test_channels_are_shared_out_by_planes_and_units(planes, unit_cells, most):
    unit = job(60, channels=4, per_chunk=unit_cells).unit
    parting = Parting(planes, unit)
    assert parting.numbers() == list(range(1, most + 1))
    for walks in parting.numbers():
        parts = parting.parts(walks)
        assert len(parts) == walks
        assert parting.largest(walks) == max(map(len, parts))
        assert [i for part in parts for i in part] == [0, 1, 2, 3]
        assert all(len(part) % unit == 0 for part in parts)
        of_parts = [{planes[i] for i in part} for part in parts]
        assert len(set().union(*of_parts)) == sum(map(len, of_parts))


@given(st.integers(1, 3000))
def test_numbers_of_walks_worth_trying(most):
    """The least number of walks for each size of the largest share."""
    numbers = Parting(range(most), 1).numbers()
    assert len(numbers) <= 2 * (most**0.5 + 1)
    shares = -(-most // np.arange(1, most + 1))
    first = np.flatnonzero(np.diff(shares, prepend=most + 1)) + 1
    assert set(first.tolist()) <= set(numbers) <= set(range(1, most + 1))


def test_plan_of_thousands_of_channels_is_made_in_little_memory():
    many = job(300, n=600, channels=10_000, per_chunk=200)
    tracemalloc.start()
    plan = make_plan(many)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(plan.parts) > 1
    assert peak < 8 * 2**20


def test_message_of_a_memory_that_nobody_asked_for():
    with pytest.raises(SettingsError, match=r"^--cache-size: 1 MB found, at least \d+ MB expected"):
        make_plan(job(1))
    message = (
        r"^windows of 37 pixels, 50 per chunk found, which need \d+ MB of memory; 1 MB are free"
    )
    with pytest.raises(SettingsError, match=message):
        make_plan(replace(job(1), asked=False))


def test_plan_uses_fewer_threads_rather_than_fail():
    assert make_plan(job(4000, threads=16)).threads == 16
    assert make_plan(job(10, threads=16)).threads < 16
