"""The face of stores that are read: thumbnails of any cells, in any order, of one or many slides.

Invariant: files are opened when pixels are first wanted, by each process for itself; so `Cells` may
be pickled, forked, and used from many threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellcutter.store.reading.cohort import Cohort
from cellcutter.store.reading.masks import ByRow, Masks
from cellcutter.store.reading.places import Place, threads_for
from cellcutter.store.reading.several import Join
from cellcutter.store.reading.slide import Slide
from cellcutter.types import Bools, Floats, Ints, Pixels, PixelSize

if TYPE_CHECKING:
    import pandas as pd

Selection = Sequence[str | int] | None


class Cells(ByRow):
    """Thumbnails of the cells of slides; made by :func:`cellcutter.open`.

    ``cells[3]`` is one cell [channels, y, x]; a slice, a list, or an array of truth values gives
    many [n, channels, y, x].

    Parameters
    ----------
    paths, names : sequence of Place, sequence of str
        Of the stores, of the slides.
    join : "inner" or "outer"
        Of several slides: the channels that all have, or those that any has.
    threads : int, optional
        That read at one time.
    cache_size : float
        MB for decoded chunks, in each process.
    listing : Path, optional
        The file that lists the cells of the stores, if they were opened by it.
    """

    def __init__(
        self,
        paths: Sequence[Place],
        names: Sequence[str],
        join: Join = "inner",
        threads: int | None = None,
        cache_size: float = 256,
        listing: Path | None = None,
    ) -> None:
        paths = [path.absolute() for path in paths]
        listing = listing and listing.absolute()
        self._made_by = paths, list(names), join, threads, cache_size, listing
        slides = [*map(Slide, paths, names)]
        number = threads or threads_for(paths)
        self._cohort = Cohort(slides, join, number, int(cache_size * 2**20), listing)

    def __reduce__(self) -> tuple[object, ...]:
        return Cells, self._made_by

    def __enter__(self) -> Cells:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = f"{len(self.slides)} slides" if len(self.slides) > 1 else self.slides[0]
        return f"<Cells {shown}: {self.shape} {self.dtype}>"

    def close(self) -> None:
        """Close all files of this process; reading is an error from now on."""
        self._cohort.close()

    def __len__(self) -> int:
        return len(self._cohort)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all cells: (cells, channels, y, x), the latter in pixels."""
        channels, y, x = self._cohort.cell
        return len(self), channels, y, x

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a pixel."""
        return self._cohort.dtype

    @property
    def threads(self) -> int:
        """How many threads read at one time; may be set."""
        return self._cohort.threads

    @threads.setter
    def threads(self, number: int) -> None:
        self._cohort.threads = max(1, number)

    @property
    def channels(self) -> list[str | int]:
        """Marker names, or the channels' numbers in the image, from 1, where there are no names."""
        return list(self._cohort.channels.labels)

    @property
    def present(self) -> Bools:
        """Whether each slide has each channel, of shape (slides, channels)."""
        return self._cohort.channels.places >= 0

    @property
    def slides(self) -> list[str]:
        """Names of the slides."""
        return [slide.name for slide in self._cohort.slides]

    @property
    def paths(self) -> list[Place]:
        """Where the store of each slide lies."""
        return [slide.path for slide in self._cohort.slides]

    @property
    def slide(self) -> Ints:
        """The number of each cell's slide in :attr:`slides`, int64 of shape (cells,)."""
        return self._cohort.slide

    @property
    def ids(self) -> Ints | None:
        """The CellIDs, int64 of shape (cells,); None where a store has none, as of 0.2.12.

        Raises
        ------
        StoreError
        """
        return self._cohort.ids

    @property
    def obs(self) -> pd.DataFrame:
        """The table of the cells, a row for each; of several slides with a column `slide`.

        Of stores that were opened by a list of their cells it is that list.
        """
        return self._cohort.obs

    @property
    def pixel_size(self) -> PixelSize | None:
        """Height and width of a pixel; None where it is not known or not the same everywhere."""
        sizes = set(self.pixel_sizes)
        return sizes.pop() if len(sizes) == 1 else None

    @property
    def pixel_sizes(self) -> list[PixelSize | None]:
        """Height and width of a pixel for each slide; None where its image told none."""
        return [slide.pixel_size for slide in self._cohort.slides]

    @property
    def statistics(self) -> list[pd.DataFrame | None]:
        """For each slide a row for each channel: `mean`, `std`, `p0.1` to `p99.9`, if stored."""
        return [slide.statistics for slide in self._cohort.slides]

    def statistics_of(self, column: str) -> Floats:
        """Return one of the statistics of all slides.

        Parameters
        ----------
        column : str
            Of :attr:`statistics`, such as `mean` or `p99`.

        Returns
        -------
        float64 array of shape (slides, channels)
            NaN where a slide lacks the channel.

        Raises
        ------
        SettingsError
            A store has none, or no such column.
        """
        return self._cohort.statistics(column)

    @property
    def masks(self) -> Masks | None:
        """The boolean windows of the cells, read as the cells are; None where not stored."""
        return Masks(self._cohort) if self._cohort.has_masks else None

    def chunk_of(self, rows: object = slice(None)) -> Ints:
        """Return a number for the file that each of some cells lies in.

        Cells of one file are quickest read together, most of all in the layout `chunks`.

        Parameters
        ----------
        rows : sequence of int, slice, or bool array of shape (cells,)
            The cells, as for :meth:`read`; all where not given.

        Returns
        -------
        int64 array of shape (n,)
            Equal for cells of one file.
        """
        return self._cohort.chunk_of(rows)

    def read(self, rows: object, channels: Selection = None, out: Pixels | None = None) -> Pixels:
        """Read cells.

        Parameters
        ----------
        rows : sequence of int, slice, or bool array of shape (cells,)
            In any order, repeated or negative.
        channels : sequence of str or int, optional
            Marker names, exact or unique but for their case; or numbers in the image, from 1. All
            where not given.
        out : array, optional
            To read into, of the shape and type that is returned, in C order.

        Returns
        -------
        array of shape (n, channels, y, x)
            The cells in the order of `rows`, the channels in that of `channels`.

        Raises
        ------
        IndexError
            A row is not there.
        SettingsError
            A channel is not there, or `out` does not fit.
        StoreError
            A store is damaged.
        """
        return self._cohort.images(rows, channels, out)

    def positions(self, channels: Selection = None) -> list[int]:
        """Return the positions of channels in :attr:`channels`.

        Parameters
        ----------
        channels : sequence of str or int, optional
            As for :meth:`read`; all where not given.

        Returns
        -------
        list of int
            From 0, in the order of `channels`.

        Raises
        ------
        SettingsError
            A channel is not there.
        """
        if channels is None:
            return [*range(self.shape[1])]
        return self._cohort.channels.find(list(channels))

    def rows_of(self, ids: Sequence[int] | Ints, slide: str | None = None) -> Ints:
        """Return the rows of cells by CellID.

        Parameters
        ----------
        ids : sequence of int
            The CellIDs, in any order.
        slide : str, optional
            Name of a slide; needed where several have the same CellID.

        Returns
        -------
        int64 array of shape (n,)
            The row of each, for :meth:`read`.

        Raises
        ------
        SettingsError
            A CellID is not there, or is so more than once.
        """
        return self._cohort.find(ids, slide)

    def by_id(
        self,
        ids: Sequence[int] | Ints,
        slide: str | None = None,
        channels: Selection = None,
        out: Pixels | None = None,
    ) -> Pixels:
        """Read cells by CellID; errors are those of :meth:`rows_of` and :meth:`read`.

        Parameters
        ----------
        ids : sequence of int
            The CellIDs, in any order.
        slide, channels, out : optional
            As for :meth:`rows_of` and :meth:`read`.

        Returns
        -------
        array of shape (n, channels, y, x)
            The cells in the order of `ids`.
        """
        return self.read(self.rows_of(ids, slide), channels, out)
