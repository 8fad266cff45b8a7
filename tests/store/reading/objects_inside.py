"""Stores in an object store: a real S3 server, moto's, read through fsspec and s3fs.

Run by test_objects.py in an environment that has both.
"""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellcutter
from cellcutter.errors import StoreError
from cellcutter.store.reading.places import Remote, open_files
from tests import slides

KEYS = {"key": "any", "secret": "any"}


class Server:
    """An S3 server on this machine."""

    def __init__(self, url: str) -> None:
        import s3fs

        self.options: dict[str, Any] = {**KEYS, "client_kwargs": {"endpoint_url": url}}
        self.files = s3fs.S3FileSystem(**self.options)

    def put(self, folder: Path) -> str:
        self.files.put(str(folder), f"cells/{folder.name}", recursive=True)
        return f"s3://cells/{folder.name}"


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    found = Server(f"http://{host}:{port}")
    found.files.mkdir("cells")
    yield found
    running.stop()


@pytest.fixture(scope="module", params=["chunks", "cells"])
def store(request, server, tmp_path_factory):
    """A store here, and the same in the object store."""
    folder = tmp_path_factory.mktemp(request.param)
    slide = slides.simple(folder, number=200)
    path = folder / f"{request.param}.zarr"
    cellcutter.cut_cells(
        *slide.paths, path, layout=request.param, mask_cells=True, window_size=15, chunk_size=0.05
    )
    beside = path.with_name(f"{path.stem}_mask.zarr")
    if beside.exists():
        server.put(beside)
    return path, server.put(path), server.options


def test_cells_masks_and_tables_are_those_of_the_folder(store):
    path, url, options = store
    here, there = cellcutter.open(path), cellcutter.open(url, storage_options=options)
    assert repr(here).replace(str(path), "") == repr(there)
    rows = np.random.default_rng(0).permutation(len(here))
    np.testing.assert_array_equal(there.read(rows), here.read(rows))
    np.testing.assert_array_equal(there[:], here[:])
    np.testing.assert_array_equal(there[5], here[5])
    assert there.masks is not None
    np.testing.assert_array_equal(there.masks[:], here.masks[:])
    np.testing.assert_array_equal(there.ids, here.ids)
    assert there.obs.equals(here.obs)
    assert there.statistics[0].equals(here.statistics[0])


def test_files_have_the_sizes_of_those_of_the_folder(store):
    path, url, options = store
    here, there = open_files(path), open_files(Remote(url, options))
    assert there.sizes() == here.sizes()


def test_several_slides_have_names_that_tell_them_apart(store, server):
    path, url, options = store
    server.files.copy(url, "s3://cells/other/" + path.name, recursive=True)
    cells = cellcutter.open([url, f"s3://cells/other/{path.name}"], storage_options=options)
    assert cells.slides == [path.stem, f"other/{path.stem}"]
    np.testing.assert_array_equal(cells[: len(cells) // 2], cells[len(cells) // 2 :])


def total(cells: cellcutter.Cells) -> int:
    return int(cells[::3].astype(np.int64).sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_too(store, method):
    path, url, options = store
    cells = cellcutter.open(url, storage_options=options)
    expected = total(cellcutter.open(path))
    assert total(cells) == expected
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(total, [cells, cells]) == [expected, expected]
    assert total(pickle.loads(pickle.dumps(cells))) == expected
    assert total(cells) == expected


def test_what_is_not_there_is_named(server):
    options = server.options
    with pytest.raises(StoreError, match=r"^s3://cells/none.zarr: neither .zarray nor zarr.json"):
        cellcutter.open("s3://cells/none.zarr", storage_options=options)
    with pytest.raises(StoreError, match=r"a zip file in an object store found"):
        cellcutter.open("s3://cells/some.zarr.zip", storage_options=options)
    with pytest.raises(StoreError, match=r"^nothing://cells/x.zarr: .*nothing"):
        cellcutter.open("nothing://cells/x.zarr")
    with pytest.raises(StoreError, match=r"^s3://cells/x.zarr/.zarray: .*expected$"):
        closed = {**KEYS, "client_kwargs": {"endpoint_url": "http://127.0.0.1:1"}}
        cellcutter.open(
            "s3://cells/x.zarr",
            storage_options=closed | {"config_kwargs": {"retries": {"max_attempts": 1}}},
        )


def test_a_part_that_is_gone_is_named(store, server):
    path, url, options = store
    server.files.copy(url, f"s3://cells/gone/{path.name}", recursive=True)
    url = f"s3://cells/gone/{path.name}"
    part = "obsm/single_cell_images/c/0/0/0/0" if path.stem == "cells" else "0.0.0.0"
    server.files.rm(f"{url}/{part}")
    with pytest.raises(StoreError, match=rf"^{url}/{part}: .*expected$"):
        cellcutter.open(url, storage_options=options)[:]
