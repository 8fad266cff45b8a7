"""Opening an image by the kind of its file: the readers are imported when one is needed.

`_KINDS` lists the kinds; the first that fits is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cellcutter.errors import ImageError
from cellcutter.read.choice import Wanted
from cellcutter.read.image import Image, ImageInfo
from cellcutter.read.members import members_of
from cellcutter.read.positional import check_regular
from cellcutter.read.sniff import ZARR_ZIP, is_address, kind_of


@dataclass(frozen=True)
class _Kind:
    """A kind of file or folder that holds images.

    Parameters
    ----------
    found : callable
        Whether a path, of which the first bytes are given (None for a folder), is of this kind.
    open : callable
        Opens the image that is wanted of it.
    infos : callable
        Returns what it says of all its images.
    """

    found: Callable[[Path, bytes | None], bool]
    open: Callable[[Path, Wanted], Image]
    infos: Callable[[Path], list[ImageInfo]]


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
    return _kind_of(file, start).open(file, Wanted(index, shape, option))


def images_in(path: str | os.PathLike[str]) -> list[ImageInfo]:
    """Return what a file says of its images, without reading pixels.

    Raises
    ------
    ImageError
        It is missing, or no image that we know.
    """
    file, start = _checked(path)
    return _kind_of(file, start).infos(file)


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


def _tiffs_in(folder: Path) -> list[Path]:
    """Return the TIFF files of a folder; none where it is part of a Zarr store."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise ImageError(f"{folder}: {error.strerror}; an image expected") from error
    if names & {"zarr.json", ".zgroup", ".zarray", ".zattrs"}:
        return []
    return members_of(folder, names, (".tif", ".tiff"))


def _is_png(_file: Path, start: bytes | None) -> bool:
    return start is not None and start.startswith(_PNG)


def _open_png(file: Path, wanted: Wanted) -> Image:
    from cellcutter.read.png import PngImage

    _one_image(file, wanted)
    return PngImage(file)


def _infos_of_png(file: Path) -> list[ImageInfo]:
    from cellcutter.read.png import PngImage

    with PngImage(file) as image:
        return [image.info()]


def _is_folder_of_tiffs(file: Path, start: bytes | None) -> bool:
    return start is None and bool(_tiffs_in(file))


def _open_folder_of_tiffs(folder: Path, wanted: Wanted) -> Image:
    from cellcutter.read.tiff.folder import read_folder

    _one_image(folder, wanted)
    return read_folder(folder, _tiffs_in(folder))


def _infos_of_folder_of_tiffs(folder: Path) -> list[ImageInfo]:
    from cellcutter.read.tiff.folder import info_of_folder

    return [info_of_folder(folder, _tiffs_in(folder))]


def _is_zarr(file: Path, start: bytes | None) -> bool:
    if start is None:
        return True
    return start.startswith(_ZIP) and (".zarr" in file.name.lower() or kind_of(file) == ZARR_ZIP)


def _open_zarr(file: Path, wanted: Wanted) -> Image:
    from cellcutter.read.zarr.image import OmeZarrImage

    return OmeZarrImage(file, wanted)


def _infos_of_zarr(file: Path) -> list[ImageInfo]:
    from cellcutter.read.zarr.images import infos_of_zarr

    return infos_of_zarr(file)


def _open_tiff(file: Path, wanted: Wanted) -> Image:
    from cellcutter.read.tiff.image import read_tiff

    return read_tiff(file, wanted)


def _infos_of_tiff(file: Path) -> list[ImageInfo]:
    from cellcutter.read.tiff.image import infos_of_tiff

    return infos_of_tiff(file)


_KINDS = (
    _Kind(_is_png, _open_png, _infos_of_png),
    _Kind(_is_folder_of_tiffs, _open_folder_of_tiffs, _infos_of_folder_of_tiffs),
    _Kind(_is_zarr, _open_zarr, _infos_of_zarr),
    _Kind(lambda _file, _start: True, _open_tiff, _infos_of_tiff),  # whose errors say what is there
)


def _kind_of(file: Path, start: bytes | None) -> _Kind:
    return next(kind for kind in _KINDS if kind.found(file, start))


def _one_image(path: Path, wanted: Wanted) -> None:
    """Make sure that no other image is asked for than the only one."""
    if wanted.index not in (None, 1):
        raise ImageError(f"{path}: {wanted.option} {wanted.index} given, 1 image found")
