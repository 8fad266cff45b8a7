"""The scratch file: thumbnails between the order of the image and that of the output."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.schedule import Places
from cellcutter.types import Pixels


class ScratchFile:
    """Thumbnails on their way from the order of the image to that of the output.

    A file without a name, gone when it is closed, however the program ends. Each window has a place
    of its own in it; those of a chunk lie together.

    Parameters
    ----------
    folder : Path
        On the file system that is to hold it.
    places : int64 array of shape (n,)
        The place of each window.
    """

    def __init__(self, folder: Path, places: Places) -> None:
        self._places = places
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        # not every system reads and writes at a place of a file without going there
        self._anywhere = hasattr(os, "pwrite") and hasattr(os, "preadv")
        self._there = threading.Lock()

    def __enter__(self) -> ScratchFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, windows: Places, cells: Pixels) -> None:
        """Write thumbnails, shape (slots, channels, size, size), of windows in order of place."""
        places = self._places[windows]
        nbytes = cells[0].nbytes
        content = memoryview(cells.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        for start, stop in zip([0, *breaks], [*breaks, len(places)], strict=True):
            run = content[start * nbytes : stop * nbytes]
            offset = int(places[start]) * nbytes
            while run:
                written = self._write_some(run, offset)
                run, offset = run[written:], offset + written

    def read(self, first: int, raw: Pixels, pixels: Pixels, *, cells_first: bool = False) -> None:
        """Put the thumbnails of a chunk together.

        Parameters
        ----------
        first : int
            The chunk's first window.
        raw : array of shape (n, channels, size, size)
            Memory for what is read.
        pixels : array of shape (channels, n, size, size), or (n, channels, size, size)
            Gets the thumbnails in the order of the windows, and zeros where there are none.
        cells_first : bool
            Which of both shapes it is.
        """
        places = self._places[first : first + len(raw)] - first
        n = len(places)
        self._fill(raw[:n].reshape(-1).view(np.uint8), first * raw[0].nbytes)
        if cells_first:
            np.take(raw[:n], places, axis=0, out=pixels[:n], mode="clip")
            pixels[n:] = 0
            return
        for position, channel in enumerate(pixels):
            np.take(raw[:n, position], places, axis=0, out=channel[:n], mode="clip")
            channel[n:] = 0

    def _fill(self, memory: NDArray[np.uint8], offset: int) -> None:
        while len(memory):
            count = self._read_some(memory.data, offset)
            if not count:
                raise OSError(f"the scratch file ends at byte {offset}")
            memory, offset = memory[count:], offset + count

    def _write_some(self, content: memoryview, offset: int) -> int:
        if self._anywhere:
            return os.pwrite(self._file.fileno(), content, offset)
        with self._there:
            self._file.seek(offset)
            return self._file.write(content)

    def _read_some(self, memory: memoryview, offset: int) -> int:
        if self._anywhere:
            return os.preadv(self._file.fileno(), [memory], offset)
        with self._there:
            self._file.seek(offset)
            return self._file.readinto(memory)
