"""What is asked for: windows, where their pixels come from, what the store says of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellcutter.engine.job import Channel, Job
from cellcutter.engine.windows import Windows, overhangs
from cellcutter.limits import Limits
from cellcutter.options import Options
from cellcutter.read.image import Image
from cellcutter.store import describe
from cellcutter.store.blosc import encoder_nbytes, masks_nbytes
from cellcutter.store.layout import CellsLayout, Layout, cells_per_chunk, layouts_of
from cellcutter.store.shards import shard_encoder_nbytes, shard_masks_nbytes
from cellcutter.types import Bools, Column, Ints, Name, Pixels

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Array:
    """An array to be cut.

    Parameters
    ----------
    axes : tuple of str
    layout : Layout
    job : Job
    """

    axes: tuple[str, ...]
    layout: Layout
    job: Job


@dataclass(frozen=True)
class Request:
    """A store that is asked for.

    Parameters
    ----------
    image : Image
    channels : list of int
        Positions, from 0, of the output's channels in the image.
    names : tuple of str, optional
        Marker names of the image's channels.
    kind : str
        ``cell`` or ``tile``.
    windows : Windows
        In the order of the output.
    ids : int64 array of shape (n,)
    sources : mapping
        File names of the inputs.
    asked : mapping
        What was asked for, as far as it changes the result.
    options : Options
    limits : Limits
    status : array of shape (n,), optional
        Why each cell could not be cut as it should be, or ``ok``.
    digest : str, optional
        SHA-256 of the CellIDs.
    mask : Image, optional
        The segmentation mask, where the cells' masks are to be stored.
    present : bool array of shape (n,), optional
        Whether the mask holds each cell.
    masked : bool
        Whether pixels outside of cells are to be zero.
    cells : path or DataFrame, optional
        The table of the cells.
    order : int64 array of shape (n,), optional
        Where the output is shuffled: the row in the table of each cell, or the tile's number.
    """

    image: Image
    channels: list[int]
    names: tuple[str, ...] | None
    kind: str
    windows: Windows
    ids: Ints
    sources: Mapping[str, object]
    asked: Mapping[str, object]
    options: Options
    limits: Limits
    status: NDArray[np.object_] | None = None
    digest: str | None = None
    mask: Image | None = None
    present: Bools | None = None
    masked: bool = False
    cells: Name | pd.DataFrame | None = None
    order: Ints | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def table_name(self) -> str:
        """Name of the table inside the store."""
        return f"{self.kind}s.csv"

    @property
    def cells_first(self) -> bool:
        """Whether the layout is that of cells."""
        return self.options["layout"] == "cells"

    def arrays(self) -> list[Array]:
        """Return what is cut, in this order: the masks, if they are wanted, and the thumbnails.

        Raises
        ------
        SettingsError
            A chunk would be larger than the codec takes.
        """
        n, size = len(self.windows), self.windows.size
        shape = (len(self.channels), n, size, size)
        cell_nbytes = len(self.channels) * size * size * self.image.dtype.itemsize
        per_chunk = cells_per_chunk(cell_nbytes, n, self.limits.per_chunk, self.limits.chunk_nbytes)
        layout, mask_layout = layouts_of(
            shape,
            per_chunk,
            self.image.dtype,
            self.options["compression"],
            cells_first=self.cells_first,
        )
        axes = (self.kind, "y", "x")
        if self.mask is None:
            return [Array(("channel", *axes), layout, self._job(layout, self._channels()))]
        masks = self._job(
            mask_layout,
            (Channel(0, 0),),
            image=self.mask,
            only=self.ids.astype(self.mask.dtype),
            select=self.present,
        )
        mask_nbytes = (
            shard_masks_nbytes(mask_layout)
            if isinstance(mask_layout, CellsLayout)
            else masks_nbytes(mask_layout.division, layout.dtype.itemsize)
        )
        job = self._job(layout, self._channels(), mask_nbytes=mask_nbytes)
        return [Array(axes, mask_layout, masks), Array(("channel", *axes), layout, job)]

    def _channels(self) -> tuple[Channel, ...]:
        """Return where the channels of the thumbnails come from."""
        place = {
            channel: Channel(plane, position)
            for plane, channels in enumerate(self.image.planes)
            for position, channel in enumerate(channels)
        }
        return tuple(place[channel] for channel in self.channels)

    def _job(
        self,
        layout: Layout,
        channels: tuple[Channel, ...],
        *,
        image: Image | None = None,
        only: Pixels | None = None,
        select: Bools | None = None,
        mask_nbytes: int = 0,
    ) -> Job:
        """Return what a plan is made for."""
        cells_first = isinstance(layout, CellsLayout)
        if isinstance(layout, CellsLayout):
            unit, encoder = len(channels), shard_encoder_nbytes(layout)
        else:
            unit, encoder = layout.division.unit, encoder_nbytes(layout.division)
        return Job(
            self.windows,
            image or self.image,
            channels,
            layout.per_chunk,
            unit,
            encoder,
            self.limits.threads,
            self.limits.memory,
            self.limits.asked,
            only,
            select,
            mask_nbytes,
            cells_first,
        )

    def table(self) -> Iterator[str]:
        """Return the table inside the store: the windows, and for cells what became of them."""
        columns = self._columns()
        if self.status is None:
            return describe.csv_text(columns)
        return describe.csv_text({**columns, "Status": self.status})

    def columns(self) -> Iterator[tuple[str, Column]]:
        """Yield the columns of the table in a store of cells, but for those of the given table."""
        for name, values in self._columns().items():
            yield name, Column(values)
        if self.status is not None:
            words, codes = np.unique(self.status.astype(str), return_inverse=True)
            yield "Status", Column(codes.astype(np.int8), None, words.tolist())

    def metadata(self) -> Iterator[str]:
        """Return the table of the windows that --save-metadata asks for."""
        return describe.csv_text(self._columns())

    def marker_names(self) -> list[str]:
        """Return the names of the output's channels, their numbers where they have none."""
        names = self.names
        return [(names[c] if names else "") or str(c + 1) for c in self.channels]

    def _columns(self) -> dict[str, describe.Column]:
        key = f"{self.kind.capitalize()}ID"
        return {
            key: self.ids,
            **_window_columns(self.windows, self.image.shape[1:]),
            **({} if self.order is None else {"row": self.order}),
        }

    def attributes(
        self, axes: tuple[str, ...], statistics: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        """Return what a store says of itself."""
        place = {"group": "obs"} if self.cells_first else {"file": self.table_name}
        table: dict[str, object] = {**place, "rows": len(self.windows)}
        if self.digest:
            table["cell_ids_sha256"] = self.digest
        return describe.attributes(
            axes=axes,
            pixel_size=self.image.pixel_size,
            image_shape=self.image.shape,
            channels=self.channels,
            names=self.names,
            window=self.windows.size,
            sources=self.sources,
            options=self.asked,
            table=table,
            statistics=statistics,
        )


def _window_columns(windows: Windows, image_shape: tuple[int, int]) -> dict[str, describe.Column]:
    """Return the columns that place windows in the image, in pixels."""
    return {
        "X_start": windows.x,
        "X_stop": windows.x + windows.size,
        "Y_start": windows.y,
        "Y_stop": windows.y + windows.size,
        "OutOfBounds": overhangs(windows, image_shape),
    }
