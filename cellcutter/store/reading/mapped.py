"""A file as memory that the system reads when it is touched, and told beforehand what will be.

A touch of what is not in memory waits for the disk, one piece after the other. So some pieces are
touched first; where that took long, all that is wanted is asked for: the system reads it at the
same time, while the first pieces are decoded.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from time import perf_counter
from typing import Any

from cellcutter.errors import StoreError

# Systems have some of them.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_WILL_NEED: int | None = getattr(mmap, "MADV_WILLNEED", None)
_SLOW = 20e-6  # seconds of a touch: it was not in memory
_EACH = 8  # of so many pieces one is touched
_STAYS_COLD = 64  # calls that ask first, without a try, once a touch was slow


class Ahead:
    """Whether the disk has been waited for lately; for all files of a store."""

    def __init__(self) -> None:
        self._left = 0

    def look(
        self, content: mmap.mmap, starts: list[int], stops: list[int], offset: int = 0
    ) -> None:
        """Ask for ranges of a file, `offset` bytes further on, if some are not in memory."""
        if _WILL_NEED is None:
            return
        if self._left:
            self._left -= 1
        elif not self._is_slow(content, [start + offset for start in starts[::_EACH]]):
            return
        for start, stop in zip(starts, stops, strict=True):
            if start < stop:
                before = (start + offset) % mmap.PAGESIZE
                content.madvise(_WILL_NEED, start + offset - before, stop - start + before)

    def _is_slow(self, content: mmap.mmap, places: list[int]) -> bool:
        """Touch places until one was slow; tell whether one was."""
        size, before = len(content), perf_counter()
        for place in places:
            if place < size:
                content[place]
            now = perf_counter()
            if now - before > _SLOW:
                self._left = _STAYS_COLD
                return True
            before = now
        return False


class Mapped:
    """A file, or a part of it, as memory.

    Parameters
    ----------
    content : mmap or None
        Closed when nobody uses it any more; None where the file is empty.
    start, stop : int
        Which bytes of it.
    ahead : Ahead
    """

    def __init__(self, content: mmap.mmap | None, start: int, stop: int, ahead: Ahead) -> None:
        self._content = content
        self._start = start
        self._memory = memoryview(content or b"")[start:stop]
        self._ahead = ahead
        self.size = stop - start

    def expect(self, starts: list[int], stops: list[int]) -> None:
        """Say that ranges will be read soon."""
        if self._content is not None:
            self._ahead.look(self._content, starts, stops, self._start)

    def pieces(self, starts: list[int], stops: list[int]) -> list[memoryview]:
        """Return the bytes of ranges that lie inside the file."""
        self.expect(starts, stops)
        memory = self._memory
        return [memory[start:stop] for start, stop in zip(starts, stops, strict=True)]


def map_file(path: str) -> mmap.mmap | None:
    """Return a file's content as memory, None where it has none.

    Raises
    ------
    StoreError
    """
    file = open_file(path)
    try:
        size = os.fstat(file).st_size
        if not size:
            return None
        # without a descriptor of its own where Python can do so
        untracked = sys.version_info >= (3, 13) and sys.platform != "win32"
        options: dict[str, Any] = {"trackfd": False} if untracked else {}
        return mmap.mmap(file, size, access=mmap.ACCESS_READ, **options)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be mapped: {error}; a file expected") from error
    finally:
        os.close(file)


def open_file(path: str) -> int:
    """Open a regular file; a pipe would keep us waiting.

    Raises
    ------
    StoreError
    """
    try:
        file = os.open(path, _FLAGS)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; a file of a store expected") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise StoreError(f"{path}: no regular file found, a file of a store expected")
    return file


def most_mapped() -> int:
    """Return how many files may stay mapped: before Python 3.13 each keeps a descriptor."""
    if sys.platform == "win32":
        return 512
    if sys.version_info >= (3, 13):
        return 4096
    import resource

    return max(16, min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
