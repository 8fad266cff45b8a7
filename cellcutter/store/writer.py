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
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cellcutter.store.blosc import Division, Encoder, Frame, decode
from cellcutter.store.codec import CODECS
from cellcutter.store.container import Container
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
        self._codec = CODECS[compression]
        self._division = layout.division
        self._frames: dict[int, Frame] = {}
        self._memory = threading.local()
        turns = [METADATA, *self._keys()]
        self._files = Container(folder, archive, turns, frozenset(turns), hold=rereadable)
        if self._files.nbytes(METADATA) is None:
            self._files.write(METADATA, array_metadata(layout, self._codec))

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the archive."""
        self._files.__exit__()

    @property
    def nbytes(self) -> int:
        """Bytes of all chunks written."""
        return sum(self._files.nbytes(key) or 0 for key in self._keys())

    @property
    def identity(self) -> str:
        """The store's identity, once it is finished."""
        return self._files.identity

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
        frame, key = self._frames[index], self.layout.key(index)
        with self._files.part(key, first=not frame.channels) as file:
            self._worker.append(frame, Thumbnails(part, masks), file)
            if frame.complete:
                self._files.seal(key, file)
        if frame.complete:
            del self._frames[index]
            self._files.advance()

    def missing(self) -> list[int]:
        """Return the chunks that are not whole."""
        keys = enumerate(self._keys())
        return [index for index, key in keys if self._files.nbytes(key) is None]

    def read(self, index: int, out: NDArray[np.generic]) -> None:
        """Read a chunk back that is `rereadable`, or was there at the start.

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
        content = self._files.content(self.layout.key(index))
        if self._codec is None:
            out.reshape(-1).view(np.uint8)[:] = np.frombuffer(content, np.uint8)
        else:
            decode(content, out)

    def write_file(self, name: str, pieces: Iterable[str]) -> None:
        """Write a text file beside the chunks; in an archive it comes behind them."""
        with self._files.create(name) as file:
            file.writelines(piece.encode() for piece in pieces)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Write the attributes, fit for JSON."""
        self.write_file(ATTRIBUTES, [json.dumps(attributes, indent=2)])

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
        self.describe(attributes)
        return self._files.finish(self._keys())

    def _keys(self) -> Iterator[str]:
        """Yield the names of all chunks."""
        return map(self.layout.key, range(self.layout.number))

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
