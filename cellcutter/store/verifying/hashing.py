"""Every file of a store read once, by a few threads, and its SHA-256 compared with the manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

from cellcutter.progress import Tally
from cellcutter.store.reading.threads import run
from cellcutter.store.verifying.contents import Contents
from cellcutter.store.verifying.faults import Verdict


def check_hashes(
    contents: Contents, digests: Mapping[str, bytes], verdict: Verdict, threads: int, tally: Tally
) -> None:
    """Name each file whose bytes are not those that the manifest tells, or cannot be read.

    Parameters
    ----------
    contents : Contents
    digests : mapping
        The SHA-256 of each file, by name; of a file that is not named, reading is all.
    verdict : Verdict
    threads : int
    tally : Tally
        Told of each byte.
    """
    problems: dict[str, str] = {}

    def check(name: str) -> None:
        found = hashlib.sha256()
        nbytes = 0
        try:
            for piece in contents.pieces(name):
                found.update(piece)
                nbytes += len(piece)
                tally.add(len(piece))
        except (OSError, ValueError) as error:
            problems[name] = f"cannot be read: {error}"
            return
        wanted = digests.get(name)
        if wanted is not None and found.digest() != wanted:
            problems[name] = "other bytes than those that the manifest names"
        elif nbytes != contents.sizes[name]:
            problems[name] = f"{nbytes} of {contents.sizes[name]} bytes read"

    # the largest first, so that no thread is left with one at the end
    names = sorted(contents.sizes, key=lambda name: (-contents.sizes[name], name))
    run([partial(check, name) for name in names], threads)
    for name, problem in sorted(problems.items()):
        verdict.add("hashes", name, problem)
