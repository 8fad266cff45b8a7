"""The image by Docker, and the pipeline by Docker and by Slurm: the real ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cellcutter.version import __version__
from tests.pipeline.conftest import IMAGE, LIMITS, NAME, ROOT, Run, docker
from tests.pipeline.projects import sample, write
from tests.pipeline.test_mcmicro import (
    HOSTS,
    KINDS,
    LAST,
    arrange,
    check,
    check_gallery,
    copy,
    step,
)
from tests.pipeline.test_run import cut, read
from tests.services import running

pytestmark = pytest.mark.timeout(1500)


def inspect(host: str, image: str) -> dict:
    return json.loads(docker(host, "image", "inspect", image).stdout)[0]


def test_image_is_small_and_labelled(docker_host: str) -> None:
    image = inspect(docker_host, IMAGE)
    size = image["Size"] - inspect(docker_host, "debian:bookworm-slim")["Size"]
    assert size < 450 * 10**6
    assert image["Config"]["Labels"]["org.opencontainers.image.version"] == __version__
    assert image["Config"]["Labels"]["org.opencontainers.image.source"].startswith("https://")
    assert not image["Config"].get("Entrypoint")
    assert f"ARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text()


def test_image_holds_what_tasks_need_and_no_tools(docker_host: str) -> None:
    script = "command -v bash ps cut_cells cut_tiles cellcutter; ! command -v gcc pip make"
    done = docker(docker_host, "run", "--rm", IMAGE, "bash", "-euc", script)
    assert done.returncode == 0, done.stderr
    assert "usage: cellcutter" in docker(docker_host, "run", "--rm", IMAGE).stdout


def test_smoke_test_passes(docker_host: str) -> None:
    smoke = [ROOT / "docker" / "smoke-test", "docker", "-H", docker_host, "run", "--rm"]
    done = subprocess.run([*smoke, IMAGE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{__version__}: passed" in done.stdout
    done = subprocess.run([*smoke, "debian:bookworm-slim"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no ps found in the image" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["-u", "root", "--entrypoint", ""],
        ["-u", "12345:12345", "--read-only", "--network=none", "--cap-drop=ALL"],
        ["-u", "12345:12345", "--memory=400m", "--shm-size=64m", "--pids-limit=200"],
    ],
    ids=["root", "nobody", "limits"],
)
def test_run(docker_host: str, tmp_path: Path, options: list[str]) -> None:
    project = write(tmp_path / NAME, *sample(NAME))
    paths = [f"/data/{name}" for name in sample(NAME)]
    (project / "out").mkdir()
    (project / "out").chmod(0o777)
    done = docker(
        docker_host,
        *("run", "--rm", *options, "-v", f"{project}:/data:ro", "-v", f"{project}/out:/out", IMAGE),
        *("cut_cells", *paths, "--markers", "/data/markers.csv", "/out/cells.zarr"),
    )
    assert done.returncode == 0, done.stderr
    expected = cut(project, sample(NAME), tmp_path / "expected.zarr")
    np.testing.assert_array_equal(read(project / "out/cells.zarr")[:], expected[:])


def test_pipeline_by_docker(pipeline: Run, docker_host: str, tmp_path: Path) -> None:
    project = write(tmp_path / "p 1", *sample(NAME))
    done = pipeline(
        *("-profile", "test,docker", "--in", project, "--container", IMAGE, "--gallery=true"),
        "--options=--mask-cells",
        # Nothing of this machine's: neither the package nor its commands.
        PYTHONPATH="",
        PATH=running.PATH,
        DOCKER_HOST=docker_host,
    )
    assert done.status == 0, done.text
    check(project, sample(NAME), tmp_path, "--mask-cells")
    check_gallery(project, sample(NAME))


def test_missing_image_is_named(pipeline: Run, docker_host: str, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    done = pipeline(
        *("-profile", "test,docker", "--in", project, "--container", "localhost:1/typo:1"),
        DOCKER_HOST=docker_host,
    )
    assert done.status != 0
    assert "failed: s--unmicst_cell: docker: Error response from daemon: " in done.text
    assert "localhost:1/" in done.text.split("Error response from daemon: ")[1]
    assert (
        "make it as docs/how-to/pipeline.md or docs/how-to/hpc.md says, and name it by --container"
        in (done.text)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTS)
def test_step_of_mcmicro_by_docker(
    nextflow: Run, docker_host: str, tmp_path: Path, name: str, kind: str
) -> None:
    host = copy(name, tmp_path)
    assert step("add", host, "--image", IMAGE).returncode == 0
    project = tmp_path / "p 1"
    threes, words = arrange(project, kind)
    done = nextflow(
        tmp_path,
        *("run", host, "--in", project, "--cellcutter-opts=--mask-cells", *words, *LAST),
        PYTHONPATH="",
        PATH=running.PATH,
        DOCKER_HOST=docker_host,
    )
    assert (done.status, done.submitted) == (0, len(threes)), done.text
    for three in threes:
        check(project, three, tmp_path, "--mask-cells")
        check_gallery(project, three)


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """The environment of a cluster."""
    with running.slurm() as environment:
        yield environment


def test_refused_job_ends_the_run(pipeline: Run, tmp_path: Path, slurm: dict[str, str]) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    done = pipeline("-profile", "test,slurm", "--in", project, "--queue", "typo", *LIMITS, **slurm)
    assert done.status != 0
    assert "0 of 2 cut" in done.text
    assert "invalid partition specified: typo" in done.text


def test_pipeline_by_slurm(pipeline: Run, tmp_path: Path, slurm: dict[str, str]) -> None:
    project = write(tmp_path / "p 1", *sample(NAME), *sample("bad"))
    (project / "segmentation/unmicst-bad/cell.ome.tif").write_bytes(b"no TIFF")
    done = pipeline(
        *("-profile", "test,slurm", "--in", project, "--queue", "short", *LIMITS),
        "--gallery=true",
        "--options=--mask-cells",
        **slurm,
    )
    assert "1 of 2 cut" in done.text
    assert "failed: bad--unmicst_cell: cut_cells: error: mask/cell.ome.tif" in done.text
    assert "jobId: " in done.log
    check(project, sample(NAME), tmp_path, "--mask-cells")
    check_gallery(project, sample(NAME))
