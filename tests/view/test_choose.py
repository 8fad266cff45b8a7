"""Which cells a gallery shows, against the dullest way to choose them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cellcutter
from cellcutter.errors import SettingsError
from cellcutter.view.choose import choose, group_name, groups_of, sort
from tests.store.reading import stores
from tests.view.conftest import cut

VALUES = np.array([5.0, np.nan, 1.0, 9.0, 7.0, 1.0, 3.0])
ALL = np.arange(7)


def test_random_cells_are_those_of_the_seed():
    among = np.arange(1000) * 3
    first = choose(among, 50, "random", None, 1)
    np.testing.assert_array_equal(first, choose(among, 50, "random", None, 1))
    assert set(first) != set(choose(among, 50, "random", None, 2))
    assert len(set(first)) == 50
    assert set(first) <= set(among)
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(choose(among, 5000, "random", None, 1), among)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("top", [3, 4, 0]),
        ("bottom", [2, 5, 6]),
        ("spread", [2, 6, 3]),  # ranks 0, 2 (of 2.5, to even) and 5
    ],
)
def test_by_a_column(how, expected):
    assert choose(ALL, 3, how, VALUES, 0).tolist() == expected
    assert 1 not in choose(ALL, 99, how, VALUES, 0)
    assert choose(np.array([0, 2, 6]), 1, how, VALUES, 0).tolist() == [
        {"top": 0, "bottom": 2, "spread": 2}[how]
    ]


def test_groups_are_in_the_order_of_their_values():
    found = groups_of(pd.Series([10.0, 9.0, np.nan, 9.0], name="cluster"), "--group-by")
    assert [(name, rows.tolist()) for name, rows in found] == [("9", [1, 3]), ("10", [0])]
    ordered = pd.Series(pd.Categorical(["low", "high", "low"], ["low", "high"], ordered=True))
    assert [name for name, _ in groups_of(ordered, "--group-by")] == ["low", "high"]
    with pytest.raises(SettingsError, match=r"300 different values found in x, 1 to 200 expected"):
        groups_of(pd.Series(range(300), name="x"), "--group-by")
    assert group_name(2.5) == "2.5"


def test_sorted_cells_without_a_value_come_last():
    column = pd.Series([3.0, np.nan, 1.0, 2.0])
    assert sort(np.array([1, 0, 2, 3]), column).tolist() == [2, 3, 0, 1]


def drawn(store, tmp_path, **options) -> list[int]:
    made = cellcutter.gallery(store, tmp_path / "a.html", force=True, **options)
    return made.rows.tolist()


def test_of_a_store(store, tmp_path):
    with cellcutter.open(store) as cells:
        obs, ids = cells.obs.reset_index(), cells.ids
    assert drawn(store, tmp_path) == [*range(len(ids))]
    by_value = obs["CD45"].sort_values()
    assert drawn(store, tmp_path, top="CD45", number=4) == [*by_value.dropna().index[:-5:-1]]
    assert drawn(store, tmp_path, bottom="cd45", number=2) == [*by_value.index[:2]]
    assert drawn(store, tmp_path, ids=[int(ids[7]), int(ids[2])]) == [7, 2]
    kinds = obs["phenotype"]
    grouped = [*obs.index[kinds == "B cell"], *obs.index[kinds == "T cell"]]
    assert drawn(store, tmp_path, group_by="phenotype") == grouped
    few = drawn(store, tmp_path, group_by="phenotype", number=2, seed=3)
    assert kinds[few].tolist() == ["B cell", "B cell", "T cell", "T cell"]
    values = obs["CD45"][drawn(store, tmp_path, number=9, sort_by="CD45")].dropna()
    assert values.is_monotonic_increasing


def test_ids_of_several_slides(tmp_path):
    paths = {name: cut(tmp_path / name, seed=seed) for seed, name in enumerate(("a", "b"))}
    with cellcutter.open(paths) as cells:
        of_b, of_a = (int(cells.rows_of([3], name)[0]) for name in ("b", "a"))
        first = int(np.flatnonzero(cells.slide)[0])
    assert drawn(paths, tmp_path, ids="b:3,a:3") == [of_b, of_a]
    with pytest.raises(SettingsError, match=r"CellID 3: 2 cells found.*say which slide"):
        drawn(paths, tmp_path, ids=[3])
    assert drawn(paths, tmp_path, group_by="slide", number=1, bottom="area") == [0, first]


def test_a_store_without_ids_and_table(tmp_path):
    old = stores.old_store(tmp_path / "old.zarr", stores.pixels())
    assert len(drawn(old, tmp_path, number=5)) == 5
    with pytest.raises(SettingsError, match="no column 'x' found, a store with a table"):
        drawn(old, tmp_path, top="x")
