"""What belongs together in a MCMICRO project, by names alone: all cases in one run of Nextflow."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import ROOT, Run
from tests.pipeline.projects import sample, write, write_table

PROJECTS: dict[str, tuple[str, ...]] = {
    "one slide": sample("exemplar-001"),
    "two segmentations": (*sample("s"), *sample("s", "mesmer")[1:]),
    "two masks": (*sample("s"), *sample("s", mask="nuclei")[1:]),
    "old names": (
        "registration/exemplar-001.ome.tif",
        "segmentation/unmicst-exemplar-001/cellMask.tif",
        "quantification/unmicst-exemplar-001_cellMask.csv",
    ),
    "mask without table": (*sample("s"), "segmentation/unmicst-s/nuclei.ome.tif"),
    "table without mask": (*sample("s"), "quantification/s--unmicst_ring.csv"),
    "image without mask": (*sample("s"), "registration/t.ome.tif"),
    "tissue microarray": (
        "registration/tma.ome.tif",
        "dearray/1.ome.tif",
        "dearray/masks/1_mask.tif",
        "dearray/11.ome.tif",
        "segmentation/unmicst-1/cell.ome.tif",
        "segmentation/unmicst-11/cell.ome.tif",
        "quantification/1--unmicst_cell.csv",
        "quantification/11--unmicst_cell.csv",
    ),
    "background": (
        "registration/s.ome.tif",
        "background/s_backsub.ome.tif",
        "background/markers_bs.csv",
        "segmentation/mesmer-s_backsub/cell.tif",
        "quantification/s_backsub--mesmer_cell.csv",
    ),
    "names that end alike": (*sample("1"), *sample("a-1")),
    "odd names": sample("a'b -- c.d é"),
    "every suffix": (
        "registration/a.tif",
        "registration/b.tiff",
        "registration/c.ome.tiff",
        "registration/d.btf",
        "registration/e.qptiff",
        *(f"segmentation/m-{s}/cell.tif" for s in "abcde"),
        *(f"quantification/{s}--m_cell.csv" for s in "abcde"),
    ),
    "cellpose": (
        "registration/s.ome.tif",
        "segmentation/cellpose-s/s_cp_masks.tif",
        "quantification/s--cellpose_s_cp_masks.csv",
    ),
    "same image twice": (*sample("s"), "background/s.ome.tif"),
    "same mask twice": (*sample("s"), "segmentation/unmicst-s/cell.tif"),
    "old and new table": (*sample("s"), "quantification/unmicst-s_cell.csv"),
    "nothing": ("registration/s.ome.tif",),
    "dollar": sample("a$b"),
    "tab": sample("a\tb"),
    "empty table": (*sample("s"), *sample("t")),
    "forms of tables": tuple(name for form in "abcdefghijklm" for name in sample(form)),
}
HEAD, ROWS = "CellID,X_centroid,Y_centroid,Area \xb5m\xb2\n", "1,10,8,3\n2,33.5,22.5,4\n"
FULL, EMPTY = (HEAD + ROWS).encode("latin-1"), HEAD.encode("latin-1")
FORMS = {
    "a": FULL,
    "b": (HEAD + ROWS).encode("utf-16"),
    "c": gzip.compress(FULL),
    "d": bz2.compress(FULL),
    "e": lzma.compress(FULL),
    "f": b"\x28\xb5\x2f\xfd\x20",
    "g": b"PK\3\4",
    "h": b"PAR1",
    "i": gzip.compress(FULL)[:20],
    "j": FULL.replace(b"\n", b"\r"),
    "k": EMPTY,
    "l": gzip.compress(EMPTY),
    "m": b"\r\n" + EMPTY + b" \r\n",
}


@pytest.fixture(scope="module")
def found(nextflow: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("pairing")
    for name, files in PROJECTS.items():
        write(folder / name, *files)
    write_table(folder / "empty table" / "quantification/t--unmicst_cell.csv", cells=0)
    for form, content in FORMS.items():
        (folder / "forms of tables" / sample(form)[2]).write_bytes(content)
    (folder / "list").write_text("".join(f"{folder / name}\n" for name in PROJECTS))
    done = nextflow(
        folder,
        *("run", ROOT / "tests/pipeline/pair.nf", "-lib", ROOT / "lib"),
        *("--projects", folder / "list"),
    )
    lines = [line for line in done.text.splitlines() if line.startswith("RESULT ")]
    assert len(lines) == len(PROJECTS), done.text
    results = [json.loads(line.removeprefix("RESULT ").replace(f"{folder}/", "")) for line in lines]
    return dict(zip(PROJECTS, results, strict=True))


@pytest.mark.parametrize(
    ("project", "ids"),
    [
        ("one slide", ["exemplar-001--unmicst_cell"]),
        ("two segmentations", ["s--mesmer_cell", "s--unmicst_cell"]),
        ("two masks", ["s--unmicst_cell", "s--unmicst_nuclei"]),
        ("old names", ["exemplar-001--unmicst_cellMask"]),
        ("mask without table", ["s--unmicst_cell"]),
        ("tissue microarray", ["1--unmicst_cell", "11--unmicst_cell"]),
        ("background", ["s_backsub--mesmer_cell"]),
        ("names that end alike", ["1--unmicst_cell", "a-1--unmicst_cell"]),
        ("odd names", ["a'b -- c.d é--unmicst_cell"]),
        ("every suffix", [f"{s}--m_cell" for s in "abcde"]),
        ("cellpose", ["s--cellpose_s_cp_masks"]),
        ("empty table", ["s--unmicst_cell"]),
    ],
)
def test_pairs(found: dict[str, dict[str, Any]], project: str, ids: list[str]) -> None:
    samples = found[project].get("samples", found[project])
    assert [s["id"] for s in samples] == ids
    for s in samples:
        image, method_mask = s["id"].split("--", 1) if project != "odd names" else (None, None)
        if image:
            assert Path(s["image"]).name.split(".")[0] == image
            method, mask = method_mask.split("_", 1)
            assert Path(s["mask"]).parent.name == f"{method}-{image}"
            assert Path(s["mask"]).name.split(".")[0] == mask
        files = {f"{project}/{name}" for name in PROJECTS[project]}
        assert {s["image"], s["mask"], s["table"]} <= files


def test_marker_tables(found: dict[str, dict[str, Any]]) -> None:
    assert found["one slide"]["samples"][0]["markers"] == "one slide/markers.csv"
    assert found["background"]["samples"][0]["markers"] == "background/background/markers_bs.csv"


@pytest.mark.parametrize(
    ("project", "reasons"),
    [
        ("one slide", []),
        ("mask without table", ["unmicst-s/nuclei.ome.tif: no table"]),
        ("table without mask", ["quantification/s--unmicst_ring.csv: no mask"]),
        ("image without mask", ["registration/t.ome.tif: no mask"]),
        ("tissue microarray", ["registration/tma.ome.tif: no mask"]),
        ("background", ["registration/s.ome.tif: no mask"]),
    ],
)
def test_left_out_is_said(
    found: dict[str, dict[str, Any]], project: str, reasons: list[str]
) -> None:
    left_out = found[project]["leftOut"]
    assert len(left_out) == len(reasons)
    for reason, said in zip(reasons, left_out, strict=True):
        assert reason in said


def test_tables_without_cells_are_set_apart(found: dict[str, dict[str, Any]]) -> None:
    assert found["empty table"]["empty"] == ["t--unmicst_cell"]


def test_tables_may_be_compressed_and_in_any_encoding(found: dict[str, dict[str, Any]]) -> None:
    forms = found["forms of tables"]
    assert [s["id"][0] for s in forms["samples"]] == list("abcdefghij")
    assert [name[0] for name in forms["empty"]] == list("klm")


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ("same image twice", ["2 ways to pair", "background/s.ome.tif", "registration/s.ome.tif"]),
        ("same mask twice", ["2 ways to pair", "cell.tif", "cell.ome.tif"]),
        ("old and new table", ["2 ways to pair", "s--unmicst_cell.csv", "unmicst-s_cell.csv"]),
        ("nothing", ["nothing to cut found", "registration/s.ome.tif: no mask"]),
        ("dollar", ["$ found in the name"]),
        ("tab", ["a?b.ome.tif: a control character found in the name"]),
    ],
)
def test_errors(found: dict[str, dict[str, Any]], project: str, words: list[str]) -> None:
    for word in words:
        assert word in found[project]["error"]
