"""The commands as a user runs them: flags, YAML, messages, names of files, memory."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import cellcutter
from cellcutter import progress
from cellcutter.commands import cli
from tests import slides
from tests.terminal import shown_by

BIN = Path(sys.executable).parent


def shell(command: str, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    """Run a command line with the installed commands on the PATH."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        command, shell=True, cwd=cwd, capture_output=True, text=True, env=environment, **options
    )


@pytest.fixture
def slide(tmp_path) -> slides.Slide:
    return slides.simple(tmp_path)


@pytest.mark.parametrize(
    "table", ["unmicst-exemplar-001_cellMask.csv", "exemplar-001--unmicst_cellMask.csv"]
)
def test_the_example_word_for_word(slide, tmp_path, table):
    """In a MCMICRO folder with the names of today and of before 2022."""
    root = tmp_path / "exemplar-001"
    for path, name in (
        (slide.image_path, "registration/exemplar-001.ome.tif"),
        (slide.labels_path, "segmentation/unmicst-exemplar-001/cellMask.tif"),
        (slide.table_path, f"quantification/{table}"),
    ):
        (root / name).parent.mkdir(parents=True)
        shutil.copy(path, root / name)
    found = shell(
        "cut_cells exemplar-001/registration/exemplar-001.ome.tif \\\n"
        "  exemplar-001/segmentation/unmicst-exemplar-001/cellMask.tif \\\n"
        f"  exemplar-001/quantification/{table} \\\n"
        "  cellMaskThumbnails.zarr\n",
        tmp_path,
    )
    assert found.returncode == 0, found.stderr
    x = zarr.open(tmp_path / "cellMaskThumbnails.zarr", mode="r")
    size = slides.largest_cell(slide.labels, slide.table["CellID"].to_numpy())
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, size)
    np.testing.assert_array_equal(x[:], expected)
    picked = np.random.default_rng(0).choice(x.shape[1], size=5, replace=False)
    np.testing.assert_array_equal(
        x.get_orthogonal_selection((slice(None), picked)), expected[:, picked]
    )


@pytest.mark.parametrize(
    "words",
    [
        "-p 2 -z --window-size 9 {paths} out --channels 1 3",
        "{image} {labels} -p 2 {table} --window-size=9 out -z --channels 1 3",
        "{paths} out --channels 1 3 -z --window-size 9",
        "--channels 1,3 -z {paths} --window-size 9 out",
        "--params p.yml {paths} out",
        "--params nested.yml {paths} out",
        "--params string.yml {paths} out",
        "--params p.yml --window-size 9 {paths} out --channels 1 3",
    ],
)
def test_flags_stand_anywhere_and_in_yaml(slide, tmp_path, words):
    (tmp_path / "p.yml").write_text("window-size: 9\nz: true\nchannels: [1, 3]\np: 1\nmarkers:\n")
    (tmp_path / "nested.yml").write_text(
        "workflow: {start-at: registration}\n"
        "options: {ilastik: --num 3, cellcutter: {window_size: 9, z: true, channels: [1, 3]}}\n"
    )
    (tmp_path / "string.yml").write_text(
        "options:\n  cellcutter: -z --window-size 9 --channels 1 3\n"
    )
    image, labels, table = (Path(p).name for p in slide.paths)
    line = words.format(paths=f"{image} {labels} {table}", image=image, labels=labels, table=table)
    found = shell(f"cut_cells {line}", tmp_path)
    assert found.returncode == 0, found.stderr
    expected, _ = slides.expected(slide.image[[0, 2]], slide.labels, slide.table, 9)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out")[:], expected)


def test_command_line_wins_over_yaml(slide, tmp_path):
    parameters = tmp_path / "p.yml"
    parameters.write_text("window-size: 99\ncells-per-chunk: 2\nmask-cells: false\n")
    words = [
        *slide.paths,
        str(tmp_path / "out"),
        "--params",
        str(parameters),
        "--window-size",
        "5",
        "--chunk-size",
        "1",
    ]
    assert cli.main_cut_cells(words) == 0
    store = zarr.open(tmp_path / "out", mode="r")
    assert (store.shape[-1], store.chunks[1]) == (5, store.shape[1])


def test_without_a_mask(slide, tmp_path):
    image, _, table = slide.paths
    words = [image, "-", table, str(tmp_path / "out"), "--window-size", "5"]
    assert cli.main_cut_cells(words) == 0
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, 5)
    np.testing.assert_array_equal(zarr.open(tmp_path / "out", mode="r")[:], expected)


@pytest.mark.parametrize("header", ["marker_name", "channel_number,cycle_number,marker_name"])
def test_markers(slide, tmp_path, header):
    rows = {1: ["CD8", "DNA", "CD3"], 3: ["2,1,DNA", "1,1,CD8", "3,1,CD3"]}[header.count(",") + 1]
    (tmp_path / "markers.csv").write_text(
        "\r\n".join([header, *rows]) + "\r\n", encoding="utf-8-sig"
    )
    words = [
        *slide.paths,
        str(tmp_path / "out"),
        "--markers",
        str(tmp_path / "markers.csv"),
        "--window-size",
        "5",
        "--channels",
        "DNA",
        "3",
        "CD8",
    ]
    assert cli.main_cut_cells(words) == 0
    expected, _ = slides.expected(slide.image[[1, 2, 0]], slide.labels, slide.table, 5)
    np.testing.assert_array_equal(zarr.open(tmp_path / "out", mode="r")[:], expected)


def test_repeated_channel_is_kept_with_a_warning(slide, tmp_path, capfd):
    words = [*slide.paths, str(tmp_path / "out"), "--window-size", "5", "--channels", "2", "1", "2"]
    assert cli.main_cut_cells(words) == 0
    assert "warning: channel 2 is given more than once" in capfd.readouterr().err
    assert zarr.open(tmp_path / "out", mode="r").shape[0] == 3


def test_on_missing_warn(slide, tmp_path, capfd):
    slide.table.assign(CellID=[*range(500, 503), *slide.table["CellID"][3:]]).to_csv(
        slide.table_path, index=False
    )
    words = [*slide.paths, str(tmp_path / "out"), "--on-missing"]
    assert cli.main_cut_cells([*words, "error"]) == 2
    assert cli.main_cut_cells([*words, "warn"]) == 0
    assert re.search(r"warning: .*CellID 500 in row 1 .*, and 2 more found", capfd.readouterr().err)


def test_log_tells_what_was_done(slide, tmp_path, capfd):
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "out"), "-p", "2"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    for pattern in (
        r"slide\.ome\.tif: 3 channels of 120 x 150 pixels, uint16; 3 of them are cut",
        r"\d+ cells, window \d+ x \d+ pixels; 1 chunk of \d+",
        r"2 threads, at most \d+ MB for pixels",
        r"wrote .*/out: \d+\.\d MB in \d+\.\d s",
    ):
        assert re.search(f"^cut_cells: {pattern}$", err, re.MULTILINE), err
    assert "over the image" not in err
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "again"), "--verbose"]) == 0
    assert "cut_cells: 1 pass over the image\n" in capfd.readouterr().err


def test_plain_lines_of_progress(caplog, monkeypatch):
    """A log gets a line at intervals, and none for what is quick."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    caplog.set_level("INFO", "cellcutter")
    report = progress.ProgressReport()
    for done in range(1, 101):
        clock[0] += 0.25
        report("cutting", done, 100)
    report("reading", 1, 2)
    assert caplog.messages == [f"cutting: {n} %" for n in (9, 29, 49, 69, 89)]


def test_bar_on_a_terminal(tmp_path):
    """A real terminal shows a bar for work that takes over two seconds."""
    script = (
        "import time\nfrom cellcutter.progress import ProgressReport\nr = ProgressReport()\n"
        "start = time.monotonic()\ndone = 0\n"
        "while time.monotonic() < start + 3:\n    done += 1\n    r('cutting', done, 10**9)\n"
        "r.close()\n"
    )
    shown = shown_by(script)
    assert b"cutting:" in shown
    assert b"|" in shown


@pytest.mark.parametrize("command", ["cut_cells", "cut_tiles", "cellcutter"])
def test_help_and_version(command, tmp_path):
    assert shell(f"{command} --help", tmp_path).stdout.startswith(f"usage: {command}")
    assert shell(f"{command} --version", tmp_path).stdout == f"{command} {cellcutter.__version__}\n"
    assert shell(f"{command} --nonsense", tmp_path).returncode == 2


def test_help_names_every_flag(tmp_path):
    flags = (
        "-p -z -f --force --window-size --mask-cells --chunk-size --cells-per-chunk --cache-size "
        "--channels --markers --compression --save-metadata --on-missing --params "
        "-v --verbose --version"
    )
    shown = shell("cut_cells --help", tmp_path).stdout
    assert all(re.search(rf"(?<![\w-]){flag}(?![\w-])", shown) for flag in flags.split())
    flags = flags.replace("--window-size --mask-cells", "--step-size").replace(
        "cells-per", "tiles-per"
    )
    flags = flags.replace("--on-missing ", "")
    shown = shell("cut_tiles --help", tmp_path).stdout
    assert all(re.search(rf"(?<![\w-]){flag}(?![\w-])", shown) for flag in flags.split())


def test_help_does_not_wait_for_heavy_imports(tmp_path):
    script = (
        "import sys\nfrom cellcutter.commands.cli import main_cut_cells\n"
        "try:\n    main_cut_cells(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'zarr', 'tifffile', 'skimage'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_subcommands_are_the_commands(slide, tmp_path):
    image, labels, table = map(shlex.quote, slide.paths)
    assert shell(f"cellcutter cut_cells {image} {labels} {table} a.zarr", tmp_path).returncode == 0
    assert shell(f"cellcutter cut_tiles {image} 32 b.zarr", tmp_path).returncode == 0


def test_names_with_spaces_and_more(tmp_path):
    folder = tmp_path / "a b [1] ü 'quoted' $HOME -- x.y"
    folder.mkdir()
    slide = slides.simple(folder)
    destination = folder / "o u t [1].zarr"
    assert cli.main_cut_cells([*slide.paths, str(destination), "--mask-cells"]) == 0
    assert cli.main_cut_cells([*slide.paths, str(destination), "--mask-cells", "-f"]) == 0
    assert (folder / "o u t [1]_mask.zarr").is_dir()
    assert len(list(folder.iterdir())) == 5


def test_python_interface(slide, tmp_path):
    """A DataFrame in, what was written out; nothing printed, and the caller's table as it was."""
    table = slide.table.copy()
    script_output = []
    result = cellcutter.cut_cells(
        slide.image_path,
        slide.labels_path,
        table,
        tmp_path / "out.zarr",
        mask_cells=True,
        progress=lambda what, done, total: script_output.append((what, done, total)),
    )
    pd.testing.assert_frame_equal(table, slide.table)
    assert result.destination == tmp_path / "out.zarr"
    assert result.masks == tmp_path / "out_mask.zarr"
    assert result.shape == zarr.open(result.destination, mode="r").shape
    assert result.nbytes == sum(
        p.stat().st_size for s in (result.destination, result.masks) for p in s.glob("*.0.0")
    )
    assert {what for what, _, _ in script_output} == {"reading the mask", "cutting"}
    assert script_output[-1][1] == script_output[-1][2]


def test_interface_is_silent(slide, tmp_path, capfd):
    cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr")
    cellcutter.cut_tiles(slide.image_path, 20, tmp_path / "tiles.zarr")
    assert capfd.readouterr() == ("", "")


def test_threads_default_to_the_cpus_of_the_process(slide, tmp_path):
    found = shell(
        f"taskset -c 0 {BIN}/cut_cells {' '.join(map(shlex.quote, slide.paths))} out", tmp_path
    )
    assert "cut_cells: 1 thread, " in found.stderr


def test_large_labels_and_table_of_16_bits_agree(tmp_path):
    """Labels above 65,535 with CellIDs of the same; a label of 16 bits cannot stand for them."""
    slide = slides.simple(tmp_path)
    labels = slide.labels * 70_000
    table = slide.table.assign(CellID=slide.table["CellID"] * 70_000)
    table.to_csv(slide.table_path, index=False)
    tifffile.imwrite(slide.labels_path, labels.astype("u4"))
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "out"), "--mask-cells"]) == 0
    _, masks = slides.expected(
        slide.image, labels, table, zarr.open(tmp_path / "out", mode="r").shape[-1]
    )
    np.testing.assert_array_equal(zarr.open(tmp_path / "out_mask", mode="r")[:], masks)
    tifffile.imwrite(slide.labels_path, labels.astype("u2"))  # wraps around
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "b"), "--mask-cells"]) == 2


def test_measured_memory_is_within_the_plan(tmp_path):
    """The peak of a process, less what it takes to start one, against the plan's figure."""
    rng = np.random.default_rng(0)
    shape = (6, 4000, 4000)
    labels, table = slides.cells(rng, shape[1:], 4000)
    image = rng.integers(0, 60000, shape, dtype="u2")
    slide = slides.write(
        tmp_path,
        image,
        labels.astype("i4"),
        table.sample(frac=1, random_state=0),
        image_options={"tile": (256, 256)},
        labels_options={"tile": (256, 256)},
    )
    script = (
        "import resource, sys, pandas, zarr, tifffile, imagecodecs\n"
        "import cellcutter.cut, cellcutter.read.tiff.image\n"
        "tifffile.imread\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "result = cellcutter.cut_cells(*sys.argv[1:5], window_size=40,"
        " cache_size=float(sys.argv[5]), mask_cells=True, p=2, chunk_size=4)\n"
        "print(before, peak(), result.memory)\n"
    )
    assert resource.RUSAGE_SELF == 0
    for cache_size in (64, 100, 400):
        destination = tmp_path / f"{cache_size}.zarr"
        found = subprocess.run(
            [sys.executable, "-c", script, *slide.paths, str(destination), str(cache_size)],
            check=True,
            capture_output=True,
            text=True,
        )
        before, peak, planned = map(int, found.stdout.split())
        assert planned <= cache_size * 2**20
        assert peak - before <= planned + 40 * 2**20, (cache_size, before, peak, planned)


@pytest.mark.parametrize("flags", [[], ["-z"], ["--mask-cells"]])
def test_the_destinations_folder_is_made(slide, tmp_path, flags):
    destination = tmp_path / "a" / "b" / "out.zarr"
    assert cli.main_cut_cells([*slide.paths, str(destination), "--window-size=5", *flags]) == 0
    assert slides.open_store(destination).shape[-1] == 5
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"b"}
