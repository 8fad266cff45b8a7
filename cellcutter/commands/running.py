"""How every command runs: its log, signals, and whatever goes wrong as one line and an exit status.

Exit status: 0 done; 2 the command line or the input is wrong; 1 anything else; 128 and the signal's
number where one has stopped the program. A user's mistake gets one line on stderr.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress

from cellcutter import stops
from cellcutter.commands.parser import Parser, Values
from cellcutter.errors import CellcutterError, InputError
from cellcutter.progress import ProgressReport

log = logging.getLogger("cellcutter")
Act = Callable[[Values, ProgressReport], None]


def run(parser: Parser, argv: Sequence[str] | None, act: Act) -> int:
    """Parse, act, and turn whatever goes wrong into one line and an exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = not {"-v", "--verbose"}.isdisjoint(words)
    try:
        with stops.raised():
            given = parser.parse(words)
            verbose = given.pop("verbose", verbose)
            _act(parser.prog, given, act, verbose=verbose)
    except stops.Stopped as stopped:
        return _fail(parser, f"stopped; {stopped.left}", 128 + stopped.number, verbose=verbose)
    except InputError as error:
        return _fail(parser, str(error), 2, verbose=verbose)
    except Exception as error:  # noqa: BLE001 - the last resort; --verbose shows it whole
        return _fail(parser, _words(error), 1, verbose=verbose)
    return 0


def _act(prog: str, given: Values, act: Act, *, verbose: bool) -> None:
    """Do what a command does, with its log and warnings on stderr."""
    handler = _Handler()
    handler.setFormatter(logging.Formatter(f"{prog}: %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    progress = ProgressReport()
    handler.addFilter(progress.make_way)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            act(given, progress)
    finally:
        progress.close()
        log.removeHandler(handler)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr, where there is one, and shows no control characters of names.

    Its lock is its own: that of the standard library stays locked where a signal comes while it is
    got.
    """

    def __init__(self) -> None:
        super().__init__()
        self._writing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line, one at a time."""
        wanted = bool(self.filter(record))
        if wanted:
            with self._writing:
                self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; nothing changes where nobody can read it."""
        if self.stream is None:
            return
        try:
            self.stream.write(printable(self.format(record)) + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # closed
            self.stream = None


def printable(text: str) -> str:
    """Return a text on one line, without characters that a terminal would obey."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _show_warning(message: Warning | str, *_: object) -> None:
    log.warning("warning: %s", message)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return str(error) if isinstance(error, CellcutterError) else f"{type(error).__name__}: {error}"


def _fail(parser: Parser, message: str, status: int, *, verbose: bool) -> int:
    with suppress(OSError, ValueError, AttributeError):  # stderr is closed: the status says it
        if verbose:
            traceback.print_exc()
        sys.stderr.write(f"{parser.prog}: error: {printable(message)}\n")
        sys.stderr.flush()
    return status
