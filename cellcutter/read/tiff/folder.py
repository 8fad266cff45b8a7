"""A folder of TIFF files of one channel each, as MIBI and ark have it, as one image."""

from __future__ import annotations

import re
from pathlib import Path

from cellcutter.errors import ImageError
from cellcutter.read.choice import Wanted, choose
from cellcutter.read.image import MOST_CHANNELS, ImageInfo
from cellcutter.read.members import check_alike
from cellcutter.read.positional import Files
from cellcutter.read.tiff.image import TiffImage, image_of, infos_of_tiff, pictures_in
from cellcutter.read.tiff.open import opened
from cellcutter.read.tiff.planes import Plane

_ENDING = re.compile(r"(\.ome)?\.tiff?$", re.IGNORECASE)


def read_folder(path: Path, members: list[Path]) -> TiffImage:
    """Open a folder of TIFF files of one channel each; the files name the channels.

    Raises
    ------
    ImageError
        The files are not alike, or have several channels.
    """
    if len(members) > MOST_CHANNELS:
        raise ImageError(f"{path}: {len(members)} files found, at most {MOST_CHANNELS} expected")
    files = Files()
    try:
        planes: list[Plane] = []
        one = first = _channel(path, members[0], files)
        for member in members:
            one = _channel(path, member, files)
            check_alike(path, first, one)
            planes += one.stored
        image = TiffImage(path, first.dtype, first.shape[1:], planes, 1, files)
    except BaseException:
        files.close()
        raise
    image.pixel_size = first.pixel_size
    image.channel_names = tuple(_ENDING.sub("", member.name) for member in members)
    image.notes = (f"a folder: its {len(members)} TIFF files are taken as channels",)
    return image


def info_of_folder(path: Path, members: list[Path]) -> ImageInfo:
    """Return what a folder of TIFF files says of its image."""
    with read_folder(path, members) as image:
        return ImageInfo(
            1,
            None,
            "CYX",
            image.shape,
            image.dtype,
            image.channel_names,
            image.pixel_size,
            infos_of_tiff(members[0])[0].compression,
            image.block_shape,
            image.notes,
        )


def _channel(path: Path, member: Path, files: Files) -> TiffImage:
    with opened(member) as (tiff, stack):
        found = pictures_in(member, tiff, stack)
        position, _ = choose(member, [picture.candidate for picture in found], Wanted())
        image = image_of(member, found[position], files)
    if image.shape[0] != 1:
        raise ImageError(
            f"{path}: a folder of TIFF files found, but {member.name} has {image.shape[0]} "
            "channels, one expected in each: give one of the files"
        )
    return image
