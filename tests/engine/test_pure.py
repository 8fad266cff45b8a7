"""The pure rooms against the dullest oracles, with examples that hypothesis thinks up."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellcutter.cells.tally import runs
from cellcutter.engine import schedule
from cellcutter.engine.gather import Placement, put
from cellcutter.engine.job import Channel, Job
from cellcutter.engine.parting import Parting
from cellcutter.engine.plan import ENOUGH, make_plan
from cellcutter.engine.regions import Grid, grid_for, needed_blocks, touches
from cellcutter.engine.windows import Windows, around, grid, overhangs, ranges
from cellcutter.errors import ImageError, SettingsError
from cellcutter.read.image import interpret_axes
from cellcutter.store.blosc import divide, encoder_nbytes, masks_nbytes
from cellcutter.store.layout import Layout, cells_per_chunk, check_layout
from cellcutter.store.thumbnails import Thumbnails
from tests import slides

SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 60))


@st.composite
def windows_over(draw, shapes=SHAPES):
    """An image's shape and windows, some of which overhang it or lie outside."""
    shape = draw(shapes)
    size = draw(st.integers(1, 30))
    n = draw(st.integers(1, 20))
    position = st.integers(-40, 80)
    y, x = (np.array(draw(st.lists(position, min_size=n, max_size=n)), np.int64) for _ in "yx")
    return shape, Windows(y, x, size)


def pixels_of(windows: Windows, i: int, shape: tuple[int, int]) -> list[tuple[int, int]]:
    y, x, size = int(windows.y[i]), int(windows.x[i]), windows.size
    return [
        (r, c)
        for r in range(max(0, y), min(shape[0], y + size))
        for c in range(max(0, x), min(shape[1], x + size))
    ]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), st.integers(1, 99))
def test_window_starts_at_the_truncated_centroid_less_half(centroids, size):
    c = np.array(centroids)
    found = around(c, c[::-1], size)
    assert found.y.tolist() == [int(v) - size // 2 for v in centroids]
    assert found.x.tolist() == [int(v) - size // 2 for v in centroids[::-1]]


@given(SHAPES, st.integers(1, 30), st.integers(1, 30))
def test_grid_has_a_tile_for_every_start(shape, size, step):
    found = grid(shape, size, step)
    expected = [(y, x) for y in range(0, shape[0], step) for x in range(0, shape[1], step)]
    assert list(zip(found.y.tolist(), found.x.tolist(), strict=True)) == expected


@given(windows_over())
def test_overhangs(case):
    shape, windows = case
    expected = [len(pixels_of(windows, i, shape)) < windows.size**2 for i in range(len(windows))]
    assert overhangs(windows, shape).tolist() == expected


@given(windows_over(), st.tuples(st.integers(1, 25), st.integers(1, 25)))
def test_ranges_and_needed_blocks(case, block):
    shape, windows = case
    touched = [
        {(y // block[0], x // block[1]) for y, x in pixels_of(windows, i, shape)}
        for i in range(len(windows))
    ]
    assert ranges(windows, shape, block).count.tolist() == [len(t) for t in touched]
    found = {tuple(b) for b in np.argwhere(needed_blocks(windows, shape, block)).tolist()}
    assert found == set().union(*touched)


@given(
    windows_over(),
    st.tuples(st.integers(1, 25), st.integers(1, 25)),
    st.integers(1, 4),
    st.integers(1, 4),
    st.data(),
)
def test_touches(case, block, down, across, data):
    shape, windows = case
    n = len(windows)
    select = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    g = Grid(shape, block, down, across)
    found = touches(windows, g, select)
    height, width = g.region_shape
    expected: dict[int, set[int]] = {}
    for i in range(n):
        for y, x in pixels_of(windows, i, shape) if select[i] else ():
            expected.setdefault(y // height * g.columns + x // width, set()).add(i)
    assert {int(r): set(found.of(k).tolist()) for k, r in enumerate(found.regions)} == expected
    for k in range(len(found.regions)):
        shared = found.shared[found.of(k)]
        assert sorted(shared.tolist()) == shared.tolist()
    count = [sum(i in members for members in expected.values()) for i in range(n)]
    assert found.shared.tolist() == [c > 1 for c in count]
    assert found.unfilled.tolist() == [c != 1 for c in count]


@given(SHAPES, SHAPES, st.integers(1, 100), st.integers(1, 5000))
def test_regions_are_whole_blocks_and_cover_the_image(shape, block, height, area):
    g = grid_for(shape, block, height, area)
    cover = np.zeros(shape, int)
    for region in range(g.rows * g.columns):
        top, bottom, left, right = g.box(region)
        cover[top:bottom, left:right] += 1
        assert (top % block[0], left % block[1]) == (0, 0)
    assert (cover == 1).all()


@given(windows_over(), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_open_buffers_and_orders(case, block, capacity):
    """Walk the steps one by one and count what is open."""
    shape, windows = case
    n = len(windows)
    layer = touches(windows, Grid(shape, (block, block), 1, 2))
    when = schedule.times(layer, n)
    order = schedule.image_order(layer, when)
    assert sorted(order.tolist()) == list(range(n))
    for groups in (schedule.Groups(n, capacity), schedule.groups_of(order, capacity)):
        group, slot = groups.of(np.arange(n, dtype=np.int32))
        assert [groups.members(group[i])[slot[i]] for i in range(n)] == list(range(n))
        steps = [set(group[layer.of(k)].tolist()) for k in range(len(layer.regions))]
        assert schedule.steps_of_groups(layer, groups).tolist() == [
            sum(group in touched for touched in steps) for group in range(groups.number)
        ]
        most = 0
        for k in range(len(steps)):
            before = set().union(*steps[: k + 1])
            after = set().union(*steps[k:])
            most = max(most, len(before & after))
        assert schedule.open_at_once(when, groups) == max(1, most)


@given(st.permutations(range(17)), st.integers(1, 20))
def test_places_in_the_scratch_file(order, per_chunk):
    order = np.array(order)
    places = schedule.scratch_places(order, per_chunk)
    assert sorted(places.tolist()) == list(range(17))
    assert (places // per_chunk == np.arange(17) // per_chunk).all()
    for capacity in (1, 5, 17):
        resorted = schedule.by_place(order, capacity, places)
        for start in range(0, 17, capacity):
            group = resorted[start : start + capacity]
            assert sorted(group.tolist()) == sorted(order[start : start + capacity].tolist())
            assert (np.diff(places[group]) > 0).all()


@given(windows_over(), st.integers(1, 25), st.sampled_from(["u1", "u2", "u4", "u8"]))
@settings(deadline=None)
def test_windows_are_put_together_from_regions(case, block, dtype):
    """Every region of a grid, one after the other, against padding the whole image."""
    shape, windows = case
    rng = np.random.default_rng(0)
    image = slides.pixels(rng, shape, dtype)
    size, n, margin = windows.size, len(windows), windows.size - 1
    layer = touches(windows, Grid(shape, (block, block), 1, 1))
    target = np.zeros((1, n, size, size), dtype)
    for k, region in enumerate(layer.regions):
        top, bottom, left, right = layer.grid.box(int(region))
        members = layer.of(k)
        whole = len(members) - int(layer.shared[members].sum())
        placement = Placement(
            windows.y[members] - top + margin,
            windows.x[members] - left + margin,
            np.zeros(len(members), int),
            members.astype(int),
            whole,
        )
        put(
            np.pad(image[top:bottom, left:right], margin), size, placement, target, nullcontext(), 3
        )
    pad = 200
    padded = np.pad(image, pad)
    for i in range(n):
        y, x = int(windows.y[i]) + pad, int(windows.x[i]) + pad
        np.testing.assert_array_equal(target[0, i], padded[y : y + size, x : x + size])


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_outside_of_masks_is_zero(dtype):
    rng = np.random.default_rng(0)
    pixels = slides.pixels(rng, (3, 5, 4, 4), dtype)
    if dtype[0] == "f":
        pixels[0, 0] = np.nan
    before = pixels.copy()
    masks = rng.random((5, 4, 4)) < 0.5
    expected = slides.bits(np.where(masks, pixels, pixels.dtype.type(0))).reshape(-1)
    thumbnails = Thumbnails(pixels, masks)
    assert thumbnails.size == 240
    for start, stop in [(0, 240), (0, 1), (70, 90), (79, 161), (239, 240), (9, 9)]:
        memory = np.full(250, 7, expected.dtype)
        np.testing.assert_array_equal(
            thumbnails.read(start, stop, memory), expected[start:stop], f"{start} to {stop}"
        )
        assert (memory[stop - start :] == 7).all()
    np.testing.assert_array_equal(slides.bits(pixels), slides.bits(before))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_runs(height, width, seed):
    labels = np.random.default_rng(seed).integers(0, 3, (height, width))
    again = np.zeros_like(labels)
    for label, y, start, stop in zip(*runs(labels), strict=True):
        assert label != 0
        assert not again[y, start:stop].any()
        again[y, start:stop] = label
    np.testing.assert_array_equal(again, labels)


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


@pytest.mark.parametrize(
    ("names", "lengths", "shape"),
    [
        ("YX", (5, 6), (1, 5, 6)),
        ("TZCYX", (1, 1, 3, 5, 6), (3, 5, 6)),
        ("CYXS", (2, 5, 6, 3), (6, 5, 6)),
        ("ZYX", (4, 5, 6), (4, 5, 6)),
        ("QYX", (4, 5, 6), (4, 5, 6)),
        ("IYX", (4, 5, 6), (4, 5, 6)),
        ("XYC", (6, 5, 3), (3, 5, 6)),
    ],
)
def test_axes(tmp_path, names, lengths, shape):
    assert interpret_axes(tmp_path, names, lengths).shape == shape


@pytest.mark.parametrize(
    ("names", "lengths"), [("ZCYX", (2, 3, 5, 6)), ("CX", (3, 6)), ("YX", (0, 5))]
)
def test_axes_that_make_no_image(tmp_path, names, lengths):
    with pytest.raises(ImageError, match=r"found, .* expected"):
        interpret_axes(tmp_path, names, lengths)


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
