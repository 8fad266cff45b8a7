"""What is black and what is brightest in each channel: over a slide, never cell by cell.

Percentiles are those that the store has kept of its pixels. Where it has none, they are those of
some cells, spread over its files; that is said in the log and in the legend.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellcutter.config import content_of
from cellcutter.errors import SettingsError
from cellcutter.gallery_options import DEFAULT_CONTRAST
from cellcutter.store.reading.cells import Cells
from cellcutter.types import Floats, Ints
from cellcutter.view.channels import Channel, read

log = logging.getLogger("cellcutter")
_FILES, _PER_FILE = 8, 64  # of a slide that are read where no statistics are stored
Limits = tuple[float, float]


@dataclass(frozen=True)
class Contrast:
    """The limits of channels.

    Parameters
    ----------
    limits : float64 array of shape (slides, channels, 2)
        NaN where a slide lacks the channel.
    said : list of str
        For each channel what its limits are.
    """

    limits: Floats
    said: list[str]


_LEAST = 1e-6  # of a limit: how far both are apart at least


def contrast_of(cells: Cells, channels: Sequence[Channel], wanted: object) -> Contrast:
    """Return the limits that a caller wants.

    Parameters
    ----------
    cells : Cells
    channels : sequence of Channel
    wanted : object
        As the option ``--contrast`` gives it.

    Raises
    ------
    SettingsError
        A file is not what it should be, or has none of the channels.
    """
    percentiles: Any = DEFAULT_CONTRAST
    given: Mapping[str, Limits] = {}
    said = "as given"
    if isinstance(wanted, tuple) and isinstance(wanted[0], str):
        percentiles = wanted
    elif isinstance(wanted, tuple):
        given = {channel.name: wanted for channel in channels}
    elif isinstance(wanted, Mapping):
        given = _matching(wanted, channels, "--contrast")
    elif wanted is not None:
        file = Path(str(wanted))
        said = file.name
        given = _matching(_of_file(file, cells.dtype), channels, str(file))
    limits = np.full((len(cells.slides), len(channels), 2), np.nan)
    words = [said] * len(channels)
    rest = [i for i, channel in enumerate(channels) if channel.name not in given]
    for i, channel in enumerate(channels):
        limits[np.array(channel.present), i] = given.get(channel.name, (np.nan, np.nan))
    if rest:
        some = [channels[i] for i in rest]
        found, of = _percentiles(cells, some, percentiles)
        limits[:, rest] = found
        for i, more in zip(rest, of, strict=True):
            words[i] = " to ".join(percentiles) + more
    return Contrast(_apart(limits), words)


def _apart(limits: Floats) -> Floats:
    """Return limits that differ, also of channels that are the same everywhere."""
    low, high = limits[..., 0], limits[..., 1]
    least = np.maximum(1, np.abs(low) * _LEAST)  # of large numbers 1 is nothing
    return np.stack([low, np.where(high <= low, low + least, high)], axis=-1)


def _percentiles(
    cells: Cells, channels: Sequence[Channel], wanted: tuple[str, str]
) -> tuple[Floats, list[str]]:
    """Return percentiles, and for each channel of what, where they are not those stored."""
    limits = np.full((len(cells.slides), len(channels), 2), np.nan)
    there = np.array([channel.present for channel in channels]).T
    most = 0
    sampled = np.zeros(len(channels), bool)
    for slide, stored in enumerate(cells.statistics):
        if stored is not None and set(wanted) <= set(stored.columns):
            values = stored[list(wanted)].replace([np.inf, -np.inf], np.nan).to_numpy(np.float64)
            places = [_place(cells, [*stored.index], channel.position) for channel in channels]
            limits[slide] = [values[p] if p is not None else (np.nan, np.nan) for p in places]
        lacking = there[slide] & np.isnan(limits[slide]).any(axis=-1)  # such as those with inf
        if lacking.any() and len(rows := _sample(cells, slide)):
            most = max(most, len(rows))
            sampled |= lacking
            pixels = _counted(cells, rows, [channels[i] for i in np.flatnonzero(lacking).tolist()])
            limits[slide, lacking] = [_of_finite(channel, wanted) for channel in pixels]
    empty = there & np.isnan(limits).any(axis=-1)
    limits[empty] = (0, 1)
    limits[~there] = np.nan
    words = [""] * len(channels)
    if most:
        of = (
            f"{most} cell{'s' if most > 1 else ''}"
            if len(cells.slides) == 1
            else f"up to {most} cells of a slide"
        )
        log.info("contrast: such percentiles are not stored; taken of %s", of)
        words = [f" of {of}" if is_sampled else "" for is_sampled in sampled]
    for i in np.flatnonzero(empty.any(axis=0)):
        words[i] = ": no finite pixel found"
    return limits, words


def _counted(cells: Cells, rows: Ints, channels: Sequence[Channel]) -> Floats:
    """Return pixels [channels, pixels] of some cells; NaN where the statistics count none."""
    pixels = read(cells, rows, channels).astype(np.float64)
    pixels[~np.isfinite(pixels)] = np.nan
    if cells.masks is not None:
        outside = ~np.asarray(cells.masks[rows], bool)
        pixels[np.broadcast_to(outside[:, None], pixels.shape)] = np.nan
    found: Floats = pixels.swapaxes(0, 1).reshape(len(channels), -1)
    return found


def _of_finite(pixels: Floats, wanted: tuple[str, str]) -> Limits:
    finite = pixels[~np.isnan(pixels)]
    if not len(finite):
        return np.nan, np.nan
    low, high = np.percentile(finite, [float(word[1:]) for word in wanted]).tolist()
    return low, high


def _place(cells: Cells, labels: list[Any], position: int) -> int | None:
    """Return where a slide has a channel: of channels of one name the same one."""
    label = cells.channels[position]
    before = cells.channels[:position].count(label)
    found = [place for place, each in enumerate(labels) if each == label]
    return found[before] if before < len(found) else None


def _sample(cells: Cells, slide: int) -> Ints:
    """Return some cells of a slide: the first of some of its files, spread evenly."""
    rows = np.flatnonzero(cells.slide == slide)
    # pixels outside of the image are not counted
    if cells.masks is None and "OutOfBounds" in cells.obs.columns:
        inside = rows[~cells.obs["OutOfBounds"].to_numpy(bool)[rows]]
        rows = inside if len(inside) else rows
    files, first = np.unique(cells.chunk_of(rows), return_index=True)
    places = np.unique(np.round(np.linspace(0, len(files) - 1, min(_FILES, len(files)))))
    per_file = _PER_FILE * _FILES // max(1, len(places))
    ends = np.append(first, len(rows))
    some = [rows[ends[p] : min(ends[p + 1], ends[p] + per_file)] for p in places.astype(int)]
    return np.concatenate([*some, rows[:0]])


def _matching(
    given: Mapping[str, Limits], channels: Sequence[Channel], where: str
) -> dict[str, Limits]:
    """Return the limits of channels that have some, by the channels' names."""
    folded = {name.casefold(): pair for name, pair in given.items()}
    found = {}
    for channel in channels:
        named = channel.name.casefold()
        pair = given.get(channel.name) or folded.get(named)
        pair = pair or folded.get(named.removeprefix("channel "))  # by its number
        if pair:
            found[channel.name] = pair
    if not found:
        names = ", ".join([*given][:12])
        raise SettingsError(
            f"{where}: limits of {names or 'no marker'} found, of one of "
            f"{', '.join(channel.name for channel in channels[:12])} expected"
        )
    lacking = [channel.name for channel in channels if channel.name not in found]
    if lacking:
        log.info("%s: no limits of %s", where, ", ".join(lacking))
    return found


def _of_file(file: Path, dtype: np.dtype[np.generic]) -> dict[str, Limits]:
    """Return the limits of a file: CyLinter's, Minerva's, or plain ones."""
    content = content_of(file)
    expected = "'marker: [lower, upper]', as CyLinter's setContrast has it, expected"
    if isinstance(content, dict) and isinstance(content.get("groups"), list):
        return _of_minerva(file, content["groups"], dtype)
    if isinstance(content, dict) and "setContrast" in content:
        content = content["setContrast"]
    if not isinstance(content, dict):
        raise SettingsError(f"{file}: {str(content)[:60]!r} found, {expected}")
    found = {}
    for name, pair in content.items():
        if (limits := _pair(pair)) is None:
            raise SettingsError(f"{file}: {name}: {str(pair)[:60]} found, {expected}")
        found[str(name)] = limits
    return found


def _of_minerva(file: Path, groups: list[Any], dtype: np.dtype[np.generic]) -> dict[str, Limits]:
    """Return the limits of a story: parts of the largest value, in the first group of a marker."""
    if dtype.kind not in "ui":
        raise SettingsError(f"{file}: limits for whole numbers found, and pixels are {dtype}")
    largest = float(np.iinfo(dtype).max)  # type: ignore[type-var]
    found: dict[str, Limits] = {}
    for group in groups:
        channels = group.get("channels") if isinstance(group, dict) else None
        for channel in channels if isinstance(channels, list) else []:
            told = channel if isinstance(channel, dict) else {}
            pair = _pair([told.get("min"), told.get("max")])
            if pair is None or not 0 <= pair[0] < pair[1] <= 1:
                raise SettingsError(
                    f"{file}: {str(channel)[:60]} found, a channel with label, min and max "
                    "from 0 to 1 expected"
                )
            found.setdefault(str(told.get("label")), (pair[0] * largest, pair[1] * largest))
    return found


def _pair(value: Any) -> Limits | None:
    if isinstance(value, str):
        return None
    try:
        low, high = map(float, value)
    except (TypeError, ValueError):
        return None
    return (low, high) if -np.inf < low < high < np.inf else None
