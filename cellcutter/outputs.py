"""What a run writes into, the same for both layouts: arrays, tables, and what they say at the end.

Masks are written first, and read back when they are laid over thumbnails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from cellcutter.cells.all_columns import TableColumns
from cellcutter.cells.columns import ids_called
from cellcutter.request import Array, Request
from cellcutter.store import describe
from cellcutter.store.anndata import CellsStore
from cellcutter.store.layout import CellsLayout, Layout
from cellcutter.store.statistics import Statistics, inside_image
from cellcutter.store.writer import StoreWriter
from cellcutter.types import Bools, Column, Pixels

Sink = Callable[[int, Pixels], None]


class _Writer(Protocol):
    """What writes an array of either layout, and reads it back."""

    @property
    def layout(self) -> Layout: ...

    def write(self, index: int, part: Pixels, masks: Bools | None = None, /) -> None: ...

    def read(self, index: int, out: Pixels, /) -> None: ...

    def missing(self) -> list[int]: ...


class Outputs:
    """The stores of a request while they are made; a context manager.

    Parameters
    ----------
    request : Request
    arrays : sequence of Array
        The masks', if they are wanted, and the thumbnails'.
    places : sequence of (folder, archive)
        For each store, the masks' first: the folder to be made, and the zip file to be made
        instead, if one is wanted.
    scratch : Path
        A folder for scratch files.
    """

    def __init__(
        self,
        request: Request,
        arrays: Sequence[Array],
        places: Sequence[tuple[Path, Path | None]],
        scratch: Path,
    ) -> None:
        self._request = request
        self._arrays = arrays
        self._scratch = scratch
        self._stack = ExitStack()
        self._cells: CellsStore | None = None
        self._stores: list[StoreWriter] = []
        self._statistics = _statistics(request, arrays[-1].layout)
        compression = request.options["compression"]
        layouts = [array.layout for array in arrays]
        if isinstance(layouts[-1], CellsLayout):
            masks = layouts[0] if len(layouts) > 1 else None
            folder, archive = places[-1]
            self._cells = self._stack.enter_context(
                CellsStore(
                    folder,
                    layouts[-1],
                    masks if isinstance(masks, CellsLayout) else None,
                    compression,
                    request.kind,
                    archive,
                )
            )
            return
        for layout, (folder, archive) in zip(layouts, places, strict=True):
            writer = StoreWriter(
                folder, layout, compression, archive, rereadable=layout.dtype == bool
            )
            self._stores.append(self._stack.enter_context(writer))

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def nbytes(self) -> int:
        """Bytes of all chunks or shards."""
        if self._cells is not None:
            return self._cells.nbytes
        return sum(store.nbytes for store in self._stores)

    @property
    def identity(self) -> str:
        """Identity of the store of thumbnails, once it is finished."""
        return self._stores[-1].identity if self._cells is None else self._cells.identity

    def missing(self) -> list[list[int]]:
        """Return the chunks of each array that are not whole: all but those of a run before."""
        images, masks = self._writers()
        return [writer.missing() for writer in (masks, images) if writer]

    def sinks(self) -> list[Sink]:
        """Return what takes the chunks of each array, from any thread."""
        images, masks = self._writers()
        if masks is None:
            return [self._sink(images, None)]
        return [masks.write, self._sink(images, masks)]

    def count(self, chunks: Iterable[int]) -> None:
        """Count the thumbnails of chunks that were there at the start; their masks are complete."""
        images, masks = self._writers()
        if self._statistics is None:
            return
        pixels = np.empty(images.layout.stored_chunks, images.layout.dtype)
        found = None if masks is None else np.empty(masks.layout.chunks, bool)
        for index in chunks:
            images.read(index, pixels)
            if masks is not None and found is not None:
                masks.read(index, found)
            self._statistics.add(index, pixels, found, cells_first=self._request.cells_first)

    def _writers(self) -> tuple[_Writer, _Writer | None]:
        """Return what writes the images, and their masks."""
        if self._cells is not None:
            return self._cells.images, self._cells.masks
        return self._stores[-1], self._stores[0] if len(self._stores) > 1 else None

    def _sink(self, images: _Writer, masks: _Writer | None) -> Sink:
        """Return what counts thumbnails and writes them, with masks laid over them if wanted."""
        memory = threading.local()
        statistics, request = self._statistics, self._request

        def sink(index: int, pixels: Pixels) -> None:
            found: Bools | None = None
            if masks is not None and (request.masked or statistics):
                if not hasattr(memory, "masks"):
                    memory.masks = np.empty(masks.layout.chunks, bool)
                masks.read(index, memory.masks)
                found = memory.masks
            if statistics:
                statistics.add(index, pixels, found, cells_first=request.cells_first)
            images.write(index, pixels, found if request.masked else None)

        return sink

    def write_tables(self) -> None:
        """Write the tables inside the stores."""
        request = self._request
        for store in self._stores:
            store.write_file(request.table_name, request.table())
        if self._cells is None:
            return
        with ExitStack() as stack:
            given: Iterator[tuple[str, Column]] = iter(())
            if request.cells is not None:
                table = TableColumns(request.cells, len(request.windows), self._scratch)
                given = given_columns(stack.enter_context(table), request)
            first, *own = request.columns()
            self._cells.write_frame("obs", request.ids, chain([first], given, own))

    def finish(self) -> list[Path]:
        """Write what the stores say of themselves; return them, the masks' first."""
        statistics = self._statistics.result() if self._statistics else None
        if self._cells is not None:
            return [self._cells.finish(*self._about_cells(self._cells, statistics))]
        about = self._about_arrays(statistics)
        return [store.finish(each) for store, each in zip(self._stores, about, strict=True)]

    def describe(self, statistics: Mapping[str, object] | None) -> None:
        """Write what the stores say of themselves, as if these were the statistics."""
        if self._cells is not None:
            self._cells.describe(*self._about_cells(self._cells, statistics))
        for store, each in zip(self._stores, self._about_arrays(statistics), strict=False):
            store.describe(each)

    def _about_arrays(self, statistics: Mapping[str, object] | None) -> list[dict[str, object]]:
        """Return the attributes of each array."""
        last = self._arrays[-1]
        return [
            self._request.attributes(array.axes, statistics if array is last else None)
            for array in self._arrays
        ]

    def _about_cells(
        self, cells: CellsStore, statistics: Mapping[str, object] | None
    ) -> tuple[dict[str, object], list[str]]:
        """Write the table of channels; return the attributes of a store of cells, and names."""
        request = self._request
        attributes = request.attributes((request.kind, "channel", "y", "x"), statistics)
        del attributes["_ARRAY_DIMENSIONS"]  # of an array; here is a group
        names = request.marker_names()
        columns = describe.channel_columns(names, request.channels, statistics)
        cells.write_frame("var", range(len(names)), columns)
        return attributes, names


def _statistics(request: Request, layout: Layout) -> Statistics | None:
    """Return what counts the thumbnails of a request, if that is wanted."""
    if request.options["statistics"] == "none":
        return None
    windows = request.windows
    inside = inside_image(windows.y, windows.x, windows.size, request.image.shape[1:])
    return Statistics(
        len(request.channels),
        len(windows),
        layout.per_chunk,
        layout.dtype,
        windows.size,
        inside,
        exact=request.options["statistics"] == "exact",
    )


def given_columns(table: TableColumns, request: Request) -> Iterator[tuple[str, Column]]:
    """Yield the columns of the given table."""
    for name, shown in given_names(table, request).items():
        yield shown, table.read(name, request.order)


def given_names(table: TableColumns, request: Request) -> dict[str, str]:
    """Return what columns of the given table are called; where they have names of ours, ours count.

    The column of the CellIDs is none of them.
    """
    own = {name for name, _ in request.columns()}
    key = ids_called(dict(request.options))
    return {
        name: f"{name} (table)" if name in own else name
        for name in table.names
        if name.strip() != key
    }
