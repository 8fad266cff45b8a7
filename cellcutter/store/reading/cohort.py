"""The stores that are open as one, and what is asked of all of them together.

Invariant: files are opened when pixels are first wanted, by each process for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellcutter.errors import SettingsError, StoreError
from cellcutter.store.reading.chunks import ChunkCache
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.gather import gather, output, rows_of
from cellcutter.store.reading.listing import Listing
from cellcutter.store.reading.places import Place
from cellcutter.store.reading.runs import Pick
from cellcutter.store.reading.several import Join, align, check_alike
from cellcutter.store.reading.slide import Part, Reader, Slide
from cellcutter.store.reading.threads import PerProcess
from cellcutter.types import Floats, Ints, Pixels

if TYPE_CHECKING:
    import pandas as pd


class Cohort:
    """One or several stores.

    Parameters
    ----------
    slides : sequence of Slide
    join : "inner" or "outer"
    threads : int
        That read at one time.
    cache_nbytes : int
        For decoded chunks, in each process.
    listing : Path, optional
        The file that lists the cells of the stores, if they were opened by it.

    Raises
    ------
    StoreError
        The stores do not fit each other.
    """

    def __init__(
        self,
        slides: Sequence[Slide],
        join: Join,
        threads: int,
        cache_nbytes: int,
        listing: Path | None = None,
    ) -> None:
        self._listing = listing
        check_alike(slides)
        self.slides = slides
        self.channels = align(slides, join)
        self.starts: Ints = np.cumsum([0, *map(len, slides)])
        self.threads = threads
        masks = [slide.masks for slide in slides if slide.masks]
        self.has_masks = len(masks) == len(slides)
        images = [slide.images for slide in slides]
        self._opened = PerProcess(partial(_Opened, images, masks, cache_nbytes))
        self._closed = False

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def cell(self) -> tuple[int, ...]:
        """Shape of one cell: (channels, y, x)."""
        return len(self.channels.labels), *self.slides[0].images.array.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a pixel."""
        return self.slides[0].images.array.dtype.newbyteorder("=")

    @cached_property
    def slide(self) -> Ints:
        """The number of each cell's slide."""
        return np.repeat(np.arange(len(self.slides)), np.diff(self.starts))

    @cached_property
    def obs(self) -> pd.DataFrame:
        """The table of all cells; of several slides with a column `slide`."""
        import pandas as pd

        if self._listing is not None:
            return Listing(self._listing).table([*map(len, self.slides)], self.ids)
        if len(self.slides) == 1:
            return self.slides[0].obs
        table = pd.concat([slide.obs for slide in self.slides])
        names = pd.Index([slide.name for slide in self.slides])
        table["slide"] = pd.Categorical.from_codes(self.slide, names)
        return table

    def close(self) -> None:
        """Close all files of this process; reading is an error from now on."""
        self._closed = True
        self._opened.drop()

    def slide_of(self, rows: Ints) -> Ints:
        """Return the number of the slide of each of some cells."""
        found: Ints = np.searchsorted(self.starts, rows, side="right") - 1
        return found

    def images(
        self, key: object, channels: Sequence[str | int] | None, out: Pixels | None
    ) -> Pixels:
        """Read thumbnails; see :meth:`Cells.read`."""
        rows = rows_of(key, len(self))
        places = self.channels.places
        if channels is not None:
            places = places[:, self.channels.find(list(channels))]
        found = output(out, (len(rows), places.shape[1], *self.cell[1:]), self.dtype)
        if (places < 0).any():
            found[(places < 0)[self.slide_of(rows)]] = 0
        picks = [_pick(row, slide) for row, slide in zip(places, self.slides, strict=True)]
        gather(self._readers().images, self.starts[:-1], rows, found, picks, self.threads)
        return found

    def masks(self, key: object, out: Pixels | None) -> Pixels:
        """Read masks."""
        rows = rows_of(key, len(self))
        found = output(out, (len(rows), *self.cell[1:]), np.dtype(bool))
        readers = self._readers().masks
        gather(readers, self.starts[:-1], rows, found, [None] * len(readers), self.threads)
        return found

    @cached_property
    def ids(self) -> Ints | None:
        """The CellIDs of all slides; None where one has none."""
        some = [slide.ids for slide in self.slides if slide.ids is not None]
        return np.concatenate(some) if len(some) == len(self.slides) else None

    def find(self, ids: object, slide: str | None) -> Ints:
        """Return the rows of cells by CellID; see :meth:`Cells.rows_of`."""
        if self.ids is None:
            raise SettingsError(
                f"{self.slides[0].path}: no CellIDs are stored, numbers of rows expected"
            )
        among = np.arange(len(self))
        if slide is not None:
            names = [each.name for each in self.slides]
            if slide not in names:
                raise SettingsError(f"slide: {slide!r} not found, one of {names} expected")
            number = names.index(slide)
            among = among[self.starts[number] : self.starts[number + 1]]
        wanted = _numbers(ids)
        known = self.ids[among]
        order = np.argsort(known, kind="stable")
        first = np.searchsorted(known, wanted, sorter=order)
        times = np.searchsorted(known, wanted, "right", sorter=order) - first
        if (times != 1).any():
            wrong = int(np.flatnonzero(times != 1)[0])
            hint = "; say which slide" if len(self.slides) > 1 and slide is None else ""
            raise SettingsError(
                f"CellID {wanted[wrong]}: {times[wrong]} cells found, one expected{hint}"
            )
        found: Ints = among[order[first]]
        return found

    def statistics(self, column: str) -> Floats:
        """Return one of the statistics; see :meth:`Cells.statistics_of`."""
        values = np.full(self.channels.places.shape, np.nan)
        for number, slide in enumerate(self.slides):
            places, frame = self.channels.places[number], slide.statistics
            if frame is None or column not in frame:
                raise SettingsError(f"{slide.path}: no statistics {column!r} found, but expected")
            there = places >= 0
            values[number, there] = frame[column].to_numpy(np.float64)[places[there]]
        return values

    def chunk_of(self, key: object) -> Ints:
        """Return the numbers of files; see :meth:`Cells.chunk_of`."""
        rows = rows_of(key, len(self))
        per_file = np.array([slide.images.array.per_file for slide in self.slides])
        files = -(-np.diff(self.starts) // per_file)
        first: Ints = np.cumsum([0, *files[:-1]])
        slide = self.slide_of(rows)
        found: Ints = first[slide] + (rows - self.starts[slide]) // per_file[slide]
        return found

    def _readers(self) -> _Opened:
        if self._closed:
            raise StoreError(f"{self.slides[0].path}: closed, an open store expected")
        return self._opened.get()


class _Opened:
    """What one process has open."""

    def __init__(self, images: list[Part], masks: list[Part], cache_nbytes: int) -> None:
        files: dict[Place, Files] = {}
        cache = ChunkCache(cache_nbytes)
        self.images: list[Reader] = [part.reader(files, cache) for part in images]
        self.masks: list[Reader] = [part.reader(files, cache) for part in masks]


def _numbers(ids: object) -> Ints:
    """Return CellIDs as int64 of shape (n,)."""
    given = np.asarray(ids).reshape(-1)
    found: Ints = given.astype(np.int64) if given.dtype.kind in "iufO" else np.zeros(0, np.int64)
    if len(found) != len(given) or (found != given).any():
        raise SettingsError(f"{str(ids)[:80]} found, CellIDs (whole numbers) expected")
    return found


def _pick(places: Ints, slide: Slide) -> Pick | None:
    """Return which channels of a slide are read, or None where all are, in their order."""
    if np.array_equal(places, np.arange(len(slide.numbers))):
        return None
    to = np.flatnonzero(places >= 0)
    return Pick(places[to], to)
