"""The files of a store, in a folder or in a zip file, as memory that the system reads when touched.

Invariant: nothing outside the store is read. A link that leads out of the folder, a name or an
offset that leaves the file, or something that is no file, is an error and never followed.
"""

from __future__ import annotations

import os
import struct
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from cellcutter.errors import StoreError
from cellcutter.store.reading.mapped import Ahead, Mapped, map_file, most_mapped, open_file

LARGEST_METADATA = 64 << 20
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a member of a zip file: magic, lengths behind it


class Blob(Protocol):
    """A file that can be read in pieces."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    def expect(self, starts: list[int], stops: list[int]) -> None:
        """Say that ranges will be read soon, where that makes it quicker."""

    def pieces(self, starts: list[int], stops: list[int]) -> list[memoryview]:
        """Return the bytes of ranges that lie inside the file."""


class Files(Protocol):
    """What a store consists of; may be used from several threads of one process."""

    name: str
    waits: bool
    """Whether reading waits for a network, so that many threads make it quicker."""

    def read(self, key: str) -> bytes | None:
        """Return the content of a small file, or None where there is none.

        Raises
        ------
        StoreError
        """

    def blob(self, key: str) -> Blob:
        """Return a file to be read in pieces.

        Raises
        ------
        StoreError
            It is missing, or is no file of the store.
        """

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file, by name."""


class FolderFiles:
    """The files of a store in a folder. The latest that were read stay mapped.

    Parameters
    ----------
    path : Path
    """

    waits = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._root = os.path.realpath(path)
        self._mapped: OrderedDict[str, Mapped] = OrderedDict()
        self._lock = threading.Lock()
        self._most = most_mapped()
        self._ahead = Ahead()

    def read(self, key: str) -> bytes | None:
        """Return the content of a small file, or None where there is none."""
        path = self._path(key)
        if not os.path.lexists(path):
            return None
        file = open_file(path)
        with os.fdopen(file, "rb") as content:
            return _limited(content.read(LARGEST_METADATA + 1), path)

    def blob(self, key: str) -> Mapped:
        """Return a file to be read in pieces."""
        with self._lock:
            found = self._mapped.get(key)
            if found is not None:
                self._mapped.move_to_end(key)
                return found
        path = self._path(key)
        if not os.path.lexists(path):
            raise StoreError(f"{path}: no file found, a part of the store expected")
        content = map_file(path)
        found = Mapped(content, 0, len(content or b""), self._ahead)
        with self._lock:
            self._mapped[key] = found
            while len(self._mapped) > self._most:
                self._mapped.popitem(last=False)
        return found

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file, by name."""
        found = (Path(parent, n) for parent, _, names in os.walk(self.name) for n in names)
        return {f.relative_to(self.name).as_posix(): f.lstat().st_size for f in found}

    def _path(self, key: str) -> str:
        path = f"{self.name}/{key}"
        real = os.path.realpath(path)
        if os.path.commonpath([self._root, real]) != self._root:
            raise StoreError(f"{path}: a link to {real} found, a file of the store expected")
        return path


class ZipFiles:
    """The members of a zip file, which are stored in it without compression.

    Parameters
    ----------
    path : Path
    """

    waits = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {member.filename: member for member in archive.infolist()}
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise StoreError(f"{path}: {error} found, a zip file expected") from error
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; a zip file expected") from error
        self._content = map_file(str(path))
        self._memory = memoryview(self._content or b"")
        self._ahead = Ahead()

    def read(self, key: str) -> bytes | None:
        """Return the content of a small file, or None where there is none."""
        if key not in self._members:
            return None
        start, stop = self._member(key)
        content = self._memory[start : min(stop, start + LARGEST_METADATA + 1)]
        return _limited(bytes(content), f"{self.name}/{key}")

    def blob(self, key: str) -> Mapped:
        """Return a file to be read in pieces."""
        if key not in self._members:
            raise StoreError(f"{self.name}/{key}: no member found, a part of the store expected")
        return Mapped(self._content, *self._member(key), self._ahead)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file, by name."""
        return {name: member.file_size for name, member in self._members.items()}

    def _member(self, key: str) -> tuple[int, int]:
        """Return where the content of a member begins and ends."""
        info = self._members[key]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise StoreError(
                f"{self.name}/{key}: compressed or encrypted in the zip file, stored as it is "
                "expected"
            )
        start = info.header_offset
        header = self._memory[max(start, 0) : max(start, 0) + _LOCAL_HEADER.size]
        if start >= 0 and len(header) == _LOCAL_HEADER.size:
            magic, name, extra = _LOCAL_HEADER.unpack(header)
            start += _LOCAL_HEADER.size + name + extra
            if magic == b"PK\3\4" and start + info.file_size <= len(self._memory):
                return start, start + info.file_size
        raise StoreError(
            f"{self.name}/{key}: a place outside the zip file found, one inside expected"
        )


def _limited(content: bytes, path: str) -> bytes:
    if len(content) > LARGEST_METADATA:
        raise StoreError(f"{path}: more than {LARGEST_METADATA} bytes found, metadata expected")
    return content
