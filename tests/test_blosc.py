"""Blosc frames, decoded by Blosc."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numcodecs
import numpy as np
import pytest

from cellcutter.blosc import BLOCK_NBYTES, HEADER, Codec, Encoder, zstd
from cellcutter.store import CODECS

DTYPES = ["u1", "i2", "u4", "f4", "f8"]
COMPRESSIONS = [name for name, codec in CODECS.items() if codec]


def frame(chunk: np.ndarray, compression: str | Codec) -> bytes:
    codec = CODECS[compression] if isinstance(compression, str) else compression
    assert codec is not None
    file = io.BytesIO()
    size = Encoder(codec, chunk.itemsize, chunk.nbytes).write(chunk, file)
    assert size == len(file.getvalue())
    return file.getvalue()


def slide(dtype: str, pixels: int) -> np.ndarray:
    """Pixels of a dark slide: low bytes are noise, high bytes nearly constant."""
    rng = np.random.default_rng(pixels)
    return (rng.poisson(300, pixels) + np.arange(pixels) // 5000).astype(dtype)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("blocks", ["tiny", "small", "one", "one and a pixel", "several"])
def test_decoded_by_two_builds_of_blosc(compression, dtype, blocks):
    per_block = BLOCK_NBYTES // np.dtype(dtype).itemsize
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
@pytest.mark.parametrize("pixels", [1, 5, 400_000])
def test_what_cannot_be_compressed_is_copied(compression, dtype, pixels):
    random = np.random.default_rng(1).integers(0, 256, pixels * np.dtype(dtype).itemsize, "u1")
    encoded = frame(random.view(dtype), compression)
    assert encoded[HEADER.size :] == random.tobytes()
    assert numcodecs.Blosc().decode(encoded) == random.tobytes()
    assert imagecodecs.blosc_decode(encoded) == random.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_header_is_that_of_the_format(dtype):
    chunk = (np.arange(BLOCK_NBYTES) // 5000).astype(dtype)
    encoded = frame(chunk, "default")
    version, _, flags, itemsize, nbytes, block_nbytes, stored = HEADER.unpack_from(encoded)
    assert (version, itemsize, nbytes, stored) == (2, chunk.itemsize, chunk.nbytes, len(encoded))
    assert flags >> 5 == 4  # zstd
    assert bool(flags & 1) == (chunk.itemsize > 1)
    assert block_nbytes == BLOCK_NBYTES
    (first,) = struct.unpack_from("<i", encoded, HEADER.size)
    assert first == HEADER.size + 4 * chunk.nbytes // BLOCK_NBYTES


def test_each_plane_is_compressed_in_the_way_that_suits_it():
    """Noise in which short pieces come back by one way, what is nearly constant by another."""
    rng = np.random.default_rng(2)
    low = rng.integers(0, 256, (300, 5))[rng.integers(0, 300, 200_000)]
    high = rng.choice(8, low.size, p=[0.6, 0.2, 0.1, 0.04, 0.03, 0.01, 0.01, 0.01])
    chunk = (low.reshape(-1) + 256 * high).astype("u2")
    thorough, quick = zstd(10, 7, 0), zstd(12, 4, 2)
    alike = [len(frame(chunk, Codec("zstd", 1, [(way, 1.0)]))) for way in (thorough, quick)]
    both = len(frame(chunk, Codec("zstd", 1, [(thorough, 1.0), (quick, 1.0)])))
    assert both < min(alike)


def test_sample_is_taken_from_all_over_the_chunk():
    """What is blank where the middle of the chunk is does not decide for the rest."""
    codec = CODECS["default"]
    assert codec is not None
    text = np.random.default_rng(4).choice(40, 1 << 20).astype("u1")
    blank = np.zeros(1 << 20, "u1")
    chunk = np.concatenate([text, blank, text])
    thorough = Codec("zstd", 1, codec.ways[:1])
    assert len(frame(chunk, "default")) < 1.05 * len(frame(chunk, thorough))


def test_quicker_way_is_taken_as_far_as_it_is_tolerated():
    chunk = slide("u2", 100_000)
    slow, quick = (zstd(12, 6, 0), 1.0), zstd(12, 4, 2)
    sizes = [
        len(frame(chunk, Codec("zstd", 1, [slow, (quick, tolerated)]))) for tolerated in (1.0, 9.0)
    ]
    assert sizes[0] == len(frame(chunk, Codec("zstd", 1, [slow])))
    assert sizes[1] == len(frame(chunk, Codec("zstd", 1, [(quick, 1.0)]))) > sizes[0]


def test_same_chunk_same_frame_whatever_was_encoded_before():
    codec = CODECS["default"]
    assert codec is not None
    first, second = slide("u2", 300_000), slide("u2", 300_001)[1:]
    encoder = Encoder(codec, 2, first.nbytes)
    files = [io.BytesIO() for _ in range(3)]
    for chunk, file in zip((first, second, first), files, strict=True):
        encoder.write(chunk, file)
    assert files[0].getvalue() == files[2].getvalue() == frame(first, "default")
    assert files[1].getvalue() == frame(second, "default")
