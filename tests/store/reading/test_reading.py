"""Stores read back: any cells in any order, of both layouts, of one slide or several."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import google_crc32c
import numpy as np
import pandas as pd
import pytest
import zstandard

import cellcutter
from cellcutter.errors import CellWarning, SettingsError, StoreError
from cellcutter.store.reading import table
from cellcutter.store.reading.files import FolderFiles
from tests import slides
from tests.store.reading import stores


def make(folder: Path, kind: str, images: np.ndarray) -> Path:
    layout, codec, form = kind.split("-")
    path = folder / f"{layout}.zarr"
    if layout == "cells":
        stores.cells_store(path, images, codec=codec, masks=images[:, 0] > 90)
    else:
        options = {"compressors": None} if codec == "none" else {}
        stores.old_store(path, images, **options)
    return stores.zipped(path) if form == "zip" else path


KINDS = [
    f"{layout}-{codec}-{form}"
    for layout, codecs in (("cells", ["lz4", "zstd", "none"]), ("old", ["zstd", "none"]))
    for codec in codecs
    for form in ("folder", "zip")
]


@pytest.fixture(params=KINDS)
def store(request, tmp_path) -> tuple[Path, np.ndarray]:
    images = stores.pixels()
    return make(tmp_path, request.param, images), images


def test_any_cells_in_any_order(store):
    path, images = store
    cells = cellcutter.open(path, threads=3)
    assert cells.shape == images.shape
    assert cells.dtype == images.dtype
    assert len(cells) == 30
    truth = np.arange(30) % 3 == 1
    keys = [slice(None), slice(25, 3, -4), [7, 3, 7], [-1, 0], truth, [], np.array([4], "u1"), [29]]
    for key in keys:
        expected = (
            images[key] if len(np.asarray(key, object).shape) == 0 or len(key) else images[:0]
        )
        found = cells[key]
        np.testing.assert_array_equal(found, expected)
        assert found.flags.c_contiguous
    np.testing.assert_array_equal(cells[-2], images[-2])
    np.testing.assert_array_equal(cells[np.int64(5)], images[5])
    many = np.random.default_rng(1).integers(0, 30, 500)
    np.testing.assert_array_equal(cells[many], images[many])
    out = np.full((500, 2, 9, 9), 9, images.dtype)
    assert cells.read(many, channels=[3, 1], out=out) is out
    np.testing.assert_array_equal(out, images[many][:, [2, 0]])


@pytest.mark.parametrize(
    "key", [30, -31, [0, 30], [True, False], "a", [0.5], [[1]], (1, 2.5), None]
)
def test_rows_that_are_not_there(store, key):
    with pytest.raises(IndexError):
        cellcutter.open(store[0])[key]


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, 3, 9, 9), "u1"),
        np.empty((1, 3, 9, 9), "u2"),
        np.empty((4, 3, 9, 9), "u2")[::2],
        np.broadcast_to(np.uint16(0), (2, 3, 9, 9)),
    ],
)
def test_out_that_does_not_fit(tmp_path, out):
    cells = cellcutter.open(stores.cells_store(tmp_path / "a.zarr", stores.pixels()))
    with pytest.raises(SettingsError, match="out"):
        cells.read([1, 2], out=out)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_what_a_store_tells(tmp_path, form):
    images, obs = stores.pixels(), stores.table(30)
    path = stores.cells_store(tmp_path / "a.zarr", images, obs, masks=images[:, 1] > 50)
    cells = cellcutter.open(stores.zipped(path) if form == "zip" else path)
    assert cells.channels == ["DNA", "CD3", "CD8"]
    assert cells.slides == ["a"]
    assert (cells.pixel_size.y, cells.pixel_size.unit) == (0.65, "µm")
    np.testing.assert_array_equal(cells.ids, obs.index)
    pd.testing.assert_frame_equal(cells.obs, obs, check_dtype=False, check_categorical=False)
    np.testing.assert_allclose(cells.statistics[0]["mean"], images.mean((0, 2, 3)))
    np.testing.assert_allclose(cells.statistics_of("std"), [images.std((0, 2, 3))])
    np.testing.assert_array_equal(cells.by_id([7, 2, 7]), images[cells.rows_of([7, 2, 7])])
    assert cells.ids[cells.rows_of([7])] == [7]
    np.testing.assert_array_equal(cells.masks[[5, 1]], images[[5, 1], 1] > 50)
    np.testing.assert_array_equal(cells.masks[3], images[3, 1] > 50)
    assert cells.masks.shape == (30, 9, 9)
    np.testing.assert_array_equal(cells.chunk_of(), np.arange(30) // 7)
    with pytest.raises(SettingsError, match="CellID 31: 0 cells found"):
        cells.by_id([31])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["CD4"], r"'CD4' not found, one of these expected: DNA \(1\), cd8 \(2\), CD8 \(3\)"),
        (["Cd8"], r"'Cd8' names several \(cd8 \(2\), CD8 \(3\)\)"),
        ([4], "4 not found"),
        ([True], "True found"),
    ],
)
def test_channels_by_name(tmp_path, wanted, message):
    images = stores.pixels()
    path = stores.cells_store(tmp_path / "a.zarr", images, names=("DNA", "cd8", "CD8"))
    cells = cellcutter.open(path)
    np.testing.assert_array_equal(cells.read([1], ["CD8", "dna"]), images[[1]][:, [2, 0]])
    with pytest.raises(SettingsError, match=message):
        cells.read([0], channels=wanted)


@pytest.mark.parametrize("z", [False, True])
def test_what_cut_cells_writes(tmp_path, z):
    slide = slides.simple(tmp_path)
    path = tmp_path / ("out.zarr.zip" if z else "out.zarr")
    cellcutter.cut_cells(
        *slide.paths, path, cells_per_chunk=6, z=z, mask_cells=True, window_size=14
    )
    expected, masks = slides.expected(slide.image, slide.labels, slide.table, 14, mask=True)
    cells = cellcutter.open(path)
    np.testing.assert_array_equal(cells[:], expected.swapaxes(0, 1))
    np.testing.assert_array_equal(cells.masks[:], masks)
    np.testing.assert_array_equal(cells.ids, slide.table["CellID"])
    assert (cells.obs["Status"] == "ok").all()
    other = tmp_path / "other.zarr"
    table = slide.table.iloc[::-1]
    cellcutter.cut_cells(*slide.paths[:2], table, other, window_size=9)
    path.with_name(path.name.replace("out", "out_mask")).rename(tmp_path / "other_mask.zarr")
    assert cellcutter.open(other).masks is None
    assert cellcutter.open(path).masks is None


def test_tiles(tmp_path):
    slide = slides.simple(tmp_path)
    cellcutter.cut_tiles(slide.image_path, 40, tmp_path / "tiles.zarr")
    cells = cellcutter.open(tmp_path / "tiles.zarr")
    np.testing.assert_array_equal(cells[1], slide.image[:, :40, 40:80])
    np.testing.assert_array_equal(cells.ids, np.arange(12))


@pytest.mark.parametrize("compressor", ["zlib", "bz2", "lzma", "gzip", "zstd", "lz4"])
def test_other_codecs(tmp_path, compressor):
    import numcodecs

    images = stores.pixels(dtype=">u2")
    codec = numcodecs.get_codec({"id": compressor})
    path = stores.old_store(tmp_path / "a.zarr", images, compressors=codec)
    found = cellcutter.open(path)[[8, 1]]
    assert found.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(found, images[[8, 1]])


def several(folder: Path) -> tuple[list[Path], list[np.ndarray]]:
    panels = [("DNA", "CD3", "CD8"), ("CD8", "DNA", "PD1", "CD20")]
    images = [stores.pixels(12, 3), stores.pixels(20, 4, seed=1)]
    paths = [
        stores.cells_store(folder / name / "cells.zarr", x, names=panel, masks=x[:, 0] > 9)
        for name, x, panel in zip(("s1", "s2"), images, panels, strict=True)
    ]
    return paths, images


def test_several_slides(tmp_path):
    paths, (a, b) = several(tmp_path)
    cells = cellcutter.open(paths)
    assert cells.channels == ["DNA", "CD8"]
    assert cells.slides == ["s1/cells", "s2/cells"]
    expected = np.concatenate([a[:, [0, 2]], b[:, [1, 0]]])
    rows = [31, 0, 12, 11, 12, 5]
    np.testing.assert_array_equal(cells[:], expected)
    np.testing.assert_array_equal(cells[rows], expected[rows])
    np.testing.assert_array_equal(cells.slide[rows], [1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(cells.masks[rows], np.concatenate([a[:, 0], b[:, 0]])[rows] > 9)
    assert cells.obs["slide"].iloc[[11, 12]].tolist() == cells.slides
    np.testing.assert_array_equal(cells.ids, cells.obs.index)
    with pytest.raises(SettingsError, match="2 cells found, one expected; say which slide"):
        cells.by_id([3])
    row = int(cells.rows_of([3], slide="s2/cells")[0])
    assert row >= 12
    assert cells.ids[row] == 3
    assert (np.diff(cells.chunk_of()) >= 0).all()
    with pytest.raises(SettingsError, match="3 not found"):  # CD8 here, PD1 there
        cells.read([0], channels=[3])


def test_channels_that_some_slides_lack(tmp_path):
    paths, (a, b) = several(tmp_path)
    cells = cellcutter.open({"one": paths[0], "two": paths[1]}, join="outer")
    assert cells.slides == ["one", "two"]
    assert cells.channels == ["DNA", "CD3", "CD8", "PD1", "CD20"]
    np.testing.assert_array_equal(cells.present, [[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]])
    expected = np.zeros((32, 5, 9, 9), a.dtype)
    expected[:12, :3] = a
    expected[12:, [2, 0, 3, 4]] = b
    out = np.full((32, 5, 9, 9), 7, a.dtype)
    np.testing.assert_array_equal(cells.read(slice(None), out=out), expected)
    np.testing.assert_array_equal(cells.read([20, 2], ["PD1", "cd3"]), expected[[20, 2]][:, [3, 1]])
    assert np.isnan(cells.statistics_of("mean")).sum() == 3


def test_slides_that_do_not_fit(tmp_path):
    path = stores.cells_store(tmp_path / "a.zarr", stores.pixels())
    other = stores.cells_store(tmp_path / "b.zarr", stores.pixels(size=8))
    with pytest.raises(StoreError, match=r"9 x 9, uint16, in .*a\.zarr and .*8 x 8.*b\.zarr"):
        cellcutter.open([path, other])
    unnamed = stores.cells_store(tmp_path / "c.zarr", stores.pixels(), names=None)
    with pytest.raises(StoreError, match=r"c\.zarr: channels without marker names found"):
        cellcutter.open([path, unnamed])
    strange = stores.cells_store(tmp_path / "d.zarr", stores.pixels(), names=("x", "y", "z"))
    with pytest.raises(StoreError, match="at least one channel common to all expected"):
        cellcutter.open([path, strange])
    with pytest.raises(SettingsError, match="join"):
        cellcutter.open([path, path], join="left")
    with pytest.raises(SettingsError, match="at least one"):
        cellcutter.open([])
    told = stores.pixels()
    small = stores.cells_store(tmp_path / "e.zarr", told)
    file = small / "zarr.json"
    file.write_text(file.read_text().replace("0.65", "0.325"))
    with pytest.warns(CellWarning, match="pixels of several sizes: a 0.65 x 0.65 µm, e 0.325"):
        assert cellcutter.open([path, small]).pixel_size is None


def handles() -> list[str]:
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc here")
    gc.collect()
    files = [str(f.readlink()) for f in Path("/proc/self/fd").iterdir() if os.path.lexists(f)]
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [name for name in (*files, *maps) if ".zarr" in name]


def test_no_handle_is_left(store):
    path, _images = store
    assert handles() == []
    cells = cellcutter.open(path)
    assert handles() == []
    cells[:]
    cells.close()
    assert handles() == []
    with pytest.raises(StoreError, match="closed"):
        cells[0]
    with cellcutter.open(path) as cells:
        cells[3]
        assert handles() != [] or path.name.startswith("old")
    assert handles() == []
    cells = cellcutter.open(path)
    cells[5]
    del cells
    assert handles() == []


def test_few_files_are_open_at_one_time(tmp_path, monkeypatch):
    monkeypatch.setattr("cellcutter.store.reading.files.most_mapped", lambda: 2)
    monkeypatch.setattr("cellcutter.store.reading.shards._TOGETHER", 2)
    images = stores.pixels()
    cells = cellcutter.open(stores.cells_store(tmp_path / "a.zarr", images, per_shard=2))
    np.testing.assert_array_equal(cells[::-1], images[::-1])
    assert len(handles()) <= 4


def _sum(cells, rows, queue=None):
    found = int(cells[rows].sum())
    if queue is not None:
        queue.put(found)
    return found


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["cells-lz4-folder", "cells-none-zip", "old-zstd-folder"])
def test_in_other_processes(tmp_path, kind, start):
    images = stores.pixels()
    path = make(tmp_path, kind, images)
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} here")
    context = multiprocessing.get_context(start)
    cells = cellcutter.open(path, threads=2)
    rows = np.random.default_rng(2).integers(0, 30, 200)
    cells[rows]  # this process has it open, and threads
    queue = context.Queue()
    workers = [context.Process(target=_sum, args=(cells, rows, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert found == [int(images[rows].sum())] * 2
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_pickled(store):
    path, images = store
    cells = cellcutter.open(path)
    cells[:]
    content = pickle.dumps(cells)
    assert len(content) < 1000
    np.testing.assert_array_equal(pickle.loads(content)[4], images[4])


def test_in_many_threads(store):
    path, images = store
    cells = cellcutter.open(path, threads=2, cache_size=0.002)
    failures = []

    def read(seed):
        rng = np.random.default_rng(seed)
        for _ in range(30):
            rows = rng.integers(0, 30, 40)
            if not np.array_equal(cells[rows], images[rows]):
                failures.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_in_memory(tmp_path):
    slide = slides.simple(tmp_path)
    expected, masked = (
        slides.expected(slide.image, slide.labels, slide.table, 9, mask=m)[0].swapaxes(0, 1)
        for m in (False, True)
    )
    rows = [7, 3, 7, -1]
    found = cellcutter.thumbnails(*slide.paths, rows=rows, window_size=9, channels=[3, 1])
    np.testing.assert_array_equal(found, expected[rows][:, [2, 0]])
    found = cellcutter.thumbnails(*slide.paths, window_size=9, mask_cells=True)
    np.testing.assert_array_equal(found, masked)
    found = cellcutter.thumbnails(*slide.paths, window_size=450)  # more than fits a shard
    large = slides.expected(slide.image, slide.labels, slide.table, 450)[0].swapaxes(0, 1)
    assert large.nbytes > 32 << 20
    np.testing.assert_array_equal(found, large)
    for options in ({"z": True}, {"layout": "chunks"}, {"shuffle": 1}, {"rows": []}):
        with pytest.raises(SettingsError):
            cellcutter.thumbnails(*slide.paths, **options)
    with pytest.raises(IndexError):
        cellcutter.thumbnails(*slide.paths, rows=[1000])


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u4"])
def test_in_memory_of_other_types(tmp_path, dtype):
    slide = slides.simple(tmp_path, shape=(2, 60, 70), dtype=dtype)
    for mask in (False, True):
        found = cellcutter.thumbnails(*slide.paths, window_size=9, mask_cells=mask)
        expected = slides.expected(slide.image, slide.labels, slide.table, 9, mask=mask)[0]
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, expected.swapaxes(0, 1))


def test_a_million_cells(tmp_path):
    """Opened by their metadata alone; reading from every shard keeps 16 bytes a cell."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    cells, per_shard = 1_000_000, 2_000
    path = stores.cells_store(tmp_path / "a.zarr", stores.pixels(8, 1, 4, "u1"), names=("DNA",))
    array = path / "obsm/single_cell_images"
    content = json.loads((array / "zarr.json").read_text())
    content["shape"] = [cells, 1, 4, 4]
    content["chunk_grid"]["configuration"]["chunk_shape"][0] = per_shard
    content["codecs"][0]["configuration"]["codecs"] = [{"name": "bytes"}]
    (array / "zarr.json").write_text(json.dumps(content))
    index = np.array([np.arange(per_shard) * 16, np.full(per_shard, 16)], "<u8").T.tobytes()
    ending = index + google_crc32c.value(index).to_bytes(4, "little")
    for shard in range(cells // per_shard):
        file = array / "c" / str(shard) / "0/0/0"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(np.repeat(np.uint8(shard % 251), per_shard * 16).tobytes() + ending)
    script = """
import sys, time, numpy as np, cellcutter
from pathlib import Path
def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))
cellcutter.open
before, start = memory(), time.process_time()
cells = cellcutter.open(sys.argv[1])
seconds = time.process_time() - start
rows = np.random.default_rng(0).permutation(1_000_000)[:20_000]
found = cells[rows]
assert (found[:, 0, 3, 3] == rows // 2_000 % 251).all()
print(seconds, memory() - before - found.nbytes / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True)
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 0.3
    assert megabytes < 50


def test_cell_ids_as_they_are_written_need_no_zarr(tmp_path, monkeypatch):
    slide = slides.simple(tmp_path)
    options = {"layout": "cells", "window_size": 9, "on_missing": "warn"}
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", **options)
    path = tmp_path / "a.zarr"
    ids = slide.table["CellID"].tolist()
    quick = table._written(FolderFiles(path), "obs/CellID")
    assert quick.tolist() == ids
    monkeypatch.setattr(table, "_written", lambda *_: None)
    assert table.obs_ids(path).tolist() == ids  # zarr says the same
    monkeypatch.undo()
    chunk, metadata = path / "obs/CellID/c/0", path / "obs/CellID/zarr.json"
    for file, content in (
        (chunk, chunk.read_bytes()[:-3]),
        (chunk, b""),
        (chunk, zstandard.compress(bytes(8 * len(ids) - 8))),
        (metadata, metadata.read_bytes().replace(b"int64", b"int32")),
        (metadata, b"{"),
    ):
        before = file.read_bytes()
        file.write_bytes(content)
        assert table._written(FolderFiles(path), "obs/CellID") is None
        file.write_bytes(before)
    assert table._written(FolderFiles(path), "obs/none") is None
