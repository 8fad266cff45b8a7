"""PNG pictures: every kind of grey and colour, and what is wrong with some."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

import cellcutter
from cellcutter.errors import ImageError
from cellcutter.read import images_in, open_image
from tests import slides
from tests.read.test_images import check, whole

RNG = np.random.default_rng(19)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    def chunk(content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(content))
        return struct.pack(">I", len(content) - 4) + content + checksum

    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [header, *extra, b"IDAT" + zlib.compress(rows), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, chunks))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_pictures(tmp_path, dtype, samples):
    data = slides.pixels(RNG, (50, 70, samples), dtype)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(data[..., 0] if samples == 1 else data))
    check(path, np.moveaxis(data, -1, 0), block_shape=(50, 70))
    (info,) = images_in(path)
    assert info.dtype == np.dtype(dtype)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_grey_of_few_bits_is_not_stretched(tmp_path, depth):
    values = np.arange(16, dtype="u1").reshape(2, 8) % (1 << depth)
    bits = "".join(f"{value:0{depth}b}" for value in values.ravel())
    packed = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    half = len(packed) // 2
    (tmp_path / "a.png").write_bytes(
        png(8, 2, depth, 0, b"\0" + packed[:half] + b"\0" + packed[half:])
    )
    check(tmp_path / "a.png", values[None])


def test_transparent_grey_is_one_channel(tmp_path):
    rows = b"\0\1\2\3\0\4\5\6"
    (tmp_path / "a.png").write_bytes(png(3, 2, 8, 0, rows, b"tRNS\0\1"))
    check(tmp_path / "a.png", np.array([[[1, 2, 3], [4, 5, 6]]], "u1"))


def test_palettes_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(3, 1, 8, 3, b"\0\0\1\2", b"PLTE" + bytes(9)))
    with pytest.raises(ImageError, match="a PNG with a palette of colours found, grey values exp"):
        open_image(tmp_path / "a.png")


def test_cut_short_it_is_refused(tmp_path):
    content = bytes(imagecodecs.png_encode(slides.pixels(RNG, (64, 64), "u2")))
    for size in range(8, len(content) - 12, 97):
        (tmp_path / "a.png").write_bytes(content[:size])
        with pytest.raises(ImageError), open_image(tmp_path / "a.png") as image:
            whole(image)


def test_mask_of_cellpose(tmp_path):
    slide = slides.simple(tmp_path, number=20)
    mask = tmp_path / "img_cp_masks.png"
    mask.write_bytes(imagecodecs.png_encode(slide.labels.astype("u2")))
    arguments = (slide.image_path, mask, slide.table_path)
    cellcutter.cut_cells(*arguments, tmp_path / "out.zarr", mask_cells=True)
    store = slides.open_store(tmp_path / "out.zarr")
    expected, _ = slides.expected(
        slide.image, slide.labels, slide.table, store.shape[-1], mask=True
    )
    np.testing.assert_array_equal(store[:], expected)


def test_memory_of_a_picture_is_planned(tmp_path):
    path: Path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(slides.pixels(RNG, (4000, 4000, 3), "u1"), level=1))
    with open_image(path) as image:
        assert image.block_nbytes > 2 * 48_000_000
    with pytest.raises(cellcutter.errors.SettingsError, match="--cache-size: 80 MB found"):
        cellcutter.cut_tiles(path, 64, tmp_path / "out.zarr", step_size=4000, cache_size=80)
    tifffile.imwrite(tmp_path / "mask.tif", np.zeros((8, 8), "u1"))
    with pytest.raises(ImageError, match="--image-index 2 given, 1 image found"):
        cellcutter.cut_tiles(path, 64, tmp_path / "out.zarr", image_index=2)
