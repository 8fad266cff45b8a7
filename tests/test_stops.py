"""A stop comes where it can do no harm, and is not lost."""

from __future__ import annotations

import os
import signal
import sys
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
