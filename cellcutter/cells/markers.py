"""Channels that the user names, by number or by marker, turned into positions."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from cellcutter.errors import SettingsError, TableError
from cellcutter.read.image import Image


class ChannelWarning(UserWarning):
    """A channel is asked for more than once."""


def read_markers(path: str | os.PathLike[str], image: Image) -> tuple[str, ...]:
    """Read the marker names of an image's channels from a CSV file as MCMICRO has it.

    Parameters
    ----------
    path : path
        With a column marker_name; in the order of the channels, or of a column channel_number
        (from 1) where the file has one.
    image : Image

    Raises
    ------
    TableError
        The file cannot be read, or names more or fewer channels than the image has.
    """
    file = Path(path)
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise TableError(f"{file}: {error.strerror}; a CSV file of markers expected") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{file}: {error} found, a CSV file of markers expected") from error
    if not rows or "marker_name" not in rows[0]:
        found = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise TableError(f"{file}: {found} found, a column marker_name expected")
    if len(rows) != image.shape[0]:
        raise TableError(
            f"{file}: {len(rows)} markers found, {image.shape[0]} expected "
            f"as the image {image.path} has channels"
        )
    numbers = [row.get("channel_number") or "" for row in rows]
    if sorted(numbers) == sorted(str(i + 1) for i in range(len(rows))):
        rows.sort(key=lambda row: int(row["channel_number"]))
    return tuple((row["marker_name"] or "").strip() for row in rows)


def positions(
    channels: Sequence[int | str] | None, image: Image, names: Sequence[str] | None
) -> list[int]:
    """Return the positions, from 0, of the channels asked for, in the order given.

    Parameters
    ----------
    channels : sequence of int or str, optional
        Numbers from 1, or names; all channels where not given.
    image : Image
    names : sequence of str, optional
        The marker name of each channel of the image.

    Raises
    ------
    SettingsError
        A number is out of range, or a name is unknown or not unique.

    Warns
    -----
    ChannelWarning
        A channel is given more than once; it is kept each time.
    """
    if not channels:
        return list(range(image.shape[0]))
    found = [_position(channel, image, names) for channel in channels]
    repeated = sorted({p + 1 for p in found if found.count(p) > 1})
    if repeated:
        warnings.warn(
            f"channel {', '.join(map(str, repeated))} is given more than once and kept each time",
            ChannelWarning,
            stacklevel=2,
        )
    return found


def _position(channel: int | str, image: Image, names: Sequence[str] | None) -> int:
    number = image.shape[0]
    if isinstance(channel, int):
        if not 1 <= channel <= number:
            raise SettingsError(
                f"--channels: {channel} found, 1 to {number} expected for {image.path}"
            )
        return channel - 1
    if names is None:
        raise SettingsError(
            f"--channels: {channel!r} found, a number from 1 to {number} expected: "
            f"{image.path} names no markers and --markers is not given"
        )
    if (count := list(names).count(channel)) != 1:
        known = ", ".join(names[:20]) + (", ..." if number > 20 else "")
        raise SettingsError(
            f"--channels: {channel!r} found, "
            + (
                f"a name that only one channel has expected ({count} have it)"
                if count
                else f"one of {known} expected"
            )
        )
    return names.index(channel)
