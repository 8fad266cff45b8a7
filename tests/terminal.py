"""A program on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios


def shown_by(script: str) -> bytes:
    """Run a Python script whose errors go to a terminal of 80 columns; return what it shows."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=child)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # the program has ended
            break
        if not part:  # the same, on macOS
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0
    return shown
