"""What lies in a folder that is no image itself: collections, plates, SpatialData, and folders.

A message names the images inside, which may be given instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from cellcutter.errors import ImageError
from cellcutter.read.zarr.store import Store, attributes

_LISTED = 6  # images, in a message
_LOOKED_AT = 60  # folders, in search of images


def collection(store: Store, metadata: Mapping[str, Any]) -> list[str]:
    """Return the keys of the images of a collection as bioformats2raw makes it, in their order."""
    if "bioformats2raw.layout" not in metadata:
        return []
    series = (attributes(store, "OME") or {}).get("ome")
    names = (series if isinstance(series, dict) else attributes(store, "OME") or {}).get("series")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return [name for name in names if ".." not in name.split("/")]
    return sorted((name for name in store.names("") if name.isdecimal()), key=int)


def refuse(path: Path, store: Store, node: Mapping[str, Any]) -> NoReturn:
    """Say what a folder is that is no image, and which images are in it.

    Parameters
    ----------
    path : Path
    store : Store
    node : mapping
        The attributes of the group, if it is one.

    Raises
    ------
    ImageError
    """
    ome = node.get("ome")
    metadata = ome if isinstance(ome, dict) else node
    if "plate" in metadata:
        kind, inside = "an OME-Zarr plate", _fields(store, metadata)
    elif "well" in metadata:
        kind, inside = "a well of an OME-Zarr plate", _images_below(store, 1)
    elif "spatialdata_attrs" in node or store.names("images"):
        kind, inside = "a SpatialData store or another group of images", _images_below(store, 2)
    else:
        kind, inside = "a folder without an OME-Zarr image", _images_below(store, 2)
    if not inside:
        raise ImageError(
            f"{path}: a folder without multiscales found, a TIFF or OME-Zarr image expected"
        )
    shown = ", ".join(str(path / key) for key in inside[:_LISTED])
    more = f" and {len(inside) - _LISTED} more" if len(inside) > _LISTED else ""
    raise ImageError(f"{path}: {kind} found, one image expected; give one of: {shown}{more}")


def _fields(store: Store, metadata: Mapping[str, Any]) -> list[str]:
    """Return the keys of the images of a plate."""
    wells = metadata["plate"].get("wells") if isinstance(metadata["plate"], dict) else None
    found = []
    for well in (wells if isinstance(wells, list) else [])[:_LOOKED_AT]:
        key = str(well.get("path", "")) if isinstance(well, dict) else ""
        if key and ".." not in key.split("/"):
            found += [
                f"{key}/{name}" for name in store.names(key) if _is_image(store, f"{key}/{name}")
            ]
    return found


def _images_below(store: Store, depth: int) -> list[str]:
    """Return the keys of images below the root, down to some depth."""
    found: list[str] = []
    level = [""]
    for _ in range(depth):
        names = [f"{key}/{name}".lstrip("/") for key in level for name in store.names(key)]
        names = names[:_LOOKED_AT]
        images = [name for name in names if _is_image(store, name)]
        found += images
        level = [name for name in names if name not in images]
    return found


def _is_image(store: Store, key: str) -> bool:
    try:
        node = attributes(store, key) or {}
    except (OSError, ValueError):
        return False
    ome = node.get("ome")
    return bool((ome if isinstance(ome, dict) else node).get("multiscales"))
