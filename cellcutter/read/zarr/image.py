"""OME-Zarr and plain Zarr arrays as (C, Y, X): their chunks are the blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.choice import Wanted, choose
from cellcutter.read.image import MOST_BLOCKS, interpret_axes, order_hint
from cellcutter.read.zarr.array import ZarrArray
from cellcutter.read.zarr.images import images_of, our_words, store_of
from cellcutter.read.zarr.store import Store, ZipStore


class OmeZarrImage:
    """An OME-Zarr image, or a plain Zarr array, seen as :class:`cellcutter.read.image.Image`.

    Parameters
    ----------
    path : Path
        Folder of the image, or of the labels inside an image; or a zip file of one.
    wanted : Wanted
        Which image, where the path is a collection of them.

    Raises
    ------
    ImageError
        It is no OME-Zarr image of one focal plane.
    """

    def __init__(self, path: Path, wanted: Wanted | None = None) -> None:
        self.path = path
        self.name = path.name
        self.files: tuple[Path, ...] = (path,)
        self.notes: tuple[str, ...] = ()
        self._close: Callable[[], None] = lambda: None
        with our_words(path):
            store = store_of(path)
            if isinstance(store, ZipStore):
                self._close = store.close
            try:
                self._read_structure(store, wanted or Wanted())
            except BaseException:
                self._close()
                raise

    def _read_structure(self, store: Store, wanted: Wanted) -> None:
        found = images_of(self.path, store)
        candidates = [image.candidate() for image in found]
        position, notes = choose(self.path, candidates, wanted)
        image = found[position]
        if len(found) == 1 and image.key and wanted.index is None:
            notes = (f"image {image.key} of the collection is taken",)
        array, names = image.array, image.axes
        self._array = array
        if self.path.is_dir() and array.key:  # which may be a link to elsewhere
            self.files = (self.path, self.path / array.key)
        axes = interpret_axes(self.path, names, array.shape)
        self._axes = axes
        self.shape = axes.shape
        self.dtype = np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype
        y, x = names.index("Y"), names.index("X")
        self.block_shape = (
            min(array.chunks[y], array.shape[y]),
            min(array.chunks[x], array.shape[x]),
        )
        blocks = prod(-(-n // b) for n, b in zip(self.shape[1:], self.block_shape, strict=True))
        if blocks > MOST_BLOCKS:
            raise ImageError(
                f"{self.path}: {blocks} chunks in a channel found, at most {MOST_BLOCKS} expected"
            )
        # `_places` says for each plane where in the array it starts, and how long it is there
        self._places = list(product(*(_steps(array, axis) for axis in axes.channels)))
        index = np.arange(self.shape[0]).reshape([array.shape[axis] for axis in axes.channels])
        self.planes = tuple(tuple(index[tuple(place)].ravel().tolist()) for place in self._places)
        self.block_nbytes = 3 * prod(array.chunks) * array.dtype.itemsize
        self.pixel_size = image.pixel_size(y, x)
        self.channel_names = image.channel_names(self.shape[0])
        self.notes = tuple(filter(None, (*notes, axes.note, order_hint(self.shape))))

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode a block, see :meth:`cellcutter.read.image.Image.read_block`."""
        _, height, width = out.shape
        y, x = row * self.block_shape[0], col * self.block_shape[1]
        index = [{"Y": row, "X": col}.get(name, 0) for name in self._axes.names]
        part = [slice(0, {"Y": height, "X": width}.get(name)) for name in self._axes.names]
        for axis, place in zip(self._axes.channels, self._places[plane], strict=True):
            index[axis] = place.start // self._array.chunks[axis]
            part[axis] = slice(0, place.stop - place.start)
        for axis in set(range(len(part))) - {*self._axes.channels}:
            if self._axes.names[axis] not in "YX":
                part[axis] = slice(0, 1)
        try:
            pixels = self._array.read(index)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(
                f"{self.path}: channel {self.planes[plane][0] + 1}, block at row {y}, column {x}: "
                f"{reason} found, undamaged data expected"
            ) from error
        if pixels is None:
            out[...] = self._array.fill
            return
        order = [*self._axes.channels, self._axes.names.index("Y"), self._axes.names.index("X")]
        order = [a for a in range(pixels.ndim) if a not in order] + order
        out[...] = pixels[tuple(part)].transpose(order).reshape(out.shape)

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:  # noqa: ARG002 - of the interface
        """Return all False: which chunks there are is seen only when they are read."""
        rows, cols = (-(-n // b) for n, b in zip(self.shape[1:], self.block_shape, strict=True))
        return np.zeros((rows, cols), bool)

    def check_channels(self, channels: Sequence[int]) -> None:
        """Accept all: chunks that were never written are as good as others."""

    def close(self) -> None:
        """Close the zip file; a chunk's file is open only while it is read."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _steps(array: ZarrArray, axis: int) -> list[slice]:
    """Return the extents of the chunks along an axis."""
    length, chunk = array.shape[axis], array.chunks[axis]
    return [slice(i, min(i + chunk, length)) for i in range(0, length, chunk)]
