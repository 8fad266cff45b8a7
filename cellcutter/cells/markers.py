"""Channels that the user names, by number or by marker, turned into positions."""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from cellcutter.cells.text import check_separator, opened
from cellcutter.errors import SettingsError, TableError
from cellcutter.read.image import Image


class ChannelWarning(UserWarning):
    """A channel is asked for more than once."""


def read_markers(path: str | os.PathLike[str], image: Image) -> tuple[str, ...]:
    """Read the marker names of an image's channels from a CSV file.

    Parameters
    ----------
    path : path
        As MCMICRO has it, with a column marker_name: in the order of a column channel_number,
        whatever number it begins with, or else of the rows. Or one name a line, without a header;
        or steinbock's panel, with the columns channel and name, and perhaps keep.
    image : Image

    Raises
    ------
    TableError
        The file cannot be read, names more or fewer channels than the image has, or does not say
        which name is which channel's.
    """
    file, number = Path(path), image.shape[0]
    with opened(file, "a CSV file of markers") as lines:
        try:
            rows = _rows(lines)
        except csv.Error as error:
            raise TableError(f"{file}: {error} found, a CSV file of markers expected") from error
    plain = [row for row in rows if not row[0].startswith("#")]
    if not plain:
        raise TableError(f"{file}: no rows found, a column marker_name expected")
    check_separator(str(file), plain[0])
    if plain[0].count("marker_name") == 1:
        # rows behind a # are left out, or are channels that another program is to ignore
        every = [[row[0].lstrip("# "), *row[1:]] for row in rows[rows.index(plain[0]) :]]
        return _by_number(file, every if len(every) - 1 == number else plain, image)
    if {"channel", "name"} <= set(plain[0]):
        return _of_panel(file, plain, image)
    if not any("".join(row[1:]) for row in plain) and plain[0][0].casefold() not in _HEADERS:
        return _checked(file, [row[0] for row in plain], image)
    found = ", ".join(filter(None, plain[0]))
    raise TableError(f"{file}: {found} found, a column marker_name expected")


_HEADERS = ("name", "names", "marker", "markers", "channel", "channels", "target", "marker name")


def _rows(lines: Iterable[str]) -> list[list[str]]:
    """Return the rows without those that are empty, and without spaces around fields."""
    rows = csv.reader(lines, skipinitialspace=True, strict=True)
    stripped = ([field.strip() for field in row] for row in rows)
    return [row for row in stripped if any(row)]


def _column(file: Path, rows: Sequence[Sequence[str]], name: str) -> list[str]:
    """Return a column of a table whose first row is its header; all empty where there is none."""
    header, *others = rows
    if header.count(name) > 1:
        raise TableError(f"{file}: {header.count(name)} columns {name} found, one expected")
    for number, row in enumerate(others, 1):
        if len(row) < len(header) or any(row[len(header) :]):
            raise TableError(
                f"{file}: {len(row)} columns in row {number} found, {len(header)} expected as in "
                "the header"
            )
    if name not in header:
        return [""] * len(others)
    return [row[header.index(name)] for row in others]


def _by_number(file: Path, rows: Sequence[Sequence[str]], image: Image) -> tuple[str, ...]:
    """Return the names of MCMICRO's table in the order of its channel numbers."""
    names = _checked(file, _column(file, rows, "marker_name"), image)
    numbers = _column(file, rows, "channel_number")
    if not any(numbers):
        return names
    order: list[tuple[float, ...]] = [(_number(file, number),) for number in numbers]
    if len(set(order)) < len(order):  # perhaps they are counted anew in each cycle
        cycles = _column(file, rows, "cycle_number")
        if all(cycles):
            order = [(_number(file, cycle), *n) for cycle, n in zip(cycles, order, strict=True)]
    if len(set(order)) < len(order):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise TableError(
            f"{file}: channel_number {twice} found {numbers.count(twice)} times, each channel once "
            "expected: the names of the channels are not clear"
        )
    return tuple(names[i] for i in sorted(range(len(order)), key=order.__getitem__))


def _number(file: Path, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise TableError(f"{file}: channel_number {text!r} found, a whole number expected")
    return number


def _of_panel(file: Path, rows: Sequence[Sequence[str]], image: Image) -> tuple[str, ...]:
    """Return the names of steinbock's panel: of all channels, or of those that it keeps."""
    names, keep = _column(file, rows, "name"), _column(file, rows, "keep")
    kept = [n for n, k in zip(names, keep, strict=True) if k.casefold() not in _DROPPED]
    return _checked(file, kept if len(kept) == image.shape[0] else names, image)


_DROPPED = ("0", "0.0", "false")


def _checked(file: Path, names: Sequence[str], image: Image) -> tuple[str, ...]:
    """Make sure that there is a name for each channel, and that it is readable."""
    if len(names) != image.shape[0]:
        raise TableError(
            f"{file}: {len(names)} markers found, {image.shape[0]} expected "
            f"as the image {image.path} has channels"
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise TableError(
                f"{file}: {name!r} found, names in UTF-8 expected: save it as CSV in UTF-8"
            ) from error
    return tuple(names)


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
            f"channel {', '.join(map(str, repeated))} is given more than once and is cut each time",
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
