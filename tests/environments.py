"""Environments beside that of the tests, in `.tools/`, made when they are first wanted.

They stay until what is to be in them changes. Tests and notebooks share them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_READERS = ("anndata>=0.13", "annbatch>=0.3", "dask", "tensorstore", "zarr>=3.1", "zarrs")


def with_torch() -> str:
    """Return Python of an environment with torch, and what tests and notebooks need."""
    return _made("torch", 8e9, "torch", "--editable", f"{ROOT}[test,notebooks]")


def with_readers() -> str:
    """Return Python of an environment with today's readers of stores; without torch."""
    return _made("readers", 2e9, *_READERS, "--editable", f"{ROOT}[notebooks]")


def _made(name: str, nbytes: float, *packages: str) -> str:
    environment = ROOT / ".tools" / name
    python, done = environment / "bin" / "python", environment / "complete"
    wanted = "\n".join([*packages, (ROOT / "pyproject.toml").read_text()])
    if not done.exists() or done.read_text() != wanted:
        if not python.exists():
            if shutil.disk_usage(ROOT).free < nbytes:
                pytest.skip(f"less than {nbytes / 1e9:g} GB free, which {name} needs")
            newest = subprocess.run(
                [ROOT / "tools" / "newest-python"], check=True, capture_output=True, text=True
            ).stdout.strip()
            subprocess.run([newest, "-m", "venv", "--clear", environment], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        done.write_text(wanted)
    return str(python)
