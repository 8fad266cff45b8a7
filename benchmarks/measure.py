"""Running a command and measuring it: wall and CPU seconds, and memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """What a command took.

    Parameters
    ----------
    status : int
        Exit status.
    seconds, cpu_seconds : float
        CPU seconds are user and system time of the command and its children.
    peak_mb : float
        Largest memory of the process tree in MB, looked at every 50 ms: of one process the peak
        that the kernel keeps (VmHWM of proc(5)), of several the sum of the proportional set
        sizes (Pss, in which shared pages count once; it is dear to look at). The peak that
        wait4(2) tells would not do: a child begins with that of its parent.
    message : str
        Its last line on stderr.
    """

    status: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    message: str


def run(command: list[str]) -> Run:
    """Run a command to its end and measure it."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = _Peak(process.pid)
    peak.start()
    stderr = process.stderr.read().decode(errors="replace") if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    peak.stop()
    lines = [line for line in stderr.splitlines() if line.strip()]
    return Run(
        process.returncode,
        seconds,
        usage.ru_utime + usage.ru_stime,
        peak.kilobytes / 1024,
        lines[-1] if lines else "",
    )


class _Peak(threading.Thread):
    """Looks at the memory of a process tree again and again."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._stopped = threading.Event()
        self.kilobytes = 0

    def run(self) -> None:
        while not self._stopped.wait(0.05):
            tree = _tree(self._root)
            now = (
                sum(_field(process, "smaps_rollup", "Pss:") for process in tree)
                if len(tree) > 1
                else _field(self._root, "status", "VmHWM:")
            )
            self.kilobytes = max(self.kilobytes, now)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(root: int) -> list[int]:
    found = [root]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def _field(process: int, file: str, name: str) -> int:
    """Return a figure in kB of a file of proc(5), 0 where the process is gone."""
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
