"""What README promises to somebody who begins: on a bare Debian with the packages that it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT
from tests.services import running

SERVICES = ROOT / "tests" / "services"
USER = 1000
# Of this machine's environment only what leads to the registries of packages
NETWORK = re.compile(r"(?i)(https?|no|all)_proxy|pip_(index_url|extra_index_url|trusted_host)")
COMMANDS = "bash cat chmod dirname env java make mktemp mkdir mvn ps python3 rm sed sh touch uname"


def packages() -> list[str]:
    """Return the packages that README tells to install."""
    (line,) = re.findall(r"^apt-get install (.*)$", (ROOT / "README.md").read_text(), re.M)
    return line.split()


def copy(folder: Path) -> Path:
    """Copy the repository as a clone of it would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of an ordinary user, where the bare root sees it."""
    with running.folder("bare") as folder:
        yield folder


@pytest.mark.timeout(1200)
def test_demo_on_a_bare_debian(home: Path) -> None:
    running.need("debootstrap", "setpriv", "unshare", "git", root=True)
    made = subprocess.run(
        [SERVICES / "bare-root", *packages()], check=True, stdout=subprocess.PIPE, text=True
    )
    root = made.stdout.strip()
    clone = copy(home / "cellcutter")
    before = files(clone)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", home], check=True)

    def user(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)},
            "HOME": "/home/user",  # in .tools: downloads are kept from one run to the next
            "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
        }
        become = ("setpriv", "--reuid=user", "--regid=user", "--init-groups")
        return subprocess.run(
            [SERVICES / "enter-root", root, *become, *command],
            cwd=clone,
            env={**environment, "PATH": running.PATH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    done = user("make", "demo")
    assert done.returncode == 0, done.stdout
    assert "1 of 1 cut" in done.stdout
    assert "\x1b" not in done.stdout
    pictures = [line.split()[-1] for line in done.stdout.splitlines() if "picture:" in line]
    assert len(pictures) == 3
    assert all(Path(picture).stat().st_uid == USER for picture in pictures)
    done = user("make", "clean")
    assert done.returncode == 0, done.stdout
    assert files(clone) == before


@pytest.mark.parametrize(
    ("missing", "package"), [("java", "default-jre-headless"), ("mvn", "maven"), ("ps", "procps")]
)
def test_what_is_missing_is_said_before_anything_is_installed(
    tmp_path: Path, missing: str, package: str
) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in COMMANDS.split():
        found = shutil.which(name)
        # Java and Maven are only looked for here
        if name != missing:
            (commands / name).symlink_to(found or "/bin/true")
    clone = copy(tmp_path / "cellcutter")
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env={"PATH": str(commands)}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert f"no {missing} found; " in done.stderr
    assert f"(Debian: apt-get install {package})" in done.stderr
    assert len(done.stderr.splitlines()) == 2  # and make's own
    assert not (clone / ".venv").exists()


def test_demo_ends_with_the_status_of_what_failed(tmp_path: Path) -> None:
    nextflow = tmp_path / "nextflow"
    nextflow.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    nextflow.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("NXF_PINNED", None)
    done = subprocess.run(
        [sys.executable, ROOT / "bin/demo", tmp_path / "p"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    first, last = done.stderr.splitlines()
    assert first == "no such thing"
    assert last == f"demo: {ROOT}/tools/nextflow/run ended with status 3"


def test_demo_by_the_commands_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bin/demo", "--commands-only", tmp_path / "p"],
        env={**os.environ, "PATH": "/usr/bin:/bin", "JAVA_HOME": "/none"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "nextflow" not in done.stdout
    assert len(list((tmp_path / "p/thumbnails").glob("*.png"))) == 3


def test_nextflow_that_one_user_fetched_serves_others(home: Path) -> None:
    running.need("java", "mvn", "ps", "setpriv", root=True)
    shutil.copytree(ROOT / "tools", home / "tools")
    command = home / "tools/nextflow/run"
    own = {**os.environ, "NXF_PINNED": "1"}
    done = subprocess.run(
        ["bash", "-c", 'umask 077; exec "$0" -version', command],
        env=own,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("fetching Nextflow ")
    assert "\x1b" not in done.stdout + done.stderr
    other = home / "other"
    other.mkdir(mode=0o777)
    other.chmod(0o777)
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    environment = {**own, "HOME": str(other), "NXF_HOME": str(other / ".nextflow")}
    done = subprocess.run(
        [*become, command, "-version"], cwd=other, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (fetched,) = (home / ".tools").iterdir()
    fetched.chmod(0o700)
    done = subprocess.run(
        [*become, command, "-version"], cwd=other, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 126
    assert done.stderr.endswith(f"its owner may run: chmod -R a+rX {fetched}\n")
