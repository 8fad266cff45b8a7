"""The image by Apptainer, as an ordinary user: by itself, by the pipeline, and in MCMICRO.

All of it runs in a root file system that tests/services/apptainer-root makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cellcutter.version import __version__
from tests.pipeline.conftest import COMMAND, IMAGE, ROOT, docker
from tests.pipeline.projects import sample, write
from tests.pipeline.test_mcmicro import CORES, HOSTS, LAST, check, copy, microarray, step
from tests.pipeline.test_run import cut, read
from tests.services import running

ENTER = ROOT / "tests" / "services" / "apptainer-root"
NAME = "a'b -- c.d é"
USER = 1000
PIPELINE = ("conf", "lib", "main.nf", "modules", "nextflow.config", "nextflow_schema.json", "tools")
pytestmark = pytest.mark.timeout(1500)

User = Callable[..., subprocess.CompletedProcess[str]]


def own(folder: Path) -> Path:
    """Give a folder and what is in it to the ordinary user."""
    subprocess.run(["chown", "-R", f"{USER}:{USER}", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder of the ordinary user."""
    running.need("debootstrap", "setpriv", "unshare", root=True)
    with running.folder("apptainer") as folder:
        yield own(folder)


@pytest.fixture(scope="module")
def user(home: Path) -> User:
    """Run a command as the ordinary user where Apptainer is."""

    def run(folder: Path, *words: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ENTER, *map(str, words)],
            cwd=folder,
            env={**os.environ, "PATH": running.PATH, **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
        )

    return run


@pytest.fixture(scope="module")
def sif(docker_host: str, home: Path, user: User) -> Path:
    """The image, made from Docker's by the definition, as the ordinary user."""
    done = docker(docker_host, "save", IMAGE, "-o", home / "cellcutter.tar")
    assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / "docker" / "apptainer.def", home)
    own(home)
    done = user(
        home,
        *("apptainer", "build", "--build-arg", "bootstrap=docker-archive"),
        *("--build-arg", "from=cellcutter.tar", "cellcutter.sif", "apptainer.def"),
    )
    assert done.returncode == 0, done.stderr
    return home / "cellcutter.sif"


@pytest.fixture
def work(home: Path) -> Iterator[Path]:
    """A folder of the user, with a name that needs quotes."""
    folder = home / "w o'r k"
    folder.mkdir()
    yield own(folder)
    shutil.rmtree(folder)


def test_image_tells_of_itself(user: User, sif: Path) -> None:
    assert user(sif.parent, "apptainer", "test", "--unsquash", sif).returncode == 0
    done = user(sif.parent, "apptainer", "run", "--unsquash", sif)
    assert "usage: cellcutter" in done.stdout, done.stderr
    assert "cut_cells IMAGE" in user(sif.parent, "apptainer", "run-help", sif).stdout
    labels = user(sif.parent, "apptainer", "inspect", sif).stdout
    assert f"org.opencontainers.image.version: {__version__}" in labels


def test_smoke_test_passes(user: User, sif: Path) -> None:
    shutil.copy(ROOT / "docker" / "smoke-test", sif.parent)
    done = user(sif.parent, "./smoke-test", "apptainer", "exec", "--unsquash", sif)
    assert done.returncode == 0, done.stderr
    assert f"{__version__}: passed" in done.stdout


def test_run_contained_as_mcmicro_does(user: User, sif: Path, work: Path, tmp_path: Path) -> None:
    project = write(work / NAME, *sample(NAME))
    own(work)
    done = user(
        project,
        *("apptainer", "exec", "--unsquash", "-C", "-H", project, sif, "cut_cells"),
        *(*sample(NAME), "--markers", "markers.csv", "--mask-cells", "-z", f"{NAME}.zarr.zip"),
    )
    assert done.returncode == 0, done.stderr
    expected = cut(project, sample(NAME), tmp_path / "expected.zarr", "--mask-cells")
    np.testing.assert_array_equal(read(project / f"{NAME}.zarr.zip")[:], expected[:])
    assert (project / f"{NAME}.zarr.zip").stat().st_uid == USER


def checkout(work: Path) -> Path:
    """Copy the pipeline, and the pinned Nextflow, to the user."""
    subprocess.run([COMMAND, "-version"], check=True, env={**os.environ, "NXF_PINNED": "1"})
    for name in PIPELINE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, work / "pipeline" / name)
        else:
            shutil.copy(ROOT / name, work / "pipeline")
    (nextflow,) = (ROOT / ".tools").glob("nextflow-[0-9.]*[0-9]")
    shutil.copytree(nextflow, work / "pipeline" / ".tools" / nextflow.name)
    return work / "pipeline"


def nextflow(user: User, work: Path, *words: str | Path) -> None:
    """Run the user's Nextflow, which has the image where it keeps those that it has pulled."""
    # There is no FUSE here.
    (work / "site.config").write_text(
        "apptainer.runOptions = '--unsquash'\n"
        "singularity.runOptions = '--unsquash -C -H \"$PWD\"'\n"
    )
    done = user(
        own(work),
        *("pipeline/tools/nextflow/run", "-c", "site.config", "run", *words),
        NXF_HOME=str(work / "home"),
        NXF_SINGULARITY_CACHEDIR=str(work / "cache"),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pipeline(user: User, sif: Path, work: Path, tmp_path: Path) -> None:
    pipeline = checkout(work)
    project = write(work / "p 1", *sample(NAME))
    nextflow(
        user,
        work,
        *(pipeline, "-profile", "test,apptainer", "--in", project, "--container", sif),
        "--options=--mask-cells",
    )
    check(project, sample(NAME), tmp_path, "--mask-cells")


@pytest.mark.parametrize("kind", ["slide", "microarray"])
@pytest.mark.parametrize("name", HOSTS)
def test_step_of_mcmicro(
    user: User, sif: Path, work: Path, tmp_path: Path, name: str, kind: str
) -> None:
    checkout(work)
    host = copy(name, work)
    # MCMICRO's names of images end in a tag: this one is found in the cache of those pulled.
    assert step("add", host).returncode == 0
    cache = work / "cache" / "ghcr.io-labsyspharm-cellcutter-1.0.0.img"
    cache.parent.mkdir()
    shutil.copy(sif, cache)
    threes = CORES if kind == "microarray" else [sample("s"), sample("s", "mesmer")]
    names = dict.fromkeys(name for three in threes for name in three)
    project = microarray(work / "p 1") if kind == "microarray" else write(work / "p 1", *names)
    tma = ["--tma"] if kind == "microarray" else []
    nextflow(
        user,
        work,
        *(host, "-profile", "singularity", "--in", project, *LAST, *tma),
        "--cellcutter-opts=--mask-cells",
    )
    for three in threes:
        check(project, three, tmp_path, "--mask-cells")
