"""With real torch: run by test_learn.py in an environment that has it."""

from __future__ import annotations

import functools
import operator
import os
import subprocess
import sys
import textwrap
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

import cellcutter
from cellcutter.errors import SettingsError
from cellcutter.learn import BalancedSampler, CellDataset, ShardSampler, collate
from tests.store.reading import stores

SPAWN = {"multiprocessing_context": "spawn"}
ignore_forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def paths(tmp_path):
    panels = [("DNA", "CD3", "CD8"), ("CD8", "DNA", "PD1")]
    return [
        stores.cells_store(
            tmp_path / f"s{i}.zarr",
            stores.pixels(20 + i, seed=i),
            stores.table(20 + i, seed=i),
            names=panel,
            masks=stores.pixels(20 + i, seed=i)[:, 0] > 60,
        )
        for i, panel in enumerate(panels)
    ]


def double(x):
    return x * 2


def test_a_sample(paths):
    cells = cellcutter.open(paths)
    data = CellDataset(cells, target="CELLTYPE", channels=["CD8", "DNA"])
    sample = data[25]
    assert set(sample) == {"x", "row", "slide", "id", "y"}
    assert sample["x"].dtype == torch.float32
    np.testing.assert_array_equal(sample["x"], cells.read([25], ["CD8", "DNA"])[0])
    assert (sample["slide"], sample["row"], sample["id"]) == (1, 25, cells.ids[25])
    assert data.classes == ["B cell", "T cell", "tumour"]
    assert data.classes[sample["y"]] == cells.obs["CELLTYPE"].iloc[25]
    assert data.channels == ["CD8", "DNA"]
    assert len(data) == 41


def test_of_a_list_of_cells(paths, tmp_path):
    cellcutter.make_cohort(paths, tmp_path / "cells.csv")
    frame = pd.read_csv(tmp_path / "cells.csv").assign(gate=lambda f: f["CD8"] > 0.5)
    frame.to_csv(tmp_path / "cells.csv", index=False)
    data = CellDataset(tmp_path / "cells.csv", target="gate", normalize=True)
    expected = CellDataset(paths, normalize=True)
    assert data.channels == expected.channels == ["DNA", "CD8"]
    assert data.classes == ["False", "True"]
    (batch,) = DataLoader(data, 41, num_workers=1, collate_fn=collate, **SPAWN)
    torch.testing.assert_close(batch["x"], collate(expected.__getitems__(range(41)))["x"])
    assert batch["y"].tolist() == (expected.cells.obs["CD8"] > 0.5).astype(int).tolist()
    for part in data.split([0.5, 0.5], by="slide"):
        assert len(set(data.cells.slide[part.rows])) == 1


def test_alone_and_in_a_batch(paths):
    cells = cellcutter.open(paths)
    data = CellDataset(
        cells, target="cluster", mask="apart", normalize=True, transform=double, rows=[30, 3, 8]
    )
    batch = collate(data.__getitems__([2, 0, 2]))
    assert batch["row"].tolist() == [8, 30, 8]
    assert batch["x"].shape == (3, 2, 9, 9)
    for i, place in enumerate([2, 0, 2]):
        for name, value in data[place].items():
            torch.testing.assert_close(batch[name][i], value, rtol=0, atol=0)
    np.testing.assert_array_equal(batch["mask"], cells.masks[[8, 30, 8]])


def test_normalized_by_the_statistics_of_each_slide(paths):
    cells = cellcutter.open(paths, join="outer")
    x = torch.stack([CellDataset(cells, normalize=True)[i]["x"] for i in range(41)])
    for slide, channels in ((0, [0, 1, 2]), (1, [0, 2, 3])):
        some = x[cells.slide == slide][:, channels]
        assert some.mean((0, 2, 3)).abs().max() < 1e-5
        assert (some.std((0, 2, 3)) - 1).abs().max() < 1e-3
    assert not x[cells.slide == 1][:, 1].any()
    given = CellDataset(cells, channels=["CD3"], normalize={"CD3": (10, 2)})[3]["x"]
    np.testing.assert_allclose(given, (cells.read([3], ["CD3"])[0].astype("f4") - 10) / 2)
    with pytest.raises(SettingsError, match="normalize: no"):
        CellDataset(cells, normalize={"CD3": (10, 2)})


def cells_of(path, row):
    with cellcutter.open(path) as cells:
        return cells[row]


def test_outside_of_the_cell_nan_is_zero_too(paths, tmp_path):
    with cellcutter.open(paths[0]) as cells:
        masks, shape = cells.masks[:], cells.shape
    pixels = np.full(shape, np.nan, "f4")
    pixels[np.broadcast_to(masks[:, None], shape)] = 3
    path = stores.cells_store(tmp_path / "nan.zarr", pixels, masks=masks)
    found = collate(CellDataset(path, mask="zero").__getitems__(range(len(masks))))["x"]
    np.testing.assert_array_equal(found, np.nan_to_num(pixels))


def test_masks(paths):
    cells = cellcutter.open(paths)
    inside = cells.masks[[7]]
    zero = CellDataset(cells, mask="zero", normalize=True)[7]["x"]
    assert not zero[:, ~torch.from_numpy(inside[0])].any()
    stored = CellDataset(paths[0], mask="zero", dtype="stored")[3]["x"]
    with cellcutter.open(paths[0]) as one:
        np.testing.assert_array_equal(stored, one[3] * one.masks[[3]])
    for mask in ("channel", "apart"):
        found = CellDataset(paths[0], mask=mask, dtype="stored")[3]["x"]
        np.testing.assert_array_equal(found[:3], cells_of(paths[0], 3))
    channel = CellDataset(cells, mask="channel")[7]["x"]
    assert channel.shape == (3, 9, 9)
    np.testing.assert_array_equal(channel[2], inside[0])
    np.testing.assert_array_equal(channel[:2], cells[7])


def test_stored_type(paths):
    assert CellDataset(paths[0], dtype="stored")[0]["x"].dtype == torch.uint16
    assert CellDataset(paths[0], dtype="float16")[0]["x"].dtype == torch.float16


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target": "none"}, "column 'none' not found, one of these expected: patient"),
        ({"mask": "all"}, "mask: 'all' found"),
        ({"dtype": "float"}, None),
        ({"dtype": "x"}, "dtype"),
        ({"dtype": "stored", "normalize": True}, "dtype"),
        ({"channels": ["CD4"]}, "CD4"),
    ],
)
def test_options_that_cannot_be(paths, options, match):
    if match is None:
        CellDataset(paths[0], **options)
        return
    with pytest.raises(SettingsError, match=match):
        CellDataset(paths[0], **options)


def test_store_without_masks_statistics_or_ids(tmp_path):
    path = stores.old_store(tmp_path / "a.zarr", stores.pixels())
    assert set(CellDataset(path)[0]) == {"x", "row", "slide"}
    with pytest.raises(SettingsError, match="no masks are stored"):
        CellDataset(path, mask="zero")
    with pytest.raises(SettingsError, match="no statistics 'mean' found"):
        CellDataset(path, normalize=True)


def test_unlabelled(tmp_path):
    obs = stores.table(30)
    obs.loc[obs.index[[2, 5]], "CD8"] = np.nan
    path = stores.cells_store(tmp_path / "a.zarr", stores.pixels(), obs)
    with pytest.raises(SettingsError, match="2 of 30 cells without 'CD8'"):
        CellDataset(path, target="CD8")
    data = CellDataset(path, target="CD8", unlabelled="drop")
    assert len(data) == 28
    assert data[2]["row"] == 3
    assert data[0]["y"].dtype == torch.float32


def test_split_without_leaks(paths):
    data = CellDataset(cellcutter.open(paths), target="CELLTYPE")
    parts = data.split([0.5, 0.5])
    assert [set(p.cells.slide[p.rows]) for p in parts] in ([{0}, {1}], [{1}, {0}])
    parts = data.split([0.6, 0.2], by="patient", seed=3)
    patients = [set(p.cells.obs["patient"].iloc[p.rows]) for p in parts]
    assert not patients[0] & patients[1]
    one, two = data.split([0.75, 0.25], by=None, seed=1)
    assert sorted([*one.rows, *two.rows]) == list(range(41))
    assert len(one) == 31
    again, _ = data.split([0.75, 0.25], by=None, seed=1)
    np.testing.assert_array_equal(one.rows, again.rows)
    assert two.classes == data.classes
    assert two.classes[two[3]["y"]] == data.cells.obs["CELLTYPE"].iloc[two.rows[3]]
    for fractions in ([], [0.5, 0.6], [-1, 1]):
        with pytest.raises(SettingsError, match="fractions"):
            data.split(fractions)
    with pytest.raises(SettingsError, match="2 groups found"):
        data.split([0.3, 0.3, 0.3])


@ignore_forks
@pytest.mark.parametrize("together", [collate, None])
@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "fork"), (2, "spawn")])
def test_loader(paths, workers, start, together):
    cells = cellcutter.open(paths)
    data = CellDataset(cells, mask="apart")
    cells[:5]  # files and threads are open where workers are forked
    epochs = []
    for _ in range(2):
        loader = DataLoader(
            data,
            8,
            shuffle=True,
            num_workers=workers,
            multiprocessing_context=start,
            collate_fn=together,
            generator=torch.Generator().manual_seed(5),
        )
        rows = []
        for _ in range(2 if workers == 0 else 1):
            for batch in loader:
                np.testing.assert_array_equal(batch["x"], cells[batch["row"].numpy()])
                np.testing.assert_array_equal(batch["mask"], cells.masks[batch["row"].numpy()])
                rows += batch["row"].tolist()
        assert Counter(rows) == dict.fromkeys(range(41), 2 if workers == 0 else 1)
        epochs.append(rows)
    assert epochs[0] == epochs[1]


def test_random_split_of_torch(paths):
    part, _ = torch.utils.data.random_split(CellDataset(paths[0]), [15, 5])
    batch = next(iter(DataLoader(part, 15, collate_fn=collate)))
    assert sorted(batch["row"].tolist()) == sorted(part.indices)


def test_balanced(paths):
    obs_first = stores.table(20)
    data = CellDataset(cellcutter.open(paths), target="CELLTYPE")
    sampler = BalancedSampler(data, number=3000, seed=1)
    first, second = list(sampler), list(sampler)
    counts = Counter(data.y[first].tolist())
    assert len(first) == len(sampler) == 3000
    assert max(counts.values()) < 1.2 * min(counts.values())
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert len(obs_first) == 20
    with pytest.raises(SettingsError, match="no classes found"):
        BalancedSampler(CellDataset(paths[0], target="CD8"))


def test_order_by_files(paths):
    cells = cellcutter.open(paths)
    data = CellDataset(cells, rows=np.random.default_rng(0).permutation(41)[:35])
    sampler = ShardSampler(data, together=2, seed=4)
    order = list(sampler)
    assert sorted(order) == list(range(35))
    files = cells.chunk_of(data.rows[order])
    assert len(set(files[: len(files) // 3])) <= 3
    assert order != list(sampler)
    plain = ShardSampler(data, shuffle=False)
    assert (np.diff(cells.chunk_of(data.rows[list(plain)])) >= 0).all()


@pytest.mark.parametrize("kind", [ShardSampler, BalancedSampler])
def test_shares_of_processes(paths, kind):
    data = CellDataset(cellcutter.open(paths), target="CELLTYPE")
    samplers = [kind(data, seed=2, rank=rank, world=3) for rank in range(3)]
    shares = [list(sampler) for sampler in samplers]
    assert [len(share) for share in shares] == [len(s) for s in samplers] == [14, 14, 14]
    whole = list(kind(data, seed=2, rank=0, world=1))
    assert set(whole) == set(functools.reduce(operator.iadd, shares, []))
    with pytest.raises(SettingsError, match="rank"):
        kind(data, rank=3, world=3)


def test_two_processes_by_ddp(paths, tmp_path):
    """Real torch.distributed (gloo): each cell is trained on once, gradients are shared."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import sys, torch, cellcutter
        import torch.distributed as dist
        from torch.utils.data import DataLoader
        from torch.utils.data.distributed import DistributedSampler
        from cellcutter.learn import CellDataset, ShardSampler, collate

        rank, folder, *paths = int(sys.argv[1]), *sys.argv[2:]
        dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
        data = CellDataset(cellcutter.open(paths), target="CELLTYPE", normalize=True)
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(162, 3))
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        seen = []
        for sampler in (DistributedSampler(data, seed=1), ShardSampler(data, seed=1)):
            for epoch in range(2):
                sampler.set_epoch(epoch)
                for batch in DataLoader(data, 5, sampler=sampler, collate_fn=collate):
                    optimizer.zero_grad()
                    found = model(batch["x"].flatten(1))
                    loss = torch.nn.functional.cross_entropy(found, batch["y"])
                    loss.backward()
                    optimizer.step()
                    seen += batch["row"].tolist()
        print(seen, float(sum(p.double().sum() for p in model.parameters())), sep="|")
        dist.destroy_process_group()
        """)
    )
    command = [sys.executable, script]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [*command, str(rank), tmp_path, *paths],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=100)[0].strip().split("|") for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert told[0][1] == told[1][1]
    seen = [np.array(eval(text)).reshape(4, 21) for text, _ in told]
    for epoch in range(4):
        assert set(seen[0][epoch]) | set(seen[1][epoch]) == set(range(41))
    assert DistributedSampler(range(4), num_replicas=2, rank=0).num_samples == 2
