"""Small arrays and groups in Zarr's format 3, as files: metadata, and data in one chunk each.

Written here and not by zarr-python, whose defaults change from version to version: the same input
makes the same bytes, whatever version is installed. The format is
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html; texts are encoded as ``vlen-utf8``
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/vlen-utf8).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from cellcutter.store.codec import CELL_CODECS
from cellcutter.store.container import Container
from cellcutter.store.layout import CellsLayout

METADATA = "zarr.json"
_LEVEL = 1
_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
_ZSTD = {"name": "zstd", "configuration": {"level": _LEVEL, "checksum": False}}
Json = dict[str, Any]


class Tree:
    """The nodes of a hierarchy below a folder; its root is written last, with all metadata in it.

    Parameters
    ----------
    files : Container
        Of the store.
    """

    def __init__(self, files: Container) -> None:
        self._files = files
        self._nodes: dict[str, Json] = {}

    def group(self, path: str, attributes: Mapping[str, Any]) -> None:
        """Make a group."""
        self._add(path, group_metadata(attributes))

    def array(self, path: str, values: NDArray[np.generic], attributes: Mapping[str, Any]) -> None:
        """Make an array of numbers, truth values or texts (as objects), of any shape."""
        text = values.dtype.kind == "O"
        content = _texts(values) if text else np.ascontiguousarray(values).tobytes()
        self._add(path, _small_metadata(values, attributes))
        if values.size:
            chunk = "/".join([path, "c", *("0" for _ in values.shape)])
            self._files.write(chunk, zstandard.ZstdCompressor(level=_LEVEL).compress(content))

    def node(self, path: str, metadata: Json) -> None:
        """Make a node whose data is written elsewhere."""
        self._add(path, metadata)

    def finish(self, attributes: Mapping[str, Any]) -> None:
        """Write the root, a group, with the metadata of all nodes.

        As zarr-python consolidates it
        (https://zarr.readthedocs.io/en/stable/user-guide/consolidated_metadata/).
        """
        inline = {"kind": "inline", "must_understand": False, "metadata": self._nodes}
        self._write("", {**group_metadata(attributes), "consolidated_metadata": inline})

    def _add(self, path: str, metadata: Json) -> None:
        if path in self._nodes:
            raise ValueError(f"{path} is there twice")
        self._nodes[path] = metadata
        self._write(path, metadata)

    def _write(self, path: str, metadata: Json) -> None:
        name = f"{path}/{METADATA}" if path else METADATA
        self._files.write(name, json.dumps(metadata, indent=2).encode())


def group_metadata(attributes: Mapping[str, Any]) -> Json:
    """Return the metadata of a group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def sharded_metadata(
    layout: CellsLayout, compression: str, names: Sequence[str], attributes: Mapping[str, Any]
) -> Json:
    """Return the metadata of an array of shards.

    Parameters
    ----------
    layout : CellsLayout
    compression : str
        A key of `CELL_CODECS`.
    names : sequence of str
        Of the axes.
    attributes : mapping
    """
    codec = CELL_CODECS[compression]
    codecs: list[Json] = [_bytes(layout.dtype)]
    if codec is not None:
        blosc = {
            "cname": codec.name,
            "clevel": codec.level,
            "shuffle": "bitshuffle",
            "typesize": layout.dtype.itemsize,
            "blocksize": 0,
        }
        codecs.append({"name": "blosc", "configuration": blosc})
    sharding = {
        "chunk_shape": list(layout.cell_shape),
        "codecs": codecs,
        "index_codecs": [_LITTLE, {"name": "crc32c"}],
        "index_location": "end",
    }
    metadata = _metadata(
        layout.stored_shape,
        layout.stored_chunks,
        layout.dtype.name,
        _zero(layout.dtype),
        [{"name": "sharding_indexed", "configuration": sharding}],
        attributes,
    )
    return {**metadata, "dimension_names": list(names)}


def _small_metadata(values: NDArray[np.generic], attributes: Mapping[str, Any]) -> Json:
    text = values.dtype.kind == "O"
    return _metadata(
        values.shape,
        tuple(max(1, length) for length in values.shape),
        "string" if text else values.dtype.name,
        "" if text else _zero(values.dtype),
        [{"name": "vlen-utf8"} if text else _bytes(values.dtype), _ZSTD],
        attributes,
    )


def _metadata(
    shape: Sequence[int],
    chunk: Sequence[int],
    data_type: str,
    fill_value: object,
    codecs: list[Json],
    attributes: Mapping[str, Any],
) -> Json:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill_value,
        "codecs": codecs,
        "attributes": dict(attributes),
    }


def _bytes(dtype: np.dtype[np.generic]) -> Json:
    return _LITTLE if dtype.itemsize > 1 else {"name": "bytes"}


def _zero(dtype: np.dtype[np.generic]) -> object:
    return dtype.type(0).item()


def _texts(values: NDArray[np.generic]) -> bytes:
    """Encode texts: how many there are, then the length of each in bytes before it."""
    encoded = [str(value).encode() for value in values.reshape(-1).tolist()]
    parts = [len(encoded).to_bytes(4, "little")]
    for each in encoded:
        parts += [len(each).to_bytes(4, "little"), each]
    return b"".join(parts)
