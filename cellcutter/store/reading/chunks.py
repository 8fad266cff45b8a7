"""Cells out of chunks, which must be decoded whole: the latest stay decoded, for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cellcutter.errors import StoreError
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.frames import FAULTS, decoder
from cellcutter.store.reading.metadata import StoredArray
from cellcutter.store.reading.runs import Pick, runs
from cellcutter.types import Ints, Pixels

Memory = np.ndarray[tuple[int], np.dtype[np.uint8]]
_FREE = 4  # buffers kept to be used again, since fresh memory is dear


class ChunkCache:
    """Decoded chunks of all arrays of a process, the latest used ones.

    Parameters
    ----------
    nbytes : int
        What they may take together. One that is larger is kept until the next is wanted.
    """

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self._held = 0
        self._chunks: OrderedDict[tuple[str, int], Memory] = OrderedDict()
        self._used: dict[int, int] = {}  # by how many threads, for the memory of that number
        self._free: list[Memory] = []
        self._lock = threading.Lock()

    def take(self, key: tuple[str, int]) -> Memory | None:
        """Return a chunk that is there, in use from now on until :meth:`release`."""
        with self._lock:
            found = self._chunks.get(key)
            if found is not None:
                self._chunks.move_to_end(key)
                self._used[id(found)] = self._used.get(id(found), 0) + 1
            return found

    def memory(self, nbytes: int) -> Memory:
        """Return memory for a chunk, in use from now on."""
        with self._lock:
            fitting = [i for i, each in enumerate(self._free) if len(each) == nbytes]
            found = self._free.pop(fitting[0]) if fitting else None
        if found is None:
            found = np.empty(nbytes, np.uint8)
        with self._lock:
            self._used[id(found)] = 1
        return found

    def keep(self, key: tuple[str, int], chunk: Memory) -> None:
        """Keep a chunk that was decoded, in place of those that were not used for longest."""
        with self._lock:
            if key in self._chunks:  # another thread was as quick
                return
            self._chunks[key] = chunk
            self._held += len(chunk)
            while self._held > self._nbytes and len(self._chunks) > 1:
                _, old = self._chunks.popitem(last=False)
                self._held -= len(old)
                if id(old) not in self._used and len(self._free) < _FREE:
                    self._free.append(old)

    def release(self, chunk: Memory) -> None:
        """Say that a chunk is no longer in use."""
        with self._lock:
            self._used[id(chunk)] -= 1
            if not self._used[id(chunk)]:
                del self._used[id(chunk)]


class ChunkReader:
    """Reads cells of an array in the layout `chunks`; from several threads of one process.

    Parameters
    ----------
    files : Files
    array : StoredArray
    cache : ChunkCache
    """

    def __init__(self, files: Files, array: StoredArray, cache: ChunkCache) -> None:
        self._files = files
        self._array = array
        self._cache = cache
        self._decode = decoder(array.codec, array.name)
        self._shape = (*array.shape[:-2], array.per_file, *array.shape[-2:])
        self._nbytes = array.cell_nbytes * array.per_file

    def split(self, rows: Ints, threads: int) -> list[slice]:  # noqa: ARG002
        """Return which of some rows, in ascending order, are read together: those of a chunk."""
        return runs(rows // self._array.per_file)

    def fill(self, rows: Ints, places: Ints, out: Pixels, pick: Pick | None, threads: int) -> None:
        """Read cells of one chunk into an array.

        Parameters
        ----------
        rows : int64 array of shape (n,)
            In ascending order.
        places : int64 array of shape (n,)
            Where each goes in the output.
        out : array of shape (m, channels, y, x) or (m, y, x)
        pick : Pick, optional
            Channels; all in their order where not given.
        threads : int
            That may decode the chunk.

        Raises
        ------
        StoreError
        """
        number = int(rows[0]) // self._array.per_file
        with self._chunk(number, threads) as memory:
            chunk = memory.view(self._array.dtype).reshape(self._shape)
            slots = (rows - number * self._array.per_file).tolist()
            for slot, place in zip(slots, places.tolist(), strict=True):
                if pick is None:
                    out[place] = chunk[..., slot, :, :]
                else:
                    out[place, pick.to] = chunk[pick.own, slot]

    @contextmanager
    def _chunk(self, number: int, threads: int) -> Iterator[Memory]:
        """Give a chunk's bytes, decoded."""
        if self._decode is None:
            yield self._stored(number)
            return
        key = self._array.name, number
        chunk = self._cache.take(key)
        if chunk is None:
            frame = self._frame(number)
            chunk = self._cache.memory(self._nbytes)
            try:
                self._decode(frame, chunk.data, threads)
            except FAULTS as error:
                self._cache.release(chunk)
                raise self._damaged(number, str(error) or type(error).__name__) from error
            self._cache.keep(key, chunk)
        try:
            yield chunk
        finally:
            self._cache.release(chunk)

    def _stored(self, number: int) -> Memory:
        """Return a chunk that is not compressed, as it lies in the file."""
        frame = self._frame(number)
        if len(frame) != self._nbytes:
            raise self._damaged(number, f"{len(frame)} bytes found")
        return np.frombuffer(frame, np.uint8)

    def _frame(self, number: int) -> memoryview:
        blob = self._files.blob(self._array.key(number))
        return blob.pieces([0], [blob.size])[0]

    def _damaged(self, number: int, found: str) -> StoreError:
        name = f"{self._files.name}/{self._array.key(number)}"
        return StoreError(f"{name}: {found}; a chunk of {self._nbytes} bytes expected")
