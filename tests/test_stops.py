"""A stop comes where it can do no harm, and is not lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cellcutter import stops

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def wait() -> None:
    """Give a stop the time to come."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.001)
    raise AssertionError("nothing came in a minute")


def test_one_that_a_finalizer_loses_comes_once_more(capsys):
    class Finalized:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    hook = sys.unraisablehook
    with pytest.raises(stops.Stopped) as stopped, stops.raised():
        found = Finalized()
        del found  # Python drops what is raised there
        wait()
    assert stopped.value.number == signal.SIGTERM
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


def test_another_fault_of_a_finalizer_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Finalized:
        def __del__(self) -> None:
            raise ValueError

    with stops.raised():
        found = Finalized()
        del found
    assert len(told) == 1


def test_none_comes_while_python_holds_the_locks_of_its_imports():
    passed = []
    code = "os.kill(os.getpid(), signal.SIGTERM); passed.append(1)"
    holding = compile(code, "<frozen importlib._bootstrap>", "exec")
    with pytest.raises(stops.Stopped), stops.raised():
        exec(holding, {"os": os, "signal": signal, "passed": passed})
        wait()
    assert passed == [1]


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_one_that_other_code_turns_into_another_error_is_a_stop_all_the_same():
    with pytest.raises(stops.Stopped) as stopped, stops.raised():
        try:
            stop()
        finally:
            threading.Lock().release()  # as a condition does whose wait was torn apart
    assert stopped.value.number == signal.SIGTERM
    assert isinstance(stopped.value.__cause__, RuntimeError)


def test_one_that_other_code_loses_is_raised_at_the_end():
    passed = []
    with pytest.raises(stops.Stopped) as stopped, stops.raised():
        with contextlib.suppress(BaseException):
            stop()
        passed.append(1)
    assert stopped.value.number == signal.SIGTERM
    assert passed == [1]


def test_nothing_is_said_of_what_a_stop_tears_apart(capsys):
    class Torn:
        def __init__(self) -> None:
            stop()
            self.whole = True

        def __del__(self) -> None:
            finalized.append(self)
            assert self.whole

    async def never_awaited() -> None:
        pass

    def act() -> None:
        task = never_awaited()
        Torn()
        task.close()

    finalized: list[Torn] = []
    with pytest.raises(stops.Stopped), stops.raised():
        act()
    assert len(finalized) == 1
    assert capsys.readouterr().err == ""


def test_an_error_without_a_stop_stays_what_it_is():
    with pytest.raises(ValueError, match="own"), stops.raised():
        raise ValueError("own")


def test_handlers_are_back_where_one_raises_while_they_are_put_back(monkeypatch):
    put = signal.signal

    def hit(number, action):
        before = put(number, action)
        if number == signal.SIGINT and action is signal.default_int_handler:
            os.kill(os.getpid(), signal.SIGINT)
        return before

    with pytest.raises(KeyboardInterrupt), stops.held():
        monkeypatch.setattr(signal, "signal", hit)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_nothing_is_said_at_the_end_of_what_a_stop_tore_apart():
    """Libraries take down at the end what a stop left half way."""
    program = """
import atexit, os, signal
from cellcutter import stops

def take_down():
    print("taken down", flush=True)
    raise RuntimeError("it never ran")

atexit.register(take_down)
try:
    with stops.raised():
        os.kill(os.getpid(), signal.SIGTERM)
except stops.Stopped:
    print("stopped", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("stopped\ntaken down\n", "")
