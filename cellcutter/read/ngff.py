"""OME-Zarr and plain Zarr arrays as (C, Y, X): their chunks are the blocks.

OME-Zarr of versions 0.4 (https://ngff.openmicroscopy.org/0.4/) and 0.5
(https://ngff.openmicroscopy.org/0.5/), in a folder or a zip file; the first dataset of the first
multiscale, which has the full resolution.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from math import isfinite, prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.choice import Candidate, Wanted, choose
from cellcutter.read.image import MOST_BLOCKS, ImageInfo, interpret_axes, order_hint
from cellcutter.read.ngff_inside import collection, refuse
from cellcutter.read.ome import all_names
from cellcutter.read.zarr_array import ZarrArray, open_array
from cellcutter.read.zarr_store import FolderStore, Store, ZipStore, attributes
from cellcutter.types import PixelSize

_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}


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
        with _our_words(path):
            store = _store(path)
            if isinstance(store, ZipStore):
                self._close = store.close
            try:
                self._read_structure(store, wanted or Wanted())
            except BaseException:
                self._close()
                raise

    def _read_structure(self, store: Store, wanted: Wanted) -> None:
        found = _images(self.path, store)
        candidates = [image.candidate() for image in found]
        position, notes = choose(self.path, candidates, wanted)
        image = found[position]
        if len(found) == 1 and image.key and wanted.index is None:
            notes = (f"image {image.key} of the collection is taken",)
        array, names = image.array, image.axes
        self._array = array
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


class _Found:
    """An image of a store: an array, and what metadata says of it.

    Parameters
    ----------
    path : Path
        For messages.
    store : Store
    key : str
        Of the group or the array in the store.
    metadata : mapping
        The OME metadata; empty for a plain array.
    """

    def __init__(self, path: Path, store: Store, key: str, metadata: Mapping[str, Any]) -> None:
        self.key = key
        self._metadata = metadata
        self._multiscale: Mapping[str, Any] = {}
        self._dataset: Mapping[str, Any] = {}
        where = key
        if metadata:
            self._multiscale = metadata["multiscales"][0]
            self._dataset = self._multiscale["datasets"][0]
            where = f"{key}/{self._dataset['path']}" if key else str(self._dataset["path"])
            if ".." in where.split("/") or where.startswith("/"):
                raise ValueError(f"a dataset in {where}")
        array = open_array(store, where)
        if array is None:
            raise ImageError(f"{path}: {where or path.name} is no array, an array expected")
        self.array: ZarrArray = array
        ndim = len(array.shape)
        if metadata:
            axes = self._multiscale.get("axes") or "TCZYX"[-ndim:]
            self.axes = "".join(_axis_name(axis) for axis in axes)
        else:
            self.axes = "CYX"[-ndim:] if ndim > 1 else ""
        if len(self.axes) != ndim:
            raise ImageError(
                f"{path}: axes {self.axes or '(none)'} found for {ndim} dimensions, "
                f"{'as many axes' if metadata else '[y, x] or [c, y, x]'} expected"
            )

    @property
    def name(self) -> str | None:
        name = self._multiscale.get("name")
        return str(name) if name else self.key or None

    def candidate(self) -> Candidate:
        """Return what is asked when one of several is chosen."""
        length = dict(zip(self.axes, self.array.shape, strict=True))
        height, width = length.get("Y", 0), length.get("X", 0)
        channels = prod(self.array.shape) // max(1, height * width)
        return Candidate(channels, height, width, str(self.array.dtype), self.name)

    def channel_names(self, channels: int) -> tuple[str, ...] | None:
        omero = self._metadata.get("omero")
        nodes = omero.get("channels") if isinstance(omero, dict) else None
        labels = [
            node.get("label") if isinstance(node, dict) else None
            for node in (nodes if isinstance(nodes, list) else [])
        ]
        if not all(isinstance(label, (str, int, float, type(None))) for label in labels):
            return None
        return all_names(labels, channels)

    def pixel_size(self, y: int, x: int) -> PixelSize | None:
        """Return the pixel size from the scales, where the axes have a unit."""
        scales = [
            change["scale"]
            for part in (self._dataset, self._multiscale)
            for change in part.get("coordinateTransformations") or []
            if change.get("type") == "scale" and "scale" in change
        ]
        axes: Sequence[Any] = self._multiscale.get("axes") or []
        unit = axes[x].get("unit") if axes and isinstance(axes[x], dict) else None
        if not scales or not unit:
            return None
        sizes = [prod(float(scale[axis]) for scale in scales) for axis in (y, x)]
        if not all(isfinite(size) for size in sizes):
            return None
        return PixelSize(sizes[0], sizes[1], _UNITS.get(unit, str(unit)))


def infos_of_zarr(path: Path) -> list[ImageInfo]:
    """Return what a Zarr store says of its images, see :func:`cellcutter.read.images_in`."""
    with _our_words(path):
        store = _store(path)
        try:
            return [
                _info(path, number, found) for number, found in enumerate(_images(path, store), 1)
            ]
        finally:
            if isinstance(store, ZipStore):
                store.close()


def _info(path: Path, number: int, found: _Found) -> ImageInfo:
    array, remarks = found.array, []
    names, size, block = None, None, array.chunks[-2:]
    try:
        axes = interpret_axes(path, found.axes, array.shape)
        y, x = found.axes.index("Y"), found.axes.index("X")
        names, size = found.channel_names(axes.shape[0]), found.pixel_size(y, x)
        block = (array.chunks[y], array.chunks[x])
        remarks = [axes.note] if axes.note else []
    except ImageError as error:
        remarks = [str(error).removeprefix(f"{path}: ")]
    return ImageInfo(
        number,
        found.name,
        found.axes,
        array.shape,
        array.dtype,
        names,
        size,
        array.codecs.name,
        (block[0], block[-1]),
        tuple(remarks),
    )


@contextmanager
def _our_words(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while metadata is read into an error of ours."""
    try:
        yield
    except ImageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(f"{path}: {reason}; a TIFF or OME-Zarr image expected") from error
    except zipfile.BadZipFile as error:
        raise ImageError(f"{path}: a damaged zip file found, an image expected") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, (KeyError, IndexError, TypeError, AttributeError)):
            reason = f"metadata without what they need ({reason})"
        raise ImageError(f"{path}: {reason} found, a TIFF or OME-Zarr image expected") from error


def _store(path: Path) -> Store:
    return FolderStore(path) if path.is_dir() else ZipStore(path)


def _images(path: Path, store: Store) -> list[_Found]:
    """Return the images of a store: one, or those of a collection."""
    node = attributes(store, "") or {}
    metadata = _metadata(node)
    if metadata.get("multiscales"):
        return [_Found(path, store, "", metadata)]
    if keys := collection(store, metadata):
        inside = [(key, _metadata(attributes(store, key) or {})) for key in keys]
        found = [_Found(path, store, key, m) for key, m in inside if m.get("multiscales")]
        if found:
            return found
    if open_array(store, "") is not None:
        return [_Found(path, store, "", {})]
    return refuse(path, store, node)


def _metadata(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME metadata: below ``ome`` from version 0.5 on."""
    ome = node.get("ome")
    return ome if isinstance(ome, dict) else node


def _axis_name(axis: object) -> str:
    """Return the letter of an axis; a name of 0.3, or name and type of later versions."""
    name = str(axis["name"] if isinstance(axis, dict) else axis)
    return name[:1].upper()


def _steps(array: ZarrArray, axis: int) -> list[slice]:
    """Return the extents of the chunks along an axis."""
    length, chunk = array.shape[axis], array.chunks[axis]
    return [slice(i, min(i + chunk, length)) for i in range(0, length, chunk)]
