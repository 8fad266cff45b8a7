"""The arrays that a store holds, and what it says of itself: read once, for all who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellcutter.errors import StoreError
from cellcutter.store.layout import IMAGES, MASKS
from cellcutter.store.reading.files import Files
from cellcutter.store.reading.metadata import StoredArray, chunked, read_json, sharded


@dataclass(frozen=True)
class Root:
    """The metadata at the root of a Zarr store; it may hold anything.

    Parameters
    ----------
    name : str
        Of the store, for messages.
    file : str
        Whose content it is: `.zarray` of format 2 or `zarr.json` of format 3.
    given : mapping
        The content.
    attributes : mapping
        Of the root.
    """

    name: str
    file: str
    given: Mapping[str, Any]
    attributes: Mapping[str, Any]

    @property
    def about(self) -> Mapping[str, Any]:
        """What cellcutter wrote of the store; empty where it wrote nothing."""
        return _about(self.attributes)


@dataclass(frozen=True)
class Stored:
    """What a store holds.

    Parameters
    ----------
    images : StoredArray
        The thumbnails; or masks, where the store holds nothing else.
    masks : StoredArray or None
        Masks in the same store.
    about : mapping
        What cellcutter wrote of the store.
    """

    images: StoredArray
    masks: StoredArray | None
    about: Mapping[str, Any]


def read_root(files: Files) -> Root | None:
    """Return the metadata at the root of a store; None where there are none.

    Raises
    ------
    StoreError
        They are no JSON, or lie outside the store.
    """
    content = files.read(".zarray")
    if content is not None:
        given, zattrs = read_json(content, f"{files.name}/.zarray"), files.read(".zattrs")
        attributes = read_json(zattrs, f"{files.name}/.zattrs") if zattrs else {}
        return Root(files.name, ".zarray", given, attributes)
    content = files.read("zarr.json")
    if content is None:
        return None
    given = read_json(content, f"{files.name}/zarr.json")
    own = given.get("attributes")
    return Root(files.name, "zarr.json", given, own if isinstance(own, dict) else {})


def stored(root: Root, files: Files) -> Stored:
    """Return what a store holds.

    Raises
    ------
    StoreError
        It holds no thumbnails, or what is told of them cannot be.
    """
    name, given = root.name, root.given
    if root.file == ".zarray":
        return Stored(chunked(given, root.attributes, name), None, root.about)
    if given.get("zarr_format") != 3:
        raise StoreError(f"{name}: format {str(given.get('zarr_format'))[:80]} found, 3 expected")
    if given.get("node_type") == "array":
        return Stored(sharded(given, "", name), None, root.about)
    images, masks = (_array_in(files, part) for part in (IMAGES, MASKS))
    if images is None:
        raise StoreError(f"{name}: a group without {IMAGES} found, thumbnails of cells expected")
    return Stored(images, masks, root.about or _about(images.attributes))


def _array_in(files: Files, name: str) -> StoredArray | None:
    content = files.read(f"{name}/zarr.json")
    if content is None:
        return None
    given = read_json(content, f"{files.name}/{name}/zarr.json")
    return sharded(given, f"{name}/", f"{files.name}/{name}")


def _about(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = attributes.get("cellcutter")
    return found if isinstance(found, dict) else {}
