"""`export`: files of other programs, read by these programs; and what all forms have in common."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile

import cellcutter
from cellcutter.commands import cli
from tests import environments, slides
from tests.formats import measure
from tests.formats.test_convert import contents
from tests.services import running
from tests.store.reading import stores

FORMS = {"h5sc": "out.h5sc", "npy": "out_npy", "webdataset": "out_wds", "ome-tiff": "out.ome.tif"}
MB = 1024 * 1024


def cut(folder: Path, **keywords) -> slides.Slide:
    """A store `a.zarr` of a slide with marker names, a pixel size and a table of all kinds."""
    slide = slides.simple(folder)
    n = len(slide.table)
    metadata = {
        "axes": "CYX",
        "Channel": {"Name": ["DNA", "CD3", "CD8"]},
        "PhysicalSizeX": 0.65,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.65,
        "PhysicalSizeYUnit": "µm",
    }
    tifffile.imwrite(slide.image_path, slide.image, photometric="minisblack", metadata=metadata)
    table = slide.table.assign(
        area=np.arange(n) / 4,
        count=pd.array([None, *range(1, n)], "Int64"),
        phenotype=np.where(slide.table["CellID"] % 2 == 0, "B cell", "T cell"),
        name=[f"n{i}" for i in slide.table["CellID"]],
        flag=True,
    )
    table.loc[3, "phenotype"] = None
    table.to_csv(slide.table_path, index=False)
    options = {"layout": "cells", "masks": True, "window_size": 11, "cells_per_chunk": 7}
    cellcutter.cut_cells(*slide.paths, folder / "a.zarr", **(options | keywords))
    return slide


@pytest.fixture(scope="session")
def readers() -> str:
    return environments.with_torch()


@pytest.mark.timeout(1800)
def test_h5sc_of_floats_with_nan_outside_of_the_cell(tmp_path):
    pixels = np.full((3, 2, 9, 9), np.nan, "f4")
    masks = np.zeros((3, 9, 9), bool)
    masks[:, 2:7, 2:7] = True
    pixels[:, :, 2:7, 2:7] = np.arange(25).reshape(5, 5)
    table = stores.table(3).assign(scportrait_cell_id=[500, 501, 502])
    store = stores.cells_store(tmp_path / "a.zarr", pixels, table, masks=masks)
    cellcutter.export(store, tmp_path / "a.h5sc", to="h5sc")
    with h5py.File(tmp_path / "a.h5sc") as file:
        mask, *images = np.moveaxis(file["obsm/single_cell_images"][:], 1, 0)
        with cellcutter.open(store) as cells:
            assert file["obs/scportrait_cell_id"][:].tolist() == cells.ids.tolist()
    np.testing.assert_array_equal(mask, masks)
    for image in images:
        assert not image[~masks].any()
        assert image.max() == 1


@pytest.mark.parametrize("layout", ["cells", "chunks"])
def test_read_by_the_programs_that_it_is_for(readers, tmp_path, layout):
    """With the given table's columns; those of `chunks` come from a store converted to it."""
    slide = cut(tmp_path)
    source = tmp_path / "a.zarr"
    if layout == "chunks":
        source = tmp_path / "b.zarr"
        cellcutter.convert(tmp_path / "a.zarr", source, layout="chunks", cells_per_chunk=5)
    for to, name in FORMS.items():
        shards = {"shard_size": 0.02} if to == "webdataset" else {}
        channels = ["DNA", "CD8", "CD3"]
        cellcutter.export(source, tmp_path / name, to=to, channels=channels, **shards)
    pixels, masks = slides.expected(slide.image, slide.labels, slide.table, 11)
    found = np.load(tmp_path / "out_npy" / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(found, pixels[[0, 2, 1]].swapaxes(0, 1))
    found = np.load(tmp_path / "out_npy" / "masks.npy", mmap_mode="r")
    np.testing.assert_array_equal(found, masks)
    reader = Path(__file__).with_name("read_by_others.py")
    done = subprocess.run(
        [readers, "-W", "ignore", reader, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == ["scPortrait", "anndata", "webdataset", "OME"]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8", "u8"])
@pytest.mark.parametrize("to", ["npy", "webdataset", "ome-tiff"])
def test_pixels_of_every_type(tmp_path, to, dtype):
    slide = slides.simple(tmp_path, dtype=dtype if dtype != "u8" else "u2")
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", window_size=9)
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, 9)
    expected = expected.swapaxes(0, 1).astype(dtype)
    source, out = tmp_path / "a.zarr", tmp_path / "out"
    if dtype == "u8":
        source = stores.old_store(tmp_path / "b.zarr", expected)
    if (to, dtype) == ("ome-tiff", "u8"):
        with pytest.raises(cellcutter.StoreError, match=r"b\.zarr: pixels of type uint64 found"):
            cellcutter.export(source, out, to=to)
        assert not out.exists()
        return
    cellcutter.export(source, out, to=to, p=2)
    if to == "npy":
        found = np.load(out / "images.npy", mmap_mode="r")
        assert {p.name for p in out.iterdir()} == {"images.npy", "cells.csv", "channels.csv"}
    elif to == "ome-tiff":
        found = tifffile.imread(out)
    else:
        with tarfile.open(out / "shard-000000.tar") as tar:
            names = [name for name in tar.getnames() if name.endswith(".image.npy")]
            read = [np.load(io.BytesIO(tar.extractfile(name).read())) for name in names]
        found = np.stack(read)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(slides.bits(found), slides.bits(expected))


def test_each_chunk_is_decoded_once(tmp_path, monkeypatch):
    """Whatever is exported at one time: here less than a chunk, and no divisor of it."""
    from cellcutter.formats import source
    from cellcutter.store.reading.chunks import ChunkReader

    slide = slides.simple(tmp_path, number=90)
    options = {"masks": True, "window_size": 11, "cells_per_chunk": 10}
    cellcutter.cut_cells(*slide.paths, tmp_path / "a.zarr", **options)
    read, original = [], ChunkReader._frame

    def frame(self, number):
        read.append((self._array.name, number))
        return original(self, number)

    monkeypatch.setattr(ChunkReader, "_frame", frame)
    monkeypatch.setattr(source, "_BATCH", 4 * 3 * 11 * 11)
    cellcutter.export(tmp_path / "a.zarr", tmp_path / "out", to="npy", p=3)
    assert len(read) == len(set(read)) == 2 * -(-len(slide.table) // 10)


def test_npy_tables(tmp_path):
    slide = cut(tmp_path)
    cellcutter.export(tmp_path / "a.zarr", tmp_path / "out", to="npy", channels=["cd8", 1])
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    table = pd.read_csv(slide.table_path)
    assert cells.columns[:3].tolist() == ["CellID", "X_start", "X_stop"]
    for name in ("CellID", "area", "phenotype", "name", "flag", "Y_centroid"):
        pd.testing.assert_series_equal(cells[name], table[name])
    channels = pd.read_csv(tmp_path / "out" / "channels.csv")
    assert channels["channels"].tolist() == ["CD8", "DNA"]
    assert channels["number"].tolist() == [3, 1]
    with cellcutter.open(tmp_path / "a.zarr") as store:
        (statistics,) = store.statistics
        assert channels["mean"].tolist() == statistics["mean"][["CD8", "DNA"]].tolist()
        images = np.load(tmp_path / "out" / "images.npy")
        np.testing.assert_array_equal(images, store.read(slice(None), ["CD8", "DNA"]))


@pytest.mark.parametrize("to", FORMS)
def test_the_same_store_makes_the_same_bytes(tmp_path, to):
    cut(tmp_path)
    cellcutter.convert(tmp_path / "a.zarr", tmp_path / "way.zarr", layout="chunks")
    found = []
    for number, source in enumerate(["a.zarr", "a.zarr", "way.zarr"]):
        out = tmp_path / f"{number}"
        cellcutter.export(tmp_path / source, out, to=to, p=1 + number)
        found.append(contents(out))
    assert found[0] == found[1]
    if to in ("npy", "webdataset"):  # the others tell of their source
        assert found[0] == found[2]


@pytest.mark.parametrize("to", FORMS)
def test_a_store_of_0_2_12_has_rows_for_cell_ids(tmp_path, to):
    images = stores.pixels(20)
    old, out = stores.old_store(tmp_path / "old.zarr", images), tmp_path / FORMS[to]
    cellcutter.export(old, out, to=to)
    if to == "npy":
        assert pd.read_csv(out / "cells.csv")["row"].tolist() == list(range(20))
        np.testing.assert_array_equal(np.load(out / "images.npy"), images)
    elif to == "webdataset":
        with tarfile.open(out / "shard-000000.tar") as tar:
            assert tar.getnames()[-2:] == ["19.image.npy", "19.json"]
            assert json.loads(tar.extractfile("19.json").read()) == {"row": 19}
    elif to == "ome-tiff":
        np.testing.assert_array_equal(tifffile.imread(out), images)
    else:
        import h5py

        with h5py.File(out) as file:
            assert file["obs/scportrait_cell_id"][:].tolist() == list(range(20))
            found = file["obsm/single_cell_images"][:]
        assert found.shape == images.shape
        assert (found[4] == 0).all()  # an empty cell stays so
        assert found[3].max() == 1


def test_webdataset_tells_cells_of_one_number_apart(tmp_path):
    slide = slides.simple(tmp_path)
    table = pd.concat([slide.table[:5], slide.table[:2], slide.table[:1]])
    options = {"window_size": 9, "on_missing": "warn"}
    with pytest.warns(cellcutter.CellWarning):
        cellcutter.cut_cells(
            slide.image_path, slide.labels_path, table, tmp_path / "a.zarr", **options
        )
    cellcutter.export(tmp_path / "a.zarr", tmp_path / "out", to="webdataset")
    with tarfile.open(tmp_path / "out" / "shard-000000.tar") as tar:
        members = tar.getmembers()
    keys = [member.name.split(".")[0] for member in members[::2]]
    first, second, *rest = map(str, slide.table["CellID"][:5])
    assert keys == [first, second, *rest, f"{first}_2", f"{second}_2", f"{first}_3"]
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "")}


@pytest.mark.timeout(600)
def test_bio_formats_reads_ome_tiff(tmp_path):
    running.need("java")
    slide = cut(tmp_path)
    out, one = tmp_path / "out.ome.tif", tmp_path / "one.tif"
    cellcutter.export(tmp_path / "a.zarr", out, to="ome-tiff")
    java = ["java", "-cp", str(environments.bioformats())]

    def tool(name: str, *words: object) -> str:
        call = [*java, f"loci.formats.tools.{name}", "-no-upgrade", *map(str, words)]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout

    told = tool("ImageInfo", "-nopix", "-omexml", out)
    sizes = {name: re.search(rf"\t{name} = (\S+)", told)[1] for name in ("SizeT", "SizeC", "SizeZ")}
    assert sizes == {"SizeT": str(len(slide.table)), "SizeC": "4", "SizeZ": "1"}
    assert "Series count = 1" in told
    assert [f'Name="{n}"' in told for n in ("DNA", "CD3", "CD8", "mask")] == [True] * 4
    assert 'PhysicalSizeX="0.65" PhysicalSizeXUnit="µm"' in told
    pixels, masks = slides.expected(slide.image, slide.labels, slide.table, 11)
    for channel, expected in ((1, pixels[1, 5]), (3, masks[5])):
        tool("ImageConverter", "-overwrite", "-timepoint", 5, "-channel", channel, out, one)
        np.testing.assert_array_equal(tifffile.imread(one), expected)


def test_a_bigtiff_where_the_file_is_large(tmp_path, monkeypatch):
    from cellcutter.formats import ome_tiff

    cut(tmp_path)
    for number, limit in enumerate([1 << 32, 10_000]):
        monkeypatch.setattr(ome_tiff, "_LARGEST", limit)
        out = tmp_path / f"{number}.ome.tif"
        cellcutter.export(tmp_path / "a.zarr", out, to="ome-tiff")
        with tifffile.TiffFile(out) as tiff:
            assert tiff.is_bigtiff == (limit == 10_000)
            assert tiff.series[0].axes == "TCYX"


@pytest.mark.parametrize("to", FORMS)
def test_replacing(tmp_path, to):
    """Only what is of the same form, and only when the new one is whole."""
    cut(tmp_path)
    out = tmp_path / FORMS[to]
    before = contents(tmp_path / "a.zarr")
    # what looks like masks of a store does not belong to an export
    beside = out.with_name(f"{out.stem}_mask{out.suffix}")
    beside.write_text("mine")
    cellcutter.export(tmp_path / "a.zarr", out, to=to)
    first = contents(out)
    with pytest.raises(cellcutter.DestinationError, match=f"{out.name}: exists already"):
        cellcutter.export(tmp_path / "a.zarr", out, to=to, channels=[1])
    assert contents(out) == first
    cellcutter.export(tmp_path / "a.zarr", out, to=to, channels=[1], force=True)
    assert contents(out) != first
    for other in FORMS.keys() - {to}:
        with pytest.raises(cellcutter.DestinationError, match=r"something other than an? "):
            cellcutter.export(tmp_path / "a.zarr", out, to=other, force=True)
    with pytest.raises(cellcutter.DestinationError, match=r"something other than an? "):
        cellcutter.export(tmp_path / "a.zarr", beside, to=to, force=True)
    if out.is_dir():
        (out / "mine.txt").write_text("mine")
        with pytest.raises(cellcutter.DestinationError, match="folders of such files alone"):
            cellcutter.export(tmp_path / "a.zarr", out, to=to, force=True)
    assert beside.read_text() == "mine"
    assert contents(tmp_path / "a.zarr") == before
    assert not [p.name for p in tmp_path.iterdir() if "cellcutter-" in p.name]


def test_files_of_others_are_never_replaced(tmp_path):
    """Nor the slide that the store was cut from."""
    slide = cut(tmp_path)
    h5ad = tmp_path / "table.h5ad"
    with h5py.File(h5ad, "w") as file:
        file.create_group("uns")
    for to, path in (("ome-tiff", Path(slide.paths[0])), ("h5sc", h5ad)):
        before = path.read_bytes()
        with pytest.raises(cellcutter.DestinationError, match=f"other than an export to {to}"):
            cellcutter.export(tmp_path / "a.zarr", path, to=to, force=True)
        assert path.read_bytes() == before


@pytest.mark.parametrize("to", FORMS)
def test_nothing_is_left_of_a_store_that_is_damaged(tmp_path, capfd, to):
    cut(tmp_path)
    shard = tmp_path / "a.zarr/obsm/single_cell_images/c/2/0/0/0"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    out = tmp_path / FORMS[to]
    assert cli.main(["export", str(tmp_path / "a.zarr"), str(out), "--to", to]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "a.zarr/obsm/single_cell_images/c/2/0/0/0: " in error
    assert not out.exists()
    assert not [p.name for p in tmp_path.iterdir() if "cellcutter-" in p.name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.zarr", "out"], "--to: nothing found, one of h5sc, npy, webdataset, ome-tiff"),
        (["a.zarr", "out", "--to", "png"], "--to: 'png' found, one of h5sc, npy"),
        (["a.zarr", "out", "--to", "npy", "--channels", "CD9"], "channels: 'CD9' not found"),
        (["a.zarr", "out", "--to", "npy", "--channels", "7"], "channels: 7 not found"),
        (["a.zarr", "out", "--to", "npy", "--shard-size", "1"], "--to webdataset expected"),
        (["a.zarr", "a.zarr", "--to", "npy", "-f"], "a.zarr: is the input"),
        (["a.zarr", "a.zarr/out", "--to", "npy"], "out: lies in the input"),
        (["none.zarr", "out", "--to", "npy"], "none.zarr: no such file or folder"),
        (["none.zarr", "--to", "npy"], "the following arguments are required: DESTINATION"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capfd, monkeypatch, words, said):
    cut(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *words]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not (tmp_path / "out").exists()


def test_without_h5py(tmp_path, capfd, monkeypatch):
    cut(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    words = ["export", str(tmp_path / "a.zarr"), str(tmp_path / "out"), "--to", "h5sc"]
    assert cli.main(words) == 2
    assert "pip install 'cellcutter[h5sc]'" in capfd.readouterr().err


def test_exporting_loads_no_h5py_until_it_is_wanted():
    script = (
        "import sys, cellcutter; cellcutter.export, cellcutter.convert\n"
        "found = [m for m in sys.modules if m.startswith(('cellcutter.engine', 'cellcutter.read', "
        "'cellcutter.cells', 'h5py', 'torch'))]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("to", FORMS)
def test_memory_does_not_grow_with_the_store(tmp_path, to):
    noise = stores.pixels(64, 4, 64)
    source = stores.old_store(tmp_path / "a.zarr", np.tile(noise, (90, 1, 1, 1)), per_chunk=64)
    call = "cellcutter.export(*sys.argv[1:3], to=sys.argv[3], p=2, cache_size=64)"
    peak = measure.peak_of(call, source, tmp_path / "out", to)
    assert 90 * noise.nbytes >= 180 * MB
    assert peak - measure.peak_of("cellcutter.export") < (64 + 60) * MB


def test_progress(tmp_path):
    slide = cut(tmp_path)
    said = []
    cellcutter.export(
        tmp_path / "a.zarr", tmp_path / "out", to="npy", progress=lambda *w: said.append(w)
    )
    assert said[-1] == ("exporting", len(slide.table), len(slide.table))
