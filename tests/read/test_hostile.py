"""Small files that claim much, pipes where files are meant, blocks that lack their end."""

from __future__ import annotations

import json
import os
import pickle
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from cellcutter.errors import ImageError
from cellcutter.read import open_image
from tests import slides
from tests.read.test_images import ome_zarr, whole
from tests.read.test_which_image import DATA, ome_xml, uuid_of, write_ome

MOST = 400  # MB
SECONDS = 5
RNG = np.random.default_rng(17)

READ = r"""
import re, sys, time
began = time.monotonic()
from cellcutter.errors import ImageError
from cellcutter.read import open_image
import numpy as np
try:
    with open_image(sys.argv[1]) as image:
        h, w = image.block_shape
        out = np.empty((len(image.planes[0]), min(h, image.shape[1]), min(w, image.shape[2])),
                       image.dtype)
        image.read_block(0, 0, 0, out)
    print("read")
except ImageError as error:
    print("refused", str(error)[:300])
status = open("/proc/self/status").read()
print(int(re.search(r"VmHWM:\s*(\d+)", status)[1]) // 1024, time.monotonic() - began)
"""


def bounded(path: Path) -> str:
    """Read an image in a process of its own; within the bounds; return what became of it."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured on Linux")
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr[-2000:]
    outcome, numbers = run.stdout.strip().rsplit("\n", 1)
    memory, seconds = map(float, numbers.split())
    assert memory < MOST
    assert seconds < 4 * SECONDS  # other work may keep the machine busy
    return outcome


def described(path: Path, text: str) -> Path:
    tifffile.imwrite(
        path,
        DATA,
        photometric="minisblack",
        compression="zlib",
        tile=(32, 32),
        metadata=None,
        description=text,
    )
    return path


@pytest.mark.parametrize("number", [10**6, 10**8, 10**12, 10**30])
def test_imagej_that_claims_many_images(tmp_path, number):
    text = f"ImageJ=1.53t\nimages={number}\nchannels={number}\n"
    assert bounded(described(tmp_path / "a.tif", text)).startswith("refused")


@pytest.mark.parametrize("number", [10**6, 10**8, 10**30])
def test_ome_that_claims_many_channels(tmp_path, number):
    path = described(tmp_path / "a.tif", ome_xml([(c, "") for c in range(5)], channels=number))
    assert bounded(path).startswith("refused")


def test_ome_that_claims_many_planes(tmp_path):
    xml = ome_xml([(0, "")], channels=5).replace('PlaneCount="1"', 'PlaneCount="300000000"')
    assert bounded(described(tmp_path / "a.tif", xml)) == "read"
    missing = xml.replace("></TiffData>", f">{uuid_of(1, 'b.tif')}</TiffData>")
    extra = '<TiffData IFD="0" PlaneCount="1"/>'
    path = described(tmp_path / "b.tif", missing.replace("</Pixels>", extra + "</Pixels>"))
    assert bounded(path).startswith(("read", "refused"))


@pytest.mark.parametrize(
    "text",
    [
        "<a>" * 100_000 + "OME>",
        '<OME xmlns="x">' + "<Image>" * 50_000 + "</OME>",
        '<OME><Image><Pixels SizeX="' + "9" * 5000 + '"/></Image></OME>',
        '<!DOCTYPE a [<!ENTITY b "cccccccccc">'
        + "".join(f'<!ENTITY b{i} "{f"&b{i - 1 if i else str()};" * 10}">' for i in range(12))
        + "]><OME>&b11;</OME>",
    ],
)
def test_bombs_of_xml(tmp_path, text):
    path = described(tmp_path / "a.tif", text)
    assert bounded(path).startswith(("read", "refused"))


def with_block(path: Path, data: np.ndarray, content: bytes, compression: int, **options) -> Path:
    """Write a TIFF of one tile, and put content of another compression into its place."""
    tifffile.imwrite(path, data, tile=data.shape[:2], compression="zlib", **options)
    file = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        for tag, kind, value in (
            (324, "<I", len(file)),
            (325, "<I", len(content)),
            (259, "<H", compression),
        ):
            struct.pack_into(kind, file, tags[tag].valueoffset, value)
    path.write_bytes(file + content)
    return path


def test_jpeg_that_claims_many_pixels(tmp_path):
    content = bytearray(imagecodecs.jpeg8_encode(np.zeros((64, 64), "u1")))
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 65500, 65500)
    path = with_block(tmp_path / "a.tif", np.zeros((64, 64), "u1"), content, 7)
    assert "65500 x 65500 pixels in a block of 64 x 64" in bounded(path)


@pytest.mark.parametrize(
    ("codec", "compression"), [("png", 34933), ("jpegxl", 50002), ("jpeg2k", 34712)]
)
def test_picture_larger_than_its_tile(tmp_path, codec, compression):
    content = getattr(imagecodecs, f"{codec}_encode")(np.zeros((3000, 3000), "u1"))
    path = with_block(tmp_path / "a.tif", np.zeros((64, 64), "u1"), bytes(content), compression)
    assert "3000 x 3000 pixels in a block of 64 x 64" in bounded(path)


def plain_zarr(folder: Path, chunk: bytes | None, **array) -> Path:
    """An OME-Zarr image, its metadata as given, and its first chunk."""
    (folder / "0").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    axes = [{"name": a} for a in "cyx"]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    (folder / ".zattrs").write_text(json.dumps({"multiscales": multiscales}))
    node = {
        "zarr_format": 2,
        "shape": [1, 120, 150],
        "chunks": [1, 120, 150],
        "dtype": "<u2",
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
        **array,
    }
    (folder / "0" / ".zarray").write_text(json.dumps(node))
    if chunk is not None:
        (folder / "0" / "0.0.0").write_bytes(chunk)
    return folder


@pytest.mark.parametrize(
    "shape",
    [
        [10**7, 120, 150],
        [10**30, 120, 150],
        [1, 10**30, 150],
        [1, 10**6, 10**6],
        [10**5 + 1, 32, 32],
    ],
)
def test_zarr_that_claims_much(tmp_path, shape):
    path = plain_zarr(tmp_path / "a.zarr", None, shape=shape, chunks=[1, 32, 32])
    assert bounded(path).startswith("refused")


def inflating(how: str) -> bytes:
    """A chunk of about a megabyte that inflates to half a gigabyte."""
    if how == "blosc":
        return bytes(imagecodecs.blosc_encode(bytes(1 << 29)))
    if how == "zstd":
        return bytes(imagecodecs.zstd_encode(bytes(1 << 29)))
    if how in ("bz2", "lzma"):
        return bytes(getattr(imagecodecs, f"{how}_encode")(bytes(1 << 29)))
    if how == "lz4":
        return bytes(imagecodecs.lz4_encode(bytes(1 << 29), header=True))
    deflate = zlib.compressobj(9, wbits=31 if how == "gzip" else 15)
    parts = [deflate.compress(bytes(1 << 20)) for _ in range(512)]
    return b"".join([*parts, deflate.flush()])


@pytest.mark.parametrize("how", ["zlib", "gzip", "zstd", "blosc", "bz2", "lz4", "lzma"])
def test_chunk_that_inflates(tmp_path, how):
    path = plain_zarr(tmp_path / "a.zarr", inflating(how), compressor={"id": how})
    assert bounded(path).startswith("refused" if how != "bz2" else ("read", "refused"))


class Touch:
    """What a pickle runs when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_codec_that_runs_what_it_finds(tmp_path):
    content = pickle.dumps(Touch(tmp_path / "was run"))
    path = plain_zarr(tmp_path / "a.zarr", content, compressor={"id": "pickle"})
    assert "pixels compressed by 'pickle'" in bounded(path)
    path = plain_zarr(tmp_path / "b.zarr", content, filters=[{"id": "pickle"}])
    assert "pixels compressed by 'pickle'" in bounded(path)
    assert not (tmp_path / "was run").exists()


def test_zip_member_that_inflates(tmp_path):
    folder = plain_zarr(tmp_path / "a.zarr", None)
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for member in folder.rglob("*"):
            file.write(member, member.relative_to(folder))
        file.writestr("0/0.0.0", bytes(1 << 29))
    assert bounded(tmp_path / "a.zarr.zip").startswith("refused")


def test_png_that_claims_much(tmp_path):
    content = bytearray(imagecodecs.png_encode(np.zeros((64, 64), "u1")))
    struct.pack_into(">II", content, 16, 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    assert "60000 x 60000 pixels found in" in bounded(tmp_path / "a.png")


@pytest.mark.parametrize("what", ["pipe", "socket", "device"])
def test_neither_file_nor_folder(tmp_path, monkeypatch, what):
    path = tmp_path / "a.tif"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "socket":
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("a.tif")
    else:
        path = Path("/dev/null")
    with pytest.raises(ImageError, match=f"a {what} found, not a file; an image expected"):
        open_image(path)


def test_pipe_in_a_set_of_files(tmp_path):
    owners = [(0, uuid_of(c, f"c{c}.ome.tif")) for c in range(2)]
    path = write_ome(tmp_path / "c0.ome.tif", DATA[:1], ome_xml(owners))
    os.mkfifo(tmp_path / "c1.ome.tif")
    with (
        open_image(path) as image,
        pytest.raises(ImageError, match=r"in .*c1\.ome\.tif \(a pipe found, not a file\)"),
    ):
        image.check_channels([0, 1])


@pytest.mark.parametrize("name", [".zattrs", "0/.zarray", "0/0.0.0"])
def test_pipe_in_a_zarr_store(tmp_path, name):
    path = ome_zarr(tmp_path / "a.zarr", DATA[:1], "CYX", (1, 60, 70), "0.4")
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(ImageError, match="a pipe found, not a file"), open_image(path) as image:
        whole(image)


def test_pipe_in_a_folder_of_channels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DATA[0])
    os.mkfifo(tmp_path / "b.tif")
    with pytest.raises(ImageError, match=r"b\.tif: a pipe found, not a file"):
        open_image(tmp_path)


LOSSY = {
    "jpeg": (7, "rgb"),
    "jpeg2k": (34712, "minisblack"),
    "webp": (50001, "rgb"),
    "jpegxl": (50002, "rgb"),
    "png": (34933, "rgb"),
}


@pytest.mark.parametrize(
    ("codec", "how"),
    [
        (codec, how)
        for codec in LOSSY
        for how in ("cut", "zeroed")
        if (codec, how) not in (("webp", "zeroed"), ("jpegxl", "zeroed"))  # they do not tell
    ],
)
@pytest.mark.parametrize("left", [0.3, 0.5, 0.9])
def test_picture_that_lacks_its_end(tmp_path, codec, how, left):
    compression, photometric = LOSSY[codec]
    data = slides.pixels(RNG, (64, 64, 3), "u1")
    if photometric == "minisblack":
        data = np.ascontiguousarray(data[..., 0])
    content = bytes(getattr(imagecodecs, f"{codec}_encode")(data))
    path = tmp_path / "a.tif"
    with_block(path, data, content, compression, photometric=photometric)
    with open_image(path) as image:
        whole(image)
    kept = content[: int(left * len(content))]
    content = kept + (b"" if how == "cut" else bytes(len(content) - len(kept)))
    with_block(path, data, content, compression, photometric=photometric)
    with open_image(path) as image, pytest.raises(ImageError, match="channel 1, block at row 0"):
        whole(image)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.tif", b"CellID,Y_centroid,X_centroid\n1,2,3\n", "a CSV table found"),
        ("a.csv", b"CellID\tY\n1\t2\n", "a table separated by tabs found"),
        ("a.tif", b"", "an empty file found"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture found"),
        ("a.h5ad", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("a.tif.gz", b"\x1f\x8b\x08\0", "a file compressed with gzip found"),
        ("a.pdf", b"%PDF-1.7", "a PDF found"),
        ("a.html", b"<!DOCTYPE html><html>", "a web page found"),
        ("a.txt", b"hello", "a text file found"),
        ("a.zip", b"PK\x03\x04", "a damaged zip file found"),
        ("a.bin", bytes(range(256)), "a TIFF image expected"),
    ],
)
def test_files_that_are_no_image(tmp_path, name, content, found):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=f"{name}: .*{found}"):
        open_image(tmp_path / name)


def test_table_of_a_spreadsheet(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "")
    with pytest.raises(ImageError, match="an xlsx table found, an image expected: TIFF, PNG, OME"):
        open_image(tmp_path / "a.xlsx")


@pytest.mark.parametrize("name", ["https://x.org/a.tif", "s3://bucket/a.zarr", "https:/x.org/a"])
def test_web_addresses(name):
    with pytest.raises(ImageError, match=f"{name}: a web address found, .* download it first"):
        open_image(name)


def test_names_that_no_file_can_have(tmp_path):
    for name in ("a\0b.tif", "a" * 300, tmp_path / "none.tif", ""):
        with pytest.raises(ImageError, match="expected"):
            open_image(name)
