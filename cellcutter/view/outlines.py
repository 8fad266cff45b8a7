"""Outlines of cells, from their masks."""

from __future__ import annotations

import numpy as np

from cellcutter.types import Floats, Pixels


def outlines(mask: Pixels) -> list[Floats]:
    """Return the outlines of one cell.

    Parameters
    ----------
    mask : bool array of shape (y, x)

    Returns
    -------
    list of float64 array of shape (n, 2)
        Closed lines through x, y: in pixels, from the upper left corner of the window.
    """
    from skimage.measure import find_contours

    padded = np.pad(mask.astype(np.float64), 1)  # cells at the border are closed there
    lines = find_contours(padded, 0.5)  # type: ignore[no-untyped-call]
    return [line[:, ::-1] - 0.5 for line in lines]
