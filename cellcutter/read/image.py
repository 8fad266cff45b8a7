"""An image as (C, Y, X) in blocks, whatever the file: the interface, and what axes mean.

Invariant: behind this module there is one order of axes, (C, Y, X), and one unit of reading, a
block: what a file stores and compresses as one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.types import PixelSize

MOST_CHANNELS = 100_000
"""No image has more; a file that claims more is damaged, or made to take our memory."""

MOST_BLOCKS = 1 << 23
"""Of a plane; 200,000 x 200,000 pixels in blocks of 70 x 70. Tables of more take much memory."""


class Image(Protocol):
    """An image, or labels, that is read block by block.

    Attributes
    ----------
    name : str
        File name without folders.
    path : Path
        As the caller gave it.
    files : tuple of Path
        `path`, and the files and folders that pixels are read from: members of a set, or what lies
        in `path`.
    shape : tuple of int
        (channels, height, width)
    dtype : numpy.dtype
        In native byte order.
    block_shape : tuple of int
        (height, width) of a block in pixels; blocks at the far borders may be smaller.
    planes : tuple of tuple of int
        The channels that lie in the same blocks: ``((0,), (1,))`` where each has blocks of its
        own, ``((0, 1, 2),)`` for interleaved RGB.
    channel_names : tuple of str, optional
        Marker names, where the file has one for every channel.
    pixel_size : PixelSize, optional
    block_nbytes : int
        Temporary memory, in bytes, that reading one block takes at the most.
    notes : tuple of str
        Remarks for the user, a line each.
    """

    name: str
    path: Path
    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    block_shape: tuple[int, int]
    planes: tuple[tuple[int, ...], ...]
    channel_names: tuple[str, ...] | None
    pixel_size: PixelSize | None
    block_nbytes: int
    notes: tuple[str, ...]

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode a block; may be called from several threads at a time.

        Parameters
        ----------
        plane : int
            Index into `planes`.
        row, col : int
            Place of the block in the grid of blocks.
        out : array of shape (channels of the plane, height, width)
            Gets the pixels; height and width are those of the block inside the image.

        Raises
        ------
        ImageError
            The block is damaged.
        """

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:
        """Tell which blocks were never written and so are zero, without reading them.

        Returns
        -------
        bool array of shape (block rows, block columns)
            False where it is not known.
        """

    def check_channels(self, channels: Sequence[int]) -> None:
        """Make sure that the pixels of some channels are there.

        An image may be a set of files of which some are missing.

        Parameters
        ----------
        channels : sequence of int
            Positions, from 0.

        Raises
        ------
        ImageError
            They are not; names the file that they are expected in.
        """

    def close(self) -> None:
        """Close the files."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


@dataclass(frozen=True)
class ImageInfo:
    """What a file says of one of its images, without reading pixels.

    Parameters
    ----------
    index : int
        Number of the image in its file, from 1: what ``--image-index`` takes.
    name : str, optional
    axes : str
        A letter for each axis, in the order of the file.
    shape : tuple of int
        Length of each axis.
    dtype : numpy.dtype
    channel_names : tuple of str, optional
    pixel_size : PixelSize, optional
    compression : str
        As the format names it; "none" where nothing is compressed.
    block_shape : tuple of int
        (height, width) in pixels of what is compressed as one piece.
    remarks : tuple of str
        What the user should know, a line each.
    """

    index: int
    name: str | None
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    channel_names: tuple[str, ...] | None
    pixel_size: PixelSize | None
    compression: str
    block_shape: tuple[int, int]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Axes:
    """How the axes of a file make (C, Y, X).

    Parameters
    ----------
    names : str
        A letter for each axis, in the order of the file.
    lengths : tuple of int
    channels : tuple of int
        Positions of the axes that together make the channels, in the order of the file.
    note : str, optional
        A remark for the user.
    """

    names: str
    lengths: tuple[int, ...]
    channels: tuple[int, ...]
    note: str | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) in pixels."""
        return (
            prod(self.lengths[axis] for axis in self.channels),
            self.lengths[self.names.index("Y")],
            self.lengths[self.names.index("X")],
        )


def interpret_axes(path: Path, names: str, lengths: Sequence[int]) -> Axes:
    """Decide which axes are the channels.

    C, S (samples), Q and I (unknown, and a sequence of images, in tifffile's terms) are. Time
    points of several channels are channels too, as CODEX has its cycles, with a note. Where none
    of these is longer than 1, another axis may be, with a note.

    Parameters
    ----------
    names : str
        A letter for each axis, as tifffile names them.
    lengths : sequence of int

    Raises
    ------
    ImageError
        There is no Y or X, there are several focal planes beside channels or time points, or more
        channels than any image has.
    """
    found = ", ".join(
        f"{n} {length}"
        for n, length in zip(names, lengths, strict=True)
        if length != 1 or n in "YX"
    )
    if names.count("Y") != 1 or names.count("X") != 1 or min(lengths) < 1:
        raise ImageError(f"{path}: axes {found or '(none)'} found, Y and X and perhaps C expected")
    others = [axis for axis, name in enumerate(names) if name not in "YX"]
    channels = [axis for axis in others if names[axis] in "CSQI"]
    long = [axis for axis in others if lengths[axis] > 1]
    note = None
    if not set(long) <= set(channels):
        times = [axis for axis in others if names[axis] == "T"]
        if len(long) == 1:
            channels = long
            note = f"axis {names[long[0]]} of length {lengths[long[0]]} is taken as the channels"
        elif set(long) <= {*channels, *times}:
            channels = [axis for axis in others if axis in channels or axis in times]
            what = " x ".join(f"{names[axis]} {lengths[axis]}" for axis in long)
            note = f"{what} are taken as {prod(lengths[a] for a in long)} channels, in this order"
        else:
            raise ImageError(
                f"{path}: axes {found} found, one time point and one focal plane expected: "
                "choose or project a plane, or save the planes as channels, first"
            )
    axes = Axes(names, tuple(lengths), tuple(channels), note)
    check_shape(path, axes.shape)
    return axes


def check_shape(path: Path, shape: tuple[int, int, int]) -> None:
    """Make sure that an image has no more channels than lists of them may have.

    Raises
    ------
    ImageError
    """
    if shape[0] > MOST_CHANNELS:
        raise ImageError(f"{path}: {shape[0]} channels found, at most {MOST_CHANNELS} expected")


def order_hint(shape: tuple[int, int, int]) -> str | None:
    """Return a hint where (C, Y, X) look like (Y, X, C): many channels, few columns."""
    channels, height, width = shape
    if width > _FEW or channels < _FEW * width:
        return None
    return (
        f"if this is an image of {channels} x {height} pixels with {width} channels, its axes are "
        "in the order (Y, X, C): save it as (C, Y, X), or with planarconfig='contig'"
    )


_FEW = 10  # channels, where they could be columns
