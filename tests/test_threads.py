"""Threads end with what needs them, also if a stop comes while they are started or waited for."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cellcutter import stops
from cellcutter.threads import pool

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def alive() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("of-the-test")]


def test_stop_while_threads_are_started(monkeypatch):
    start = threading.Thread.start

    def hit(thread: threading.Thread) -> None:
        start(thread)
        os.kill(os.getpid(), signal.SIGTERM)  # before the pool has noted the thread

    monkeypatch.setattr(threading.Thread, "start", hit)
    done = []
    with pytest.raises(stops.Stopped), stops.raised(), pool(2, "of-the-test") as threads:
        threads.submit(done.append, 1)
    assert alive() == done == []


def test_stop_while_threads_are_waited_for(monkeypatch):
    waited, heard, done = threading.Event(), threading.Event(), []
    shutdown = ThreadPoolExecutor.shutdown

    def watched(self, wait=True, *, cancel_futures=False):
        waited.set()
        shutdown(self, wait, cancel_futures=cancel_futures)

    class Held(stops.Held):
        def _note(self, number, frame):
            super()._note(number, frame)
            heard.set()

    def task() -> None:
        waited.wait()
        while not heard.wait(0.05):  # one that comes just before the wait begins is not heard
            os.kill(os.getpid(), signal.SIGTERM)
        done.append(1)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", watched)
    monkeypatch.setattr(stops, "Held", Held)
    with pytest.raises(stops.Stopped), stops.raised(), pool(1, "of-the-test") as threads:
        threads.submit(task)
        while threads._work_queue.qsize():  # what has not begun is cancelled
            pass
    assert (alive(), done) == ([], [1])


def test_all_threads_run_at_the_start():
    with pool(3, "of-the-test"):
        assert len(alive()) == 3
    assert alive() == []
