"""Which images a TIFF file holds: their axes, their pages, and what metadata says of them.

tifffile finds the images of formats that it knows. OME-TIFF is read by ``tiff_ome.py``, and pages
that no metadata ties together are put together here: those of one size and type are channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from cellcutter.errors import ImageError
from cellcutter.read.choice import Candidate
from cellcutter.read.image import MOST_CHANNELS, Axes, interpret_axes
from cellcutter.read.ome import Names, from_imagej, from_qptiff, name_of_page
from cellcutter.types import PixelSize

_REDUCED, _TRANSPARENCY = 1, 4  # bits of a page's tag NewSubfileType


@dataclass(frozen=True)
class Absent:
    """A plane that is not there.

    Parameters
    ----------
    file : str
        Name of the file that it is expected in.
    reason : str
        What was found instead.
    """

    file: str
    reason: str


Page = Any
"""A page as tifffile has it (it comes without types), or a plane that is :class:`Absent`."""


@dataclass(frozen=True)
class Picture:
    """One of the images of a TIFF file, or of a set of them.

    Parameters
    ----------
    axes : str
        A letter for each axis.
    lengths : tuple of int
    pages : callable () -> sequence of Page
        In the order of the axes; may be fewer where one page stands for all, see `offset`.
    key : Page
        The first of them: its size and type are those of all.
    metadata : callable (pages, channels) -> (names, pixel size)
    name : str, optional
    aside : str, optional
        What it is, where its metadata says that it is beside the point.
    offset : callable () -> int or None
        Where in the file all planes lie one after the other, if they do.
    notes : tuple of str
    """

    axes: str
    lengths: tuple[int, ...]
    pages: Callable[[], Sequence[Page]]
    key: Page
    metadata: Callable[[Sequence[Page], int], tuple[Names | None, PixelSize | None]]
    name: str | None = None
    aside: str | None = None
    offset: Callable[[], int | None] = lambda: None
    notes: tuple[str, ...] = ()

    @property
    def candidate(self) -> Candidate:
        """What is asked when one of several is chosen."""
        length = dict(zip(self.axes, self.lengths, strict=True))
        height, width = length.get("Y", 0), length.get("X", 0)
        channels = prod(self.lengths) // max(1, height * width)
        return Candidate(channels, height, width, str(self.key.dtype), self.name, self.aside)

    def interpreted(self, path: Path) -> Axes:
        """Return which axes are the channels.

        Raises
        ------
        ImageError
            The axes, the order or the kind of pixels is none that can be read.
        """
        axes = interpret_axes(path, self.axes, self.lengths)
        if self.key.shaped[1] != 1 or self.key.dtype is None:
            raise ImageError(
                f"{path}: {self.key.dtype} samples in volumes {self.key.shaped[1]} deep found, "
                "planes of integers or floats expected"
            )
        self._check_order(path)
        return axes

    def _check_order(self, path: Path) -> None:
        """Make sure that Y and X are the rows and columns of a page."""
        axes, lengths, page = self.axes, self.lengths, self.key
        y, x = axes.index("Y"), axes.index("X")
        in_order = (
            y < x
            and prod(lengths[y + 1 : x]) == 1
            and prod(lengths[x + 1 :]) == page.shaped[4]
            and (lengths[y], lengths[x]) == (page.imagelength, page.imagewidth)
        )
        if not in_order:
            raise ImageError(
                f"{path}: axes {axes} of {lengths} in planes of {page.shape} found, "
                "Y and X as the rows and columns of a plane expected"
            )


def native(dtype: Any) -> np.dtype[np.generic]:
    """Return a type of pixels in native byte order, as numpy names it on every platform."""
    kind = np.dtype(np.dtype(dtype).str).newbyteorder("=")
    return np.dtype(np.uint8) if kind.kind == "b" else kind


def pictures_of(path: Path, tiff: tifffile.TiffFile) -> list[Picture]:
    """Return the images of a TIFF file that is no OME-TIFF.

    Raises
    ------
    ImageError
        It has no pages, or more than any image has channels.
    """
    _check_number(path, tiff)
    series = tiff.series
    loose = all(s.kind in ("generic", "uniform") for s in series)
    if len(series) > 1 and all(s.kind == "shaped" and len(s.pages) == 1 for s in series):
        loose = True  # written page by page: tifffile calls each page an image
    if loose:
        return loose_pages(path, tiff)
    return [_of_series(tiff, s) for s in series]


def _check_number(path: Path, tiff: tifffile.TiffFile) -> None:
    if len(tiff.pages) > MOST_CHANNELS:
        raise ImageError(f"{path}: {len(tiff.pages)} pages found, at most {MOST_CHANNELS} expected")


def _of_series(tiff: tifffile.TiffFile, series: Any) -> Picture:
    """Return an image that tifffile found."""

    def metadata(pages: Sequence[Page], channels: int) -> tuple[Names | None, PixelSize | None]:
        if tiff.is_imagej and tiff.imagej_metadata:
            resolution = series.keyframe.get_resolution()
            return from_imagej(tiff.imagej_metadata, resolution, channels)
        if tiff.is_qpi:
            return from_qptiff([page.description for page in pages], channels), None
        return names_of_pages(pages, channels), None

    return Picture(
        series.axes,
        tuple(series.shape),
        lambda: [_as_page(page) for page in series.pages],
        series.keyframe,
        metadata,
        series.name or None,
        offset=lambda: series.dataoffset,
    )


def loose_pages(path: Path, tiff: tifffile.TiffFile, notes: tuple[str, ...] = ()) -> list[Picture]:
    """Put pages together that no metadata ties together: by their size and type.

    Pages that their metadata tells apart (MIBI's pictures and labels, transparency masks, reduced
    copies) stay apart.
    """
    _check_number(path, tiff)
    groups: dict[tuple[object, ...], list[Page]] = {}
    asides: dict[tuple[object, ...], str | None] = {}
    for page in map(_as_page, tiff.pages):
        if not page.shape:
            continue
        _, aside = name_of_page(None, page.description)
        if page.subfiletype & _TRANSPARENCY:
            aside = "transparency mask"
        elif page.subfiletype & _REDUCED and page.index:
            aside = "reduced copy"
        key = (page.shaped, str(page.dtype), aside)
        groups.setdefault(key, []).append(page)
        asides[key] = aside
    if not groups:
        raise ImageError(f"{path}: no image found, one expected")
    return [_of_pages(pages, asides[key], notes) for key, pages in groups.items()]


def _of_pages(pages: Sequence[Page], aside: str | None, notes: tuple[str, ...]) -> Picture:
    key = pages[0]
    axes, lengths = key.axes, tuple(key.shape)
    if len(pages) > 1:
        axes, lengths = "I" + axes, (len(pages), *lengths)
        if key.is_shaped or len({page.hash for page in pages}) > 1:
            note = (
                f"{len(pages)} pages of one size and type, which no metadata ties together, "
                "are taken as channels in the order of the file"
            )
            notes = (*notes, note)

    def metadata(pages: Sequence[Page], channels: int) -> tuple[Names | None, PixelSize | None]:
        return names_of_pages(pages, channels), None

    name = name_of_page(key.tags.valueof(285), key.description)[0] if len(pages) == 1 else None
    return Picture(axes, lengths, lambda: pages, key, metadata, name, aside, notes=notes)


def names_of_pages(pages: Sequence[Page], channels: int) -> Names | None:
    """Return the names of pages, where each is a channel and has a name that no other has."""
    names = [
        name_of_page(page.tags.valueof(285), page.description)[0]
        for page in pages
        if not isinstance(page, Absent)
    ]
    known = tuple(name for name in names if name)
    return known if len(known) == len(set(known)) == len(pages) == channels else None


def _as_page(page: Page) -> Page:
    """Return a page with all its tags: a frame is taken to be stored like the first page."""
    return page if isinstance(page, tifffile.TiffPage) else page.aspage()
