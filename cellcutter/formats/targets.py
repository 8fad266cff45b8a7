"""A new store of either layout, with one face: images and masks are written, then the tables.

Invariant: what is written is what cutting in this layout writes, by the same writers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cellcutter.formats import tables
from cellcutter.formats.about import about, channels_of, kind_of
from cellcutter.store.anndata import CellsStore
from cellcutter.store.blosc import encoder_nbytes
from cellcutter.store.layout import CellsLayout, Layout, cells_per_chunk, layouts_of
from cellcutter.store.reading.slide import Slide
from cellcutter.store.shards import shard_encoder_nbytes
from cellcutter.store.writer import StoreWriter
from cellcutter.types import Bools, Pixels


@dataclass(frozen=True)
class Layouts:
    """The layouts of a new store.

    Parameters
    ----------
    images : Layout
    masks : Layout or None
        Where there are masks.
    """

    images: Layout
    masks: Layout | None

    @classmethod
    def of(
        cls, slide: Slide, layout: str, compression: str, per_chunk: int | None, chunk_nbytes: int
    ) -> Layouts:
        """Return the layouts of a store that holds what another holds.

        Raises
        ------
        SettingsError
            A chunk would be larger than the codec takes.
        """
        array = slide.images.array
        channels, *size = array.shape
        number = cells_per_chunk(array.cell_nbytes, array.cells, per_chunk, chunk_nbytes)
        images, masks = layouts_of(
            (channels, array.cells, *size),
            number,
            array.dtype.newbyteorder("="),
            compression,
            cells_first=layout == "cells",
        )
        return cls(images, None if slide.masks is None else masks)

    @property
    def thread_nbytes(self) -> int:
        """Memory of a thread: a chunk as read, perhaps another as written, and its encoder."""
        images = self.images
        if isinstance(images, CellsLayout):
            return images.chunk_nbytes + shard_encoder_nbytes(images)
        return 2 * images.chunk_nbytes + encoder_nbytes(images.division)


class Target(Protocol):
    """A store while it is made; a context manager."""

    def __enter__(self) -> Target: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def nbytes(self) -> int:
        """Bytes of all chunks or shards."""

    @property
    def identity(self) -> str:
        """Identity of the store of thumbnails, once it is finished."""

    def write_images(self, index: int, cells: Pixels) -> None:
        """Write a chunk, of shape (n, channels, y, x); from any thread."""

    def write_masks(self, index: int, masks: Bools) -> None:
        """Write a chunk of masks, of shape (n, y, x); from any thread."""

    def finish(self, scratch: Path) -> list[Path]:
        """Write the tables and what the store says of itself; return the store and its masks'."""


def make(
    slide: Slide, layouts: Layouts, compression: str, places: Sequence[tuple[Path, Path | None]]
) -> Target:
    """Return a new store.

    Parameters
    ----------
    slide : Slide
        What is written comes from here.
    layouts : Layouts
    compression : str
    places : sequence of (folder, archive)
        For the store, and its masks where they have one of their own: the folder to be made, and
        the zip file to be made instead, if one is wanted.
    """
    if isinstance(layouts.images, CellsLayout):
        return _Cells(slide, layouts.images, layouts.masks, compression, places[0])
    return _Chunks(slide, layouts, compression, places)


class _Cells:
    """A store of the layout `cells`."""

    def __init__(
        self,
        slide: Slide,
        images: CellsLayout,
        masks: Layout | None,
        compression: str,
        place: tuple[Path, Path | None],
    ) -> None:
        folder, archive = place
        self._slide = slide
        with_masks = masks if isinstance(masks, CellsLayout) else None
        kind = kind_of(slide)
        self._store = CellsStore(folder, images, with_masks, compression, kind, archive)

    def __enter__(self) -> _Cells:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.__exit__()

    @property
    def nbytes(self) -> int:
        """Bytes of all shards."""
        return self._store.nbytes

    @property
    def identity(self) -> str:
        """The store's identity, once it is finished."""
        return self._store.identity

    def write_images(self, index: int, cells: Pixels) -> None:
        """Write a shard."""
        self._store.images.write(index, cells)

    def write_masks(self, index: int, masks: Bools) -> None:
        """Write a shard of masks."""
        if self._store.masks is None:
            raise ValueError("no masks to be written")
        self._store.masks.write(index, masks)

    def finish(self, scratch: Path) -> list[Path]:  # noqa: ARG002 - columns go one by one
        """Write the tables and what the store says of itself; return it."""
        slide, store = self._slide, self._store
        told = about(slide, "cells")
        columns = channels_of(slide)
        ids = range(len(slide)) if slide.ids is None else slide.ids.tolist()
        store.write_frame("obs", ids, tables.obs(slide))
        names = columns["channels"].values.tolist()
        store.write_frame("var", range(len(names)), columns.items())
        return [store.finish({"cellcutter": told}, names)]


class _Chunks:
    """A store of the layout `chunks`, and perhaps another of its masks."""

    def __init__(
        self,
        slide: Slide,
        layouts: Layouts,
        compression: str,
        places: Sequence[tuple[Path, Path | None]],
    ) -> None:
        self._slide = slide
        self._memory = threading.local()
        found = [layouts.images, *filter(None, [layouts.masks])]
        with ExitStack() as stack:
            self._stores = [
                stack.enter_context(StoreWriter(folder, layout, compression, archive))
                for layout, (folder, archive) in zip(found, places, strict=True)
            ]
            self._stack = stack.pop_all()

    def __enter__(self) -> _Chunks:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def nbytes(self) -> int:
        """Bytes of all chunks."""
        return sum(store.nbytes for store in self._stores)

    @property
    def identity(self) -> str:
        """Identity of the store of thumbnails, once it is finished."""
        return self._stores[0].identity

    def write_images(self, index: int, cells: Pixels) -> None:
        """Write a chunk."""
        if not hasattr(self._memory, "chunk"):
            layout = self._stores[0].layout
            self._memory.chunk = np.empty(layout.chunks, layout.dtype)
        chunk: Pixels = self._memory.chunk
        chunk[:, : len(cells)] = cells.swapaxes(0, 1)
        chunk[:, len(cells) :] = 0
        self._stores[0].write(index, chunk)

    def write_masks(self, index: int, masks: Bools) -> None:
        """Write a chunk of masks."""
        store = self._stores[1]
        if len(masks) < store.layout.per_chunk:
            whole = np.zeros(store.layout.chunks, bool)
            whole[: len(masks)] = masks
            masks = whole
        store.write(index, masks)

    def finish(self, scratch: Path) -> list[Path]:
        """Write the tables and what the stores say of themselves; return them."""
        made = []
        for store, is_masks in zip(self._stores, (False, True), strict=False):
            told = about(self._slide, "chunks", masks=is_masks)
            if self._slide.ids is not None:
                place = scratch / ("masks" if is_masks else "images")
                place.mkdir()
                name = f"{kind_of(self._slide)}s.csv"
                store.write_file(name, tables.cells_csv(self._slide, place))
            made.append(store.finish({"_ARRAY_DIMENSIONS": told["axes"], "cellcutter": told}))
        return made
