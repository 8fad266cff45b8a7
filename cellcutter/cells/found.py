"""What the mask holds of the cells of a table: whether, where, and how large."""

from __future__ import annotations

from dataclasses import dataclass

from cellcutter.engine.windows import Windows
from cellcutter.types import Bools, Ints


@dataclass(frozen=True)
class Extent:
    """The bounding box of a cell's pixels in the mask.

    Parameters
    ----------
    cell : int
        CellID.
    top, bottom, left, right : int
        Rows ``top`` to ``bottom - 1`` and columns ``left`` to ``right - 1``, in pixels.
    """

    cell: int
    top: int
    bottom: int
    left: int
    right: int

    def __str__(self) -> str:
        return (
            f"CellID {self.cell} has {self.bottom - self.top} x {self.right - self.left} pixels "
            f"(rows {self.top} to {self.bottom - 1}, columns {self.left} to {self.right - 1})"
        )


@dataclass(frozen=True)
class Survey:
    """What the labels hold of the cells of a table.

    Parameters
    ----------
    present : bool array of shape (n,)
        Whether any pixel has the cell's label.
    boxes : int64 array of shape (4, n)
        Bounding box of each cell's pixels: top, bottom, left, right, in pixels, bottom and right
        one past the last. With windows, of the blocks that were read. Nonsense (bottom < top)
        where a cell is not present.
    size : int
        Largest height or width, in pixels, of the boxes; 0 where no cell is present.
    largest : Extent, optional
        The cell that `size` comes from.
    seen : bool array of shape (n,), optional
        Whether any pixel of the cell lies in its window; where windows were given.
    blocks, of : int
        Blocks of the labels that were read, and that there are.
    memory : int
        Bytes that reading them took at the most.
    """

    present: Bools
    boxes: Ints
    size: int
    largest: Extent | None
    seen: Bools | None = None
    blocks: int = 0
    of: int = 0
    memory: int = 0

    def in_windows(self, windows: Windows) -> Bools:
        """Tell for each cell whether its window holds any of its pixels.

        Exact where the survey was given the windows. Else (the window's size comes from the
        survey itself) whether the window meets the bounding box of the cell.

        Parameters
        ----------
        windows : Windows
            Of the cells, in the order of the table; the same as the survey was given, if it was.
        """
        if self.seen is not None:
            return self.seen
        return self.present & meet(windows.y, windows.x, windows.size, self.boxes)


def meet(y: Ints, x: Ints, size: int, boxes: Ints) -> Bools:
    """Tell which windows share a pixel with the box (top, bottom, left, right) beside them."""
    top, bottom, left, right = boxes
    met: Bools = (y < bottom) & (y + size > top) & (x < right) & (x + size > left)
    return met
