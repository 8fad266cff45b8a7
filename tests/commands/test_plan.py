"""`cellcutter plan`: its figures are those of the run that follows, and so are its errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import cellcutter
from cellcutter.commands import cli
from cellcutter.limits import MB
from cellcutter.read.tiff import image as tiff
from cellcutter.store.zipped import zipped_nbytes
from tests import slides
from tests.commands.test_bad_input import CASES, Case, everything

EXACT = {"compression": "none", "statistics": "none"}
CELLS = {"layout": "cells"}
OPTIONS = {
    "defaults": {},
    "fast": {"compression": "fast"},
    "exact": EXACT,
    "with statistics": {"compression": "none", "statistics": "exact"},
    "small chunks": {**EXACT, "cells_per_chunk": 7},
    "channels": {**EXACT, "channels": [3, 1], "window_size": 9},
    "masks": {**EXACT, "masks": True},
    "masked": {"compression": "none", "mask_cells": True, "cells_per_chunk": 9},
    "shuffled": {**EXACT, "shuffle": 3, "cells_per_chunk": 7},
    "zip": {**EXACT, "z": True, "cells_per_chunk": 7},
    "zip of masks": {**EXACT, "z": True, "masks": True},
    "a file of windows": {**EXACT, "save_metadata": "windows.csv"},
    "cells": CELLS,
    "cells small": {**CELLS, "compression": "small", "masks": True},
    "cells exact": {**CELLS, **EXACT},
    "cells with statistics": {**CELLS, "compression": "none", "cells_per_chunk": 7},
    "cells masked": {**CELLS, **EXACT, "mask_cells": True, "cells_per_chunk": 7},
    "cells shuffled": {**CELLS, **EXACT, "shuffle": 1, "window_size": 5},
    "cells zip": {**CELLS, **EXACT, "z": True, "masks": True, "cells_per_chunk": 7},
    "little memory": {**EXACT, "shuffle": 0, "cells_per_chunk": 4, "cache_size": 0.15},
    "little memory, cells": {
        **CELLS,
        **EXACT,
        "window_size": 120,
        "cells_per_chunk": 2,
        "shuffle": 0,
        "cache_size": 4,
        "masks": True,
        "p": 1,
    },
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short trial, and as little memory as a test likes."""
    monkeypatch.setattr("cellcutter.trial.SECONDS", 0.05)
    monkeypatch.setattr("cellcutter.limits.LEAST_CACHE_SIZE", 0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many blocks were read of which file."""
    found: Counter[str] = Counter()
    read_block = tiff.TiffImage.read_block

    def counting(self, *where):
        found[self.name] += 1
        read_block(self, *where)

    monkeypatch.setattr(tiff.TiffImage, "read_block", counting)
    return found


def with_all_statuses(folder: Path) -> slides.Slide:
    """A slide whose table has a cell of nearly every status, and columns of all kinds."""
    slide = slides.simple(folder)
    table = slide.table.copy()
    n = len(table)
    table["Area"] = np.arange(n) / 7
    table["Cluster"] = np.where(np.arange(n) % 2, "tumour", "stroma")
    table.loc[1, "CellID"] = table.loc[0, "CellID"]
    table.loc[2, "CellID"] = 9999
    table.loc[3, "Y_centroid"] = np.nan
    table.loc[4, "X_centroid"] = 1000.0
    table.to_csv(slide.table_path, index=False)
    return slide


def stored_status(store: Path) -> Counter[str]:
    return Counter(cellcutter.open(store).obs["Status"].astype(str))


def files_of(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def members_of(files: list[Path]) -> int:
    number = 0
    for file in files:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                number += len(archive.namelist())
        else:
            number += 1
    return number


@pytest.mark.parametrize("name", OPTIONS)
def test_figures_are_those_of_the_run(tmp_path, reads, name):
    slide = with_all_statuses(tmp_path)
    options = {"on_missing": "warn", "p": 2, **OPTIONS[name]}
    made = tmp_path / "made"
    made.mkdir()
    if "save_metadata" in options:
        options["save_metadata"] = made / str(options["save_metadata"])
    out = made / ("out.zarr.zip" if options.get("z") else "out.zarr")
    before = everything(tmp_path)
    plan = cellcutter.plan_cells(*slide.paths, out, **options)
    assert everything(tmp_path) == before
    assert any("CellID" in problem for problem in plan.problems)
    reads.clear()
    with pytest.warns(cellcutter.CellWarning):
        result = cellcutter.cut_cells(*slide.paths, out, **options)

    files = files_of(made)
    assert (plan.files, plan.members) == (len(files), members_of(files))
    stores = [file for file in files if file.name != "windows.csv"]
    nbytes = sum(file.stat().st_size for file in stores)
    kind = "about"
    if options.get("compression") == "none":
        kind = "exact" if options.get("statistics") == "none" else "at most"
    assert plan.store_nbytes_is == kind
    if kind == "exact":
        assert plan.store_nbytes == nbytes
    elif kind == "at most":
        assert nbytes < plan.store_nbytes < nbytes + 3 * 8 * 3 * 24
    else:
        assert nbytes / 2 < plan.store_nbytes < 2 * nbytes

    assert plan.status == stored_status(out)
    assert plan.cells == len(slide.table)
    assert plan.cut == sum(plan.status.get(word, 0) for word in ("ok", "larger than window"))
    thumbnails = plan.arrays[-1]
    assert thumbnails.shape == result.shape
    assert thumbnails.chunks == result.chunks
    assert plan.dtype == thumbnails.dtype == result.dtype.name
    assert plan.window.size == result.shape[-1]
    assert [c["number"] for c in plan.channels] == options.get("channels", [1, 2, 3])
    assert thumbnails.nbytes == int(np.prod(result.shape)) * result.dtype.itemsize
    masks = options.get("masks") or options.get("mask_cells")
    assert len(plan.arrays) == (2 if masks else 1)
    assert plan.nbytes == thumbnails.nbytes + (thumbnails.nbytes // 6 if masks else 0)
    assert plan.pixel_memory == result.memory
    assert plan.blocks["image"].read == reads["slide.ome.tif"]
    assert plan.blocks["mask"].read == reads["cell.tif"]
    assert plan.blocks["image"].of == 3 * 4 * 5
    assert plan.blocks["mask"].of == 4 * 5
    assert plan.seconds is not None
    assert (plan.scratch_nbytes > 0) == (name == "little memory, cells")


def test_the_window_is_that_of_the_largest_cell(tmp_path):
    slide = slides.simple(tmp_path)
    plan = cellcutter.plan_cells(*slide.paths)
    window = plan.window
    assert window.made_by == "largest cell"
    assert window.size == slides.largest_cell(slide.labels, slide.table["CellID"].to_numpy())
    rows, columns = np.nonzero(slide.labels == window.cell)
    assert window.box == (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    assert window.sides is not None
    assert window.sides["median"] <= window.sides["99 %"] <= window.sides["largest"] == window.size
    assert plan.problems == ()
    given = cellcutter.plan_cells(*slide.paths, window_size=5)
    assert (given.window.size, given.window.made_by, given.window.cell) == (
        5,
        "--window-size",
        None,
    )
    assert any("larger than the window of 5 pixels" in problem for problem in given.problems)


def test_one_cell_that_is_far_larger_than_the_others_is_a_problem(tmp_path):
    slide = slides.simple(tmp_path, number=150)
    labels = slide.labels.copy()
    labels[:100, :3] = slide.table["CellID"][0]
    kept = slide.table[np.isin(slide.table["CellID"], labels)]
    kept.to_csv(slide.table_path, index=False)
    tifffile.imwrite(slide.labels_path, labels.astype("i4"), tile=(32, 32))
    plan = cellcutter.plan_cells(*slide.paths, on_missing="warn")
    problem = next(p for p in plan.problems if "99 of 100" in p)
    assert f"CellID {slide.table['CellID'][0]}" in problem


def test_a_destination_is_looked_at(tmp_path, monkeypatch):
    slide = slides.simple(tmp_path)
    out = tmp_path / "out.zarr"
    cellcutter.cut_cells(*slide.paths, out, masks=True)
    with pytest.raises(cellcutter.DestinationError, match="exists already"):
        cellcutter.plan_cells(*slide.paths, out)
    before = everything(tmp_path)
    plan = cellcutter.plan_cells(*slide.paths, out, force=True)
    assert everything(tmp_path) == before
    assert [problem.split(": ")[0] for problem in plan.problems] == [
        str(out),
        str(tmp_path / "out_mask.zarr"),
    ]
    assert "removed" in plan.problems[1]
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    plan = cellcutter.plan_cells(*slide.paths, tmp_path / "new" / "other.zarr")
    assert any("found free on this disk" in p for p in plan.problems)
    assert not (tmp_path / "new").exists()


def test_no_mask_and_no_cell_in_the_image(tmp_path):
    slide = slides.simple(tmp_path)
    slide.table.assign(X_centroid=1e6).to_csv(slide.table_path, index=False)
    plan = cellcutter.plan_cells(
        slide.image_path, None, slide.table_path, window_size=8, on_missing="warn"
    )
    assert plan.mask is None
    assert plan.blocks.keys() == {"image"}
    assert plan.blocks["image"].read == 0
    assert plan.cut == 0
    assert plan.seconds is None
    assert plan.store_nbytes_is == "unknown"


def test_text_and_json(tmp_path, capfd):
    slide = with_all_statuses(tmp_path)
    words = ["plan", *slide.paths, "--on-missing", "warn", "--masks"]
    assert cli.main(words) == 0
    out, err = capfd.readouterr()
    plan = cellcutter.plan_cells(*slide.paths, on_missing="warn", masks=True)
    assert err == ""
    for word, number in plan.status.items():
        assert re.search(rf"^ +{number} {word}$", out, re.MULTILINE)
    assert f"{plan.window.size} x {plan.window.size} pixels" in out
    assert all(len(line) <= 100 or " " not in line.strip() for line in out.splitlines())
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["status"] == plan.status
    assert told["arrays"][0]["name"] == "masks"
    assert told["window"]["box"] == list(plan.window.box or ())


SAME = sorted(name for name in CASES if "tile" not in name and "few arguments" not in name)[::6]


@pytest.mark.parametrize("name", SAME)
def test_what_stops_a_run_stops_the_plan(name, tmp_path, capfd):
    """With the same line."""
    c = Case(tmp_path, slides.simple(tmp_path))
    CASES[name][0](c)
    assert c.command == "cut_cells"
    before = everything(tmp_path)
    assert cli.main(["plan", *c.flags, *c.arguments]) == 2
    planned = capfd.readouterr().err
    assert everything(tmp_path) == before
    assert cli.main_cut_cells([*c.flags, *c.arguments]) == 2
    assert planned.replace("cellcutter plan", "cut_cells") == capfd.readouterr().err


@pytest.mark.parametrize("limit", [None, 3000])
def test_size_of_a_zip_file(tmp_path, monkeypatch, limit):
    """Also where numbers need 64 bits, which here they do early."""
    if limit:
        monkeypatch.setattr("zipfile.ZIP64_LIMIT", limit)
    sizes = [0, 100, 2000, 2900, 5000, 1, 70]
    members = [(f"nam\N{LATIN SMALL LETTER E WITH ACUTE}/{i}", n) for i, n in enumerate(sizes)]
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "x") as archive:
        for name, nbytes in members:
            info = zipfile.ZipInfo(name)
            info.file_size = nbytes
            with archive.open(info, "w") as file:
                file.write(bytes(nbytes))
    assert zipped_nbytes(members) == path.stat().st_size
    assert zipped_nbytes([]) == 22


SCRIPT = """
import json, re, sys
from pathlib import Path
import cellcutter
words, options = sys.argv[1:5], json.loads(sys.argv[5])
if sys.argv[6] == "plan":
    print(cellcutter.plan_cells(*words, **options).memory)
else:
    cellcutter.cut_cells(*words, **options)
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    "options", [{}, {"layout": "cells", "masks": True, "shuffle": 0, "cache_size": 64}]
)
def test_memory_is_an_upper_bound(tmp_path, options):
    """Of a run that needs no window size, so that the whole mask is read."""
    rng = np.random.default_rng(0)
    side, step = 2048, 16
    labels = np.zeros((side, side), "i4")
    y, x = np.mgrid[8:side:step, 8:side:step].reshape(2, -1)
    ids = np.arange(1, len(y) + 1)
    for dy, dx in np.ndindex(9, 9):
        labels[y + dy - 4, x + dx - 4] = ids
    table = pd.DataFrame({"CellID": ids, "Y_centroid": y, "X_centroid": x, "Area": 81.0})
    slide = slides.write(
        tmp_path,
        rng.integers(0, 4000, (6, side, side), "u2"),
        labels,
        table,
        image_options={"tile": (512, 512)},
        labels_options={"tile": (512, 512), "compression": "zlib"},
    )
    words = [*slide.paths, str(tmp_path / "out.zarr"), json.dumps({"p": 2, **options})]
    bound, peak = (
        int(subprocess.check_output([sys.executable, "-c", SCRIPT, *words, what]))
        for what in ("plan", "cut")
    )
    assert peak <= bound
    assert bound <= peak + 400 * MB
