"""What the operating system can do for a safe publication, and what stands in where it cannot.

Invariant: nothing outside of this module needs a certain kernel, C library or file system. Each
function does the best that is there: two names are exchanged in one step or not at all, a name is
given without replacing anything, a lock is held or nobody can tell.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from cellcutter.threads import pool

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]

_FOLDER_CANNOT_BE_SYNCED = {errno.EINVAL, errno.EBADF, errno.EACCES, errno.ENOTSUP, errno.EISDIR}
_AT_A_TIME = 8  # files that are synced; threads that only wait
_TRIES = 1000  # to get hold of a lock whose file others remove
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL}
_NO_FLAGS = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


def _flagged_rename() -> tuple[Callable[[bytes, bytes, int], int] | None, int, int]:
    """Return the C library's rename with flags, and its flags for no replacing and exchanging."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = library.renamex_np
            swap.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint)
            return swap, 4, 2
        rename = library.renameat2
    except (AttributeError, OSError, TypeError):
        return None, 0, 0
    text, number = ctypes.c_char_p, ctypes.c_int
    rename.argtypes = (number, text, number, text, ctypes.c_uint)
    here = -100  # AT_FDCWD
    return (lambda old, new, flags: int(rename(here, old, here, new, flags))), 1, 2


_rename, _NO_REPLACE, _EXCHANGE = _flagged_rename()


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot.

    Raises
    ------
    OSError
    """
    return _renamed(one, other, _EXCHANGE)


def rename_new(old: Path, new: Path) -> None:
    """Rename without replacing anything.

    Where the kernel cannot promise that, a file is linked to its new name first, which never
    replaces either; for a folder the name is looked at as late as possible.

    Raises
    ------
    FileExistsError
        Something has the new name.
    OSError
    """
    if _renamed(old, new, _NO_REPLACE):
        return
    if stat.S_ISREG(os.lstat(old).st_mode) and link(old, new):
        old.unlink()
        return
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
    old.rename(new)


def link(old: Path, new: Path) -> bool:
    """Give a file a second name; False where the file system has no hard links.

    Raises
    ------
    OSError
    """
    try:
        os.link(old, new, follow_symlinks=False)
    except (NotImplementedError, AttributeError):
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def _renamed(old: Path, new: Path, flags: int) -> bool:
    if _rename is None:
        return False
    if _rename(os.fsencode(old), os.fsencode(new), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_FLAGS:
        return False
    raise OSError(number, os.strerror(number), str(old), None, str(new))


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Raises
    ------
    OSError
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def begin_sync(descriptor: int) -> None:
    """Have a file's content written to the disk from now on, without waiting for it.

    Most of it is there when :func:`sync_tree` waits at the end of a run.
    """
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_tree(folder: Path) -> None:
    """Wait until a folder, the files in it and the folders in it are on the disk.

    Several files at a time: the disk's journal takes them together.

    Raises
    ------
    OSError
    """
    folders: list[Path] = []
    with pool(_AT_A_TIME, "cellcutter-sync") as threads:
        for parent, _, names in os.walk(folder):
            folders.append(Path(parent))
            files = [Path(parent, name) for name in names]
            threads.each(sync_file, (file for file in files if not file.is_symlink()))
        threads.each(sync_folder, reversed(folders))


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where the file system can do that.

    Raises
    ------
    OSError
    """
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in _FOLDER_CANNOT_BE_SYNCED:
            raise


class Lock:
    """A lock on a name, by a file that lies there while the lock is held.

    Parameters
    ----------
    path : Path
        The lock's own file. What else has this name (a folder, a pipe, a link) is left alone.

    Attributes
    ----------
    held : bool or None
        True: nobody else holds it. False: another process does. None: nobody can tell.

    Raises
    ------
    OSError
        The file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.held: bool | None = None
        self._path = path
        self._descriptor: int | None = None
        self._refused: OSError | None = None
        for _ in range(_TRIES):
            if self._tried():
                return
        raise self._refused or BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def release(self) -> None:
        """Remove the file and let go of the lock; it may be called again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            if self.held is not False and self._named(descriptor):
                with contextlib.suppress(OSError):  # the next run takes it over, and removes it
                    self._path.unlink()
        finally:
            os.close(descriptor)

    def _tried(self) -> bool:
        """Try once to get hold of the lock; False where its file was removed meanwhile."""
        try:
            descriptor = self._opened()
        except FileNotFoundError as error:  # there a moment ago, or it can never be made here
            self._refused = self._refused or error
            return not self._path.parent.is_dir()
        if descriptor is None:
            return True
        try:
            self.held = _locked(descriptor)
            if not self._named(descriptor):  # its last owner has removed it just now
                os.close(descriptor)
                return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def _opened(self) -> int | None:
        """Open the file; None where what has the name is not ours to open."""
        flags = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(self._path).st_mode):
                return None
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except PermissionError as error:
            self._refused = error
        try:
            return os.open(self._path, os.O_RDONLY | flags)
        except PermissionError:
            return None

    def _named(self, descriptor: int) -> bool:
        """Tell whether the name is still that of the open file."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self._path))
        except FileNotFoundError:
            return False


def _locked(descriptor: int) -> bool | None:
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True
