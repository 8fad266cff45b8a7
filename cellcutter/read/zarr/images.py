"""Which images a Zarr store holds, and what their metadata say.

OME-Zarr of versions 0.4 (https://ngff.openmicroscopy.org/0.4/) and 0.5
(https://ngff.openmicroscopy.org/0.5/), in a folder or a zip file; the first dataset of the first
multiscale, which has the full resolution.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from cellcutter.errors import ImageError
from cellcutter.read.choice import Candidate
from cellcutter.read.image import ImageInfo, interpret_axes
from cellcutter.read.ome import all_names
from cellcutter.read.zarr.array import ZarrArray, open_array
from cellcutter.read.zarr.inside import collection, refuse
from cellcutter.read.zarr.store import FolderStore, Store, ZipStore, attributes
from cellcutter.types import PixelSize, known_size

_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}


class ZarrPicture:
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
        """Its own name, or that of its group."""
        name = self._multiscale.get("name")
        return str(name) if name else self.key or None

    def candidate(self) -> Candidate:
        """Return what is asked when one of several is chosen."""
        length = dict(zip(self.axes, self.array.shape, strict=True))
        height, width = length.get("Y", 0), length.get("X", 0)
        channels = prod(self.array.shape) // max(1, height * width)
        return Candidate(channels, height, width, str(self.array.dtype), self.name)

    def channel_names(self, channels: int) -> tuple[str, ...] | None:
        """Return the labels of omero's channels as text, if there is one for each."""
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
        return known_size(sizes[0], sizes[1], _UNITS.get(unit, str(unit)))


def infos_of_zarr(path: Path) -> list[ImageInfo]:
    """Return what a Zarr store says of its images, see :func:`cellcutter.read.images_in`."""
    with our_words(path):
        store = store_of(path)
        try:
            return [
                _info(path, number, found) for number, found in enumerate(images_of(path, store), 1)
            ]
        finally:
            if isinstance(store, ZipStore):
                store.close()


def _info(path: Path, number: int, found: ZarrPicture) -> ImageInfo:
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
def our_words(path: Path) -> Iterator[None]:
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


def store_of(path: Path) -> Store:
    """Return the store in a folder or a zip file."""
    return FolderStore(path) if path.is_dir() else ZipStore(path)


def images_of(path: Path, store: Store) -> list[ZarrPicture]:
    """Return the images of a store: one, or those of a collection."""
    node = attributes(store, "") or {}
    metadata = _metadata(node)
    if metadata.get("multiscales"):
        return [ZarrPicture(path, store, "", metadata)]
    if keys := collection(store, metadata):
        inside = [(key, _metadata(attributes(store, key) or {})) for key in keys]
        found = [ZarrPicture(path, store, key, m) for key, m in inside if m.get("multiscales")]
        if found:
            return found
    if open_array(store, "") is not None:
        return [ZarrPicture(path, store, "", {})]
    return refuse(path, store, node)


def _metadata(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME metadata: below ``ome`` from version 0.5 on."""
    ome = node.get("ome")
    return ome if isinstance(ome, dict) else node


def _axis_name(axis: object) -> str:
    """Return the letter of an axis; a name of 0.3, or name and type of later versions."""
    name = str(axis["name"] if isinstance(axis, dict) else axis)
    return name[:1].upper()
