"""One OME-TIFF file with a time point for each cell, which Fiji, napari and tifffile open.

Why time points: OME knows five axes, and none of them is "cell". An image for each cell would be
the plain way, but Fiji asks which of the images to open, and Bio-Formats took 9 s to begin with
2,000 of them, but 5 s with 20,000 time points. A stack in Z is a body to many programs, with a
third dimension and a distance of planes. Time points are a slider, and nothing is made of it.

Pixels are not compressed, so that a file can be mapped into memory.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import tifffile

from cellcutter.errors import StoreError
from cellcutter.formats.source import Source
from cellcutter.store.publishing.names import begins
from cellcutter.store.reading.places import readable
from cellcutter.types import Pixels
from cellcutter.version import __version__

_TYPES = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}
_LARGEST = 1 << 32  # bytes of a TIFF that is no BigTIFF
_PLANE = 512  # bytes that a plane takes beside its pixels, at most
_MASK = "mask"


_is_tiff = begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_ome_tiff(path: Path) -> bool:
    """Tell whether a path is a file that this has written; not any other TIFF, such as a slide."""
    if not _is_tiff(path):
        return False
    with suppress(ValueError, OSError, LookupError), tifffile.TiffFile(path) as tiff:
        return 'Creator="cellcutter ' in (tiff.ome_metadata or "")
    return False


def write_ome_tiff(source: Source, place: Path) -> None:
    """Write the file; masks are its last channel, 0 and 1.

    Parameters
    ----------
    source : Source
    place : Path
        The file to be made.

    Raises
    ------
    StoreError
        OME-TIFF knows no such type of pixels.
    """
    if source.dtype.name not in _TYPES:
        raise StoreError(
            f"{source.slide.path}: pixels of type {source.dtype} found, one that OME-TIFF knows "
            f"expected ({', '.join(sorted(_TYPES))}): export to npy"
        )
    n, channels, y, x = source.shape
    shape = (n, channels + source.has_masks, y, x)
    planes = n * shape[1]
    nbytes = planes * (y * x * source.dtype.itemsize + _PLANE) + (32 * n + (1 << 16))
    with tifffile.TiffWriter(place, bigtiff=nbytes >= _LARGEST, ome=True) as tiff:
        tiff.write(
            _planes(source),
            shape=shape,
            dtype=source.dtype,
            photometric="minisblack",
            metadata=_metadata(source),
        )


def _planes(source: Source) -> Iterator[Pixels]:
    for batch in source.batches():
        for i, image in enumerate(batch.images):
            yield from image
            if batch.masks is not None:
                yield batch.masks[i].astype(source.dtype)


def _metadata(source: Source) -> dict[str, Any]:
    names = [*source.names, *([_MASK] if source.has_masks else [])]
    size = source.slide.pixel_size
    told = json.dumps([source.slide.about, source.positions, source.shape, str(source.dtype)])
    found: dict[str, Any] = {
        "axes": "TCYX",
        "Name": readable(source.slide.path.name),
        "Channel": {"Name": names},
        "Creator": f"cellcutter {__version__}",
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, told)),  # the same for the same store
        "MapAnnotation": {
            "Namespace": "cellcutter",
            f"{source.kind.capitalize()}ID": " ".join(map(str, source.ids.tolist())),
        },
    }
    if size is not None:
        found |= {
            "PhysicalSizeX": size.x,
            "PhysicalSizeXUnit": size.unit,
            "PhysicalSizeY": size.y,
            "PhysicalSizeYUnit": size.unit,
        }
    return found
