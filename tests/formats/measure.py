"""What a call takes of memory, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import re, sys, threading, time
from pathlib import Path
import cellcutter, cellcutter.formats.convert

peak = 0
def watch():
    # what the process has made; pages of mapped files are the system's to keep or to drop
    global peak
    while True:
        status = Path("/proc/self/status").read_text()
        peak = max(peak, int(re.search(r"RssAnon:\\s+(\\d+) kB", status)[1]))
        time.sleep(0.002)

threading.Thread(target=watch, daemon=True).start()
{call}
time.sleep(0.1)
print(peak * 1024)
"""


def peak_of(call: str, *words: object) -> int:
    """Return the most bytes of a process that makes a call, with words as `sys.argv[1:]`."""
    script = SCRIPT.replace("{call}", call)
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
