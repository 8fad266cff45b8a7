"""Pure: several slides as one: their names, and their channels aligned by marker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import numpy as np

from cellcutter.errors import SettingsError, StoreError
from cellcutter.store.reading.places import Place
from cellcutter.store.reading.slide import Slide
from cellcutter.types import Ints

Join = Literal["inner", "outer"]


@dataclass(frozen=True)
class Channels:
    """The channels of one or several slides.

    Parameters
    ----------
    labels : list of str or int
        Marker names, or numbers where there are no names.
    places : int64 array of shape (slides, channels)
        Where each channel is in each store; -1 where it is absent.
    numbers : int64 array of shape (slides, channels)
        Its number in the image, from 1; 0 where it is absent.
    """

    labels: list[str | int]
    places: Ints
    numbers: Ints

    def find(self, wanted: Sequence[str | int]) -> list[int]:
        """Return the positions of channels.

        Parameters
        ----------
        wanted : sequence of str or int
            Marker names, exact or unique but for their case; or numbers in the image, from 1.

        Raises
        ------
        SettingsError
            There is no such channel, or more than one.
        """
        return [self._find(each) for each in wanted]

    def _find(self, wanted: str | int) -> int:
        if isinstance(wanted, str):
            found = [i for i, label in enumerate(self.labels) if label == wanted]
            if not found:
                folded = wanted.casefold()
                found = [i for i, n in enumerate(self.labels) if str(n).casefold() == folded]
        elif isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool):
            same = (self.numbers == wanted) | (self.places < 0)
            found = np.flatnonzero(same.all(axis=0) & (self.places >= 0).any(axis=0)).tolist()
        else:
            raise SettingsError(f"channels: {wanted!r} found, a marker name or a number expected")
        if len(found) == 1:
            return found[0]
        known = ", ".join(self._told(i) for i in (found or range(len(self.labels))))
        if found:
            raise SettingsError(f"channels: {wanted!r} names several ({known}), one expected")
        raise SettingsError(f"channels: {wanted!r} not found, one of these expected: {known}")

    def _told(self, position: int) -> str:
        numbers = sorted(set(self.numbers[:, position].tolist()) - {0})
        label = self.labels[position]
        if label in numbers:
            return str(label)
        return f"{label} ({'/'.join(map(str, numbers))})"


def align(slides: Sequence[Slide], join: Join) -> Channels:
    """Return the channels of slides, aligned by marker name; by number where none has names.

    Parameters
    ----------
    slides : sequence of Slide
    join : "inner" or "outer"
        The channels that all slides have, or all that any has.

    Raises
    ------
    SettingsError
        `join` is neither.
    StoreError
        Some slides have names and others not, or no channel is common to all.
    """
    if join not in ("inner", "outer"):
        raise SettingsError(f"join: {join!r} found, 'inner' or 'outer' expected")
    named = [None not in slide.names for slide in slides]
    if len(slides) > 1 and len(set(named)) > 1:
        with_names, without = slides[named.index(True)], slides[named.index(False)]
        raise StoreError(
            f"{without.path}: channels without marker names found, names as in "
            f"{with_names.path} expected"
        )
    keys = [_keys(slide) for slide in slides]
    joined = list(dict.fromkeys(key for some in keys for key in some))
    if join == "inner":
        joined = [key for key in joined if all(key in some for some in keys)]
    if not joined:
        shown = " and ".join(f"{slide.labels} in {slide.path}" for slide in slides[:2])
        raise StoreError(f"channels {shown} found, at least one channel common to all expected")
    places = np.array([[some.get(key, -1) for key in joined] for some in keys], np.int64)
    numbers = np.array([[*slide.numbers, 0] for slide in slides], object)
    told = [[row[place] for place in some] for row, some in zip(numbers, places, strict=True)]
    return Channels([label for label, _ in joined], places, np.array(told, np.int64))


def _keys(slide: Slide) -> dict[tuple[str | int, int], int]:
    """Return the place of each channel by its label, and how often the label stood before."""
    seen: Counter[str | int] = Counter()
    keys = {}
    for place, label in enumerate(slide.labels):
        keys[label, seen[label]] = place
        seen[label] += 1
    return keys


def check_alike(slides: Sequence[Slide]) -> None:
    """Make sure that slides have windows of one size and pixels of one type.

    Raises
    ------
    StoreError
        Names two that differ.
    """
    first = slides[0].images.array
    for slide in slides[1:]:
        other = slide.images.array
        if other.shape[1:] != first.shape[1:] or other.dtype.name != first.dtype.name:
            shown = [
                f"windows of {a.shape[1]} x {a.shape[2]}, {a.dtype.name}, in {s.path}"
                for a, s in ((first, slides[0]), (other, slide))
            ]
            raise StoreError(f"{' and '.join(shown)} found, the same in all slides expected")


def names_of(places: Sequence[Place]) -> list[str]:
    """Return a name for each store: its own, with as much of its folders as tells them apart."""
    plain = [_stem(place.name) for place in places]
    if len(set(plain)) == len(plain):
        return plain
    absolute = [str(place.absolute()) for place in places]
    parts = [_stem(name.replace("\\", "/")).split("/") for name in absolute]
    levels = zip(*(each[:-1] for each in parts), strict=False)
    common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    long = ["/".join(each[common:]) for each in parts]
    seen: Counter[str] = Counter()
    for i, name in enumerate(long):
        seen[name] += 1
        long[i] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return long


def _stem(name: str) -> str:
    for ending in (".zarr.zip", ".zarr", ".zip"):
        if name.endswith(ending) and name != ending:
            return name.removesuffix(ending)
    return name
