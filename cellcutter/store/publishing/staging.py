"""The hidden folders in which results are made, and how they go away again.

Invariant: only a folder that this program made is removed or taken anything from. It has a name of
the form ``.<destination>.cellcutter-<8 digits>``, is a folder and no link, belongs to the user as
the run's own does, and holds a *mark* with the destination's name, which is removed last. What is
to be removed is renamed to ``.<destination>.cellcutter-trash-<8 digits>`` first: from there nothing
ever comes back.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cellcutter import stops, system
from cellcutter.errors import DestinationError

log = logging.getLogger("cellcutter")

MARK = "mark"
JOURNAL = "journal"
UNDO = "undo"
_MADE_BY = "cellcutter"
_DIGITS = 8
_TRASH = "trash-"
_LONGEST = 255  # bytes of a name, on all file systems of today
_LARGEST = 1 << 20  # bytes of a mark


@dataclass(frozen=True)
class Staging:
    """The folders in which one run makes its results.

    Parameters
    ----------
    folder : Path
        Beside the destination.
    other : Path or None
        Beside the file of windows, where that lies in another folder.
    """

    folder: Path
    other: Path | None = None

    @property
    def is_trash(self) -> bool:
        """Tell whether the folder is to be removed, whatever it holds."""
        return self.folder.name[:-_DIGITS].endswith(_TRASH)

    def beside(self, name: Path) -> Path:
        """Return the folder that lies in the same folder as a name."""
        if self.other and name.parent.resolve() == self.other.parent.resolve():
            return self.other
        return self.folder


def lock_path(destination: Path) -> Path:
    """Return where the lock of a name lies while a run makes what gets the name."""
    return destination.with_name(f"{_prefix(destination)}lock")


def check_length(name: Path) -> None:
    """Make sure that the hidden folders' names are not too long for a file system.

    Raises
    ------
    DestinationError
    """
    found = len(os.fsencode(name.name))
    most = _LONGEST - len(f"{_prefix(Path())}{_TRASH}") - _DIGITS
    if found > most:
        raise DestinationError(
            f"{name}: a name of {found} bytes found, at most {most} expected (hidden folders with "
            "longer names lie beside it while it is made)"
        )


def make(destination: Path, file: Path | None) -> Staging:
    """Make the folders of a run; they are empty but for their marks.

    Raises
    ------
    DestinationError
        A folder cannot be made.
    """
    digits = secrets.token_hex(_DIGITS // 2)
    folder = destination.with_name(f"{_prefix(destination)}{digits}")
    other = None
    made: list[Path] = []
    try:
        if file and not file.parent.samefile(destination.parent):
            other = file.absolute().with_name(f"{_prefix(file)}{digits}")
        _make(folder, destination.name, other, made)
        if other:
            _make(other, str(destination.absolute()), None, made)
    except OSError as error:
        if made:
            discard(Staging(folder, other if other in made else None), destination)
        raise DestinationError(
            f"{destination}: {error.strerror}; a folder that you may write to expected"
        ) from error
    return Staging(folder, other)


def leftovers(destination: Path, own: Staging) -> Iterator[Staging]:
    """Yield what interrupted runs have left; what only looks like it is left alone."""
    form = re.compile(re.escape(_prefix(destination)) + f"(?:{_TRASH})?[0-9a-f]{{{_DIGITS}}}")
    owner = own.folder.lstat().st_uid
    with os.scandir(destination.parent) as entries:
        names = sorted(entry.name for entry in entries if form.fullmatch(entry.name))
    for name in names:
        folder = destination.with_name(name)
        if folder == own.folder:
            continue
        try:
            found, left = _read(folder, destination, owner)
        except (OSError, ValueError, TypeError):
            found, left = None, os.path.lexists(folder)
        if found:
            yield found
        elif left:
            leave(folder, "was not made by this program or user")


def leave(folder: Path, why: str) -> None:
    """Tell that something stays where it is."""
    log.warning("%s: %s; it is kept", folder, why)


def discard(staging: Staging, destination: Path) -> None:
    """Remove a run's folders with all they hold; what cannot be removed is left to the next run.

    A second signal that comes meanwhile does the same.
    """
    with stops.held() as signals:
        try:
            trash = _thrown(staging, destination)
            if trash is None:
                return
            folders = [trash.other, trash.folder] if trash.other else [trash.folder]
            if not all(_removed(folder, signals) for folder in folders):
                log.warning("%s: the next run to %s removes it", trash.folder, destination)
        except OSError as error:
            log.warning(
                "%s: %s; the next run to %s removes it",
                error.filename or staging.folder,
                error.strerror,
                destination,
            )


def _prefix(name: Path) -> str:
    return f".{name.name}.cellcutter-"


def _make(folder: Path, mark: str, other: Path | None, made: list[Path]) -> None:
    folder.mkdir()
    made.append(folder)
    if folder.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(stat.S_IRWXU)  # a strange umask
    content = {"made by": _MADE_BY, "destination": mark, "other": other and str(other)}
    with (folder / MARK).open("x", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())


def _read(folder: Path, destination: Path, owner: int) -> tuple[Staging | None, bool]:
    """Return what a folder is, if it is a leftover, and whether there is something that is none."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        return None, True
    mark = folder / MARK
    names = {entry.name for entry in folder.iterdir()}
    if names <= {MARK} and (not names or _is_empty_file(mark)):  # killed when it had just begun
        for name in names:
            (folder / name).unlink()
        folder.rmdir()
        return None, False
    content = read_json(mark)
    if content.get("made by") != _MADE_BY or content.get("destination") != destination.name:
        return None, True
    return Staging(folder, _other(content.get("other"), folder, owner)), False


def _other(path: object, folder: Path, owner: int) -> Path | None:
    """Return the second folder of a run, if it is there and what the first one's mark says."""
    if not isinstance(path, str) or path[-_DIGITS:] != folder.name[-_DIGITS:]:
        return None
    other = Path(path)
    try:
        found = other.lstat()
        names = {entry.name for entry in other.iterdir()}
        ours = not names or _is_empty_file(other / MARK)
        ours = ours or read_json(other / MARK).get("made by") == _MADE_BY
    except (OSError, ValueError, TypeError):
        return None
    return other if ours and stat.S_ISDIR(found.st_mode) and found.st_uid == owner else None


def read_json(path: Path) -> dict[str, object]:
    """Return the content of a mark or a journal.

    Raises
    ------
    OSError, ValueError
        It is no regular file, or holds something else.
    """
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
        raise ValueError(f"{path} is not a file of ours")
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{path} is not a file of ours")
    return content


def _is_empty_file(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _thrown(staging: Staging, destination: Path) -> Staging | None:
    """Rename a folder to trash; None where it is not there."""
    if staging.is_trash:
        return staging
    digits = staging.folder.name[-_DIGITS:]
    trash = destination.with_name(f"{_prefix(destination)}{_TRASH}{digits}")
    try:
        system.rename_new(staging.folder, trash)
    except FileNotFoundError:
        return None
    except OSError:
        if any((staging.folder / name).exists() for name in (JOURNAL, UNDO)):
            raise
        return staging  # nothing of it would ever be put back
    return Staging(trash, staging.other)


def _removed(folder: Path, signals: stops.Held) -> bool:
    """Remove a folder, its mark last; False where a second signal has come meanwhile."""
    if not folder.exists():
        return True
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name != MARK)
    for name in names:
        path = folder / name
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            continue
        if path.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
        with os.scandir(path) as entries:
            inside = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for each, is_folder in inside:
            if len(signals.numbers) > 1:
                return False
            if is_folder:
                shutil.rmtree(each)
            else:
                Path(each).unlink()
        path.rmdir()
    (folder / MARK).unlink(missing_ok=True)
    folder.rmdir()
    return True
