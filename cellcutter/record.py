"""What makes a run what it is: inputs, windows and options, so that another run can go on with it.

A file is known by its name, size and time of its last change; a folder, such as an OME-Zarr image,
by those of all files in it. Of the cell table counts what it asks for: windows and CellIDs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from cellcutter.request import Array, Request
from cellcutter.version import __version__

# What changes nothing that is stored, or shows in what is recorded by itself
_UNTOLD = {"p", "cache_size", "force", "resume", "markers", "cells_per_chunk", "tiles_per_chunk"}


def record_of(
    request: Request, arrays: Iterable[Array], metadata: Path | None
) -> dict[str, object]:
    """Return what makes a run, fit for JSON.

    Parameters
    ----------
    request : Request
    arrays : iterable of Array
        What is cut.
    metadata : Path, optional
        The file of windows.

    Raises
    ------
    OSError
    """
    options = {
        name: str(value) if isinstance(value, os.PathLike) else value
        for name, value in dict(request.options).items()
        if name not in _UNTOLD
    }
    mask = request.mask
    return {
        "version": __version__,
        "image": _files(request.image.files),
        "mask": None if mask is None else _files(mask.files),
        "table of cells": _cells(request),
        "window": request.windows.size,
        "channels": [channel + 1 for channel in request.channels],
        "options": options | {"save_metadata": metadata and str(metadata.absolute())},
        "size of chunks": [
            [*array.layout.stored_shape, array.layout.per_chunk, array.layout.dtype.str]
            for array in arrays
        ],
    }


def _files(paths: Iterable[Path]) -> list[list[object]]:
    """Return what is recorded of files; one that is named in two ways counts once."""
    unique: dict[Path, Path] = {}
    for path in paths:
        unique.setdefault(path.resolve(), path)
    return [_file(path) for path in unique.values()]


def _file(path: Path) -> list[object]:
    found = path.stat()
    if not path.is_dir():
        return [path.name, found.st_size, found.st_mtime_ns]
    digest = hashlib.sha256()
    for parent, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            inside = Path(parent, name)
            state = inside.stat()
            line = (str(inside.relative_to(path)), state.st_size, state.st_mtime_ns)
            digest.update(repr(line).encode())
    return [path.name, digest.hexdigest()]


def _cells(request: Request) -> str:
    """Return a digest of the cells: CellIDs, windows, and which of them the mask holds."""
    digest = hashlib.sha256()
    for values in (request.ids, request.windows.y, request.windows.x, request.present):
        if values is not None:
            digest.update(values.astype("<i8").tobytes())
    return digest.hexdigest()
