"""What is to be made: windows, where their pixels come from, what the store says of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellcutter.config import Settings
from cellcutter.engine.assemble import Channel, Inputs
from cellcutter.engine.plan import Job, Source
from cellcutter.engine.windows import Windows, overhangs
from cellcutter.read.image import Image
from cellcutter.store import describe
from cellcutter.store.blosc import encoder_nbytes, masks_nbytes
from cellcutter.store.codec import BLOCK_NBYTES, CODECS
from cellcutter.store.layout import Layout, cells_per_chunk, check_layout
from cellcutter.types import Bools


@dataclass(frozen=True)
class Masking:
    """The labels from which masks are cut.

    Parameters
    ----------
    labels : Image
    only : array of shape (n,)
        The label of each window's cell, of the labels' dtype.
    present : bool array of shape (n,)
        Whether the labels hold the cell; where not, `only` means nothing.
    """

    labels: Image
    only: NDArray[np.generic]
    present: Bools


@dataclass(frozen=True)
class Subject:
    """What is cut.

    Parameters
    ----------
    kind : str
        ``cell`` or ``tile``.
    windows : Windows
        In the order of the output.
    ids : int64 array of shape (n,)
    sources : mapping
        File names of the inputs.
    options : mapping
        What was asked for, as far as it changes the result.
    status : str array of shape (n,), optional
        What is the matter with each cell.
    digest : str, optional
        SHA-256 of the CellIDs.
    masking : Masking, optional
    """

    kind: str
    windows: Windows
    ids: NDArray[np.int64]
    sources: Mapping[str, str | None]
    options: Mapping[str, object]
    status: NDArray[np.str_] | None = None
    digest: str | None = None
    masking: Masking | None = None

    @property
    def table(self) -> str:
        """Name of the table inside the store."""
        return f"{self.kind}s.csv"


@dataclass(frozen=True)
class Array:
    """An array to be cut.

    Parameters
    ----------
    axes : tuple of str
    layout : Layout
    inputs : Inputs
    job : Job
    """

    axes: tuple[str, ...]
    layout: Layout
    inputs: Inputs
    job: Job


@dataclass(frozen=True)
class Production:
    """A store about to be made.

    Parameters
    ----------
    image : Image
    channels : list of int
        Positions, from 0, of the output's channels in the image.
    names : sequence of str, optional
        Marker names of the image's channels.
    subject : Subject
    settings : Settings
    """

    image: Image
    channels: list[int]
    names: tuple[str, ...] | None
    subject: Subject
    settings: Settings
    started: float = field(default_factory=time.monotonic)

    def arrays(self) -> list[Array]:
        """Return what is cut, in this order: the masks, if they are wanted, and the thumbnails.

        Raises
        ------
        SettingsError
            A chunk would be larger than the codec takes.
        """
        n, size = len(self.subject.windows), self.subject.windows.size
        shape = (len(self.channels), n, size, size)
        cell_nbytes = len(self.channels) * size * size * self.image.dtype.itemsize
        per_chunk = cells_per_chunk(
            cell_nbytes, n, self.settings.per_chunk, self.settings.chunk_nbytes
        )
        codec = CODECS[self.settings.compression]
        block_nbytes = codec.block_nbytes if codec else BLOCK_NBYTES
        layout = check_layout(Layout(shape, per_chunk, self.image.dtype, block_nbytes))
        axes, inputs = (self.subject.kind, "y", "x"), self._inputs()
        masking = self.subject.masking
        if masking is None:
            return [Array(("channel", *axes), layout, inputs, self._job(inputs, layout))]
        mask_layout = Layout(shape[1:], per_chunk, np.dtype(bool), block_nbytes)
        mask_inputs = Inputs(masking.labels, [Channel(0, 0)], masking.only)
        mask_job = self._job(mask_inputs, mask_layout, select=masking.present)
        job = self._job(inputs, layout, masks=mask_layout)
        return [
            Array(axes, mask_layout, mask_inputs, mask_job),
            Array(("channel", *axes), layout, inputs, job),
        ]

    def _inputs(self) -> Inputs:
        """Return where the thumbnails come from."""
        place = {
            channel: Channel(plane, position)
            for plane, channels in enumerate(self.image.planes)
            for position, channel in enumerate(channels)
        }
        return Inputs(self.image, [place[channel] for channel in self.channels])

    def _job(
        self,
        inputs: Inputs,
        layout: Layout,
        *,
        select: Bools | None = None,
        masks: Layout | None = None,
    ) -> Job:
        """Return what a plan is made for."""
        image = inputs.image
        source = Source(
            image.shape[1:],
            image.block_shape,
            image.dtype.itemsize,
            tuple(map(len, image.planes)),
            image.block_nbytes,
        )
        return Job(
            self.subject.windows,
            source,
            tuple(channel.plane for channel in inputs.channels),
            layout.per_chunk,
            layout.dtype.itemsize,
            layout.division.unit,
            encoder_nbytes(layout.division),
            self.settings.workers,
            self.settings.memory,
            select,
            0 if masks is None else masks_nbytes(masks.division, layout.dtype.itemsize),
        )

    def table(self) -> Iterator[str]:
        """Return the table inside the store: the windows, and for cells what became of them."""
        subject = self.subject
        columns = self._columns()
        if subject.status is None:
            return describe.csv_text(columns)
        return describe.csv_text({**columns, "Status": subject.status})

    def metadata(self) -> Iterator[str]:
        """Return the table of the windows that --save-metadata asks for."""
        return describe.csv_text(self._columns())

    def _columns(self) -> dict[str, describe.Column]:
        key = f"{self.subject.kind.capitalize()}ID"
        return {
            key: self.subject.ids,
            **_window_columns(self.subject.windows, self.image.shape[1:]),
        }

    def attributes(self, axes: tuple[str, ...]) -> dict[str, object]:
        """Return what a store says of itself."""
        table = {"file": self.subject.table, "rows": len(self.subject.windows)}
        if self.subject.digest:
            table["cell_ids_sha256"] = self.subject.digest
        return describe.attributes(
            axes=axes,
            pixel_size=self.image.pixel_size,
            image_shape=self.image.shape,
            channels=self.channels,
            names=self.names,
            window=self.subject.windows.size,
            sources=self.subject.sources,
            options=self.subject.options,
            table=table,
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
