"""Decoders write exactly the memory that they are given, or say why not."""

from __future__ import annotations

import numcodecs
import pytest

from cellcutter.errors import StoreError
from cellcutter.store.reading.frames import decoder


def run(codec: dict, frame: bytes, size: int) -> bytes:
    out = bytearray(size)
    decode = decoder(codec, "a.zarr")
    assert decode is not None
    decode(memoryview(frame), memoryview(out), 1)
    return bytes(out)


@pytest.mark.parametrize("codec", ["zlib", "gzip", "bz2", "lzma", "lz4"])
def test_codecs_of_numcodecs(codec):
    frame = bytes(numcodecs.get_codec({"id": codec}).encode(b"12345678"))
    assert run({"id": codec}, frame, 8) == b"12345678"
    for size in (7, 9):
        with pytest.raises(ValueError, match=f"8 bytes found, {size} expected"):
            run({"id": codec}, frame, size)


def test_blosc_of_another_size():
    frame = bytes(numcodecs.Blosc().encode(b"1" * 100))
    assert run({"id": "blosc"}, frame, 100) == b"1" * 100
    for size in (99, 101):
        with pytest.raises(ValueError, match=rf"100 bytes in a frame of .* found, {size} in"):
            run({"id": "blosc"}, frame, size)
    with pytest.raises(ValueError, match=r"9 bytes found, a header of \d+ expected"):
        run({"id": "blosc"}, frame[:9], 100)


@pytest.mark.parametrize(
    "codec",
    [{"id": "pickle"}, {"id": "none such"}, {}, {"id": "gzip", "a": 1}, {"id": ["gzip"]}],
)
def test_codecs_that_are_not_taken(codec):
    with pytest.raises(StoreError, match=r"a\.zarr: codec .*one known expected"):
        decoder(codec, "a.zarr")
