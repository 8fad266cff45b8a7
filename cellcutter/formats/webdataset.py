"""A folder of tar files as the library webdataset reads them one behind the other.

A cell is the files ``<CellID>.image.npy``, ``<CellID>.mask.npy`` where there are masks, and
``<CellID>.json``, the row of the table. Invariant: the same store makes the same bytes; tar files
have no date and no owner.
"""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from pathlib import Path

import numpy as np

from cellcutter.formats import tables
from cellcutter.formats.npy import CHANNELS, content, write_header
from cellcutter.formats.source import Source

_SHARD = re.compile(r"shard-[0-9]{6,}\.tar")


def is_webdataset(path: Path) -> bool:
    """Tell whether a folder holds such an export, and nothing else."""
    if not path.is_dir():
        return False
    names = {each.name for each in path.iterdir()} - {CHANNELS}
    return bool(names) and all(_SHARD.fullmatch(name) for name in names)


def write_webdataset(source: Source, place: Path, scratch: Path, shard_nbytes: int) -> None:
    """Write the folder.

    Parameters
    ----------
    source : Source
    place : Path
        The folder to be made.
    scratch : Path
        A folder for files that are in use for a while.
    shard_nbytes : int
        Size after which the next tar file begins.
    """
    place.mkdir()
    columns = source.columns(scratch)
    header = _header(source.shape[1:], source.dtype)
    mask_header = _header(source.shape[2:], np.dtype(bool))
    keys = source.keys()
    shards = _Shards(place, shard_nbytes)
    with shards:
        for batch in source.batches():
            values = [tables.plain(column, batch.rows) for column in columns.values()]
            for i, row in enumerate(zip(*values, strict=True)):
                key = next(keys)
                shards.begin()
                shards.add(f"{key}.image.npy", header + content(batch.images[i]))
                if batch.masks is not None:
                    shards.add(f"{key}.mask.npy", mask_header + content(batch.masks[i]))
                shards.add(f"{key}.json", _json(dict(zip(columns, row, strict=True))))
    with (place / CHANNELS).open("x", encoding="utf-8", newline="") as file:
        file.writelines(source.channels_csv())


class _Shards:
    """Tar files that follow each other; a context manager."""

    def __init__(self, folder: Path, nbytes: int) -> None:
        self._folder = folder
        self._nbytes = nbytes
        self._number = 0
        self._tar = self._next()

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def begin(self) -> None:
        """Begin a cell, in the next file where this one is full."""
        if self._tar.offset >= self._nbytes:
            self._tar.close()
            self._tar = self._next()

    def add(self, name: str, member: bytes) -> None:
        """Add a file."""
        info = tarfile.TarInfo(name)
        info.size = len(member)
        self._tar.addfile(info, io.BytesIO(member))

    def _next(self) -> tarfile.TarFile:
        path = self._folder / f"shard-{self._number:06d}.tar"
        self._number += 1
        return tarfile.open(path, "x", format=tarfile.USTAR_FORMAT)


def _header(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> bytes:
    file = io.BytesIO()
    write_header(file, shape, dtype)
    return file.getvalue()


def _json(row: dict[str, object]) -> bytes:
    """Return a row as JSON, which has no infinite numbers."""
    known = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(known, ensure_ascii=False).encode()
