"""The files of a store while it is made, in a folder or a zip file: each of them goes through here.

Invariant: what is in a store was hashed as it was written, and stands in the manifest, which is
written last. Members of a zip file are not compressed and have no date, so that the same files
make the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from cellcutter import system
from cellcutter.errors import changed
from cellcutter.store import manifest
from cellcutter.store.whole import Moved, WholeFiles, Written, reclaim

_COPIED_NBYTES = 1 << 20


class Container:
    """The files of a store while it is made; a context manager, for many threads.

    Parameters
    ----------
    folder : Path
        To be made. With `archive` files wait in it for their turn.
    archive : Path, optional
        Zip file to be made instead. A file that is whole moves into it as soon as those before it
        have, so that the disk holds little more than one copy.
    turns : iterable of str
        Names of the archive's first members, in their order. All others come at the end.
    lasting : collection of str
        Names of files that do not change from here on. Where an interrupted run has made some in
        the same folder, they are kept, and all other files removed.
    hold : bool
        Files stay in the folder until the end.
    """

    def __init__(
        self,
        folder: Path,
        archive: Path | None,
        turns: Iterable[str],
        lasting: Collection[str],
        *,
        hold: bool = False,
    ) -> None:
        self.folder = folder
        self.identity = ""
        self._made: dict[str, Written] = {}
        self._moved: dict[str, Moved] = {}
        whole = folder.with_name(f"{folder.name}.whole")
        if folder.exists():  # of an interrupted run
            self._made, self._moved = reclaim(whole, folder, archive, lasting)
        else:
            folder.mkdir()
        self._whole = WholeFiles(whole)
        self._lasting = lasting
        self._archive: zipfile.ZipFile | None = None
        self._file: BinaryIO | None = None
        if archive is not None:
            self._archive, self._file = _opened(archive, self._made, self._moved)
        self._hold = hold
        self._turns = iter(turns)
        self._next = next(self._turns, None)
        self._moving = threading.Lock()

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the archive; where writing has failed, what is written last will fail as well."""
        self._whole.close()
        if self._archive:
            with suppress(OSError, ValueError):  # the latter where a member was being written
                self._close(self._archive)

    def path(self, name: str) -> Path:
        """Return where a file lies until it moves."""
        return self.folder / name

    def nbytes(self, name: str) -> int | None:
        """Return the bytes of a file; None where it is not whole."""
        found = self._made.get(name)
        return found and found.nbytes

    def content(self, name: str) -> bytes:
        """Return a file that is whole, wherever it lies.

        Raises
        ------
        DestinationError
            It has another size than it was written with.
        OSError
        """
        path, moved = self.path(name), self._moved.get(name)
        if self._archive is None or moved is None:
            content = path.read_bytes()
        else:
            path = Path(str(self._archive.filename))
            nbytes = self._made[name].nbytes
            with path.open("rb") as file:
                file.seek(moved.end - nbytes)
                content = file.read(nbytes)
        self._check(path, name, len(content))
        return content

    @contextmanager
    def create(self, name: str, buffering: int = io.DEFAULT_BUFFER_SIZE) -> Iterator[BinaryIO]:
        """Give a new file, to be written from its beginning to its end.

        Raises
        ------
        DestinationError
            A file that waited for its turn in the archive is gone.
        OSError
        """
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = _Hashing(path, "xb")
        with io.BufferedWriter(raw, buffering) as file:
            yield file
            file.flush()
            self._note(name, file, raw.hash.digest())
        self.advance()

    @contextmanager
    def part(self, name: str, *, first: bool) -> Iterator[io.BufferedRandom]:
        """Give a file that is written in parts, in any order, until :meth:`seal`."""
        with self.path(name).open("w+b" if first else "r+b") as file:
            yield file

    def seal(self, name: str, file: io.BufferedRandom) -> None:
        """Say that a file of parts is whole; it is still open.

        What was written first lies behind what was written last, and SHA-256 goes from the
        beginning to the end. So the file is read, which is in memory still.
        """
        file.seek(0)
        self._note(name, file, hashlib.file_digest(file, "sha256").digest())

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        with self.create(name) as file:
            file.write(content)

    def advance(self) -> None:
        """Move the files whose turn it is into the archive."""
        # Who finds another thread at it goes on: what is left waits for the next, or `finish`.
        # Where moving fails, the lock stays: nobody tries the same again.
        if self._archive and not self._hold and self._moving.acquire(blocking=False):
            self._move_turns(self._archive)
            self._moving.release()

    def finish(self, names: Iterable[str]) -> Path:
        """Write the manifest, make sure that all is there, and return what was made.

        Parameters
        ----------
        names : iterable of str
            Of files that must be there; in an archive those that are left come in this order.

        Raises
        ------
        DestinationError
            A file is missing or has another size than it was written with.
        """
        expected = list(names)
        others = sorted(self._made.keys() - set(expected))
        content = manifest.written({name: made.digest for name, made in self._made.items()})
        self.identity = manifest.identity(content)
        self._hold = True
        self.write(manifest.NAME, content)
        order = [*expected, *others, manifest.NAME]
        if self._archive is None:
            for name in order:
                self._check(self.path(name), name, _size_of(self.path(name)))
            return self.folder
        self._move_turns(self._archive)
        moved = set(self._archive.namelist())
        for name in order:
            if name not in moved:
                self._move(self._archive, name)
        self._close(self._archive)
        made = Path(str(self._archive.filename))
        with zipfile.ZipFile(made) as archive:
            for name in order:
                member = archive.NameToInfo.get(name)
                self._check(made / name, name, member.file_size if member else None)
        return made

    def _note(self, name: str, file: BinaryIO, digest: bytes) -> None:
        """Remember a file that is whole and still open, and have it written to the disk."""
        written = Written(os.fstat(file.fileno()).st_size, digest)
        if name in self._lasting:
            self._whole.add(name, written)
        self._made[name] = written
        if self._archive is None:
            system.begin_sync(file.fileno())

    def _close(self, archive: zipfile.ZipFile) -> None:
        archive.close()
        if self._file:
            self._file.close()

    def _move_turns(self, archive: zipfile.ZipFile) -> None:
        while self._next is not None and self._next in self._made:
            if self._next not in self._moved:
                self._move(archive, self._next)
            self._next = next(self._turns, None)

    def _move(self, archive: zipfile.ZipFile, name: str) -> None:
        file = self.path(name)
        if not file.exists():
            raise changed(file, "nothing", "a file")
        info = _member(name, file.stat().st_size)
        with file.open("rb") as source, archive.open(info, "w") as target:
            shutil.copyfileobj(source, target, _COPIED_NBYTES)
        if name in self._lasting:
            moved = Moved(info.header_offset, archive.start_dir, info.CRC)
            self._moved[name] = moved
            self._whole.move(name, moved)
        file.unlink()

    def _check(self, path: Path, name: str, found: int | None) -> None:
        made = self._made.get(name)
        if found is None or made is None or found != made.nbytes:
            wanted = "a file" if made is None else f"{made.nbytes} bytes"
            raise changed(path, f"{found} bytes", wanted)


class _Hashing(io.FileIO):
    """A file that is hashed as it is written."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self.hash = hashlib.sha256()

    def write(self, content: Any) -> int:
        """Write bytes, and hash those that were."""
        written = super().write(content)
        self.hash.update(memoryview(content)[:written])
        return written


def _member(name: str, nbytes: int) -> zipfile.ZipInfo:
    """Return what a zip file says of a member, without a date."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    info.file_size = nbytes
    return info


def _opened(
    path: Path, made: Mapping[str, Written], moved: Mapping[str, Moved]
) -> tuple[zipfile.ZipFile, BinaryIO | None]:
    """Return a zip file that members are written to, behind those that are there already.

    And the file behind it, where that must be closed, too.
    """
    if not path.exists():
        return zipfile.ZipFile(path, "x"), None
    file = path.open("r+b")
    file.seek(0, io.SEEK_END)
    archive = zipfile.ZipFile(file, "w")
    for name, place in moved.items():
        info = _member(name, made[name].nbytes)
        info.header_offset, info.CRC = place.start, place.checksum
        info.compress_size = info.file_size
        info.FileHeader(info.file_size * 1.05 > zipfile.ZIP64_LIMIT)  # as zipfile decides it
        archive.filelist.append(info)
        archive.NameToInfo[name] = info
    return archive, file


def _size_of(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None
