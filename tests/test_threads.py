"""Threads end with what needs them, also if a stop comes while they are started or waited for."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from cellcutter import stops
from cellcutter.store.reading import threads as reading
from cellcutter.threads import Threads, pool

MANY = 10**7  # tasks, for which even one that does nothing takes a second
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def alive() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("of-the-test")]


@POSIX
def test_stop_while_threads_are_started(monkeypatch):
    start = threading.Thread.start

    def hit(thread: threading.Thread) -> None:
        start(thread)
        os.kill(os.getpid(), signal.SIGTERM)  # before the pool has noted the thread

    monkeypatch.setattr(threading.Thread, "start", hit)
    done = []
    with pytest.raises(stops.Stopped), stops.raised(), pool(2, "of-the-test") as tasks:
        tasks.start(lambda: done.append(1))
    assert alive() == done == []


@POSIX
def test_stop_while_tasks_are_waited_for():
    """What runs is waited for, what waits does not begin."""
    go, done = threading.Event(), []

    def first() -> None:
        while not go.wait(0.05):  # one that comes just before the wait begins is not heard
            os.kill(os.getpid(), signal.SIGTERM)
        done.append(1)

    def end(threads: Threads) -> None:
        go.set()
        ended(threads)

    ended = Threads.end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Threads, "end", end)
        with pytest.raises(stops.Stopped), stops.raised(), pool(1, "of-the-test") as tasks:
            tasks.start(first)
            tasks.start(lambda: done.append(2))
            tasks.wait()
    assert (alive(), done) == ([], [1])


@POSIX
def test_stop_while_threads_end(monkeypatch):
    heard, done = threading.Event(), []
    end = Threads._end

    class Held(stops.Held):
        def _note(self, number, frame):
            super()._note(number, frame)
            heard.set()

    def task() -> None:
        assert ending.wait(60)
        while not heard.wait(0.05):
            os.kill(os.getpid(), signal.SIGTERM)
        done.append(1)

    def watched(threads: Threads) -> None:
        ending.set()
        end(threads)

    ending = threading.Event()
    monkeypatch.setattr(Threads, "_end", watched)
    monkeypatch.setattr(stops, "Held", Held)
    running = threading.Event()
    with pytest.raises(stops.Stopped), stops.raised(), pool(1, "of-the-test") as tasks:
        tasks.start(lambda: (running.set(), task()))
        assert running.wait(60)
        raise ZeroDivisionError
    assert (alive(), done) == ([], [1])


@POSIX
def test_stop_just_before_threads_end(monkeypatch):
    end = Threads.end

    def hit(_: Threads) -> None:
        monkeypatch.setattr(Threads, "end", end)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Threads, "end", hit)
    with pytest.raises(stops.Stopped), stops.raised(), pool(2, "of-the-test"):
        pass
    assert alive() == []


def test_all_threads_run_at_the_start():
    with pool(3, "of-the-test"):
        assert len(alive()) == 3
    assert alive() == []


def test_a_failure_ends_it():
    done = []

    def work(number: int) -> None:
        if number == 5:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="5"), pool(1, "of-the-test") as tasks:
        tasks.each(work, range(10**9))
    assert (alive(), done) == ([], [0, 1, 2, 3, 4])


def test_the_end_waits_for_all():
    done = []
    with pool(2, "of-the-test") as tasks:
        for number in range(100):
            tasks.start(lambda number=number: done.append(number))
    assert sorted(done) == [*range(100)]


def test_reading_ends_with_the_first_error():
    """Whoever has failed, all that has begun is done, and what has not never begins."""
    running, begun = threading.Semaphore(0), []

    def fail() -> None:
        assert running.acquire(timeout=60)
        raise ValueError("as it should")

    def slow() -> None:
        running.release()
        begun.append(1)

    with pytest.raises(ValueError, match="as it should"):
        reading.run([slow, fail, *[lambda: begun.append(2)] * MANY], 2)
    before = len(begun)
    assert before < MANY
    reading.run([lambda: None] * 10, 2)  # its threads go on
    assert len(begun) == before


def test_a_loop_of_the_caller_is_interrupted_between_two_tasks():
    done = []

    def interrupted() -> None:
        done.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reading.run([interrupted, *[lambda: done.append(1)] * MANY], 2)
    assert len(done) < MANY


def test_who_has_nothing_left_does_not_wait_for_threads_that_others_keep_busy():
    go, begun = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        assert go.wait(60)

    known = reading._threads.get()
    known.start(1)
    for _ in range(known.number):
        known.give(busy)
    try:
        assert begun.wait(60)
        done = []
        reader = threading.Thread(
            target=reading.run, args=([lambda: done.append(1)] * 10, 2), daemon=True
        )
        reader.start()
        reader.join(10)
        assert (reader.is_alive(), len(done)) == (False, 10)
    finally:
        go.set()
