"""What is asked of the system before it is read."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

import cellcutter
from cellcutter.store.reading import mapped
from tests.store.reading import stores

PAGE = mmap.PAGESIZE
WILL_NEED = getattr(mmap, "MADV_WILLNEED", None)


class File:
    """Stands for a mapped file; notes what it is asked for."""

    def __init__(self, clock: list[float], slow: int) -> None:
        self.clock, self.slow = clock, slow
        self.touched: list[int] = []
        self.asked: list[range] = []

    def __len__(self) -> int:
        return 100 * PAGE

    def __getitem__(self, place: int) -> int:
        self.touched.append(place)
        self.clock[0] += 1e-3 if place == self.slow else 1e-7
        return 0

    def madvise(self, _what: int, start: int, length: int) -> None:
        self.asked.append(range(start, start + length))


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(mapped, "perf_counter", lambda: now[0])
    return now


@pytest.mark.skipif(WILL_NEED is None, reason="the system cannot be asked")
def test_what_is_in_memory_is_not_asked_for(clock):
    file = File(clock, slow=-1)
    starts = [10 * n for n in range(100)]
    mapped.Ahead().look(file, starts, [start + 10 for start in starts])
    assert not file.asked
    assert file.touched == starts[:: mapped._EACH]


@pytest.mark.skipif(WILL_NEED is None, reason="the system cannot be asked")
def test_all_is_asked_for_where_one_touch_was_slow(clock):
    ahead, file = mapped.Ahead(), File(clock, slow=50 * PAGE)
    starts, stops = [7, 50 * PAGE, 9 * PAGE + 5, 60], [70, 51 * PAGE, 9 * PAGE + 6, 60]
    ahead.look(file, [*starts, 50 * PAGE] * 8, [*stops, 51 * PAGE] * 8)
    assert file.asked[:3] == [range(70), range(50 * PAGE, 51 * PAGE), range(9 * PAGE, 9 * PAGE + 6)]
    assert len(file.asked) == 4 * 8  # none of nothing
    touched, asked = len(file.touched), len(file.asked)
    for _ in range(mapped._STAYS_COLD):
        ahead.look(file, [0], [1])
    assert (len(file.touched), len(file.asked)) == (touched, asked + mapped._STAYS_COLD)
    ahead.look(file, [0], [1])
    assert (len(file.touched), len(file.asked)) == (touched + 1, asked + mapped._STAYS_COLD)


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("slow", [-1.0, 1e9, None], ids=["cold", "warm", "cannot be asked"])
def test_same_pixels(tmp_path, monkeypatch, slow, zipped):
    if slow is None:
        monkeypatch.setattr(mapped, "_WILL_NEED", None)
    else:
        monkeypatch.setattr(mapped, "_SLOW", slow)
    images = stores.pixels()
    path = stores.cells_store(tmp_path / "a.zarr", images, per_shard=2)
    path = stores.zipped(path) if zipped else path
    rows = np.random.default_rng(3).integers(0, len(images), 100)
    np.testing.assert_array_equal(cellcutter.open(path)[rows], images[rows])
