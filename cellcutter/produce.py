"""From windows to a published store: planned, cut, described, checked, renamed.

What both commands share. A :class:`Subject` says which windows are cut and what tells them apart.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellcutter import describe, publish
from cellcutter.assemble import Channel, Inputs, Masks, carry_out
from cellcutter.config import MB, Settings
from cellcutter.gather import Pixels, blank_outside
from cellcutter.image import Image
from cellcutter.plan import Job, Plan, Source, make_plan
from cellcutter.store import Layout, StoreWriter, cells_per_chunk, check_layout
from cellcutter.windows import Bools, Windows

Progress = Callable[[str, int, int], None]
log = logging.getLogger("cellcutter")


@dataclass(frozen=True)
class CutResult:
    """What was written.

    Parameters
    ----------
    destination : Path
        The store of the thumbnails.
    masks : Path or None
        The store of the masks.
    shape : tuple of int
        (channels, cells or tiles, window size, window size)
    chunks : tuple of int
        Shape of a chunk.
    dtype : numpy.dtype
    nbytes : int
        Bytes of all chunks on disk.
    memory : int
        Bytes that were planned for pixels.
    seconds : float
    """

    destination: Path
    masks: Path | None
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[np.generic]
    nbytes: int
    memory: int
    seconds: float


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
class Target:
    """The names under which results appear.

    Parameters
    ----------
    destination : Path
    masks : Path, optional
    metadata : Path, optional
    """

    destination: Path
    masks: Path | None = None
    metadata: Path | None = None

    @property
    def names(self) -> list[Path]:
        """All names, in the order in which they appear: the destination says that all is there."""
        return [*filter(None, (self.metadata, self.masks)), self.destination]

    @classmethod
    def checked(cls, destination: Path, settings: Settings, *, masks: bool) -> Target:
        """Make sure that results may get these names.

        Raises
        ------
        DestinationError
        """
        metadata = settings.save_metadata
        target = cls(
            destination,
            destination.with_name(mask_name(destination.name)) if masks else None,
            None if metadata is None else Path(metadata),
        )
        publish.check_destination(destination, force=settings.force)
        if target.masks:
            publish.check_destination(target.masks, force=settings.force)
        if target.metadata:
            publish.check_file(target.metadata)
        return target


def mask_name(name: str) -> str:
    """Return the name of the masks' store: ``out.zarr.zip`` has ``out_mask.zarr.zip``."""
    for ending in (".zarr.zip", ".zarr", ".zip"):
        if name.endswith(ending) and name != ending:
            return f"{name.removesuffix(ending)}_mask{ending}"
    path = Path(name)
    return f"{path.stem}_mask{path.suffix}"


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

    def layouts(self) -> tuple[Layout, Layout | None]:
        """Return the layouts of the thumbnails and of the masks.

        Raises
        ------
        SettingsError
            A chunk would be larger than the codec takes.
        """
        n, size = len(self.subject.windows), self.subject.windows.size
        cell_nbytes = len(self.channels) * size * size * self.image.dtype.itemsize
        per_chunk = cells_per_chunk(
            cell_nbytes, n, self.settings.per_chunk, self.settings.chunk_nbytes
        )
        shape = (len(self.channels), n, size, size)
        masks = Layout(shape[1:], per_chunk, np.dtype(bool)) if self.subject.masking else None
        return check_layout(Layout(shape, per_chunk, self.image.dtype)), masks

    def inputs(self) -> Inputs:
        """Return what is read."""
        place = {
            channel: Channel(plane, position)
            for plane, channels in enumerate(self.image.planes)
            for position, channel in enumerate(channels)
        }
        masking = self.subject.masking
        return Inputs(
            self.image,
            [place[channel] for channel in self.channels],
            masking.labels if masking else None,
            masking.only if masking else None,
        )

    def job(self, layout: Layout) -> Job:
        """Return what a plan is made for."""
        inputs = self.inputs()
        masking = self.subject.masking
        n = len(self.subject.windows)
        return Job(
            self.subject.windows,
            _source(
                self.image, inputs.planes, [len(inputs.channels_of([p])) for p in inputs.planes]
            ),
            _source(masking.labels, [0], [1]) if masking else None,
            masking.present if masking else np.ones(n, bool),
            layout.per_chunk,
            self.settings.workers,
            self.settings.memory,
        )

    def table(self) -> str:
        """Return the table inside the store: the windows, and for cells what became of them."""
        subject = self.subject
        columns = self._columns()
        if subject.status is None:
            return describe.csv_text(columns)
        return describe.csv_text({**columns, "Status": subject.status})

    def metadata(self) -> str:
        """Return the table of the windows that --save-metadata asks for."""
        return describe.csv_text(self._columns())

    def _columns(self) -> dict[str, describe.Column]:
        key = f"{self.subject.kind.capitalize()}ID"
        return {
            key: self.subject.ids,
            **describe.window_columns(self.subject.windows, self.image.shape[1:]),
        }

    def attributes(self, axes: tuple[str, ...]) -> dict[str, object]:
        """Return what a store says of itself."""
        table = {"file": self.subject.table, "rows": len(self.subject.windows)}
        if self.subject.digest:
            table["cell_ids_sha256"] = self.subject.digest
        return describe.attributes(
            axes=axes,
            image=self.image,
            channels=self.channels,
            names=self.names,
            window=self.subject.windows.size,
            sources=self.subject.sources,
            options=self.subject.options,
            table=table,
        )


def _source(image: Image, planes: list[int], wanted: list[int]) -> Source:
    return Source(
        image.shape[1:],
        image.block_shape,
        image.dtype.itemsize,
        tuple(len(image.planes[plane]) for plane in planes),
        tuple(wanted),
        image.block_nbytes,
    )


def produce(production: Production, target: Target, progress: Progress) -> CutResult:
    """Cut, and publish the result.

    Raises
    ------
    InputError
        The plan does not fit the memory, a block of the image is damaged, or the destination
        cannot be written to.
    OSError
        Writing failed.
    """
    layout, mask_layout = production.layouts()
    job = production.job(layout)
    plan = make_plan(job)
    _log_plan(production, layout, plan)
    with ExitStack() as stack:
        stages = {name: stack.enter_context(publish.staging(name)) for name in target.names}
        stage = stages[target.destination]
        axes = production.subject.kind, "y", "x"
        writer = stack.enter_context(_writer(production, stage, layout, ("channel", *axes)))
        mask_writer = None
        if mask_layout and target.masks:
            mask_writer = stack.enter_context(
                _writer(production, stages[target.masks], mask_layout, axes)
            )

        def sink(index: int, pixels: Pixels, masks: Masks | None) -> None:
            if masks is not None and mask_writer:
                blank_outside(pixels, masks)
                mask_writer.write(index, masks)
            writer.write(index, pixels)

        # the table is written while threads decode and encode
        table = stack.enter_context(ThreadPoolExecutor(1)).submit(production.table)
        carry_out(
            plan,
            job,
            production.inputs(),
            sink,
            stage.folder,
            lambda done, total: progress("cutting", done, total),
        )
        if target.metadata:
            stages[target.metadata].new.write_text(production.metadata(), encoding="utf-8")
        for name, each in ((target.masks, mask_writer), (target.destination, writer)):
            if name and each:
                made = each.finish(table.result(), production.subject.table)
                made.rename(stages[name].new)
        for name in target.names:
            stages[name].publish()
    seconds = time.monotonic() - production.started
    nbytes = writer.nbytes + (mask_writer.nbytes if mask_writer else 0)
    log.info("wrote %s: %.1f MB in %.1f s", target.destination, nbytes / MB, seconds)
    return CutResult(
        target.destination,
        target.masks,
        layout.shape,
        layout.chunks,
        layout.dtype,
        nbytes,
        plan.memory,
        seconds,
    )


def _writer(
    production: Production, stage: publish.Staging, layout: Layout, axes: tuple[str, ...]
) -> StoreWriter:
    """Return the writer of a store in its staging folder."""
    return StoreWriter(
        stage.folder / "store",
        layout,
        production.attributes(axes),
        production.settings.compression,
        stage.folder / "archive" if production.settings.zip_store else None,
    )


def _log_plan(production: Production, layout: Layout, plan: Plan) -> None:
    image, subject = production.image, production.subject
    log.info(
        "%s: %d channels of %d x %d pixels, %s; %d of them are cut",
        image.name,
        *image.shape,
        image.dtype,
        len(production.channels),
    )
    for note in image.notes:
        log.info("%s: %s", image.name, note)
    log.info(
        "%d %ss, window %d x %d pixels; %d chunk%s of %d",
        len(subject.windows),
        subject.kind,
        *layout.shape[-2:],
        layout.number,
        "s" if layout.number > 1 else "",
        layout.per_chunk,
    )
    log.info(
        "%d thread%s, at most %.0f MB for pixels%s",
        plan.threads,
        "s" if plan.threads > 1 else "",
        plan.memory / MB,
        " and a scratch file" if plan.places is not None else "",
    )
