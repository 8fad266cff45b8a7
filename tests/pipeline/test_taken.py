"""What lies where results are to be made, and is not cellcutter's, stays; half copies do not."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zarr

from tests.faults.scene import contents
from tests.pipeline.conftest import Run
from tests.pipeline.projects import sample, write
from tests.pipeline.test_publishing import MASKS, STORE


def zip_of(path: Path, **files: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)


NOT_OURS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a zarr group": (STORE, lambda p: (p.mkdir(), (p / ".zgroup").write_text("{}"))),
    "a store of 0.2.12": (STORE, lambda p: zarr_array(p, fill_value=0)),
    "a zip file": (f"{STORE}.zip", partial(zip_of, _zgroup="{}")),
    "a text": (f"{STORE}.zip", lambda p: p.write_text("mine")),
    "masks": (MASKS, lambda p: (p.mkdir(), (p / "zarr.json").write_text("{}"))),
    "a page": ("qc/s--unmicst_cell.html", lambda p: p.write_text("<!doctype html>mine")),
}


def zarr_array(path: Path, **words: object) -> None:
    zarr.open_array(str(path), mode="w", shape=(4,), dtype="u2", zarr_format=2, **words)


@pytest.mark.parametrize("what", NOT_OURS)
def test_what_is_not_cellcutters_is_not_replaced(pipeline: Run, tmp_path: Path, what: str) -> None:
    project = write(tmp_path / "p", *sample("s"))
    name, make = NOT_OURS[what]
    mine = project / "thumbnails" / name
    mine.parent.mkdir(parents=True)
    make(mine)
    before = contents(project / "thumbnails")
    done = pipeline("--in", project, "--gallery=true")
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"{mine}: a" in done.text
    assert "that cellcutter did not write found" in done.text
    assert contents(project / "thumbnails") == before


HALF: dict[str, Callable[[Path], object]] = {
    "no attributes": lambda store: (store / ".zattrs").unlink(),
    "one file": lambda store: [f.unlink() for f in store.iterdir() if f.name != ".zarray"],
    "half a zip": lambda store: store.write_bytes(store.read_bytes()[:500]),
    "an empty zip": lambda store: store.write_bytes(b""),
}


@pytest.mark.parametrize("what", HALF)
def test_a_copy_that_was_interrupted_is_made_anew(pipeline: Run, tmp_path: Path, what: str) -> None:
    project = write(tmp_path / "p", *sample("s"))
    words = "--in", project, "--options=" + "-z" * ("zip" in what), "--gallery=true"
    done = pipeline(*words)
    assert done.status == 0, done.text
    before = contents(project)
    (store,) = (project / "thumbnails").glob(f"{STORE}*")
    HALF[what](store)
    (project / "thumbnails/qc/s--unmicst_cell.html").write_bytes(b"")
    done = pipeline(*words, "-resume")
    assert (done.status, done.submitted) == (0, 0), done.text
    changed = {name for name, content in contents(project).items() if before.get(name) != content}
    assert {name for name in changed if name.startswith("thumbnails/")} <= {"thumbnails/index.html"}
