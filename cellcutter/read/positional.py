"""Files read at positions: the only place that opens files of pixels.

A path that is no regular file (a pipe, a socket, a device) is refused at once, never waited for.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_OPEN = 200  # files that are held open at one time; a process may often have 1024
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
_SEEKING = threading.Lock()


def open_regular(path: Path) -> int:
    """Open a regular file for reading; return its descriptor.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file.
    """
    check_regular(path)
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it has been replaced meanwhile
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


def check_regular(path: Path) -> None:
    """Make sure that a path is a regular file, without opening it.

    Raises
    ------
    OSError
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    raise OSError(
        errno.EINVAL, f"{kinds.get(stat.S_IFMT(mode), 'nothing readable')} found, not a file"
    )


def _seek_and_read(descriptor: int, count: int, offset: int) -> bytes:
    with _SEEKING:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


_positional_read = getattr(os, "pread", _seek_and_read)  # Windows has no pread


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Read bytes at a position; several threads may share the descriptor.

    Raises
    ------
    EOFError
        There are fewer.
    """
    data: bytes = _positional_read(descriptor, count, offset)
    while 0 < len(data) < count:
        more = _positional_read(descriptor, count - len(data), offset + len(data))
        if not more:
            break
        data += more
    if len(data) != count:
        raise EOFError(f"{len(data)} of {count} bytes")
    return data


@dataclass
class _Open:
    """A file that is open, and how many threads read from it now."""

    descriptor: int
    readers: int = 0


class Files:
    """Files that are read at positions: any number, of which some are open at one time.

    Safe for threads, which share a file's descriptor; it is closed only when nobody reads from it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, _Open] = OrderedDict()

    def read(self, path: Path, count: int, offset: int) -> bytes:
        """Read bytes of a file at a position.

        Raises
        ------
        EOFError
            There are fewer.
        OSError
            The file cannot be opened, or is no regular file.
        """
        with self._reading(path) as descriptor:
            return read_at(descriptor, count, offset)

    def size(self, path: Path) -> int:
        """Return the length of a file in bytes."""
        with self._reading(path) as descriptor:
            return os.fstat(descriptor).st_size

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            while self._open:
                os.close(self._open.popitem()[1].descriptor)

    @contextmanager
    def _reading(self, path: Path) -> Iterator[int]:
        with self._lock:
            file = self._open.get(path)
            if file is None:
                self._make_room()
                file = self._open[path] = _Open(open_regular(path))
            file.readers += 1
        try:
            yield file.descriptor
        finally:
            with self._lock:
                file.readers -= 1

    def _make_room(self) -> None:
        idle = [path for path, file in self._open.items() if not file.readers]
        for path in idle[: max(0, len(self._open) + 1 - _OPEN)]:
            os.close(self._open.pop(path).descriptor)
