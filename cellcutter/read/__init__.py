"""Pixels in: images of any format as (C, Y, X) in blocks.

:func:`open_image` opens one, :func:`images_in` tells which a file has. The readers are imported
when one of them is called.
"""

from __future__ import annotations

from cellcutter.read.image import Image, ImageInfo
from cellcutter.read.sources import images_in, open_image

__all__ = ["Image", "ImageInfo", "images_in", "open_image"]
