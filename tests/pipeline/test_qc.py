"""Galleries and the page of a run, as the pipeline publishes them."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd

import cellcutter
from cellcutter.view.report import report
from tests.pipeline.conftest import Run
from tests.pipeline.projects import sample, write

ODD = "a'b -- c.d é <b>"


def about(page: Path) -> dict[str, Any]:
    """What a page shows."""
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="about">(.*)</script>', text)
    return json.loads(found)


def test_galleries_and_the_page(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("bad"), *sample("no"), *sample(ODD))
    (project / "segmentation/unmicst-bad/cell.ome.tif").write_bytes(b"no TIFF")
    table = project / sample(ODD)[2]
    frame = pd.read_csv(table)
    frame.loc[2] = [3, 5, 5]  # not in the mask
    frame.astype({"CellID": int}).to_csv(table, index=False)
    # One gallery cannot be drawn
    (tmp_path / "harm.config").write_text(
        "process { withName: 'GALLERY' { ext.args = { meta.id.startsWith('no') ? '--numbr 3' : "
        "'--number 3' } } }\n"
    )
    words = ("--in", project, "--gallery=true", "--options=--window-size 9 --on-missing warn")
    out = project / "thumbnails"
    done = pipeline(*words, "-c", "harm.config")
    assert done.status == 1, done.text
    assert "2 of 3 cut" in done.text
    assert "no gallery of no--unmicst_cell, whose thumbnails are whole" in done.text
    odd = f"{ODD}--unmicst_cell"
    names = {path.name for path in out.iterdir()}
    assert names == {"no--unmicst_cell.zarr", f"{odd}.zarr", "cells.csv", "index.html", "qc"}
    assert {path.name for path in (out / "qc").iterdir()} == {
        f"{odd}.html",
        "cellcutter_mqc.json",
    }
    told = about(out / "index.html")
    (bad,) = told["problems"]
    assert bad["name"] == "bad--unmicst_cell"
    assert "a text file found, an image expected" in bad["problem"]
    found = {each["name"]: each for each in told["samples"]}
    assert set(found) == {odd, "no--unmicst_cell"}
    assert found[odd]["gallery"] == f"qc/{odd}.html"
    assert found[odd]["problems"] == []
    assert found[odd]["off"] == [["not in mask", 1]]
    assert found[odd]["seconds"] > 0
    assert found["no--unmicst_cell"]["gallery"] is None
    (problem,) = found["no--unmicst_cell"]["problems"]
    assert problem.startswith("no gallery: cellcutter gallery: error: ")
    assert "--numbr" in problem
    # All else is what the command tells of the same stores
    stores = [out / f"{name}.zarr" for name in found]
    report(stores, out / "again.html", multiqc=out / "again_mqc.json")
    of_run = {"seconds", "gallery", "problems"}
    for mine, theirs in zip(about(out / "again.html")["samples"], told["samples"], strict=True):
        assert {k: v for k, v in mine.items() if k not in of_run} == {
            k: v for k, v in theirs.items() if k not in of_run
        }
    again = json.loads((out / "again_mqc.json").read_text())
    assert json.loads((out / "qc/cellcutter_mqc.json").read_text()) == again
    assert cellcutter.open(out / "cells.csv").shape == (5, 3, 9, 9)

    # With nothing else wrong a gallery that cannot be drawn is no failure; the page is a new one
    for name in sample("bad"):
        (project / name).unlink()
    done = pipeline(*words, "-c", "harm.config", "-resume")
    assert (done.status, done.submitted) == (0, 0), done.text
    assert "what was there is now index.html.old-" in done.text
    assert about(out / "index.html") == {**told, "problems": []}
    # What is not cellcutter's stays
    (out / "index.html").write_text("mine")
    done = pipeline(*words, "-c", "harm.config", "-resume")
    assert done.status == 0, done.text
    assert "index.html: a file that cellcutter did not write has the name" in done.text
    assert (out / "index.html").read_text() == "mine"


def commands(folder: Path, **lines: str) -> str:
    """Return a PATH with commands that do something before, or instead of, what they are for."""
    real = Path(sys.executable).parent
    for name, line in lines.items():
        fake = folder / "commands" / name
        fake.parent.mkdir(exist_ok=True)
        fake.write_text(f'#!/bin/bash\n{line}\nexec {real}/{name} "$@"\n')
        fake.chmod(0o755)
    return f"{folder}/commands:{real}:{os.environ['PATH']}"


def test_what_programs_say_may_have_any_bytes(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    said = "printf '5 \\xb5m\\n' >&2; exit 3"
    path = commands(
        tmp_path,
        cut_cells=f"if ls table | grep -q ^t--; then {said}; fi",
        cellcutter=f"if [ $1 = gallery ]; then {said}; fi",
    )
    done = pipeline("--in", project, "--gallery=true", PATH=path)
    assert done.status == 1, done.text
    assert "1 of 2 cut\n  failed: t--unmicst_cell: 5 \N{REPLACEMENT CHARACTER}m\n" in done.text
    (cut,) = about(project / "thumbnails/index.html")["samples"]
    assert cut["problems"] == ["no gallery: 5 \N{REPLACEMENT CHARACTER}m"]
    assert cut["asked"] == 2


def test_a_killed_gallery_is_drawn_again_with_more_memory(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    once = f"ls thumbnails | grep -q ^t-- || mkdir {tmp_path}/once"
    kill = f"if [ $1 = gallery ] && {{ {once}; }}; then kill -9 $$; fi"
    (tmp_path / "few.config").write_text(
        "process { withName: 'GALLERY' { memory = { 512.MB * task.attempt } } }"
    )
    words = ("--in", project, "--gallery=true", "-c", "few.config")
    done = pipeline(*words, PATH=commands(tmp_path, cellcutter=kill))
    assert done.status == 0, done.text
    assert "2 of 2 cut" in done.text
    # Of the other nothing helps, and its store stays
    assert done.text.count("process > GALLERY (s--unmicst_cell)") == 2
    assert done.text.count("process > GALLERY (t--unmicst_cell)") == 4
    out = project / "thumbnails"
    assert "no gallery of t--unmicst_cell, whose thumbnails are whole" in done.text
    s, t = about(out / "index.html")["samples"]
    assert (s["gallery"], s["problems"]) == ("qc/s--unmicst_cell.html", [])
    (problem,) = t["problems"]
    assert problem.startswith("no gallery: killed, most often for want of memory: it had 2 GB; ")
    assert (out / t["store"]).is_dir()
    assert (out / "qc/s--unmicst_cell.html").exists()
    assert cellcutter.open(out / "cells.csv").shape[0] == 4
