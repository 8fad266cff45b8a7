"""What was understood of a file: the facts that ``cellcutter info`` shows, fit for JSON."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from cellcutter.cells.facts import table_facts
from cellcutter.errors import ImageError, reading
from cellcutter.kinds import read_path
from cellcutter.options import Name
from cellcutter.read import ImageInfo, images_in
from cellcutter.store.facts import store_facts
from cellcutter.version import __version__

Facts = dict[str, Any]

_LIBRARIES = (
    "numpy",
    "pandas",
    "tifffile",
    "imagecodecs",
    "zarr",
    "numcodecs",
    "zstandard",
    "pyyaml",
    "tqdm",
)
_TABLES = (".csv", ".tsv", ".txt", ".xlsx")


def facts(path: Name) -> Facts:
    """Return what was understood of an image, a mask, a table of cells, or a store.

    Returns
    -------
    dict
        ``file``, ``kind`` (``image``, ``table`` or ``store``), and what is known of it.

    Raises
    ------
    InputError
        The file cannot be read, or is none of these.
    """
    file = Path(read_path("FILE", path))
    with reading(file, "an image, a table or a store", ImageError):
        file.stat()
        found = store_facts(file)
        if found is not None:
            return {"file": str(file), "kind": "store", **found}
        if file.is_file() and any(ending in _TABLES for ending in file.suffixes):
            return {"file": str(file), "kind": "table", **table_facts(file)}
        images = [_image_facts(info) for info in images_in(file)]
        return {"file": str(file), "kind": "image", "images": images}


def _image_facts(info: ImageInfo) -> Facts:
    size = info.pixel_size
    return {
        "index": info.index,
        "name": info.name,
        "axes": info.axes,
        "shape": list(info.shape),
        "type": str(info.dtype),
        "channels": [
            {"number": number, "name": name}
            for number, name in enumerate(info.channel_names or (), 1)
        ],
        "pixel_size": None if size is None else {"y": size.y, "x": size.x, "unit": size.unit},
        "block_shape": list(info.block_shape),
        "compression": info.compression,
        "remarks": list(info.remarks),
    }


def versions() -> dict[str, str]:
    """Return the versions of the program, of Python, and of the libraries it uses."""
    found = {"cellcutter": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "not installed"
    return {**found, "system": platform.platform()}
