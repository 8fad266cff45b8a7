"""Pure: compressed bytes undone into no more memory than they should need.

Invariant: a file of a megabyte never becomes gigabytes, whatever it claims. Codecs have the names
of numcodecs (https://numcodecs.readthedocs.io), whose own decoders know no bound.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import imagecodecs

_DECODERS: dict[str, Callable[..., bytes | bytearray]] = {
    "blosc": imagecodecs.blosc_decode,
    "bz2": imagecodecs.bz2_decode,
    "gzip": imagecodecs.gzip_decode,
    "lz4": partial(imagecodecs.lz4_decode, header=True),
    "zlib": imagecodecs.zlib_decode,
    "zstd": imagecodecs.zstd_decode,
}
NAMES = frozenset({*_DECODERS, "lzma"})
"""The codecs that are known."""

_DICTIONARY = 1 << 28  # bytes of memory for the dictionary of LZMA; its highest preset takes 2^26


def decompress(
    name: str,
    data: bytes | memoryview,
    room: int,
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> bytes | bytearray:
    """Return what was compressed.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    data : bytes-like
    room : int
        Bytes that the result may have; more are an error, or are not there.
    parameters : mapping
        Of the codec, as numcodecs has them. LZMA in its raw form needs its filters.

    Raises
    ------
    ValueError, RuntimeError, EOFError
        The data are damaged, or there is more in them.
    """
    if name == "lzma":
        return _lzma(data, room, parameters)
    if name == "blosc":
        _check_blosc(data, room)
    return _DECODERS[name](data, out=room)


def _check_blosc(data: bytes | memoryview, room: int) -> None:
    """Make sure that a Blosc frame is as long as its header says, and claims what it may.

    The header: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """
    length, claimed = int.from_bytes(data[12:16], "little"), int.from_bytes(data[4:8], "little")
    if len(data) < 16 or len(data) < length:
        raise EOFError(f"a chunk of {len(data)} bytes instead of {max(length, 16)}")
    if claimed > room:
        raise ValueError(f"a chunk that claims {claimed} bytes instead of {room}")


def _lzma(data: bytes | memoryview, room: int, parameters: Mapping[str, Any]) -> bytes:
    """Undo LZMA in any of its forms; only the raw one does not tell its filters itself."""
    raw = parameters.get("format") == lzma.FORMAT_RAW
    try:
        if raw:
            filters = _within_bounds(parameters["filters"])
            decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
        else:
            decoder = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_DICTIONARY)
        content = decoder.decompress(data, max_length=room)
    except (lzma.LZMAError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"LZMA: {error}") from error
    if not raw and not decoder.eof and len(content) < room:
        raise EOFError("LZMA that ends too early")
    return content


def _within_bounds(filters: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return filters of LZMA, none of which asks for much memory."""
    size = max((int(each.get("dict_size", 0)) for each in filters), default=0)
    if size > _DICTIONARY:
        raise ValueError(f"a dictionary of {size} bytes found, at most {_DICTIONARY} expected")
    return filters
