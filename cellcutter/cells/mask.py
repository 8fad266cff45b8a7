"""The segmentation mask as one channel of labels of the image's height and width."""

from __future__ import annotations

from cellcutter.errors import ImageError
from cellcutter.read.channel import ChannelOf
from cellcutter.read.image import Image, order_hint

_LISTED = 6  # channels, in a message


def one_channel(labels: Image, channel: int | None) -> Image:
    """Return the channel of a mask that has the labels.

    Parameters
    ----------
    labels : Image
    channel : int, optional
        Its number, from 1; not needed where there is one.

    Raises
    ------
    ImageError
        There are several, and no number; or fewer; or the channel's file is missing.
    """
    number = labels.shape[0]
    if channel is not None and channel > number:
        raise ImageError(
            f"{labels.path}: --mask-channel {channel} given, "
            f"{number} channel{'s' if number > 1 else ''} found"
        )
    if channel is None and number > 1:
        names = labels.channel_names
        named = (
            f" ({', '.join(names[:_LISTED])}{', ...' if number > _LISTED else ''})" if names else ""
        )
        hint = order_hint(labels.shape) or "choose one with --mask-channel"
        raise ImageError(
            f"{labels.path}: {number} channels of {labels.shape[1]} x {labels.shape[2]} pixels "
            f"found{named}, a mask of one channel expected: {hint}"
        )
    labels.check_channels([(channel or 1) - 1])
    return labels if number == 1 else ChannelOf(labels, (channel or 1) - 1)


def check_labels(labels: Image, image: Image) -> None:
    """Make sure that labels are labels of an image.

    Raises
    ------
    ImageError
        They have another height or width than the image.
    """
    if labels.shape[1:] != image.shape[1:]:
        found, expected = (" x ".join(map(str, i.shape[1:])) for i in (labels, image))
        hint = order_hint(image.shape)
        raise ImageError(
            f"{labels.path}: a mask of {found} pixels (Y x X) found, {expected} expected "
            f"as in the image {image.path}{f': {hint}' if hint else ''}"
        )
