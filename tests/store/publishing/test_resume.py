"""`--resume`: the bytes at the end are those of a run that nothing has interrupted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cellcutter.commands import cli
from cellcutter.store import container
from cellcutter.store.whole import Moved, WholeFiles, Written, reclaim
from tests import slides
from tests.store.publishing.test_nothing_lost import contents

ROOT = Path(__file__).parents[3]
# A run to which something happens before it opens a chunk or shard of thumbnails to write;
# it tells how many of them it has opened
INTERRUPTED = r"""
import errno, os, re, signal, sys
from cellcutter.commands import cli
_, number, action, *words = sys.argv
piece = re.compile(r"/store/(0\.\d+\.0\.0|obsm/single_cell_images/c/\d+/0/0/0)$")
opened = 0

def hear(event, values):
    global opened
    if event != "open" or not re.match("[wx]", str(values[1])) or not piece.search(str(values[0])):
        return
    opened += 1
    if opened - 1 != int(number):
        return
    if action == "ENOSPC":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), getattr(signal, action))

sys.addaudithook(hear)
status = cli.main_cut_cells(words)
print(opened)
sys.exit(status)
"""
NEVER = -1
KINDS = {
    "chunks": [],
    "zip": ["-z"],
    "cells": ["--layout=cells"],
    "cells, zip": ["--layout=cells", "--masks", "-z"],
    "masks, zip": ["--mask-cells", "-z", "--compression=none"],
    "shuffled": ["--shuffle", "--mask-cells", "--statistics=exact", "--save-metadata=w.csv"],
    "float, cells": ["--layout=cells", "--mask-cells", "--statistics=exact"],
}


@pytest.fixture(scope="module")
def slide(tmp_path_factory) -> slides.Slide:
    return slides.simple(tmp_path_factory.mktemp("slide"), shape=(2, 400, 400), number=230)


@pytest.fixture(scope="module")
def floats(slide, tmp_path_factory) -> list[str]:
    path = tmp_path_factory.mktemp("floats") / "image.ome.tif"
    noise = np.random.default_rng(1).random(slide.image.shape, np.float32)
    tifffile.imwrite(path, noise, metadata={"axes": "CYX"}, photometric="minisblack")
    return [str(path), *slide.paths[1:]]


def words(paths: list[str], *flags: str) -> list[str]:
    return [*paths, "out.zarr", "--cells-per-chunk=20", "-p1", *flags]


def run(folder: Path, number: int, action: str, words: list[str]):
    folder.mkdir(exist_ok=True)
    call = [sys.executable, "-c", INTERRUPTED, str(number), action, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("kind", KINDS)
def test_same_bytes_at_the_end(slide, floats, tmp_path, kind):
    flags = KINDS[kind]
    paths = floats if "float" in kind else slide.paths
    whole = run(tmp_path / "whole", NEVER, "", words(paths, *flags))
    assert whole.returncode == 0, whole.stderr
    expected = contents(tmp_path / "whole")
    assert int(whole.stdout) == 8
    for number, action in ((3, "SIGKILL"), (7, "SIGTERM"), (5, "ENOSPC")):
        folder = tmp_path / action
        stopped = run(folder, number, action, words(paths, *flags, "--resume"))
        assert stopped.returncode != 0
        assert not (folder / "out.zarr").exists()
        if action != "SIGKILL":
            assert "chunks are kept, and the same command goes on from them" in stopped.stderr
        again = run(folder, NEVER, "", words(paths, *flags, "--resume"))
        assert again.returncode == 0, again.stderr
        kept = int(re.search(r"going on: (\d+) of \d+ chunks are whole", again.stderr)[1])
        assert kept >= number - 1
        assert int(again.stdout) <= 8 - number + 1
        assert contents(folder) == expected


def test_a_run_that_was_interrupted_twice(slide, tmp_path):
    flags = words(slide.paths, "-z", "--resume")
    before = tmp_path / "before"
    for each in range(3):
        folder = tmp_path / str(each)
        if before.exists():
            shutil.copytree(before, folder)
        whole = run(folder, NEVER, "", flags)  # to know what it does, and at the end
        assert whole.returncode == 0, whole.stderr
        if each == 2:
            break
        assert run(before, 3, "SIGKILL", flags).returncode == -signal.SIGKILL
    assert int(re.search(r"going on: (\d+) of", whole.stderr)[1]) >= 4
    assert contents(tmp_path / "0") == contents(tmp_path / "2")


def interrupted(slide: slides.Slide, folder: Path, *flags: str) -> None:
    stopped = run(folder, 4, "SIGKILL", words(slide.paths, *flags))
    assert stopped.returncode == -signal.SIGKILL, stopped.stderr


def staging(folder: Path) -> Path:
    (found,) = folder.glob(".out.zarr.cellcutter-*[0-9a-f]/")
    return found


def test_without_it_a_run_starts_afresh(slide, tmp_path, monkeypatch, capfd):
    interrupted(slide, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(slide.paths)) == 0
    assert "going on" not in capfd.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["out.zarr"]


def test_a_run_that_was_killed_before_its_list_had_begun(slide, tmp_path, monkeypatch, capfd):
    interrupted(slide, tmp_path / "out")
    (staging(tmp_path / "out") / "store.whole").unlink()
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(slide.paths, "--resume")) == 0
    assert "going on" not in capfd.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["out.zarr"]


def test_a_stop_while_it_looks_at_what_is_whole(slide, tmp_path, monkeypatch, capfd):
    interrupted(slide, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(container, "reclaim", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        assert cli.main_cut_cells(words(slide.paths, "--resume")) == 128 + signal.SIGTERM
    capfd.readouterr()
    assert cli.main_cut_cells(words(slide.paths, "--resume")) == 0
    assert "going on: " in capfd.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["out.zarr"]


def another_mask(folder: Path, paths: list[str]) -> list[str]:
    os.utime(shutil.copy(paths[1], folder / Path(paths[1]).name), ns=(1, 1))
    return [paths[0], str(folder / Path(paths[1]).name), paths[2]]


def another_image(folder: Path, paths: list[str]) -> list[str]:
    copied = shutil.copy2(paths[0], folder)
    os.utime(copied, ns=(1, 1))
    return [copied, *paths[1:]]


def another_table(folder: Path, paths: list[str]) -> list[str]:
    lines = Path(paths[2]).read_text().splitlines()
    (folder / "t.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    return [*paths[:2], str(folder / "t.csv")]


@pytest.mark.parametrize(
    ("flags", "change", "message"),
    [
        (["--window-size=9"], None, "window 13 then, 9 now"),
        (["--channels=2"], None, "channels [1, 2] then, [2] now"),
        (["--compression=small"], None, 'compression "default" then, "small" now'),
        (["--layout=cells"], None, 'layout "chunks" then, "cells" now'),
        (["-z"], None, "z false then, true now"),
        (["--cells-per-chunk=21"], None, "another size of chunks"),
        (["--shuffle=3"], None, "another table of cells"),
        (["--mask-cells"], None, "differs: mask none then, one now"),
        ([], another_image, "another image"),
        ([], another_table, "another table of cells"),
        (["--statistics=none"], None, 'statistics "sampled" then, "none" now'),
    ],
)
def test_another_run_is_refused(slide, tmp_path, monkeypatch, capfd, flags, change, message):
    interrupted(slide, tmp_path / "out")
    before = contents(tmp_path / "out")
    paths = change(tmp_path, slide.paths) if change else slide.paths
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(paths, "--resume", *flags)) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("cut_cells: error: out.zarr: an interrupted run differs: ")
    assert message in error
    assert "without --resume all is cut anew" in error
    assert {n: c for n, c in contents(Path()).items() if "lock" not in n} == {
        n: c for n, c in before.items() if "lock" not in n
    }


@pytest.mark.parametrize("flags", [[], ["--masks"]])
def test_the_same_files_by_other_names(slide, tmp_path, monkeypatch, capfd, flags):
    names = [os.path.relpath(path, tmp_path / "out") for path in slide.paths]
    stopped = run(tmp_path / "out", 4, "SIGKILL", words(names, *flags))
    assert stopped.returncode == -signal.SIGKILL, stopped.stderr
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(slide.paths, "--resume", *flags)) == 0
    assert "going on" in capfd.readouterr().err


def test_another_mask_is_refused(slide, tmp_path, monkeypatch, capfd):
    interrupted(slide, tmp_path / "out", "--mask-cells")
    paths = another_mask(tmp_path, slide.paths)
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(paths, "--resume", "--mask-cells")) == 2
    assert "another mask" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["chunks", "zip", "cells"])
def test_only_what_is_as_it_was_written_is_kept(slide, tmp_path, monkeypatch, capfd, kind):
    """After a loss of power the list may know more than the disk."""
    whole = run(tmp_path / "whole", NEVER, "", words(slide.paths, *KINDS[kind]))
    assert whole.returncode == 0
    interrupted(slide, tmp_path / "out", *KINDS[kind])
    left = staging(tmp_path / "out")
    file = left / {"chunks": "store/0.1.0.0", "zip": "store.zip"}.get(
        kind, "store/obsm/single_cell_images/c/1/0/0/0"
    )
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with (left / "store.whole").open("ab") as file:
        file.write(b"\0" * 100)
    (left / "store" / "foreign").write_text("x")
    (left / "store" / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(slide.paths, "--resume", *KINDS[kind])) == 0
    assert "going on" in capfd.readouterr().err
    assert contents(Path()) == contents(tmp_path / "whole")
    assert slide.image_path.exists()


def test_a_record_that_cannot_be_read(slide, tmp_path, monkeypatch, capfd):
    interrupted(slide, tmp_path / "out")
    (staging(tmp_path / "out") / "record").write_text("[]")
    monkeypatch.chdir(tmp_path / "out")
    assert cli.main_cut_cells(words(slide.paths, "--resume")) == 2
    assert "cannot be read" in capfd.readouterr().err
    assert cli.main_cut_cells(words(slide.paths)) == 0


def test_nothing_to_go_on_from(slide, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert cli.main_cut_cells(words(slide.paths, "--resume")) == 0
    assert "going on" not in capfd.readouterr().err
    options = json.loads(Path("out.zarr/.zattrs").read_text())["cellcutter"]["options"]
    assert "resume" not in options


def test_members_of_a_zip_file_are_kept_one_behind_the_other(tmp_path):
    """A member that is not as it was written ends what is kept."""
    archive, folder = tmp_path / "a.zip", tmp_path / "a"
    folder.mkdir()
    archive.write_bytes(b"headAheadBheadCtail")
    files = WholeFiles(tmp_path / "list")
    for place, name in enumerate("ABC"):
        files.add(name, Written(1, bytes.fromhex(DIGESTS[name])))
        files.move(name, Moved(5 * place, 5 * place + 5, 0))
    files.close()
    found = reclaim(tmp_path / "list", folder, archive, "ABC")
    assert list(found.moved) == ["A", "B"]
    assert archive.read_bytes() == b"headAheadB"
    assert reclaim(tmp_path / "list", folder, archive, "ABC") == found


DIGESTS = {
    "A": "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd",
    "B": "df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c",
    "C": "0" * 64,
}
