"""What a run is, written down at its start, so that another run can go on where it ended.

Invariant: a run goes on only from what the same program has begun with the same inputs and options;
whatever differs is named.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from cellcutter.errors import DestinationError
from cellcutter.store.publishing.staging import JOURNAL, MARK, UNDO, Staging, read_json

RECORD = "record"
Record = Mapping[str, object]
_DIGESTS = ("image", "mask", "table of cells", "size of chunks")  # which say nothing to people


def write(folder: Path, record: Record) -> None:
    """Write down what a run is.

    Raises
    ------
    OSError
    """
    unfinished = folder / f"{RECORD}-unfinished"
    unfinished.write_text(json.dumps(record), encoding="utf-8")
    unfinished.rename(folder / RECORD)


def is_there(left: Staging) -> bool:
    """Tell whether an interrupted run can be gone on with: it was cutting when it ended."""
    files = {name: os.path.lexists(left.folder / name) for name in (RECORD, JOURNAL, UNDO)}
    return not left.is_trash and files == {RECORD: True, JOURNAL: False, UNDO: False}


def check(left: Staging, record: Record, destination: Path) -> None:
    """Make sure that a run is the same as an interrupted one.

    Raises
    ------
    DestinationError
        It differs, or what is written down cannot be read.
    """
    try:
        before = read_json(left.folder / RECORD)
    except (OSError, ValueError, TypeError) as error:
        raise DestinationError(
            f"{destination}: an interrupted run found of which {left.folder / RECORD} cannot be "
            "read, a run that can be resumed expected; without --resume all is cut anew"
        ) from error
    now = json.loads(json.dumps(record))
    different = [name for name in now | before if before.get(name) != now.get(name)]
    if different:
        told = ", ".join(_told(name, before.get(name), now.get(name)) for name in different[:3])
        raise DestinationError(
            f"{destination}: an interrupted run differs: {told}; the same inputs and options "
            "expected, to go on from it; without --resume all is cut anew"
        )


def tidy(left: Staging, keep: frozenset[str]) -> None:
    """Remove what an interrupted run has made beside the stores.

    Parameters
    ----------
    left : Staging
    keep : frozenset of str
        Names that stay, whatever comes behind a dot.

    Raises
    ------
    OSError
    """
    for path in left.folder.iterdir():
        if path.name in (MARK, RECORD) or path.name.partition(".")[0] in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _told(name: str, before: object, now: object) -> str:
    """Return how two runs differ in something, in few words."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in now | before if before.get(key) != now.get(key)]
        return ", ".join(_told(key, before.get(key), now.get(key)) for key in keys[:3])
    if name in _DIGESTS:
        if None not in (before, now):
            return f"another {name}"
        return f"{name} none then, one now" if before is None else f"{name} one then, none now"
    return f"{name} {json.dumps(before)} then, {json.dumps(now)} now"
