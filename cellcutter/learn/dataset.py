"""Thumbnails as a dataset of torch: one read for a batch, whatever its order.

Invariant: a cell is the same tensor whether it is asked for alone or in a batch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellcutter.errors import SettingsError
from cellcutter.learn.targets import column, divide, encode
from cellcutter.store.reading import opening
from cellcutter.store.reading.cells import Cells
from cellcutter.store.reading.gather import rows_of
from cellcutter.store.reading.opening import Paths
from cellcutter.types import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor

MaskUse = Literal["zero", "channel", "apart"]
Transform = Callable[["Tensor"], "Tensor"]


class Batch(Sequence[dict[str, Any]]):
    """Samples that were read together; :func:`collate` takes them as they are.

    Parameters
    ----------
    whole : dict
        Tensors whose first axis is the sample's.
    """

    def __init__(self, whole: dict[str, Any]) -> None:
        self.whole = whole

    def __len__(self) -> int:
        return len(self.whole["row"])

    def __getitem__(self, key: Any) -> Any:
        return {name: values[key] for name, values in self.whole.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))


def collate(batch: Any) -> Any:
    """Return a batch as a dict of tensors; for ``DataLoader(collate_fn=...)``, to copy nothing."""
    if isinstance(batch, Batch):
        return batch.whole
    return _torch("torch.utils.data").default_collate(batch)


class CellDataset:
    """Cells as samples: a map-style dataset for ``torch.utils.data.DataLoader``.

    A sample is a dict: `x` tensor [channels, y, x]; `row`, its number in `cells`; `slide`, the
    number of its slide; `id`, its CellID, where the store has them; `y`, where there is a `target`;
    `mask`, bool [y, x], where it is kept apart.

    Parameters
    ----------
    cells : Cells, or path or paths to be opened
    channels : sequence of str or int, optional
        As :meth:`cellcutter.Cells.read` takes them.
    rows : sequence of int, slice or bool array, optional
        The cells that are samples (default: all).
    target : str, optional
        A column of ``cells.obs``. Text becomes codes, and :attr:`classes` says of what.
    unlabelled : "error" or "drop"
        What is done with cells that have no target.
    normalize : bool or mapping of marker to (mean, std)
        True: by the mean and standard deviation that are stored for each slide.
    mask : "zero", "channel" or "apart", optional
        Set what is outside of the cell to zero, after `normalize`; add the mask as the last
        channel; or return it as `mask`.
    transform : callable, optional
        Is given `x` of each sample, and returns what takes its place.
    dtype : str
        Type of `x`; "stored" for that of the store, where `normalize` is not given.

    Raises
    ------
    cellcutter.InputError
        A column, channel, mask or statistic is not there; the message is one line.
    ModuleNotFoundError
        torch is not installed.

    Examples
    --------
    >>> from torch.utils.data import DataLoader  # doctest: +SKIP
    >>> data = CellDataset("cells.zarr", target="CELLTYPE", normalize=True)  # doctest: +SKIP
    >>> train, test = data.split([0.8, 0.2], by="patient")  # doctest: +SKIP
    >>> loader = DataLoader(train, 256, shuffle=True, collate_fn=collate)  # doctest: +SKIP
    """

    def __init__(
        self,
        cells: Cells | Paths,
        *,
        channels: Sequence[str | int] | None = None,
        rows: object = None,
        target: str | None = None,
        unlabelled: Literal["error", "drop"] = "error",
        normalize: bool | Mapping[str | int, tuple[float, float]] = False,
        mask: MaskUse | None = None,
        transform: Transform | None = None,
        dtype: str = "float32",
    ) -> None:
        torch = _torch()
        self.cells = cells if isinstance(cells, Cells) else opening.open(cells)
        self._channels = None if channels is None else list(channels)
        self._places = self.cells.positions(self._channels)
        self.transform = transform
        self.rows: Ints = rows_of(slice(None) if rows is None else rows, len(self.cells))
        self.target = target
        self.classes: list[str] | None = None
        self.y: NDArray[np.generic] | None = None
        if mask not in (None, "zero", "channel", "apart"):
            raise SettingsError(f"mask: {mask!r} found, 'zero', 'channel' or 'apart' expected")
        if mask and self.cells.masks is None:
            raise SettingsError(f"mask: {mask!r} found, but no masks are stored in {self.cells!r}")
        if dtype != "stored" and not isinstance(getattr(torch, dtype, None), torch.dtype):
            raise SettingsError(f"dtype: {dtype!r} found, 'stored' or a type of torch expected")
        if dtype == "stored" and normalize:
            raise SettingsError("dtype: 'stored' found together with normalize, a float expected")
        self._mask, self._dtype = mask, dtype
        self._scale = self._scales(normalize)
        if target is not None:
            values = column(self.cells.obs, target)
            if unlabelled == "drop":
                self.rows = self.rows[values.notna().to_numpy()[self.rows]]
            self.y, self.classes = encode(values.iloc[self.rows], target)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def channels(self) -> list[str | int]:
        """Marker names of the channels of `x`, or their numbers; without a mask."""
        return [self.cells.channels[place] for place in self._places]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a sample."""
        sample: dict[str, Any] = self.__getitems__([index])[0]
        return sample

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return samples that are read together; torch calls this for a batch."""
        torch = _torch()
        self._share_threads()
        chosen = rows_of(indices, len(self))
        rows = self.rows[chosen]
        slide = self.cells.slide[rows]
        whole: dict[str, Any] = {
            "x": None,
            "row": torch.from_numpy(rows),
            "slide": torch.from_numpy(slide),
        }
        if self.cells.ids is not None:
            whole["id"] = torch.from_numpy(self.cells.ids[rows])
        if self.y is not None:
            whole["y"] = torch.from_numpy(self.y[chosen])
        masks = self.cells.masks if self._mask else None
        inside = None if masks is None else torch.from_numpy(masks.read(rows))
        if self._mask == "apart":
            whole["mask"] = inside
        x = self._pixels(rows, slide)
        if inside is not None and self._mask == "zero":
            x = torch.where(inside[:, None], x, torch.zeros((), dtype=x.dtype))  # NaN, too
        elif inside is not None and self._mask == "channel":
            x = torch.cat([x, inside[:, None].to(x.dtype)], 1)
        if self.transform is not None:
            x = torch.stack([self.transform(each) for each in x])
        whole["x"] = x
        return Batch(whole)

    def split(
        self, fractions: Sequence[float], by: str | None = "slide", seed: int = 0
    ) -> list[CellDataset]:
        """Divide the samples into datasets, at random.

        Parameters
        ----------
        fractions : sequence of float
            Of the samples, for each dataset.
        by : "slide", a column of ``cells.obs``, or None
            What must not be in two datasets: slides, patients. None divides cell by cell, and then
            neighbours that see the same pixels may come into different datasets.
        seed : int

        Raises
        ------
        SettingsError
        """
        if by is None:
            groups = np.arange(len(self))
        elif by == "slide":
            groups = self.cells.slide[self.rows]
        else:
            values = column(self.cells.obs, by).iloc[self.rows]
            if values.isna().any():
                raise SettingsError(f"split: cells without {by!r} found, a value for each expected")
            groups = pd.factorize(values)[0].astype(np.int64)
        return [self._subset(part) for part in divide(groups, fractions, seed)]

    def _subset(self, chosen: Ints) -> CellDataset:
        made = copy(self)
        made.rows = self.rows[chosen]
        made.y = None if self.y is None else self.y[chosen]
        return made

    def _pixels(self, rows: Ints, slide: Ints) -> Any:
        torch = _torch()
        stored = torch.from_numpy(self.cells.read(rows, self._channels))
        if self._dtype == "stored":
            return stored
        x = stored.to(getattr(torch, self._dtype))
        if self._scale is not None:
            mean, factor = (torch.from_numpy(each[slide]).to(x.dtype) for each in self._scale)
            x -= mean[:, :, None, None]
            x *= factor[:, :, None, None]
        return x

    def _scales(
        self, normalize: bool | Mapping[str | int, tuple[float, float]]
    ) -> tuple[Floats, Floats] | None:
        """Return what is subtracted, and what is then multiplied by: (slides, channels) each.

        Channels that a slide lacks stay zero.
        """
        if not normalize:
            return None
        there = self.cells.present[:, self._places]
        if isinstance(normalize, Mapping):
            if lacking := [label for label in self.channels if label not in normalize]:
                raise SettingsError(f"normalize: no {lacking} found, mean and std of each expected")
            pairs = np.array([normalize[label] for label in self.channels], np.float64)
            mean, std = (np.broadcast_to(each, there.shape) for each in pairs.T)
        else:
            mean = self.cells.statistics_of("mean")[:, self._places]
            std = self.cells.statistics_of("std")[:, self._places]
        usable = there & (std > 0)
        return np.where(there, mean, 0.0), np.where(usable, 1 / np.where(usable, std, 1), 1.0)

    def _share_threads(self) -> None:
        """In a loader's worker, use this worker's share of the threads."""
        worker = _torch("torch.utils.data").get_worker_info()
        if worker is not None and not getattr(self, "_shared", False):
            self._shared = True
            self.cells.threads = self.cells.threads // worker.num_workers


def _torch(name: str = "torch") -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "cellcutter.learn needs torch, which is not installed: pip install 'cellcutter[torch]'",
            name=error.name,
        ) from error
