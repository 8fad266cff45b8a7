"""Opening an image by the kind of its file: the readers are imported when one is needed."""

from __future__ import annotations

import os
from pathlib import Path

from cellcutter.read.image import Image


def open_image(path: str | os.PathLike[str]) -> Image:
    """Open a TIFF file or an OME-Zarr folder.

    Raises
    ------
    ImageError
        It is missing, cannot be read, or is no image that can be seen as (C, Y, X).
    """
    file = Path(path)
    if file.is_dir():
        from cellcutter.read.ngff import OmeZarrImage

        return OmeZarrImage(file)
    from cellcutter.read.tiff import TiffImage

    return TiffImage(file)
