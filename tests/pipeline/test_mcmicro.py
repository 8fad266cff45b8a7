"""The step inside MCMICRO: in a small pipeline that offers the same, and in MCMICRO itself.

The real one is among the parameters where CELLCUTTER_MCMICRO names a checkout of it.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

import cellcutter
from cellcutter.view.report import report
from tests.pipeline.conftest import ROOT, Outcome, Run
from tests.pipeline.projects import sample, write, write_mask, write_table
from tests.pipeline.test_cohort import cut as cut_files
from tests.pipeline.test_cohort import files, listed
from tests.pipeline.test_qc import about
from tests.pipeline.test_run import cut

STEP = ROOT / "bin" / "mcmicro-step"
HOSTS = {"host": Path(__file__).parent / "host"}
if "CELLCUTTER_MCMICRO" in os.environ:
    HOSTS["mcmicro"] = Path(os.environ["CELLCUTTER_MCMICRO"]).absolute()
EDITED = ("config/defaults.yml", "config/schema.yml", "lib/mcmicro/Flow.groovy", "main.nf")
ASSETS = tuple(f"lib/cellcutter/report.{kind}" for kind in ("html", "css", "js"))
CLASSES = tuple(f"lib/{name}.groovy" for name in ("Published", "Cohort", "CellTable", "RunPage"))
NEW = ("modules/thumbnails.nf", *CLASSES, *ASSETS)
Snapshot = dict[str, tuple[int, bytes]]


def copy(name: str, folder: Path) -> Path:
    unwanted = shutil.ignore_patterns(".git", "docs", ".nextflow*", "work")
    return shutil.copytree(HOSTS[name], folder / name, ignore=unwanted)


def step(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, STEP, *words], capture_output=True, text=True)


def snapshot(folder: Path) -> Snapshot:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(f.relative_to(folder)): (f.stat().st_mode, f.read_bytes()) for f in files}


@pytest.fixture(params=HOSTS)
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkout without the step."""
    return copy(request.param, tmp_path)


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the step."""
    folder = copy(request.param, tmp_path_factory.mktemp("checkout"))
    done = step("add", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_add_inserts_lines_and_remove_gives_back_every_byte(checkout: Path) -> None:
    (checkout / "main.nf").chmod(0o750)
    before = snapshot(checkout)
    done = step("add", checkout)
    assert (done.returncode, done.stderr) == (0, "")
    after = snapshot(checkout)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {*EDITED, "lib/mcmicro/Opts.groovy", *NEW}
    shown = done.stdout.splitlines()
    assert not [line for line in shown if line.startswith("-") and not line.startswith("--- ")]
    inserted = sum(line.startswith("+") and not line.startswith("+++ ") for line in shown)
    lines = {name: content.count(b"\n") for name, (_, content) in after.items()}
    assert inserted == sum(lines[f] - before[f][1].count(b"\n") for f in changed & before.keys())
    assert {name: mode for name, (mode, _) in after.items() if name in before} == {
        name: mode for name, (mode, _) in before.items()
    }

    assert step("add", checkout).stdout == "nothing to change\n"
    assert snapshot(checkout) == after
    assert step("remove", checkout).returncode == 0
    assert snapshot(checkout) == before
    assert not (checkout / "lib/cellcutter").exists()
    assert step("remove", checkout).stdout == "nothing to change\n"
    assert snapshot(checkout) == before


def test_a_file_of_the_users_beside_the_steps_own_stays(checkout: Path) -> None:
    step("add", checkout)
    mine = checkout / "lib/cellcutter/mine.txt"
    mine.write_text("mine")
    assert step("remove", checkout).returncode == 0
    assert [*mine.parent.iterdir()] == [mine]


def test_dry_run_shows_and_changes_nothing(checkout: Path) -> None:
    before = snapshot(checkout)
    shown = step("add", "--dry-run", checkout).stdout
    assert snapshot(checkout) == before
    assert step("add", checkout).stdout == shown


def test_line_ends_of_windows_are_kept(checkout: Path) -> None:
    for name in EDITED:
        text = (checkout / name).read_bytes()
        (checkout / name).write_bytes(text.replace(b"\n", b"\r\n"))
    before = snapshot(checkout)
    assert step("add", checkout).returncode == 0
    for name in EDITED:
        text = (checkout / name).read_bytes()
        assert text.count(b"\n") == text.count(b"\r\n")
    assert step("remove", checkout).returncode == 0
    assert snapshot(checkout) == before


def test_adding_again_brings_image_and_module_up_to_date(checkout: Path) -> None:
    before = snapshot(checkout)
    step("add", checkout)
    after = snapshot(checkout)
    module = checkout / "modules" / "thumbnails.nf"
    module.write_text(module.read_text() + "// of an older version\n")
    done = step("add", checkout, "--image", "localhost:5000/cellcutter:1.10")
    assert done.returncode == 0, done.stderr
    module = yaml.safe_load((checkout / "config/defaults.yml").read_text())["modules"]["thumbnails"]
    assert module["container"] == "localhost:5000/cellcutter"
    assert module["version"] == "1.10"
    step("add", checkout)
    assert snapshot(checkout) == after
    step("remove", checkout)
    assert snapshot(checkout) == before


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def write_text(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)


def half_added(checkout: Path) -> None:
    step("add", checkout)
    replace(checkout / "config/schema.yml", "  - thumbnails\n", "")


def module_only(checkout: Path) -> None:
    step("add", checkout)
    for name in (*EDITED, "lib/mcmicro/Opts.groovy"):
        replace(checkout / name, "thumbnails", "thumb")


def not_text(checkout: Path) -> None:
    (checkout / "config/schema.yml").write_bytes(b"workflow:\n  - viz\xff\n")


Harm = Callable[[Path], object]
HARM: dict[str, tuple[Harm, str]] = {
    "no file": (
        lambda c: (c / "config/schema.yml").unlink(),
        "config/schema.yml: no such file or directory; a checkout of labsyspharm/mcmicro expected",
    ),
    "no checkout": (shutil.rmtree, "no such file or directory; a checkout of"),
    "no folder": (lambda c: shutil.rmtree(c / "modules"), "modules/.thumbnails.nf"),
    "no text": (not_text, "config/schema.yml: no utf-8"),
    "other call": (
        lambda c: replace(c / "main.nf", "    downstream(mcp, sft)\n", "    downstream(sft)\n"),
        "main.nf: 'downstream(mcp, sft)' found 0 times, once expected",
    ),
    "two calls": (
        lambda c: replace(
            c / "main.nf", "    downstream(mcp, sft)\n", "    downstream(mcp, sft)\n" * 2
        ),
        "main.nf: 'downstream(mcp, sft)' found 2 times, once expected",
    ),
    "no flag": (
        lambda c: replace(c / "config/defaults.yml", "  viz: false\n", ""),
        "config/defaults.yml: 'viz:' below 'workflow:' found 0 times, once expected",
    ),
    "no case": (
        lambda c: replace(c / "lib/mcmicro/Flow.groovy", "case 'viz'", "case 'show'"),
        "lib/mcmicro/Flow.groovy: \"case 'viz': return(wfp.viz)\" found 0 times, once expected",
    ),
    "another module": (
        lambda c: (c / "modules/thumbnails.nf").write_text("process thumbs {}\n"),
        "modules/thumbnails.nf: a file of somebody else's found",
    ),
    "empty module": (
        lambda c: (c / "modules/thumbnails.nf").write_text(""),
        "modules/thumbnails.nf: a file of somebody else's found",
    ),
    "another check": (
        lambda c: (c / "lib/Published.groovy").write_text("class Mine {}\n"),
        "lib/Published.groovy: a file of somebody else's found",
    ),
    "another page": (
        lambda c: write_text(c / "lib/cellcutter/report.js", "mine()"),
        "lib/cellcutter/report.js: a file of somebody else's found",
    ),
    "half added": (half_added, "config/schema.yml: no line of the step found"),
    "half removed": (module_only, "config/defaults.yml: no line of the step found"),
}


@pytest.mark.parametrize("harm", HARM)
def test_refuses_what_it_does_not_know(checkout: Path, harm: str) -> None:
    change, message = HARM[harm]
    change(checkout)
    before = snapshot(checkout)
    had = (checkout / "lib/cellcutter").exists()
    words = (
        ["add"]
        if harm in ("no folder", "other call", "two calls", "no flag", "no case")
        else [
            "add",
            "remove",
        ]
    )
    for word in words:
        done = step(word, checkout)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"mcmicro-step: error: {checkout}: ")
        assert done.stderr.endswith("; nothing was changed\n")
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
        assert snapshot(checkout) == before
        assert (checkout / "lib/cellcutter").exists() == had


@pytest.mark.parametrize(
    "words",
    [["add"], ["put", "."], ["add", ".", "--image", "x"], ["add", ".", "--image", "x:1\ny"]],
)
def test_bad_command_line(words: list[str]) -> None:
    done = step(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("mcmicro-step: error: ")
    assert done.stderr.count("\n") == 1


# The step in a run


@pytest.fixture
def mcmicro(nextflow: Run, host: Path, tmp_path: Path) -> Run:
    """Run the host without containers."""
    (tmp_path / "plain.config").write_text("docker.enabled = false\n")

    def run(project: Path, *words: str, **extra: str) -> Outcome:
        options = ("-c", "plain.config", "--in", project)
        return nextflow(tmp_path, "run", host, *options, *words, **extra)

    return run


LAST = ("--start-at", "downstream", "--thumbnails")


def names(folder: Path) -> set[str]:
    found = {file.name for file in folder.iterdir()} if folder.exists() else set()
    of_run = ("cells.csv", "index.html", "cellcutter_mqc.json")
    return {name for name in found if name != "qc" and not name.startswith(of_run)}


def check(project: Path, three: tuple[str, ...], scratch: Path, *options: str) -> None:
    """Make sure that a sample's thumbnails are those that the command cuts, byte for byte."""
    store = f"{Path(three[2]).stem}.zarr"
    cut(project, three, scratch / store, *options)
    kinds = (store, store.replace(".zarr", "_mask.zarr"))
    for name in kinds if "--mask-cells" in options else kinds[:1]:
        assert snapshot(project / "thumbnails" / name) == snapshot(scratch / name)


def check_gallery(project: Path, three: tuple[str, ...]) -> None:
    """Make sure that a sample has a page of pictures, drawn where its cells were cut."""
    page = (project / "thumbnails/qc" / f"{Path(three[2]).stem}.html").read_text()
    assert '<meta name="generator" content="cellcutter gallery">' in page


def check_page(project: Path, *ids: str, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Make sure that a page shows samples as `cellcutter report` does; return its problems.

    Samples in `without` have no gallery.
    """
    out = project / "thumbnails"
    told = about(out / "index.html")
    assert [each["name"] for each in told["samples"]] == sorted(ids)
    stores = [out / each["store"] for each in told["samples"]]
    again, multiqc = out / "cells.csv.html", out / "cells.csv_mqc.json"
    report(stores, again, multiqc=multiqc, galleries=out / "qc", force=True)
    expected = about(again)
    assert set(told["versions"]) == {"cellcutter", "Nextflow"}
    problems = {each["name"]: each["problem"] for each in told["problems"]}
    for mine, theirs in zip(told["samples"], expected["samples"], strict=True):
        if mine["name"] in without:
            assert (mine["gallery"], len(mine["problems"])) == (None, 1)
            problems[mine["name"]] = mine["problems"].pop()
        assert mine == theirs
        assert mine["name"] in without or mine["gallery"] == f"qc/{mine['name']}.html"
        assert mine["asked"] == 2
        assert mine["strip"].startswith("data:image/png;base64,")
    of_qc = (out / "qc/cellcutter_mqc.json").read_text()
    assert json.loads(of_qc) == json.loads(multiqc.read_text())
    again.unlink()
    multiqc.unlink()
    return problems


def test_slide(mcmicro: Run, tmp_path: Path) -> None:
    threes = (sample("a'b -- c.d é"), sample("s-1"), sample("s-1", "mesmer"))
    other = ("segmentation/unmicst-s-1/nuclei.ome.tif", "segmentation/unmicst-s-1/qc/outlines.tif")
    project = write(
        tmp_path / "p", *dict.fromkeys(name for three in threes for name in three), *other
    )
    (project / "params.yml").write_text(
        "options:\n  cellcutter:\n    window-size: 7\n    channels: [3, CD 45]\n"
    )
    done = mcmicro(project, "--start-at", "downstream")
    assert (done.status, done.submitted) == (0, 0), done.text
    assert not (project / "thumbnails").exists()

    done = mcmicro(project, *LAST)
    assert (done.status, done.submitted) == (0, 3), done.text
    assert "WARN" not in done.text
    assert names(project / "thumbnails") == {f"{Path(three[2]).stem}.zarr" for three in threes}
    for three in threes:
        check(project, three, tmp_path, "--window-size=7", "--channels=3,CD 45")
    ids = [Path(three[2]).stem for three in threes]
    assert names(project / "thumbnails/qc") == {f"{name}.html" for name in ids}
    assert "thumbnails: the page of the run is index.html\n" in done.text
    assert check_page(project, *ids) == {}
    assert "cells.csv lists 6 cells of 3 slides" in done.text
    cells = cellcutter.open(project / "thumbnails" / "cells.csv")
    assert cells.slides == sorted(Path(three[2]).stem for three in threes)
    assert cells.shape == (6, 2, 7, 7)
    provenance = {f"cellcutter-{i}.{kind}" for i in (1, 2, 3) for kind in ("sh", "log")}
    assert names(project / "qc/provenance") == provenance

    # Other modules' options are not this step's
    before = snapshot(project / "thumbnails")
    done = mcmicro(project, "--mcquant-opts=--masks x.tif", *LAST, "-resume")
    assert (done.status, done.submitted) == (0, 0), done.text
    assert snapshot(project / "thumbnails") == before


METHODS = ("unmicst", "mesmer")
CORES: list[tuple[str, ...]] = [
    (f"dearray/{core}.ome.tif", *sample(core, method)[1:])
    for core in ("1", "11")
    for method in METHODS
]


def microarray(project: Path) -> Path:
    """Write a tissue microarray of two cores, each with two segmentations."""
    masks = ("dearray/masks/1_mask.tif", "dearray/masks/11_mask.tif")
    names = dict.fromkeys(name for core in CORES for name in core)
    return write(project, "registration/tma.ome.tif", *masks, *names)


KINDS = ("slide", "microarray")


def arrange(project: Path, kind: str) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Write a slide or a microarray with two segmentations; return its samples, and their flags."""
    if kind == "microarray":
        microarray(project)
        return CORES, ("--tma",)
    threes: list[tuple[str, ...]] = [sample("a'b -- c.d é", method) for method in METHODS]
    write(project, *dict.fromkeys(name for three in threes for name in three))
    return threes, ()


def test_microarray(mcmicro: Run, tmp_path: Path) -> None:
    project = microarray(tmp_path / "p")
    (project / "params.yml").write_text(
        "modules:\n  thumbnails:\n    gallery: false\n"
        "workflow:\n  tma: true\noptions:\n  cellcutter: --window-size 5 --mask-cells\n"
    )
    done = mcmicro(project, *LAST)
    assert (done.status, done.submitted) == (0, 4), done.text
    for core in CORES:
        check(project, core, tmp_path, "--window-size=5", "--mask-cells")
    assert not [*(project / "thumbnails/qc").iterdir()]
    assert not (project / "thumbnails/index.html").exists()
    assert "index.html" not in done.text

    shutil.rmtree(project / "thumbnails")
    done = mcmicro(project, *LAST, "--cellcutter-opts=--mask-cells", "--publish_dir_mode", "link")
    assert (done.status, done.submitted) == (0, 4), done.text
    for number, core in enumerate(CORES):
        (tmp_path / str(number)).mkdir()
        check(project, core, tmp_path / str(number), "--mask-cells")
    assert not (project / "thumbnails/index.html").exists()


@pytest.mark.parametrize("z", [False, True], ids=["folder", "zip"])
def test_layout_cells(mcmicro: Run, tmp_path: Path, z: bool) -> None:
    threes = [sample("s"), sample("a'b -- c.d é", "mesmer")]
    project = write(tmp_path / "p", *(name for three in threes for name in three))
    options = {"layout": "cells", "shuffle": 2, "masks": True, "z": z}
    (project / "params.yml").write_text(yaml.safe_dump({"options": {"cellcutter": options}}))
    done = mcmicro(project, *LAST)
    assert (done.status, done.submitted) == (0, 2), done.text
    out, again = project / "thumbnails", tmp_path / "again"
    again.mkdir()
    stores = sorted(f"{Path(three[2]).stem}.zarr{'.zip' * z}" for three in threes)
    assert names(out) == set(stores)
    for three in threes:
        store = f"{Path(three[2]).stem}.zarr{'.zip' * z}"
        words = ["--layout=cells", "--shuffle=2", "--masks", *["-z"] * z]
        assert files(out / store) == cut_files(project, three, again / store, *words)
    expected = listed(again / "cells.csv", *(again / store for store in stores))
    assert (out / "cells.csv").read_bytes() == expected
    assert "cells.csv lists 4 cells of 2 slides" in done.text
    assert check_page(project, *(Path(three[2]).stem for three in threes)) == {}


def test_what_is_not_cellcutters_is_kept(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    mine = project / "thumbnails" / "cells.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    page = mine.with_name("index.html")
    page.write_text("<!doctype html>")
    done = mcmicro(project, *LAST)
    assert done.status == 1, done.text
    assert f"index.html was not written: {page}: a file that cellcutter did not write" in done.text
    assert page.read_text() == "<!doctype html>"
    assert f"cells.csv: {mine}: a file that is no list of cells found" in done.text
    assert mine.read_text() == "mine"
    assert names(project / "thumbnails") == {"s--unmicst_cell.zarr"}


def test_a_store_that_is_not_cellcutters_is_not_replaced(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    mine = project / "thumbnails" / "t--unmicst_cell.zarr" / ".zgroup"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    done = mcmicro(project, *LAST)
    assert done.status == 1, done.text
    assert f"thumbnails: {mine.parent}: a store or file that cellcutter did not write" in done.text
    assert [*mine.parent.iterdir()] == [mine]
    assert (project / "thumbnails" / "s--unmicst_cell.zarr" / ".zarray").exists()
    (problem,) = about(project / "thumbnails" / "index.html")["problems"]
    assert problem["name"] == "t--unmicst_cell"


def test_background_and_zip(mcmicro: Run, tmp_path: Path) -> None:
    project = write(
        tmp_path / "p",
        "registration/s.ome.tif",
        "background/s_backsub.ome.tif",
        "background/markers_bs.csv",
        "segmentation/mesmer-s_backsub/cell.tif",
        "quantification/s_backsub--mesmer_cell.csv",
    )
    done = mcmicro(
        project,
        *("--cellcutter-opts=-z --mask-cells", *LAST, "--background"),
    )
    assert done.status == 0, done.text
    name = "s_backsub--mesmer_cell"
    assert names(project / "thumbnails") == {f"{name}.zarr.zip", f"{name}_mask.zarr.zip"}
    files = ("background/s_backsub.ome.tif", "segmentation/mesmer-s_backsub/cell.tif")
    table = f"quantification/{name}.csv"
    expected = cut(project, (*files, table), tmp_path / "expected.zarr", "--mask-cells")
    store = zarr.storage.ZipStore(project / "thumbnails" / f"{name}.zarr.zip", mode="r")
    np.testing.assert_array_equal(zarr.open_array(store, mode="r")[:], expected[:])
    store.close()


def test_left_out_is_said(mcmicro: Run, tmp_path: Path) -> None:
    project = write(
        tmp_path / "p", *sample("s"), *sample("t"), "quantification/s--unmicst_ring.csv"
    )
    write_table(project / "quantification/t--unmicst_cell.csv", cells=0)
    # A table may be compressed, and have names that are no UTF-8
    table = b"Area \xb5m,CellID,X_centroid,Y_centroid\n3,1,10,8\n4,2,33.5,22.5\n"
    (project / "quantification/s--unmicst_cell.csv").write_bytes(gzip.compress(table))
    done = mcmicro(project, *LAST)
    assert (done.status, done.submitted) == (0, 1), done.text
    assert names(project / "thumbnails") == {"s--unmicst_cell.zarr"}
    assert done.text.count("WARN") == 2
    assert "t--unmicst_cell.csv: no cells found, left out" in done.text
    assert "s--unmicst_ring.csv: no mask and image of that name" in done.text
    problems = {"t--unmicst_cell": "no cells in its table"}
    assert check_page(project, "s--unmicst_cell") == problems


def test_names_before_2022_and_what_a_task_may_use(mcmicro: Run, tmp_path: Path) -> None:
    three = (
        "registration/exemplar-001.ome.tif",
        "segmentation/unmicst-exemplar-001/cellMask.tif",
        "quantification/unmicst-exemplar-001_cellMask.csv",
    )
    project = write(tmp_path / "p", *three)
    (tmp_path / "more.config").write_text(
        "process { withName: cellcutter { cpus = 2; memory = '1 GB' } }\n"
    )
    done = mcmicro(project, *LAST, "-c", "more.config")
    assert done.status == 0, done.text
    check(project, three, tmp_path)
    script = (project / "qc/provenance/cellcutter-1.sh").read_text()
    assert " -p 2 " in script
    assert '[{"cache-size":716},{}]' in script


@pytest.fixture
def commands(tmp_path: Path) -> str:
    """A PATH with a segmenter and a quantification, which copy what the test has written."""
    write_mask(tmp_path / "given/mask.tif")
    write_table(tmp_path / "given/table.csv")
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, line in {
        "segment": f"cp {tmp_path}/given/mask.tif cell.tif",
        "mcquant": f'cp {tmp_path}/given/table.csv "$(basename "$2" .ome.tif)_cell.csv"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_run_from_segmentation_on(mcmicro: Run, commands: str, tmp_path: Path) -> None:
    project = write(tmp_path / "p", "registration/s-1.ome.tif", "registration/t.ome.tif")
    segmenters = [
        {
            "name": name,
            "container": "x",
            "version": 1,
            "cmd": "segment",
            "input": "",
            "watershed": "no",
        }
        for name in ("mesmer", "cellpose")
    ]
    params = {
        "workflow": {"segmentation": "mesmer,cellpose"},
        "modules": {"segmentation": segmenters},
    }
    (project / "params.yml").write_text(yaml.safe_dump(params))
    words = ("--start-at", "segmentation", "--thumbnails")
    done = mcmicro(project, *words, PATH=commands)
    assert (done.status, done.submitted) == (0, 12), done.text
    for image in ("s-1", "t"):
        for method in ("mesmer", "cellpose"):
            image_file, _, table = sample(image, method)
            mask = f"segmentation/{method}-{image}/cell.tif"
            check(project, (image_file, mask, table), tmp_path)

    done = mcmicro(project, *words, "-resume", PATH=commands)
    assert (done.status, done.submitted) == (0, 0), done.text


def no_masks(project: Path) -> None:
    shutil.rmtree(project / "segmentation")


def two_masks(project: Path) -> None:
    write(project, "segmentation/unmicst-s/cell.tif")


@pytest.mark.parametrize(
    ("words", "harm", "message"),
    [
        (
            (*LAST, "--cellcutter-opts=--mask-cells --window-size 7"),
            None,
            "--thumbnails: '--cellcutter-opts=--mask-cells --window-size 7' found, true or false",
        ),
        (
            ("--cellcutter-opts=[window-size:64, mask-cells:true]", *LAST),
            None,
            "cellcutter-opts.yml: '[window-size:64, mask-cells:true]' found, flags such as",
        ),
        (
            ("--cellcutter-opts=--window-sise=64 --z", *LAST),
            None,
            "cellcutter-opts.yml: '--window-sise=64 --z' found: unrecognized arguments",
        ),
        ((*LAST, "--cellcutter-opts"), None, "True found, flags or a mapping of options"),
        (LAST, no_masks, "p/segmentation: no <method>-<image>/*.tif found, a mask expected"),
        (LAST, two_masks, "s--unmicst_cell.csv: 2 ways to pair found, one expected"),
    ],
)
def test_errors(
    mcmicro: Run, tmp_path: Path, words: tuple[str, ...], harm: Harm | None, message: str
) -> None:
    project = write(tmp_path / "p", *sample("s"))
    if harm:
        harm(project)
    done = mcmicro(project, *words)
    assert done.status != 0
    assert message in done.text
    assert "No pre-stitched image" not in done.text


def failing(
    tmp_path: Path, words: str, how: str = 'echo "cellcutter: error: no room" >&2; exit 2'
) -> str:
    """Return a PATH whose `cellcutter` fails where its words are like those given."""
    command = tmp_path / "commands" / "cellcutter"
    command.parent.mkdir()
    command.write_text(
        "#!/bin/sh\n"
        f'case "$*" in {words}) {how};; esac\n'
        f'exec {Path(sys.executable).parent}/cellcutter "$@"\n'
    )
    command.chmod(0o755)
    return f"{command.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_a_store_that_nothing_is_told_of(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    done = mcmicro(project, *LAST, PATH=failing(tmp_path, "report*"))
    assert done.status == 0, done.text
    (found,) = about(project / "thumbnails/index.html")["samples"]
    name = "s--unmicst_cell"
    assert (found["store"], found["gallery"]) == (f"{name}.zarr", f"qc/{name}.html")
    assert found["asked"] is None
    assert found["problems"] == ["nothing is told of its cells: see its log in qc/provenance"]
    assert "no room" in (project / "qc/provenance/cellcutter-1.log").read_text()


def test_a_killed_gallery_costs_no_store(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    done = mcmicro(project, *LAST, PATH=failing(tmp_path, "gallery*", "kill -9 $$"))
    assert (done.status, done.submitted) == (0, 1), done.text
    name = "s--unmicst_cell"
    check(project, sample("s"), tmp_path)
    problem = "no gallery: stopped by signal 9; 9 is most often for want of memory"
    assert check_page(project, name, without=(name,)) == {name: problem}


def test_what_was_published_is_checked(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    words = (*LAST, "-c", "harm.config")
    # What one of the tasks has made is harmed after it was listed
    (tmp_path / "harm.config").write_text(
        "process { withName: cellcutter { afterScript = 'rm -f s--*_cell.zarr/cells.csv' } }\n"
    )
    path = failing(tmp_path, "gallery*t--*")
    done = mcmicro(project, "--cellcutter-opts=--mask-cells", *words, PATH=path)
    assert done.status == 1, done.text
    store = "s--unmicst_cell.zarr"
    found = names(project / "thumbnails")
    (aside,) = (name for name in found if name.startswith(f"{store}.incomplete-"))
    assert f"thumbnails: {store}: 4 of 5 files arrived whole in {project}/thumbnails" in done.text
    assert f"what was there is now {aside}" in done.text
    others = {"s--unmicst_cell_mask.zarr", "t--unmicst_cell.zarr", "t--unmicst_cell_mask.zarr"}
    assert found == {aside, *others}
    assert "no gallery of t--unmicst_cell, whose thumbnails are whole; see index.html" in done.text
    problems = check_page(project, "t--unmicst_cell", without=("t--unmicst_cell",))
    assert set(problems) == {"s--unmicst_cell", "t--unmicst_cell"}
    assert f"4 of 5 files arrived whole in {project}/thumbnails" in problems["s--unmicst_cell"]
    assert problems["t--unmicst_cell"] == "no gallery: cellcutter: error: no room"

    # Masks of an earlier run are not left beside thumbnails that have none
    done = mcmicro(project, *LAST, "--publish_dir_mode", "move")
    assert done.status == 0, done.text
    assert check_page(project, "s--unmicst_cell", "t--unmicst_cell") == {}
    assert "the page of the run is index.html; what was there is now index.html.old-" in done.text
    assert names(project / "qc/provenance")
    found = names(project / "thumbnails")
    assert {name for name in found if name.endswith(".zarr")} == {store, "t--unmicst_cell.zarr"}
    assert sum("_mask.zarr.old-" in name for name in found) == 2


def test_name_that_starts_with_a_dash(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("-dash"), *sample("s"), *sample("bad"))
    (project / "segmentation/unmicst-bad/cell.ome.tif").write_bytes(b"no TIFF")
    (tmp_path / "ignore.config").write_text("process.errorStrategy = 'ignore'\n")
    done = mcmicro(project, "--cellcutter-opts=-z", *LAST, "-c", "ignore.config")
    assert done.status == 0, done.text
    expected = {f"{name}--unmicst_cell.zarr.zip" for name in ("-dash", "s")}
    assert names(project / "thumbnails") == expected
    problems = {"bad--unmicst_cell": "not cut; see .nextflow.log"}
    assert check_page(project, *(name.removesuffix(".zarr.zip") for name in expected)) == problems
    done = mcmicro(project, *LAST, "-c", "ignore.config")
    assert done.status == 0, done.text
    check(project, sample("s"), tmp_path)
    dash = project / "thumbnails" / "-dash--unmicst_cell.zarr"
    assert dash.is_dir()


def test_stub(mcmicro: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("it's"))
    done = mcmicro(project, *LAST, "-stub-run")
    assert done.status == 0, done.text
    assert (project / "thumbnails/it's--unmicst_cell.zarr/.zarray").exists()
    assert about(project / "thumbnails/index.html")["problems"] == []
