"""The manifest of every store: what ``sha256sum`` writes and checks; the store's identity."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest
import zarr

import cellcutter
from cellcutter.commands import cli
from cellcutter.engine import plan
from cellcutter.store import blosc, manifest
from cellcutter.store.container import Container
from tests import slides


@pytest.fixture(scope="module")
def slide(tmp_path_factory) -> slides.Slide:
    """A slide whose table has columns with names that a list of files has to escape."""
    folder = tmp_path_factory.mktemp("slide")
    slide = slides.simple(folder)
    odd = {"a\nb": 1.5, "e\\nf": 3, " i  j": 5, "ü": "text"}
    slide.table.assign(**odd).to_csv(slide.table_path, index=False)
    return slide


def folder_of(store: Path, at: Path) -> Path:
    """Return a folder with the files of a store."""
    if store.is_dir():
        return store
    with zipfile.ZipFile(store) as archive:
        archive.extractall(at)
    return at


def names_in(folder: Path) -> set[str]:
    return {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}


def by_sha256sum(folder: Path) -> bytes:
    """Return what the real program lists, in the order of names."""
    names = sorted(names_in(folder) - {manifest.NAME}, key=str.encode)
    words = ["sha256sum", "--", *names]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True).stdout


def check(folder: Path) -> None:
    """``sha256sum`` proves the store, and the manifest names each file."""
    words = ["sha256sum", "--check", "--strict", "--quiet", manifest.NAME]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = manifest.read((folder / manifest.NAME).read_bytes())
    assert not found.faults
    assert found.digests.keys() == names_in(folder) - {manifest.NAME}


@pytest.mark.parametrize("layout", ["chunks", "cells"])
def test_every_store_has_one(slide, tmp_path, layout):
    identities = set()
    options = {"layout": layout, "masks": True, "cells_per_chunk": 7}
    for name, more in {
        "a.zarr": {},
        "b.zarr.zip": {"z": True},
        "c.zarr": {"p": 1, "cache_size": 1},
    }.items():
        done = cellcutter.cut_cells(*slide.paths, tmp_path / name, **options, **more)
        assert (done.masks is None) == (layout == "cells")
        for store in filter(None, [done.destination, done.masks]):
            folder = folder_of(store, tmp_path / f"in {store.name}")
            check(folder)
        content = (
            folder_of(done.destination, tmp_path / f"in {name}") / manifest.NAME
        ).read_bytes()
        assert done.identity == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert cellcutter.open(done.destination).read([3]).any()
        identities.add(done.identity)
    assert len(identities) == 1  # the same files have the same, in a folder and in a zip file


@pytest.mark.parametrize("compression", ["default", "none"])
def test_it_is_what_sha256sum_writes(slide, tmp_path, compression):
    for layout in ("chunks", "cells"):
        out = tmp_path / layout
        cellcutter.cut_cells(
            *slide.paths, out, layout=layout, compression=compression, cells_per_chunk=5
        )
        assert (out / manifest.NAME).read_bytes() == by_sha256sum(out)


def test_names_are_escaped_as_sha256sum_does(tmp_path):
    for name in ("a\\b", "c\nd", "\\", "ü", " ", "*e", "e f/g", "a.b", "a-b", "A"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    digests = {n: hashlib.sha256((tmp_path / n).read_bytes()).digest() for n in names_in(tmp_path)}
    assert manifest.written(digests) == by_sha256sum(tmp_path)
    (tmp_path / manifest.NAME).write_bytes(manifest.written(digests))
    check(tmp_path)


def test_chunks_that_are_written_in_parts(slide, tmp_path, monkeypatch):
    """Several walks write a chunk, whose beginning comes last."""
    options = {"window_size": 64, "cells_per_chunk": 7}
    whole = cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", **options)
    parts = []
    seal, part = Container.seal, Container.part
    monkeypatch.setattr(Container, "part", lambda *a, **b: parts.append(a[1]) or part(*a, **b))
    monkeypatch.setattr(Container, "seal", lambda *a: parts.remove(a[1]) or seal(*a))
    monkeypatch.setattr(plan, "ENOUGH", 1)
    monkeypatch.setattr(blosc, "LEAST_NBYTES", 1)
    done = cellcutter.cut_cells(*slide.paths, tmp_path / "b.zarr", **options)
    assert parts  # were opened more than once before they were whole
    check(done.destination)
    check(whole.destination)


def test_tiles_and_converted_stores(slide, tmp_path):
    tiles = cellcutter.cut_tiles(slide.image_path, 32, tmp_path / "tiles.zarr")
    check(tiles.destination)
    cut = cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", masks=True)
    quick = cellcutter.convert(cut.destination, tmp_path / "b.zarr")
    back = cellcutter.convert(quick.destination, tmp_path / "c.zarr.zip", layout="chunks", z=True)
    check(quick.destination)
    for number, store in enumerate([back.destination, back.masks]):
        check(folder_of(store, tmp_path / str(number)))
    assert back.identity == cut.identity != quick.identity


def test_it_is_told(slide, tmp_path, capfd):
    out = tmp_path / "a.zarr"
    assert cli.main_cut_cells([*slide.paths, str(out)]) == 0
    identity = f"sha256:{hashlib.sha256((out / manifest.NAME).read_bytes()).hexdigest()}"
    assert f"cut_cells: identity {identity}\n" in capfd.readouterr().err
    assert cli.main(["convert", str(out), str(tmp_path / "b.zarr")]) == 0
    assert "cellcutter convert: identity sha256:" in capfd.readouterr().err
    assert cli.main(["info", str(out)]) == 0
    assert identity in capfd.readouterr().out
    (out / manifest.NAME).unlink()
    assert cli.main(["info", "--json", str(out)]) == 0
    assert '"identity": null' in capfd.readouterr().out


@pytest.mark.filterwarnings("error")
def test_readers_do_not_mind(slide, tmp_path):
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr")
    cellcutter.cut_cells(*slide.paths, tmp_path / "b.zarr", layout="cells")
    assert zarr.open(tmp_path / "a.zarr", mode="r").ndim == 4
    group = zarr.open_group(tmp_path / "b.zarr", mode="r")
    assert "obs" in dict(group.members(None))


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "does not end"),
        (f"{DIGEST}  a".encode(), "does not end"),
        (f"{DIGEST} *a\n".encode(), "line 1: no SHA-256"),
        (f"{DIGEST[1:]}  a\n".encode(), "line 1: no SHA-256"),
        (f"{DIGEST}  b\n{DIGEST}  a\n".encode(), "line 2: not in the order"),
        (f"{DIGEST}  a\n{DIGEST}  a\n".encode(), "line 2: a is there twice"),
        (f"{DIGEST}  ../a\n".encode(), "line 1: ../a found"),
        (f"{DIGEST}  /a\n".encode(), "line 1: /a found"),
        (f"{DIGEST}  a/./b\n".encode(), "line 1: a/./b found"),
        (f"{DIGEST}  {manifest.NAME}\n".encode(), f"line 1: {manifest.NAME} found"),
        (b"\xff\n\n", "line 2: no SHA-256"),
    ],
)
def test_faults_of_a_manifest(content, fault):
    assert any(fault in each for each in manifest.read(content).faults)


def test_it_reads_what_it_writes():
    names = ["a", "a/b", "ü", "\\", "n\nn", "\\n", "x\ry", " ", "*a", "\udcff"]
    digests = {name: hashlib.sha256(name.encode("utf8", "replace")).digest() for name in names}
    assert manifest.read(manifest.written(digests)) == manifest.Manifest(digests)
