"""The image and the mask that the user names, opened and checked."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from cellcutter.cells.mask import one_channel
from cellcutter.errors import ImageError, SettingsError, reading
from cellcutter.options import CellOptions, Name, Options
from cellcutter.read import Image, open_image
from cellcutter.store.layout import numeric

_LISTED = 8  # files, in the log
log = logging.getLogger("cellcutter")


def given_mask(mask: Name | None, options: CellOptions) -> Name | None:
    """Return the path of the mask; None for None or "-", where that will do.

    Raises
    ------
    SettingsError
        The mask is needed.
    """
    if mask is not None and os.fspath(mask) != "-":
        return mask
    with_masks = options["mask_cells"] or options["masks"]
    if options["window_size"] is None or with_masks:
        flag = "--mask-cells" if options["mask_cells"] else "--masks"
        because = f"with {flag}" if with_masks else "without --window-size"
        raise SettingsError(f"SEGMENTATION_MASK: - found {because}, the path of a mask expected")
    return None


def open_image_of(
    stack: ExitStack, path: Name, options: Options, mask: Image | None = None
) -> Image:
    """Open the image, until the stack is closed; of several, that of the mask's size.

    Raises
    ------
    ImageError
    """
    shape = None if mask is None else mask.shape[1:]
    with reading(path, "an image", ImageError):
        image = stack.enter_context(open_image(path, options["image_index"], shape))
    _check_numeric(image)
    _log_notes(image)
    return image


def open_mask(stack: ExitStack, path: Name, options: CellOptions) -> Image:
    """Open the segmentation mask, one channel of labels, until the stack is closed.

    Raises
    ------
    ImageError
    """
    with reading(path, "an image", ImageError):
        index = options["mask_index"]
        mask = stack.enter_context(open_image(path, index, option="--mask-index"))
    _check_numeric(mask)
    channel = one_channel(mask, options["mask_channel"])
    _log_notes(mask)
    return channel


def _check_numeric(image: Image) -> None:
    if not numeric(image.dtype):
        raise ImageError(
            f"{image.path}: pixels of {image.dtype} found, integers or floats expected"
        )


def _log_notes(image: Image) -> None:
    """Hand on what the reader remarks, and which other files it reads."""
    for note in image.notes:
        log.info("%s: %s", image.name, note)
    others = [str(file) for file in _beside(image)]
    if others:
        more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        log.info(
            "%s: pixels are also read from %s%s", image.name, ", ".join(others[:_LISTED]), more
        )


def _beside(image: Image) -> list[Path]:
    """Return the files that an image is read from, beside the one that was named."""
    own = image.path.resolve()
    return [file for file in image.files if own not in ((place := file.resolve()), *place.parents)]


def sources(image: Image, mask: Image | None = None) -> dict[str, object]:
    """Return the names of the image's files, and of the mask's, for the attributes."""
    named: dict[str, object] = {"image": image.name}
    for key, each in (("image_files", image), ("labels_files", mask)):
        if each is not None and _beside(each):
            named[key] = [file.name for file in each.files]
    return named
