"""Environments of their own for what must not be in that of the program; made on first use."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def newest_python() -> str:
    """Return the newest Python that is here."""
    found = subprocess.run(
        [ROOT / "tools" / "newest-python"], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def environment(name: str, *steps: list[str], python: str = sys.executable, stamp: str = "") -> str:
    """Return the Python of an environment below ``.tools``.

    Parameters
    ----------
    name : str
    *steps : list of str
        What each call of pip installs: what is hard to put together first.
    python : str
        That makes it.
    stamp : str
        What it depends on beside the steps; where they have changed it is brought up to date.
    """
    folder = ROOT / ".tools" / name
    folder.parent.mkdir(exist_ok=True)
    made, done = folder / "bin" / "python", folder / "complete"
    wanted = f"{steps}\n{stamp}"
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            if not made.exists():
                subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
            for step in steps:
                pip = [made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                subprocess.run([*pip, *step], check=True)
            done.write_text(wanted)
    return str(made)
