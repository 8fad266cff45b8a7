"""The commands beside CyLinter, whose environment cannot hold them, as the how-to page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import environments
from tests.pipeline.conftest import ROOT
from tests.pipeline.projects import sample, write
from tests.pipeline.test_run import cut

# As cylinter/modules/curateThumbnails.py calls it
CALL = """\
import shutil, subprocess, sys
import numpy, zarr
assert zarr.__version__ < "3" and numpy.__version__ < "2"
print(shutil.which("cut_cells"))
image, mask, table, store, copy = sys.argv[1:]
subprocess.run(["cut_cells", "--force", "--window-size", "8", "--cells-per-chunk", "200",
    "--cache-size", "57711", image, mask, table, store, "--channels", "1", "3"], check=True)
numpy.save(copy, zarr.open(store, mode="r")[:])
"""


@pytest.fixture(scope="module")
def cylinter() -> Path:
    """An environment such as CyLinter's, made on first use."""
    return Path(environments.with_cylinter()).parents[1]


def test_installed_beside_cylinter(cylinter: Path, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    paths = [project / name for name in sample("s")]
    text = (ROOT / "docs/how-to/cylinter.md").read_text()
    link, first = re.findall(r"^(ln -s .*|export PATH=.*)$", text, re.M)
    # The environment that the document makes is the one of these tests
    home = tmp_path / "home"
    (home / "cellcutter").mkdir(parents=True)
    (home / "cellcutter/bin").symlink_to(Path(sys.executable).parent)
    script = f"set -e\nmkdir -p ~/cellcutter-commands\n{link}\n"
    call = 'python -c "$0" "$@"'
    words = [CALL, *map(str, paths), str(tmp_path / "s.zarr"), str(tmp_path / "s.npy")]
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": "",
        "PATH": f"{cylinter}/bin:/usr/bin:/bin",
    }

    def bash(lines: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", lines, *words], env=environment, capture_output=True, text=True
        )

    # Without the PATH it is the old tool that is found
    old = bash(script + "command -v cut_cells")
    assert old.stdout.strip() == str(cylinter / "bin/cut_cells"), old.stderr
    done = bash(f"{first}\n{call}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{home}/cellcutter-commands/cut_cells\n")
    options = ("--window-size=8", "--channels=1,3")
    expected = cut(project, sample("s"), tmp_path / "expected.zarr", *options)
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), expected[:])
