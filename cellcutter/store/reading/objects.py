"""The files of a store in an object store, such as S3, through fsspec.

A file is never fetched whole to read a part of it: pieces that lie close together are one request.
"""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from cellcutter.errors import StoreError
from cellcutter.store.reading.files import LARGEST_METADATA

NEAR = 64 << 10
"""Bytes between two pieces that are read with them, since a request costs more."""
LARGEST_REQUEST = 8 << 20
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class ObjectFiles:
    """The files of a store in an object store; what it says of a file's size is believed.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/cells.zarr``.
    options : mapping
        Of fsspec's file system: keys, an endpoint.

    Raises
    ------
    ModuleNotFoundError
        fsspec, or what it needs for this kind of store, is not installed.
    StoreError
        fsspec does not know this kind of store.
    """

    waits = True

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.name = url
        if self.name.endswith(".zip"):
            raise StoreError(
                f"{self.name}: a zip file in an object store found, a folder expected: unpack it "
                "there, or copy it here"
            )
        self._files, self._root = _file_system(url, options)
        self._blobs: dict[str, _Object] = {}

    def read(self, key: str) -> bytes | None:
        """Return the content of a small file, or None where there is none."""
        try:
            found: bytes = self._files.cat_file(f"{self._root}/{key}", end=LARGEST_METADATA)
        except _ABSENT:
            return None
        except Exception as error:
            raise self._failed(key, error) from error
        if len(found) == LARGEST_METADATA:
            raise StoreError(
                f"{self.name}/{key}: {LARGEST_METADATA} bytes or more found, metadata expected"
            )
        return found

    def blob(self, key: str) -> _Object:
        """Return a file to be read in pieces; its size is asked for once."""
        found = self._blobs.get(key)
        if found is None:
            try:
                size = self._files.size(f"{self._root}/{key}")
            except Exception as error:
                raise self._failed(key, error) from error
            if not isinstance(size, int):
                raise StoreError(f"{self.name}/{key}: no size is told, one expected")
            found = self._blobs[key] = _Object(self, key, size)
        return found

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file, by name."""
        try:
            found = self._files.find(self._root, detail=True)
        except Exception as error:
            raise self._failed("", error) from error
        return {name[len(self._root) + 1 :]: int(told["size"]) for name, told in found.items()}

    def fetch(self, key: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file, fetched at the same time."""
        path = f"{self._root}/{key}"
        starts, stops = ([each[i] for each in ranges] for i in (0, 1))
        try:
            found: list[bytes] = self._files.cat_ranges(
                [path] * len(ranges), starts, stops, on_error="raise"
            )
        except Exception as error:
            raise self._failed(key, error) from error
        for content, (start, stop) in zip(found, ranges, strict=True):
            if len(content) != stop - start:
                raise StoreError(
                    f"{self.name}/{key}: {len(content)} bytes from {start} on found, "
                    f"{stop - start} expected"
                )
        return found

    def _failed(self, key: str, error: Exception) -> StoreError:
        words = " ".join(str(error).split()) or type(error).__name__
        return StoreError(f"{self.name}/{key}: {words}; a file of a store expected")


class _Object:
    """A file in an object store.

    Parameters
    ----------
    files : ObjectFiles
    key : str
    size : int
    """

    def __init__(self, files: ObjectFiles, key: str, size: int) -> None:
        self._files, self._key, self.size = files, key, size

    def expect(self, starts: list[int], stops: list[int]) -> None:
        """Do nothing: a request would not come back sooner."""

    def pieces(self, starts: list[int], stops: list[int]) -> list[memoryview]:
        """Return the bytes of ranges that lie inside the file."""
        ranges = together(starts, stops)
        found = [memoryview(each) for each in self._files.fetch(self._key, ranges)]
        firsts = [first for first, _ in ranges]
        pieces = []
        for start, stop in zip(starts, stops, strict=True):
            if start == stop:
                pieces.append(memoryview(b""))
                continue
            i = bisect_right(firsts, start) - 1
            pieces.append(found[i][start - firsts[i] : stop - firsts[i]])
        return pieces


def together(starts: list[int], stops: list[int]) -> list[tuple[int, int]]:
    """Return the ranges that hold some pieces, in ascending order; none for empty pieces.

    Pieces that are close together share a range; a range is larger than `LARGEST_REQUEST` only
    where one piece is.
    """
    ranges: list[tuple[int, int]] = []
    for start, stop in sorted(zip(starts, stops, strict=True)):
        first, last = ranges[-1] if ranges else (start, start)
        if start == stop:
            continue
        if ranges and start < last:  # pieces that overlap stay together
            ranges[-1] = first, max(last, stop)
        elif ranges and start <= last + NEAR and stop - first <= LARGEST_REQUEST:
            ranges[-1] = first, stop
        else:
            ranges.append((start, stop))
    return ranges


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return fsspec's file system, and the store's place in it."""
    try:
        core = importlib.import_module("fsspec.core")
        files, root = core.url_to_fs(url, **options)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{url}: needs a package that is not installed: {error}; "
            "pip install 'cellcutter[s3]' for s3://, or fsspec and what it has for this kind",
            name=error.name,
        ) from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"{url}: {error}; an address that fsspec knows expected") from error
    return files, root
