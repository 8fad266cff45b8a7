"""Progress for people: a bar on a terminal, plain lines at intervals in a log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # numpy comes with it, which --help does without
    from cellcutter.types import Progress

INTERVAL = 5.0  # seconds between two lines in a log
log = logging.getLogger("cellcutter")


class ProgressReport:
    """Shows how far a command has come; may be called from any thread.

    Nothing is shown of what takes less than two seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._what = ""
        self._bar: Any = None
        self._next = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of a piece of work are done."""
        with self._lock:
            if what != self._what:
                self._close()
                self._what = what
                self._next = time.monotonic() + 2.0
            if sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty():
                self._on_terminal(what, done, total)
            elif time.monotonic() >= self._next:
                self._next = time.monotonic() + INTERVAL
                log.info("%s: %d %%", what, 100 * done // total)

    def _on_terminal(self, what: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=total,
                desc=what,
                delay=2.0,
                leave=False,
                bar_format="{l_bar}{bar}| {remaining}",
            )
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def close(self) -> None:
        """Take the bar off the terminal."""
        with self._lock:
            self._close()

    def make_way(self, _record: logging.LogRecord) -> bool:
        """Clear the bar's line, so that a line of the log does not run into it."""
        if self._bar is not None:
            self._bar.clear()
        return True


class Tally:
    """Tells how many parts are done, from any thread.

    Parameters
    ----------
    progress : callable
    what : str
    total : int
    """

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress = progress
        self._what = what
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        """Count parts that are done."""
        with self._lock:
            self._done += number
            self._progress(self._what, self._done, self._total)
