"""Zarr arrays of both formats by every codec, OME-Zarr's collections, and what is no image."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

import cellcutter
from cellcutter.errors import ImageError
from cellcutter.read import images_in, open_image
from tests import slides
from tests.read.test_images import check, ome_zarr, whole

RNG = np.random.default_rng(13)
DATA = slides.pixels(RNG, (3, 70, 90), "u2")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compressors": None},
        {"compressors": numcodecs.Zlib()},
        {"compressors": numcodecs.GZip()},
        {"compressors": numcodecs.Zstd()},
        {"compressors": numcodecs.Blosc("lz4hc", shuffle=2)},
        {"compressors": numcodecs.LZ4()},
        {"compressors": numcodecs.BZ2()},
        {"compressors": numcodecs.LZMA()},
        {"filters": [numcodecs.Delta("<u2")]},
        {"filters": [numcodecs.Shuffle(2)], "compressors": numcodecs.Zlib()},
        {"order": "F"},
        {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
)
def test_codecs_of_format_2(tmp_path, options):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=DATA, chunks=(2, 32, 40), zarr_format=2, **options)
    check(path, DATA)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compressors": None},
        {"compressors": GzipCodec()},
        {"compressors": ZstdCodec(checksum=True)},
        {"compressors": BloscCodec()},
        {"compressors": [ZstdCodec(), Crc32cCodec()]},
        {"filters": TransposeCodec(order=(2, 0, 1))},
        {"serializer": BytesCodec(endian="big")},
        {"shards": (2, 64, 80)},
        {"shards": (4, 96, 120), "compressors": [GzipCodec(), Crc32cCodec()]},
        {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        {"chunk_key_encoding": {"name": "default", "separator": "."}},
    ],
)
def test_codecs_of_format_3(tmp_path, options):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        path, shape=DATA.shape, dtype="u2", chunks=(2, 32, 40), fill_value=7, **options
    )
    array[:] = DATA
    check(path, DATA)


def test_index_at_the_start_of_a_shard(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        path,
        shape=DATA.shape,
        dtype="u2",
        chunks=(3, 64, 80),
        serializer=ShardingCodec(chunk_shape=(1, 32, 40), index_location="start"),
        compressors=None,
        fill_value=0,
    )
    array[:] = DATA
    check(path, DATA, block_shape=(32, 40))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", ">u2"])
@pytest.mark.parametrize("shape", [(70, 90), (2, 70, 90)])
def test_plain_arrays(tmp_path, zarr_format, dtype, shape):
    if dtype == "bool":
        data = RNG.random(shape) < 0.5
    else:
        data = slides.pixels(RNG, shape, dtype.lstrip(">")).astype(dtype)
    zarr.create_array(tmp_path / "a.zarr", data=data, chunks=shape, zarr_format=zarr_format)
    data = data.astype("u1" if dtype == "bool" else data.dtype.newbyteorder("="))
    check(tmp_path / "a.zarr", data.reshape(-1, 70, 90))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("fill", [0, 5, float("nan")])
def test_chunks_that_were_never_written(tmp_path, zarr_format, fill):
    shards = {} if zarr_format == 2 else {"shards": (64, 64)}
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=(128, 128),
        chunks=(32, 32),
        dtype="f4",
        fill_value=fill,
        zarr_format=zarr_format,
        **shards,
    )
    array[40:50, 40:50] = 3
    check(tmp_path / "a.zarr", array[:][None])


@pytest.mark.parametrize("shape", [(5,), (2, 2, 20, 20)])
def test_plain_arrays_of_other_dimensions(tmp_path, shape):
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros(shape))
    with pytest.raises(ImageError, match=r"\[y, x\] or \[c, y, x\] expected"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("inside", ["", "a.ome.zarr"])
@pytest.mark.parametrize("compression", ["stored", "deflated"])
def test_zip_file(tmp_path, version, inside, compression):
    import zipfile

    folder = ome_zarr(tmp_path / "a.zarr", DATA, "CYX", (2, 32, 40), version)
    path = tmp_path / "a.ome.zarr.zip"
    how = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}[compression]
    with zipfile.ZipFile(path, "w", how) as file:
        for member in folder.rglob("*"):
            file.write(member, Path(inside) / member.relative_to(folder))
    check(path, DATA, channel_names=("marker 0", "marker 1", "marker 2"))
    assert images_in(path)[0].channel_names == ("marker 0", "marker 1", "marker 2")


def labelled(path: Path, labels: object) -> Path:
    ome_zarr(path, DATA, "CYX", (1, 70, 90), "0.4")
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["omero"] = labels
    (path / ".zattrs").write_text(json.dumps(attributes))
    return path


@pytest.mark.parametrize(
    ("omero", "names"),
    [
        (None, None),
        ([], None),
        ({"channels": None}, None),
        ({"channels": [{"label": n} for n in (0, 1, 2)]}, ("0", "1", "2")),
        ({"channels": [{"label": n} for n in ("a", 1, 2.5)]}, ("a", "1", "2.5")),
        ({"channels": [{"label": "a"}, {}, {"label": "c"}]}, ("a", "", "c")),
        ({"channels": [{"label": ["a"]}, {"label": {}}, {"label": "c"}]}, None),
        ({"channels": ["a", "b", "c"]}, None),
    ],
)
def test_labels_of_omero(tmp_path, omero, names):
    check(labelled(tmp_path / "a.zarr", omero), DATA, channel_names=names)


def test_labels_that_are_numbers_can_be_asked_for(tmp_path):
    path = labelled(tmp_path / "a.zarr", {"channels": [{"label": n} for n in (7, 8, 9)]})
    with pytest.raises(cellcutter.errors.InputError, match="7, 8, 9"):
        cellcutter.cut_tiles(path, 90, tmp_path / "out.zarr", channels=["DAPI"])
    cellcutter.cut_tiles(path, 90, tmp_path / "out.zarr")
    channels = slides.open_store(tmp_path / "out.zarr").attrs["cellcutter"]["channels"]
    assert [channel["name"] for channel in channels] == ["7", "8", "9"]


def collection(path: Path, shapes) -> Path:
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for i, shape in enumerate(shapes):
        ome_zarr(path / str(i), np.full(shape, i, "u1"), "CYX", (1, *shape[1:]), "0.4")
    return path


def test_images_of_a_collection(tmp_path):
    path = collection(tmp_path / "a.zarr", [(2, 30, 40), (2, 50, 60), (2, 50, 60)])
    assert [info.shape for info in images_in(path)] == [(2, 30, 40), (2, 50, 60), (2, 50, 60)]
    with pytest.raises(ImageError, match="2 images of one size found"):
        open_image(path)
    with open_image(path, shape=(30, 40)) as image:
        assert (whole(image) == 0).all()
    with open_image(path, index=3) as image:
        assert (whole(image) == 2).all()


def test_stores_of_several_images_name_them(tmp_path):
    store = tmp_path / "s.zarr"
    root = zarr.open_group(store, mode="w", zarr_format=2)
    root.attrs["spatialdata_attrs"] = {"version": "0.1"}
    zarr.open_group(store / "images", mode="w", zarr_format=2)
    for name in ("raw", "he"):
        ome_zarr(store / "images" / name, DATA, "CYX", (1, 70, 90), "0.4")
    for path in (store, store / "images"):
        with pytest.raises(
            ImageError, match=r"one image expected; give one of: .*images/he, .*raw"
        ):
            open_image(path)
    check(store / "images" / "raw", DATA)
    check(store / "images" / "raw" / "0", DATA)


def test_plate_names_its_fields(tmp_path):
    path = tmp_path / "plate.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "../x"}, {"path": 3}]}
    zarr.open_group(path / "A" / "1", mode="w", zarr_format=2).attrs["well"] = {"images": []}
    for field in range(2):
        ome_zarr(path / "A" / "1" / str(field), DATA, "CYX", (1, 70, 90), "0.4")
    with pytest.raises(ImageError, match=r"an OME-Zarr plate found, .*A/1/0, .*A/1/1$"):
        open_image(path)
    with pytest.raises(ImageError, match=r"a well of an OME-Zarr plate .*1/0, .*1/1$"):
        open_image(path / "A" / "1")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"multiscales": [{}]}, "without what they need"),
        ({"multiscales": 7}, "without what they need"),
        ({"multiscales": [{"datasets": [{"path": "../a"}]}]}, r"a dataset in \.\./a"),
        ({"multiscales": [{"datasets": [{"path": "no"}]}]}, "no is no array"),
        ({"multiscales": [{"datasets": [{"path": "0"}], "axes": ["y", "x"]}]}, "axes YX found"),
    ],
)
def test_metadata_that_cannot_be_used(tmp_path, change, found):
    path = ome_zarr(tmp_path / "a.zarr", DATA, "CYX", (1, 70, 90), "0.4")
    (path / ".zattrs").write_text(json.dumps(change))
    with pytest.raises(ImageError, match=f"a.zarr: .*{found}"):
        open_image(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 100_000, '{"a":' * 100_000, "\udcff", '{"multiscales": NaN}']
)
@pytest.mark.parametrize("name", [".zattrs", "0/.zarray"])
def test_metadata_that_are_no_json(tmp_path, text, name):
    path = ome_zarr(tmp_path / "a.zarr", DATA, "CYX", (1, 70, 90), "0.4")
    (path / name).write_text(text, errors="surrogateescape")
    with pytest.raises(ImageError, match=r"a\.zarr: "):
        open_image(path)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"},
        {"dtype": [["a", "<u2"]]},
        {"dtype": "nothing"},
        {"chunks": [0, 1, 1]},
        {"chunks": [1, 1]},
        {"shape": [3, 70, -1]},
        {"shape": "abc"},
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "nothing"}]},
        {"chunks": None},
    ],
)
def test_arrays_that_cannot_be_read(tmp_path, change):
    path = ome_zarr(tmp_path / "a.zarr", DATA, "CYX", (1, 70, 90), "0.4")
    array = json.loads((path / "0" / ".zarray").read_text())
    (path / "0" / ".zarray").write_text(json.dumps(array | change))
    with pytest.raises(ImageError, match=r"a\.zarr: "), open_image(path) as image:
        whole(image)


def test_damaged_shards(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=DATA, chunks=(1, 35, 45), shards=(3, 70, 90))
    shard = path / "c" / "0" / "0" / "0"
    content = shard.read_bytes()
    for damaged in (b"", content[:100], content[:-50], content[:-3] + b"abc"):
        shard.write_bytes(damaged)
        with (
            open_image(path) as image,
            pytest.raises(ImageError, match=r"a\.zarr: channel 1, block"),
        ):
            whole(image)


def test_zip_file_that_is_cut(tmp_path):
    folder = ome_zarr(tmp_path / "a.zarr", DATA, "CYX", (1, 70, 90), "0.4")
    shutil.make_archive(str(tmp_path / "a.zarr"), "zip", folder)
    content = (tmp_path / "a.zarr.zip").read_bytes()
    for size in range(4, len(content), len(content) // 20):
        (tmp_path / "b.zarr.zip").write_bytes(content[:size])
        with pytest.raises(ImageError, match=r"b\.zarr\.zip: "):
            open_image(tmp_path / "b.zarr.zip")
