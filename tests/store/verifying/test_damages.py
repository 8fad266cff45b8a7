"""Each damage to a store is found, by the plainest check that can find it, and named."""

from __future__ import annotations

import io
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import cellcutter
from cellcutter.commands import cli
from cellcutter.errors import StoreError
from cellcutter.store import manifest
from tests import slides
from tests.store.verifying import damages
from tests.store.verifying.damages import CELLS, CHUNKS, COMMON, DEEP, PLAIN, SOURCES

NAMES = {"chunks": "a.zarr", "cells": "b.zarr", "raw": "c.zarr", "raw cells": "d.zarr"}
CASES = [
    *((layout, name, *row) for layout in ("chunks", "cells") for name, row in COMMON.items()),
    *(("chunks", name, *row) for name, row in CHUNKS.items()),
    *(("cells", name, *row) for name, row in CELLS.items()),
]
IN_FOLDERS_ONLY = ("linked", "pipe", "a folder")


def params(case: tuple) -> object:
    kind, name, damage, by, text = case
    return pytest.param(kind, damage, by, text, id=f"{kind}: {name}")


@pytest.fixture(scope="module")
def slide(tmp_path_factory) -> slides.Slide:
    return slides.simple(tmp_path_factory.mktemp("slide"))


@pytest.fixture(scope="module")
def stores(slide, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    for kind, name in NAMES.items():
        compression = "none" if "raw" in kind else "default"
        layout = "cells" if "cells" in kind else "chunks"
        cellcutter.cut_cells(
            *slide.paths,
            folder / name,
            layout=layout,
            masks=True,
            cells_per_chunk=damages.PER_SHARD,
            compression=compression,
            window_size=15,
        )
    return folder


def copy(stores: Path, kind: str, to: Path) -> Path:
    for store in stores.glob(NAMES[kind].replace(".zarr", "*")):
        shutil.copytree(store, to / store.name)
    return to / NAMES[kind]


def sources(slide: slides.Slide) -> dict:
    image, mask, table = slide.paths
    return {"image": image, "mask": mask, "table": table, "all": True}


def check(store: Path, slide: slides.Slide, by: str, text: str) -> None:
    """What is found by a check is not found by a plainer one."""
    order: list[tuple[str, dict]] = [(PLAIN, {}), (DEEP, {"deep": True})]
    order.append((SOURCES, {"deep": True, **sources(slide)}))
    for name, options in order:
        faults = [str(fault) for fault in cellcutter.verify(store, **options).faults]
        if name == by:
            assert any(text in fault for fault in faults), faults
            assert all("\n" not in fault for fault in faults)
            return
        assert not faults, name
    raise AssertionError(by)


@pytest.mark.parametrize(("kind", "damage", "by", "text"), [params(case) for case in CASES])
def test_damage_in_a_folder(stores, slide, tmp_path, kind, damage, by, text):
    store = copy(stores, kind, tmp_path)
    damage(store)
    check(store, slide, by, text)


OF_BOTH = [case for case in CASES if not any(word in case[1] for word in IN_FOLDERS_ONLY)]


@pytest.mark.parametrize(("kind", "damage", "by", "text"), [params(case) for case in OF_BOTH[::3]])
def test_damage_in_a_zip_file(stores, slide, tmp_path, kind, damage, by, text):
    """The same in zip files, whose own checksums are right: every third is enough."""
    store = copy(stores, kind, tmp_path)
    damage(store)
    for folder in [store, damages.masks_of(store)]:
        if folder.exists():
            archive = tmp_path / f"{folder.name}.zip"
            damages.pack(folder, archive)
            shutil.rmtree(folder)
    check(tmp_path / f"{store.name}.zip", slide, by, text.replace("_mask.zarr", "_mask.zarr.zip"))


@pytest.fixture(scope="module")
def archive(slide, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("zip") / "a.zarr.zip"
    cellcutter.cut_cells(*slide.paths, path, z=True, cells_per_chunk=16, window_size=5)
    return path.read_bytes()


def repack(content: bytes, change: Callable[[str, bytes], list[tuple[str, bytes]]], **options):
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(out, "w", **options) as target,
    ):
        for info in source.infolist():
            for name, data in change(info.filename, source.read(info)):
                new = zipfile.ZipInfo(name)
                new.external_attr = 0o644 << 16
                new.compress_type = target.compression
                with warnings.catch_warnings(action="ignore"):  # a name that is there already
                    target.writestr(new, data)
    return out.getvalue()


ARCHIVES = {
    **{f"cut off at {part}": (lambda c, p=part: c[: int(len(c) * p)], "zip file that is whole")
       for part in (0.01, 0.3, 0.7, 0.99)},
    "one byte cut off": (lambda c: c[:-1], "zip file that is whole"),
    "end cut off": (lambda c: c[:-22], "zip file that is whole"),
    "bytes before": (lambda c: b"x" + c, "1 bytes before .zarray found"),
    "bytes behind": (lambda c: c + b"x", "end of the zip file"),
    "member missing": (lambda c: repack(c, lambda n, d: [(n, d)] * (n[0] != "0")), "missing"),
    "another member": (lambda c: repack(c, lambda n, d: [(n, d), (f"{n}x", d)]), "not in the"),
    "member twice": (lambda c: repack(c, lambda n, d: [(n, d)] * (1 + (n == "0.1.0.0"))), "twice"),
    "name that leads out": (
        lambda c: repack(c, lambda n, d: [(n, d)] + [("../x", d)] * (n == "0.1.0.0")),
        "../x: a name found that leads out",
    ),
    "absolute name": (
        lambda c: repack(c, lambda n, d: [(n, d)] + [("/x", d)] * (n == "0.1.0.0")),
        "/x: a name found that leads out",
    ),
    "name with backslash": (
        lambda c: repack(c, lambda n, d: [(n, d)] + [("..\\x", d)] * (n == "0.1.0.0")),
        "leads out",
    ),
    "compressed": (
        lambda c: repack(c, lambda n, d: [(n, d)], compression=zipfile.ZIP_DEFLATED),
        "compressed or encrypted",
    ),
    "one member renamed": (
        lambda c: c.replace(b"0.1.0.0", b"0.7.0.0", 1),
        "another name found before its content",
    ),
    "both names renamed": (lambda c: c.replace(b"0.1.0.0", b"0.7.0.0"), "0.1.0.0: missing"),
    "metadata changed, checksum right": (
        lambda c: repack(c, lambda n, d: [(n, d.replace(b'"C"', b'"F"'))]),
        ".zarray: other bytes",
    ),
}  # fmt: skip


def test_each_compressed_member_has_the_true_reason(archive, tmp_path):
    packed = repack(archive, lambda n, d: [(n, d)], compression=zipfile.ZIP_DEFLATED)
    (tmp_path / "a.zarr.zip").write_bytes(packed)
    faults = [str(fault) for fault in cellcutter.verify(tmp_path / "a.zarr.zip").faults]
    assert sum("compressed or encrypted in the zip file" in fault for fault in faults) > 6
    for other in ("another member", "bytes before", "members end"):
        assert not any(other in fault for fault in faults), faults


@pytest.mark.parametrize("name", ARCHIVES)
def test_damage_of_a_zip_file(archive, tmp_path, name):
    change, text = ARCHIVES[name]
    store = tmp_path / "a.zarr.zip"
    store.write_bytes(change(archive))
    faults = [str(fault) for fault in cellcutter.verify(store).faults]
    assert any(text in fault for fault in faults), faults


def test_any_flipped_bit_of_a_zip_file(archive, tmp_path):
    """Anywhere: in contents, in what is told before them, and in the list at the end."""
    store = tmp_path / "a.zarr.zip"
    store.write_bytes(archive)
    assert cellcutter.verify(store).whole
    rng = np.random.default_rng(0)
    places = [*rng.choice(len(archive), 60, replace=False).tolist()]
    places += [*range(len(archive) - 22, len(archive)), *range(30)]
    for place in places:
        damaged = bytearray(archive)
        damaged[place] ^= 1 << int(rng.integers(8))
        store.write_bytes(damaged)
        try:
            assert not cellcutter.verify(store).whole, place
        except StoreError:  # the first bytes say that it is a zip file at all
            assert place < 4 or place >= len(archive) - 22, place


@pytest.mark.parametrize("kind", ["raw", "raw cells"])
@pytest.mark.parametrize("what", ["images", "masks"])
def test_one_flipped_pixel_of_a_signed_store(stores, slide, tmp_path, kind, what):
    store = copy(stores, kind, tmp_path)
    name = damages.SHARD if "cells" in kind else "0.1.0.0"
    target, text = store, "cell "
    if what == "masks":
        name = damages.MASK_SHARD if "cells" in kind else "1.0.0"
        target = store if "cells" in kind else damages.masks_of(store)
        text = "masks of cell "
    damages.signed(damages.flip(name, 0.2))(target)
    check(store, slide, SOURCES, text)


def another_image(slide: slides.Slide, folder: Path) -> dict:
    image = slide.image.copy()
    y, x = slide.table.loc[4, ["Y_centroid", "X_centroid"]].astype(int)
    image[1, y, x] += 1
    tifffile.imwrite(folder / "i.tif", image, photometric="minisblack")
    return {"image": folder / "i.tif"}


def image_of(shape: tuple, dtype: str) -> Callable:
    def change(_slide: slides.Slide, folder: Path) -> dict:
        tifffile.imwrite(folder / "i.tif", np.zeros(shape, dtype), photometric="minisblack")
        return {"image": folder / "i.tif"}

    return change


def another_mask(change: Callable) -> Callable:
    def make(slide: slides.Slide, folder: Path) -> dict:
        tifffile.imwrite(folder / "m.tif", change(slide.labels).astype("i4"))
        return {"mask": folder / "m.tif"}

    return make


def another_table(change: Callable) -> Callable:
    def make(slide: slides.Slide, folder: Path) -> dict:
        change(slide.table.copy()).to_csv(folder / "t.csv", index=False)
        return {"table": folder / "t.csv"}

    return make


OTHERS = {
    "another image": (another_image, "other pixels than in the sources"),
    "an image of another size": (image_of((3, 121, 150), "u2"), "cannot be cut"),
    "an image of another type": (image_of((3, 120, 150), "u1"), "pixels of type"),
    "fewer channels": (image_of((2, 120, 150), "u2"), "cannot be cut"),
    "more channels": (image_of((4, 120, 150), "u2"), "image of"),
    "another mask": (another_mask(lambda m: np.roll(m, 1, 0)), "masks of cell"),
    "a mask with a cell less": (another_mask(lambda m: np.where(m == 7, 0, m)), "Status of 1"),
    "a mask of other cells": (another_mask(lambda m: m + (m > 0) * 99), "Status of 31"),
    "another order": (another_table(lambda t: t[::-1]), "another CellID"),
    "a row less": (another_table(lambda t: t[:-1]), "cells: 31 stored, 30 in the sources"),
    "other CellIDs": (another_table(lambda t: t.assign(CellID=t.CellID + 1)), "another CellID"),
    "other centroids": (
        another_table(lambda t: t.assign(X_centroid=t.X_centroid.clip(0, 90))),
        "X_start of",
    ),
}


COLUMNS = {
    "other numbers": (lambda t: t.assign(area=t.area * 2), "area of "),
    "another gap": (lambda t: t.assign(area=t.area.where(t.CellID != 5)), "area of 1 cells"),
    "another text": (lambda t: t.assign(kind=t.kind.str.replace("b7", "B7")), "kind of 1 cells"),
    "a column less": (lambda t: t.drop(columns="kind"), "column 'kind' stored, none such"),
    "other floats": (lambda t: t.assign(X_centroid=t.X_centroid + 1e-9), "X_centroid of "),
}


@pytest.mark.parametrize("way", ["cut", "converted"])
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_another_table(slide, tmp_path, way, name):
    """The table has a text, numbers with gaps, a column of ours, and names that stores change."""
    table = slide.table.assign(
        area=(slide.table["CellID"] * 1.5).where(slide.table["CellID"] != 3),
        kind=[f"{'ab'[i % 2]}{i}" for i in slide.table["CellID"]],
        Status="mine",
        **{"a/b": range(len(slide.table)), "same": "x"},
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    store, paths = tmp_path / "a.zarr", [*slide.paths[:2], tmp_path / "t.csv"]
    cellcutter.cut_cells(*paths, store, layout="cells", masks=True, window_size=15, shuffle=2)
    if way == "converted":
        store = cellcutter.convert(store, tmp_path / "b.zarr", layout="chunks").destination
    given = dict(zip(("image", "mask", "table"), paths, strict=True))
    assert cellcutter.verify(store, **given).faults == []
    change, text = COLUMNS[name]
    change(table).to_csv(tmp_path / "other.csv", index=False)
    (fault,) = cellcutter.verify(store, **{**given, "table": tmp_path / "other.csv"}).faults
    assert text in str(fault)


@pytest.mark.parametrize("kind", ["chunks", "cells"])
def test_a_file_that_only_the_manifest_knows(stores, slide, tmp_path, kind):
    store = copy(stores, kind, tmp_path)
    name = "0.77.0.0" if kind == "chunks" else "obs/new/zarr.json"
    (store / name).parent.mkdir(exist_ok=True)
    (store / name).write_text("{}")
    damages.sign(store)
    (fault,) = cellcutter.verify(store).faults
    assert str(fault) == f"{store / name}: not a file of the store"


def test_a_pixel_size_that_was_changed(tmp_path):
    slide = slides.simple(tmp_path)
    told = {"axes": "CYX", "PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65}
    image = tmp_path / "i.ome.tif"
    tifffile.imwrite(image, slide.image, photometric="minisblack", metadata=told)
    sources = dict(zip(("image", "mask", "table"), (image, *slide.paths[1:]), strict=True))
    cellcutter.cut_cells(*sources.values(), tmp_path / "a.zarr", window_size=15)
    assert cellcutter.verify(tmp_path / "a.zarr", **sources).whole
    damages.told(lambda a: a["pixel_size"].update(x=0.5))(tmp_path / "a.zarr")
    (fault,) = cellcutter.verify(tmp_path / "a.zarr", **sources).faults
    assert "pixels of 0.65 x 0.5 µm told, 0.65 x 0.65 µm found" in str(fault)


def test_json_of_stores_and_what_is_none(stores, tmp_path, capfd):
    words = [str(tmp_path / "no"), str(stores / "a.zarr"), str(tmp_path / "none")]
    assert cli.main(["verify", "--json", *words]) == 2
    found = capfd.readouterr()
    one, *others = json.loads(found.out)
    assert (one["store"], one["whole"]) == (words[1], True)
    assert [(o["store"], o["whole"]) for o in others] == [(words[0], False), (words[2], False)]
    assert all(o["error"].startswith(o["store"]) for o in others)
    assert found.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["chunks", "cells"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_sources(stores, slide, tmp_path, kind, name):
    change, text = OTHERS[name]
    given = {**sources(slide), **change(slide, tmp_path)}
    verdict = cellcutter.verify(stores / NAMES[kind], deep=True, **given)
    assert any(text in str(fault) for fault in verdict.faults), verdict.faults
    assert {fault.by for fault in verdict.faults} == {SOURCES}


@pytest.mark.parametrize("z", [False, True])
@pytest.mark.parametrize("layout", ["chunks", "cells"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"masks": True, "shuffle": 3, "cells_per_chunk": 5},
        {"mask_cells": True, "channels": [3, 1]},
        {"window_size": 22, "compression": "none", "on_missing": "warn"},
        {"compression": "small", "columns": {"CellID": "CellID"}},
    ],
    ids=str,
)
def test_whole_stores(slide, tmp_path, z, layout, options):
    out = tmp_path / ("a.zarr.zip" if z else "a.zarr")
    done = cellcutter.cut_cells(*slide.paths, out, z=z, layout=layout, **options)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    verdict = cellcutter.verify(out, deep=True, **sources(slide))
    assert (verdict.faults, verdict.notes, verdict.compared) == ([], [], len(slide.table))
    assert verdict.identity == done.identity
    back = cellcutter.convert(out, tmp_path / "back.zarr", layout="chunks")
    assert cellcutter.verify(back.destination, deep=True, **sources(slide)).whole
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_tiles(slide, tmp_path):
    out = tmp_path / "tiles.zarr"
    cellcutter.cut_tiles(slide.image_path, 30, out, step_size=20, shuffle=2)
    verdict = cellcutter.verify(out, deep=True, image=slide.image_path, sample=7)
    assert (verdict.faults, verdict.compared) == ([], 7)
    given = another_image(slide, tmp_path)
    found = cellcutter.verify(out, **given, all=True).faults
    assert all("tile " in str(fault) for fault in found)
    assert found


@pytest.mark.parametrize("masked", [False, True])
def test_store_of_0_2_12(slide, tmp_path, masked):
    """It tells nothing: names, sizes and frames are checked, and pixels against the sources."""
    image, _ = slides.expected(slide.image, slide.labels, slide.table, 15, mask=masked)
    out = tmp_path / "old.zarr"
    chunks = (3, 9, 15, 15)
    array = zarr.create_array(
        out, shape=image.shape, dtype="u2", chunks=chunks, zarr_format=2, fill_value=0
    )
    array[...] = image
    (out / ".zattrs").unlink(missing_ok=True)
    verdict = cellcutter.verify(out, deep=True, **sources(slide))
    assert (verdict.faults, verdict.compared, verdict.identity) == ([], len(image[0]), None)
    assert "hashes were not compared" in verdict.notes[0]
    array[1, 4, 7, 7] += 1
    assert [f.problem for f in cellcutter.verify(out, **sources(slide)).faults] == [
        f"cell 4 (CellID {slide.table['CellID'][4]}): other pixels than in the sources"
    ]
    (out / "0.1.0.0").unlink()
    (out / "more").write_text("")
    assert [str(f) for f in cellcutter.verify(out).faults] == [
        f"{out}/0.1.0.0: missing",
        f"{out}/more: not a file of the store",
    ]


def test_stores_without_a_manifest(stores, slide, tmp_path):
    for kind in ("chunks", "cells"):
        store = copy(stores, kind, tmp_path)
        for folder in filter(Path.exists, {store, damages.masks_of(store)}):
            damages.told(lambda about: about.pop("manifest"))(folder)  # as older ones
            (folder / manifest.NAME).unlink()
        verdict = cellcutter.verify(store, deep=True, **sources(slide))
        assert verdict.whole
        assert "hashes were not compared" in verdict.notes[0]
    (tmp_path / "b.zarr/obs/CellID/c/0").unlink()
    assert not cellcutter.verify(tmp_path / "b.zarr").whole


def test_command(stores, tmp_path, capfd):
    good, bad = stores / "a.zarr", copy(stores, "cells", tmp_path)
    assert cli.main(["verify", str(good)]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"{good}: whole; 18 files, 0.0 MB, identity sha256:")
    assert not err
    damages.flip("zarr.json", 0.5)(bad)
    (bad / "a\x1b[31m\nb").write_text("")
    assert cli.main(["verify", str(good), str(bad), "--deep"]) == 1
    out, err = capfd.readouterr()
    assert f"{bad}/zarr.json: other bytes than those that the manifest names\n" in out
    assert "\x1b" not in out
    assert f"\n{bad}: damaged; " in out
    number = out.count(str(bad)) - 1
    assert err == f"cellcutter verify: error: {bad}: {number} faults found, none expected\n"
    assert cli.main(["verify", "--json", str(good), str(bad)]) == 1
    one, two = json.loads(capfd.readouterr().out)
    assert one["whole"]
    assert not two["whole"]
    assert {"store", "file", "problem", "by"} == set(two["faults"][0])


def test_the_folder_that_one_is_in(stores, monkeypatch, capfd):
    monkeypatch.chdir(stores / "a.zarr")
    assert cli.main(["verify", "."]) == 0
    assert f"{stores / 'a.zarr'}: whole; 18 files" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.zarr"], "missing.zarr: No such file or directory; a store expected"),
        (["."], "neither .zarray nor zarr.json found, a store expected"),
        (["IMAGE"], "no store found, one expected"),
        (["GOOD", "--sample", "3"], "--sample found without --image"),
        (["GOOD", "--image", "IMAGE", "--all", "--sample", "3"], "--sample and --all"),
        (["GOOD", "GOOD", "--image", "IMAGE"], "--image found with 2 stores, one expected"),
        (["GOOD", "--image", "IMAGE", "--mask", "MASK"], "--table: none found"),
        (["GOOD", "--image", "IMAGE", "--table", "TABLE"], "--mask: none found, the mask"),
        (["GOOD", "--image", "no.tif", "--mask", "MASK", "--table", "TABLE"], "no.tif: No such"),
        (["GOOD", "--image", "IMAGE", "--mask", "MASK", "--table", "no.csv"], "no.csv: No such"),
    ],
)
def test_no_store_or_wrong_usage(stores, slide, tmp_path, monkeypatch, capfd, words, message):
    monkeypatch.chdir(tmp_path)
    image, mask, table = slide.paths
    places = {"GOOD": str(stores / "a.zarr"), "IMAGE": image, "MASK": mask, "TABLE": table}
    assert cli.main(["verify", *(places.get(word, word) for word in words)]) == 2
    err = capfd.readouterr().err
    assert message in err
    assert err.splitlines()[-1].startswith("cellcutter verify: error: ")


def test_sample_is_the_same_for_a_seed(stores, slide, tmp_path):
    given = {**sources(slide), "all": False, **another_image(slide, tmp_path)}
    pd.DataFrame(slide.table).to_csv(tmp_path / "t.csv")
    one, two = (cellcutter.verify(stores / "a.zarr", sample=9, seed=5, **given) for _ in range(2))
    assert one.compared == 9
    assert one.faults == two.faults
