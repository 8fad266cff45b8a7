"""A few cells beside one another, for pages that list slides: a small picture without words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellcutter.completing import complete
from cellcutter.gallery_options import GalleryOptions
from cellcutter.store.reading.opening import Paths
from cellcutter.store.reading.opening import open as open_stores
from cellcutter.types import Pixels
from cellcutter.view.gallery import scene_of
from cellcutter.view.sheet import pictures
from cellcutter.view.table import Table

_GAP = 2  # pixels between cells, transparent


def strip(
    stores: Paths,
    *,
    number: int = 12,
    seed: int = 0,
    channels: Sequence[int | str] | str | None = None,
    size: int | None = None,
) -> bytes:
    """Return random cells beside one another as a PNG, each with its own pixels.

    It needs no matplotlib.

    Parameters
    ----------
    stores : path, sequence of paths, or mapping of slides' names to paths
    number, seed, channels : optional
        As for :func:`cellcutter.gallery`; the contrast is that of the slide.
    size : int, optional
        Pixels: larger windows are made smaller by the whole number that brings them to it.

    Returns
    -------
    bytes
        As high as a window is, or less; fewer cells where the store has fewer.

    Raises
    ------
    cellcutter.InputError
        As for :func:`cellcutter.gallery`.
    """
    import imagecodecs

    given = {"number": number, "seed": seed, "channels": channels}
    wanted = complete(GalleryOptions, given)
    with open_stores(stores, join="outer") as cells:
        scene = scene_of(cells, Table(cells), wanted, page=False)
        by = 1 if size is None else -(-max(cells.shape[2:]) // size)
        height, width = (max(1, length // by) for length in cells.shape[2:])
        step = width + _GAP
        image = np.zeros((height, step * len(scene.ids) - _GAP, 4), np.uint8)
        for first, tiles, _ in pictures(scene):
            for i, tile in enumerate(tiles[:, 0], first):
                image[:, i * step : i * step + width, :3] = _smaller(tile, by)
                image[:, i * step : i * step + width, 3] = 255
    return bytes(imagecodecs.png_encode(image))


def _smaller(tile: Pixels, by: int) -> Pixels:
    """Return the means of squares of so many pixels; what is left over at the ends goes."""
    if by == 1:
        return tile
    height, width = (length // by for length in tile.shape[:2])
    squares = tile[: height * by, : width * by].reshape(height, by, width, by, -1)
    found: Pixels = np.rint(squares.mean((1, 3))).astype(np.uint8)
    return found
