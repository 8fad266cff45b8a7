"""Stores of the layout `cells`, and the list of all cells, as the pipeline publishes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cellcutter
from cellcutter.errors import StoreError
from tests.pipeline.conftest import Run
from tests.pipeline.projects import sample, write, write_table
from tests.pipeline.test_run import CUT_CELLS

CELLCUTTER = Path(sys.executable).parent / "cellcutter"
LIST = "cells.csv"
ODD = "a'b -- c.d é, x"


def files(store: Path) -> dict[str, bytes]:
    """The content of each file of a store, whatever its form."""
    if store.is_file():
        return {"": store.read_bytes()}
    found = (path for path in store.rglob("*") if path.is_file())
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in found}


def cut(project: Path, names: tuple[str, ...], store: Path, *options: str) -> dict[str, bytes]:
    """Cut by the command, and return the files of the store."""
    paths = [project / name for name in names]
    markers = ["--markers", project / "markers.csv"]
    subprocess.run([CUT_CELLS, *paths, store, *markers, *options], check=True)
    return files(store)


def listed(file: Path, *words: str | Path) -> bytes:
    """List by the command."""
    subprocess.run([CELLCUTTER, "cohort", "--output", file, *words], check=True)
    return file.read_bytes()


def with_columns(table: Path, **columns: object) -> None:
    pd.read_csv(table).assign(**columns).to_csv(table, index=False)


@pytest.mark.parametrize("z", [False, True], ids=["folder", "zip"])
def test_layout_cells(pipeline: Run, tmp_path: Path, z: bool) -> None:
    threes = {"s": sample("s"), ODD: sample(ODD, "mesmer")}
    project = write(tmp_path / "p", *[name for three in threes.values() for name in three])
    for number, three in enumerate(threes.values()):
        with_columns(project / three[2], kind=["T, cell", None], DNA=[number, 0.1])
    flags = "--layout cells --shuffle 5 --masks --compression small --window-size 9"
    (project / "params.yml").write_text(f"options:\n  cellcutter: {flags}\n")
    wanted = {"layout": "cells", "shuffle": 5, "masks": True, "compression": "small"}
    (tmp_path / "more.json").write_text(json.dumps({"options": {"z": z, **wanted}}))
    done = pipeline("--in", project, "-params-file", "more.json")
    assert done.status == 0, done.text
    out, ending = project / "thumbnails", ".zarr.zip" if z else ".zarr"
    stores = [out / f"{Path(three[2]).stem}{ending}" for three in threes.values()]
    assert set(out.iterdir()) == {*stores, out / LIST}
    (tmp_path / "expected").mkdir()
    for store, three in zip(stores, threes.values(), strict=True):
        made = tmp_path / "expected" / store.name
        assert files(store) == cut(project, three, made, *flags.split(), *["-z"] * z)
    again = (tmp_path / "expected" / path.name for path in sorted(stores))
    assert (out / LIST).read_bytes() == listed(tmp_path / "expected" / LIST, *again)
    cells = cellcutter.open(out / LIST)
    assert cells.shape == (4, 3, 9, 9)
    assert cells.masks is not None
    assert set(cells.obs["DNA"]) == {0, 0.1, 1}


def test_list_of_all_cells(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"), *sample(ODD), *sample("bad"))
    tables = {name: project / sample(name)[2] for name in ("s", "t", ODD)}
    with_columns(tables["s"], kind=['"', "a\nb"], area=[1.5, 2], mine=1)
    with_columns(tables["t"], area=[3, None], kind="x", other=2)
    frame = pd.read_csv(tables[ODD]).assign(kind="é", area=7)
    frame[["kind", "Y_centroid", "area", "X_centroid", "CellID"]].to_csv(tables[ODD], index=False)
    (project / "segmentation/unmicst-bad/cell.ome.tif").write_bytes(b"no TIFF")
    done = pipeline("--in", project, "--options=--window-size 9")
    assert done.status == 1
    assert "3 of 4 cut" in done.text
    assert "cells.csv lists 6 cells of 3 slides, without the 1 that failed" in done.text
    out = project / "thumbnails"
    order = [f"{name}--unmicst_cell" for name in (ODD, "s", "t")]
    frame = pd.read_csv(out / LIST)
    assert frame["slide"].tolist() == [name for name in order for _ in range(2)]
    assert frame["store"].tolist() == [f"{name}.zarr" for name in frame["slide"]]
    assert frame["store_row"].tolist() == [0, 1] * 3
    assert frame.columns.tolist()[-4:] == ["kind", "Y_centroid", "area", "X_centroid"]
    assert frame["kind"].tolist() == ["é", "é", '"', "a\nb", "x", "x"]
    stores = [out / f"{name}.zarr" for name in order]
    in_order = [tables[name] for name in (ODD, "s", "t")]
    expected = listed(out / "again.csv", *stores, "--tables", *in_order)
    assert (out / LIST).read_bytes() == expected

    shutil.move(out, tmp_path / "moved")
    cells = cellcutter.open(tmp_path / "moved" / LIST)
    assert cells.slides == order
    one = cellcutter.open([tmp_path / "moved" / store.name for store in stores])
    np.testing.assert_array_equal(cells[:], one[:])
    np.testing.assert_array_equal(cells.ids, [1, 2] * 3)


def test_tables_with_another_column_of_ids(tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    image, mask, table = (project / name for name in sample("s"))
    frame = pd.read_csv(table)
    labels = {"Label": frame["CellID"], "CellID": [71, 72], "CD8": [0.1, 0.2]}
    frame.drop(columns="CellID").assign(**labels).to_csv(table, index=False)
    store = tmp_path / "s.zarr"
    words = ["--window-size", "9", "--columns", "CellID=Label"]
    subprocess.run([CUT_CELLS, image, mask, table, store, *words], check=True)
    listed(tmp_path / "list.csv", store, "--tables", table)
    with cellcutter.open(tmp_path / "list.csv") as cells:
        assert cells.ids.tolist() == frame["CellID"].tolist()
        assert cells.obs["CD8"].tolist() == [0.1, 0.2]
        assert cells.obs["CellID (table)"].tolist() == [71, 72]
    for wrong, said in (
        ({"Label": [8, 9], "CD8": 99}, "other CellIDs than in"),
        ({"CellID": frame["CellID"], "CD8": 99}, "no column Label found"),
    ):
        pd.DataFrame(wrong).to_csv(tmp_path / "wrong.csv", index=False)
        with pytest.raises(cellcutter.TableError, match=said):
            cellcutter.make_cohort(store, tmp_path / "w.csv", tables=[tmp_path / "wrong.csv"])


def test_list_beside_a_link(tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    store = tmp_path / "data" / "s.zarr"
    store.parent.mkdir()
    subprocess.run(
        [CUT_CELLS, *(project / name for name in sample("s")), store, "--window-size", "9"],
        check=True,
    )
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    (tmp_path / "stores").symlink_to("data")
    for file in (tmp_path / "link/cells.csv", tmp_path / "cells.csv"):
        for path in (store, tmp_path / "stores/s.zarr"):
            listed(file, path, "-f")
            with cellcutter.open(file) as cells:
                assert len(cells) == 2
    assert pd.read_csv(tmp_path / "cells.csv")["store"].tolist() == ["stores/s.zarr"] * 2


def test_list_with_quotes_is_replaced(tmp_path: Path) -> None:
    """Where a text ends a line in an old way, all texts have quotes, also in the first line."""
    project = write(tmp_path / "p", *sample("s"))
    image, mask, table = (project / name for name in sample("s"))
    frame = pd.read_csv(table).assign(kind=["a\rb", "c"])
    store, file = tmp_path / "s.zarr", tmp_path / "cells.csv"
    cellcutter.cut_cells(image, mask, frame, store, window_size=9, layout="cells")
    first = listed(file, store)
    assert first.startswith(b'"slide"')
    assert listed(file, store, "-f") == first


def test_list_of_before(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    file = project / "thumbnails" / LIST
    assert pipeline("--in", project, "--options=--window-size 9").status == 0
    before, first = file.stat(), file.read_bytes()
    done = pipeline("--in", project, "-resume", "--options=--window-size 9")
    assert (done.status, done.submitted) == (0, 0), done.text
    assert "cells.csv lists 2 cells of 1 slide\n" in done.text
    assert os.path.samestat(before, file.stat())
    assert file.stat().st_mtime_ns == before.st_mtime_ns

    first += b"mine\n"
    file.write_bytes(first)
    done = pipeline("--in", project, "--options=--window-size 7 --layout cells")
    assert done.status == 0, done.text
    (aside,) = (path for path in file.parent.iterdir() if path.name.startswith(f"{LIST}.old-"))
    assert f"of 1 slide; what was there is now {aside.name}" in done.text
    assert aside.read_bytes() == first
    assert cellcutter.open(file).shape == (2, 3, 7, 7)
    left = {path.name for path in file.parent.iterdir()}
    assert left == {"s--unmicst_cell.zarr", LIST, aside.name}


def test_a_file_of_the_users_is_kept(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    file = project / "thumbnails" / LIST
    file.parent.mkdir()
    file.write_text("CellID,gate\n1,2\n")
    done = pipeline("--in", project)
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"{file}: a file that is no list of cells found where it is to be made" in done.text
    file.unlink()
    # One that comes while cells are cut
    (tmp_path / "late.config").write_text(
        f"process {{ withName: 'CUT_CELLS' {{ beforeScript = \"echo mine > '{file}'\" }} }}"
    )
    done = pipeline("--in", project, "-c", "late.config")
    assert done.status == 1, done.text
    assert "1 of 1 cut" in done.text
    assert f"failed: cells.csv was not written to {file.parent} ({file}: a file" in done.text
    assert file.read_text() == "mine\n"
    assert {path.name for path in file.parent.iterdir()} == {LIST, "s--unmicst_cell.zarr"}


def test_an_input_that_has_the_name(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    write_table(tmp_path / "out" / LIST)
    rows = ["sample,image,mask,table", ",".join(["s", *[f"p/{n}" for n in sample("s")[:2]], "x"])]
    (tmp_path / "sheet.csv").write_text("\n".join(rows).replace(",x", f",out/{LIST}") + "\n")
    done = pipeline("--input", "sheet.csv", "--outdir", "out")
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"out/{LIST}: an input found where {LIST} is to be made" in done.text
    assert project.exists()


def test_a_store_of_cells_that_did_not_arrive(pipeline: Run, tmp_path: Path) -> None:
    write(tmp_path / "p", *sample("s"), *sample("t"))
    # What a task has made is harmed after it was listed
    harm = "[ ! -e thumbnails/t.zarr ] || truncate -s 3 thumbnails/t.zarr/obs/zarr.json"
    (tmp_path / "harm.config").write_text(
        f"process {{ withName: 'CUT_CELLS' {{ afterScript = '{harm}' }} }}"
    )
    rows = [",".join([name, *(f"p/{file}" for file in sample(name))]) for name in ("s", "t")]
    (tmp_path / "sheet.csv").write_text("\n".join(["sample,image,mask,table", *rows]) + "\n")
    words = ("--input", "sheet.csv", "--outdir", "out", "--options=--layout cells")
    done = pipeline(*words, "-c", "harm.config")
    assert done.status == 1, done.text
    assert "failed: t: t.zarr: " in done.text
    assert "cells.csv lists 2 cells of 1 slide, without the 1 that failed" in done.text
    cells = cellcutter.open(tmp_path / "out" / LIST)
    assert cells.slides == ["s"]
    (aside,) = (tmp_path / "out").glob("t.zarr.incomplete-*")
    with pytest.raises(StoreError):
        cellcutter.open(aside).obs  # noqa: B018
