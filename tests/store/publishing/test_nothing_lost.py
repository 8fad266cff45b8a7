"""Whatever ends a run, the destination is what it was or all there, and nothing else stays."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cellcutter import system
from cellcutter.commands import cli
from tests import slides

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from cellcutter.commands.cli import main_cut_cells as m; sys.exit(m())",
]


@pytest.fixture(scope="module")
def slide(tmp_path_factory) -> slides.Slide:
    """A slide whose cells, one a chunk, take a while."""
    return slides.simple(tmp_path_factory.mktemp("slide"), shape=(2, 900, 900), number=2500)


def words(slide: slides.Slide, destination: Path, *flags: str) -> list[str]:
    return [*slide.paths, str(destination), "--cells-per-chunk=1", "--mask-cells", "-p1", *flags]


def wait_until(ready: Callable[[], object], process: subprocess.Popen) -> None:
    """Poll until a run has come so far."""
    end = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "nothing happened in a minute"
        time.sleep(0.001)


def half_way(slide: slides.Slide, destination: Path, *flags: str) -> subprocess.Popen[str]:
    """Start a run and stop the clock for it when its first chunks are written."""
    process = subprocess.Popen(
        [*COMMAND, *words(slide, destination, *flags)], stderr=subprocess.PIPE, text=True
    )
    pattern = f".{destination.name}.cellcutter-*/store/0.3.0.0"
    wait_until(lambda: list(destination.parent.glob(pattern)), process)
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    return process


def finish(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGCONT)
    return process.communicate(timeout=60)[1]


def check(slide: slides.Slide, destination: Path) -> None:
    """The store and its masks are right, and alone in their folder."""
    store = slides.open_store(destination)
    expected, masks = slides.expected(
        slide.image, slide.labels, slide.table, store.shape[-1], mask=True
    )
    np.testing.assert_array_equal(store[:], expected)
    mask_name = destination.name.replace("out", "out_mask")
    np.testing.assert_array_equal(slides.open_store(destination.with_name(mask_name))[:], masks)
    assert {p.name for p in destination.parent.iterdir()} == {destination.name, mask_name}


@pytest.fixture
def old(slide, tmp_path) -> dict[str, bytes]:
    """An old store, to be replaced: its files."""
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "out.zarr"), "--window-size=5"]) == 0
    return contents(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("flags", [(), ("-z",)])
def test_stopped(slide, tmp_path, number, status, flags):
    process = half_way(slide, tmp_path / "out.zarr", *flags)
    process.send_signal(number)
    assert finish(process).splitlines()[-1] == "cut_cells: error: stopped; nothing was written"
    assert process.returncode == status
    assert not list(tmp_path.iterdir())


def test_stopped_keeps_the_old_store(slide, tmp_path, old):
    process = half_way(slide, tmp_path / "out.zarr", "-f")
    process.terminate()
    finish(process)
    assert process.returncode == 143
    assert contents(tmp_path) == old


def test_killed_leaves_nothing_under_the_name_and_the_next_run_cleans_up(slide, tmp_path):
    process = half_way(slide, tmp_path / "out.zarr")
    process.kill()
    finish(process)
    assert process.returncode == -signal.SIGKILL
    assert all(p.name.startswith(".out.zarr.cellcutter-") for p in tmp_path.iterdir())
    assert cli.main_cut_cells(words(slide, tmp_path / "out.zarr")) == 0
    check(slide, tmp_path / "out.zarr")


def test_killed_keeps_the_old_store(slide, tmp_path, old):
    process = half_way(slide, tmp_path / "out.zarr", "-f")
    process.kill()
    finish(process)
    left = contents(tmp_path)
    assert {name: left[name] for name in old} == old
    assert cli.main_cut_cells(words(slide, tmp_path / "out.zarr", "-f")) == 0
    check(slide, tmp_path / "out.zarr")


def test_old_store_is_there_until_the_new_one_is_whole(slide, tmp_path, old):
    process = half_way(slide, tmp_path / "out.zarr", "-f")
    left = contents(tmp_path)
    assert {name: left[name] for name in old} == old
    finish(process)
    assert process.returncode == 0
    check(slide, tmp_path / "out.zarr")


def test_file_system_without_locks(slide, tmp_path, monkeypatch):
    """Work goes on; a folder of which nobody can tell whether it is in use stays."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(system.fcntl, "flock", flock)
    left = tmp_path / ".out.zarr.cellcutter-0123abcd"
    left.mkdir()
    mark = {"made by": "cellcutter", "destination": "out.zarr", "other": None}
    (left / "mark").write_text(json.dumps(mark))
    (left / "store").mkdir()
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "out.zarr")]) == 0
    assert {p.name for p in tmp_path.iterdir()} == {left.name, "out.zarr"}
    monkeypatch.undo()
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "out.zarr"), "-f"]) == 0
    assert {p.name for p in tmp_path.iterdir()} == {"out.zarr"}


def test_two_runs_to_one_destination(slide, tmp_path, capfd):
    process = half_way(slide, tmp_path / "out.zarr")
    assert cli.main_cut_cells(words(slide, tmp_path / "out.zarr")) == 2
    assert "out.zarr: another run is writing to it" in capfd.readouterr().err
    finish(process)
    assert process.returncode == 0
    check(slide, tmp_path / "out.zarr")


def test_runs_to_different_destinations_do_not_meet(slide, tmp_path):
    process = half_way(slide, tmp_path / "out.zarr")
    other = tmp_path / "other"
    other.mkdir()
    assert cli.main_cut_cells(words(slide, other / "out.zarr")) == 0
    near = half_way(slide, tmp_path / "out.zarr.cellcutter-x.zarr")
    finish(process)
    assert process.returncode == 0
    assert cli.main_cut_cells(words(slide, tmp_path / "out.zarr", "-f")) == 0
    finish(near)
    assert near.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
@pytest.mark.parametrize("flags", [[], ["-z"], ["--cache-size=1.5"]])
def test_full_disk(slide, tmp_path, flags):
    """A real disk of 2 MB, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=2m tmpfs "$0" && { "$@"; echo "status $?"; ls -A "$0"; }'
    table = slide.table.sample(frac=1, random_state=0)
    shuffled = tmp_path / "shuffled.csv"
    table.to_csv(shuffled, index=False)
    command = [
        *COMMAND,
        *slide.paths[:2],
        str(shuffled),
        str(disk / "out.zarr"),
        "--window-size=30",
        "--chunk-size=0.1",
        *flags,
    ]
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(disk), *command], capture_output=True, text=True
    )
    assert found.stdout == "status 1\n", found.stderr
    assert "No space left on device" in found.stderr.splitlines()[-1]
    assert "Traceback" not in found.stderr
    assert "Exception ignored" not in found.stderr


def test_old_zip_is_replaced_by_a_folder_and_the_other_way_round(slide, tmp_path):
    destination = tmp_path / "out.zarr"
    for flags in (["-z"], [], ["-z"]):
        assert cli.main_cut_cells(words(slide, destination, "-f", *flags)) == 0
        assert destination.is_file() == bool(flags)
        check(slide, destination)


def test_store_changed_while_it_is_written(slide, tmp_path):
    """What is published is checked: a chunk that something else removed is missed."""
    process = half_way(slide, tmp_path / "out.zarr")
    next(tmp_path.glob(".*/store/0.0.0.0")).unlink()
    assert "something else has changed the store" in finish(process)
    assert process.returncode == 2
    assert not list(tmp_path.iterdir())


def test_inputs_are_not_changed(slide, tmp_path):
    before = contents(slide.image_path.parent)
    times = [Path(path).stat().st_mtime_ns for path in slide.paths]
    assert cli.main_cut_cells(words(slide, tmp_path / "out.zarr")) == 0
    shutil.rmtree(tmp_path / "out.zarr")
    assert contents(slide.image_path.parent) == before
    assert [Path(path).stat().st_mtime_ns for path in slide.paths] == times
