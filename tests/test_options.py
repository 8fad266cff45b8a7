"""What options take, in Python and in YAML; and that each is said in one place."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pytest
import zarr

import cellcutter
from cellcutter import documented, inputs
from cellcutter.commands import cli, cut_cells, cut_tiles
from cellcutter.commands.parser import Parser
from cellcutter.completing import complete, options_of
from cellcutter.kinds import WHOLE, Option
from cellcutter.options import CellOptions, TileOptions
from tests import slides


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("window_size", np.int64(32), 32),
        ("window_size", np.uint8(32), 32),
        ("window_size", 32.0, 32),
        ("window_size", "32", 32),
        ("window_size", None, None),
        ("channels", np.array([1, 3]), [1, 3]),
        ("channels", pd.Series([3, 1]), [3, 1]),
        ("channels", range(1, 4), [1, 2, 3]),
        ("channels", "CD8", ["CD8"]),
        ("channels", "CD8,2", ["CD8", 2]),
        ("channels", ["a, b", 2], ["a, b", 2]),
        ("channels", 2, [2]),
        ("channels", [], None),
        ("chunk_size", np.float32(0.5), 0.5),
        ("chunk_size", "0.5", 0.5),
        ("markers", Path("m.csv"), "m.csv"),
        ("mask_cells", np.True_, True),
    ],
)
def test_values_are_taken_as_python_has_them(name, value, expected):
    found = complete(CellOptions, {name: value})[name]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_size", 0),
        ("window_size", -1),
        ("window_size", 1.5),
        ("window_size", np.nan),
        ("window_size", True),
        ("window_size", "1e3"),
        ("window_size", "٣"),
        ("window_size", 10**30),
        ("window_size", np.array([1, 2])),
        ("window_size", object()),
        ("chunk_size", np.inf),
        ("chunk_size", "nan"),
        ("cache_size", -1.0),
        ("p", "many"),
        ("mask_cells", 1),
        ("mask_cells", "true"),
        ("on_missing", "skip"),
        ("on_missing", ["warn"]),
        ("compression", None.__class__),
        ("channels", {"a": 1}),
        ("channels", [1.5]),
        ("channels", [True]),
        ("channels", [[1]]),
        ("markers", 3),
        ("markers", "a\0b"),
        ("markers", "\ud800"),
        ("markers", ""),
    ],
)
def test_other_values_are_one_line(name, value):
    with pytest.raises(cellcutter.SettingsError) as caught:
        complete(CellOptions, {name: value})
    message = str(caught.value)
    flag = "-p" if name == "p" else f"--{name.replace('_', '-')}"
    assert message.startswith(f"{flag}: ")
    assert message.endswith(" expected")
    assert "\n" not in message
    assert len(message) < 250


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'windowsize'"):
        cellcutter.cut_tiles("i.tif", 3, "out.zarr", windowsize=3)


def test_numbers_of_numpy_reach_the_store(tmp_path):
    slide = slides.simple(tmp_path)
    cellcutter.cut_cells(
        *slide.paths,
        tmp_path / "out.zarr",
        window_size=np.int64(9),
        channels=np.array([3, 1]),
        cells_per_chunk=np.int32(7),
        p=np.int16(1),
    )
    expected, _ = slides.expected(slide.image[[2, 0]], slide.labels, slide.table, 9)
    store = zarr.open(tmp_path / "out.zarr", mode="r")
    np.testing.assert_array_equal(store[:], expected)
    assert store.attrs["cellcutter"]["options"]["window_size"] == 9
    cellcutter.cut_tiles(slide.image_path, np.int64(32), tmp_path / "tiles.zarr", step_size=16.0)
    assert zarr.open(tmp_path / "tiles.zarr", mode="r").shape[-1] == 32


@pytest.mark.parametrize(
    ("function", "kind", "parser"),
    [
        (cellcutter.cut_cells, CellOptions, cut_cells.parser),
        (cellcutter.cut_tiles, TileOptions, cut_tiles.parser),
    ],
)
def test_signature_docstring_and_flags_have_every_option(function, kind, parser):
    shown = parser().format_help()
    parameters = inspect.signature(function).parameters
    for name in kind.__annotations__:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert f"\n{name} : " in function.__doc__
        assert f"--{name.replace('_', '-')}" in shown or name in ("p", "z")


def test_a_new_option_is_one_line():
    """An invented option appears in the parser, the signature and the docstring by itself."""

    class More(TileOptions, total=False):
        halo: Annotated[int | None, Option(WHOLE, "pixels around a tile (default: none)", "more")]

    @documented.takes(More)
    def cut(image: str, **options: object) -> None:
        """Cut.

        Parameters
        ----------
        image : path
        **options
        """

    More.__annotations__["halo"] = Annotated[int | None, Option(WHOLE, "pixels around", "what")]
    assert Parser("x", "", More).parse(["--halo", "3"]) == {"halo": 3}
    assert "halo" in inspect.signature(cut).parameters
    assert "\nhalo : int, optional\n    Pixels around" in cut.__doc__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1]\nb: *a", r"a reference"),
        ("a: " + "[" * 5000, r"a YAML file expected"),
        ("a: !!int x", "a YAML file expected"),
        ("a: !!bool x", "a YAML file expected"),
        ("a: !!timestamp x", "a YAML file expected"),
        ("a: 2020-13-45", "a YAML file expected"),
        ("a: !!python/object:os.system x", "a YAML file expected"),
        ("step-size: .inf", "step-size: inf found, a whole number"),
        ("step-size: " + "9" * 5000, "a YAML file expected|a whole number"),
        ('markers: "\\0"', "markers: .* found, the path of a file"),
        ("--help", "--help is for the command line"),
        ("- --version", "--version is for the command line"),
        ("options: --mask-cells", "'options: cellcutter:' expected"),
        ("thread: 3", "perhaps 'threads' expected"),
        ("nonsense: 3", "one of cache-size"),
        ("#" * (2 << 20), "more than 1048576 characters found"),
    ],
)
def test_odd_yaml_is_one_line(tmp_path, capfd, text, message):
    (tmp_path / "p.yml").write_text(text)
    assert cli.main_cut_tiles(["i.tif", "3", "out", "--params", str(tmp_path / "p.yml")]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 600
    assert re.search(message, said), said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--windowsize 32", "perhaps --window-size is meant"),
        ("--mask_cells", "perhaps --mask-cells is meant"),
        ("--window_size=32", "perhaps --window-size is meant"),
        ("--Force", "perhaps --force is meant"),
        ("--thread=2", None),
    ],
)
def test_mistyped_flags_name_the_nearest(capfd, words, message):
    status = cli.main_cut_cells(["i", "m", "c", "d", *words.split()])
    said = capfd.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    if message:
        assert message in said
        assert "(see cut_cells --help)" in said


def test_channels_that_swallowed_the_paths(capfd):
    assert cli.main_cut_cells(["--channels", "1", "3", "I", "M", "C", "D"]) == 2
    assert "--channels has taken 1 3 I M C D: write --channels=1,2" in capfd.readouterr().err


def test_names_behind_two_dashes(tmp_path, monkeypatch):
    slides.simple(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("slide.ome.tif").rename("-i.tif")
    words = ["--channels", "1", "3", "--", "-i.tif", "cell.tif", "cells.csv", "--out.zarr"]
    assert cli.main_cut_cells(words) == 0
    assert zarr.open("--out.zarr", mode="r").shape[0] == 2


def test_long_forms(tmp_path):
    slide = slides.simple(tmp_path)
    words = [*slide.paths, str(tmp_path / "o.zarr.zip"), "--zip", "--threads", "1", "--force"]
    assert cli.main_cut_cells(words) == 0
    assert (tmp_path / "o.zarr.zip").is_file()


@pytest.mark.parametrize("stream", ["1>&-", "2>&-", "1>&- 2>&-", "2>/dev/full", "2> >(true)"])
@pytest.mark.parametrize("right", [True, False])
def test_closed_streams_change_nothing(tmp_path, stream, right):

    slide = slides.simple(tmp_path)
    word = "--mask-cells" if right else "--window-size=none"
    line = f"{Path(sys.executable).parent}/cut_cells {word} {' '.join(slide.paths)} o.zarr {stream}"
    found = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False)
    assert found.returncode == (0 if right else 2)
    assert found.stdout == b""
    assert (tmp_path / "o.zarr").exists() == right


def test_names_are_shown_without_control_characters(tmp_path, capfd):
    name = str(tmp_path / "\x1b[31mred\n.tif")
    assert cli.main_cut_tiles([name, "3", str(tmp_path / "o.zarr")]) == 2
    said = capfd.readouterr().err
    assert "\x1b" not in said
    assert said.count("\n") == 1


# What changes no thumbnail, or is told elsewhere: the channels, the layout of the array itself
TOLD_ELSEWHERE = {
    *("channels", "markers", "statistics", "chunk_size", "compression", "z", "force"),
    *("save_metadata", "p", "cache_size", "cells_per_chunk", "tiles_per_chunk", "resume"),
}
CHANGED = {
    "image_index": 2,
    "layout": "cells",
    "shuffle": 3,
    "window_size": 9,
    "columns": {"CellID": "Object"},
    "centroid_unit": "um",
    "mask_cells": True,
    "mask_channel": 2,
    "mask_index": 2,
    "masks": True,
    "on_missing": "warn",
    "step_size": 5,
}
ALWAYS = {"window_size", "mask_cells", "on_missing", "step_size"}  # as cut.py and inputs.py ask


@pytest.mark.parametrize("kind", [CellOptions, TileOptions])
def test_an_option_that_changes_thumbnails_is_told_in_the_attributes(kind):
    """An option that is new stands in one of the lists above, or this fails."""
    for name in set(options_of(kind)) - TOLD_ELSEWHERE:
        assert name in CHANGED, f"{name}: say a value in CHANGED, or where else a store tells it"
        options = complete(kind, {name: CHANGED[name]})
        told = inputs.asked(options, *(ALWAYS & set(options_of(kind))))
        assert told[name] == CHANGED[name]
        assert set(told) <= ALWAYS | {name}
