"""Damaged and hostile stores: one line that says what is wrong; never a crash or wrong pixels."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zipfile

import google_crc32c
import numpy as np
import pytest

import cellcutter
from cellcutter.errors import StoreError
from tests.store.reading import stores

IMAGES = "obsm/single_cell_images"


@pytest.fixture
def store(tmp_path):
    return stores.cells_store(tmp_path / "a.zarr", stores.pixels(), masks=stores.pixels()[:, 0] > 9)


def refused(path, match, rows=slice(None)):
    with pytest.raises(StoreError, match=match) as caught:
        cellcutter.open(path)[rows]
    assert "\n" not in str(caught.value)


def read_all(path):
    cells = cellcutter.open(path)
    return cells.obs, cells[:]


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def reindex(file, change, per_shard=7):
    """Change the index of a shard and put its checksum right."""
    content = bytearray(file.read_bytes())
    start = len(content) - 16 * per_shard - 4
    index = np.frombuffer(content, "<u8", 2 * per_shard, start).reshape(-1, 2).copy()
    change(index)
    content[start:-4] = index.tobytes()
    content[-4:] = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    file.write_bytes(content)


def put(row, values):
    def change(index):
        index[row] = values

    return change


def test_no_store(tmp_path):
    refused(tmp_path / "none.zarr", "no such file or folder, a store expected")
    refused(tmp_path, "neither .zarray nor zarr.json found")
    (tmp_path / "a.zip").write_bytes(b"no zip")
    refused(tmp_path / "a.zip", "a zip file expected")
    (tmp_path / "zarr.json").write_text("[1]")
    refused(tmp_path, "a JSON object expected")
    (tmp_path / "zarr.json").write_text("[" * 100_000)
    refused(tmp_path, "JSON expected")
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    refused(tmp_path, "thumbnails of cells expected")


@pytest.mark.parametrize(
    "values",
    [
        (0, 2**63),
        (2**63, 100),
        (2**64 - 2, 100),
        (2**64 - 50, 100),
        (2**64 - 1, 5),
        (10**6, 10),
        (0, 10**6),
        (0, 0),
    ],
)
def test_index_that_leads_out_of_the_file(store, values):
    reindex(store / IMAGES / "c/1/0/0/0", put(2, values))
    refused(store, "cell 9 outside of the file found", [8])
    np.testing.assert_array_equal(cellcutter.open(store)[[0, 15]], stores.pixels()[[0, 15]])


def test_index_of_another_checksum(store):
    file = store / IMAGES / "c/1/0/0/0"
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(content)
    refused(store, "checksum", [8])


def test_piece_of_another_cell_or_size(store):
    file = store / IMAGES / "c/1/0/0/0"
    reindex(file, lambda index: index.__setitem__((2, 1), index[2, 1] - 1))
    refused(store, "cell 9: ", [9])
    content = bytearray(file.read_bytes())
    content[4:8] = struct.pack("<I", 2**31)
    file.write_bytes(content)
    refused(store, "cell 7: 2147483648 bytes in a frame", [7])


def test_piece_that_is_absent_is_zero(store):
    reindex(store / IMAGES / "c/1/0/0/0", put(2, 2**64 - 1))
    assert not cellcutter.open(store)[[9]].any()


@pytest.mark.parametrize("size", [0, 1, 100])
def test_shard_that_is_short_or_missing(store, size):
    file = store / IMAGES / "c/1/0/0/0"
    file.write_bytes(file.read_bytes()[:size])
    refused(store, rf"{size} bytes found, an index of 116 expected", [8])
    file.unlink()
    refused(store, "no file found, a part of the store expected", [8])
    os.mkfifo(file)
    refused(store, "no regular file found", [8])


def test_links_out_of_the_store(store, tmp_path):
    for name in (f"{IMAGES}/c/1/0/0/0", "obs/CD8/c/0", "zarr.json"):
        inside = store / name
        outside = tmp_path / "outside"
        inside.rename(outside)
        inside.symlink_to(outside)
        with pytest.raises(StoreError, match=r"a link to .*outside found"):
            read_all(store)
        inside.unlink()
        outside.rename(inside)
    (tmp_path / "link.zarr").symlink_to(store)  # as Nextflow hands stores on
    np.testing.assert_array_equal(cellcutter.open(tmp_path / "link.zarr")[:], stores.pixels())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"shape": [2**60, 3, 9, 9]}, "found, at most"),
        ({"shape": [30, 3, 9, 2**40]}, "one whole cell a piece"),
        ({"shape": [30, 3, -9, 9]}, "a list of sizes"),
        ({"shape": "abc"}, "a list of sizes"),
        ({"shape": [30, 3, 9]}, "one whole cell"),
        ({"data_type": "object"}, "integers, floats or bool"),
        ({"data_type": "uint32"}, "cell 0: 486 bytes"),
        ({"data_type": {"name": "x"}}, "integers, floats or bool"),
        ({"codecs": []}, "a list of codecs"),
        ({"codecs": [{"name": "bytes"}]}, "a sharded array"),
        ({"chunk_key_encoding": {"name": "../x"}}, "default keys"),
        ({"chunk_grid": 3}, "an object"),
        ({"shape": [31, 3, 9, 9]}, "31 expected, one for each cell"),
        ({"shape": [300, 3, 9, 9]}, "no file found"),
    ],
)
def test_metadata_that_cannot_be(store, change, match):
    edit(store / IMAGES / "zarr.json", lambda content: content.update(change))
    if "31 expected" in match:
        (store / "obsm/single_cell_masks/zarr.json").unlink()
        with pytest.raises(StoreError, match=match):
            _ = cellcutter.open(store).obs
        return
    if "no file" in match:
        (store / "obsm/single_cell_masks/zarr.json").unlink()
    elif change.get("shape") == [2**60, 3, 9, 9]:
        pass
    refused(store, match)


def test_codecs_that_run_what_they_find(tmp_path):
    path = stores.old_store(tmp_path / "a.zarr", stores.pixels())
    edit(path / ".zarray", lambda content: content.update(compressor={"id": "pickle"}))
    refused(path, "codec pickle found, one known expected")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"shape": [3, 2**40, 9, 9]}, "no file found"),
        ({"chunks": [3, 2**40, 9, 9]}, "at most"),
        ({"chunks": [1, 7, 9, 9]}, "chunks of whole cells"),
        ({"chunks": [3, 8, 9, 9]}, "bytes in a frame"),
        ({"order": "F"}, "C order"),
        ({"filters": [{"id": "delta"}]}, "no filter"),
        ({"dimension_separator": "../"}, "separator"),
        ({"shape": [30, 9, 9], "chunks": [7, 9, 9]}, "3 axes found, 4 expected"),
    ],
)
def test_metadata_of_chunks_that_cannot_be(tmp_path, change, match):
    path = stores.old_store(tmp_path / "a.zarr", stores.pixels())
    edit(path / ".zarray", lambda content: content.update(change))
    refused(path, match, [29, 100_000] if "no file" in match else slice(None))


def test_zip_that_is_damaged(tmp_path):
    path = stores.zipped(stores.old_store(tmp_path / "a.zarr", stores.pixels()))
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("0.1.0.0").header_offset
    content = bytearray(path.read_bytes())
    content[offset] = 0
    path.write_bytes(content)
    refused(path, "a place outside the zip file", [8])
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.zarr/.zarray", ".zarray")
    refused(packed, "stored as it is expected")


def test_noise_in_frames_never_crashes(tmp_path):
    """In a process of its own: what is damaged may decode to anything, but to its own size."""
    path = stores.cells_store(tmp_path / "a.zarr", stores.pixels(60, size=20))
    old = stores.old_store(tmp_path / "b.zarr", stores.pixels(60, size=20))
    script = """
import sys, numpy as np, cellcutter
from pathlib import Path
rng = np.random.default_rng(0)
for store, name in ((sys.argv[1], "obsm/single_cell_images/c/0/0/0/0"), (sys.argv[2], "0.0.0.0")):
    file = Path(store, name)
    whole = file.read_bytes()
    for _ in range(400):
        content = bytearray(whole)
        for place in rng.integers(0, len(content) if rng.random() < .5 else 60, rng.integers(1, 5)):
            content[place] = rng.integers(256)
        file.write_bytes(content)
        with cellcutter.open(store) as cells:
            try:
                assert cells[:7].shape == (7, 3, 20, 20)
            except cellcutter.StoreError as error:
                assert "\\n" not in str(error)
    file.write_bytes(whole)
"""
    subprocess.run([sys.executable, "-c", script, path, old], check=True)
