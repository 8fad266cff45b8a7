"""Results appear whole or not at all, all of them or none: the face of publication.

A run claims its names before it reads anything, makes its results in a hidden folder beside the
destination, and gives them their names at the end. Invariant: whatever ends the run, each name has
what it had or what was made, and a set of names is all old or all new, or the next run to the
destination puts it right.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from cellcutter import stops, system
from cellcutter.errors import DestinationError, PublicationError
from cellcutter.store.publishing import record
from cellcutter.store.publishing.guard import Inputs
from cellcutter.store.publishing.journal import Changed, Item, Journal
from cellcutter.store.publishing.names import Names, write_stream
from cellcutter.store.publishing.staging import (
    Staging,
    discard,
)

log = logging.getLogger("cellcutter")


class Publication:
    """The names that a run has claimed, and the folder in which it makes what gets them.

    Parameters
    ----------
    names : Names
    staging : Staging
    inputs : Inputs
    """

    def __init__(self, names: Names, staging: Staging, inputs: Inputs) -> None:
        self.left: Staging | None = None  # by an interrupted run, to go on from
        self.names = names
        self._staging = staging
        self._inputs = inputs
        self._keep = False
        self._unknown = False  # how much is whole of what an interrupted run has left

    @property
    def folder(self) -> Path:
        """The folder for all that is made, on the destination's file system."""
        return self._staging.folder

    @property
    def metadata(self) -> Path:
        """Where the file of windows is made."""
        return self._staging.beside(self.names.file or self.names.destination) / "metadata"

    def protect(self, paths: Iterable[Path]) -> None:
        """Add inputs that were found after the start, and look whether the names spare them.

        Raises
        ------
        DestinationError
        """
        self._inputs.add(paths)
        self.names.check_places(self._inputs)

    def begin(self, what: record.Record, kept: Iterable[str]) -> None:
        """Write down what the run is; or go on in the folder of an interrupted one like it.

        Parameters
        ----------
        what : mapping
            What makes the run, fit for JSON.
        kept : iterable of str
            Of what lies in the folder, that which another run can go on from.

        Raises
        ------
        DestinationError
            The interrupted run was another one.
        OSError
        """
        if self.left is None:
            record.write(self.folder, what)
            return
        record.check(self.left, what, self.names.destination)
        with stops.held():
            discard(self._staging, self.names.destination)
            self._staging, self.left = self.left, None
            self._unknown = True
        record.tidy(self._staging, frozenset(kept))

    def leave(self, *, whole: bool) -> None:
        """Leave what is made so far for a run that goes on from it, if anything of it is whole."""
        self._unknown = False
        self._keep |= whole

    def publish(self, made: Path, masks: Path | None = None) -> None:
        """Give the results their names: all of them, or none.

        Parameters
        ----------
        made : Path
            What gets the destination's name.
        masks : Path, optional
            What gets the masks' name.

        Raises
        ------
        DestinationError
            Something that must not be replaced has got a name in the meantime.
        OSError
        """
        self._sync(made, masks)
        self._check()
        if self.names.metadata and not self.names.file:
            write_stream(self.names.metadata, self.metadata)
        with stops.held() as signals:
            signals.check()
            # looked at before it is checked: what comes later has another inode
            journal = Journal(self._staging, self._items(made, masks))
            self._check()
            journal.write()
            self._settle(journal)
            signals.done()

    def end(self) -> None:
        """Remove the folders of the run, and what was replaced."""
        if not (self._keep or self._unknown):
            discard(self._staging, self.names.destination)

    def _check(self) -> None:
        self.names.check_places(self._inputs)
        self.names.check_free()

    def _sync(self, made: Path, masks: Path | None) -> None:
        if self.names.metadata:
            system.sync_file(self.metadata)
        for each in filter(None, (masks, made)):
            (system.sync_tree if each.is_dir() else system.sync_file)(each)
        if self._staging.other:
            system.sync_folder(self._staging.other)

    def _items(self, made: Path, masks: Path | None) -> list[Item]:
        names = self.names
        wanted: list[tuple[Path, Path | None]] = []
        if names.file:
            wanted.append((names.file, self.metadata))
        if masks:
            wanted.append((names.masks, masks))
        elif names.form.has_masks and os.path.lexists(names.masks):
            # those of another store, as checks make sure
            wanted.append((names.masks, None))
        wanted.append((names.destination, made))
        return [Item.of(*pair, self._staging, n) for n, pair in enumerate(wanted)]

    def _settle(self, journal: Journal) -> None:
        """Give the names, or take all of them back."""
        self._unknown = False
        try:
            journal.do()
        except BaseException as error:
            self._keep = True
            try:
                journal.undo()
            except (Changed, OSError) as failure:
                raise PublicationError(
                    f"{self.names.destination}: {failure} found while names were given, and again "
                    f"while they were taken back; what had them lies in {self.folder}, and the "
                    "next run to the same destination puts it back"
                ) from error
            self._keep = False
            if isinstance(error, Changed):
                raise DestinationError(
                    f"{error.name}: another program made or changed it during the run; it is "
                    "kept, and nothing was written"
                ) from error
            raise
        try:
            journal.sync()
        except OSError as error:  # the next run to the name removes what is left
            self._keep = True
            log.warning("%s: %s", self.names.destination, error.strerror)
