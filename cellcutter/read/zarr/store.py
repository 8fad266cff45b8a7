"""Where the files of a Zarr store lie: a folder, or a zip file. Read without trust.

Only regular files are opened. JSON is parsed with a bound on its size.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any, Protocol

from cellcutter.read.positional import open_regular, read_at

_MOST_JSON = 1 << 24  # bytes; as objects it may take twenty times that


class Store(Protocol):
    """Files by their keys, such as ``0/zarr.json``."""

    def size(self, key: str) -> int | None:
        """Return the length of a file in bytes; None where there is none.

        Raises
        ------
        OSError
            It is no regular file, or cannot be read.
        """

    def read(self, key: str, offset: int = 0, count: int | None = None) -> bytes | None:
        """Return bytes of a file, all where no count is given; None where there is no file.

        Raises
        ------
        OSError, EOFError
        """

    def names(self, key: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""


class FolderStore:
    """A store in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, key: str) -> int | None:
        """See :meth:`Store.size`."""
        descriptor = self._open(key)
        if descriptor is None:
            return None
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def read(self, key: str, offset: int = 0, count: int | None = None) -> bytes | None:
        """See :meth:`Store.read`."""
        descriptor = self._open(key)
        if descriptor is None:
            return None
        try:
            if count is None:
                count = os.fstat(descriptor).st_size - offset
            return read_at(descriptor, count, offset)
        finally:
            os.close(descriptor)

    def names(self, key: str) -> list[str]:
        """See :meth:`Store.names`."""
        folder = self._folder / key if key else self._folder
        try:
            return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        except OSError:
            return []

    def _open(self, key: str) -> int | None:
        try:
            return open_regular(self._folder / key)
        except (FileNotFoundError, NotADirectoryError):
            return None


class ZipStore:
    """A store in a zip file, whose root may be a folder in it."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self._members = {info.filename: info for info in self._zip.infolist()}
        roots = [
            name.rpartition("/")[0]
            for name in self._members
            if name.rpartition("/")[2] in ("zarr.json", ".zgroup", ".zattrs", ".zarray")
        ]
        root = min(roots, key=lambda name: (name.count("/") + bool(name), name), default="")
        self._root = f"{root}/" if root else ""

    def size(self, key: str) -> int | None:
        """See :meth:`Store.size`."""
        info = self._members.get(self._root + key)
        return None if info is None else info.file_size

    def read(self, key: str, offset: int = 0, count: int | None = None) -> bytes | None:
        """See :meth:`Store.read`."""
        info = self._members.get(self._root + key)
        if info is None:
            return None
        with self._zip.open(info) as file:
            if offset:
                file.seek(offset)
            # no more than the directory of the zip file says: a member may inflate to more
            wanted = info.file_size - offset if count is None else count
            data = file.read(wanted)
        if len(data) != wanted:
            raise EOFError(f"{len(data)} of {wanted} bytes")
        return data

    def names(self, key: str) -> list[str]:
        """See :meth:`Store.names`."""
        start = self._root + (f"{key}/" if key else "")
        inside = (name[len(start) :] for name in self._members if name.startswith(start))
        return sorted({name.split("/", 1)[0] for name in inside if "/" in name})

    def close(self) -> None:
        """Close the zip file."""
        self._zip.close()


def read_json(store: Store, key: str) -> dict[str, Any] | None:
    """Return the object in a JSON file; None where there is no such file.

    Raises
    ------
    ValueError
        It is no JSON, too large, or too deep.
    OSError
        It is no regular file, or cannot be read.
    """
    size = store.size(key)
    if size is None:
        return None
    if size > _MOST_JSON:
        raise ValueError(f"{key} of {size} bytes")
    data = store.read(key)
    try:
        value = json.loads(data or b"")
    except RecursionError:
        raise ValueError(f"{key} that is nested too deeply") from None
    except ValueError:
        raise ValueError(f"{key} that is no JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"{key} that is no JSON object")  # noqa: TRY004 - of the file's content
    return value


def attributes(store: Store, key: str) -> dict[str, Any] | None:
    """Return the attributes of a group or an array of either format; None where there is none."""
    start = f"{key}/" if key else ""
    node = read_json(store, f"{start}zarr.json")
    if node is not None:
        found = node.get("attributes", {})
    elif any(store.size(start + name) is not None for name in (".zgroup", ".zarray", ".zattrs")):
        found = read_json(store, f"{start}.zattrs") or {}
    else:
        return None
    return found if isinstance(found, dict) else {}
