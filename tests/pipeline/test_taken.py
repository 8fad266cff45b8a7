"""What lies where results are to be made, and is not cellcutter's, stays; half copies do not."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zarr

from cellcutter.commands import cli
from tests import slides
from tests.faults.scene import contents
from tests.pipeline.conftest import ROOT, Run
from tests.pipeline.projects import sample, write
from tests.pipeline.test_publishing import STORE


def write_zip(path: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)


def write_file(path: Path, name: str, text: str) -> None:
    path.mkdir()
    (path / name).write_text(text)


def write_array(path: Path) -> None:
    """As cellcutter 0.2.12 does, which tells nothing of itself."""
    zarr.open_array(path, mode="w", shape=(4,), dtype="u2", zarr_format=2, fill_value=0)


def write_text(text: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


Make = Callable[[Path], object]
NOT_OURS: dict[str, tuple[str, Make]] = {
    "a zarr group": ("s.zarr", lambda p: write_file(p, ".zgroup", "{}")),
    "attributes of somebody": ("s.zarr", lambda p: write_file(p, ".zattrs", "{}")),
    "a store of 0.2.12": ("s.zarr", write_array),
    "a zip file": ("s.zarr.zip", lambda p: write_zip(p, ".zgroup", "{}")),
    "a text": ("s.zarr.zip", partial(write_text, "mine")),
    "a text with the name of a folder": ("s.zarr", partial(write_text, "mine")),
    "masks": ("s_mask.zarr", lambda p: write_file(p, "zarr.json", "{}")),
    "masks in a zip file": ("s_mask.zarr.zip", lambda p: write_zip(p, "a", "b")),
    "a page": ("qc/s.html", partial(write_text, "<!doctype html>mine")),
    "a list": ("cells.csv", partial(write_text, "CellID\n1\n")),
}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> slides.Slide:
    return slides.simple(tmp_path_factory.mktemp("slide"), shape=(2, 64, 64), number=12)


def half(*left: str) -> Callable[[Path], object]:
    """Return what removes all files of a store but some."""
    return lambda store: [
        f.unlink() for f in store.rglob("*") if f.is_file() and f.name not in left
    ]


OURS: dict[str, tuple[tuple[str, ...], Make]] = {
    "whole": ((), lambda _: None),
    "a zip file": (("-z",), lambda _: None),
    "cells": (("--layout=cells",), lambda _: None),
    "without attributes": ((), lambda store: (store / ".zattrs").unlink()),
    "only the array": ((), half(".zarray")),
    "only a chunk": ((), half("0.0.0.0")),
    "nothing": ((), half()),
    "cells without their root": (("--layout=cells",), lambda store: (store / "zarr.json").unlink()),
    "half a zip file": (("-z",), lambda store: store.write_bytes(store.read_bytes()[:500])),
    "an empty zip file": (("-z",), lambda store: store.write_bytes(b"")),
    "an empty page": ((), lambda store: write_text("", store.parent / "qc/s.html")),
}


@pytest.fixture(scope="module")
def said(
    nextflow: Run, slide: slides.Slide, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[Path, str]]:
    """What is said of each, and where it lies."""
    folder = tmp_path_factory.mktemp("taken")
    places = {}
    for number, (what, (name, make)) in enumerate(NOT_OURS.items()):
        place = folder / f"other-{number}" / name
        (folder / f"other-{number}").mkdir()
        make(place)
        places["other", what] = place
    for number, (what, (flags, harm)) in enumerate(OURS.items()):
        place = folder / f"own-{number}" / ("s.zarr.zip" if "-z" in flags else "s.zarr")
        place.parent.mkdir()
        assert cli.main_cut_cells([*slide.paths, str(place), *flags]) == 0
        harm(place)
        places["own", what] = place
    outdirs = [next(p for p in place.parents if p.parent == folder) for place in places.values()]
    (folder / "list").write_text("".join(f"{path}\n" for path in outdirs))
    script = ROOT / "tests/pipeline/taken.nf"
    done = nextflow(folder, "run", script, "-lib", ROOT / "lib", "--folders", folder / "list")
    lines = [line for line in done.text.splitlines() if line.startswith("RESULT ")]
    assert len(lines) == len(places), done.text
    texts = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    return {key: (places[key], text) for key, text in zip(places, texts, strict=True)}


@pytest.mark.parametrize("what", NOT_OURS)
def test_others(said: dict[tuple[str, str], tuple[Path, str]], what: str) -> None:
    place, text = said["other", what]
    assert text.startswith(f"{place}: a ")
    assert text.endswith("; rename it, or choose another folder for the results")
    assert "\n" not in text


@pytest.mark.parametrize("what", OURS)
def test_our_own(said: dict[tuple[str, str], tuple[Path, str]], what: str) -> None:
    assert said["own", what][1] == ""


def test_what_is_not_cellcutters_is_not_replaced(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    mine = project / "thumbnails" / STORE
    mine.parent.mkdir()
    write_array(mine)
    before = contents(project / "thumbnails")
    done = pipeline("--in", project)
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"{mine}: a store or file that cellcutter did not write found" in done.text
    assert contents(project / "thumbnails") == before


def test_a_copy_that_was_interrupted_is_made_anew(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    words = "--in", project, "--gallery=true"
    done = pipeline(*words)
    assert done.status == 0, done.text
    before = contents(project / "thumbnails")
    half(".zarray")(project / "thumbnails" / STORE)
    (project / "thumbnails/qc/s--unmicst_cell.html").write_bytes(b"")
    done = pipeline(*words, "-resume")
    assert (done.status, done.submitted) == (0, 0), done.text
    now = contents(project / "thumbnails")
    assert {name for name in now if now[name] != before.get(name)} <= {"index.html"}
    assert before.keys() <= now.keys()
