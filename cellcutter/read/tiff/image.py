"""A TIFF file, a set of them, or a folder of them, as (C, Y, X).

What images there are is found by ``tiff_images.py`` and ``tiff_ome.py``, one of them is chosen
(``choice.py``), and ``tiff_planes.py`` has its planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.choice import Wanted, choose
from cellcutter.read.image import ImageInfo, order_hint
from cellcutter.read.positional import Files
from cellcutter.read.tiff.images import Page, Picture, native, pictures_of
from cellcutter.read.tiff.layout import common_block, planes_of_page, raw_planes
from cellcutter.read.tiff.ome import ome_pictures
from cellcutter.read.tiff.open import opened
from cellcutter.read.tiff.planes import AbsentPlane, Plane
from cellcutter.types import PixelSize


class TiffImage:
    """Planes of TIFF files seen as :class:`cellcutter.read.image.Image`.

    Parameters
    ----------
    path : Path
    dtype : numpy.dtype
    size : (height, width) in pixels
    planes : list of Plane
    samples : int
        Channels of a plane.
    files : Files
        What the planes are read from; closed with the image.

    Attributes
    ----------
    stored : list of Plane
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype[np.generic],
        size: tuple[int, int],
        planes: list[Plane],
        samples: int,
        files: Files,
    ) -> None:
        self.path = path
        self.name = path.name
        self.dtype = dtype
        self.shape = (len(planes) * samples, *size)
        self.planes = tuple(
            tuple(range(i * samples, (i + 1) * samples)) for i in range(len(planes))
        )
        self.block_shape = common_block(planes, *size)
        self.block_nbytes = max(plane.block_nbytes for plane in planes)
        there = (p.file for p in planes if not isinstance(p, AbsentPlane))
        self.files = tuple(dict.fromkeys((path, *there)))
        self.channel_names: tuple[str, ...] | None = None
        self.pixel_size: PixelSize | None = None
        self.notes: tuple[str, ...] = ()
        self.stored = planes
        self._files = files

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode a block, see :meth:`cellcutter.read.image.Image.read_block`."""
        where = self.stored[plane]
        top, left = row * self.block_shape[0], col * self.block_shape[1]
        try:
            where.read(self._files, top, left, out)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            channel = self.planes[plane][0] + 1
            raise ImageError(
                f"{where.file}: channel {channel}, block at row {top}, column {left}: {reason} "
                "found, undamaged data expected"
            ) from error

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:
        """Tell which blocks have no bytes, see :meth:`cellcutter.read.image.Image.empty_blocks`."""
        where = self.stored[plane]
        empty = where.empty_blocks() if where.block_shape == self.block_shape else None
        if empty is not None:
            return empty
        rows, cols = (-(-n // b) for n, b in zip(self.shape[1:], self.block_shape, strict=True))
        return np.zeros((rows, cols), bool)

    def check_channels(self, channels: Sequence[int]) -> None:
        """See :meth:`cellcutter.read.image.Image.check_channels`."""
        samples = len(self.planes[0])
        absent: dict[int, AbsentPlane] = {}
        for channel in channels:
            plane = self.stored[channel // samples]
            if isinstance(plane, AbsentPlane):
                absent[channel] = plane
        if not absent:
            return
        channel, plane = next(iter(absent.items()))
        there = [
            str(i + 1)
            for i in range(self.shape[0])
            if not isinstance(self.stored[i // samples], AbsentPlane)
        ]
        some = ",".join(there[:20]) + (",..." if len(there) > 20 else "")
        raise ImageError(
            f"{self.path}: {len(absent)} of {len(channels)} channels are missing; channel "
            f"{channel + 1} is expected in {plane.file} ({plane.absent.reason}); put the file "
            f"there, or cut what there is with --channels={some}"
        )

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def pictures_in(path: Path, tiff: tifffile.TiffFile, stack: ExitStack) -> list[Picture]:
    """Return the images of a TIFF file that is open; `stack` closes others of its set."""
    if tiff.is_ome and not (tiff.is_shaped or tiff.is_lsm or tiff.is_mmstack):
        return ome_pictures(path, tiff, stack)
    return pictures_of(path, tiff)


def read_tiff(path: Path, wanted: Wanted) -> TiffImage:
    """Open an image of a TIFF file, at full resolution.

    Raises
    ------
    ImageError
        The file is missing, cannot be read, or has no image of one focal plane, or several that
        could be meant.
    """
    files = Files()
    try:
        with opened(path) as (tiff, stack):
            pictures = pictures_in(path, tiff, stack)
            position, notes = choose(path, [picture.candidate for picture in pictures], wanted)
            image = image_of(path, pictures[position], files)
            image.notes = (*notes, *image.notes)
    except BaseException:
        files.close()
        raise
    return image


def infos_of_tiff(path: Path) -> list[ImageInfo]:
    """Return what a TIFF file says of its images, see :func:`cellcutter.read.images_in`."""
    infos = []
    with opened(path) as (tiff, stack):
        for index, picture in enumerate(pictures_in(path, tiff, stack), 1):
            key, remarks = picture.key, picture.notes
            block = (key.tilelength, key.tilewidth)
            if not key.is_tiled:
                block = (min(key.rowsperstrip, key.imagelength), key.imagewidth)
            names, pixel_size = None, None
            try:
                channels = picture.interpreted(path).shape[0]
                names, pixel_size = picture.metadata(picture.pages(), channels)
            except ImageError as error:
                remarks = (*remarks, str(error).removeprefix(f"{path}: "))
            infos.append(
                ImageInfo(
                    index,
                    picture.name,
                    picture.axes,
                    picture.lengths,
                    native(key.dtype) if key.dtype is not None else np.dtype("V"),
                    names,
                    pixel_size,
                    "none" if key.compression == 1 else str(key.compression.name).lower(),
                    block,
                    remarks,
                )
            )
    return infos


def image_of(path: Path, picture: Picture, files: Files) -> TiffImage:
    """Make an image of what was found; its files must still be open."""
    axes = picture.interpreted(path)
    separate, *_, contiguous = picture.key.shaped
    number = axes.shape[0] // contiguous
    pages = picture.pages()
    planes: list[Plane] = []
    if len(pages) * separate != number:  # ImageJ describes one page; the others follow it
        offset = picture.offset()
        if offset is None:
            raise ImageError(f"{path}: {len(pages) * separate} planes found, {number} expected")
        file = Path(pages[0].parent.filehandle.path)
        planes += raw_planes(file, pages[0], offset, number, files)
    else:
        for page in pages:
            _check_alike(path, page, picture.key)
            planes += planes_of_page(path, page, files)
    image = TiffImage(path, native(picture.key.dtype), axes.shape[1:], planes, contiguous, files)
    image.channel_names, image.pixel_size = picture.metadata(pages, image.shape[0])
    image.notes = tuple(filter(None, (*picture.notes, axes.note, order_hint(image.shape))))
    return image


def _check_alike(path: Path, page: Page, key: Page) -> None:
    """Make sure that a page has the size and the type of the first."""
    if not hasattr(page, "shaped"):
        return
    found, expected = (
        f"{p.imagelength} x {p.imagewidth} x {p.shaped[0] * p.shaped[4]} {p.dtype}"
        for p in (page, key)
    )
    if (page.shaped, page.dtype) != (key.shaped, key.dtype):
        raise ImageError(f"{path}: planes of {found} and {expected} found, one kind expected")
