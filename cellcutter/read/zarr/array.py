"""A Zarr array of either format: its metadata, and where its chunks lie, in files or in shards.

Format 2: https://zarr-specs.readthedocs.io/en/latest/v2/;
format 3: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellcutter.read.zarr.codecs import CHECKSUM, TAIL, Codecs, codecs_of
from cellcutter.read.zarr.store import Store, read_json

_NOT_WRITTEN = 2**64 - 1  # in the index of a shard


@dataclass(frozen=True)
class ZarrArray:
    """A Zarr array.

    Parameters
    ----------
    store : Store
    key : str
        Of the array in the store; "" for the store itself.
    shape, chunks : tuple of int
        `chunks` are what is decoded as one piece: in a shard, the chunks in it.
    shards : tuple of int, optional
        Shape of what a file holds, where that is more than a chunk.
    fill : int or float
        Value of the pixels of chunks that were never written.
    file_key : callable (index of chunk or shard) -> str
    codecs : Codecs
    index_codecs : Codecs
        Of a shard's index, where there are shards.
    index_first : bool
        Whether that lies at the start of a shard.
    """

    store: Store
    key: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    fill: float
    file_key: Callable[[Sequence[int]], str]
    codecs: Codecs
    index_codecs: Codecs
    index_first: bool = False

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the pixels, in native byte order."""
        return self.codecs.dtype.newbyteorder("=")

    def read(self, index: Sequence[int]) -> NDArray[np.generic] | None:
        """Return the pixels of a chunk, also where it overhangs; None if it was never written.

        Raises
        ------
        OSError, ValueError, EOFError, RuntimeError
            The chunk cannot be read, or is damaged.
        """
        start = f"{self.key}/" if self.key else ""
        if self.shards is None:
            data = self._read_file(start + self.file_key(index))
        else:
            data = self._read_in_shard(start, index, self.shards)
        return None if data is None else self.codecs.decode(data, self.chunks)

    def _read_file(self, key: str) -> bytes | None:
        size = self.store.size(key)
        most = 2 * prod(self.chunks) * self.codecs.dtype.itemsize + (1 << 16)
        if size is not None and size > most:
            raise ValueError(f"a chunk of {size} bytes")
        return None if size is None else self.store.read(key)

    def _read_in_shard(
        self, start: str, index: Sequence[int], shards: Sequence[int]
    ) -> bytes | None:
        inside = [s // c for s, c in zip(shards, self.chunks, strict=True)]
        shard, place = zip(*(divmod(i, n) for i, n in zip(index, inside, strict=True)), strict=True)
        key = start + self.file_key(shard)
        size = self.store.size(key)
        if size is None:
            return None
        tail = TAIL * sum(name == CHECKSUM for name, _ in self.index_codecs.steps)
        nbytes = 16 * prod(inside) + tail
        if size < nbytes:
            raise EOFError(f"a shard of {size} bytes, whose index alone has {nbytes}")
        data = self.store.read(key, 0 if self.index_first else size - nbytes, nbytes)
        table = self.index_codecs.decode(data or b"", (*inside, 2))
        offset, count = (int(number) for number in table[place])
        if offset == _NOT_WRITTEN and count == _NOT_WRITTEN:
            return None
        if offset + count > size:
            raise EOFError(f"a shard of {size} bytes, and a chunk in it up to {offset + count}")
        return self.store.read(key, offset, count)


_NO_INDEX = Codecs(np.dtype(np.uint64), (), ())


def open_array(store: Store, key: str) -> ZarrArray | None:
    """Return a Zarr array; None where there is none.

    Raises
    ------
    ValueError, KeyError, TypeError
        The metadata is not as the format wants it, or names what we cannot read.
    OSError
    """
    start = f"{key}/" if key else ""
    node = read_json(store, f"{start}zarr.json")
    if node is not None:
        return _format3(store, key, node) if node.get("node_type") == "array" else None
    node = read_json(store, f"{start}.zarray")
    return None if node is None else _format2(store, key, node)


def _format2(store: Store, key: str, node: Mapping[str, Any]) -> ZarrArray:
    shape, chunks = _lengths(node["shape"]), _lengths(node["chunks"])
    dtype = _numbers(np.dtype(node["dtype"]) if isinstance(node["dtype"], str) else None)
    steps = [(str(f["id"]), f) for f in node.get("filters") or ()]
    if compressor := node.get("compressor"):
        steps.append((str(compressor["id"]), compressor))
    axes = tuple(range(len(shape)))
    separator = node.get("dimension_separator", ".")
    return ZarrArray(
        store,
        key,
        shape,
        chunks,
        None,
        _fill(node.get("fill_value")),
        lambda index: separator.join(map(str, index)) or "0",
        Codecs(dtype, axes[::-1] if node.get("order") == "F" else axes, steps),
        _NO_INDEX,
    )


def _format3(store: Store, key: str, node: Mapping[str, Any]) -> ZarrArray:
    shape = _lengths(node["shape"])
    chunks = _lengths(node["chunk_grid"]["configuration"]["chunk_shape"])
    name = node["data_type"]
    dtype = _numbers(np.dtype(name) if isinstance(name, str) else None)
    encoding = node.get("chunk_key_encoding", {"name": "default"})
    prefix, default = ("c", "/") if encoding["name"] == "default" else ("", ".")
    separator = encoding.get("configuration", {}).get("separator", default)

    def file_key(index: Sequence[int]) -> str:
        return separator.join([*([prefix] if prefix else []), *map(str, index)]) or "0"

    codecs, shards, first = node["codecs"], None, False
    index_codecs = _NO_INDEX
    if codecs and codecs[0]["name"] == "sharding_indexed":
        if len(codecs) > 1:
            raise ValueError("a codec behind shards")
        inner = codecs[0]["configuration"]
        shards, chunks = chunks, _lengths(inner["chunk_shape"])
        if any(s % c for s, c in zip(shards, chunks, strict=True)):
            raise ValueError(f"shards of {shards} in chunks of {chunks}")
        index_codecs = codecs_of(inner.get("index_codecs", ()), np.dtype(np.uint64), len(shape) + 1)
        codecs, first = inner["codecs"], inner.get("index_location") == "start"
    return ZarrArray(
        store,
        key,
        shape,
        chunks,
        shards,
        _fill(node.get("fill_value")),
        file_key,
        codecs_of(codecs, dtype, len(shape)),
        index_codecs,
        first,
    )


def _lengths(value: Any) -> tuple[int, ...]:
    lengths = tuple(value)
    if not all(isinstance(n, int) and n > 0 for n in lengths):
        raise ValueError(f"lengths {value}")
    return lengths


def _numbers(dtype: np.dtype[Any] | None) -> np.dtype[np.generic]:
    """Return a type of pixels, if it is one of numbers."""
    if dtype is None or dtype.kind not in "biufc":
        raise ValueError(f"pixels of {dtype or 'several fields'}")
    return dtype


def _fill(value: Any) -> float:
    """Return the value of chunks that were never written; 0 where that is not said."""
    special = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
    if isinstance(value, str):
        return special.get(value, 0)
    return value if isinstance(value, (int, float)) else 0
