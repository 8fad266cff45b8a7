"""Files moved into a zip file: not compressed, without dates, so that the same make the same."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from cellcutter.errors import changed

_COPIED_NBYTES = 1 << 20


def move(archive: zipfile.ZipFile, file: Path, folder: Path) -> None:
    """Move a file below a folder into an archive, under its path from there.

    Raises
    ------
    DestinationError
        The file is gone.
    OSError
    """
    if not file.exists():
        raise changed(file, "nothing", "a file")
    info = zipfile.ZipInfo(file.relative_to(folder).as_posix())
    info.external_attr = 0o644 << 16
    info.file_size = file.stat().st_size
    with file.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, _COPIED_NBYTES)
    file.unlink()
