"""Pure: what the metadata of an array say, checked before anything else is believed.

Formats: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html and, for shards,
https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from cellcutter.errors import StoreError
from cellcutter.store.blosc import LARGEST
from cellcutter.store.layout import numeric

_TYPES = {"bool", "float16", "float32", "float64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


@dataclass(frozen=True)
class StoredArray:
    """An array of thumbnails or of masks, as its metadata describe it.

    Parameters
    ----------
    name : str
        For messages.
    prefix : str
        What the names of its files begin with.
    cells : int
    shape : tuple of int
        Of one cell: (channels, y, x), or (y, x) for masks.
    dtype : numpy.dtype
        As stored: of either byte order.
    per_file : int
        Cells in a file.
    sharded : bool
        Whether a file is a shard in which each cell is a piece of its own.
    codec : mapping or None
        How chunks, or the cells in a shard, are compressed: `id` and its parameters.
    checked : bool
        Whether the index of a shard ends in a checksum.
    separator : str
        Between the numbers in a file's name.
    attributes : mapping
        Of the array.
    """

    name: str
    prefix: str
    cells: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    per_file: int
    sharded: bool
    codec: Mapping[str, Any] | None
    checked: bool
    separator: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cell_nbytes(self) -> int:
        """Bytes of a cell before it is compressed."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Shape of the array as it is stored, with the axis of the cells."""
        return self._with_cells(self.cells)

    @property
    def file_shape(self) -> tuple[int, ...]:
        """Shape of what a file holds."""
        return self._with_cells(self.per_file)

    @property
    def files(self) -> int:
        """Number of the files that hold the cells."""
        return -(-self.cells // self.per_file)

    def key(self, number: int) -> str:
        """Return the name of a file."""
        axes = ["0"] * len(self.shape)
        axes.insert(self._axis, str(number))
        return self.prefix + self.separator.join(["c", *axes] if self.sharded else axes)

    def number(self, key: str) -> int | None:
        """Return which of the files has a name; None where none has it."""
        words = key.removeprefix(self.prefix).split(self.separator)
        place = self._axis + self.sharded
        if place >= len(words) or not re.fullmatch("[0-9]{1,15}", words[place]):
            return None
        number = int(words[place])
        return number if number < self.files and self.key(number) == key else None

    @property
    def _axis(self) -> int:
        """Where the axis of the cells lies."""
        return 0 if self.sharded else len(self.shape) - 2

    def _with_cells(self, cells: int) -> tuple[int, ...]:
        return (*self.shape[: self._axis], cells, *self.shape[self._axis :])


def read_json(content: bytes, name: str) -> dict[str, Any]:
    """Return an object of JSON.

    Raises
    ------
    StoreError
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{name}: {error}; JSON expected") from error
    if not isinstance(found, dict):
        raise StoreError(f"{name}: {type(found).__name__} found, a JSON object expected")
    return found


def chunked(given: Mapping[str, Any], attributes: Mapping[str, Any], name: str) -> StoredArray:
    """Return what ``.zarray`` of the layout `chunks` says: [channels, cells, y, x], or masks.

    Raises
    ------
    StoreError
    """
    shape, chunks = _sizes(given, "shape", name), _sizes(given, "chunks", name)
    axis = len(shape) - 3
    if axis not in (0, 1) or len(chunks) != len(shape):
        raise _unknown(name, f"shape {shape} with chunks {chunks}", "[channels, cells, y, x]")
    cell, chunk = (tuple(np.delete(sizes, axis).tolist()) for sizes in (shape, chunks))
    if cell != chunk:
        raise _unknown(name, f"chunks {chunks} of {shape}", "chunks of whole cells")
    if given.get("zarr_format") != 2 or given.get("order") != "C" or given.get("filters"):
        raise _unknown(name, "another format, order or filter", "format 2 in C order, no filter")
    codec = given.get("compressor")
    if codec is not None and not isinstance(codec, dict):
        raise _unknown(name, f"compressor {codec!r}", "an object")
    separator = given.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise _unknown(name, f"separator {separator!r}", '"." or "/"')
    return _checked(
        StoredArray(
            name,
            "",
            shape[axis],
            cell,
            _dtype(given.get("dtype"), name),
            chunks[axis],
            sharded=False,
            codec=codec,
            checked=False,
            separator=separator,
            attributes=attributes,
        )
    )


def sharded(given: Mapping[str, Any], prefix: str, name: str) -> StoredArray:
    """Return what ``zarr.json`` of an array in the layout `cells` says: [cells, channels, y, x].

    Parameters
    ----------
    given : mapping
    prefix : str
        Where the array lies in the store: nothing, or a name that ends in a slash.
    name : str
        For messages.

    Raises
    ------
    StoreError
    """
    shape = _sizes(given, "shape", name)
    grid, outer = _part(given, "chunk_grid", name), _list(given, "codecs", name)
    if len(outer) != 1 or outer[0].get("name") != "sharding_indexed":
        raise _unknown(name, "no shards", "a sharded array, one cell a piece")
    sharding = _part(outer[0], "configuration", name)
    shard = _sizes(_part(grid, "configuration", name), "chunk_shape", name)
    inner = _sizes(sharding, "chunk_shape", name)
    if len(shape) not in (3, 4) or inner != (1, *shape[1:]) or shard[1:] != shape[1:]:
        raise _unknown(
            name, f"shape {shape}, shards {shard}, pieces {inner}", "one whole cell a piece"
        )
    index = [codec.get("name") for codec in _list(sharding, "index_codecs", name)]
    if index not in (["bytes"], ["bytes", "crc32c"]) or (
        sharding.get("index_location", "end") != "end"
    ):
        raise _unknown(name, f"an index by {index}", "an index at the end, bytes and crc32c")
    first, *rest = _list(sharding, "codecs", name)
    dtype = _dtype(given.get("data_type"), name)
    little = first.get("name") == "bytes" and (dtype.itemsize == 1 or _endian(first) == "little")
    if not little or _endian(sharding["index_codecs"][0]) != "little" or len(rest) > 1:
        raise _unknown(name, f"codecs {[c.get('name') for c in (first, *rest)]}", "bytes, and one")
    keys = _part(given, "chunk_key_encoding", name)
    separator = _configuration(keys, name).get("separator", "/")
    if keys.get("name") != "default" or separator not in (".", "/"):
        raise _unknown(name, f"keys {keys}", "default keys")
    return _checked(
        StoredArray(
            name,
            prefix,
            shape[0],
            shape[1:],
            dtype.newbyteorder("<"),
            shard[0],
            sharded=True,
            codec={"id": rest[0].get("name"), **_configuration(rest[0], name)} if rest else None,
            checked="crc32c" in index,
            separator=separator,
            attributes=_attributes(given),
        )
    )


def _attributes(given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = given.get("attributes")
    return found if isinstance(found, dict) else {}


def _checked(array: StoredArray) -> StoredArray:
    """Return an array whose cells, and chunks that must be read whole, have a possible size."""
    nbytes = array.cell_nbytes * (1 if array.sharded else array.per_file)
    if not 0 < nbytes <= LARGEST or array.per_file > LARGEST or array.cells > 2**48:
        raise _unknown(array.name, f"pieces of {nbytes} bytes", f"at most {LARGEST}")
    return array


def _sizes(given: Mapping[str, Any], key: str, name: str) -> tuple[int, ...]:
    found = given.get(key)
    if not isinstance(found, list) or not all(type(n) is int and 0 <= n < 2**62 for n in found):
        raise _unknown(name, f"{key} {str(found)[:80]}", "a list of sizes")
    if key != "shape" and 0 in found:
        raise _unknown(name, f"{key} {found}", "sizes above 0")
    return tuple(found)


def _dtype(found: object, name: str) -> np.dtype[np.generic]:
    try:
        dtype = np.dtype(found) if isinstance(found, str) and len(found) < 16 else None
    except TypeError:
        dtype = None
    if dtype is None or not (dtype.kind == "b" or numeric(dtype) or dtype.name in _TYPES):
        raise _unknown(name, f"type {str(found)[:80]}", "integers, floats or bool")
    return dtype


def _part(given: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    found = given.get(key)
    if not isinstance(found, dict):
        raise _unknown(name, f"{key} {str(found)[:80]}", "an object")
    return found


def _configuration(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the configuration of a codec or of keys, which may have none."""
    return _part(given, "configuration", name) if given.get("configuration") is not None else {}


def _list(given: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    found = given.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(c, dict) for c in found):
        raise _unknown(name, f"{key} {str(found)[:80]}", "a list of codecs")
    return found


def _endian(codec: Mapping[str, Any]) -> object:
    configuration = codec.get("configuration")
    return configuration.get("endian") if isinstance(configuration, dict) else None


def _unknown(name: str, found: str, expected: str) -> StoreError:
    return StoreError(f"{name}: {found} found, {expected} expected")
