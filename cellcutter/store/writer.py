"""One Zarr array on disk: metadata, chunks, attributes.

Invariant: a chunk is one file, written from its beginning to its end, which counts when it is
whole. The layout is Zarr format 2 (https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html): chunk
(0, i, 0, 0) is the file ``0.i.0.0`` and holds all channels of cells ``[i * n, (i + 1) * n)``, the
last one filled up with zeros.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cellcutter import system
from cellcutter.errors import changed
from cellcutter.store.archive import move
from cellcutter.store.blosc import Division, Encoder, Frame, decode
from cellcutter.store.codec import CODECS
from cellcutter.store.layout import Layout
from cellcutter.store.thumbnails import Thumbnails
from cellcutter.store.zarr2 import ATTRIBUTES, METADATA, array_metadata


class StoreWriter:
    """Writes one array; a context manager, whose :meth:`write` may be called from several threads.

    Parameters
    ----------
    folder : Path
        Folder to be made. With `archive` files wait in it for their turn.
    layout : Layout
    compression : str
        A key of `CODECS`.
    archive : Path, optional
        Zip file to be made instead, not compressed: its members are in the order of the chunks
        and have no date, so that the same array makes the same bytes. A chunk that is complete
        moves into it as soon as those before it have, so that the disk holds little more than
        one copy.
    rereadable : bool
        Chunks stay in the folder until the end, where :meth:`read` finds them.
    """

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        compression: str,
        archive: Path | None = None,
        *,
        rereadable: bool = False,
    ) -> None:
        self.layout = layout
        self._folder = folder
        self._codec = CODECS[compression]
        self._division = layout.division
        self._frames: dict[int, Frame] = {}
        self._sizes = np.full(layout.number, -1, np.int64)  # of chunks; there may be millions
        self._files: list[str] = []
        self._memory = threading.local()
        folder.mkdir()
        self._metadata = array_metadata(layout, self._codec)
        with (folder / METADATA).open("xb") as file:
            file.write(self._metadata)
        self._archive = None if archive is None else zipfile.ZipFile(archive, "x")
        self._rereadable = rereadable
        self._moving = threading.Lock()
        self._moved = 0
        self._first = sorted(folder.iterdir())  # what lies in the archive before the chunks

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the archive; where writing has failed, what is written last will fail as well."""
        if self._archive:
            with suppress(OSError, ValueError):  # the latter where a member was being written
                self._archive.close()

    @property
    def nbytes(self) -> int:
        """Bytes of all chunks written."""
        return int(self._sizes[self._sizes >= 0].sum())

    def write(
        self, index: int, part: NDArray[np.generic], masks: NDArray[np.bool_] | None = None
    ) -> None:
        """Encode and write the next channels of a chunk: all, or whole units of its division.

        Parameters
        ----------
        index : int
        part : array of shape (channels, cells, size, size) or (cells, size, size), C-contiguous
        masks : bool array of shape (cells, size, size), optional
            What is outside of them is stored as zero.

        Raises
        ------
        DestinationError
            A chunk that waited for its turn in the archive is gone.
        OSError
        """
        if index not in self._frames:
            self._frames[index] = Frame(self._division)
        frame = self._frames[index]
        with self._file(index).open("r+b" if frame.channels else "wb") as file:
            self._worker.append(frame, Thumbnails(part, masks), file)
            if frame.complete and self._archive is None:
                file.flush()
                system.begin_sync(file.fileno())
        if not frame.complete:
            return
        self._sizes[index] = self._frames.pop(index).end
        # Who finds another thread at it goes on: what is left waits for the next, or `finish`.
        # Where moving fails, the lock stays: nobody tries the same again.
        if self._archive and not self._rereadable and self._moving.acquire(blocking=False):
            self._move_chunks()
            self._moving.release()

    def read(self, index: int, out: NDArray[np.generic]) -> None:
        """Read a chunk back that was written; only where it is `rereadable`.

        Parameters
        ----------
        index : int
        out : array of shape ``layout.chunks``, C-contiguous

        Raises
        ------
        DestinationError
            The file is not as it was written.
        OSError
        """
        path = self._file(index)
        content = path.read_bytes()
        self._check_size(path, index, len(content))
        if self._codec is None:
            out.reshape(-1).view(np.uint8)[:] = np.frombuffer(content, np.uint8)
        else:
            decode(content, out)

    def write_file(self, name: str, pieces: Iterable[str]) -> None:
        """Write a text file beside the chunks; it is the last member of an archive."""
        with (self._folder / name).open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        self._files.append(name)

    def finish(self, attributes: Mapping[str, Any]) -> Path:
        """Write the attributes, make sure that all is there, and return what was made.

        Parameters
        ----------
        attributes : mapping
            Fit for JSON.

        Raises
        ------
        DestinationError
            A chunk is missing or has another size than it was written with.
        """
        self.write_file(ATTRIBUTES, [json.dumps(attributes, indent=2)])
        if self._archive is None:
            for index in range(self.layout.number):
                file = self._file(index)
                self._check_size(file, index, _size_of(file))
            file = self._folder / METADATA
            self._check_metadata(file, file.read_bytes())
            return self._folder
        self._move_chunks()
        for name in self._files:
            self._move(self._folder / name)
        self._archive.close()
        made = Path(str(self._archive.filename))
        with zipfile.ZipFile(made) as archive:
            members = archive.NameToInfo
            for index in range(self.layout.number):
                name = self.layout.key(index)
                member = members.get(name)
                self._check_size(made / name, index, member.file_size if member else None)
            self._check_metadata(made / METADATA, archive.read(METADATA))
        return made

    def _file(self, index: int) -> Path:
        return self._folder / self.layout.key(index)

    @property
    def _worker(self) -> Encoder | Copier:
        """The encoder of the calling thread, or a copier where nothing is compressed."""
        if not hasattr(self._memory, "worker"):
            self._memory.worker = (
                Copier(self._division)
                if self._codec is None
                else Encoder(self._codec, self._division)
            )
        worker: Encoder | Copier = self._memory.worker
        return worker

    def _move_chunks(self) -> None:
        """Move the files whose turn it is into the archive."""
        while self._first:
            self._move(self._first.pop(0))
        while self._moved < self.layout.number and self._sizes[self._moved] >= 0:
            self._move(self._file(self._moved))
            self._moved += 1

    def _move(self, member: Path) -> None:
        """Move a file into the archive."""
        if self._archive is None:
            raise ValueError("no archive to move files into")
        move(self._archive, member, self._folder)

    def _check_size(self, path: Path, index: int, found: int | None) -> None:
        expected = self._sizes[index]
        if found is None or found != expected:
            raise changed(path, f"{found} bytes", f"{expected} bytes")

    def _check_metadata(self, file: Path, found: bytes) -> None:
        if found != self._metadata:
            raise changed(file, "other metadata", "those of this run")


class Copier:
    """Writes chunks as they are; for one thread.

    Parameters
    ----------
    division : Division
        Of all chunks.
    """

    def __init__(self, division: Division) -> None:
        self._division = division
        self._masked = np.empty(division.per_block, f"u{division.itemsize}")

    def append(self, frame: Frame, part: Thumbnails, file: BinaryIO) -> None:
        """Write the next channels of a chunk behind those that are there."""
        division = self._division
        file.seek(0, os.SEEK_END)
        for start in range(0, part.size, division.per_block):
            stop = min(start + division.per_block, part.size)
            file.write(part.read(start, stop, self._masked).data)
        frame.channels += part.size // division.per_channel
        frame.end = frame.channels * division.per_channel * division.itemsize


def _size_of(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None
