"""An OME-Zarr image as (C, Y, X): its chunks are the blocks.

Versions 0.4 (https://ngff.openmicroscopy.org/0.4/) and 0.5 (https://ngff.openmicroscopy.org/0.5/);
the first dataset of the first multiscale, which has the full resolution.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from cellcutter.errors import ImageError
from cellcutter.read.image import interpret_axes
from cellcutter.read.ome import all_names
from cellcutter.types import PixelSize

_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}


class OmeZarrImage:
    """An OME-Zarr image seen as :class:`cellcutter.read.image.Image`.

    Parameters
    ----------
    path : Path
        Folder of the image, or of the labels inside an image.

    Raises
    ------
    ImageError
        It is no OME-Zarr image of one time point and focal plane.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.notes: tuple[str, ...] = ()
        try:
            self._read_structure()
        except ImageError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(
                f"{path}: {reason} found, a TIFF or OME-Zarr image expected"
            ) from error

    def _read_structure(self) -> None:
        group, metadata = self._group()
        multiscale = metadata["multiscales"][0]
        dataset = multiscale["datasets"][0]
        array = group[dataset["path"]]
        if not isinstance(array, zarr.Array):
            raise ImageError(f"{self.path}: {dataset['path']} is no array, an array expected")
        self._array = array
        self._folder = Path(str(array.store_path).removeprefix("file://"))
        compressors = [] if array.shards else list(array.compressors)
        self._blosc = bool(compressors) and "blosc" in type(compressors[-1]).__name__.lower()
        names = "".join(_axis_name(axis) for axis in multiscale.get("axes", "TCZYX"[-array.ndim :]))
        if len(names) != array.ndim:
            raise ImageError(f"{self.path}: axes {names} found, {array.ndim} of them expected")
        axes = interpret_axes(self.path, names, array.shape)
        self._axes = axes
        self.shape = axes.shape
        stored = np.dtype(array.dtype)
        self.dtype = np.dtype(np.uint8) if stored.kind == "b" else stored.newbyteorder("=")
        if axes.note:
            self.notes = (*self.notes, axes.note)
        y, x = names.index("Y"), names.index("X")
        self.block_shape = (
            min(array.chunks[y], array.shape[y]),
            min(array.chunks[x], array.shape[x]),
        )
        # `_places` says for each plane where in the array it starts, and how long it is there
        self._places = list(product(*(_steps(array, axis) for axis in axes.channels)))
        index = np.arange(self.shape[0]).reshape([array.shape[axis] for axis in axes.channels])
        self.planes = tuple(tuple(index[tuple(place)].ravel().tolist()) for place in self._places)
        self.block_nbytes = 3 * prod(array.chunks) * stored.itemsize
        self.pixel_size = _pixel_size(multiscale, dataset, y, x)
        omero = metadata.get("omero", {}).get("channels", [])
        self.channel_names = all_names([c.get("label") for c in omero], self.shape[0])

    def _group(self) -> tuple[zarr.Group, Mapping[str, Any]]:
        """Return the group that has the multiscales, and its metadata."""
        group = zarr.open_group(self.path, mode="r")
        metadata = _metadata(group)
        if "multiscales" not in metadata and "bioformats2raw.layout" in metadata:
            self.notes = ("image 0 of the collection is taken",)
            group = zarr.open_group(self.path / "0", mode="r")
            metadata = _metadata(group)
        if not metadata.get("multiscales"):
            raise ImageError(
                f"{self.path}: a folder without multiscales found, "
                "a TIFF or OME-Zarr image expected"
            )
        return group, metadata

    def read_block(self, plane: int, row: int, col: int, out: NDArray[np.generic]) -> None:
        """Decode a block, see :meth:`cellcutter.read.image.Image.read_block`."""
        _, height, width = out.shape
        y, x = row * self.block_shape[0], col * self.block_shape[1]
        where = {"Y": slice(y, y + height), "X": slice(x, x + width)}
        part = [where.get(name, slice(None)) for name in self._axes.names]
        for axis, place in zip(self._axes.channels, self._places[plane], strict=True):
            part[axis] = place
        try:
            self._check_length(part)
            pixels = np.asarray(self._array[tuple(part)])
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(
                f"{self.path}: channel {self.planes[plane][0] + 1}, block at row {y}, column {x}: "
                f"{reason} found, undamaged data expected"
            ) from error
        order = [*self._axes.channels, self._axes.names.index("Y"), self._axes.names.index("X")]
        order = [a for a in range(pixels.ndim) if a not in order] + order
        out[...] = pixels.transpose(order).reshape(out.shape)

    def _check_length(self, part: list[slice]) -> None:
        """Make sure that the file of a Blosc chunk is as long as its header says.

        numcodecs does not look, and would decode what lies in memory behind a chunk that was cut
        short. The header: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
        """
        if not self._blosc:
            return
        index = tuple(
            s.start // n if s.start else 0 for s, n in zip(part, self._array.chunks, strict=True)
        )
        file = self._folder / self._array.metadata.encode_chunk_key(index)
        if not file.exists():  # a chunk that was never written
            return
        with file.open("rb") as chunk:
            header = chunk.read(16)
            found = os.fstat(chunk.fileno()).st_size
        expected = int.from_bytes(header[12:16], "little")
        if len(header) < 16 or found < expected:
            raise EOFError(f"a chunk of {found} bytes instead of {max(expected, 16)}")

    def empty_blocks(self, plane: int) -> NDArray[np.bool_]:  # noqa: ARG002 - of the interface
        """Return all False: what zarr has no chunk of it tells only when it is read."""
        rows, cols = (-(-n // b) for n, b in zip(self.shape[1:], self.block_shape, strict=True))
        return np.zeros((rows, cols), bool)

    def close(self) -> None:
        """Close nothing: each chunk's file is open only while it is read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _metadata(group: zarr.Group) -> Mapping[str, Any]:
    """Return the OME metadata: below ``ome`` from version 0.5 on."""
    attributes = group.attrs.asdict()
    ome = attributes.get("ome")
    return ome if isinstance(ome, dict) else attributes


def _axis_name(axis: object) -> str:
    """Return the letter of an axis; a name of 0.3, or name and type of later versions."""
    name = str(axis["name"] if isinstance(axis, dict) else axis)
    return name[:1].upper()


def _steps(array: Any, axis: int) -> list[slice]:
    """Return the extents of the chunks along an axis."""
    length, chunk = array.shape[axis], array.chunks[axis]
    return [slice(i, min(i + chunk, length)) for i in range(0, length, chunk)]


def _pixel_size(
    multiscale: Mapping[str, Any], dataset: Mapping[str, Any], y: int, x: int
) -> PixelSize | None:
    """Return the pixel size from the scales, where the axes have a unit."""
    scales = [
        transformation["scale"]
        for part in (dataset, multiscale)
        for transformation in part.get("coordinateTransformations", [])
        if transformation.get("type") == "scale"
    ]
    axes: Sequence[Any] = multiscale.get("axes", [])
    unit = axes[x].get("unit") if axes and isinstance(axes[x], dict) else None
    if not scales or not unit:
        return None
    return PixelSize(
        prod(float(scale[y]) for scale in scales),
        prod(float(scale[x]) for scale in scales),
        _UNITS.get(unit, unit),
    )
