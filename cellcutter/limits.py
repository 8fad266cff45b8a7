"""What a run may use: threads and memory, from the options and the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from cellcutter.machine import available_cpus, available_memory
from cellcutter.options import (
    DEFAULT_CACHE_SIZE,
    DEFAULT_CHUNK_SIZE,
    LEAST_CACHE_SIZE,
)

MB = 1024 * 1024


class Resources(TypedDict, total=False):
    """The options that limits are made of; every command has these."""

    p: int | None
    cache_size: float | None


@dataclass(frozen=True)
class Limits:
    """What a run may use, and how large a chunk should be.

    Parameters
    ----------
    threads : int
    memory : int
        Bytes that pixels may take.
    asked : bool
        Whether the caller has said how much memory.
    chunk_nbytes : int
        Bytes that a chunk should have before it is compressed.
    per_chunk : int, optional
        Cells or tiles in a chunk, where the caller has said how many.
    """

    threads: int
    memory: int
    asked: bool
    chunk_nbytes: int
    per_chunk: int | None

    @classmethod
    def of(
        cls, options: Resources, per_chunk: int | None = None, chunk_size: float | None = None
    ) -> Limits:
        """Return what options allow."""
        asked = options["cache_size"]
        if asked is None:
            memory = min(DEFAULT_CACHE_SIZE * MB, available_memory() // 2)
        else:
            memory = int(max(asked, LEAST_CACHE_SIZE) * MB)
        return cls(
            options["p"] or available_cpus(),
            memory,
            asked is not None,
            int((chunk_size or DEFAULT_CHUNK_SIZE) * MB),
            per_chunk,
        )
