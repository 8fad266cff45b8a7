"""Decoders write exactly the memory that they are given, or say why not."""

from __future__ import annotations

import lzma

import numcodecs
import pytest

from cellcutter.decompress import decompress
from cellcutter.errors import StoreError
from cellcutter.store.reading.frames import decoder


def run(codec: dict, frame: bytes, size: int) -> bytes:
    out = bytearray(size)
    decode = decoder(codec, "a.zarr")
    assert decode is not None
    decode(memoryview(frame), memoryview(out), 1)
    return bytes(out)


RAW = {"id": "lzma", "format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2}]}


@pytest.mark.parametrize(
    "codec",
    [
        *({"id": name} for name in ("zlib", "gzip", "bz2", "lzma", "lz4")),
        {"id": "lzma", "format": lzma.FORMAT_ALONE},
        RAW,
    ],
)
def test_codecs_of_numcodecs(codec):
    frame = bytes(numcodecs.get_codec(dict(codec)).encode(b"12345678"))
    assert run(codec, frame, 8) == b"12345678"
    for size in (7, 9):
        with pytest.raises(ValueError, match=f"8 bytes found, {size} expected"):
            run(codec, frame, size)


@pytest.mark.parametrize(
    "filters",
    [None, [], [{"id": 99}], ["a"], 3, [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 31}]],
)
def test_filters_of_raw_lzma_that_are_wrong(filters):
    frame = bytes(numcodecs.get_codec(dict(RAW)).encode(b"12345678"))
    with pytest.raises(ValueError, match="LZMA"):
        decompress("lzma", frame, 9, {**RAW, "filters": filters})


def test_lzma_that_is_cut_off():
    frame = bytes(numcodecs.LZMA().encode(bytes(range(256))))
    with pytest.raises(EOFError, match="ends too early"):
        decompress("lzma", frame[:-20], 257)


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
