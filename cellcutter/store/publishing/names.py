"""The names that results get, and what of what has them already may be replaced.

Invariant: without `force` nothing is replaced. With it, the destination and its masks replace Zarr
stores and empty folders, and the file of windows a regular file; never anything else.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cellcutter.errors import DestinationError
from cellcutter.store.publishing.guard import Inputs, lies_in

_METADATA = {".zarray", ".zgroup", "zarr.json"}
_DAMAGED = (OSError, zipfile.BadZipFile, ValueError, KeyError, NotImplementedError, RuntimeError)
_STDOUT = 1


@dataclass(frozen=True)
class Form:
    """What gets the destination's name, and so what of that name may be replaced with `force`.

    Parameters
    ----------
    one, many : str
        What it is called in messages, such as "a Zarr store" and "Zarr stores".
    is_one : callable
        Tells whether a path is one.
    has_masks : bool
        Whether its masks may lie beside it.
    """

    one: str
    many: str
    is_one: Callable[[Path], bool]
    has_masks: bool = False


def begins(*marks: bytes, within: int = 0, ends: int = 0) -> Callable[[Path], bool]:
    """Return what tells whether a path is a file that begins with one of some marks.

    Parameters
    ----------
    *marks : bytes
    within, ends : int
        Or has one in so many first or last bytes.
    """
    length = max(within, *map(len, marks))

    def is_one(path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(length)
            file.seek(max(0, path.stat().st_size - ends))
            part = (head if within else b"") + file.read()
        return head.startswith(marks) or any(mark in part for mark in marks)

    return is_one


@dataclass(frozen=True)
class Names:
    """The names under which results appear.

    Parameters
    ----------
    destination : Path
    has_masks : bool
        Masks are stored as well.
    metadata : Path or None
        File of the windows.
    force : bool
        Replace what is there.
    form : Form, optional
        What the destination will be: a store where not given.
    resume : bool
        Go on from what an interrupted run has left, if it has.
    """

    destination: Path
    has_masks: bool = False
    metadata: Path | None = None
    force: bool = False
    form: Form = field(default_factory=lambda: STORE)
    resume: bool = False

    @property
    def masks(self) -> Path:
        """The name of the masks' store, whether there are any or not."""
        return self.destination.with_name(mask_name(self.destination.name))

    @property
    def file(self) -> Path | None:
        """The file of windows, where it is one; not where they go to a device."""
        return None if self.metadata is None or is_stream(self.metadata) else self.metadata

    def check_places(self, inputs: Inputs) -> None:
        """Make sure that results may lie where they shall, and that no input does.

        Raises
        ------
        DestinationError
        """
        if self.destination.name in ("", ".."):
            raise DestinationError(
                f"{self.destination}: no name found, that of a new folder or file expected"
            )
        _check_folder(self.destination)
        if os.path.ismount(self.destination):
            raise DestinationError(
                f"{self.destination}: a mount point found, a name in a folder expected"
            )
        inputs.check(self.destination)
        if self.has_masks or (self.form.has_masks and is_ours(self.masks)):
            inputs.check(self.masks)
        if self.metadata is None:
            return
        _check_file(self.metadata)
        if self.file:
            _check_folder(self.file)
            inputs.check(self.file)
            for store in (self.destination, self.masks):
                if lies_in(self.file, store):
                    raise DestinationError(
                        f"{self.file}: a place in the store {store} found, one outside expected"
                    )

    def check_free(self) -> None:
        """Make sure that nothing has the names, or only what may be replaced.

        Raises
        ------
        DestinationError
        """
        _check_place(self.destination, self.form, force=self.force)
        if self.has_masks:
            _check_place(self.masks, STORE, force=self.force)
        elif self.form.has_masks and os.path.lexists(self.masks):
            self._check_companion()
        if self.file and os.path.lexists(self.file) and not self.force:
            raise _exists(self.file)
        if self.metadata:
            _check_file(self.metadata)

    def _check_companion(self) -> None:
        """Make sure that masks of another store do not stay beside the new one."""
        if not is_ours(self.masks):
            raise DestinationError(
                f"{self.masks}: something other than masks of cellcutter found, where readers of "
                f"{self.destination.name} look for its masks; another DESTINATION expected"
            )
        if not self.force:
            raise DestinationError(
                f"{self.masks}: masks of another store found, none expected beside "
                f"{self.destination.name} (-f/--force removes them)"
            )


def mask_name(name: str) -> str:
    """Return the name of the masks' store: ``out.zarr.zip`` has ``out_mask.zarr.zip``."""
    for ending in (".zarr.zip", ".zarr", ".zip"):
        if name.endswith(ending) and name != ending:
            return f"{name.removesuffix(ending)}_mask{ending}"
    path = Path(name)
    return f"{path.stem}_mask{path.suffix}"


def is_store(path: Path) -> bool:
    """Tell whether a folder or a zip file holds a Zarr array or group."""
    try:
        return not _METADATA.isdisjoint(_top(path))
    except _DAMAGED:
        return False


STORE: Form = Form("a Zarr store", "Zarr stores", is_store, has_masks=True)


def is_ours(path: Path) -> bool:
    """Tell whether a store was made by this program: its attributes say so."""
    try:
        if path.is_dir():
            text = (path / ".zattrs").read_text(encoding="utf-8")
        elif path.is_file():
            with zipfile.ZipFile(path) as archive:
                text = archive.read(".zattrs").decode()
        else:
            return False
        attributes = json.loads(text)
    except _DAMAGED:
        return False
    return isinstance(attributes, dict) and "cellcutter" in attributes


def is_stream(path: Path) -> bool:
    """Tell whether a name is a device to be written to, or this process's standard output."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(found.st_mode) or _is_stdout(found)


def write_stream(path: Path, made: Path) -> None:
    """Copy a file to a device, or to the standard output.

    Raises
    ------
    OSError
    """
    if _is_stdout(path.stat()):
        descriptor = os.dup(_STDOUT)
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY)
    with open(descriptor, "wb", buffering=0) as target, made.open("rb") as source:  # noqa: PTH123
        while content := source.read(1 << 20):
            left = memoryview(content)
            while left:
                left = left[target.write(left) :]


def _is_stdout(found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.fstat(_STDOUT))
    except OSError:  # closed
        return False


def _top(path: Path) -> set[str]:
    """Return the names of what lies in a folder or a zip file."""
    if path.is_dir():
        return {entry.name for entry in path.iterdir() if entry.is_file()} & _METADATA
    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    return set()


def _exists(name: Path) -> DestinationError:
    return DestinationError(
        f"{name}: exists already, a new name expected (or -f/--force to replace it)"
    )


def _check_place(name: Path, form: Form, *, force: bool) -> None:
    if not os.path.lexists(name):
        return
    if not force:
        raise _exists(name)
    if not (_is_empty(name) or form.is_one(name)):
        raise DestinationError(
            f"{name}: something other than {form.one} found; "
            f"--force replaces nothing but {form.many}"
        )


def _is_empty(name: Path) -> bool:
    try:
        return name.is_dir() and not any(name.iterdir())
    except OSError:
        return False


def _check_file(name: Path) -> None:
    """Make sure that a name is free, that of a regular file, or of a device."""
    try:
        found = name.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DestinationError(f"{name}: {reason} found, the name of a file expected") from error
    if stat.S_ISDIR(found.st_mode):
        raise DestinationError(f"{name}: a folder found, a file expected")
    if not (stat.S_ISREG(found.st_mode) or is_stream(name)):
        raise DestinationError(
            f"{name}: neither a file nor a terminal or device found, a file expected"
        )


def _check_folder(name: Path) -> None:
    try:
        there = name.parent.is_dir()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DestinationError(f"{name}: {reason} found, a file's name expected") from error
    if not there:
        raise DestinationError(f"{name}: no folder {name.parent} found, an existing one expected")
    if not os.access(name.parent, os.W_OK | os.X_OK):
        raise DestinationError(
            f"{name}: folder {name.parent} is read-only, one that you may write to expected"
        )
