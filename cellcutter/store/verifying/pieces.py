"""Every piece of a store decoded: indices of shards, frames of chunks and cells, columns of tables.

Invariant: nothing is decoded into more memory than the metadata allow, and what a frame claims is
looked at before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import google_crc32c
import numpy as np

from cellcutter.errors import StoreError
from cellcutter.machine import available_memory
from cellcutter.progress import Tally
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.frames import FAULTS, Decode, decoder
from cellcutter.store.reading.metadata import StoredArray
from cellcutter.store.reading.threads import run
from cellcutter.store.verifying.faults import Verdict

_ABSENT = np.iinfo(np.uint64).max
_ENTRY = 16  # bytes: where a piece starts, and how long it is
_CHECKSUM = 4


def check_pieces(
    files: Files, array: StoredArray, verdict: Verdict, threads: int, tally: Tally
) -> None:
    """Decode all chunks or cells of an array.

    Parameters
    ----------
    files : Files
    array : StoredArray
    verdict : Verdict
    threads : int
    tally : Tally
        Told of each byte of the files.
    """
    try:
        decode = decoder(array.codec, array.name)
    except StoreError as error:
        verdict.add("deep", "", str(error))
        return
    nbytes = array.cell_nbytes * (1 if array.sharded else array.per_file)
    threads = max(1, min(threads, available_memory() // 2 // nbytes))
    memory = threading.local()
    problems: dict[int, list[str]] = {}
    check = _check_shard if array.sharded else _check_chunk

    def one(number: int) -> None:
        key = array.key(number)
        try:
            blob = files.blob(key)
        except StoreError as error:
            problems[number] = [str(error)]
            return
        if not hasattr(memory, "out"):
            memory.out = np.empty(nbytes, np.uint8)
        content, tell = blob.pieces([0], [blob.size])[0], problems.setdefault(number, []).append
        check(array, number, content, memory.out, decode, tell)
        tally.add(blob.size)

    run([partial(one, number) for number in range(array.files)], threads)
    for number, found in sorted(problems.items()):
        for problem in found:
            verdict.add("deep", array.key(number), problem)


_Memory = np.ndarray[tuple[int], np.dtype[np.uint8]]
_Tell = Callable[[str], None]


def _check_chunk(
    array: StoredArray,
    number: int,
    content: memoryview,
    out: _Memory,
    decode: Decode | None,
    tell: _Tell,
) -> None:
    if not _decoded(content, out, decode, "", tell):
        return
    _check_bools(array, out, "", tell)
    cells = min(array.per_file, array.cells - number * array.per_file)
    shaped = out.view(array.dtype).reshape(*array.shape[:-2], array.per_file, *array.shape[-2:])
    if shaped[..., cells:, :, :].any():
        tell("pixels behind the last cell found, zeros expected")


def _check_shard(
    array: StoredArray,
    number: int,
    content: memoryview,
    out: _Memory,
    decode: Decode | None,
    tell: _Tell,
) -> None:
    nbytes = array.per_file * _ENTRY
    limit = len(content) - nbytes - (_CHECKSUM if array.checked else 0)
    if limit < 0:
        tell(f"{len(content)} bytes found, an index of {nbytes} expected")
        return
    index = content[limit : limit + nbytes]
    if array.checked:
        checksum = google_crc32c.value(bytes(index)).to_bytes(_CHECKSUM, "little")
        if checksum != bytes(content[limit + nbytes :]):
            tell("an index of another CRC-32C than that which it names")
    first = number * array.per_file
    cells = min(array.per_file, array.cells - first)
    entries = np.frombuffer(index, "<u8").reshape(-1, 2)
    if (entries[cells:] != _ABSENT).any():
        tell("cells behind the last one found in the index")
    ends = [0]
    for row, (start, size) in enumerate(entries[:cells].tolist(), first):
        what = f"cell {row}: "
        problem = _place(start, size, ends, limit)
        if problem:
            tell(f"{what}{problem}")
        if start + size <= limit:
            ends.append(start + size)
            if _decoded(content[start : start + size], out, decode, what, tell):
                _check_bools(array, out, what, tell)
    if ends[-1] != limit and len(ends) == cells + 1:
        tell(f"the last cell ends at {ends[-1]}, the index begins at {limit}")


def _place(start: int, size: int, ends: list[int], limit: int) -> str:
    """Return what is wrong with the place of a cell, whose piece begins where the last one ends."""
    if start == size == _ABSENT:
        return "not in the shard"
    if start + size > limit:
        return "a place outside of the file found, one inside expected"
    if start > ends[-1]:
        return f"a gap of {start - ends[-1]} bytes found before it, none expected"
    if start < ends[-1]:
        backward = len(ends) > 1 and start <= ends[-2]
        what = "goes backward to that of an earlier cell" if backward else "overlaps another"
        return f"a place that {what} found, that behind the cell before expected"
    return ""


def _decoded(
    frame: memoryview, out: _Memory, decode: Decode | None, what: str, tell: _Tell
) -> bool:
    """Tell whether a frame becomes as many bytes as it must."""
    try:
        if decode is not None:
            decode(frame, out.data, 1)
        elif len(frame) == len(out):
            out[:] = np.frombuffer(frame, np.uint8)
        else:
            raise ValueError(f"{len(frame)} bytes found, {len(out)} expected")
    except FAULTS as error:
        tell(f"{what}cannot be decoded: {str(error) or type(error).__name__}")
        return False
    return True


def _check_bools(array: StoredArray, out: _Memory, what: str, tell: _Tell) -> None:
    if array.dtype.kind == "b" and out.max(initial=0) > 1:
        tell(f"{what}a truth value found that is neither 0 nor 1")
