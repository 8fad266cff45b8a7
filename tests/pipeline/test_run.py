"""The pipeline as a user runs it, without a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from tests.pipeline.conftest import ROOT, Outcome, Run
from tests.pipeline.projects import CHANNELS, sample, write, write_table
from tests.services import running

CUT_CELLS = Path(sys.executable).parent / "cut_cells"


def cut(project: Path, names: tuple[str, ...], store: Path, *options: str) -> zarr.Array:
    """Cut by the command."""
    paths = [project / name for name in names]
    markers = ["--markers", project / "markers.csv"]
    subprocess.run([CUT_CELLS, *paths, store, *markers, *options], check=True)
    return zarr.open_array(store, mode="r")


def read(store: Path) -> zarr.Array:
    return zarr.open_array(store, mode="r")


def test_project_is_cut_as_the_command_cuts_it(pipeline: Run, tmp_path: Path) -> None:
    names = {"a'b -- c.d é": sample("a'b -- c.d é"), "s": sample("s"), "m": sample("s", "mesmer")}
    project = write(tmp_path / "pro'ject 1", *{name for three in names.values() for name in three})
    (project / "params.yml").write_text(
        "options:\n  ashlar: -m 30\n  cellcutter: --window-size 7\n"
    )
    done = pipeline("--in", project)
    assert done.status == 0, done.text
    assert "3 of 3 cut" in done.text
    stores = {store.name for store in (project / "thumbnails").iterdir()}
    assert stores == {
        "a'b -- c.d é--unmicst_cell.zarr",
        "s--unmicst_cell.zarr",
        "s--mesmer_cell.zarr",
        "cells.csv",
    }
    for key, name in enumerate(names.values()):
        result = read(project / "thumbnails" / (Path(name[2]).stem + ".zarr"))
        expected = cut(project, name, tmp_path / f"{key}.zarr", "--window-size", "7")
        assert result.shape == (3, 2, 7, 7)
        np.testing.assert_array_equal(result[:], expected[:])
        assert json.dumps(CHANNELS[1]) in json.dumps(dict(result.attrs))
    reports = {file.name for file in (project / "qc/cellcutter").iterdir()}
    assert reports == {"report.html", "timeline.html", "trace.txt", "versions.yml"}
    assert "cellcutter: 1" in (project / "qc/cellcutter/versions.yml").read_text()

    again = pipeline("--in", project, "-resume")
    assert (again.status, again.submitted) == (0, 0)
    assert "3 of 3 cut" in again.text


def test_options_of_a_sample_win_over_those_of_the_run(pipeline: Run, tmp_path: Path) -> None:
    write(tmp_path / "x", *sample("s"), *sample("t"))
    rows = [
        ",".join([f'"{i}, 1"', *(f"x/{name}" for name in sample(i)), "x/markers.csv", options])
        for i, options in (("s", ""), ("t", '"--window-size 5 --channels ""CD 45"",1"'))
    ]
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("\n".join(["sample,image,mask,table,markers,options", *rows]) + "\n")
    (tmp_path / "params.json").write_text(
        json.dumps({"options": {"cellcutter": {"window-size": 9, "mask-cells": True, "z": False}}})
    )
    done = pipeline("--input", sheet, "--outdir", "out dir", "-params-file", "params.json")
    assert done.status == 0, done.text
    assert read(tmp_path / "out dir/s, 1.zarr").shape == (3, 2, 9, 9)
    assert read(tmp_path / "out dir/t, 1.zarr").shape == (2, 2, 5, 5)
    assert read(tmp_path / "out dir/t, 1_mask.zarr").shape == (2, 5, 5)


def test_failure_of_one_sample_loses_no_other(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("good"), *sample("bad"), *sample("empty"))
    (project / "segmentation/unmicst-bad/cell.ome.tif").write_bytes(b"no TIFF")
    write_table(project / "quantification/empty--unmicst_cell.csv", cells=0)
    done = pipeline("--in", project, "--options=-z")
    assert done.status != 0
    assert "1 of 2 cut" in done.text
    assert "failed: bad--unmicst_cell: cut_cells: error: mask/cell.ome.tif" in done.text
    assert "no cells: empty--unmicst_cell" in done.text
    left = {path.name for path in (project / "thumbnails").iterdir()}
    assert left == {"good--unmicst_cell.zarr.zip", "cells.csv"}
    store = zarr.storage.ZipStore(project / "thumbnails/good--unmicst_cell.zarr.zip", mode="r")
    assert zarr.open_array(store, mode="r").shape[:2] == (3, 2)
    store.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--window-sizes 64", "cut_cells: error: --options: '--window-sizes 64' found"),
        ({"window-sise": 64}, "unknown key 'window-sise' found, perhaps 'window-size' expected"),
        ({"window-size": "big"}, "window-size: 'big' found, a whole number above 0 expected"),
        ({"channels": ["$(touch hacked)`touch hacked`'; touch hacked"]}, "channel"),
        ("--channels '$(touch hacked)' \"; touch hacked\nEND_OF_OPTIONS\ntouch hacked", "channel"),
    ],
)
def test_bad_options(pipeline: Run, tmp_path: Path, options: object, words: str) -> None:
    project = write(tmp_path / "p", *sample("s"))
    (tmp_path / "params.json").write_text(json.dumps({"options": options}))
    done = pipeline("--in", project, "-params-file", "params.json")
    assert done.status != 0
    assert "0 of 1 cut" in done.text
    assert words in done.text.split("0 of 1 cut")[1]
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "options:\n\tcellcutter: -z\n",
            "params.yml: line 2: found character '\\t(TAB)' that cannot start any token",
        ),
        (
            'options: "--mask-cells"\n',
            "params.yml: options: '--mask-cells' found, options: cellcutter: '--mask-cells' exp",
        ),
        (
            "options:\n  cellcutter: --window-sizes 3\n",
            "params.yml: '--window-sizes 3' found: unrecognized arguments",
        ),
        (
            "options:\n  cellcutter: --channels \udcb5\n",
            "params.yml: bytes that are no UTF-8 found, YAML in UTF-8 expected",
        ),
    ],
)
def test_bad_options_of_a_project(pipeline: Run, tmp_path: Path, text: str, words: str) -> None:
    project = write(tmp_path / "p", *sample("s"))
    (project / "params.yml").write_text(text, "utf-8", "surrogateescape")
    done = pipeline("--in", project)
    assert done.status != 0
    assert f"{project}/{words}" in done.text


def test_project_that_may_only_be_read(pipeline: Run, tmp_path: Path) -> None:
    running.need("mount", root=True)
    project = write(tmp_path / "p", *sample("s"))
    subprocess.run(["mount", "--bind", project, project], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", project], check=True)
        done = pipeline("--in", project)
        assert (done.status, done.submitted) == (1, 0), done.text
        assert f"{project}: this folder cannot be written to; name another one by --outdir" in (
            done.text
        )
        done = pipeline("--in", project, "--outdir", "out")
        assert done.status == 0, done.text
        assert f"thumbnails are in {tmp_path}/out" in done.text
        reports = {file.name for file in (tmp_path / "out/qc").iterdir()}
        assert reports == {"report.html", "timeline.html", "trace.txt", "versions.yml"}
        words = ("--outdir", "out", "--reports", project / "reports")
        done = pipeline("--in", project, *words)
        assert (done.status, done.submitted) == (1, 0), done.text
        assert f"{project}: this folder cannot be written to; name another one by --reports" in (
            done.text
        )
    finally:
        subprocess.run(["umount", project], check=True)


def test_image_that_cannot_be_pulled(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    fake = tmp_path / "commands" / "singularity"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'FATAL: no such image' >&2\nexit 255\n")
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    done = pipeline("--in", project, "-profile", "test,singularity", PATH=path)
    assert done.status != 0
    assert "0 of 1 cut" in done.text
    assert (
        "make it as docs/how-to/pipeline.md or docs/how-to/hpc.md says, and name it by --container"
        in (done.text.splitlines()[-1])
    )


KILLED = "process { withName: 'CUT_CELLS' { memory = { 512.MB * task.attempt } } }"


@pytest.fixture
def killed(tmp_path: Path) -> str:
    """A PATH with a command that is killed unless it may use more than 512 MB."""
    fake = tmp_path / "commands" / "cut_cells"
    fake.parent.mkdir()
    test = "grep -q '\"cache-size\":358' options.yml && kill -9 $$"
    fake.write_text(f'#!/bin/bash\n{test}\nexec {CUT_CELLS} "$@"\n')
    fake.chmod(0o755)
    (tmp_path / "few.config").write_text(KILLED)
    return f"{fake.parent}:{CUT_CELLS.parent}:{os.environ['PATH']}"


def test_killed_task_is_tried_again_with_more_memory(
    pipeline: Run, tmp_path: Path, killed: str
) -> None:
    project = write(tmp_path / "p", *sample("s"))
    done = pipeline("--in", project, "-c", "few.config", PATH=killed)
    assert done.status == 0, done.text
    assert done.text.count("process > CUT_CELLS") == 2
    trace = (project / "qc/cellcutter/trace.txt").read_text()
    assert "512 MB" in trace
    assert "1 GB" in trace


def test_killed_task_that_cannot_have_more_is_not_tried_again(
    pipeline: Run, tmp_path: Path, killed: str
) -> None:
    project = write(tmp_path / "p", *sample("s"))
    words = ("-profile", "standard", "--max_memory", "0.5 GB")
    done = pipeline("--in", project, "-c", "few.config", *words, PATH=killed)
    assert (done.status, done.submitted) == (1, 1), done.text
    assert "0 of 1 cut" in done.text
    (line,) = (line for line in done.text.splitlines() if "failed: s--unmicst_cell: " in line)
    assert line.endswith(
        "failed: s--unmicst_cell: killed, most often for want of memory: it had 512 MB; "
        "to allow for more use --max_memory, or see docs/how-to/hpc.md"
    )


def test_task_may_ask_for_the_memory_of_the_machine(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    (tmp_path / "much.config").write_text(
        "process { withName: 'CUT_CELLS' { memory = { 1.PB * task.attempt } } }"
    )
    # The executor refuses a task that asks for more than there is
    words = ("-profile", "standard", "-c", "much.config", "-stub-run", "--gallery=false")
    done = pipeline("--in", project, *words)
    assert done.status == 0, done.text
    rows = (project / "qc/cellcutter/trace.txt").read_text().splitlines()
    head, row = (line.split("\t") for line in rows)
    size, unit = row[head.index("memory")].split()
    asked = float(size) * 1024 ** "KMGT".index(unit[0])
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024
    assert asked <= there * 1.01
    assert row[head.index("memory")] != "8 GB"


def test_stub(pipeline: Run, tmp_path: Path) -> None:
    done = pipeline("--in", write(tmp_path / "p", *sample("it's")), "-stub-run")
    assert done.status == 0, done.text
    assert (tmp_path / "p/thumbnails/it's--unmicst_cell.zarr/.zarray").exists()


def test_dry_run_shows_and_runs_nothing(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    before = sorted(project.rglob("*"))
    done = pipeline("--in", project, "--dry_run")
    assert (done.status, done.submitted) == (0, 0)
    assert "s--unmicst_cell" in done.text
    assert sorted(project.rglob("*")) == before


def test_flag_that_says_false(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    done = pipeline("--in", project, "--dry_run", "false", "--help", "false", "-stub-run")
    assert (done.status, done.submitted) == (0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "neither of --in PROJECT and --input SAMPLESHEET found"),
        (["--in", "p", "--input", "x"], "both of --in PROJECT and --input SAMPLESHEET found"),
        (["--in", "typo"], "typo: no such folder"),
        (["--in", "p", "--outdri", "x"], "--outdri: unknown parameter; did you mean --outdir?"),
        (["--in", "p", "--dryrun"], "--dryrun: unknown parameter; did you mean --dry_run?"),
        (["--in", "p", "--max-memory", "2.GB"], "did you mean --max_memory?"),
        (
            ["--in", "p", "--window-size", "64", "--mask-cells"],
            "options of cut_cells are given as --options='--window-size 64 --mask-cells'",
        ),
        (["--input", "typo.csv"], "typo.csv: no such file"),
        # Nextflow takes what has a space for the value
        (["--in", "p", "--gallery", "--options=-z -v"], "--gallery: '--options=-z -v' found, true"),
        (["--in", "p", "--gallery_cells", "0x"], "--gallery_cells: 0x found, a whole number"),
    ],
)
def test_bad_commands(pipeline: Run, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "p").mkdir()
    done = pipeline(*words)
    assert done.status != 0
    assert message in done.text
    assert not (tmp_path / "typo").exists()
    if "--in" not in words:
        left = {file.name for file in tmp_path.iterdir()}
        assert left <= {"p", ".nextflow", ".nextflow.log", "work"}  # Nextflow's own


def test_help_names_every_parameter(pipeline: Run) -> None:
    done = pipeline("--help")
    schema = json.loads((ROOT / "nextflow_schema.json").read_text())
    names = [name for group in schema["$defs"].values() for name in group["properties"]]
    assert done.status == 0
    for name in names:
        assert f"--{name} " in done.text


def test_tiles(nextflow: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    image = project / "registration/s.ome.tif"
    done: Outcome = nextflow(
        tmp_path, "run", ROOT / "tests/pipeline/tiles.nf", "--image", image, timeout=240
    )
    assert done.status == 0, done.text
    (line,) = (line for line in done.text.splitlines() if line.startswith("TILES grid "))
    assert read(Path(line.removeprefix("TILES grid "))).shape == (3, 12, 16, 16)


@pytest.mark.timeout(400)  # thirty samples
def test_real_project(pipeline: Run, tmp_path: Path, real: Path) -> None:
    (tmp_path / "imc").symlink_to(real / "imc")
    words = ("--in", "imc", "--outdir", "out", "--reports", "reports")
    done = pipeline(*words, timeout=360)
    assert done.status == 0, done.text
    tables = sorted((real / "imc/quantification").glob("*.csv"))
    assert len(tables) == len(list((tmp_path / "out").glob("*.zarr"))) == 30
    listed = pd.read_csv(tmp_path / "out/cells.csv")
    assert listed["slide"].nunique() == 30
    assert len(listed) == sum(len(pd.read_csv(table)) for table in tables)
    for table in tables[:4]:
        image, method = table.stem.split("--")
        method = method.removesuffix("_cell")
        names = (
            f"registration/{image}.ome.tif",
            f"segmentation/{method}-{image}/cell.tif",
            f"quantification/{table.name}",
        )
        expected = cut(real / "imc", names, tmp_path / f"{table.stem}.zarr")
        np.testing.assert_array_equal(read(tmp_path / f"out/{table.stem}.zarr")[:], expected[:])


def test_demo(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "bin/demo", "a project"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line.split(":", 1)[1].strip() for line in done.stdout.splitlines()[-7:]]
    pictures = [Path(name) for name in said if name.endswith(".png")]
    stores = [read(Path(name.split(".zarr (")[0] + ".zarr")) for name in said if ".zarr (" in name]
    assert [len(store.shape) for store in stores] == [4, 4, 4]
    assert {file.parent for file in pictures} == {tmp_path / "a project/thumbnails"}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in pictures)


def test_table_of_parameters_is_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "bin/parameter-table"], check=True, capture_output=True, text=True
    )
    assert made.stdout == (ROOT / "docs/reference/parameters.md").read_text(), "make docs"
