"""Threads for work in parts, which a stop at any moment leaves in order.

Those of the standard library are not made for that: where an exception of a signal's handler comes
between two steps of a wait for a condition, that lock stays locked, or is unlocked twice (bpo-45274
is another such place). What is used here instead is locked, put and got in one step each.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from cellcutter.stops import held

T = TypeVar("T")
Task = Callable[[], None]


class _NoMore:
    """Stands for an item where there is none."""


_NO_MORE = _NoMore()


class Threads:
    """Threads that do what they are given, in that order; what it is must not fail.

    Parameters
    ----------
    name : str
        What the threads' names begin with.
    daemon : bool
        The program does not wait for them at its end.
    """

    def __init__(self, name: str, *, daemon: bool = False) -> None:
        self._name = name
        self._daemon = daemon
        self._given: SimpleQueue[Task | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self._threads)

    def start(self, number: int) -> None:
        """Have at least so many threads, all of which run when this returns."""
        if len(self._threads) >= number:
            return
        with held(), self._starting:
            for each in range(len(self._threads), number):
                name = f"{self._name}_{each}"
                thread = threading.Thread(target=self._run, name=name, daemon=self._daemon)
                thread.start()
                self._threads.append(thread)

    def give(self, task: Task) -> None:
        """Have a thread do something."""
        self._given.put(task)

    def end(self) -> None:
        """Return when all that was given is done and the threads have ended."""
        with held():
            self._end()

    def _end(self) -> None:
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        for task in iter(self._given.get, None):
            task()


class Tasks:
    """Tasks for threads, which belong together: when one fails, no other begins.

    Parameters
    ----------
    threads : Threads
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._waiting: deque[Task] = deque()
        self._running = 0
        self._failure: BaseException | None = None
        self._ended: SimpleQueue[None] = SimpleQueue()

    @property
    def left(self) -> int:
        """How many are not done yet."""
        with self._lock:
            return len(self._waiting) + self._running

    def start(self, task: Task) -> None:
        """Have a thread do a task."""
        with self._lock:
            if self._failure is not None:
                return
            self._waiting.append(task)
        self._threads.give(self._next)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait for something that is so when some task has ended.

        Raises
        ------
        BaseException
            The first that a task has failed with.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if ready():
                return
            self._ended.get()

    def wait(self) -> None:
        """Wait for all tasks.

        Raises
        ------
        BaseException
            The first that a task has failed with.
        """
        self.wait_until(lambda: not self.left)

    def each(self, work: Callable[[T], None], items: Iterable[T]) -> None:
        """Do something for each item, in no order that is known.

        Raises
        ------
        BaseException
            The first that it has failed with.
        """
        left = iter(items)
        taking = threading.Lock()

        def some() -> None:
            while self._failure is None:
                with taking:
                    item = next(left, _NO_MORE)
                if isinstance(item, _NoMore):
                    return
                work(item)

        for _ in range(self._threads.number):
            self.start(some)
        self.wait()

    def drop(self) -> None:
        """Forget the tasks that have not begun."""
        with self._lock:
            self._waiting.clear()

    def stop(self, error: BaseException) -> None:
        """Begin no task any more, as if one had failed."""
        with self._lock:
            self._failure = self._failure or error
            self._waiting.clear()
        self._ended.put(None)

    def stop_and_wait(self, error: BaseException) -> None:
        """Begin no task any more; return when those that have begun are done."""
        self.stop(error)
        with held():
            while self.left:
                self._ended.get()

    def _next(self) -> None:
        with self._lock:
            if not self._waiting:
                return
            task = self._waiting.popleft()
            self._running += 1
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.stop(error)
        with self._lock:
            self._running -= 1
        self._ended.put(None)


@contextmanager
def pool(number: int, name: str) -> Iterator[Tasks]:
    """Give some threads tasks; at the end all are done, or one has failed.

    Where it ends with an error no task begins any more, and those that have begun are done.

    Parameters
    ----------
    number : int
    name : str
        What the threads' names begin with.

    Raises
    ------
    BaseException
        The first that a task has failed with.
    """
    threads = Threads(name)
    tasks = Tasks(threads)
    try:
        threads.start(number)
        yield tasks
        tasks.wait()
    except BaseException as error:
        tasks.stop(error)
        raise
    finally:
        try:
            threads.end()
        except BaseException:  # it came before it could be held back; there is no second one
            threads.end()
            raise
