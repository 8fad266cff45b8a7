"""Which files of a store are whole while it is made: a list beside it, for the run that goes on.

Invariant: a line is written once its file is complete, and is believed only where the file has the
SHA-256 that it tells: after a loss of power the list may know more than the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cellcutter import system

_PIECE = 1 << 20


class Written(NamedTuple):
    """What a file was when it was written."""

    nbytes: int
    digest: bytes


class Moved(NamedTuple):
    """Where a member lies in a zip file: from its head to its end, and its CRC-32."""

    start: int
    end: int
    checksum: int


class WholeFiles:
    """The list; lines may be added from several threads.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def add(self, name: str, written: Written) -> None:
        """Say that a file is whole."""
        self._line([name, written.nbytes, written.digest.hex()])

    def move(self, name: str, moved: Moved) -> None:
        """Say that a file lies in the zip file."""
        self._line([name, *moved])

    def close(self) -> None:
        """Close the list."""
        self._file.close()

    def _line(self, words: list[str | int]) -> None:
        with self._lock:
            self._file.write(json.dumps(words).encode() + b"\n")


class Found(NamedTuple):
    """What an interrupted run has left of a store."""

    written: dict[str, Written]
    moved: dict[str, Moved]


def reclaim(path: Path, folder: Path, archive: Path | None, lasting: Collection[str]) -> Found:
    """Return what is whole of a store, and remove all else of it.

    Parameters
    ----------
    path : Path
        The list, which is written anew.
    folder : Path
        Of the store's files.
    archive : Path, optional
        The zip file that files have been moved into; it is cut off behind the last one that is
        whole.
    lasting : collection of str
        Names of files that another run would write alike.

    Raises
    ------
    OSError
    """
    told, moved = _read(path)
    told = {name: written for name, written in told.items() if name in lasting}
    found = Found({}, {})
    for name, place in _members(archive, told, moved):
        found.written[name] = told[name]
        found.moved[name] = place
    if archive is not None and archive.exists():
        os.truncate(archive, max((place.end for place in found.moved.values()), default=0))
    for file in _files(folder):
        name = file.relative_to(folder).as_posix()
        written = told.get(name)
        if name in found.moved or written is None or not _has(file, 0, written):
            file.unlink()
        else:
            found.written[name] = written
    _write(path, found)
    return found


def _members(
    archive: Path | None, told: Mapping[str, Written], moved: Mapping[str, Moved]
) -> Iterator[tuple[str, Moved]]:
    """Yield the members of a zip file, as far as one behind the other is whole."""
    end = 0
    if archive is None or not archive.exists():
        return
    for name, place in sorted(moved.items(), key=lambda item: item[1].start):
        written = told.get(name)
        if written is None or place.start != end:
            return
        if not _has(archive, place.end - written.nbytes, written, place.end):
            return
        end = place.end
        yield name, place


def _has(file: Path, start: int, written: Written, end: int | None = None) -> bool:
    """Tell whether a file, or what lies in it from `start` to `end`, is as it was written."""
    try:
        with file.open("rb") as content:
            size = os.fstat(content.fileno()).st_size
            if (end is None and size != written.nbytes) or (end is not None and size < end):
                return False
            content.seek(start)
            digest, left = hashlib.sha256(), written.nbytes
            while left and (piece := content.read(min(left, _PIECE))):
                digest.update(piece)
                left -= len(piece)
    except OSError:
        return False
    return not left and digest.digest() == written.digest


def _files(folder: Path) -> list[Path]:
    """Return all that is no folder below a folder."""
    found = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        found += [Path(parent, name) for name in [*names, *links]]
    return found


def _read(path: Path) -> tuple[dict[str, Written], dict[str, Moved]]:
    """Return what a list says, nothing where it had not begun.

    What comes behind a line that is none was not written whole.
    """
    written: dict[str, Written] = {}
    moved: dict[str, Moved] = {}
    with suppress(FileNotFoundError, ValueError, TypeError):
        for line in path.read_bytes().splitlines():
            match json.loads(line):
                case [str(name), int(nbytes), str(digest)]:
                    written[name] = Written(nbytes, bytes.fromhex(digest))
                case [str(name), int(start), int(end), int(checksum)]:
                    moved[name] = Moved(start, end, checksum)
                case _:
                    break
    return written, moved


def _write(path: Path, found: Found) -> None:
    new = path.with_name(f"{path.name}-new")
    new.unlink(missing_ok=True)
    files = WholeFiles(new)
    for name, written in found.written.items():
        files.add(name, written)
    for name, place in found.moved.items():
        files.move(name, place)
    files.close()
    system.sync_file(new)
    new.replace(path)
