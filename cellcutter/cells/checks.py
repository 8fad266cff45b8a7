"""What is wrong with cells: those of which no thumbnail can be cut, and windows without their cell.

The mask knows where a cell is. So a table in micrometres, with X and Y exchanged, or of another
segmentation is found, and where possible also what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellcutter.cells.found import Survey
from cellcutter.cells.table import CellTable
from cellcutter.cells.units import micrometres
from cellcutter.engine.windows import Windows
from cellcutter.read.image import Image
from cellcutter.types import Bools, Floats, Ints

Status = NDArray[np.object_]
OK, LARGER, ELSEWHERE = "ok", "larger than window", "cell not in window"
DUPLICATE, NOT_IN_MASK = "duplicate", "not in mask"
OUTSIDE, NO_CENTROID = "outside image", "no centroid"
_SAMPLE = 20_000  # cells that are enough to find out why
_MOST = 0.5  # of the cells; where more are elsewhere, the table is wrong, not the cells
_FIT = 0.8  # of the cells; where as many fit, it is known what the table is


@dataclass(frozen=True)
class Placement:
    """Where the mask has the cells, compared with their windows.

    Parameters
    ----------
    elsewhere : int
        Windows that hold no pixel of their cell.
    larger : int
        Cells that are higher or wider than the window.
    message : str, optional
        One line that tells of the windows without their cell; None where there is none.
    wrong : bool
        Whether the table as a whole is wrong.
    """

    elsewhere: int = 0
    larger: int = 0
    message: str | None = None
    wrong: bool = False


def problems(
    cells: CellTable, image: Image, mask: Image | None, found: Survey | None
) -> tuple[str | None, Status]:
    """Find the cells that cannot be cut as they should be.

    Parameters
    ----------
    cells : CellTable
        Centroids in pixels.
    image : Image
    mask : Image, optional
    found : Survey, optional
        What the mask says of the cells.

    Returns
    -------
    message : str or None
        One line that tells of the gravest problem, None where there is none.
    status : object array of shape (n,)
        ``ok``, ``duplicate``, ``no centroid``, ``outside image`` or ``not in mask``.
    """
    height, width = image.shape[1:]
    known = np.isfinite(cells.y) & np.isfinite(cells.x)
    inside = (cells.y >= 0) & (cells.x >= 0) & (cells.y < height) & (cells.x < width)
    missing = np.zeros(len(cells), bool) if found is None else ~found.present
    kinds = (
        (DUPLICATE, _repeated(cells.ids), "CellIDs that differ"),
        (NOT_IN_MASK, missing, f"a cell of the mask {mask.path if mask else ''}"),
        (OUTSIDE, known & ~inside, f"inside {height} x {width} pixels (Y x X) of {image.path}"),
        (NO_CENTROID, ~known, "a centroid in pixels"),
    )
    status: Status = np.full(len(cells), OK, object)  # the words are shared: 8 bytes a cell
    message = None
    for kind, where, expected in kinds:
        status[where] = kind
        if count := int(np.count_nonzero(where)):
            message = (
                f"{cells.name}: {_first(cells, where, count)} found ({kind}), {expected} expected"
            )
            if found is not None and kind == OUTSIDE and (cause := _cause(cells, found, image)):
                message += f": {cause}"
    return message, status


def placement(
    cells: CellTable, image: Image, found: Survey, windows: Windows, status: Status
) -> Placement:
    """Compare windows with what the mask has; set the status of cells that are ``ok`` otherwise.

    Parameters
    ----------
    cells : CellTable
        Centroids in pixels.
    image : Image
    found : Survey
    windows : Windows
        Of the cells.
    status : object array of shape (n,)
        Changed: gets ``cell not in window`` and ``larger than window``.
    """
    good = status == OK
    top, bottom, left, right = found.boxes
    larger = good & ((bottom - top > windows.size) | (right - left > windows.size))
    elsewhere = good & ~found.in_windows(windows)
    status[larger] = LARGER
    status[elsewhere] = ELSEWHERE
    count, all_ = (int(np.count_nonzero(each)) for each in (elsewhere, good))
    if not count:
        return Placement(0, int(np.count_nonzero(larger)))
    # a window may miss the pixels of a cell that is curved; here it is not even near
    far = elsewhere & ~_near(windows, found.boxes)
    wrong = bool(np.count_nonzero(far) > _MOST * all_)
    message = f"{cells.name}: {count} of {all_} windows found that hold no pixel of their cell"
    if wrong:
        cause = _cause(cells, found, image) or "the table may be of another image or segmentation"
        message += f", centroids in pixels of the mask expected: {cause}"
    else:
        message += f" ({ELSEWHERE}): {_first(cells, elsewhere, count)}"
    return Placement(count, int(np.count_nonzero(status == LARGER)), message, wrong)


def _near(windows: Windows, boxes: Ints) -> Bools:
    """Tell which windows meet the box of their cell."""
    top, bottom, left, right = boxes
    y, x, size = windows.y, windows.x, windows.size
    near: Bools = (y < bottom) & (y + size > top) & (x < right) & (x + size > left)
    return near


def _cause(cells: CellTable, found: Survey, image: Image) -> str | None:
    """Return why centroids do not lie in their cells, where another reading makes them fit."""
    there = np.flatnonzero(found.present & np.isfinite(cells.y) & np.isfinite(cells.x))
    there = there[:: -(-len(there) // _SAMPLE) or 1]
    if not len(there):
        return None
    y, x, boxes = cells.y[there], cells.x[there], found.boxes[:, there].astype(float)
    if _fit(y, x, boxes):
        return None
    exchanged = "X and Y look exchanged: --columns X_centroid=Y_centroid,Y_centroid=X_centroid"
    if _fit(x, y, boxes):
        return exchanged
    pixel = micrometres(image.pixel_size)
    for a, b, also in ((y, x, ""), (x, y, f", and {exchanged}")):
        if pixel is not None and _fit(a / pixel[0], b / pixel[1], boxes):
            return f"they look like micrometres: --centroid-unit um{also}"
        scale = _scale(a, boxes[:2]), _scale(b, boxes[2:])
        if min(scale) > 0 and _fit(a / scale[0], b / scale[1], boxes):
            return (
                f"divided by {np.mean(scale):.4g} they would fit: they may be in micrometres or in "
                f"pixels of another size, and {image.name} {_says(image)}{also}"
            )
    return None


def _says(image: Image) -> str:
    pixel = micrometres(image.pixel_size)
    if pixel is None:
        return "does not say the size of its pixels"
    return f"has pixels of {pixel[0]:.4g} x {pixel[1]:.4g} micrometres"


def _scale(values: Floats, sides: Floats) -> float:
    """Return by how much centroids are larger than the middles of boxes, shape (2, n)."""
    middle = sides.mean(0) - 0.5
    return float(np.median(values / np.maximum(middle, 0.5)))


def _fit(y: Floats, x: Floats, boxes: Floats) -> bool:
    """Tell whether most centroids lie in the boxes of their cells, or a pixel beside."""
    top, bottom, left, right = boxes
    inside = (y >= top - 1) & (y < bottom + 1) & (x >= left - 1) & (x < right + 1)
    return bool(inside.mean() >= _FIT)


def _first(cells: CellTable, where: Bools, count: int) -> str:
    row = int(np.argmax(where))
    more = f", and {count - 1} more" if count > 1 else ""
    place = f"Y {cells.y[row]:.6g}, X {cells.x[row]:.6g}"
    return f"CellID {cells.ids[row]} in row {row + 1} at {place}{more}"


def _repeated(ids: Ints) -> Bools:
    repeated = np.ones(len(ids), bool)
    repeated[np.unique(ids, return_index=True)[1]] = False
    return repeated
