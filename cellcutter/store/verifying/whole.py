"""A store checked by what it says of itself: names and sizes, hashes, and with `deep` every piece.

Invariant: what a check cannot do it says in a note, and nothing that it does not look at is called
whole.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellcutter.errors import StoreError, reading
from cellcutter.progress import Tally
from cellcutter.store import manifest
from cellcutter.store.manifest import Manifest
from cellcutter.store.publishing.names import mask_name
from cellcutter.store.reading.places import open_files
from cellcutter.store.reading.stored import Root, Stored, read_root, stored
from cellcutter.store.verifying import structure
from cellcutter.store.verifying.contents import Contents, contents_of
from cellcutter.store.verifying.faults import Verdict
from cellcutter.store.verifying.hashing import check_hashes
from cellcutter.types import Progress

_ROOTS = (".zarray", "zarr.json")
_MARKS = (*_ROOTS, manifest.NAME)  # one of them lies in a store: no others are listed
_SIGNATURE = b"PK\3\4"


class _Store:
    """A store that is checked.

    Parameters
    ----------
    path : Path
    verdict : Verdict
        Gets what is wrong.

    Raises
    ------
    StoreError
        There is no store.
    """

    def __init__(self, path: Path, verdict: Verdict) -> None:
        self.path = path
        self.verdict = verdict
        self.root: Root | None = None
        self.stored: Stored | None = None
        self.manifest: Manifest | None = None
        self._contents = self._listed()
        if self._contents is None:
            return
        verdict.files += len(self._contents.sizes)
        verdict.nbytes += sum(self._contents.sizes.values())
        self.files = open_files(path)
        self._open(self._contents)

    @property
    def _nbytes(self) -> int:
        return 0 if self._contents is None else sum(self._contents.sizes.values())

    def check(self, threads: int, progress: Progress, *, deep: bool) -> None:
        """Check names, sizes and hashes, and with `deep` every piece."""
        contents, verdict = self._contents, self.verdict
        if contents is None:
            return
        for name, problem in contents.faults:
            verdict.add("names", name, problem)
        if self.manifest is None:
            if self.root is not None and self.root.about.get("manifest"):
                verdict.add("names", manifest.NAME, "missing")
            verdict.notes.append(f"{self.path}: no {manifest.NAME}: hashes were not compared")
        self._check_names(contents)
        if self.manifest is not None or not self.path.is_dir():  # a zip file has checksums anyway
            digests = {} if self.manifest is None else self.manifest.digests
            tally = Tally(progress, "reading the store", max(1, self._nbytes))
            check_hashes(contents, digests, verdict, threads, tally)
        if deep and self.stored is not None and self.root is not None:
            self._check_deep(self.root, self.stored, threads, progress)

    def _listed(self) -> Contents | None:
        """Return the files; None where the store is a zip file that was cut off."""
        path = self.path
        with reading(path, "a store", StoreError):
            path.stat()
            if path.is_dir() and not any(os.path.lexists(path / name) for name in _MARKS):
                raise StoreError(f"{path}: neither .zarray nor zarr.json found, a store expected")
            try:
                return contents_of(path)
            except zipfile.BadZipFile as error:
                with path.open("rb") as file:
                    if file.read(len(_SIGNATURE)) != _SIGNATURE:
                        raise StoreError(f"{path}: no store found, one expected") from error
                self.verdict.add("names", "", f"{error}; a zip file that is whole expected")
                return None

    def _open(self, contents: Contents) -> None:
        """Read the manifest and the metadata at the root."""
        path, verdict = self.path, self.verdict
        if manifest.NAME in contents.sizes:
            try:
                content = b"".join(contents.pieces(manifest.NAME))
            except (OSError, ValueError) as error:
                verdict.add("names", manifest.NAME, f"cannot be read: {error}")
                content = b""
            self.manifest = manifest.read(content)
            verdict.identity = manifest.identity(content)
            for fault in self.manifest.faults:
                verdict.add("names", manifest.NAME, fault)
        file = next((name for name in _ROOTS if name in contents.sizes), None)
        if file is None and self.manifest is None:
            raise StoreError(f"{path}: neither .zarray nor zarr.json found, a store expected")
        try:
            self.root = read_root(self.files)
        except StoreError as error:
            verdict.add("names", file or "", str(error))
            return
        if self.root is None:
            verdict.add("names", "", "neither .zarray nor zarr.json found, one expected")
            return
        try:
            self.stored = stored(self.root, self.files)
        except StoreError as error:
            if self.manifest is None and not self.root.about:
                raise
            verdict.add("names", "", str(error))

    def _check_names(self, contents: Contents) -> None:
        verdict, root = self.verdict, self.root
        if root is None:
            return
        nodes = structure.nodes_of(root)
        told = None if self.manifest is None else {*self.manifest.digests, manifest.NAME}
        names = {root.file}
        if self.stored is not None:
            try:
                names |= set(structure.expected(root, self.stored, nodes, len(contents.sizes)))
            except StoreError as error:
                verdict.add("names", root.file, str(error))
                self.stored = None  # what it tells cannot be
                return
            if told is not None and root.file == ".zarray":
                names.add(".zattrs")
            structure.check_sizes(contents, self.stored, verdict)
            file = ".zattrs" if root.file == ".zarray" else root.file
            structure.check_about(self.stored, verdict, file)
        structure.check_names(contents, names, told, root, verdict)
        structure.check_nodes(self.files, nodes, verdict)

    def _check_deep(self, root: Root, found: Stored, threads: int, progress: Progress) -> None:
        from cellcutter.store.verifying.pieces import check_pieces
        from cellcutter.store.verifying.table import check_columns, check_table

        tally = Tally(progress, "decoding the store", max(1, self._nbytes))
        for array in structure.arrays_of(found):
            check_pieces(self.files, array, self.verdict, threads, tally)
        if len(found.images.shape) == 3:
            check_table(self.path, self.verdict)
        if root.file != ".zarray":
            check_columns(self.files, structure.nodes_of(root), found.about, self.verdict)


def check_store(
    path: Path, verdict: Verdict, threads: int, progress: Progress, *, deep: bool
) -> None:
    """Check a store, and the store of its masks that lies beside it.

    Parameters
    ----------
    path : Path
    verdict : Verdict
        Gets what is wrong, and what could not be checked.
    threads : int
    progress : callable
    deep : bool
        Whether every piece is decoded.

    Raises
    ------
    StoreError
        There is no store.
    """
    store = _Store(path, verdict)
    store.check(threads, progress, deep=deep)
    beside = path.with_name(mask_name(path.name))
    found = store.stored
    if found is None or found.images.sharded or len(found.images.shape) != 3:
        return
    options = found.about.get("options")
    wanted = isinstance(options, dict) and any(options.get(n) for n in ("mask_cells", "masks"))
    if not beside.exists():
        if wanted:
            verdict.notes.append(f"{beside}: not there; the masks of the cells were not checked")
        return
    if not wanted and found.about:
        return  # of another store
    _check_masks(beside, found, verdict, threads, progress, deep=deep)


def _check_masks(
    beside: Path,
    images: Stored,
    verdict: Verdict,
    threads: int,
    progress: Progress,
    *,
    deep: bool,
) -> None:
    own = Verdict(str(beside))
    try:
        masks = _Store(beside, own)
        masks.check(threads, progress, deep=deep)
    except StoreError as error:
        own.add("names", "", str(error))
    else:
        if masks.stored is not None:
            _compare(images, masks.stored, own)
    verdict.faults += own.faults
    verdict.notes += own.notes
    verdict.files += own.files
    verdict.nbytes += own.nbytes


def _compare(images: Stored, masks: Stored, verdict: Verdict) -> None:
    """Make sure that masks are those of the cells of a store."""
    found, wanted = masks.images, images.images
    if (found.cells, found.shape) != (wanted.cells, wanted.shape[1:]) or found.dtype.kind != "b":
        verdict.add(
            "names",
            "",
            f"{found.cells} masks of {found.shape}, {found.dtype} found, {wanted.cells} of "
            f"{wanted.shape[1:]}, bool expected",
        )
    if _digest(masks.about) != _digest(images.about):
        verdict.add("names", "", "masks of other cells than those of the store found")


def _digest(about: Mapping[str, Any]) -> object:
    table = about.get("table")
    return table.get("cell_ids_sha256") if isinstance(table, dict) else None
