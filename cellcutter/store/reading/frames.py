"""Pure: compressed pixels into memory of a known size, never beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np

from cellcutter.decompress import NAMES, decompress
from cellcutter.errors import StoreError
from cellcutter.store.blosc import HEADER

Decode = Callable[[memoryview, memoryview, int], None]
"""Decodes a frame into memory of exactly its size, with some threads."""

FAULTS = (ValueError, RuntimeError, TypeError, OverflowError, MemoryError, EOFError)
"""What decoders raise where a frame is damaged."""


def decoder(codec: Mapping[str, Any] | None, name: str) -> Decode | None:
    """Return the decoder of a codec, or None where nothing is compressed.

    Parameters
    ----------
    codec : mapping or None
        `id` and parameters, as numcodecs has them.
    name : str
        Of the store, for messages.

    Raises
    ------
    StoreError
        The codec is not known.
    """
    if codec is None:
        return None
    if codec.get("id") == "blosc":
        return _blosc
    if codec.get("id") == "zstd":
        return _zstd
    known = str(codec.get("id"))
    if known not in NAMES:
        raise StoreError(f"{name}: codec {known[:80]} found, one known expected")
    import numcodecs  # for its parameters alone; these codecs are rare

    try:
        numcodecs.get_codec(dict(codec))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{name}: codec {dict(codec)}: {error}; one known expected") from error

    def decode(frame: memoryview, out: memoryview, threads: int) -> None:  # noqa: ARG001
        content = np.frombuffer(decompress(known, frame, len(out) + 1, codec), np.uint8)
        if len(content) != len(out):
            raise ValueError(f"{len(content)} bytes found, {len(out)} expected")
        np.frombuffer(out, np.uint8)[:] = content

    return decode


def _blosc(frame: memoryview, out: memoryview, threads: int) -> None:
    if len(frame) < HEADER.size:
        raise ValueError(f"{len(frame)} bytes found, a header of {HEADER.size} expected")
    *_, nbytes, _, compressed = HEADER.unpack_from(frame)
    if nbytes != len(out) or compressed != len(frame):
        raise ValueError(
            f"{nbytes} bytes in a frame of {compressed} found, "
            f"{len(out)} in a frame of {len(frame)} expected"
        )
    imagecodecs.blosc_decode(frame, numthreads=threads, out=out)  # type: ignore[arg-type]


def _zstd(frame: memoryview, out: memoryview, threads: int) -> None:  # noqa: ARG001
    found = imagecodecs.zstd_decode(frame, out=out)  # type: ignore[arg-type]
    if len(found) != len(out):
        raise ValueError(f"{len(found)} bytes found, {len(out)} expected")
