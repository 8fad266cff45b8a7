"""Reading at positions, with and without the system's own call; what encoded blocks claim."""

from __future__ import annotations

import os
import threading

import imagecodecs
import numpy as np
import pytest
import tifffile

from cellcutter.read import headers, positional
from tests import slides
from tests.read.test_images import check

RNG = np.random.default_rng(23)


@pytest.fixture(params=["system", "fallback"])
def way(request, monkeypatch):
    if request.param == "fallback":
        monkeypatch.setattr(positional, "_positional_read", positional._seek_and_read)
    return request.param


def test_threads_share_a_descriptor(tmp_path, way):
    content = RNG.bytes(100_000)
    (tmp_path / "a").write_bytes(content)
    descriptor = positional.open_regular(tmp_path / "a")
    wrong = []

    def read(seed: int) -> None:
        offsets = np.random.default_rng(seed).integers(0, 99_000, 500).tolist()
        wrong.extend(
            offset
            for offset in offsets
            if positional.read_at(descriptor, 1000, offset) != content[offset : offset + 1000]
        )

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with pytest.raises(EOFError, match="10 of 20 bytes"):
        positional.read_at(descriptor, 20, 99_990)
    os.close(descriptor)


def test_an_image_is_read_either_way(tmp_path, way):
    data = slides.pixels(RNG, (2, 50, 60), "u2")
    tifffile.imwrite(tmp_path / "a.tif", data, tile=(16, 16), photometric="minisblack")
    check(tmp_path / "a.tif", data)


def test_short_reads_are_gone_on_with(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(bytes(range(100)))
    monkeypatch.setattr(
        positional, "_positional_read", lambda d, count, at: os.pread(d, min(7, count), at)
    )
    descriptor = positional.open_regular(tmp_path / "a")
    assert positional.read_at(descriptor, 50, 30) == bytes(range(30, 80))
    os.close(descriptor)


@pytest.mark.parametrize("shape", [(64, 48), (300, 17), (1000, 1001), (8, 16)])
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("jpeg8", {}),
        ("png", {}),
        ("jpeg2k", {}),
        ("jpeg2k", {"codecformat": "j2k"}),
        ("jpegxl", {"usecontainer": True}),
        ("jpegxl", {"usecontainer": False}),
        ("jpegxr", {}),
        ("lerc", {}),
        ("webp", {"lossless": True}),
        ("webp", {"lossless": False}),
    ],
)
def test_what_a_picture_claims(shape, codec, options):
    pixels = slides.pixels(RNG, (*shape, 3) if codec == "webp" else shape, "u1")
    content = bytes(getattr(imagecodecs, f"{codec}_encode")(pixels, **options))
    assert headers.claimed(content) == shape
    headers.check_encoded(content, shape)
    with pytest.raises(ValueError, match="a picture of"):
        headers.check_encoded(content, (shape[0] // 2 - 65, shape[1]))
    for size in range(min(len(content), 200)):  # a header that is cut is no reason to fail
        headers.claimed(content[:size])
