"""A folder of arrays that NumPy maps into memory, and their tables as CSV."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cellcutter.formats.source import Source
from cellcutter.types import Pixels

IMAGES, MASKS, CELLS, CHANNELS = "images.npy", "masks.npy", "cells.csv", "channels.csv"
_ALL = {IMAGES, MASKS, CELLS, CHANNELS}


def is_npy(path: Path) -> bool:
    """Tell whether a folder holds such an export, and nothing else."""
    if not path.is_dir():
        return False
    names = {each.name for each in path.iterdir()}
    return {IMAGES, CELLS} <= names <= _ALL


def write_npy(source: Source, place: Path, scratch: Path) -> None:
    """Write the folder.

    Parameters
    ----------
    source : Source
    place : Path
        The folder to be made.
    scratch : Path
        A folder for files that are in use for a while.
    """
    place.mkdir()
    with ExitStack() as stack:
        images = stack.enter_context((place / IMAGES).open("xb"))
        write_header(images, source.shape, source.dtype)
        masks = None
        if source.has_masks:
            masks = stack.enter_context((place / MASKS).open("xb"))
            n, _, *size = source.shape
            write_header(masks, (n, *size), np.dtype(bool))
        for batch in source.batches():
            images.write(content(batch.images))
            if masks is not None and batch.masks is not None:
                masks.write(content(batch.masks))
    for name, pieces in (
        (CELLS, source.cells_csv(scratch)),
        (CHANNELS, source.channels_csv()),
    ):
        with (place / name).open("x", encoding="utf-8", newline="") as file:
            file.writelines(pieces)


def write_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    """Write what stands before the values of an array in C order."""
    descr = np.lib.format.dtype_to_descr(dtype.newbyteorder("<"))
    told = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, told)


def content(values: Pixels) -> memoryview:
    """Return values as they stand behind the header."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1).view("u1").data
