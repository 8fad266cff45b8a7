"""The files that an OME-XML describes: the one that was given, and others beside it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tifffile

from cellcutter.read.ome import Ome, TiffData, parse_ome
from cellcutter.read.positional import check_regular
from cellcutter.read.tiff.images import Absent, Page

_MOST_XML = 1 << 28  # bytes of a companion file
Owner = tuple[str | None, str | None]
"""What tells a file from others: its UUID, and its name without folders."""


@dataclass
class FileSet:
    """The files of an OME-XML: the one that was given, and others beside it.

    Parameters
    ----------
    path : Path
        The file that was given.
    tiff : tifffile.TiffFile
    stack : ExitStack
        Closes the other files.
    uuid : str, optional
        Of the file that was given.
    same : set of owners
        What the OME-XML calls the file that was given, beside its UUID and its name.
    """

    path: Path
    tiff: tifffile.TiffFile
    stack: ExitStack
    uuid: str | None
    same: set[Owner] = field(default_factory=set)
    _others: dict[str, Any] = field(default_factory=dict)

    def is_own(self, owner: Owner) -> bool:
        """Tell whether planes lie in the file that was given."""
        uuid, file = owner
        if uuid is None and file is None:
            return True
        if uuid is not None and uuid == self.uuid:
            return True
        return owner in self.same or (file or "").lower() == self.path.name.lower()

    def pages(self, data: TiffData) -> Any:
        """Return the pages of the file that planes lie in; an :class:`Absent` where it is not."""
        if self.is_own(data.owner):
            return self.tiff.pages
        file = data.file or f"the file of UUID {data.uuid}"
        if file not in self._others:
            self._others[file] = self._open(file) if data.file else Absent(file, "no name of it")
        return self._others[file]

    def _open(self, file: str) -> Any:
        path = self.path.parent / file
        try:
            check_regular(path)
            other = self.stack.enter_context(tifffile.TiffFile(path))
        except OSError as error:
            return Absent(file, (error.strerror or str(error)).lower())
        except Exception as error:  # noqa: BLE001 - tifffile raises what it likes
            return Absent(file, " ".join(str(error).split()))
        return other.pages


def companion_of(path: Path, name: str) -> Ome | None:
    """Return the OME-XML of another file, which has that of a whole set."""
    file = path.parent / name
    try:
        check_regular(file)
        if file.stat().st_size > _MOST_XML:
            return None
        if name.lower().endswith((".tif", ".tiff", ".tf2", ".tf8", ".btf")):
            with tifffile.TiffFile(file) as tiff:
                return parse_ome(tiff.ome_metadata or "")
        return parse_ome(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, tifffile.TiffFileError):
        return None


def page_at(pages: Any, index: int) -> Page:
    """Return a page of a file with all its tags."""
    page = pages[index]
    return page if isinstance(page, tifffile.TiffPage) else page.aspage()
