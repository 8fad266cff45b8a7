"""What a plan says: the figures of a cut that was not made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedWindow:
    """The window, and what makes it.

    Parameters
    ----------
    size : int
        Height and width in pixels.
    made_by : str
        ``--window-size``, or ``largest cell``.
    cell : int, optional
        CellID of the largest cell, where that makes the window.
    box : tuple of int, optional
        Its bounding box in the mask: first row, one past the last, first column, one past the
        last, in pixels.
    sides : mapping, optional
        The larger side, in pixels, of the cells of the table: ``median``, ``99 %`` (about 99 of
        100 cells are not larger) and ``largest``. None where a size is given.
    """

    size: int
    made_by: str
    cell: int | None = None
    box: tuple[int, int, int, int] | None = None
    sides: Mapping[str, int] | None = None


@dataclass(frozen=True)
class PlannedArray:
    """An array of a store.

    Parameters
    ----------
    name : str
        ``masks`` or ``thumbnails``.
    shape, chunks : tuple of int
        Of the array, and of what one file of it holds.
    dtype : str
    files : int
        Chunks or shards.
    nbytes : int
        Bytes of all pixels before they are compressed.
    """

    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    files: int
    nbytes: int


@dataclass(frozen=True)
class PlannedBlocks:
    """Blocks of a file that are decoded.

    Parameters
    ----------
    read : int
        Blocks to be decoded; of a mask whose cells' masks are stored some are counted twice.
    of : int
        Blocks that the file has.
    """

    read: int
    of: int


@dataclass(frozen=True)
class CutPlan:
    """What a run would do, with the same input and the same options.

    Parameters
    ----------
    image : str
        Name of the image's file.
    mask : str, optional
        Name of the mask's file.
    cells : int
        Cells of the table. Each has a thumbnail.
    cut : int
        Those whose thumbnail shows them: ``ok`` or ``larger than window``.
    status : mapping
        How many cells have each status, as ``cells.csv`` in the store names it.
    window : PlannedWindow
        Size of the window, and what makes it.
    channels : tuple of mapping
        The channels in their order: ``number``, from 1, in the image, and ``name``, or None.
    dtype : str
        Type of a pixel.
    layout, compression : str
        As the options say.
    zipped : bool
        Whether each store is one zip file.
    arrays : tuple of PlannedArray
        The masks', if they are stored, and the thumbnails'.
    files : int
        Files that are made, a zip file counted as one; with the file of ``--save-metadata``.
    members : int
        The same, where those in a zip file are counted.
    nbytes : int
        Bytes of all pixels before they are compressed.
    store_nbytes : int
        Bytes of all stores. Where nothing is compressed and with no statistics exactly these;
        with statistics at most so many, since the digits of those are not known before. Where
        compressed an estimate.
    store_nbytes_is : str
        What `store_nbytes` is: ``exact``, ``at most``, ``about``, or ``unknown`` (then it is that
        of a store that is not compressed).
    memory : int
        Bytes of memory that the run takes at the most, all together.
    pixel_memory : int
        Those of them that are for pixels.
    threads : int
        Threads that decode and compress.
    walks : int
        How many times the image is visited, each time for other channels.
    scratch_nbytes : int
        Bytes of a temporary file beside the destination; 0 where there is none.
    blocks : mapping of PlannedBlocks
        Blocks that are decoded of the ``image`` and of the ``mask``.
    seconds : float, optional
        About how long the run takes; None where it was not tried.
    seconds_from : str
        How `seconds` was reckoned.
    problems : tuple of str
        What to look at before the run, a line each.
    """

    image: str
    mask: str | None
    cells: int
    cut: int
    status: Mapping[str, int]
    window: PlannedWindow
    channels: tuple[Mapping[str, object], ...]
    dtype: str
    layout: str
    compression: str
    zipped: bool
    arrays: tuple[PlannedArray, ...]
    files: int
    members: int
    nbytes: int
    store_nbytes: int
    store_nbytes_is: str
    memory: int
    pixel_memory: int
    threads: int
    walks: int
    scratch_nbytes: int
    blocks: Mapping[str, PlannedBlocks]
    seconds: float | None
    seconds_from: str
    problems: tuple[str, ...]
