"""Files of a folder that are one image together, a channel in each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cellcutter.errors import ImageError
from cellcutter.read.image import Image

_NUMBERS = re.compile(r"(\d+)")


def members_of(folder: Path, names: Iterable[str], endings: tuple[str, ...]) -> list[Path]:
    """Return the files with certain endings, in an order in which numbers count as numbers.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Of the files in it; hidden ones are left out.
    endings : tuple of str
        In lower case.
    """
    fitting = (n for n in names if n.lower().endswith(endings) and n[0] != ".")
    return [folder / name for name in sorted(fitting, key=_natural)]


def check_alike(path: Path, first: Image, other: Image) -> None:
    """Make sure that two images have one size and type.

    Raises
    ------
    ImageError
        Names the folder and both.
    """
    if (first.shape, first.dtype) != (other.shape, other.dtype):
        found = " and ".join(
            f"{i.name} ({i.shape[1]} x {i.shape[2]} {i.dtype})" for i in (first, other)
        )
        raise ImageError(
            f"{path}: {found} found, files of one size and type expected, one for each channel"
        )


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key for sorting: numbers in names count as numbers."""
    parts = _NUMBERS.split(name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in parts]
