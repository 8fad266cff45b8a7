"""Work in parts, by a few threads, within the memory allowed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cellcutter.errors import SettingsError
from cellcutter.limits import MB, Limits
from cellcutter.store.reading.slide import Slide

WRITTEN = """Written
    What was written: names, shape, size, and how long it took."""


@dataclass(frozen=True)
class Written:
    """What was written of a store.

    Parameters
    ----------
    destination : Path
        The file, folder or store.
    masks : Path or None
        The store of the masks, where they have one of their own.
    shape : tuple of int
        Of the images, as they are stored.
    nbytes : int
        Bytes on disk.
    seconds : float
        How long it took.
    identity : str or None
        Of a store: ``sha256:`` and the SHA-256 of its manifest, which names all its files.
    """

    destination: Path
    masks: Path | None
    shape: tuple[int, ...]
    nbytes: int
    seconds: float
    identity: str | None = None


def read_nbytes(slide: Slide) -> int:
    """Return the memory that a thread needs to read a store, beside what it reads into.

    A chunk of the images and one of the masks: both stay decoded until the next is wanted.
    """
    found = 0
    for part in filter(None, (slide.images, slide.masks)):
        array = part.array
        decoded = 0 if array.sharded or array.codec is None else array.per_file
        found += array.cell_nbytes * (decoded + 1)
    return found


def fit(limits: Limits, fixed: int, per_thread: int, what: str) -> int:
    """Return how many threads the memory allows.

    Parameters
    ----------
    limits : Limits
    fixed, per_thread : int
        Bytes that are needed anyway, and by each thread.
    what : str
        For the message.

    Raises
    ------
    SettingsError
        There is not enough memory for one.
    """
    threads = min(limits.threads, (limits.memory - fixed) // per_thread)
    if threads > 0:
        return threads
    found, expected = limits.memory // MB, -(-(fixed + per_thread) // MB)
    if limits.asked:
        raise SettingsError(
            f"--cache-size: {found} MB found, at least {expected} MB expected for {what}"
        )
    raise SettingsError(
        f"{what} found, which need {expected} MB of memory; {found} MB are free for pixels: "
        f"--cache-size {expected} expected, or a machine with more memory"
    )
