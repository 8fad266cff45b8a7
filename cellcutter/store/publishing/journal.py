"""What is to be published, written down before the first name changes.

Invariant: at every instant the journal and the inodes under the names tell, for each name, whether
the old or the new one has it, so that all names of a set can be brought forward, or all of them
back, by this run or the next. The last name of the set decides: once it is given, the way is
forward.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cellcutter import system
from cellcutter.store.publishing.staging import JOURNAL, UNDO, Staging, read_json


class Changed(Exception):  # noqa: N818 - a fact, not a fault
    """Something else has changed what has a name."""

    def __init__(self, name: Path) -> None:
        super().__init__(str(name))
        self.name = name


@dataclass(frozen=True)
class Item:
    """One name, what shall have it, and what has it.

    Parameters
    ----------
    name : Path
    made : Path or None
        Where the new one lies; None where nothing shall have the name any more.
    aside : Path
        Where the old one is put where two names cannot be exchanged in one step.
    new, old : int or None
        Inodes of the new one and of the old one, if there is one.
    """

    name: Path
    made: Path | None
    aside: Path
    new: int | None
    old: int | None

    @classmethod
    def of(cls, name: Path, made: Path | None, staging: Staging, number: int) -> Item:
        """Look at what is there now."""
        aside = staging.beside(name) / f"old-{number}"
        return cls(name, made, aside, None if made is None else _inode(made), _inode(name))

    @property
    def is_done(self) -> bool:
        """Tell whether the name has been given."""
        if self.made is None:
            return _inode(self.aside) is not None or _inode(self.name) != self.old
        return _inode(self.name) == self.new or _inode(self.made) != self.new

    def do(self) -> None:
        """Give the name.

        Raises
        ------
        Changed
            Something else has got the name, or what had it is gone.
        OSError
        """
        try:
            self._do()
        except (FileExistsError, FileNotFoundError) as error:
            raise Changed(self.name) from error
        if self.old is not None and self.old not in (_inode(self.aside), self._inode_of_made):
            raise Changed(self.name)

    def _do(self) -> None:
        if self.made is None:
            system.rename_new(self.name, self.aside)
        elif self.old is None:
            system.rename_new(self.made, self.name)
        elif system.exchange(self.made, self.name):
            pass
        elif _is_file(self.made) and _is_file(self.name) and system.link(self.name, self.aside):
            self.made.replace(self.name)
        else:
            system.rename_new(self.name, self.aside)
            if _inode(self.aside) != self.old:
                raise Changed(self.name)
            system.rename_new(self.made, self.name)

    def undo(self) -> None:
        """Take the name back, and give it to what had it before.

        Raises
        ------
        Changed
            Something else has the name: what had it before stays where it is.
        OSError
        """
        has_new = self.made is not None and _inode(self.name) == self.new
        old = self._old
        if old is None:
            if has_new and self.made:
                self._take_back(self.made)
        elif has_new and self.made:
            self._put_back(old, self.made)
        elif _inode(self.name) is None:
            system.rename_new(old, self.name)
        elif _inode(self.name) != _inode(old):  # else it never lost its name
            raise Changed(self.name)

    @property
    def _inode_of_made(self) -> int | None:
        return None if self.made is None else _inode(self.made)

    @property
    def _old(self) -> Path | None:
        """Return where what had the name lies meanwhile."""
        for place in filter(None, (self.aside, self.made)):
            if _inode(place) not in (None, self.new):
                return place
        return None

    def _take_back(self, made: Path) -> None:
        if _inode(made) == self.new:  # linked, and not yet without its first name
            self.name.unlink()
        else:
            system.rename_new(self.name, made)

    def _put_back(self, old: Path, made: Path) -> None:
        if system.exchange(old, self.name):
            return
        if _is_file(old) and _is_file(self.name):
            old.replace(self.name)
            return
        system.rename_new(self.name, made.with_name(f"{made.name}-undone"))
        system.rename_new(old, self.name)


class Journal:
    """The set of names of one publication; the last one decides.

    Parameters
    ----------
    staging : Staging
    items : sequence of Item
    """

    def __init__(self, staging: Staging, items: Sequence[Item]) -> None:
        self._staging = staging
        self._items = items

    @classmethod
    def found(cls, staging: Staging, destination: Path) -> Journal | None:
        """Return the journal that an interrupted run has left, if it has.

        Raises
        ------
        OSError, ValueError, TypeError, KeyError
            It cannot be read.
        """
        for file in (UNDO, JOURNAL):
            if os.path.lexists(staging.folder / file):
                content = read_json(staging.folder / file)["items"]
                if not isinstance(content, list):
                    raise TypeError("no list of names")
                return cls(staging, [_item(each, staging, destination) for each in content])
        return None

    def write(self) -> None:
        """Write it down, so that it is on the disk before anything changes.

        Raises
        ------
        OSError
        """
        folder = self._staging.folder
        unfinished = folder / f"{JOURNAL}-unfinished"
        with unfinished.open("x", encoding="utf-8") as file:
            json.dump({"items": [_record(item, folder) for item in self._items]}, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(folder / JOURNAL)
        system.sync_folder(folder)

    @property
    def is_forward(self) -> bool:
        """Tell whether the last name has been given, so that the others shall be as well."""
        return not os.path.lexists(self._staging.folder / UNDO) and self._items[-1].is_done

    def do(self) -> None:
        """Give all names.

        Raises
        ------
        Changed
        OSError
        """
        for item in self._items:
            item.do()

    def bring_forward(self) -> None:
        """Give the names that have not been given yet.

        Raises
        ------
        Changed
        OSError
        """
        for item in self._items:
            if not item.is_done:
                item.do()
        self.sync()

    def undo(self) -> None:
        """Take all names back.

        Raises
        ------
        Changed
        OSError
        """
        folder = self._staging.folder
        if os.path.lexists(folder / JOURNAL):
            (folder / JOURNAL).rename(folder / UNDO)
        for item in reversed(self._items):
            item.undo()
        self.sync()

    def sync(self) -> None:
        """Wait until the names are on the disk.

        Raises
        ------
        OSError
        """
        for folder in dict.fromkeys(item.name.parent for item in self._items):
            system.sync_folder(folder)


def _record(item: Item, folder: Path) -> dict[str, object]:
    """Return an item as JSON: names in the staging folder's own folder without that folder."""
    record = asdict(item)
    for key in ("name", "made", "aside"):
        path = record[key]
        if path is None:
            continue
        if key == "name":
            inside = path.parent == folder.parent
            record[key] = path.name if inside else str(path.absolute())
        else:
            record[key] = path.name
    record["is beside"] = item.aside.parent == folder
    return record


def _item(record: object, staging: Staging, destination: Path) -> Item:
    if not isinstance(record, dict):
        raise TypeError("no name")
    folder = staging.folder if record["is beside"] else staging.other
    if folder is None:
        raise FileNotFoundError(errno.ENOENT, "its second folder is gone", str(record["name"]))
    for key in ("made", "aside"):
        if record[key] is not None and Path(record[key]).name != record[key]:
            raise ValueError(f"{record[key]} is not a name in the folder")
    made = record["made"]
    return Item(
        destination.parent / record["name"],
        None if made is None else folder / made,
        folder / record["aside"],
        record["new"],
        record["old"],
    )


def _inode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)
