"""Which pixels of a TIFF are taken, whatever its metadata say: pages, sets, several images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

import cellcutter
from cellcutter.errors import ImageError
from cellcutter.read import images_in, open_image
from tests import slides
from tests.read.test_images import check, whole

RNG = np.random.default_rng(11)
DATA = slides.pixels(RNG, (5, 60, 70), "u2")
UUID = "urn:uuid:00000000-0000-0000-0000-00000000000{}"


def loop(path: Path, pages, **options) -> Path:
    """Write page by page: tifffile calls each an image of its own."""
    with tifffile.TiffWriter(path) as out:
        for i, page in enumerate(pages):
            each = {
                key: value[i] if isinstance(value, list) else value
                for key, value in options.items()
            }
            out.write(page, **{"photometric": "minisblack", **each})
    return path


def ome_xml(owners, root: str = "", channels: int | None = None, size=(70, 60), extra="") -> str:
    """An OME-XML whose planes lie at (page, UUID element) each."""
    data = "".join(
        f'<TiffData FirstC="{c}" IFD="{ifd}" PlaneCount="1">{uuid}</TiffData>'
        for c, (ifd, uuid) in enumerate(owners)
    )
    channels = len(owners) if channels is None else channels
    names = "".join(f'<Channel ID="Channel:0:{c}" Name="m{c}"/>' for c in range(min(channels, 20)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/'
        f'OME/2016-06"{root}><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="{size[0]}" SizeY="{size[1]}" SizeC="{channels}" SizeZ="1" '
        f'SizeT="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5">{names}{data}{extra}</Pixels></Image>'
        "</OME>"
    )


def uuid_of(number: int, file: str | None) -> str:
    attribute = f' FileName="{file}"' if file else ""
    return f"<UUID{attribute}>{UUID.format(number)}</UUID>"


def write_ome(path: Path, pages, xml: str) -> Path:
    with tifffile.TiffWriter(path, ome=False) as out:
        for i, page in enumerate(pages):
            out.write(
                page,
                metadata=None,
                description=None if i else xml.encode(),
                photometric="minisblack",
                contiguous=False,
            )
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tile": (32, 32), "compression": "zlib"},
        {"compression": [None, "zlib", "lzw", None, "zstd"]},
        {"tile": [None, (16, 16), (32, 16), (16, 16), None]},
        {"rowsperstrip": [7, 5, 60, 7, 10], "compression": ["zlib", None, "zlib", "lzw", None]},
        {"tile": [(16, 48), (32, 16), (48, 64), (16, 16), (32, 32)], "compression": "zlib"},
    ],
)
def test_pages_written_one_by_one_are_channels(tmp_path, name, options):
    image = check(loop(tmp_path / name, DATA, **options), DATA)
    assert "are taken as channels in the order of the file" in image.notes[0]


def test_appended_pages_are_channels(tmp_path):
    for i, page in enumerate(DATA):
        tifffile.imwrite(tmp_path / "a.tif", page, append=i > 0, photometric="minisblack")
    check(tmp_path / "a.tif", DATA)


def test_plain_pages_stored_in_several_ways_are_channels(tmp_path):
    path = loop(tmp_path / "a.tif", DATA, metadata=None, compression=[None, "zlib", "zlib", 1, 1])
    check(path, DATA)


def test_page_names_name_the_channels(tmp_path):
    tags = [[(285, "s", 0, f"CD{i}", True)] for i in range(5)]
    check(
        loop(tmp_path / "a.tif", DATA, metadata=None, extratags=tags),
        DATA,
        channel_names=tuple(f"CD{i}" for i in range(5)),
    )


def test_pages_of_another_type_are_refused_or_chosen(tmp_path):
    path = loop(tmp_path / "a.tif", [*DATA[:3], DATA[3].astype("u4")])
    with pytest.raises(ImageError, match=r"2 images of one size found.*1: 3 x 60 x 70 uint16; 2: "):
        open_image(path)
    with open_image(path, index=2) as image:
        np.testing.assert_array_equal(whole(image)[0], DATA[3])


def mibi(path: Path, shape=(100, 120)) -> Path:
    def described(kind: str, **more: str) -> str:
        return json.dumps({"mibi.run": "r", "image.type": kind, "shape": [60, 70], **more})

    with tifffile.TiffWriter(path) as out:
        for i, page in enumerate(DATA):
            out.write(
                page.astype("f4"),
                metadata=None,
                contiguous=False,
                compression="zlib",
                photometric="minisblack",
                description=described("SIMS", **{"channel.target": f"CD{i}"}),
            )
        out.write(
            np.zeros((*shape, 3), "u1"),
            photometric="rgb",
            metadata=None,
            description=described("Optical"),
        )
        out.write(DATA[0], metadata=None, description=described("Label"), photometric="minisblack")
    return path


@pytest.mark.parametrize("shape", [(100, 120), (60, 70)])
def test_mibi(tmp_path, shape):
    """Masses, and beside them an optical picture and labels that their metadata tell apart."""
    path = mibi(tmp_path / "a.tiff", shape)
    names = tuple(f"CD{i}" for i in range(5))
    image = check(path, DATA.astype("f4"), channel_names=names)
    assert image.notes[0].startswith("image 1 of 3 in the file is taken, the largest, beside those")
    assert [(i.index, i.shape, i.name) for i in images_in(path)][1:] == [
        (2, (*shape, 3), None),
        (3, (60, 70), None),
    ]
    with open_image(path, index=3) as image:
        np.testing.assert_array_equal(whole(image), DATA[:1])


def test_image_of_the_size_of_the_mask_is_taken(tmp_path):
    path = tmp_path / "scenes.ome.tif"
    with tifffile.TiffWriter(path) as out:
        for number, size in enumerate(((60, 70), (90, 80), (40, 30)), 1):
            pixels = np.full((5, *size), number, "u2")
            metadata = {"axes": "CYX", "Name": f"scene {number}"}
            out.write(pixels, photometric="minisblack", metadata=metadata)
    with open_image(path) as image:
        assert image.shape == (5, 90, 80)
        assert image.notes == ("image 2 of 3 in the file is taken, the largest",)
    with open_image(path, shape=(60, 70)) as image:
        assert (whole(image) == 1).all()
        assert image.notes == ("image 1 of 3 in the file is taken, which has the size of the mask",)
    with open_image(path, index=3) as image:
        assert (whole(image) == 3).all()
    listed = r"3 images found, none of them of 9 x 9 .* 1: 5 x 60 x 70 uint16 \(scene 1\); 2: "
    with pytest.raises(ImageError, match=listed):
        open_image(path, shape=(9, 9))
    with pytest.raises(ImageError, match="--image-index 4 given, 3 images found: 1: 5 x 60 x 70"):
        open_image(path, index=4)
    assert [info.name for info in images_in(path)] == ["scene 1", "scene 2", "scene 3"]


def test_scenes_of_one_size_are_not_guessed(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as out:
        for number in range(2):
            out.write(DATA, photometric="minisblack", metadata={"axes": "CYX", "Name": f"{number}"})
    with pytest.raises(
        ImageError, match=r"2 images of one size found.*choose one with --image-ind"
    ):
        open_image(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("root", ["", f' UUID="{UUID.format(9)}"', f' UUID="{UUID.format(5)}"'])
@pytest.mark.parametrize("sibling", [True, False])
@pytest.mark.parametrize("file", ["original.ome.tif", None])
def test_ome_xml_that_names_another_file(tmp_path, root, sibling, file):
    """Converted, renamed or copied: the pixels are those of the file that was given."""
    xml = ome_xml([(c, uuid_of(5, file)) for c in range(5)], root)
    if sibling:
        write_ome(tmp_path / "original.ome.tif", DATA // 2, xml)
    path = write_ome(tmp_path / "processed.ome.tif", DATA, xml)
    image = check(path, DATA, channel_names=tuple(f"m{c}" for c in range(5)), files=(path,))
    named = file is not None and "5" not in root[-3:]
    assert image.notes == (
        ("its OME-XML names original.ome.tif, and not this file: the pixels of this file are read",)
        if named
        else ()
    )


def test_set_of_files_with_several_pages_each(tmp_path, caplog, recwarn):
    owners = [(c % 3, uuid_of(c // 3, f"c{c // 3}.ome.tif")) for c in range(6)]
    data = slides.pixels(RNG, (6, 60, 70), "u2")
    for i in range(2):
        xml = ome_xml(owners, f' UUID="{UUID.format(i)}"')
        write_ome(tmp_path / f"c{i}.ome.tif", data[3 * i : 3 * i + 3], xml)
    files = (tmp_path / "c0.ome.tif", tmp_path / "c1.ome.tif")
    for path in files:
        image = check(path, data)
        assert sorted(image.files) == sorted(files)
        assert image.files[0] == path
        assert image.notes == ()
    assert not caplog.records
    assert not recwarn.list


def test_cut_of_a_set_with_missing_files(tmp_path):
    slide = slides.simple(tmp_path, shape=(2, 60, 70), number=10)
    owners = [(0, uuid_of(c, f"c{c}.ome.tif")) for c in range(2)]
    path = write_ome(
        tmp_path / "c1.ome.tif", slide.image[1:], ome_xml(owners, f' UUID="{UUID.format(1)}"')
    )
    with pytest.raises(ImageError, match=r"channel 1 is expected in .*c0\.ome\.tif .*-channels=2$"):
        cellcutter.cut_cells(path, slide.labels_path, slide.table_path, tmp_path / "out.zarr")
    cellcutter.cut_cells(
        path,
        slide.labels_path,
        slide.table_path,
        tmp_path / "out.zarr",
        channels=["m1"],
        window_size=9,
    )
    expected, _ = slides.expected(slide.image[1:], slide.labels, slide.table, 9)
    store = slides.open_store(tmp_path / "out.zarr")
    np.testing.assert_array_equal(store[:], expected)
    assert "image_files" not in store.attrs["cellcutter"]["sources"]


def test_files_of_a_set_are_named_in_the_attributes(tmp_path):
    slide = slides.simple(tmp_path, shape=(2, 60, 70), number=10)
    owners = [(0, uuid_of(c, f"c{c}.ome.tif")) for c in range(2)]
    for c in range(2):
        xml = ome_xml(owners, f' UUID="{UUID.format(c)}"')
        write_ome(tmp_path / f"c{c}.ome.tif", slide.image[c : c + 1], xml)
    cellcutter.cut_cells(
        tmp_path / "c0.ome.tif", slide.labels_path, slide.table_path, tmp_path / "out.zarr"
    )
    sources = slides.open_store(tmp_path / "out.zarr").attrs["cellcutter"]["sources"]
    assert sources["image_files"] == ["c0.ome.tif", "c1.ome.tif"]


def test_renamed_member_of_a_set(tmp_path):
    """Which part it was is not known: its own pages, without names."""
    owners = [(0, uuid_of(c, f"c{c}.ome.tif")) for c in range(2)]
    write_ome(tmp_path / "c0.ome.tif", DATA[:1], ome_xml(owners))
    path = write_ome(tmp_path / "part.ome.tif", DATA[1:2], ome_xml(owners))
    check(path, DATA[1:2], channel_names=None)
    path = write_ome(tmp_path / "merged.ome.tif", DATA[:2], ome_xml(owners))
    check(path, DATA[:2], channel_names=("m0", "m1"))


@pytest.mark.parametrize("there", [True, False])
def test_companion_file(tmp_path, there):
    owners = [(c, uuid_of(1, "a.ome.tif")) for c in range(2)]
    if there:
        (tmp_path / "b.companion.ome").write_text(ome_xml(owners))
    only = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="{UUID.format(1)}"><BinaryOnly MetadataFile="b.companion.ome" '
        f'UUID="{UUID.format(2)}"/></OME>'
    )
    path = write_ome(tmp_path / "a.ome.tif", DATA[:2], only)
    image = check(path, DATA[:2], channel_names=("m0", "m1") if there else None)
    assert bool(image.notes) != there


def test_ome_xml_of_another_image(tmp_path):
    xml = ome_xml([(c, "") for c in range(19)], size=(4430, 3552))
    image = check(write_ome(tmp_path / "a.ome.tif", DATA, xml), DATA, pixel_size=None)
    note = (
        "its OME-XML describes another image (19 channels of 3552 x 4430 pixels): "
        "its names and pixel size are not used"
    )
    assert image.notes == (note,)


@pytest.mark.parametrize("xml", ["<OME></OME>", "<OME><Image></OME>", "<OME><Image/></OME>"])
def test_ome_xml_that_says_nothing(tmp_path, xml):
    image = check(write_ome(tmp_path / "a.ome.tif", DATA, xml), DATA, pixel_size=None)
    assert len(image.notes) == 1


def test_more_planes_described_than_there_are(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", DATA, ome_xml([(c, "") for c in range(7)]))
    with pytest.raises(ImageError, match="5 planes found, 7 expected as its OME-XML describes"):
        open_image(path)


def test_more_pages_than_are_described(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", DATA, ome_xml([(c, "") for c in range(3)]))
    image = check(path, DATA[:3])
    assert image.notes == ("2 more pages, which its OME-XML does not describe, are left out",)


def test_channels_last_are_hinted_at(tmp_path):
    data = np.moveaxis(DATA, 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", planarconfig=None)
    with open_image(tmp_path / "a.tif") as image:
        assert image.shape == (60, 70, 5)
        assert "its axes are in the order (Y, X, C)" in image.notes[-1]
    mask = np.ones((60, 70), "u2")
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    (tmp_path / "cells.csv").write_text("CellID,Y_centroid,X_centroid\n1,9,9\n")
    for paths in (("a.tif", "mask.tif"), ("mask.tif", "a.tif")):
        with pytest.raises(ImageError, match=r"if this is an image of 60 x 70 pixels with 5 chan"):
            cellcutter.cut_cells(
                *(tmp_path / p for p in (*paths, "cells.csv", "out.zarr")), window_size=9
            )


def test_folder_of_channels(tmp_path):
    folder = tmp_path / "fov0"
    folder.mkdir()
    names = ("CD3", "CD8a", "m2", "m10", "m10b")
    for name, page, options in zip(
        names, DATA, [{}, {"tile": (16, 16)}, {"compression": "lzw"}, {}, {}], strict=True
    ):
        ending = ".ome.tif" if name == "m2" else ".tiff"
        tifffile.imwrite(folder / f"{name}{ending}", page, **options)
    (folder / "panel.csv").write_text("a,b\n")
    tifffile.imwrite(folder / "._CD3.tiff", DATA[0])
    image = check(folder, DATA, channel_names=names)
    assert image.notes == ("a folder: its 5 TIFF files are taken as channels",)
    assert images_in(folder)[0].channel_names == names
    tifffile.imwrite(folder / "labels.tif", DATA[0].astype("i4"))
    with pytest.raises(ImageError, match=r"CD3\.tiff \(60 x 70 uint16\) and labels\.tif .*int32\)"):
        open_image(folder)
    tifffile.imwrite(folder / "labels.tif", DATA, photometric="minisblack")
    with pytest.raises(ImageError, match=r"labels\.tif has 5 channels, one expected in each"):
        open_image(folder)


@pytest.mark.parametrize("number", [1, 3])
def test_many_files_are_not_all_held_open(tmp_path, monkeypatch, number):
    monkeypatch.setattr("cellcutter.read.positional._OPEN", number)
    for i, page in enumerate(DATA):
        tifffile.imwrite(tmp_path / f"{i}.tif", page, tile=(16, 16))
    check(tmp_path, DATA)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "longlong", "ulonglong", "int32", "intc"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}])
def test_whole_numbers_by_every_name(tmp_path, dtype, options):
    data = slides.pixels(RNG, (2, 40, 50), dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", **options)
    cellcutter.cut_tiles(tmp_path / "a.tif", 50, tmp_path / "out.zarr")
    store = slides.open_store(tmp_path / "out.zarr")
    np.testing.assert_array_equal(store[:, 0, :40], data)


@pytest.mark.parametrize("way", ["channels", "pages", "types", "rgb"])
def test_masks_of_several_channels(tmp_path, way):
    slide = slides.simple(tmp_path, shape=(2, 60, 70), number=12)
    both = np.stack([np.zeros_like(slide.labels), slide.labels]).astype("u2")
    if way == "types":
        loop(slide.labels_path, [both[0].astype("u1"), both[1]])
    elif way == "pages":
        loop(slide.labels_path, both)
    elif way == "rgb":
        tifffile.imwrite(
            slide.labels_path,
            np.stack([both[0], both[1], both[0]], -1),
            photometric="rgb",
            compression="zlib",
            tile=(16, 32),
        )
    else:
        tifffile.imwrite(slide.labels_path, both, photometric="minisblack")
    chosen = {"mask_index": 2} if way == "types" else {"mask_channel": 2}
    with pytest.raises(ImageError, match=r"with --mask-(index|channel)"):
        cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr", mask_cells=True)
    cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr", mask_cells=True, **chosen)
    store = slides.open_store(tmp_path / "out.zarr")
    expected, _ = slides.expected(
        slide.image, slide.labels, slide.table, store.shape[-1], mask=True
    )
    np.testing.assert_array_equal(store[:], expected)
    assert chosen.items() <= store.attrs["cellcutter"]["options"].items()
    with pytest.raises(ImageError, match="--mask-channel 4 given, "):
        cellcutter.cut_cells(*slide.paths, tmp_path / "o.zarr", **{**chosen, "mask_channel": 4})


def test_infos(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", DATA, ome_xml([(c, "") for c in range(5)]))
    (info,) = images_in(path)
    assert (info.index, info.shape, info.dtype) == (1, (1, 5, 1, 60, 70), np.dtype("u2"))
    assert info.axes == "TCZYX"
    assert info.channel_names == tuple(f"m{c}" for c in range(5))
    assert info.pixel_size is not None
    assert info.pixel_size.y == 0.5
    assert (info.compression, info.block_shape, info.remarks) == ("none", (60, 70), ())


def test_a_link_is_no_other_file(tmp_path, caplog):
    """Nextflow stages inputs as links: neither the log nor the attributes depend on that."""
    slide = slides.simple(tmp_path)
    (tmp_path / "in").mkdir()
    link = tmp_path / "in" / slide.image_path.name
    link.symlink_to(slide.image_path)
    caplog.set_level("INFO", "cellcutter")
    cellcutter.cut_tiles(link, 40, tmp_path / "a.zarr")
    cellcutter.cut_tiles(slide.image_path, 40, tmp_path / "b.zarr")
    a, b = ((tmp_path / name / ".zattrs").read_bytes() for name in ("a.zarr", "b.zarr"))
    assert a == b
    assert "image_files" not in a.decode()
    assert "pixels are also read from" not in caplog.text
