"""Pure: which of the images of a file is taken.

A file may hold several: scenes, an optical picture beside the channels, labels, levels that no
metadata ties together. Never is one of several that are alike taken silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cellcutter.errors import ImageError

_LISTED = 12  # images, in a message


@dataclass(frozen=True)
class Candidate:
    """One of the images of a file.

    Parameters
    ----------
    channels, height, width : int
        Height and width are 0 where it has no such axes.
    dtype : str
    name : str, optional
    aside : str, optional
        What it is, where its metadata says that it is beside the point: "Optical", "Label".
    """

    channels: int
    height: int
    width: int
    dtype: str
    name: str | None = None
    aside: str | None = None

    def __str__(self) -> str:
        name = "".join(f" ({word})" for word in (self.name, self.aside) if word)
        return f"{self.channels} x {self.height} x {self.width} {self.dtype}{name}"


@dataclass(frozen=True)
class Wanted:
    """Which image of a file the caller wants.

    Parameters
    ----------
    index : int, optional
        Its number, from 1.
    shape : tuple of int, optional
        The (height, width) in pixels that it should have: that of the mask.
    option : str
        The option that chooses, for messages.
    """

    index: int | None = None
    shape: tuple[int, int] | None = None
    option: str = "--image-index"


def choose(path: Path, images: Sequence[Candidate], wanted: Wanted) -> tuple[int, tuple[str, ...]]:
    """Return the position, from 0, of the image to be taken, and notes.

    Raises
    ------
    ImageError
        There is none, or several could be meant; names those that there are.
    """
    number = len(images)
    if wanted.index is not None:
        if not 1 <= wanted.index <= number:
            raise ImageError(
                f"{path}: {wanted.option} {wanted.index} given, {number} "
                f"image{'s' if number != 1 else ''} found: {listed(images)}"
            )
        return wanted.index - 1, ()
    if number == 1:
        return 0, ()
    pool = [i for i in range(number) if images[i].height and images[i].width]
    main = [i for i in pool if not images[i].aside] or pool
    apart = ", beside those that its metadata sets apart" if len(main) < len(pool) else ""
    pool = main
    if not pool:
        raise ImageError(f"{path}: no image with Y and X found, one expected: {listed(images)}")
    if wanted.shape is None:
        best = max(images[i].height * images[i].width for i in pool)
        same = [i for i in pool if images[i].height * images[i].width == best]
        because = f"the largest{apart}"
    else:
        same = [i for i in pool if (images[i].height, images[i].width) == wanted.shape]
        because = "which has the size of the mask"
        if not same:
            height, width = wanted.shape
            raise ImageError(
                f"{path}: {number} images found, none of them of {height} x {width} pixels (Y x X) "
                f"as the mask: {listed(images)}"
            )
    if len(same) > 1:
        raise ImageError(
            f"{path}: {len(same)} images of one size found, one expected: {listed(images)}; "
            f"choose one with {wanted.option}, or save them as channels of one image"
        )
    return same[0], (f"image {same[0] + 1} of {number} in the file is taken, {because}",)


def listed(images: Sequence[Candidate]) -> str:
    """Return the images as a list for a message."""
    shown = [f"{i}: {image}" for i, image in enumerate(images[:_LISTED], 1)]
    if len(images) > _LISTED:
        shown.append(f"and {len(images) - _LISTED} more")
    return "; ".join(shown) or "none"
