"""A file that lists the cells of several stores: ``cells.csv``, as the pipeline writes it.

It has a row for each cell of each store. `slide` is the name of its slide, `store` the path of its
store, relative to the file, and `store_row` its place in the store, from 0. Of other columns the
file may have any.

Invariant: a file that does not list exactly the cells of its stores is an error, and no guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellcutter.errors import StoreError
from cellcutter.exact import exact_floats
from cellcutter.store.reading.table import IDS
from cellcutter.types import Ints

if TYPE_CHECKING:
    import pandas as pd

SLIDE, STORE, ROW = "slide", "store", "store_row"
CELL = IDS[0]
_ENDINGS = (".csv", ".csv.gz")
_ROWS = 1 << 18  # that are texts at one time
_EXPECTED = "a list of cells, as cells.csv of the pipeline, expected"


def is_listing(path: Path) -> bool:
    """Tell by its name whether a path is that of a list, not of a store."""
    return path.name.lower().endswith(_ENDINGS) and not path.is_dir()


class Listing:
    """A list that was opened; which stores it names is read, and the rest when it is wanted.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StoreError
        There is no such file, or it is not what it should be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lacking = [name for name in (SLIDE, STORE, ROW, CELL) if name not in self._read(nrows=0)]
        if lacking:
            raise StoreError(f"{path}: no column {lacking[0]} found, {_EXPECTED}")
        pairs, self._slide = self._pairs()
        if not pairs:
            raise StoreError(f"{path}: no cells found, {_EXPECTED}")
        for column, values in zip((SLIDE, STORE), zip(*pairs, strict=True), strict=True):
            twice = [value for value, number in Counter(values).items() if number > 1]
            if twice:
                raise StoreError(
                    f"{path}: {column} {twice[0]!r} found with several of the other, a store for "
                    "each slide expected"
                )
        self.names = [name for name, _ in pairs]
        self.stores = [path.parent / store for _, store in pairs]

    def _pairs(self) -> tuple[list[tuple[str, str]], Ints]:
        """Return slides and stores in their order, all as texts, and of each row which it is."""
        seen: dict[tuple[str, str], int] = {}
        numbers = [np.zeros(0, np.int64)]
        how: Any = {"usecols": [SLIDE, STORE], "dtype": str, "keep_default_na": False}
        with self._errors(), self._opened(chunksize=_ROWS, **how) as parts:
            for part in parts:
                known = part[[SLIDE, STORE]].drop_duplicates().itertuples(index=False)
                places = [seen.setdefault((str(a), str(b)), len(seen)) for a, b in known]
                of_rows = part.groupby([SLIDE, STORE], sort=False).ngroup().to_numpy()
                numbers.append(np.array(places, np.int64)[of_rows])
        return list(seen), np.concatenate(numbers)

    def check(self, lengths: Sequence[int]) -> None:
        """Make sure that as many cells are listed as stores hold.

        Raises
        ------
        StoreError
        """
        counts = np.bincount(self._slide, minlength=len(lengths)).tolist()
        for store, found, expected in zip(self.stores, counts, lengths, strict=True):
            if found != expected:
                raise StoreError(
                    f"{self.path}: {found} rows for {store} found, {expected} as many as its cells "
                    "expected; to use some of the cells, choose rows of what is opened"
                )

    def table(self, lengths: Sequence[int], ids: Ints | None) -> pd.DataFrame:
        """Return the table of the cells, in the order of the stores, with CellIDs as its index.

        Parameters
        ----------
        lengths : sequence of int
            Numbers of the stores' cells.
        ids : int64 array of shape (n,), optional
            The CellIDs of all stores.

        Raises
        ------
        StoreError
            Other cells are listed than the stores hold.
        """
        import pandas as pd

        self.check(lengths)
        frame = self._read(
            usecols=lambda name: name not in (SLIDE, STORE),
            low_memory=False,
            **exact_floats(),
        )
        try:
            rows, listed = (frame[name].to_numpy(np.int64) for name in (ROW, CELL))
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"{self.path}: {error}; whole numbers in {ROW} and {CELL} expected"
            ) from error
        order = np.lexsort((rows, self._slide))
        wanted = np.concatenate([np.arange(length) for length in lengths])
        if not np.array_equal(rows[order], wanted):
            raise StoreError(
                f"{self.path}: rows that are missing or there twice found in {ROW}, each of a "
                "store once expected"
            )
        if ids is not None and not np.array_equal(listed[order], ids):
            wrong = int(np.flatnonzero(listed[order] != ids)[0])
            store = self.stores[int(self._slide[order][wrong])]
            raise StoreError(
                f"{self.path}: CellID {listed[order][wrong]} found for row {wanted[wrong]} of "
                f"{store}, {ids[wrong]} expected; the list is not of this store"
            )
        table = frame.iloc[order].set_index(CELL).drop(columns=ROW)
        slides: Any = pd.Categorical.from_codes(self._slide[order], pd.Index(self.names))
        table.insert(0, SLIDE, slides)
        return table

    def _read(self, **options: Any) -> pd.DataFrame:
        with self._errors():
            found: pd.DataFrame = self._opened(**options)
        return found

    def _opened(self, **options: Any) -> Any:
        import pandas as pd

        return pd.read_csv(self.path, encoding="utf-8-sig", index_col=False, **options)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Make errors of reading ours."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror or error}; {_EXPECTED}") from error
        except (ValueError, UnicodeError, EOFError) as error:
            message = str(error).splitlines()[0]
            raise StoreError(f"{self.path}: {message}; {_EXPECTED}") from error
