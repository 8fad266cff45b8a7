"""Lengths in micrometres as pixels of an image."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cellcutter.cells.table import CellTable
from cellcutter.errors import SettingsError
from cellcutter.read.image import Image
from cellcutter.types import Floats, PixelSize

_DECIMALS = 6  # of a pixel: 22.9999999 is 23, as it was before someone multiplied it
_MICRO = dict.fromkeys(("µm", "\N{GREEK SMALL LETTER MU}m", "um", "micrometer", "micron"), 1.0)
_UNITS = _MICRO | {
    "pm": 1e-6,
    "Å": 1e-4,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "inch": 25400.0,
    "in": 25400.0,
}


def micrometres(size: PixelSize | None) -> tuple[float, float] | None:
    """Return the height and width of a pixel in micrometres; None where that is not known."""
    if size is None or size.unit not in _UNITS:
        return None
    height, width = size.y * _UNITS[size.unit], size.x * _UNITS[size.unit]
    if not (0 < height < math.inf and 0 < width < math.inf):
        return None
    return height, width


def window_pixels(window_size: int | str | None, image: Image) -> int | None:
    """Return the size of a window in pixels, rounded up; None where it is not given.

    Parameters
    ----------
    window_size : int or str, optional
        Pixels, or a length such as "20um".
    image : Image

    Raises
    ------
    SettingsError
        The window is a length, and the image's pixel size is not known.
    """
    if not isinstance(window_size, str):
        return window_size
    pixel = _known(image, "--window-size", window_size, "pixels")
    pixels = float(window_size.removesuffix("um")) / min(pixel)
    if pixels > 2**40:
        raise SettingsError(
            f"--window-size: {window_size} found, a length that fits the image expected"
        )
    return max(1, math.ceil(round(pixels, _DECIMALS)))


def in_pixels(cells: CellTable, unit: str, image: Image) -> CellTable:
    """Return cells with their centroids in pixels.

    Parameters
    ----------
    cells : CellTable
    unit : "px" or "um"
        Of the centroids.
    image : Image

    Raises
    ------
    SettingsError
        The unit is a length, and the image's pixel size is not known.
    """
    if unit == "px":
        return cells
    height, width = _known(image, "--centroid-unit", unit, "px")
    return replace(cells, y=_scaled(cells.y, height), x=_scaled(cells.x, width))


def _scaled(values: Floats, size: float) -> Floats:
    scaled: Floats = np.round(values / size, _DECIMALS)
    return scaled


def _known(image: Image, option: str, given: str, instead: str) -> tuple[float, float]:
    pixel = micrometres(image.pixel_size)
    if pixel is None:
        unit = "" if image.pixel_size is None else f" in a unit of length ({image.pixel_size.unit})"
        raise SettingsError(
            f"{option}: {given} found, {instead} expected: {image.path} does not say the size of "
            f"its pixels{unit}"
        )
    return pixel
