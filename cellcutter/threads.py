"""Threads that have ended when what needs them has, also where a stop comes at an odd moment.

A pool loses a thread where an exception comes while it is started, and leaves all of them where one
comes while they are waited for. A thread that goes on by itself could write into a folder that is
removed meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from cellcutter.stops import held


@contextmanager
def pool(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Give some threads, all of which run already.

    At the end what has begun is waited for, and what has not is cancelled.

    Parameters
    ----------
    number : int
    name : str
        What the threads' names begin with.
    """
    made = ThreadPoolExecutor(number, name)
    try:
        with held():
            all_there = threading.Barrier(number)
            for _ in range(number):
                made.submit(all_there.wait)
        yield made
    finally:
        # a wait for a thread that is interrupted takes the thread for ended (bpo-45274)
        try:
            with held():
                made.shutdown(cancel_futures=True)
        except BaseException:  # it came before it could be held back; there is no second one
            made.shutdown(cancel_futures=True)
            raise
