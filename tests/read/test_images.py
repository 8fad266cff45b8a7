"""Images in every form that tifffile writes, and OME-Zarr: block by block equal to the array."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import tifffile
import zarr

import cellcutter
from cellcutter.errors import ImageError
from cellcutter.read import Image, open_image
from tests import slides

RNG = np.random.default_rng(7)


def whole(image: Image) -> np.ndarray:
    """Put an image together from its blocks, each read once."""
    found = np.empty(image.shape, image.dtype)
    height, width = image.block_shape
    for plane, channels in enumerate(image.planes):
        for row in range(-(-image.shape[1] // height)):
            for col in range(-(-image.shape[2] // width)):
                part = np.s_[
                    list(channels),
                    row * height : (row + 1) * height,
                    col * width : (col + 1) * width,
                ]
                block = np.empty_like(found[part])
                image.read_block(plane, row, col, block)
                found[part] = block
    return found


def check(path: Path, expected: np.ndarray, **attributes) -> Image:
    with open_image(path) as image:
        assert image.shape == expected.shape
        assert image.dtype == expected.dtype.newbyteorder("=")
        assert sorted(c for plane in image.planes for c in plane) == list(range(len(expected)))
        np.testing.assert_array_equal(slides.bits(whole(image)), slides.bits(expected))
        for name, value in attributes.items():
            assert getattr(image, name) == value
    return image


@pytest.mark.parametrize("layout", [{"tile": (32, 48)}, {"rowsperstrip": 7}, {}])
@pytest.mark.parametrize(
    "compression",
    [
        None,
        "zlib",
        "lzw",
        "packbits",
        "zstd",
        "lzma",
        "deflate",
        "png",
        "jpeg2000",
        "jpegxl",
        "lerc",
        "webp",
    ],
)
def test_every_lossless_compression(tmp_path, compression, layout):
    data = slides.pixels(RNG, (3, 100, 130), "uint8" if compression == "webp" else "uint16")
    options = {"photometric": "minisblack"}
    if compression == "webp":
        data, options = (
            np.moveaxis(data, 0, -1),
            {"photometric": "rgb", "compressionargs": {"lossless": True, "level": 100}},
        )
    elif compression == "jpeg2000":
        options["compressionargs"] = {"reversible": True, "level": 0}
    elif compression == "jpegxl":
        options["compressionargs"] = {"lossless": True}
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression, **options, **layout)
    check(tmp_path / "a.tif", np.moveaxis(data, -1, 0) if compression == "webp" else data)


@pytest.mark.parametrize("compression", ["jpeg", "webp", "jpegxl", "jpeg2000"])
def test_lossy_compressions_of_rgb_are_as_tifffile_decodes_them(tmp_path, compression):
    data = slides.pixels(RNG, (90, 110, 3), "uint8")
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric="rgb", compression=compression, tile=(32, 32)
    )
    check(tmp_path / "a.tif", np.moveaxis(tifffile.imread(tmp_path / "a.tif"), -1, 0))


@pytest.mark.parametrize(
    "dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "options",
    [{}, {"tile": (16, 16), "compression": "zlib"}, {"rowsperstrip": 5, "compression": "lzw"}],
)
def test_every_dtype_and_byte_order(tmp_path, dtype, byteorder, options):
    data = slides.pixels(RNG, (2, 50, 70), dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", data, byteorder=byteorder, photometric="minisblack", **options
    )
    check(tmp_path / "a.tif", data)


@pytest.mark.parametrize("predictor", ["horizontal", "floatingpoint"])
def test_predictors(tmp_path, predictor):
    data = slides.pixels(RNG, (2, 50, 70), "f4" if predictor == "floatingpoint" else "u2")
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        photometric="minisblack",
        compression="zstd",
        predictor={"horizontal": 2, "floatingpoint": 3}[predictor],
        tile=(16, 32),
    )
    check(tmp_path / "a.tif", data)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (50, 60)),
        ("CYX", (3, 50, 60)),
        ("TCYX", (1, 3, 50, 60)),
        ("ZCYX", (1, 3, 50, 60)),
        ("TZCYX", (1, 1, 3, 50, 60)),
        ("CYXS", (2, 50, 60, 3)),
        ("YXS", (50, 60, 3)),
        ("TCZYX", (1, 3, 1, 50, 60)),
    ],
)
def test_axes_of_ome_tiff(tmp_path, axes, shape):
    data = slides.pixels(RNG, shape, "u1")
    photometric = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": axes}, photometric=photometric)
    if "S" in axes:
        data = np.moveaxis(data, -1, -3)
    check(tmp_path / "a.ome.tif", data.reshape(-1, 50, 60))


def test_rgb_in_planes(tmp_path):
    data = slides.pixels(RNG, (3, 50, 60), "u1")
    for name, options in {"a": {}, "b": {"tile": (16, 16), "compression": "zlib"}}.items():
        tifffile.imwrite(
            tmp_path / f"{name}.tif", data, photometric="rgb", planarconfig="separate", **options
        )
        image = check(tmp_path / f"{name}.tif", data)
        assert len(image.planes) == 3


def test_stack_without_channels_is_taken_as_channels_with_a_note(tmp_path):
    data = slides.pixels(RNG, (4, 50, 60), "u2")
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": "ZYX"})
    image = check(tmp_path / "a.ome.tif", data)
    assert image.notes == ("axis Z of length 4 is taken as the channels",)


@pytest.mark.parametrize("axes", ["TCYX", "CTYX"])
def test_times_of_several_channels_are_channels_with_a_note(tmp_path, axes):
    """CODEX has its cycles so."""
    data = slides.pixels(RNG, (2, 3, 20, 24), "u2")
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": axes})
    image = check(tmp_path / "a.ome.tif", data.reshape(6, 20, 24))
    assert image.notes == (f"{axes[0]} 2 x {axes[1]} 3 are taken as 6 channels, in this order",)


@pytest.mark.parametrize("axes", ["ZCYX", "TZYX"])
def test_several_planes_or_times_are_refused(tmp_path, axes):
    tifffile.imwrite(
        tmp_path / "a.ome.tif", np.zeros((2, 3, 20, 20), "u2"), metadata={"axes": axes}
    )
    with pytest.raises(ImageError, match="one time point and one focal plane expected"):
        open_image(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("subifds", [True, False])
def test_full_resolution_of_a_pyramid(tmp_path, subifds):
    data = slides.pixels(RNG, (3, 128, 160), "u2")
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=subifds) as tiff:
        if not subifds:  # the smallest comes first
            tiff.write(data[:, ::4, ::4], photometric="minisblack")
        tiff.write(data, subifds=1 if subifds else 0, tile=(32, 32), photometric="minisblack")
        tiff.write(data[:, ::2, ::2], subfiletype=1, tile=(32, 32), photometric="minisblack")
    image = check(tmp_path / "a.tif", data)
    assert subifds or "largest" in image.notes[0]


def test_ome_tiff_of_several_files(tmp_path):
    """Two files that name each other in their OME-XML, as OME's multi-file form wants it."""
    data = slides.pixels(RNG, (2, 40, 50), "u2")
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/'
        'OME/2016-06" UUID="urn:uuid:00000000-0000-0000-0000-00000000000{own}"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="50" SizeY="40" SizeC="2"'
        ' SizeZ="1" SizeT="1"><Channel ID="Channel:0:0" Name="DNA" SamplesPerPixel="1"/>'
        '<Channel ID="Channel:0:1" Name="CD3" SamplesPerPixel="1"/>'
        '<TiffData FirstC="0" IFD="0" PlaneCount="1"><UUID FileName="c0.ome.tif">'
        "urn:uuid:00000000-0000-0000-0000-000000000000</UUID></TiffData>"
        '<TiffData FirstC="1" IFD="0" PlaneCount="1"><UUID FileName="c1.ome.tif">'
        "urn:uuid:00000000-0000-0000-0000-000000000001</UUID></TiffData></Pixels></Image></OME>"
    )
    for i in range(2):
        tifffile.imwrite(
            tmp_path / f"c{i}.ome.tif",
            data[i],
            description=xml.format(own=i),
            metadata=None,
            photometric="minisblack",
            tile=(16, 16),
        )
    check(tmp_path / "c0.ome.tif", data, channel_names=("DNA", "CD3"))
    (tmp_path / "c1.ome.tif").unlink()
    missing = r"c0\.ome\.tif: 1 of 2 channels are missing; channel 2 is expected in .*c1\.ome\.tif"
    with open_image(tmp_path / "c0.ome.tif") as image:
        image.check_channels([0])
        assert image.files == (tmp_path / "c0.ome.tif",)
        assert image.channel_names == ("DNA", "CD3")
        with pytest.raises(ImageError, match=missing):
            image.check_channels([0, 1])


def test_imagej_hyperstack(tmp_path):
    data = slides.pixels(RNG, (3, 50, 60), "u2")
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(2.0, 4.0),
        metadata={"axes": "CYX", "unit": "um", "Labels": ["DNA", "CD3", "CD8"]},
    )
    image = check(tmp_path / "a.tif", data, channel_names=("DNA", "CD3", "CD8"))
    assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.unit) == (0.25, 0.5, "µm")


def test_imagej_stack_described_by_its_first_page_alone(tmp_path):
    """The form that ImageJ gives stacks above 4 GB: one page, the others follow it."""
    data = slides.pixels(RNG, (5, 50, 60), "u2")
    description = "ImageJ=1.53\nimages=5\nchannels=5\nhyperstack=true\n"
    tifffile.imwrite(
        tmp_path / "a.tif", data[0], description=description, metadata=None, byteorder=">"
    )
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(data[1:].astype(">u2").tobytes())
    check(tmp_path / "a.tif", data)
    with (tmp_path / "a.tif").open("r+b") as file:
        file.truncate((tmp_path / "a.tif").stat().st_size - 10)
    with pytest.raises(ImageError):
        open_image(tmp_path / "a.tif")


def test_qptiff_names_its_biomarkers(tmp_path):
    data = slides.pixels(RNG, (2, 64, 64), "u1")
    with tifffile.TiffWriter(tmp_path / "a.qptiff") as tiff:
        for name, plane in zip(("DAPI", "CD3"), data, strict=True):
            root = "PerkinElmer-QPI-ImageDescription"
            xml = f"<{root}><Biomarker>{name}</Biomarker></{root}>"
            tiff.write(
                plane,
                description=xml,
                tile=(32, 32),
                metadata=None,
                software="PerkinElmer-QPI",
                photometric="minisblack",
            )
    check(tmp_path / "a.qptiff", data, channel_names=("DAPI", "CD3"))


def test_pages_that_are_stored_in_different_ways(tmp_path):
    """tifffile takes the pages of an OME-TIFF to be stored like the first."""
    data = slides.pixels(RNG, (3, 64, 64), "u2")
    path = tmp_path / "a.ome.tif"
    xml = tifffile.OmeXml()
    xml.addimage("uint16", (3, 64, 64), (3, 1, 1, 64, 64, 1), axes="CYX")
    ways = [
        {"compression": "zlib", "predictor": True},
        {"compression": "zlib"},
        {"compression": "lzw"},
    ]
    with tifffile.TiffWriter(path, ome=False) as tiff:
        for i, (plane, options) in enumerate(zip(data, ways, strict=True)):
            tiff.write(
                plane,
                description=xml.tostring() if not i else None,
                metadata=None,
                photometric="minisblack",
                tile=(32, 32),
                **options,
            )
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == "CYX"
    check(path, data)


@pytest.mark.parametrize("axes", ["YZX", "YXZ", "XYC"])
def test_axes_in_an_order_that_planes_do_not_have(tmp_path, axes):
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((20, 3, 24), "u2"),
        metadata={"axes": axes},
        photometric="minisblack",
    )
    with pytest.raises(ImageError, match="Y and X as the rows and columns of a plane expected"):
        open_image(tmp_path / "a.tif")


def test_one_bit_labels_are_bytes(tmp_path):
    data = RNG.random((40, 50)) < 0.3
    tifffile.imwrite(tmp_path / "a.tif", data)
    check(tmp_path / "a.tif", data[None].astype("u1"))


def test_tiles_that_were_never_written_are_zero(tmp_path):
    data = np.zeros((2, 64, 96), "u2")
    data[1, 32:, 64:] = 7
    data[0, :32, :32] = 5
    tiles = (
        data[c, y : y + 32, x : x + 32] if data[c, y : y + 32, x : x + 32].any() else None
        for c in range(2)
        for y in (0, 32)
        for x in (0, 32, 64)
    )
    tifffile.imwrite(
        tmp_path / "a.tif",
        tiles,
        shape=data.shape,
        dtype="u2",
        tile=(32, 32),
        compression="zlib",
        photometric="minisblack",
    )
    check(tmp_path / "a.tif", data)


def test_metadata_of_ome_xml(tmp_path):
    data = np.zeros((2, 20, 20), "u2")
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        data,
        photometric="minisblack",
        metadata={
            "axes": "CYX",
            "Channel": {"Name": ["DNA 1", "CD45"]},
            "PhysicalSizeX": 0.65,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.7,
            "PhysicalSizeYUnit": "µm",
        },
    )
    image = check(tmp_path / "a.ome.tif", data, channel_names=("DNA 1", "CD45"))
    assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.unit) == (0.7, 0.65, "µm")


def test_large_undivided_planes_are_read_by_rows(tmp_path):
    data = slides.pixels(RNG, (2, 1000, 90), "u2")
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", rowsperstrip=1000)
    image = check(tmp_path / "a.tif", data, block_shape=(64, 90))
    assert image.block_nbytes == 64 * 90 * 2


def test_damaged_block_is_named(tmp_path):
    data = slides.pixels(RNG, (2, 64, 64), "u2")
    path = tmp_path / "a.tif"
    for compression in ("zlib", "lzw", "zstd"):
        tifffile.imwrite(
            path, data, photometric="minisblack", tile=(32, 32), compression=compression
        )
        with tifffile.TiffFile(path) as tiff:
            offset, count = (
                t[3] for t in (tiff.pages[1].dataoffsets, tiff.pages[1].databytecounts)
            )
        with path.open("r+b") as file:
            file.seek(offset + 2)
            file.write(b"\xff" * (count - 2))
        with open_image(path) as image:
            with pytest.raises(
                ImageError, match=r"a\.tif: channel 2, block at row 32, column 32: "
            ):
                image.read_block(1, 1, 1, np.empty((1, 32, 32), "u2"))
            image.read_block(1, 1, 0, np.empty((1, 32, 32), "u2"))


@pytest.mark.parametrize("options", [{}, {"tile": (32, 32), "compression": "zlib"}])
@pytest.mark.parametrize("left", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("ome", [True, False])
def test_truncated_file_is_refused(tmp_path, options, left, ome):
    path = tmp_path / "a.tif"
    data = slides.pixels(RNG, (3, 64, 64), "u2")
    metadata = {"axes": "CYX"} if ome else None
    tifffile.imwrite(path, data, photometric="minisblack", ome=ome, metadata=metadata, **options)
    size = path.stat().st_size
    if ome and left > 0.9:  # OME-XML ends the file: cut into what comes before it
        with tifffile.TiffFile(path) as tiff:
            size = max(p.dataoffsets[-1] + p.databytecounts[-1] for p in tiff.pages)
    with path.open("r+b") as file:
        file.truncate(int(size * left))
    with pytest.raises(ImageError, match=r"a\.tif: "):
        open_image(path)


@pytest.mark.parametrize(
    "options",
    [
        {"ome": True},
        {"ome": True, "compression": "deflate", "tile": (32, 32)},
        {"ome": False, "compression": "lzw"},
        {"imagej": True},
        {"metadata": None},
        {"metadata": None, "compression": "zstd", "rowsperstrip": 8},
    ],
)
def test_cut_anywhere_it_is_refused_or_whole(tmp_path, options):
    data = slides.pixels(RNG, (3, 70, 60), "u2")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    content = path.read_bytes()
    refused = 0
    with tifffile.TiffFile(path) as tiff:
        pages = [page.offset for page in tiff.pages]
    near = {offset + i for offset in pages for i in range(-1, 16)}
    for size in sorted({*range(0, len(content), 211), *near}):
        path.write_bytes(content[:size])
        try:
            with open_image(path) as image:
                found = whole(image)
        except ImageError:
            refused += 1
            continue
        np.testing.assert_array_equal(found, data)
    assert refused > len(content) // 211 // 2


@pytest.mark.parametrize("compression", ["deflate", "zstd", "lzw", "lzma", "packbits", "png"])
def test_block_whose_second_half_is_lost(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        RNG.poisson(50, (2, 64, 64)).astype("u2"),
        compression=compression,
        tile=(32, 32),
        photometric="minisblack",
    )
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[1].dataoffsets[3], tiff.pages[1].databytecounts[3]
    content = bytearray(path.read_bytes())
    content[offset + count // 2 : offset + count] = bytes(count - count // 2)
    path.write_bytes(content)
    with open_image(path) as image, pytest.raises(ImageError, match="channel 2, block at row 32"):
        image.read_block(1, 1, 1, np.empty((1, 32, 32), "u2"))


def test_threads_read_at_the_same_time(tmp_path):
    slide = slides.simple(tmp_path, shape=(4, 300, 300))
    found = []
    with open_image(slide.image_path) as image:
        threads = [threading.Thread(target=lambda: found.append(whole(image))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 4
    assert all(np.array_equal(each, slide.image) for each in found)


def test_real_images(real):
    for path in sorted((real / "imc" / "registration").iterdir()):
        image = check(path, tifffile.imread(path))
        assert len(image.channel_names) == 5


def ome_zarr(folder: Path, data: np.ndarray, axes: str, chunks, version: str, **options) -> Path:
    """Write an OME-Zarr image as its two versions want it."""
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    group.create_array("0", data=data, chunks=chunks, **options)
    kinds = {"C": "channel", "T": "time", "Z": "space", "Y": "space", "X": "space"}
    axes_metadata = [
        {"name": a.lower(), "type": kinds[a]} | ({"unit": "micrometer"} if a in "XY" else {})
        for a in axes
    ]
    scale = [0.65 if a in "YX" else 1.0 for a in axes]
    multiscales = [
        {
            "version": version,
            "axes": axes_metadata,
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
            ],
        }
    ]
    count = data.shape[axes.index("C")] if "C" in axes else 1
    omero = {"channels": [{"label": f"marker {i}"} for i in range(count)]}
    metadata = {"multiscales": multiscales, "omero": omero}
    group.attrs.update(metadata if version == "0.4" else {"ome": {"version": version, **metadata}})
    return folder


@pytest.mark.parametrize("size", [0.0, -1.0, float("inf"), float("nan")])
def test_a_pixel_size_that_is_none(tmp_path, size):
    data = slides.pixels(RNG, (2, 20, 30), "u1")
    told = {"axes": "CYX", "PhysicalSizeX": size, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, photometric="minisblack", metadata=told)
    with open_image(tmp_path / "a.ome.tif") as image:
        assert image.pixel_size is None
    path = ome_zarr(tmp_path / "a.zarr", data, "CYX", (1, 20, 30), "0.4")
    text = (path / ".zattrs").read_text()
    (path / ".zattrs").write_text(text.replace("0.65", json.dumps(size)))
    with open_image(path) as image:
        assert image.pixel_size is None


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("axes", "shape", "chunks"),
    [
        ("YX", (70, 90), (32, 40)),
        ("CYX", (3, 70, 90), (1, 32, 40)),
        ("CYX", (5, 70, 90), (2, 32, 40)),
        ("TCZYX", (1, 3, 1, 70, 90), (1, 1, 1, 70, 90)),
        ("TCZYX", (1, 3, 1, 70, 90), (1, 3, 1, 16, 16)),
        ("ZCYX", (1, 2, 70, 90), (1, 2, 100, 100)),
    ],
)
def test_ome_zarr(tmp_path, version, axes, shape, chunks):
    data = slides.pixels(RNG, shape, "u2")
    chunks = tuple(map(min, chunks, shape))
    path = ome_zarr(tmp_path / "a.zarr", data, axes, chunks, version)
    image = check(path, data.reshape(-1, 70, 90))
    assert image.channel_names[0] == "marker 0"
    assert (image.pixel_size.y, image.pixel_size.unit) == (0.65, "µm")


def test_sharded_ome_zarr_is_read_by_inner_chunks(tmp_path):
    data = slides.pixels(RNG, (2, 128, 128), "u2")
    path = ome_zarr(tmp_path / "a.zarr", data, "CYX", (1, 32, 32), "0.5", shards=(1, 64, 64))
    check(path, data, block_shape=(32, 32))


def test_collection_of_bioformats2raw(tmp_path):
    data = slides.pixels(RNG, (2, 70, 90), "u2")
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    ome_zarr(tmp_path / "a.zarr" / "0", data, "CYX", (1, 32, 32), "0.4")
    check(tmp_path / "a.zarr", data)


def test_damaged_chunk_of_ome_zarr_is_named(tmp_path):
    data = slides.pixels(RNG, (2, 64, 64), "u2")
    path = ome_zarr(tmp_path / "a.zarr", data, "CYX", (1, 32, 32), "0.4")
    (path / "0" / "1.1.0").write_bytes(b"damaged")
    with (
        open_image(path) as image,
        pytest.raises(ImageError, match=r"a\.zarr: channel 2, block at row 32, column 0: "),
    ):
        image.read_block(1, 1, 0, np.empty((1, 32, 32), "u2"))


@pytest.mark.parametrize("left", [0, 10, 20, 0.5, 0.99])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunk_cut_short(tmp_path, left, version):
    data = slides.pixels(RNG, (1, 64, 64), "u2")
    codec = {"compressors": numcodecs.Blosc() if version == "0.4" else zarr.codecs.BloscCodec()}
    path = ome_zarr(tmp_path / "a.zarr", data, "CYX", (1, 64, 64), version, **codec)
    chunk = path / "0" / ("0.0.0" if version == "0.4" else "c/0/0/0")
    size = chunk.stat().st_size
    os.truncate(chunk, left if isinstance(left, int) else int(size * left))
    with open_image(path) as image, pytest.raises(ImageError, match=r"a\.zarr: channel 1, block"):
        image.read_block(0, 0, 0, np.empty((1, 64, 64), "u2"))


def test_folder_that_is_no_ome_zarr(tmp_path):
    with pytest.raises(ImageError, match="a TIFF or OME-Zarr image expected"):
        open_image(tmp_path)
    zarr.open_group(tmp_path / "b.zarr", mode="w")
    with pytest.raises(ImageError, match="without multiscales found"):
        open_image(tmp_path / "b.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_as_image_and_labels(tmp_path, version):
    slide = slides.simple(tmp_path)
    image = ome_zarr(tmp_path / "image.zarr", slide.image, "CYX", (2, 40, 50), version)
    labels = ome_zarr(image / "labels" / "cell", slide.labels.astype("i4"), "YX", (64, 64), version)
    cellcutter.cut_cells(image, labels, slide.table_path, tmp_path / "out.zarr", mask_cells=True)
    store = zarr.open(tmp_path / "out.zarr", mode="r")
    expected, _ = slides.expected(
        slide.image, slide.labels, slide.table, store.shape[-1], mask=True
    )
    np.testing.assert_array_equal(store[:], expected)
    assert store.attrs["cellcutter"]["channels"][2] == {"number": 3, "name": "marker 2"}
