"""Where stores lie: on this machine, or in an object store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellcutter.errors import SettingsError, StoreError
from cellcutter.machine import available_cpus
from cellcutter.store.reading.files import Files, FolderFiles, ZipFiles
from cellcutter.store.reading.objects import ObjectFiles
from cellcutter.store.reading.threads import MOST_THREADS
from cellcutter.types import Name


@dataclass(frozen=True)
class Remote:
    """Where a store lies in an object store.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/cells.zarr``.
    options : mapping
        Of fsspec's file system: keys, an endpoint.
    """

    url: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rstrip("/").rpartition("/")[2]

    def with_name(self, name: str) -> Remote:
        """Return a place beside this one."""
        return Remote(f"{self.url.rstrip('/').rpartition('/')[0]}/{name}", self.options)

    def absolute(self) -> Remote:
        """Return this place, as :meth:`pathlib.Path.absolute` does."""
        return self

    def __str__(self) -> str:
        return self.url.rstrip("/")


Place = Path | Remote
_MOST_DECODERS = 8


def place_of(name: Name, options: Mapping[str, Any] | None) -> Place:
    """Return the place that a caller names: an address where it has ``://``, else a path.

    Raises
    ------
    SettingsError
        Options are given for a path.
    """
    if isinstance(name, str) and "://" in name:
        return Remote(name, dict(options or {}))
    if options:
        raise SettingsError(
            f"storage_options: given for {os.fspath(name)!r}, an address such as s3://... expected"
        )
    return Path(name)


def threads_for(places: Sequence[Place]) -> int:
    """Return how many threads read when nobody has said."""
    if any(isinstance(place, Remote) for place in places):
        return MOST_THREADS  # they wait for the network most of the time
    return min(available_cpus(), _MOST_DECODERS)


def open_files(place: Place) -> Files:
    """Return the files of a store.

    Raises
    ------
    StoreError
        There is neither a folder nor a zip file.
    """
    if isinstance(place, Remote):
        return ObjectFiles(str(place), place.options)
    if place.is_dir():
        return FolderFiles(place)
    if place.is_file():
        return ZipFiles(place)
    raise StoreError(f"{place}: no such file or folder, a store expected")


def readable(name: str) -> str:
    r"""Return a name as UTF-8 can hold it: a byte of it that is none becomes ``\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
