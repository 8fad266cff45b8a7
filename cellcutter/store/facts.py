"""What a store says of itself, and whether its files are all there; no pixel is read.

Built on what reading a store is built on, so both understand the same stores.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from cellcutter.errors import StoreError
from cellcutter.store import manifest
from cellcutter.store.layout import IMAGES
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.metadata import StoredArray
from cellcutter.store.reading.places import open_files
from cellcutter.store.reading.stored import Root, read_root, stored

Facts = dict[str, Any]


def store_facts(path: Path) -> Facts | None:
    """Return the facts of a store of thumbnails or of masks; None for anything else.

    Such a store has our attributes, or thumbnails where the layout `cells` has them; or it is an
    array of four axes of Zarr format 2 without any, as versions up to 0.2.12 made them.

    Raises
    ------
    StoreError
        It is a damaged zip file, or its metadata cannot be read.
    OSError
    """
    if not path.is_dir() and not (path.is_file() and zipfile.is_zipfile(path)):
        return None
    files = open_files(path)
    root = _root(path, files)
    if root is None or not (root.about or _has_cells(root, files)):
        return None
    found = stored(root, files)
    sizes = files.sizes()
    return {
        "format": 3 if found.images.sharded else 2,
        "shape": list(found.images.full_shape),
        "chunks": list(found.images.file_shape),
        "type": found.images.dtype.str,
        "compression": str((found.images.codec or {}).get("id", "none")),
        **_completeness([a for a in (found.images, found.masks) if a is not None], sizes),
        "bytes": sum(sizes.values()),
        "identity": _identity(files),
        "attributes": dict(found.about) or None,
    }


def _identity(files: Files) -> str | None:
    """Return the store's identity; None where it has no manifest, as older stores."""
    content = files.read(manifest.NAME)
    return None if content is None else manifest.identity(content)


def _root(path: Path, files: Files) -> Root | None:
    """Return the metadata at the root, unless they lie elsewhere: an image may be linked so."""
    for name in (".zarray", ".zattrs", "zarr.json"):
        if (path / name).is_symlink():
            return None
    return read_root(files)


def _has_cells(root: Root, files: Files) -> bool:
    """Tell whether a store without our attributes has thumbnails."""
    if root.file == "zarr.json":
        return files.read(f"{IMAGES}/zarr.json") is not None
    shape = root.given.get("shape")
    if not isinstance(shape, list):
        raise StoreError(f"{root.name}: no shape found, a Zarr array expected")
    return len(shape) == 4


def _completeness(arrays: list[StoredArray], sizes: dict[str, int]) -> Facts:
    """Count the files of arrays: those that there should be, and those that are there."""
    return {
        "chunks_expected": sum(array.files for array in arrays),
        "chunks_there": sum(array.number(name) is not None for array in arrays for name in sizes),
    }
