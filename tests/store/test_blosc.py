"""Blosc frames, decoded by Blosc."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numcodecs
import numpy as np
import pytest

from cellcutter.store.blosc import HEADER, Encoder, Frame, decode, divide
from cellcutter.store.codec import BLOCK_NBYTES, CODECS, Codec, zstd
from cellcutter.store.thumbnails import Thumbnails

DTYPES = ["u1", "i2", "u4", "f4", "f8"]
COMPRESSIONS = [name for name, codec in CODECS.items() if codec]
BITS, BYTES = 4, 1


def codec_of(compression: str | Codec) -> Codec:
    codec = CODECS[compression] if isinstance(compression, str) else compression
    assert codec is not None
    return codec


def written(encoder: Encoder, chunk: np.ndarray, channels: int, masks=None) -> bytes:
    """Encode (channels, cells, size, size) in parts of some channels."""
    frame, file = Frame(encoder.division), io.BytesIO()
    for start in range(0, len(chunk), channels):
        assert not frame.complete
        part = np.ascontiguousarray(chunk[start : start + channels])
        encoder.append(frame, Thumbnails(part, masks), file)
    assert frame.complete
    assert frame.end == len(file.getvalue())
    return file.getvalue()


def encoder_of(chunk: np.ndarray, compression: str | Codec) -> Encoder:
    codec = codec_of(compression)
    return Encoder(codec, divide(chunk.shape, chunk.itemsize, codec.block_nbytes))


def frame(chunk: np.ndarray, compression: str | Codec) -> bytes:
    """Encode pixels as one channel of as many cells of one pixel."""
    chunk = chunk.reshape(1, -1, 1, 1)
    return written(encoder_of(chunk, compression), chunk, 1)


def slide(dtype: str, pixels: int) -> np.ndarray:
    """Pixels of a dark slide: low bytes are noise, high bytes nearly constant."""
    rng = np.random.default_rng(pixels)
    return (rng.poisson(300, pixels) + np.arange(pixels) // 5000).astype(dtype)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("blocks", ["tiny", "small", "one", "one and a pixel", "several"])
def test_decoded_by_two_builds_of_blosc(compression, dtype, blocks):
    per_block = codec_of(compression).block_nbytes // np.dtype(dtype).itemsize
    pixels = {
        "tiny": 127,
        "small": 128,
        "one": per_block,
        "one and a pixel": per_block + 1,
        "several": 2 * per_block + 1234,
    }[blocks]
    chunk = slide(dtype, pixels)
    encoded = frame(chunk, compression)
    assert numcodecs.Blosc().decode(encoded) == chunk.tobytes()
    assert imagecodecs.blosc_decode(encoded) == chunk.tobytes()


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pixels", [1, 5, 8, 400_000])
def test_what_cannot_be_compressed_is_stored(compression, dtype, pixels):
    random = np.random.default_rng(1).integers(0, 256, pixels * np.dtype(dtype).itemsize, "u1")
    encoded = frame(random.view(dtype), compression)
    assert len(encoded) <= divide((1, pixels, 1, 1), np.dtype(dtype).itemsize).frame_nbytes
    assert numcodecs.Blosc().decode(encoded) == random.tobytes()
    assert imagecodecs.blosc_decode(encoded) == random.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_header_is_that_of_the_format(dtype):
    chunk = (np.arange(BLOCK_NBYTES) // 5000).astype(dtype)
    encoded = frame(chunk, "default")
    version, _, flags, itemsize, nbytes, block_nbytes, stored = HEADER.unpack_from(encoded)
    assert (version, itemsize, nbytes, stored) == (2, chunk.itemsize, chunk.nbytes, len(encoded))
    assert flags >> 5 == 4  # zstd
    assert block_nbytes == BLOCK_NBYTES
    (first,) = struct.unpack_from("<i", encoded, HEADER.size)
    assert first == HEADER.size + 4 * chunk.nbytes // BLOCK_NBYTES


def flags(encoded: bytes) -> int:
    return HEADER.unpack_from(encoded)[2] & (BITS | BYTES)


def test_the_shuffle_is_chosen_that_suits():
    """By bits where few of them are noise, by bytes where bytes come back."""
    rng = np.random.default_rng(3)
    noise = (rng.normal(2300, 60, 400_000)).astype("u2")
    assert flags(frame(noise, "default")) == BITS
    blank = noise * np.repeat(rng.random(noise.size // 25) < 0.4, 25)
    assert flags(frame(blank, "default")) == BYTES
    few = rng.choice(rng.random(9), 400_000).astype("f4")
    assert flags(frame(few, "default")) == BYTES
    y, x, radius = np.arange(36)[:, None], np.arange(36), rng.uniform(6, 14, (900, 1, 1))
    masks = (y - 18) ** 2 + (x - 18) ** 2 < radius**2
    assert flags(frame(masks, "default")) == BITS
    assert flags(frame(noise, "small")) == BYTES


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "unit"),
    [
        ((6, 400, 30, 30), 1),  # octets: nothing is left over
        ((6, 331, 37, 37), 1),  # odd numbers: some pixels are
        ((12, 700, 11, 11), None),
        ((6, 5, 3, 3), 6),
        ((1, 900, 33, 33), 1),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_same_frame_in_one_part_or_in_many(compression, dtype, shape, unit, masked):
    rng = np.random.default_rng(5)
    chunk = slide(dtype, int(np.prod(shape))).reshape(shape)
    chunk[::2] //= 2  # channels that differ
    masks = rng.random(shape[1:]) < 0.7 if masked else None
    encoder = encoder_of(chunk, compression)
    division = encoder.division
    if unit and chunk.itemsize > 1:
        assert division.unit == unit
    assert shape[0] % division.unit == 0
    whole = written(encoder, chunk, shape[0], masks)
    for parts in range(division.unit, shape[0], division.unit):
        assert written(encoder, chunk, parts, masks) == whole
    expected = chunk if masks is None else np.where(masks, chunk, chunk.dtype.type(0))
    assert numcodecs.Blosc().decode(whole) == expected.tobytes()
    assert imagecodecs.blosc_decode(whole) == expected.tobytes()
    again = np.empty_like(chunk)
    decode(whole, again)
    np.testing.assert_array_equal(again, expected)


def by_bytes(*ways) -> Codec:
    return Codec("zstd", 1, {"byte": ways})


def test_each_plane_is_compressed_in_the_way_that_suits_it():
    """Noise in which short pieces come back by one way, what is nearly constant by another."""
    rng = np.random.default_rng(2)
    low = rng.integers(0, 256, (300, 5))[rng.integers(0, 300, 200_000)]
    high = rng.choice(8, low.size, p=[0.6, 0.2, 0.1, 0.04, 0.03, 0.01, 0.01, 0.01])
    chunk = (low.reshape(-1) + 256 * high).astype("u2")
    thorough, quick = zstd(10, 7, 0), zstd(12, 4, 2)
    alike = [len(frame(chunk, by_bytes((way, 1.0)))) for way in (thorough, quick)]
    both = len(frame(chunk, by_bytes((thorough, 1.0), (quick, 1.0))))
    assert both < min(alike)


def test_sample_is_taken_from_all_over_the_chunk():
    """What is blank where the middle of the chunk is does not decide for the rest."""
    codec = codec_of("default")
    text = np.random.default_rng(4).choice(40, 1 << 20).astype("u1")
    blank = np.zeros(1 << 20, "u1")
    chunk = np.concatenate([text, blank, text])
    thorough = by_bytes(codec.ways["byte"][0])
    assert len(frame(chunk, "default")) < 1.05 * len(frame(chunk, thorough))


def test_quicker_way_is_taken_as_far_as_it_is_tolerated():
    chunk = slide("u2", 100_000)
    slow, quick = (zstd(12, 6, 0), 1.0), zstd(12, 4, 2)
    sizes = [len(frame(chunk, by_bytes(slow, (quick, tolerated)))) for tolerated in (1.0, 9.0)]
    assert sizes[0] == len(frame(chunk, by_bytes(slow)))
    assert sizes[1] == len(frame(chunk, by_bytes((quick, 1.0)))) > sizes[0]


def test_same_chunk_same_frame_whatever_was_encoded_before():
    first, second = (slide("u2", n)[-300_000:].reshape(1, -1, 1, 1) for n in (300_000, 300_001))
    encoder = encoder_of(first, "default")
    frames = [written(encoder, chunk, 1) for chunk in (first, second, first)]
    assert frames[0] == frames[2] == frame(first, "default")
    assert frames[1] == frame(second, "default")
