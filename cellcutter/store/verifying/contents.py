"""The files of a store as bytes, in a folder or a zip file, whatever lies there.

Invariant: nothing outside the store is read: links are named as faults and never followed.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cellcutter.store.manifest import is_inside
from cellcutter.store.verifying.archives import Member, members_of

_PIECE = 1 << 20
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
)


class Contents(Protocol):
    """The files of a store; may be used from several threads."""

    sizes: dict[str, int]
    """Bytes of each file, by name."""
    faults: list[tuple[str, str]]
    """What lies there that is no file of a store: name and problem."""

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file.

        Raises
        ------
        OSError, ValueError
            It cannot be read.
        """

    def head(self, name: str, nbytes: int) -> bytes:
        """Return the first bytes of a file."""


def contents_of(path: Path) -> Contents:
    """Return the files of a store.

    Raises
    ------
    OSError
    zipfile.BadZipFile
        It is a zip file that is not whole.
    """
    return _Folder(path) if path.is_dir() else _Zip(path)


class _Folder:
    """The files of a store in a folder."""

    def __init__(self, path: Path) -> None:
        self.sizes: dict[str, int] = {}
        self.faults: list[tuple[str, str]] = []
        self._path = path
        self._list("")

    def _list(self, start: str) -> None:
        with os.scandir(self._path / start) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                name = start + entry.name
                if entry.is_symlink():
                    self.faults.append((name, "a link found, a file of the store expected"))
                elif entry.is_dir(follow_symlinks=False):
                    self._list(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    self.sizes[name] = entry.stat(follow_symlinks=False).st_size
                else:
                    self.faults.append((name, "no regular file found, a file expected"))

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file."""
        with os.fdopen(self._open(name), "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece

    def head(self, name: str, nbytes: int) -> bytes:
        """Return the first bytes of a file."""
        with os.fdopen(self._open(name), "rb") as file:
            return file.read(nbytes)

    def _open(self, name: str) -> int:
        file = os.open(self._path / name, _FLAGS)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise ValueError("no regular file found, a file expected")
        return file


class _Zip:
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, Member] = {}
        self.faults: list[tuple[str, str]] = []
        found, faults = members_of(path)
        for fault in faults:
            self.faults.append(("", fault))
        for member in found:
            if not is_inside(member.name) or "\\" in member.name:
                self.faults.append((member.name, "a name found that leads out of the store"))
            elif member.name in self._members:
                self.faults.append((member.name, "there twice"))
            elif member.problem:
                self.faults.append((member.name, member.problem))
            self._members.setdefault(member.name, member)
        self.sizes = {name: member.nbytes for name, member in self._members.items()}

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file, whose checksum is looked at, too."""
        member = self._members[name]
        if member.start < 0:
            raise ValueError(member.problem)
        left, checksum = member.nbytes, 0
        with self._path.open("rb", buffering=0) as file:
            file.seek(member.start)
            while left and (piece := file.read(min(_PIECE, left))):
                left -= len(piece)
                checksum = zlib.crc32(piece, checksum)
                yield piece
        if left or checksum != member.checksum:
            raise ValueError("another CRC-32 than that in the zip file")

    def head(self, name: str, nbytes: int) -> bytes:
        """Return the first bytes of a file."""
        member = self._members[name]
        if member.start < 0:
            raise ValueError(member.problem)
        with self._path.open("rb") as file:
            file.seek(member.start)
            return file.read(min(nbytes, member.nbytes))
