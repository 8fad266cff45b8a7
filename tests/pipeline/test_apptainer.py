"""The image by Apptainer, as an ordinary user: by itself, by the pipeline, in MCMICRO, by Slurm.

All of it runs in a root file system that tests/services/node-root makes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cellcutter.version import __version__
from tests.pipeline.conftest import COMMAND, IMAGE, LIMITS, NAME, ROOT, docker
from tests.pipeline.projects import sample, write
from tests.pipeline.test_mcmicro import HOSTS, LAST, arrange, check, check_gallery, copy, step
from tests.pipeline.test_run import cut, read
from tests.services import running

ENTER = ROOT / "tests" / "services" / "node-root"
BECOME = ("setpriv", "--reuid=user", "--regid=user", "--init-groups", "env", "HOME=/home/user")
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
    running.need("debootstrap", "setpriv", "unshare", "java", "mvn", root=True)
    subprocess.run([ENTER], check=True)
    with running.folder("apptainer") as folder:
        yield own(folder)


@pytest.fixture(scope="module")
def user(home: Path) -> User:
    """Run a command as the ordinary user where Apptainer is."""

    def run(folder: Path, *words: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ENTER, *BECOME, *map(str, words)],
            cwd=folder,
            env={**os.environ, "APPTAINER_CACHEDIR": str(home / "cache"), **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
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
        *("apptainer", "build", "--mksquashfs-args=-Xcompression-level 1"),
        *("--build-arg", "bootstrap=docker-archive"),
        *("--build-arg", "from=cellcutter.tar", "cellcutter.sif", "apptainer.def"),
    )
    assert done.returncode == 0, done.stdout
    return home / "cellcutter.sif"


@pytest.fixture(scope="module")
def checkout(home: Path) -> Path:
    """The pipeline and the pinned Nextflow, as the user has them."""
    subprocess.run([COMMAND, "-version"], check=True, env={**os.environ, "NXF_PINNED": "1"})
    folder = home / "pipeline"
    for name in PIPELINE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)
    found = (ROOT / ".tools").glob("nextflow-*")  # some are still being fetched by other tests
    (nextflow,) = (path for path in found if re.fullmatch(r"nextflow-[\d.]+", path.name))
    shutil.copytree(nextflow, folder / ".tools" / nextflow.name)
    return own(folder)


@pytest.fixture
def work(home: Path) -> Iterator[Path]:
    """A folder of the user."""
    folder = home / "work"
    folder.mkdir()
    yield own(folder)
    shutil.rmtree(folder)


@pytest.fixture
def nextflow(user: User, checkout: Path, work: Path) -> User:
    """Run Nextflow as the user."""

    def run(*words: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        command = checkout / "tools" / "nextflow" / "run"
        return user(own(work), command, *words, NXF_HOME=str(work / "home"), **extra)

    return run


@pytest.fixture(scope="module")
def slurm(home: Path) -> Iterator[dict[str, str]]:
    """The environment of a cluster whose node has Apptainer."""
    with running.slurm(ENTER) as environment:
        yield environment


def test_image_tells_of_itself(user: User, sif: Path) -> None:
    done = user(sif.parent, "apptainer", "test", sif)
    assert done.returncode == 0, done.stdout
    assert "usage: cellcutter" in user(sif.parent, "apptainer", "run", sif).stdout
    assert "cut_cells IMAGE" in user(sif.parent, "apptainer", "run-help", sif).stdout
    labels = user(sif.parent, "apptainer", "inspect", sif).stdout
    assert f"org.opencontainers.image.version: {__version__}" in labels


def test_smoke_test_passes(user: User, sif: Path) -> None:
    shutil.copy(ROOT / "docker" / "smoke-test", sif.parent)
    done = user(sif.parent, "./smoke-test", "apptainer", "exec", sif)
    assert done.returncode == 0, done.stdout
    assert f"{__version__}: passed" in done.stdout


def test_run_contained_as_mcmicro_does(user: User, sif: Path, work: Path, tmp_path: Path) -> None:
    project = write(work / NAME, *sample(NAME))
    own(work)
    done = user(
        project,
        *("apptainer", "exec", "-C", "-H", project, sif, "cut_cells"),
        *(*sample(NAME), "--markers", "markers.csv", "--mask-cells", f"{NAME}.zarr"),
    )
    assert done.returncode == 0, done.stdout
    expected = cut(project, sample(NAME), tmp_path / "expected.zarr", "--mask-cells")
    np.testing.assert_array_equal(read(project / f"{NAME}.zarr")[:], expected[:])
    assert (project / f"{NAME}.zarr").stat().st_uid == USER


def test_pipeline(nextflow: User, checkout: Path, sif: Path, work: Path, tmp_path: Path) -> None:
    project = write(work / "p 1", *sample(NAME))
    done = nextflow(
        *("run", checkout, "-profile", "test,apptainer", "--in", project, "--container", sif),
        "--gallery=true",
        "--options=--mask-cells",
    )
    assert done.returncode == 0, done.stdout
    check(project, sample(NAME), tmp_path, "--mask-cells")
    check_gallery(project, sample(NAME))


def test_pipeline_by_slurm(
    nextflow: User, checkout: Path, sif: Path, work: Path, tmp_path: Path, slurm: dict[str, str]
) -> None:
    project = write(work / "p 1", *sample(NAME), *sample("bad"))
    (project / "segmentation/unmicst-bad/cell.ome.tif").write_bytes(b"no TIFF")
    done = nextflow(
        *("run", checkout, "-profile", "slurm,apptainer", "--in", project, "--container", sif),
        *("--queue", "short", "-work-dir", work / "scratch", *LIMITS),
        *("--publish_dir_mode", "link", "--options=--mask-cells"),
        **slurm,
    )
    assert "1 of 2 cut" in done.stdout
    assert "failed: bad--unmicst_cell: cut_cells: error: mask/cell.ome.tif" in done.stdout
    assert "jobId: " in (work / ".nextflow.log").read_text()
    check(project, sample(NAME), tmp_path, "--mask-cells")
    check_gallery(project, sample(NAME))


def test_command_by_sbatch(
    user: User, sif: Path, work: Path, tmp_path: Path, slurm: dict[str, str]
) -> None:
    project = write(work / "p 1", *sample("s"))
    line = f"apptainer exec {sif} cut_cells {' '.join(sample('s'))} --markers markers.csv s.zarr"
    own(work)
    done = user(project, "sbatch", "--wait", "-c", "2", "--mem", "1G", "--wrap", line, **slurm)
    (log,) = project.glob("slurm-*.out")
    assert done.returncode == 0, done.stdout + log.read_text()
    assert "2 threads" in log.read_text()
    expected = cut(project, sample("s"), tmp_path / "expected.zarr")
    np.testing.assert_array_equal(read(project / "s.zarr")[:], expected[:])


@pytest.mark.parametrize(("kind", "by"), [("slide", "slurm"), ("microarray", "local")])
@pytest.mark.parametrize("name", HOSTS)
def test_step_of_mcmicro(
    nextflow: User,
    sif: Path,
    work: Path,
    tmp_path: Path,
    slurm: dict[str, str],
    name: str,
    kind: str,
    by: str,
) -> None:
    host = copy(name, work)
    assert step("add", host).returncode == 0
    # The image as Nextflow keeps those that it has pulled.
    cache = work / "cache" / "ghcr.io-labsyspharm-cellcutter-1.0.0.img"
    cache.parent.mkdir()
    cache.symlink_to(sif)
    (work / "site.config").write_text(
        f"process {{ executor = '{by}'; queue = 'short'; memory = '1 GB' }}\n"
        "executor.pollInterval = '1 sec'\n"
    )
    project = work / "p 1"
    threes, words = arrange(project, kind)
    done = nextflow(
        *("run", host, "-profile", "singularity", "-c", "site.config", "--in", project),
        *("--cellcutter-opts=--mask-cells", *words, *LAST),
        NXF_SINGULARITY_CACHEDIR=str(cache.parent),
        **slurm,
    )
    assert done.returncode == 0, done.stdout
    assert ("jobId: " in (work / ".nextflow.log").read_text()) == (by == "slurm")
    for three in threes:
        check(project, three, tmp_path, "--mask-cells")
        check_gallery(project, three)
