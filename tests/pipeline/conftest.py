"""Nextflow as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellcutter.version import __version__
from tests.services import running

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "tools" / "nextflow" / "run"
IMAGE = "cellcutter:test"
NAME = "a'b -- c.d é"  # of a sample: every character that has ever been a nuisance
LIMITS = ("--max_cpus", "2", "--max_memory", "2.GB")
BUILD = (f"--build-arg=VERSION={__version__}", f"--tag={IMAGE}", ".")


@dataclass(frozen=True)
class Outcome:
    """What a run of Nextflow left."""

    status: int
    text: str
    log: str

    @property
    def submitted(self) -> int:
        """Number of tasks that were run."""
        return self.text.count("Submitted process")


Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of Nextflow, with the commands under test on the PATH."""
    running.need("ps", *(() if shutil.which("nextflow") else ("java", "mvn")))
    commands = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NXF_HOME": str(tmp_path_factory.mktemp("nextflow-home")),
        "NXF_ANSI_LOG": "false",
    }


@pytest.fixture(scope="session")
def nextflow(environment: dict[str, str]) -> Run:
    """Run Nextflow in a folder."""

    def run(folder: Path, *words: str | Path, timeout: int = 280, **extra: str) -> Outcome:
        done = subprocess.run(
            [COMMAND, *map(str, words)],
            cwd=folder,
            env={**environment, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        log = folder / ".nextflow.log"
        return Outcome(done.returncode, done.stdout, log.read_text() if log.exists() else "")

    return run


@pytest.fixture
def pipeline(nextflow: Run, tmp_path: Path) -> Run:
    """Run the pipeline in a folder of its own."""

    def run(*words: str | Path, **extra: str) -> Outcome:
        profile = [] if "-profile" in words else ["-profile", "test"]
        return nextflow(tmp_path, "run", ROOT, *profile, *words, **extra)

    return run


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    """A Docker engine that holds the image."""
    with running.docker() as host:
        environment = {**os.environ, "DOCKER_HOST": host, "PATH": running.PATH}
        for command in (["docker/base-image"], ["docker", "build", "--network=host", *BUILD]):
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
        yield host


def docker(host: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Docker's command."""
    return subprocess.run(
        ["docker", "-H", host, *map(str, words)], capture_output=True, text=True, timeout=300
    )
