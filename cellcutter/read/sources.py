"""Opening an image by the kind of its file: the readers are imported when one is needed."""

from __future__ import annotations

import os
from pathlib import Path

from cellcutter.errors import ImageError
from cellcutter.read.choice import Wanted
from cellcutter.read.image import Image, ImageInfo
from cellcutter.read.positional import check_regular
from cellcutter.read.sniff import ZARR_ZIP, is_address, kind_of

_ZIP = b"PK\x03\x04"
_PNG = b"\x89PNG\r\n\x1a\n"


def open_image(
    path: str | os.PathLike[str],
    index: int | None = None,
    shape: tuple[int, int] | None = None,
    option: str = "--image-index",
) -> Image:
    """Open an image or a mask: TIFF, PNG, OME-Zarr, a Zarr array, or a folder of TIFF files.

    Parameters
    ----------
    path : path
    index : int, optional
        Which image of the file, from 1. Otherwise, of several, the one of the mask's size, or the
        largest.
    shape : (height, width) in pixels, optional
        Those of the mask.
    option : str
        The option that `index` comes from, for messages.

    Raises
    ------
    ImageError
        It is missing, cannot be read, is no image that can be seen as (C, Y, X), or several images
        could be meant.
    """
    file, start = _checked(path)
    wanted = Wanted(index, shape, option)
    if start is None:
        return _open_folder(file, wanted)
    if start.startswith(_PNG):
        from cellcutter.read.png import PngImage

        _one_image(file, wanted)
        return PngImage(file)
    if _is_zarr_zip(file, start):
        from cellcutter.read.zarr.image import OmeZarrImage

        return OmeZarrImage(file, wanted)
    from cellcutter.read.tiff.image import read_tiff

    return read_tiff(file, wanted)


def images_in(path: str | os.PathLike[str]) -> list[ImageInfo]:
    """Return what a file says of its images, without reading pixels.

    Raises
    ------
    ImageError
        It is missing, or no image that we know.
    """
    file, start = _checked(path)
    if start is not None and start.startswith(_PNG):
        from cellcutter.read.png import PngImage

        with PngImage(file) as image:
            return [image.info()]
    if start is None and (members := _tiffs_in(file)):
        from cellcutter.read.tiff.folder import info_of_folder

        return [info_of_folder(file, members)]
    if start is None or _is_zarr_zip(file, start):
        from cellcutter.read.zarr.images import infos_of_zarr

        return infos_of_zarr(file)
    from cellcutter.read.tiff.image import infos_of_tiff

    return infos_of_tiff(file)


def _checked(path: str | os.PathLike[str]) -> tuple[Path, bytes | None]:
    """Return a path and the first bytes of its file; None for a folder.

    Raises
    ------
    ImageError
    """
    name = os.fspath(path)
    if is_address(name):
        raise ImageError(
            f"{name}: a web address found, a file or a folder expected: download it first"
        )
    file = Path(path)
    try:
        if file.is_dir():
            return file, None
        check_regular(file)
        with file.open("rb") as content:
            return file, content.read(16)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{file}: {reason}; an image expected") from error


def _open_folder(folder: Path, wanted: Wanted) -> Image:
    if members := _tiffs_in(folder):
        from cellcutter.read.tiff.folder import read_folder

        _one_image(folder, wanted)
        return read_folder(folder, members)
    from cellcutter.read.zarr.image import OmeZarrImage

    return OmeZarrImage(folder, wanted)


def _tiffs_in(folder: Path) -> list[Path]:
    """Return the TIFF files of a folder; none where it is part of a Zarr store."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise ImageError(f"{folder}: {error.strerror}; an image expected") from error
    if names & {"zarr.json", ".zgroup", ".zarray", ".zattrs"}:
        return []
    if not any(name.lower().endswith((".tif", ".tiff")) for name in names):
        return []
    from cellcutter.read.tiff.folder import tiffs_in

    return tiffs_in(folder)


def _is_zarr_zip(file: Path, start: bytes) -> bool:
    if not start.startswith(_ZIP):
        return False
    if ".zarr" in file.name.lower():
        return True
    return kind_of(file) == ZARR_ZIP


def _one_image(path: Path, wanted: Wanted) -> None:
    """Make sure that no other image is asked for than the only one."""
    if wanted.index not in (None, 1):
        raise ImageError(f"{path}: {wanted.option} {wanted.index} given, 1 image found")
