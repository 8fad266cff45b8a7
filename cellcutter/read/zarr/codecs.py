"""Chunks of Zarr arrays decoded within bounds.

A chunk is decoded into no more memory than its shape needs, whatever its file says: a file of a
megabyte can inflate to gigabytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellcutter import decompress

# Filters and checksums of numcodecs; it has other codecs, which run what they find in a file
_FILTERS = {
    *("astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize", "shuffle"),
    *("adler32", "crc32", "fletcher32", "jenkins_lookup3"),
}
CHECKSUM = "crc32c"
TAIL = 4  # bytes of a checksum
_KNOWN = decompress.NAMES | _FILTERS | {CHECKSUM}
_FILTERED = 8  # times its size that a chunk may have on the way through filters


@dataclass(frozen=True)
class Codecs:
    """How a chunk becomes bytes.

    Parameters
    ----------
    dtype : numpy.dtype
        As stored, with its byte order.
    order : tuple of int
        The axes in the order in which they are stored.
    steps : sequence of (name, configuration)
        From bytes to bytes, in the order of encoding.

    Raises
    ------
    ValueError
        A step is not known.
    """

    dtype: np.dtype[np.generic]
    order: tuple[int, ...]
    steps: Sequence[tuple[str, Mapping[str, Any]]]

    def __post_init__(self) -> None:
        for name, _ in self.steps:
            if name not in _KNOWN:
                raise ValueError(f"pixels compressed by {name[:80]!r}")

    @property
    def name(self) -> str:
        """The name of the compression."""
        names = [name for name, _ in self.steps if name != CHECKSUM]
        return ", ".join(names) or "none"

    def decode(self, data: bytes, shape: Sequence[int]) -> NDArray[np.generic]:
        """Return the pixels of a chunk.

        Raises
        ------
        ValueError, EOFError, RuntimeError
            The chunk is damaged, or has more pixels than it should.
        """
        expected = prod(shape) * self.dtype.itemsize
        usual = all(name in decompress.NAMES or name == CHECKSUM for name, _ in self.steps)
        room = expected + TAIL * len(self.steps) if usual else _FILTERED * expected
        for name, configuration in reversed(self.steps):
            data = _undo(name, configuration, data, room)
        if len(data) != expected:
            raise EOFError(f"a chunk of {len(data)} bytes instead of {expected}")
        stored = np.frombuffer(data, self.dtype).reshape([shape[axis] for axis in self.order])
        return stored.transpose(np.argsort(self.order))


def codecs_of(nodes: Sequence[Mapping[str, Any]], dtype: np.dtype[np.generic], ndim: int) -> Codecs:
    """Return the codecs of an array of format 3.

    Raises
    ------
    ValueError, KeyError, TypeError
        They are not as the format wants them.
    """
    order, steps = tuple(range(ndim)), []
    for node in nodes:
        name, configuration = str(node["name"]), node.get("configuration") or {}
        if name == "transpose":
            order = tuple(order[axis] for axis in configuration["order"])
        elif name == "bytes":
            big = configuration.get("endian", "little") == "big"
            dtype = dtype.newbyteorder(">" if big else "<")
        else:
            steps.append((name.removeprefix("numcodecs."), configuration))
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"axes in the order {order}")
    return Codecs(dtype, order, steps)


def _undo(name: str, configuration: Mapping[str, Any], data: bytes, room: int) -> bytes:
    """Undo one step; the result has at most `room` bytes, or it is an error."""
    if name == CHECKSUM:
        found = int.from_bytes(data[-TAIL:], "little")
        if len(data) < TAIL:
            raise EOFError("a chunk without its checksum")
        if _crc32c(data[:-TAIL]) != found:
            raise ValueError("a chunk that does not fit its checksum")
        return data[:-TAIL]
    if name in decompress.NAMES:
        return bytes(decompress.decompress(name, data, room, configuration))
    import numcodecs  # filters, which are rare

    codec = numcodecs.get_codec({**configuration, "id": name})
    return np.ascontiguousarray(codec.decode(data)).tobytes()


def _crc32c(data: bytes) -> int:
    import google_crc32c

    return int(google_crc32c.value(data))
