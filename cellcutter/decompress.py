"""Pure: compressed bytes undone into no more memory than they should need.

Invariant: a file of a megabyte never becomes gigabytes, whatever it claims. Codecs have the names
of numcodecs (https://numcodecs.readthedocs.io), whose own decoders know no bound.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import imagecodecs

_DECODERS: dict[str, Callable[..., bytes | bytearray]] = {
    "blosc": imagecodecs.blosc_decode,
    "bz2": imagecodecs.bz2_decode,
    "gzip": imagecodecs.gzip_decode,
    "lz4": partial(imagecodecs.lz4_decode, header=True),
    "lzma": imagecodecs.lzma_decode,
    "zlib": imagecodecs.zlib_decode,
    "zstd": imagecodecs.zstd_decode,
}
NAMES = frozenset(_DECODERS)
"""The codecs that are known."""


def decompress(name: str, data: bytes | memoryview, room: int) -> bytes | bytearray:
    """Return what was compressed.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    data : bytes-like
    room : int
        Bytes that the result may have; more are an error, or are not there.

    Raises
    ------
    ValueError, RuntimeError, EOFError
        The data are damaged, or there is more in them.
    """
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
