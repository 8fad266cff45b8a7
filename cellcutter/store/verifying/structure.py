"""What the metadata of a store say: which files there must be, and what must agree.

No pixel is read, and nothing is hashed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from cellcutter.errors import StoreError
from cellcutter.store.blosc import HEADER
from cellcutter.store.manifest import NAME, is_inside
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.metadata import StoredArray, read_json
from cellcutter.store.reading.stored import Root, Stored
from cellcutter.store.verifying.contents import Contents
from cellcutter.store.verifying.faults import Verdict
from cellcutter.store.zarr3 import METADATA

Json = Mapping[str, Any]
_MORE_FILES = 1 << 16
_BESIDE_CHUNKS = {".zarray", ".zattrs", "cells.csv", "tiles.csv"}


def arrays_of(stored: Stored) -> list[StoredArray]:
    """Return the arrays of thumbnails and of masks that a store holds."""
    return [stored.images, *filter(None, [stored.masks])]


def expected(root: Root, stored: Stored, nodes: Mapping[str, Json], there: int) -> Iterator[str]:
    """Yield the names of the files that there must be.

    Parameters
    ----------
    root : Root
    stored : Stored
    nodes : mapping
        The metadata of all nodes, in the layout `cells`.
    there : int
        How many files there are.

    Raises
    ------
    StoreError
        Many more files are told of than there are.
    """
    yield root.file
    for array in arrays_of(stored):
        if array.files > there + _MORE_FILES:
            raise StoreError(f"{array.name}: {array.files} files told of, {there} files found")
        yield from map(array.key, range(array.files))
    if root.file != METADATA:
        table = stored.about.get("table")
        if isinstance(table, dict) and isinstance(table.get("file"), str):
            yield table["file"]
        return
    for path, node in nodes.items():
        yield f"{path}/{METADATA}"
        if node.get("node_type") == "array" and not _is_sharded(node):
            yield from (f"{path}/{key}" for key in chunk_keys(node))


def nodes_of(root: Root) -> Mapping[str, Json]:
    """Return the metadata of all nodes below the root, as the root tells them."""
    found = root.given.get("consolidated_metadata")
    nodes = found.get("metadata") if isinstance(found, dict) else None
    return {
        path: node
        for path, node in (nodes.items() if isinstance(nodes, dict) else ())
        if isinstance(node, dict) and is_inside(path)
    }


def chunk_keys(node: Json) -> list[str]:
    """Return the names of the chunks of an array of the table, below the array."""
    shape, grid = node.get("shape"), node.get("chunk_grid")
    chunk = grid.get("configuration", {}).get("chunk_shape") if isinstance(grid, dict) else None
    sizes = [*(shape if isinstance(shape, list) else [None])]
    sizes += chunk if isinstance(chunk, list) else [None]
    if not all(type(n) is int and 0 <= n < 2**48 for n in sizes) or len(sizes) % 2:
        return []
    half = len(sizes) // 2
    if 0 in sizes[half:]:
        return []
    numbers = [-(-n // c) for n, c in zip(sizes[:half], sizes[half:], strict=True)]
    if prod(numbers) > _MORE_FILES:
        return []
    return ["/".join(["c", *map(str, each)]) for each in itertools.product(*map(range, numbers))]


def check_names(
    contents: Contents, names: set[str], told: set[str] | None, root: Root, verdict: Verdict
) -> None:
    """Name files that are missing, and files that nobody told of.

    Parameters
    ----------
    contents : Contents
    names : set of str
        What the metadata ask for.
    told : set of str, optional
        What the manifest names, itself included; None where there is none.
    root : Root
    verdict : Verdict
    """
    there = contents.sizes.keys()
    for name in sorted((names | (told or set())) - there):
        verdict.add("names", name, "missing")
    if told is not None:
        for name in sorted(there - told):
            verdict.add("names", name, "not in the manifest")
        for name in sorted((names & there) - told):
            verdict.add("names", name, "not in the manifest, and a part of the store")
    # what the manifest names may be none of the store's, either
    others = (there if told is None else there & told) - names - {NAME}
    for name in sorted(others):
        if (root.file == METADATA and name.endswith(f"/{METADATA}")) or (
            root.file != METADATA and name not in _BESIDE_CHUNKS
        ):
            verdict.add("names", name, "not a file of the store")


def check_nodes(files: Files, nodes: Mapping[str, Json], verdict: Verdict) -> None:
    """Compare the metadata of each node with what the root tells of it."""
    for path, node in nodes.items():
        name = f"{path}/{METADATA}"
        try:
            content = files.read(name)
            if content is None:
                continue  # named as missing
            given = read_json(content, name)
        except StoreError as error:
            verdict.add("names", name, str(error))
            continue
        if given != node:
            verdict.add("names", name, "other metadata than at the root of the store")


def check_sizes(contents: Contents, stored: Stored, verdict: Verdict) -> None:
    """Compare the sizes of the files of thumbnails and masks with what they say of themselves."""
    for array in arrays_of(stored):
        whole = array.cell_nbytes * array.per_file
        for key in map(array.key, range(array.files)):
            size = contents.sizes.get(key)
            if size is None:
                continue
            if array.sharded:
                least = 16 * array.per_file + 4 * array.checked
                if size < least:
                    verdict.add("names", key, f"{size} bytes, at least {least} expected")
            elif array.codec is None:
                if size != whole:
                    verdict.add("names", key, f"{size} bytes, {whole} expected")
            elif array.codec.get("id") == "blosc":
                _check_head(contents, key, whole, verdict)


def _check_head(contents: Contents, key: str, whole: int, verdict: Verdict) -> None:
    try:
        head = contents.head(key, HEADER.size)
    except (OSError, ValueError) as error:
        verdict.add("names", key, f"cannot be read: {error}")
        return
    size = contents.sizes[key]
    if len(head) < HEADER.size:
        verdict.add("names", key, f"{size} bytes, a frame of a chunk expected")
        return
    *_, nbytes, _, packed = HEADER.unpack(head)
    if (nbytes, packed) != (whole, size):
        verdict.add(
            "names",
            key,
            f"{nbytes} bytes in a frame of {packed} told, {whole} in one of {size} expected",
        )


def check_about(stored: Stored, verdict: Verdict, file: str) -> None:
    """Compare what the store says of itself with the shape of its array."""
    about, array = stored.about, stored.images
    if not about:
        return
    is_masks = len(array.shape) == 2
    table, channels = about.get("table"), about.get("channels")
    rows = table.get("rows") if isinstance(table, dict) else None
    pairs: list[tuple[str, object, object]] = [
        ("rows", rows, array.cells),
        ("window_size", about.get("window_size"), array.shape[-1]),
        ("height", array.shape[-2], array.shape[-1]),
        ("axes", _length(about.get("axes")), len(array.full_shape)),
    ]
    if not is_masks:
        pairs.append(("channels", _length(channels), array.shape[0]))
        statistics = about.get("statistics")
        if isinstance(statistics, dict):
            pairs += [
                (name, _length(statistics.get(name)), array.shape[0]) for name in ("mean", "std")
            ]
    if stored.masks is not None:
        like = (array.cells, array.shape[-1])
        pairs.append(("masks", (stored.masks.cells, stored.masks.shape[-1]), like))
    for name, found, wanted in pairs:
        if found != wanted:
            verdict.add("names", file, f"{name}: {found!s:.80} told, {wanted} expected")


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, list) else None


def _is_sharded(node: Json) -> bool:
    codecs = node.get("codecs")
    first = codecs[0] if isinstance(codecs, list) and codecs else None
    return isinstance(first, dict) and first.get("name") == "sharding_indexed"
