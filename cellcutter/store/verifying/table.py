"""The table of a store, read whole: its columns, its CellIDs, and what the store says twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from cellcutter.errors import StoreError
from cellcutter.machine import available_memory
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.slide import Slide
from cellcutter.store.verifying.faults import Verdict
from cellcutter.store.verifying.structure import chunk_keys

_ABOUT = "uns/cellcutter"


def check_table(path: Path, verdict: Verdict) -> None:
    """Read the table, and compare its CellIDs with what the attributes tell of them."""
    try:
        slide = Slide(path, path.name)
        _ = slide.ids
        for _name, _column in slide.columns():
            pass
    except StoreError as error:
        verdict.add("deep", "", str(error))


def check_columns(
    files: Files, nodes: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any], verdict: Verdict
) -> None:
    """Decode the small arrays of the layout `cells`.

    Parameters
    ----------
    files : Files
    nodes : mapping
        The metadata of all nodes.
    about : mapping
        What the store says of itself.
    verdict : Verdict
    """
    for path, node in nodes.items():
        if _codecs(node) not in (["bytes", "zstd"], ["vlen-utf8", "zstd"]):
            continue
        for key in chunk_keys(node):
            name = f"{path}/{key}"
            try:
                found = _values(files, name, node)
            except StoreError:
                continue  # named as missing
            except (ValueError, TypeError, zstandard.ZstdError, MemoryError) as error:
                verdict.add("deep", name, f"cannot be decoded: {error}")
                continue
            if path == _ABOUT:
                _check_again(found, about, name, verdict)


def _codecs(node: Mapping[str, Any]) -> list[object]:
    codecs = node.get("codecs")
    found = codecs if isinstance(codecs, list) else []
    return [codec.get("name") if isinstance(codec, dict) else None for codec in found]


def _values(files: Files, name: str, node: Mapping[str, Any]) -> list[str]:
    """Return the texts of a chunk; of numbers only the size is looked at."""
    blob = files.blob(name)
    content = bytes(blob.pieces([0], [blob.size])[0])
    shape = node["chunk_grid"]["configuration"]["chunk_shape"]
    number = int(np.prod(shape, dtype=np.int64)) if shape else 1
    nbytes = zstandard.frame_content_size(content)
    is_text = _codecs(node)[0] == "vlen-utf8"
    wanted = None if is_text else number * np.dtype(node["data_type"]).itemsize
    if not 0 <= nbytes <= available_memory() // 2 or wanted not in (None, nbytes):
        raise ValueError(f"{nbytes} bytes told, {wanted or 'fewer'} expected")
    decoded = zstandard.ZstdDecompressor().decompress(content, max_output_size=max(1, nbytes))
    if len(decoded) != nbytes:
        raise ValueError(f"{len(decoded)} bytes found, {nbytes} expected")
    return _texts(decoded, number) if is_text else []


def _texts(content: bytes, number: int) -> list[str]:
    """Return texts that lie one behind the other, each with its length before it."""
    place, found = 4, []
    if int.from_bytes(content[:4], "little") != number:
        raise ValueError(f"another number of texts than {number} found")
    for _ in range(number):
        start = place + 4
        place = start + int.from_bytes(content[place:start], "little")
        if place > len(content):
            raise ValueError("texts are cut off")
        found.append(content[start:place].decode())
    if place != len(content):
        raise ValueError(f"{len(content) - place} bytes behind the last text found")
    return found


def _check_again(texts: list[str], about: Mapping[str, Any], name: str, verdict: Verdict) -> None:
    try:
        again = json.loads(texts[0]) if texts else None
    except (ValueError, RecursionError):
        again = None
    if again != about:
        verdict.add("deep", name, "says something else of the store than its attributes")
