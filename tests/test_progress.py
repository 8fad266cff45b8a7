"""Progress on a real terminal: the log's lines and the bar do not run into each other."""

from __future__ import annotations

from tests.terminal import shown_by

SCRIPT = """
import time
from cellcutter.commands import running
from cellcutter.commands.parser import Parser

def act(given, progress):
    start = time.monotonic()
    done = 0
    while time.monotonic() < start + 3:
        done += 1
        progress("cutting", done, 10**9)
    running.log.info("wrote it")

parser = Parser("cut_cells", "")
raise SystemExit(running.run(parser, [], act))
"""


def test_a_line_of_the_log_has_a_line_of_its_own():
    shown = shown_by(SCRIPT)
    assert b"cutting:" in shown
    before, _, _ = shown.partition(b"cut_cells: wrote it\r\n")
    assert before != shown
    erased = before.rpartition(b"\r")  # what stands on the line when the log writes
    assert erased[2] == b""
    assert erased[0].rpartition(b"\r")[2].strip() == b""
