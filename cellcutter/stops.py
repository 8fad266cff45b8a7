"""Signals that tell the program to stop: as an exception, but never in the middle of a step.

Invariant: a stop comes before a step that must not be torn apart, or after it. Once a result has
its name, a command is not stopped any more: there is nothing left that could be kept from being
written, and the message would not be true.
"""

from __future__ import annotations

import _thread
import atexit
import gc
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_MOMENT = 0.01  # seconds


class Stopped(BaseException):
    """A signal has told the program to stop.

    Parameters
    ----------
    number : int
        The signal.

    Attributes
    ----------
    left : str
        What is left of the run, in words.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.left = "nothing was written"


class Stop:
    """The signals' handler of a command: raises :class:`Stopped`, once, until all is done.

    Attributes
    ----------
    done : bool
        Nothing is raised any more.
    number : int or None
        The signal that was raised.
    """

    def __init__(self) -> None:
        self.done = False
        self.number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.done:
            return
        if frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            self.again(number)  # its locks would stay locked, and threads wait for them
            return
        self.done = True  # once is enough: what was begun is cleaned away now
        self.number = number
        raise Stopped(number)

    def check(self) -> None:
        """Stop now where a stop was lost in other code.

        Raises
        ------
        Stopped
        """
        if self.number is not None:
            raise Stopped(self.number)

    def again(self, number: int) -> None:
        """Have a signal come once more in a moment."""
        self.done = False

        def come() -> None:
            time.sleep(_MOMENT)
            if not self.done:
                _send(number)

        _thread.start_new_thread(come, ())


class Held:
    """The signals that came while a step was done.

    Attributes
    ----------
    numbers : list of int
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._done = False
        self._before: dict[int, Any] = {}

    def done(self) -> None:
        """Say that the result has its name: the command is not stopped after this any more."""
        for action in self._before.values():
            if isinstance(action, Stop):
                action.done = True

    def check(self) -> None:
        """Stop now where a stop was lost: Python drops what is raised in a finalizer.

        Raises
        ------
        Stopped
        """
        for action in self._before.values():
            if isinstance(action, Stop):
                action.check()

    def _begin(self) -> None:
        for number in SIGNALS:
            action = signal.getsignal(number)
            if action not in (None, signal.SIG_IGN):
                self._before[number] = action
                signal.signal(number, self._note)

    def _end(self) -> None:
        # SIGINT last: what its handler raises would keep the others from coming back
        for number, action in reversed(self._before.items()):
            signal.signal(number, action)
        for number in self.numbers:
            signal.raise_signal(number)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.numbers.append(number)


def _send(number: int) -> None:
    """Send the main thread a signal, which ends its wait for a lock."""
    thread = threading.main_thread().ident
    if thread is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, number)
    else:
        signal.raise_signal(number)


@contextmanager
def held() -> Iterator[Held]:
    """Hold signals back until a step is done; then they do what they would have done."""
    step = Held()
    if threading.current_thread() is not threading.main_thread():
        yield step  # signals are the main thread's
        return
    try:
        step._begin()
        yield step
    finally:
        step._end()


@contextmanager
def raised() -> Iterator[None]:
    """Turn signals into :class:`Stopped`; a hang-up that is ignored (nohup) stays so.

    Other code may lose it, or raise something else where it comes (a lock's release fails whose
    wait was torn apart): it is raised at the end all the same.
    """
    stop = Stop()
    before = {}
    unraisable = sys.unraisablehook
    sys.unraisablehook = partial(_dropped, stop, unraisable)
    try:
        for number in SIGNALS:
            before[number] = signal.getsignal(number)
            hang_up = number != signal.SIGINT and number != signal.SIGTERM
            if not (hang_up and before[number] == signal.SIG_IGN):
                signal.signal(number, stop)
        yield
        stop.check()
    except BaseException as error:
        if stop.number is None:
            raise
        stop.done = True
        _let_go(error)
        if isinstance(error, Stopped):
            raise
        raise Stopped(stop.number) from error
    finally:
        stop.done = True
        sys.unraisablehook = unraisable
        for number, action in reversed(before.items()):  # as in Held
            signal.signal(number, action)


def _dropped(stop: Stop, otherwise: Callable[[Any], object], what: Any) -> None:
    """See what a finalizer has raised; a stop that is lost so comes once more."""
    if isinstance(what.exc_value, Stopped):
        stop.again(what.exc_value.number)
    else:
        otherwise(what)


def _let_go(error: BaseException) -> None:
    """Have all finalized that was torn apart; what libraries say of theirs then helps nobody.

    Neither does what they say at the end of the program.
    """
    unraisable = sys.unraisablehook
    atexit.register(_say_no_more)  # comes before what they have registered
    _say_no_more()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            each: BaseException | None = error
            while each is not None:
                traceback.clear_frames(each.__traceback__)
                each = each.__context__
            gc.collect()
    finally:
        sys.unraisablehook = unraisable


def _say_no_more() -> None:
    sys.unraisablehook = lambda _: None
