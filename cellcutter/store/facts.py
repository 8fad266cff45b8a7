"""What a store says of itself, and whether its chunks are all there; by its files alone.

Both formats of Zarr (https://zarr-specs.readthedocs.io): ``.zarray`` and ``.zattrs`` of format 2,
``zarr.json`` of format 3; in a folder or in a zip file.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, Protocol

from cellcutter.errors import ImageError

Facts = dict[str, Any]
_LARGEST = 64 << 20  # bytes of metadata


class _Files(Protocol):
    """The files of a store: their sizes by name, and their contents."""

    sizes: Mapping[str, int]

    def read(self, name: str) -> bytes:
        """Return the content of a file."""


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sizes: Mapping[str, int] = dict(self._sizes())

    def _sizes(self) -> Iterator[tuple[str, int]]:
        for parent, _, names in os.walk(self._folder):
            for name in names:
                file = Path(parent, name)
                yield file.relative_to(self._folder).as_posix(), file.lstat().st_size

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self._folder / name).read_bytes()


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.sizes: Mapping[str, int] = {i.filename: i.file_size for i in archive.infolist()}

    def read(self, name: str) -> bytes:
        """Return the content of a member."""
        return self._archive.read(name)


@contextmanager
def _files(path: Path) -> Iterator[_Files | None]:
    if path.is_dir():
        yield _Folder(path) if any((path / n).is_file() for n in (".zarray", "zarr.json")) else None
    elif path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _Zip(archive)
    else:
        yield None


def store_facts(path: Path) -> Facts | None:
    """Return the facts of a store of thumbnails; None for anything else.

    Such a store has our attributes; or it is an array of four axes of Zarr format 2 without any, as
    versions up to 0.2.12 made them.

    Raises
    ------
    ImageError
        It is a damaged zip file, or its metadata cannot be read.
    OSError
    """
    try:
        with _files(path) as files:
            if files is None:
                return None
            for name in (".zarray", "zarr.json"):
                if files.sizes.get(name, _LARGEST) < _LARGEST:
                    array = json.loads(files.read(name))
                    attributes = array.get("attributes", {})
                    if name == ".zarray" and files.sizes.get(".zattrs", _LARGEST) < _LARGEST:
                        attributes = json.loads(files.read(".zattrs"))
                    return _facts(array, attributes.get("cellcutter"), files.sizes)
            return None
    except (zipfile.BadZipFile, ValueError, AttributeError, TypeError, KeyError) as error:
        raise ImageError(f"{path}: {error} found in a Zarr store, a whole one expected") from error


def _facts(array: Mapping[str, Any], ours: Facts | None, sizes: Mapping[str, int]) -> Facts | None:
    if array["zarr_format"] == 2 and "shape" in array:
        shape, chunks = array["shape"], array["chunks"]
        if ours is None and len(shape) != 4:
            return None
        return {
            "format": 2,
            "shape": shape,
            "chunks": chunks,
            "type": array["dtype"],
            "compression": (array["compressor"] or {}).get("id", "none"),
            **_completeness(shape, chunks, array.get("dimension_separator", "."), sizes),
            "bytes": sum(sizes.values()),
            "attributes": ours,
        }
    return None if ours is None else {"format": 3, "bytes": sum(sizes.values()), "attributes": ours}


def _completeness(
    shape: list[int], chunks: list[int], separator: str, sizes: Mapping[str, int]
) -> Facts:
    """Count the chunks: those that there should be, and those that are there."""
    expected = prod(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True))
    there = sum(
        len(words := name.split(separator)) == len(shape) and all(w.isdigit() for w in words)
        for name in sizes
    )
    return {"chunks_expected": expected, "chunks_there": there}
