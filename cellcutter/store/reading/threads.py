"""A few threads for each process, which tasks are handed out to."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cellcutter.machine import available_cpus
from cellcutter.threads import Tasks, Threads

T = TypeVar("T")
MOST_THREADS = 16
"""That read at one time, where they wait for a network."""


class PerProcess(Generic[T]):
    """Something that is made anew in each process that asks for it.

    Parameters
    ----------
    make : callable
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return what this process has made."""
        process = os.getpid()
        found = self._made.get(process)
        if found is None:
            if self._made:  # of the process that this one was forked from
                self._made = {}
            found = self._made.setdefault(process, self._make())
        return found

    def drop(self) -> None:
        """Forget what was made."""
        self._made = {}


_threads = PerProcess(lambda: Threads("cellcutter-read", daemon=True))


def run(tasks: Sequence[Callable[[], None]], threads: int) -> None:
    """Do tasks with some threads, the calling one among them; raise the first error.

    Every task that has begun is done when this returns, so none touches memory afterwards.
    """
    if threads < 2 or len(tasks) < 2:
        for task in tasks:
            task()
        return
    left = iter(tasks)  # a list's iterator gives each item to one thread only

    def work() -> None:
        try:
            for task in left:
                task()
        except BaseException:
            deque(left, maxlen=0)  # no other begins
            raise

    known = _threads.get()
    others = min(threads, len(tasks)) - 1
    known.start(min(others, max(available_cpus(), MOST_THREADS)))
    parts = Tasks(known)
    try:
        for _ in range(others):
            parts.start(work)
        work()
        parts.drop()  # the threads may be busy for others, and nothing is left for them here
        parts.wait()
    except BaseException as error:
        parts.stop_and_wait(error)
        raise
