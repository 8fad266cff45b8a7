"""Stops wherever a signal can come between two steps of the main thread's code.

Python's handlers run at some instructions alone: where a function begins, at a jump back, and
after a call of what is not written in Python. A stop is made at each such place, in our own code
and in that of every library, at one of the times that the program comes by.
"""

from __future__ import annotations

import dis
import faulthandler
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.faults.counts import Counts
from tests.faults.injection import before_exit
from tests.faults.scene import MODES, Scene

Place = tuple[str, str, int]
"""File, function, and where in its code."""
MODE = "all replaced"
THREADS = ("threading.py", "threads.py", "walk.py", "logging", "frozen importlib")
_HANGS = 30  # seconds
_LEAST = 1000  # places
_BEFORE = {dis.opmap[name] for name in ("CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD")}


class Steps:
    """Sees where signals can come; for a process that ends after its run.

    Parameters
    ----------
    meet : callable (place, frame)
        Called in the main thread at each; what it raises comes out of the program's code there.
    """

    def __init__(self, meet: Callable[[Place, FrameType], None]) -> None:
        self._meet = meet
        self._last: tuple[FrameType | None, int] = (None, -1)

    def install(self) -> None:
        sys.settrace(self._see)

    def _see(self, frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        code = frame.f_code
        if event != "opcode":
            self._last = (None, -1)
            if event == "call":  # at its RESUME, which has no event of its own
                self._meet((code.co_filename, code.co_name, frame.f_lasti), frame)
            return self._see
        before, done = self._last
        self._last = (frame, code.co_code[frame.f_lasti])
        if before is frame and done in _BEFORE:
            self._meet((code.co_filename, code.co_name, frame.f_lasti), frame)
        return self._see


def places(scene: Scene) -> dict[Place, int]:
    """Return all places of a run that nothing disturbs, and how often it comes by."""
    found: Counter[Place] = Counter()
    file = scene.folder / "places"

    def begin() -> None:
        def tell() -> None:
            sys.settrace(None)
            file.write_text(json.dumps([[*place, number] for place, number in found.items()]))

        before_exit(tell)
        Steps(lambda place, _: found.update([place])).install()

    scene.set(MODE)
    if status := scene.run(*MODES[MODE].flags, begin=begin):
        raise RuntimeError(f"exit status {status} of a run that nothing disturbs")
    told = json.loads(file.read_text())
    if len(told) < _LEAST:
        raise RuntimeError(f"{len(told)} places found, at least {_LEAST} expected")
    return {(name, function, at): times for name, function, at, times in told}


def stop(scene: Scene, counts: Counts, every: int, rng: random.Random) -> None:
    """Stop runs at each `every`-th place, and at eight times as many in code that threads need."""
    for number, (place, times) in enumerate(places(scene).items()):
        threads = any(name in place[0] for name in THREADS)
        if number % (-(-every // 8) if threads else every):
            continue
        time = rng.randint(1, times)
        problem = stopped(scene, place, time)
        what = "SIGTERM between two steps" + (" of threads" if threads else "")
        name = "/".join(Path(place[0]).parts[-2:])
        counts.count(what, problem, f"{name}: {place[1]} {place[2]}, time {time} of {times}")


def stopped(scene: Scene, place: Place, time: int) -> str:
    """Return what is wrong after a run that is stopped at a place, at one of its times."""
    left = time

    def meet(here: Place, frame: FrameType) -> None:
        nonlocal left
        left -= here == place
        if here == place and not left:
            sys.settrace(None)
            handler = signal.getsignal(signal.SIGTERM)
            if callable(handler):
                handler(signal.SIGTERM, frame)  # raises here, and sees the frame it comes to
            else:
                os.kill(os.getpid(), signal.SIGTERM)

    def begin() -> None:
        faulthandler.dump_traceback_later(_HANGS, exit=True)
        Steps(meet).install()

    scene.set(MODE)
    status = scene.run(*MODES[MODE].flags, begin=begin)
    kinds = set(scene.found(MODE).values()) - {"same"}
    told = f"{kinds}, {scene.leftovers()}, exit status {status}: {scene.log}"
    if status not in (0, 143, -signal.SIGTERM) or "Traceback" in scene.log:
        return told
    if kinds != ({"new"} if status == 0 else {"old"}) and status != -signal.SIGTERM:
        return told
    if status == 143 and "stopped; nothing was written" not in scene.log:
        return told
    return told if len(kinds) != 1 or scene.leftovers() else ""
