"""Windows, regions and their order against the dullest oracles, with examples of hypothesis."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellcutter.engine import schedule
from cellcutter.engine.gather import Placement, put
from cellcutter.engine.regions import Grid, grid_for, needed_blocks, touches
from cellcutter.engine.windows import Windows, around, grid, overhangs, ranges
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


def test_blocks_larger_than_any_image():
    """A file may tell of any size; windows have 32 bits."""
    windows = Windows(np.array([0, 5], np.int32), np.array([3, 9], np.int32), 4)
    found = ranges(windows, (20, 30), (2**33, 16))
    assert (found.row_start.tolist(), found.row_stop.tolist()) == ([0, 0], [1, 1])
    assert found.count.tolist() == [1, 1]


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
