"""The store that is exported: its cells, some after the others, with the channels wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from cellcutter.formats import tables
from cellcutter.formats.about import channels_of, kind_of
from cellcutter.formats.work import fit, read_nbytes
from cellcutter.limits import MB, Limits
from cellcutter.progress import Tally
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.slide import Slide
from cellcutter.types import Bools, Column, Ints, Pixels

_BATCH = 1 << 20  # pixels that are in memory at one time
_BESIDE = 32  # bytes of a pixel while it is made into something else


@dataclass(frozen=True)
class Batch:
    """Some cells in a row.

    Parameters
    ----------
    rows : slice
    images : array of shape (n, channels, y, x)
        Overwritten by the next batch.
    masks : bool array of shape (n, y, x), optional
    """

    rows: slice
    images: Pixels
    masks: Bools | None


class Source:
    """What is exported of a store.

    Parameters
    ----------
    slide : Slide
    cells : Cells
        The same store.
    channels : sequence of str or int, optional
        Those that are wanted; all where not given.
    limits : Limits
    tally : Tally
        Told of each cell.

    Raises
    ------
    SettingsError
        A channel is not there, or a cell does not fit the memory.
    """

    def __init__(
        self,
        slide: Slide,
        cells: Cells,
        channels: Sequence[str | int] | None,
        limits: Limits,
        tally: Tally,
    ) -> None:
        self.slide = slide
        self.positions = cells.positions(channels)
        self.names = [str(slide.labels[position]) for position in self.positions]
        self._cells = cells
        self._channels = channels
        self._tally = tally
        self._rows = self._fitting(limits)
        cells.threads = limits.threads

    def __len__(self) -> int:
        return len(self.slide)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of all images: (cells, channels, y, x)."""
        n, _, y, x = self._cells.shape
        return n, len(self.positions), y, x

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a pixel."""
        return self._cells.dtype

    @property
    def has_masks(self) -> bool:
        """Whether there are masks."""
        return self._cells.masks is not None

    @property
    def ids(self) -> Ints:
        """CellIDs; the rows where none are stored."""
        return np.arange(len(self)) if self.slide.ids is None else self.slide.ids

    def batches(self) -> Iterator[Batch]:
        """Yield all cells in their order.

        Raises
        ------
        StoreError
            The store is damaged.
        """
        masks = self._cells.masks
        memory = np.empty((self._rows, *self.shape[1:]), self.dtype)
        for rows in self._parts():
            out = memory[: rows.stop - rows.start]
            found = None if masks is None else masks.read(rows).astype(bool, copy=False)
            yield Batch(rows, self._cells.read(rows, self._channels, out), found)
            self._tally.add(len(out))

    def _parts(self) -> Iterator[slice]:
        """Yield rows that are read together; those of two chunks are not, so each is decoded once.

        Of a shard any cells are read by themselves.
        """
        array = self.slide.images.array
        whole = len(self) if array.sharded else array.per_file
        for first in range(0, len(self), whole):
            last = min(first + whole, len(self))
            for start in range(first, last, self._rows):
                yield slice(start, min(start + self._rows, last))

    def columns(self, scratch: Path) -> dict[str, Column]:
        """Return the table of the cells; only the rows where none is stored.

        Parameters
        ----------
        scratch : Path
            A folder, in which numbers wait until they are wanted.
        """
        found = {
            name: tables.aside(column, scratch / str(number))
            for number, (name, column) in enumerate(tables.obs(self.slide))
        }
        return found or {"row": Column(np.arange(len(self)))}

    def cells_csv(self, scratch: Path) -> Iterator[str]:
        """Yield the table of the cells as CSV."""
        if self.slide.ids is None:
            yield from tables.csv_text(["row"], [Column(np.arange(len(self)))], len(self))
            return
        yield from tables.cells_csv(self.slide, scratch)

    def channels_csv(self) -> Iterator[str]:
        """Yield the table of the channels as CSV, in their order in the images."""
        columns = channels_of(self.slide)
        del columns["channel_mapping"]
        part = {name: Column(column.values[self.positions]) for name, column in columns.items()}
        yield from tables.csv_text(list(part), list(part.values()), len(self.positions))

    def keys(self) -> Iterator[str]:
        """Yield a name for each cell: its CellID; behind it a number where that is there before."""
        seen: dict[int, Iterator[int]] = {}
        unique = len(np.unique(self.ids)) == len(self)
        for number in self.ids.tolist():
            if unique:
                yield f"{number}"
                continue
            again = next(seen.setdefault(number, count(1)))
            yield f"{number}" if again == 1 else f"{number}_{again}"

    @property
    def kind(self) -> str:
        """What there is an image of: ``cell`` or ``tile``."""
        return kind_of(self.slide)

    def _fitting(self, limits: Limits) -> int:
        """Return how many cells are read at one time."""
        array = self.slide.images.array
        pixels = max(1, int(np.prod(self.shape[1:])))
        nbytes = pixels * (array.dtype.itemsize + _BESIDE)
        fixed = 2 * read_nbytes(self.slide)
        fit(limits, fixed, nbytes, f"images of {pixels * array.dtype.itemsize / MB:.3g} MB")
        return max(1, min(_BATCH // pixels, (limits.memory - fixed) // nbytes, len(self)))
