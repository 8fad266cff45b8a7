"""The store of the layout `cells`: an AnnData group whose images and masks are sharded arrays.

The format is AnnData's (https://anndata.readthedocs.io/en/stable/fileformat-prose.html), made
without the package. Where its rules leave a choice, it is what annbatch and scPortrait read:

- ``obsm/single_cell_images`` [cells, channels, y, x], since loaders fetch rows of the first axis;
- the index of ``obs`` is text in AnnData, so the CellIDs stand in it as text, and as whole numbers
  in the column ``CellID`` (spatialdata wants such a column as ``instance_key``);
- ``var`` has a row for each channel, and ``uns/single_cell_images`` the names, as in scPortrait;
  there is no ``X``;
- what the store says of itself is an attribute of the group, and text in ``uns/cellcutter``, since
  AnnData does not keep attributes.

Invariant: the group's own metadata is written last, when everything else is there.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cellcutter.store.container import Container
from cellcutter.store.layout import IMAGES, MASKS, CellsLayout
from cellcutter.store.shards import ShardWriter
from cellcutter.store.zarr3 import METADATA, Tree, sharded_metadata
from cellcutter.types import Column

T = TypeVar("T")
_ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}
_STRINGS = {"encoding-type": "string-array", "encoding-version": "0.2.0"}
_DICT = {"encoding-type": "dict", "encoding-version": "0.1.0"}
_UNS, _ABOUT = "uns/single_cell_images", "uns/cellcutter"
_NO_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what is in no name of a column
_GROUPS = ("layers", "obsm", "obsp", "uns", "varm", "varp")


class CellsStore:
    """Writes a store; a context manager, whose arrays may be written from several threads.

    Parameters
    ----------
    folder : Path
        Folder to be made. With `archive` files wait in it for their turn.
    layout : CellsLayout
        Of the images.
    masks : CellsLayout, optional
        Of the masks.
    compression : str
        A key of `CELL_CODECS`.
    axis : str
        Name of the first axis.
    archive : Path, optional
        Zip file to be made instead, not compressed, its members without a date.
    """

    def __init__(
        self,
        folder: Path,
        layout: CellsLayout,
        masks: CellsLayout | None,
        compression: str,
        axis: str,
        archive: Path | None = None,
    ) -> None:
        turns = [f"{IMAGES}/{layout.key(index)}" for index in range(layout.number)]
        shards = {*turns}
        if masks is not None:
            shards |= {f"{MASKS}/{masks.key(index)}" for index in range(masks.number)}
        self._files = Container(folder, archive, turns, shards)
        self._tree = Tree(self._files)
        for name in _GROUPS:
            self._tree.group(name, _DICT)
        self.images = self._sharded(IMAGES, layout, compression, (axis, "channel", "y", "x"))
        self.masks = None
        if masks is not None:
            self.masks = self._sharded(MASKS, masks, compression, (axis, "y", "x"))

    def __enter__(self) -> CellsStore:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the archive."""
        self._files.__exit__()

    @property
    def identity(self) -> str:
        """The store's identity, once it is finished."""
        return self._files.identity

    @property
    def nbytes(self) -> int:
        """Bytes of all shards."""
        return self.images.nbytes + (self.masks.nbytes if self.masks else 0)

    def write_frame(
        self, name: str, index: Iterable[object], columns: Iterable[tuple[str, Column]]
    ) -> None:
        """Write ``obs`` or ``var``.

        Parameters
        ----------
        name : str
        index : iterable
            The names of the rows.
        columns : iterable of (name, Column)
            Read one by one. A name that cannot be one in a store is changed.
        """
        self._texts(f"{name}/_index", index)
        used = []
        for column, content in named(columns):
            used.append(column)
            self._column(f"{name}/{column}", content)
        self._tree.group(
            name,
            {
                "column-order": used,
                "_index": "_index",
                "encoding-type": "dataframe",
                "encoding-version": "0.2.0",
            },
        )

    def describe(self, attributes: Mapping[str, Any], names: list[str]) -> None:
        """Write what the store says of itself, and the names of the channels."""
        self._describe(attributes, names)
        self._tree.finish({"encoding-type": "anndata", "encoding-version": "0.1.0", **attributes})

    def finish(self, attributes: Mapping[str, Any], names: list[str]) -> Path:
        """Write what the store says of itself, make sure that all is there, and return what is.

        Parameters
        ----------
        attributes : mapping
        names : list of str
            Of the channels.

        Raises
        ------
        DestinationError
            A file is missing or has another size than it was written with.
        """
        self.describe(attributes, names)
        arrays = [self.images, *filter(None, [self.masks])]
        return self._files.finish(key for array in arrays for key in array.names())

    def _sharded(
        self, path: str, layout: CellsLayout, compression: str, axes: tuple[str, ...]
    ) -> ShardWriter:
        writer = ShardWriter(self._files, path, layout, compression)
        self._tree.node(path, sharded_metadata(layout, compression, axes, _ARRAY))
        return writer

    def _describe(self, attributes: Mapping[str, Any], names: list[str]) -> None:
        """Write ``uns``."""
        n, channels, height, width = self.images.layout.stored_shape
        numbers = {
            "n_cells": n,
            "n_channels": channels,
            "n_masks": 0,  # among the channels
            "n_image_channels": channels,
            "image_size_x": width,
            "image_size_y": height,
        }
        path = _UNS
        self._tree.group(path, _DICT)
        scalar = {"encoding-type": "numeric-scalar", "encoding-version": "0.2.0"}
        for name, number in numbers.items():
            self._tree.array(f"{path}/{name}", np.array(number, np.int64), scalar)
        self._texts(f"{path}/channel_names", names)
        self._texts(f"{path}/channel_mapping", ["image_channel"] * channels)
        text = np.array(json.dumps(attributes["cellcutter"]), object)
        string = {"encoding-type": "string", "encoding-version": "0.2.0"}
        self._tree.array(_ABOUT, text, string)

    def _texts(self, path: str, texts: Iterable[object]) -> None:
        self._tree.array(path, np.array([str(text) for text in texts], object), _STRINGS)

    def _column(self, path: str, column: Column) -> None:
        values = column.values
        if column.categories is not None:
            kind = {"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False}
            self._tree.group(path, kind)
            self._texts(f"{path}/categories", column.categories)
            self._tree.array(f"{path}/codes", values, _ARRAY)
        elif column.missing is not None:
            kind = {
                "encoding-type": f"nullable-{'boolean' if values.dtype == bool else 'integer'}",
                "encoding-version": "0.1.0",
            }
            self._tree.group(path, kind)
            self._tree.array(f"{path}/values", values, _ARRAY)
            self._tree.array(f"{path}/mask", column.missing, _ARRAY)
        elif values.dtype.kind == "O":
            self._texts(path, values.tolist())
        else:
            self._tree.array(path, values, _ARRAY)


def added_by_others(path: Path) -> list[str]:
    """Return what lies in a store, a folder or a zip file, that this program does not write."""
    if path.is_dir():
        files = [file.relative_to(path).as_posix() for file in path.glob("*/*/zarr.json")]
        files += [file.relative_to(path).as_posix() for file in path.glob("*/zarr.json")]
    else:
        with zipfile.ZipFile(path) as archive:
            files = archive.namelist()
    nodes = {name.removesuffix(f"/{METADATA}") for name in files if name.endswith(f"/{METADATA}")}
    ours = {IMAGES, MASKS, "obs", "var", *_GROUPS, _UNS, _ABOUT}
    return sorted(
        node
        for node in nodes - ours
        if node.count("/") < 2 and not node.startswith(("obs/", "var/"))
    )


def named(columns: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Yield columns, or whatever has a name, with the names that they get in a store."""
    used: dict[str, None] = {}
    for name, column in columns:
        found = _free_name(name, used)
        used[found] = None
        yield found, column


def _free_name(name: str, used: Mapping[str, None]) -> str:
    """Return the name of a column as it can be one in a store, and is none yet.

    A slash would make a group of it, and a backslash too, as zarr-python reads it; names of dots,
    and those that begin with two low lines, are kept for other uses
    (https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#node-names). Lists of files
    have a line for each, so that no control character (a line feed, say) may be in a name. File
    systems take 255 bytes, a number behind the name among them.
    """
    plain = _NO_NAME.sub("|", name).encode()[:240].decode(errors="ignore")
    if not plain.strip(".") or plain.startswith("__") or plain in ("_index", "zarr.json"):
        plain = f"column {plain}"
    found, number = plain, 2
    while found in used:
        found, number = f"{plain}.{number}", number + 1
    return found
