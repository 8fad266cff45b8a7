"""Datasets for torch: what needs it runs in an environment of its own; the rest here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cellcutter.errors import SettingsError
from cellcutter.learn.targets import divide
from tests import environments
from tests.store.reading import stores

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def with_torch() -> str:
    return environments.with_torch()


@pytest.mark.timeout(1800)
def test_with_real_torch(with_torch):
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/learn/inside.py"]
    done = subprocess.run([with_torch, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.skipif(bool(importlib.util.find_spec("torch")), reason="torch is installed")
def test_without_torch(tmp_path):
    from cellcutter.learn import CellDataset

    path = stores.cells_store(tmp_path / "a.zarr", stores.pixels())
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'cellcutter\[torch\]'"):
        CellDataset(path)


def test_learn_loads_neither_engine_nor_images():
    script = (
        "import sys, cellcutter.learn\n"
        "found = [m for m in sys.modules if m.startswith(('cellcutter.engine', 'cellcutter.read', "
        "'cellcutter.cells', 'tifffile', 'torch'))]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("seed", range(20))
def test_divided_by_groups(seed):
    rng = np.random.default_rng(seed)
    groups = np.sort(rng.integers(0, 12, 2000) ** 2)
    parts = divide(groups, [0.7, 0.2, 0.1], seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(2000))
    owners = [set(groups[part]) for part in parts]
    assert all(owners)
    assert not owners[0] & owners[1]
    assert not owners[2] & (owners[0] | owners[1])
    assert abs(len(parts[0]) / 2000 - 0.7) < 0.15
    again = divide(groups, [0.7, 0.2, 0.1], seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_some_are_left_out():
    one, two = divide(np.arange(100), [0.5, 0.2], 0)
    assert (len(one), len(two)) == (50, 20)
    one, two = divide(np.repeat(np.arange(20), 5), [0.5, 0.2], 0)
    assert (len(one), len(two)) == (50, 20)
    with pytest.raises(SettingsError, match="1 groups found"):
        divide(np.zeros(5, np.int64), [0.5, 0.5], 0)
