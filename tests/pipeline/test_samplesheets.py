"""Samplesheets as people write them: all in one run of Nextflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import ROOT, Run

HEAD = "sample,image,mask,table"
ROW = "s,i,m,t"
RIGHT: dict[str, tuple[str, list[dict[str, str | None]]]] = {
    "plain": (f"{HEAD}\n{ROW}\n", [{"id": "s", "options": None, "markers": None}]),
    "bom and line ends of Windows": (f"\ufeff{HEAD}\r\n{ROW}\r\n", [{"id": "s"}]),
    "other order and spaces": ("table, mask ,image,sample\n t, m ,i , s x \n", [{"id": "s x"}]),
    "quotes": (
        '"sample",image,mask,table,options\n"a, b","i",m,t,"--channels ""CD 45"",1"\n',
        [{"id": "a, b", "options": '--channels "CD 45",1'}],
    ),
    "empty fields": (
        f'{HEAD},markers,options\n{ROW},,""\n',
        [{"id": "s", "options": None, "markers": None}],
    ),
    "blank lines": (f"\n{HEAD}\n\n{ROW}\n   \nu,i,m,t\n\n", [{"id": "s"}, {"id": "u"}]),
    "odd names": (
        f'{HEAD}\n"a\'b ,c.d é!#;&|<>()~?[x]%20:`""\\\\",i,m,t\n',
        [{"id": "a'b ,c.d é!#;&|<>()~?[x]%20:`\"\\\\"}],
    ),
    "an inch inside": (f'{HEAD},options\n{ROW},5" wide\n', [{"options": '5" wide'}]),
}
WRONG: dict[str, tuple[str, str]] = {
    "no end": (f'{HEAD}\n"s,i,m,t\n', "line 2: '\"s,i,m,t' found, fields divided by commas"),
    "behind quotes": (f'{HEAD}\ns,"i"x,m,t\n', "line 2: '\"i\"x,m,t' found, fields divided by"),
    "too many": (f"{HEAD}\n\n{ROW},x\n", "line 3: 5 fields found, 4 expected"),
    "too few": (f"{HEAD}\ns,i,m\n", "line 2: 3 fields found, 4 expected"),
    "no name": (f"{HEAD}\n,i,m,t\n", "line 2: no sample found"),
    "twice": (f"{HEAD}\n{ROW}\n{ROW}\n", "sample 's' found 2 times, each once expected"),
    "no file": (f"{HEAD}\ns,i,m,typo\n", "line 2: table typo does not exist"),
    "a folder's name": (f"{HEAD}\na/b,i,m,t\n", "line 2: sample 'a/b' found, a name for a file"),
    "columns": (
        "sample,image,labels,table\ns,i,m,t\n",
        "columns sample, image, labels, table found",
    ),
    **{
        f"no name for Nextflow: {name!r}": (
            f'{HEAD}\n"{name}",i,m,t\n',
            f"line 2: sample '{name}' found, a name without {{ }} $ * and control characters exp",
        )
        for name in ("d{x,y}", "d$x", "d*")
    },
    "a tab": (f"{HEAD}\nd\tx,i,m,t\n", "line 2: sample 'd?x' found, a name without"),
    "no UTF-8": (f"{HEAD}\n\udce9,i,m,t\n", "bytes that are no UTF-8 found; save it as CSV in"),
    "nothing": ("", "columns  found, sample, image, mask, table and optionally"),
}


@pytest.fixture(scope="module")
def read(nextflow: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sheets")
    for name in "imt":
        (folder / name).write_text("")
    texts = {name: text for name, (text, _) in (RIGHT | WRONG).items()}
    for number, text in enumerate(texts.values()):
        (folder / f"{number}.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / "list").write_text("".join(f"{folder}/{n}.csv\n" for n in range(len(texts))))
    script = ROOT / "tests/pipeline/sheets.nf"
    done = nextflow(folder, "run", script, "-lib", ROOT / "lib", "--sheets", folder / "list")
    lines = [line for line in done.text.splitlines() if line.startswith("RESULT ")]
    assert len(lines) == len(texts), done.text
    results = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    return dict(zip(texts, results, strict=True))


@pytest.mark.parametrize("name", RIGHT)
def test_right(read: dict[str, dict[str, Any]], name: str) -> None:
    samples = read[name]["samples"]
    assert len(samples) == len(RIGHT[name][1])
    for sample, expected in zip(samples, RIGHT[name][1], strict=True):
        assert sample | expected == sample
        for part in ("image", "mask", "table"):
            assert Path(sample[part]).name == part[0]


@pytest.mark.parametrize("name", WRONG)
def test_wrong(read: dict[str, dict[str, Any]], name: str) -> None:
    error = read[name]["error"]
    assert ".csv: " + WRONG[name][1] in error
    assert "\n" not in error
