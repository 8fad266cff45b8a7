"""Names claimed for a run before it reads anything, and what interrupted runs have left for them.

Invariant: of the runs to one destination, one at a time makes anything for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cellcutter import stops, system
from cellcutter.errors import DestinationError
from cellcutter.store.folders import folders_above
from cellcutter.store.publishing import record
from cellcutter.store.publishing.guard import Inputs
from cellcutter.store.publishing.journal import Changed, Journal
from cellcutter.store.publishing.names import Names
from cellcutter.store.publishing.publish import Publication
from cellcutter.store.publishing.staging import (
    Staging,
    check_length,
    discard,
    leave,
    leftovers,
    lock_path,
    make,
)

log = logging.getLogger("cellcutter")


@contextmanager
def claimed(names: Names, inputs: Iterable[Path]) -> Iterator[Publication]:
    """Claim the names for one run: nobody else makes something for them in the meantime.

    What interrupted runs to the same destination have left is put right and removed first.

    Parameters
    ----------
    names : Names
    inputs : iterable of Path
        What the run reads.

    Raises
    ------
    DestinationError
        A name cannot be given, or another run has claimed it.
    """
    guard = Inputs(inputs)
    guard.check(names.destination)
    with folders_above(names.destination), _claimed(names, guard) as publication:
        yield publication


class Looked:
    """Names that were looked at and not claimed: nothing is made.

    Parameters
    ----------
    names : Names
    inputs : Inputs
    """

    def __init__(self, names: Names, inputs: Inputs) -> None:
        self.names = names
        self._inputs = inputs

    def protect(self, paths: Iterable[Path]) -> None:
        """Add inputs that were found after the start; see :meth:`Publication.protect`."""
        self._inputs.add(paths)
        self.names.check_places(self._inputs)


@contextmanager
def looked_at(names: Names, inputs: Iterable[Path]) -> Iterator[Looked]:
    """Make sure that a run could claim the names, and leave them as they are.

    Folders that are missing above the destination are there until the end, as in a run. Whether
    another run has claimed the names is not looked at.

    Parameters
    ----------
    names : Names
    inputs : iterable of Path
        What the run would read.

    Raises
    ------
    DestinationError
        A name cannot be given.
    """
    guard = Inputs(inputs)
    guard.check(names.destination)
    with folders_above(names.destination):
        _check_names(names, guard)
        names.check_free()
        yield Looked(names, guard)


@contextmanager
def _claimed(names: Names, guard: Inputs) -> Iterator[Publication]:
    _check_names(names, guard)
    lock = publication = None
    try:
        with stops.held():
            lock = _locked(names.destination, resume=names.resume)
            staging = make(names.destination, names.file)
            publication = Publication(names, staging, guard)
        if lock.held:
            for each in leftovers(names.destination, staging):
                if names.resume and publication.left is None and record.is_there(each):
                    publication.left = each
                else:
                    _put_right(each, names.destination)
        names.check_free()
        yield publication
    finally:
        try:
            _end(publication, lock)
        except BaseException:  # it came before it could be held back; there is no second one
            _end(publication, lock)
            raise


def _end(publication: Publication | None, lock: system.Lock | None) -> None:
    with stops.held():
        if publication:
            publication.end()
        if lock:
            lock.release()


def _check_names(names: Names, guard: Inputs) -> None:
    names.check_places(guard)
    for name in filter(None, (names.destination, names.file)):
        check_length(name)


def _locked(destination: Path, *, resume: bool) -> system.Lock:
    path = lock_path(destination)
    try:
        lock = system.Lock(path)
    except OSError as error:
        raise DestinationError(
            f"{destination}: {error.strerror}; a folder that you may write to expected"
        ) from error
    if lock.held is False:
        lock.release()
        raise DestinationError(
            f"{destination}: another run is writing to it ({path.name}), none expected"
        )
    if lock.held is None and resume:
        lock.release()
        raise DestinationError(
            f"{destination}: a disk without locks found, one with them expected: --resume cannot "
            "see whether the interrupted run is still at work; without it all is cut anew"
        )
    if lock.held is None:
        log.info(
            "%s: cannot be locked on this disk; files of runs that were killed are kept",
            destination,
        )
    return lock


def _put_right(left: Staging, destination: Path) -> None:
    """Bring a set of names forward or back that an interrupted run has left, and clean up."""
    with stops.held():
        try:
            journal = None if left.is_trash else Journal.found(left, destination)
            if journal and journal.is_forward:
                journal.bring_forward()
            elif journal:
                journal.undo()
                log.info("%s: put back what an interrupted run had moved", destination)
        except Changed as error:
            leave(left.folder, f"holds what had the name {error.name}, which something else has")
        except (OSError, ValueError, TypeError, KeyError) as error:
            leave(left.folder, f"cannot be put right ({error})")
        else:
            discard(left, destination)
