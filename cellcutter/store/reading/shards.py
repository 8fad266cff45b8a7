"""Cells out of shards: each is a piece of its own, whose place the shard's index tells.

The index of a shard is read and checked once, and kept: 16 bytes a cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c
import numpy as np

from cellcutter.errors import StoreError
from cellcutter.store.reading.files import Blob, Files
from cellcutter.store.reading.frames import FAULTS, decoder
from cellcutter.store.reading.metadata import StoredArray
from cellcutter.store.reading.runs import Pick, runs
from cellcutter.types import Ints, Pixels

_ABSENT = np.uint64(2**64 - 1)
_ENTRY = 16  # bytes: where a piece starts, and how long it is
_CHECKSUM = 4
_TOGETHER = 64  # shards whose pieces are asked for at the same time
_FEW = 16  # cells: fewer are not worth a second thread


@dataclass(frozen=True)
class Index:
    """The index of a shard.

    Parameters
    ----------
    size : int
        Bytes of the shard's file when the index was read.
    starts, stops : int64 arrays of shape (cells per shard,)
        Of each cell's piece in bytes; both 0 where there is none.
    """

    size: int
    starts: Ints
    stops: Ints


class ShardReader:
    """Reads cells of an array in the layout `cells`; from several threads of one process.

    Parameters
    ----------
    files : Files
    array : StoredArray
    """

    def __init__(self, files: Files, array: StoredArray) -> None:
        self._files = files
        self._array = array
        self._decode = decoder(array.codec, array.name)
        self._indices: dict[int, Index] = {}
        self._index_nbytes = array.per_file * _ENTRY + (_CHECKSUM if array.checked else 0)

    def split(self, rows: Ints, threads: int) -> list[slice]:
        """Return which of some rows, in ascending order, are read together by a thread."""
        # what is not compressed is copied, with the interpreter's lock held: by one thread
        copied = self._decode is None and not self._files.waits
        parts = 1 if copied else max(1, min(threads, len(rows) // _FEW))
        edges = np.linspace(0, len(rows), parts + 1).astype(int).tolist()
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    def fill(self, rows: Ints, places: Ints, out: Pixels, pick: Pick | None, threads: int) -> None:  # noqa: ARG002
        """Read cells into an array.

        Parameters
        ----------
        rows : int64 array of shape (n,)
            In ascending order.
        places : int64 array of shape (n,)
            Where each goes in the output.
        out : array of shape (m, channels, y, x) or (m, y, x), C-contiguous
        pick : Pick, optional
            Channels; all in their order where not given.
        threads : int
            A cell is decoded by one.

        Raises
        ------
        StoreError
        """
        array = self._array
        direct = pick is None and array.dtype.isnative
        scratch = None if direct else np.empty((1, *array.shape), array.dtype)
        target = (out if scratch is None else scratch).reshape(-1).view(np.uint8).data
        step = array.cell_nbytes
        shards, slots = np.divmod(rows, array.per_file)
        pieces = self._pieces(shards, slots)
        for i, (place, piece) in enumerate(zip(places.tolist(), pieces, strict=True)):
            where = place * step if scratch is None else 0
            self._one(int(rows[i]), piece, target[where : where + step])
            if scratch is None:
                continue
            if pick is None:
                out[place] = scratch[0]
            else:
                out[place, pick.to] = scratch[0, pick.own]

    def _pieces(self, shards: Ints, slots: Ints) -> Iterator[memoryview]:
        """Yield the pieces of cells, by their shards and their places in them.

        All of some shards are asked for before the first is used, so that a disk reads them at the
        same time; of no more shards, since their files stay open until then.
        """
        all_runs = runs(shards)
        for first in range(0, len(all_runs), _TOGETHER):
            some = [(int(shards[run.start]), run) for run in all_runs[first : first + _TOGETHER]]
            self._expect_indices([number for number, _ in some])
            found = []
            for number, run in some:
                blob, index = self._shard(number)
                starts, stops = index.starts[slots[run]], index.stops[slots[run]]
                found += blob.pieces(starts.tolist(), stops.tolist())
            yield from found

    def _one(self, row: int, piece: memoryview, out: memoryview) -> None:
        """Decode the piece of a cell."""
        if not len(piece):
            out[:] = bytes(len(out))
            return
        try:
            if self._decode is not None:
                self._decode(piece, out, 1)
            else:
                out[:] = piece  # fails where the sizes differ
        except FAULTS as error:
            raise StoreError(
                f"{self._array.name}: cell {row}: {str(error) or type(error).__name__}; a piece "
                f"of {len(out)} bytes when decoded expected"
            ) from error

    def _expect_indices(self, numbers: list[int]) -> None:
        """Say which indices will be read."""
        for number in numbers:
            if number not in self._indices:
                blob = self._files.blob(self._array.key(number))
                blob.expect([max(0, blob.size - self._index_nbytes)], [blob.size])

    def _shard(self, number: int) -> tuple[Blob, Index]:
        blob = self._files.blob(self._array.key(number))
        index = self._indices.get(number)
        if index is None:
            index = self._indices[number] = self._read_index(blob, number)
        elif index.size != blob.size:
            raise self._damaged(number, f"{blob.size} bytes", f"{index.size} as before")
        return blob, index

    def _read_index(self, blob: Blob, number: int) -> Index:
        array, length = self._array, self._index_nbytes
        nbytes = array.per_file * _ENTRY
        limit = blob.size - length
        if limit < 0:
            raise self._damaged(number, f"{blob.size} bytes", f"an index of {length}")
        content = blob.pieces([limit], [blob.size])[0]
        entries = np.frombuffer(content[:nbytes], "<u8").reshape(-1, 2)
        if array.checked:
            checksum = google_crc32c.value(bytes(content[:nbytes]))
            if checksum.to_bytes(_CHECKSUM, "little") != bytes(content[nbytes:]):
                raise self._damaged(number, "an index of another checksum", "that which it names")
        starts, sizes = entries.T
        there = (starts != _ABSENT) | (sizes != _ABSENT)
        outside = there & ((sizes > limit) | (starts > limit) | (sizes == 0))
        if not outside.any():
            outside = there & (starts + np.where(there, sizes, 0) > limit)
        if outside.any():
            cell = number * array.per_file + int(outside.argmax())
            raise self._damaged(number, f"cell {cell} outside of the file", "places in it")
        kept = np.where(there, starts, 0).astype(np.int64)
        return Index(blob.size, kept, kept + np.where(there, sizes, 0).astype(np.int64))

    def _damaged(self, number: int, found: str, expected: str) -> StoreError:
        name = f"{self._files.name}/{self._array.key(number)}"
        return StoreError(f"{name}: {found} found, {expected} expected")
