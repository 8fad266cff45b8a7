"""Channels that are shown, the colours they have, and cells in these colours.

Colours are told apart by colour-blind readers too: grey, then green, magenta, yellow, cyan.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellcutter.errors import SettingsError
from cellcutter.store.reading.cells import Cells
from cellcutter.types import Floats, Ints, Pixels

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {
    "grey": (255, 255, 255),
    "green": (0, 255, 0),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "orange": (255, 128, 0),
    "blue": (64, 96, 255),
    "red": (255, 0, 0),
}
_ALSO = {"gray": "grey", "white": "grey"}
LAID_OVER = 4  # channels, where the caller names none


@dataclass(frozen=True)
class Channel:
    """A channel that is shown.

    Parameters
    ----------
    position : int
        In the stores that are open.
    name : str
    colour : tuple of int
        Red, green and blue of its brightest pixels, 0 to 255.
    present : tuple of bool
        Whether each slide has it.
    """

    position: int
    name: str
    colour: Colour
    present: tuple[bool, ...]


def channels_of(
    cells: Cells, words: Sequence[str | int] | None, *, every: bool = False, apart: bool = False
) -> list[Channel]:
    """Return the channels that a caller names, or the first ones.

    Parameters
    ----------
    cells : Cells
    words : sequence of str or int, optional
        Numbers or marker names, perhaps with ``:`` and a colour behind them.
    every : bool
        All channels where none is named, not the first ones only.
    apart : bool
        They are not laid over one another: all of them where none is named, and in grey.

    Raises
    ------
    SettingsError
        A channel or a colour is not known, or a channel is named twice.
    """
    known = len(cells.channels)
    pairs: list[tuple[int, Colour | None]]
    if words is None:
        pairs = [(i, None) for i in range(known if every or apart else min(known, LAID_OVER))]
    else:
        pairs = [_parsed(cells, word) for word in words]
    positions = [position for position, _ in pairs]
    twice = [position for position in positions if positions.count(position) > 1]
    if twice:
        raise SettingsError(f"--channels: {cells.channels[twice[0]]} found twice, once expected")
    palette = [*COLOURS.values()]
    present = cells.present
    return [
        Channel(
            position,
            _name(cells.channels[position]),
            colour or (palette[0] if apart else palette[number % len(palette)]),
            tuple(present[:, position].tolist()),
        )
        for number, (position, colour) in enumerate(pairs)
    ]


def _name(label: str | int) -> str:
    return f"channel {label}" if isinstance(label, int) else label


def _parsed(cells: Cells, word: str | int) -> tuple[int, Colour | None]:
    """Return position and colour of a word; marker names may hold colons."""
    if isinstance(word, str) and word not in cells.channels:
        name, separator, colour = word.rpartition(":")
        if separator:
            label: str | int = int(name) if name.isdecimal() else name
            return cells.positions([label])[0], _colour(colour)
    return cells.positions([word])[0], None


def _colour(word: str) -> Colour:
    found = COLOURS.get(_ALSO.get(word.lower(), word.lower()))
    if found:
        return found
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", word):
        raise SettingsError(
            f"--channels: colour {word[:40]!r} found, one of {', '.join(COLOURS)}, "
            "or #rrggbb expected"
        )
    return int(word[1:3], 16), int(word[3:5], 16), int(word[5:7], 16)


def read(cells: Cells, rows: Ints, channels: Sequence[Channel]) -> Pixels:
    """Return pixels of cells, [n, channels, y, x]; several channels may have one name."""
    labels = cells.channels
    positions = [channel.position for channel in channels]
    if len(set(labels)) < len(labels):
        return cells.read(rows)[:, positions]
    return cells.read(rows, [labels[position] for position in positions])


def brightness(pixels: Pixels, limits: Floats, gamma: float) -> Floats:
    """Return how bright pixels are shown, from 0 to 1.

    Parameters
    ----------
    pixels : array of shape (n, channels, y, x)
    limits : float64 array of shape (n, channels, 2)
        What is black, and what is brightest; NaN for a channel that is not there.
    gamma : float
    """
    low = limits[:, :, 0, None, None]
    span = (limits[:, :, 1] - limits[:, :, 0])[:, :, None, None]
    found: Floats = np.clip((pixels.astype(np.float64) - low) / span, 0, 1)
    found = np.nan_to_num(found, copy=False)
    if gamma != 1:
        found **= gamma
    return found


def composite(bright: Floats, colours: Sequence[Colour]) -> Pixels:
    """Return channels laid over one another: their light is added.

    Parameters
    ----------
    bright : float64 array of shape (n, channels, y, x)
    colours : sequence of tuple
        Of each channel.

    Returns
    -------
    uint8 array of shape (n, y, x, 3)
    """
    light = np.einsum("ncyx,ck->nyxk", bright, np.asarray(colours, np.float64))
    found: Pixels = (np.clip(light, 0, 255) + 0.5).astype(np.uint8)
    return found
