"""In which order a dataset's cells are drawn; each order follows from seed and epoch alone.

Samplers for ``torch.utils.data.DataLoader(sampler=...)``. With several processes that train at one
time (DDP) each draws its share, of the same length in all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import ceil

import numpy as np

from cellcutter.errors import SettingsError
from cellcutter.learn.dataset import CellDataset
from cellcutter.types import Ints


class _Sampler:
    """What samplers share: epochs, and the share of a process.

    Parameters
    ----------
    dataset : CellDataset
    number : int
        Cells drawn in an epoch, by all processes together.
    seed : int
    rank, world : int, optional
        Number of this process, from 0, and how many there are.
    """

    def __init__(
        self, dataset: CellDataset, number: int, seed: int, rank: int | None, world: int | None
    ) -> None:
        found = _distributed() if rank is None or world is None else (rank, world)
        self.dataset = dataset
        self.rank, self.world = found
        if not 0 <= self.rank < self.world:
            raise SettingsError(f"rank: {self.rank} found, 0 to {self.world - 1} expected")
        self._number = number
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next; the order is another one in each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return ceil(self._number / self.world)

    def __iter__(self) -> Iterator[int]:
        order = self._order(np.random.default_rng([self._seed, self._epoch]))
        self._epoch += 1  # where nobody says which
        return iter(self._share(order).tolist())

    def _order(self, rng: np.random.Generator) -> Ints:
        raise NotImplementedError

    def _share(self, order: Ints) -> Ints:
        """Return this process's share; the first cells are drawn twice where it does not divide."""
        return np.resize(order, len(self) * self.world)[self.rank :: self.world]


class BalancedSampler(_Sampler):
    """Draws every class as often as the others, with replacement.

    Parameters
    ----------
    dataset : CellDataset
        Of which `target` is a column of classes, or of whole numbers.
    number : int, optional
        Cells drawn in an epoch (default: as many as there are).
    seed : int
    rank, world : int, optional
        Number of this process and how many there are (default: as torch.distributed says, if it
        is in use).

    Raises
    ------
    SettingsError
    """

    def __init__(
        self,
        dataset: CellDataset,
        number: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        super().__init__(dataset, number or len(dataset), seed, rank, world)
        y = dataset.y
        if y is None or y.dtype.kind != "i" or not len(y):
            raise SettingsError("target: no classes found, a column of classes expected")
        _, member, counts = np.unique(y, return_inverse=True, return_counts=True)
        self._by_class = np.argsort(member, kind="stable")
        self._counts = counts
        self._starts = np.cumsum([0, *counts[:-1]])

    def _order(self, rng: np.random.Generator) -> Ints:
        drawn = rng.integers(0, len(self._counts), self._number)
        place = (rng.random(self._number) * self._counts[drawn]).astype(np.int64)
        found: Ints = self._by_class[self._starts[drawn] + place]
        return found


class ShardSampler(_Sampler):
    """Draws each cell once, in a random order that stays in a few files for a while.

    For the layout `chunks`, where a file must be decoded whole, and for slow disks. Files come in a
    random order, and the cells of every `together` files are shuffled among each other.

    Parameters
    ----------
    dataset : CellDataset
    together : int
        Files whose cells are mixed; the cache (``cellcutter.open(cache_size=...)``) should hold
        them.
    seed : int
    shuffle : bool
        False for the order of the store.
    rank, world : int, optional
        As for :class:`BalancedSampler`. Each process has files of its own, but for the last.
    """

    def __init__(
        self,
        dataset: CellDataset,
        together: int = 4,
        seed: int = 0,
        *,
        shuffle: bool = True,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        super().__init__(dataset, len(dataset), seed, rank, world)
        self._together = max(1, together)
        self._shuffle = shuffle
        files = dataset.cells.chunk_of(dataset.rows)
        self._by_file = np.argsort(files, kind="stable")
        _, counts = np.unique(files, return_counts=True)
        self._edges = np.cumsum([0, *counts])

    def _order(self, rng: np.random.Generator) -> Ints:
        if not self._shuffle:
            return self._by_file
        edges, order = self._edges, []
        files = rng.permutation(len(edges) - 1)
        for start in range(0, len(files), self._together):
            some = files[start : start + self._together].tolist()
            mixed = np.concatenate([self._by_file[edges[f] : edges[f + 1]] for f in some])
            order.append(rng.permutation(mixed))
        return np.concatenate(order) if order else self._by_file

    def _share(self, order: Ints) -> Ints:
        """Return one piece of the order, so that processes seldom share files."""
        return np.resize(order, len(self) * self.world)[self.rank * len(self) :][: len(self)]


def _distributed() -> tuple[int, int]:
    """Return the number of this process, and how many there are, as torch says."""
    distributed = sys.modules.get("torch.distributed")
    if distributed and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
