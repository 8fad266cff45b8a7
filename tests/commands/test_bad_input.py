"""Bad input: exit status 2, one line with file, found and expected, nothing touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from cellcutter.cells import rows as rows_of_text
from cellcutter.cells import table
from cellcutter.cells.table import read_cells
from cellcutter.commands import cli
from cellcutter.errors import TableError
from tests import slides


@dataclass
class Case:
    """A slide in a folder and a command line, to be spoilt."""

    folder: Path
    slide: slides.Slide

    def __post_init__(self) -> None:
        self.arguments = [*self.slide.paths, str(self.folder / "out.zarr")]
        self.flags: list[str] = []
        self.command = "cut_cells"

    def table(self, **columns: object) -> None:
        """Replace columns of the table."""
        self.slide.table.assign(**columns).to_csv(self.slide.table_path, index=False)

    def cell(self, column: str, row: int, value: object) -> None:
        """Replace one value of the table."""
        table = self.slide.table.astype(object)
        table.loc[row, column] = value
        table.to_csv(self.slide.table_path, index=False)

    def row(self, row: int, ending: str = "", **texts: str) -> None:
        """Replace text of a row of the table, and put some behind it."""
        header, *rows = self.slide.table.to_csv(index=False).splitlines()
        fields = dict(zip(header.split(","), rows[row].split(","), strict=True))
        rows[row] = ",".join({**fields, **texts}.values()) + ending
        self.slide.table_path.write_text("\n".join([header, *rows, ""]))

    def labels(self, labels: np.ndarray, **options: object) -> None:
        tifffile.imwrite(self.slide.labels_path, labels, **options)

    def yaml(self, text: str) -> None:
        (self.folder / "params.yml").write_text(text)
        self.flags = ["--params", str(self.folder / "params.yml")]


Spoil = Callable[[Case], object]
CASES: dict[str, tuple[Spoil, str]] = {}


def case(name: str, message: str, spoil: Spoil) -> None:
    assert name not in CASES
    CASES[name] = (spoil, message)


def _files(what: str, index: int, expected: str) -> None:
    """What can be wrong with any of the three input files."""

    def path(c: Case) -> Path:
        return Path(c.arguments[index])

    def truncated(c: Case) -> None:
        os.truncate(path(c), path(c).stat().st_size // 2)

    def folder(c: Case) -> None:
        path(c).unlink()
        path(c).mkdir()

    def fifo(c: Case) -> None:
        path(c).unlink()
        os.mkfifo(path(c))

    name = {"image": r"slide\.ome\.tif", "mask": r"cell\.tif", "table": r"cells\.csv"}[what]
    case(f"{what} missing", rf"{name}: No such file.* expected", lambda c: path(c).unlink())
    case(f"{what} empty", rf"{name}: .* expected", lambda c: path(c).write_bytes(b""))
    case(f"{what} a folder", rf"{name}: .* found, {expected} expected", folder)
    case(f"{what} a named pipe", rf"{name}: .* found, .* expected", fifo)
    case(
        f"{what} random bytes",
        rf"{name}: .* expected",
        lambda c: path(c).write_bytes(np.random.default_rng(1).bytes(5000)),
    )
    if what != "table":
        case(f"{what} truncated", rf"{name}: .* expected", truncated)
        case(
            f"{what} a text file",
            rf"{name}: a CSV table found, an image expected: TIFF, PNG, OME-Zarr",
            lambda c: path(c).write_text("CellID,X_centroid\n"),
        )
        case(
            f"{what} a damaged PNG",
            rf"{name}: .* found, an undamaged one expected",
            lambda c: path(c).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        )
        case(
            f"{what} only a TIFF header",
            rf"{name}: .* expected",
            lambda c: path(c).write_bytes(b"II*\0\x08\0\0\0"),
        )


_files("image", 0, "a TIFF or OME-Zarr image")
_files("mask", 1, "a TIFF or OME-Zarr image")
_files("table", 2, "a CSV file")

case(
    "image with focal planes",
    r"slide\.ome\.tif: axes Z 2, C 3, .* found, one time point and one",
    lambda c: tifffile.imwrite(
        c.slide.image_path, np.zeros((2, 3, 120, 150), "u2"), metadata={"axes": "ZCYX"}, ome=True
    ),
)
case(
    "image of complex numbers",
    r"slide\.ome\.tif: .*complex64 found, integers or floats expected",
    lambda c: tifffile.imwrite(c.slide.image_path, np.zeros((3, 120, 150), "c8")),
)

# the cell table
for column in ("CellID", "Y_centroid", "X_centroid"):
    case(
        f"no column {column}",
        rf"cells\.csv: columns .* found, {column} expected too",
        lambda c, column=column: c.slide.table.drop(columns=column).to_csv(
            c.slide.table_path, index=False
        ),
    )
    case(
        f"text in {column}",
        rf"cells\.csv: {column} 'many' in row 3 found, a number expected",
        lambda c, column=column: c.cell(column, 2, "many"),
    )
    case(
        f"column {column} twice",
        rf"cells\.csv: 2 columns {column} found, one expected",
        lambda c, column=column: c.slide.table_path.write_text(
            c.slide.table_path.read_text()
            .replace("\n", f",{column}\n", 1)
            .replace("\n", ",1\n")
            .replace(f",{column},1", f",{column}")
        ),
    )
    for what, text in {
        "an underscore": "1_0",
        "a letter of another script": "1\N{GREEK SMALL LETTER ALPHA}",
        "an accent": "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "a comma for a point": '"1,5"',
        "more digits than a number has": "1" * 80,
        "more spaces than a number has": " " * 80 + "1",
    }.items():
        case(
            f"{what} in {column}",
            rf"cells\.csv: {column} '.*' in row 3 found, a number expected",
            lambda c, column=column, text=text: c.row(2, **{column: text}),
        )
for what, ending in {"more": ",7", "many more": ",7" * 9}.items():
    case(
        f"a row with {what} columns",
        r"cells\.csv: \d+ columns in row 5 found, 3 expected as in the header",
        lambda c, ending=ending: c.row(4, ending=ending),
    )
case(
    "a row that ends early",
    r"cells\.csv: 1 columns in row 31 found, 3 expected as in the header",
    lambda c: os.truncate(
        c.slide.table_path, c.slide.table_path.read_text().rindex("\n", 0, -1) + 2
    ),
)
for name, separator in {"semicolons": ";", "tabs": "\t", "bars": "|"}.items():
    case(
        f"columns separated by {name}",
        r"cells\.csv: columns separated by .* found, ',' expected",
        lambda c, separator=separator: c.slide.table.to_csv(
            c.slide.table_path, index=False, sep=separator
        ),
    )
case(
    "no rows",
    r"cells\.csv: no rows found, at least one cell expected",
    lambda c: c.slide.table.iloc[:0].to_csv(c.slide.table_path, index=False),
)
case(
    "NaN as centroid",
    r"cells\.csv: CellID \d+ in row 5 .* found \(no centroid\), a centroid",
    lambda c: c.cell("Y_centroid", 4, np.nan),
)
case(
    "infinite centroid",
    r"cells\.csv: CellID \d+ in row 5 .* \(no centroid\)",
    lambda c: c.cell("X_centroid", 4, "inf"),
)
case(
    "NaN as CellID",
    r"cells\.csv: CellID nan in row 5 found, a whole number of 0 or more expected",
    lambda c: c.cell("CellID", 4, np.nan),
)
case(
    "negative CellID",
    r"cells\.csv: CellID -3 in row 2 found, a whole number of 0 or more expected",
    lambda c: c.cell("CellID", 1, -3),
)
case(
    "fractional CellID",
    r"cells\.csv: CellID 1\.5 in row 2 found, a whole number of 0 or more",
    lambda c: c.cell("CellID", 1, 1.5),
)
case(
    "CellID above 64 bits",
    r"cells\.csv: CellID .* in row 2 found, a whole number",
    lambda c: c.cell("CellID", 1, 10**19),
)
case(
    "CellID 0",
    r"cells\.csv: CellID 0 in row 2 .* found \(not in mask\), a cell of .*cell\.tif",
    lambda c: c.cell("CellID", 1, 0),
)
case(
    "CellID twice",
    r"cells\.csv: CellID \d+ in row 2 .* found \(duplicate\), CellIDs that differ",
    lambda c: c.cell("CellID", 1, c.slide.table["CellID"][0]),
)
case(
    "CellID not in the mask",
    r"cells\.csv: CellID 12345 in row 9 .* \(not in mask\), .*cell\.tif",
    lambda c: c.cell("CellID", 8, 12345),
)
case(
    "many CellIDs not in the mask",
    r"cell\.tif: none of the cells of .*cells\.csv found, their mask expected",
    lambda c: c.table(CellID=np.arange(len(c.slide.table)) + 5000),
)
for name, column, value in (
    ("above", "Y_centroid", -0.5),
    ("below", "Y_centroid", 120.0),
    ("left", "X_centroid", -1),
    ("right", "X_centroid", 150.0),
):
    case(
        f"centroid {name} of the image",
        r"cells\.csv: CellID \d+ in row 4 at .* found \(outside image\), inside 120 x 150 pixels",
        lambda c, column=column, value=value: c.cell(column, 3, value),
    )
case(
    "some CellIDs not in the mask",
    r"cells\.csv: CellID 5000 in row 1 .*, and 4 more found \(not in",
    lambda c: c.table(CellID=[*range(5000, 5005), *c.slide.table["CellID"][5:]]),
)
case(
    "a quote without an end",
    r"cells\.csv: .* found, a CSV file in UTF-8 expected",
    lambda c: c.slide.table_path.write_text(c.slide.table_path.read_text() + '"1,2,3\n'),
)
case(
    "a quote without an end in the last column",
    r"cells\.csv: unexpected end of data found, a CSV file in UTF-8 expected",
    lambda c: c.slide.table_path.write_text(
        c.slide.table.assign(note="x").to_csv(index=False).replace("x", '"open', 1)
    ),
)
case(
    "a short row below a header with spaces",
    r"cells\.csv: 1 columns in row 4 found, 3 expected as in the header",
    lambda c: (
        c.row(3, CellID="1", X_centroid="2"),
        c.slide.table_path.write_text(
            "\n".join(
                {0: line.replace(",", " , "), 2: line + "\n  ", 4: "7"}.get(i, line)
                for i, line in enumerate(c.slide.table_path.read_text().splitlines())
            )
        ),
    ),
)
case(
    "table in UTF-16",
    r"cells\.csv: .* expected",
    lambda c: c.slide.table.to_csv(c.slide.table_path, index=False, encoding="utf-16"),
)
case(
    "table of true and false",
    r"cells\.csv: .* found, a .*number",
    lambda c: c.table(Y_centroid=True),
)

# the mask
case(
    "mask of another size",
    r"cell\.tif: a mask of 120 x 149 pixels .* found, 120 x 150 expected as",
    lambda c: c.labels(c.slide.labels[:, :-1].astype("i4")),
)
case(
    "mask with axes swapped",
    r"cell\.tif: a mask of 150 x 120 pixels .* found, 120 x 150 expected",
    lambda c: c.labels(c.slide.labels.T.astype("i4")),
)
case(
    "mask of fractions",
    r"cell\.tif: CellID \d+\.5 found, whole numbers expected",
    lambda c: c.labels(np.where(c.slide.labels, c.slide.labels + 0.5, 0).astype("f4")),
)
case(
    "mask with NaN",
    r"cell\.tif: CellID nan found, whole numbers expected",
    lambda c: c.labels(np.where(c.slide.labels, np.nan, 0).astype("f4")),
)
case(
    "mask in RGB",
    r"cell\.tif: 3 channels of 120 x 150 pixels found, a mask of one channel expected",
    lambda c: c.labels(np.zeros((120, 150, 3), "u1"), photometric="rgb"),
)
case(
    "mask without labels",
    r"(cell\.tif: .* found, their mask expected|\(not in mask\))",
    lambda c: c.labels(np.zeros((120, 150), "i4")),
)
case(
    "mask of complex numbers",
    r"cell\.tif: .*complex64 found, integers or floats expected",
    lambda c: c.labels(np.zeros((120, 150), "c8")),
)


def _damage(path: Path) -> None:
    """Spoil the last compressed block of a file."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[-1]
        offset, count = page.dataoffsets[-1], page.databytecounts[-1]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * count)


case(
    "mask with a damaged block",
    r"cell\.tif: channel 1, block at row 96, column 128: .* undamaged",
    lambda c: _damage(c.slide.labels_path),
)


def flags(name: str, message: str, *words: str) -> None:
    case(name, message, lambda c: c.flags.extend(words))


for value in ("0", "-5"):
    flags(
        f"window {value}",
        rf"--window-size: {value} found, a whole number above 0 expected",
        f"--window-size={value}",
    )
    flags(f"threads {value}", rf"-p: {value} found, a whole number above 0 expected", "-p", value)
    flags(
        f"chunk size {value}", r"--chunk-size: .* found, a number above 0", f"--chunk-size={value}"
    )
    flags(
        f"cells per chunk {value}",
        r"--cells-per-chunk: .* found, a whole number above 0",
        f"--cells-per-chunk={value}",
    )
    flags(
        f"cache size {value}", r"--cache-size: .* found, a number above 0", f"--cache-size={value}"
    )
flags(
    "window of words",
    r"--window-size: 'large' found, a whole number above 0 expected",
    "--window-size=large",
)
flags("channel 0", r"--channels: 0 found, 1 to 3 expected for .*slide\.ome\.tif", "--channels=0")
flags("negative channel", r"--channels: -1 found, 1 to 3 expected", "--channels=-1")
flags("channel too large", r"--channels: 4 found, 1 to 3 expected", "--channels=1,4")
flags(
    "unknown marker",
    r"--channels: 'CD8' found, a number from 1 to 3 expected: .*names no markers",
    "--channels=CD8",
)
flags(
    "cache too small",
    r"--cache-size: 64 MB found, at least \d+ MB expected",
    "--cache-size=0.01",
    "--window-size=3000",
)
flags(
    "chunk size with cells per chunk",
    r"--chunk-size and --cells-per-chunk found together, one of them expected",
    "--chunk-size=3",
    "--cells-per-chunk=4",
)
flags(
    "chunk above 2 GB",
    r"chunks of \d+ bytes found .*, at most \d+ expected: a smaller --chunk-size",
    "--window-size=6000",
    "--chunk-size=9000",
)
flags(
    "unknown flag",
    r"unrecognized arguments: --windows=3; perhaps --window-size is meant \(see cut_cells --help\)",
    "--windows=3",
)
flags(
    "unknown compression",
    r"--compression: 'best' found, one of default, fast, small, none expected",
    "--compression=best",
)
flags(
    "unknown choice",
    r"--on-missing: 'skip' found, one of error, warn expected",
    "--on-missing=skip",
)
flags(
    "markers missing",
    r"none\.csv: No such file.*; a CSV file of markers expected",
    "--markers=none.csv",
)
flags("parameters missing", r"none\.yml: No such file.*; a YAML file expected", "--params=none.yml")
flags(
    "metadata in a missing folder",
    r"none/windows\.csv: no folder .*none found, an existing one",
    "--save-metadata=none/windows.csv",
)


def _markers(text: str, *words: str) -> Spoil:
    def spoil(c: Case) -> None:
        (c.folder / "markers.csv").write_text(text)
        c.flags = [f"--markers={c.folder / 'markers.csv'}", *words]

    return spoil


case(
    "markers without a column",
    r"markers\.csv: name found, a column marker_name expected",
    _markers("name\nA\nB\nC\n"),
)
case(
    "too few markers",
    r"markers\.csv: 2 markers found, 3 expected as the image .*slide\.ome\.tif",
    _markers("marker_name\nA\nB\n"),
)
case(
    "marker of no channel",
    r"--channels: 'D' found, one of A, B, C expected",
    _markers("marker_name\nA\nB\nC\n", "--channels=D"),
)
case(
    "marker of two channels",
    r"--channels: 'A' found, a name that only one channel has expected",
    _markers("marker_name\nA\nA\nC\n", "--channels=A"),
)

# where the mask is not given
case(
    "no mask and no window",
    r"SEGMENTATION_MASK: - found without --window-size, .* expected",
    lambda c: c.arguments.__setitem__(1, "-"),
)


def _no_mask(c: Case) -> None:
    c.arguments[1] = "-"
    c.flags = ["--window-size=9", "--mask-cells"]


case(
    "no mask and masked cells",
    r"SEGMENTATION_MASK: - found with --mask-cells, .* expected",
    _no_mask,
)
case(
    "too few arguments",
    r"the following arguments are required: DESTINATION",
    lambda c: c.arguments.pop(),
)
case(
    "no arguments at all",
    r"the following arguments are required: IMAGE, SEGMENTATION_MASK, CELL_DATA, DESTINATION",
    lambda c: c.arguments.clear(),
)
case("too many arguments", r"unrecognized arguments: more", lambda c: c.arguments.append("more"))

# YAML
for name, text, message in (
    ("unknown key", "windowsize: 3", r"params\.yml: unknown key 'windowsize' .* 'window-size' exp"),
    (
        "text for a number",
        "window-size: wide",
        r"params\.yml: window-size: 'wide' found, a whole num",
    ),
    ("fraction for a whole number", "window-size: 3.5", r"window-size: 3\.5 found, a whole number"),
    ("number for a switch", "mask-cells: 3", r"mask-cells: 3 found, true or false expected"),
    ("true for a number", "window-size: true", r"window-size: True found, a whole number above 0"),
    ("list for a number", "window-size: [3]", r"window-size: \[3\] found, a whole number above 0"),
    (
        "mapping for channels",
        "channels: {a: 1}",
        r"channels: .* found, a list of numbers and names expected",
    ),
    ("wrong choice", "on-missing: skip", r"on-missing: 'skip' found, one of error, warn expected"),
    (
        "two that exclude each other",
        "chunk-size: 3\ncells-per-chunk: 3",
        r"params\.yml: .* together",
    ),
    (
        "no flags",
        "- window-size",
        r"params\.yml: 'window-size' found: unrecognized arguments",
    ),
    ("no YAML", "a: [", r"params\.yml: .* found, a YAML file expected"),
    (
        "flags that are unknown",
        "options: {cellcutter: --windows 3}",
        r"params\.yml: '--windows 3' fou",
    ),
    ("flags that are no text", "options: {cellcutter: 3}", r"params\.yml: 3 found, flags or a map"),
    (
        "a mapping as Nextflow's text",
        "options: {cellcutter: '[window-size:64, mask-cells:true]'}",
        r"params\.yml: '\[window-size:64, mask-cells:true\]' found, flags such as '--win",
    ),
):
    case(f"YAML with {name}", message, lambda c, text=text: c.yaml(text))


# the destination
def _existing(c: Case) -> None:
    zarr.create_array(c.folder / "out.zarr", shape=(3,), dtype="u1", zarr_format=2)


def _other_folder(c: Case) -> None:
    (c.folder / "out.zarr").mkdir()
    (c.folder / "out.zarr" / "thesis.txt").write_text("all of it")
    c.flags = ["-f"]


def _other_file(c: Case) -> None:
    (c.folder / "out.zarr").write_text("all of it")
    c.flags = ["-f"]


def _existing_masks(c: Case) -> None:
    zarr.create_array(c.folder / "out_mask.zarr", shape=(3,), dtype="u1", zarr_format=2)
    c.flags = ["--mask-cells"]


case("destination exists", r"out\.zarr: exists already, a new name expected", _existing)
case("masks exist", r"out_mask\.zarr: exists already, a new name expected", _existing_masks)
case(
    "destination a folder of other things",
    r"out\.zarr: something other than a Zarr store found",
    _other_folder,
)
case("destination another file", r"out\.zarr: something other than a Zarr store found", _other_file)
case(
    "destination below a file",
    r"out\.zarr: Not a directory: its folder cannot be made|no folder .* found",
    lambda c: (
        (c.folder / "notes.txt").write_text("all of it"),
        c.arguments.__setitem__(3, str(c.folder / "notes.txt" / "new" / "out.zarr")),
    ),
)
case(
    "destination in a missing folder, and a missing image",
    r"slide\.ome\.tif: No such file",  # and no folder is left
    lambda c: (
        c.slide.image_path.unlink(),
        c.arguments.__setitem__(3, str(c.folder / "none" / "more" / "out.zarr")),
    ),
)
case(
    "destination in a missing folder of an input",
    r"out\.zarr: lies in the input .*image\.zarr, and inputs are never written to",
    lambda c: (
        (c.folder / "image.zarr").mkdir(),
        c.arguments.__setitem__(0, str(c.folder / "image.zarr")),
        c.arguments.__setitem__(3, str(c.folder / "image.zarr" / "none" / "out.zarr")),
    ),
)


# tiles
def _tiles(*words: str) -> Spoil:
    def spoil(c: Case) -> None:
        c.command = "cut_tiles"
        c.arguments = [c.arguments[0], "32", c.arguments[3]]
        for i, word in enumerate(words):
            c.arguments[1:2] = [word] if not i else [*c.arguments[1:2], word]

    return spoil


case("tiles of 0", r"WINDOW_SIZE: 0 found, a whole number above 0 expected", _tiles("0"))
case(
    "tiles of words", r"WINDOW_SIZE: 'wide' found, a whole number above 0 expected", _tiles("wide")
)
case(
    "step of 0",
    r"--step-size: 0 found, a whole number above 0 expected",
    _tiles("32", "--step-size=0"),
)
case(
    "tiles of a missing image",
    r"slide\.ome\.tif: No such file",
    lambda c: (_tiles("32")(c), c.slide.image_path.unlink()),
)


def everything(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder: an untouched destination leaves it as it was."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, tmp_path, capfd):
    spoil, message = CASES[name]
    c = Case(tmp_path, slides.simple(tmp_path))
    spoil(c)
    before = everything(tmp_path)
    main = {"cut_cells": cli.main_cut_cells, "cut_tiles": cli.main_cut_tiles}[c.command]
    assert main([*c.flags, *c.arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(rf"{c.command}: error: .*\n", err), err
    assert re.search(message, err), err
    assert everything(tmp_path) == before


def test_there_are_enough_cases():
    assert len(CASES) >= 60


def run(*words: str, **options) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "import sys; from cellcutter.commands.cli import main_cut_cells as m; sys.exit(m())",
        *words,
    ]
    return subprocess.run(command, capture_output=True, text=True, **options)


AS_NOBODY = """
import os, sys
from cellcutter.commands.cli import main_cut_cells
words = sys.argv[1:]
assert main_cut_cells([*words[:3], words[3] + "-warm"]) == 0  # all is imported, as root
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.stderr.write("----\\n")
sys.exit(main_cut_cells(words[4:]))
"""


def test_as_an_ordinary_user(tmp_path):
    """What root may do all the same: unreadable files and read-only folders."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    slide = slides.simple(tmp_path)
    warm = [*slides.simple(new_folder(tmp_path)).paths, str(tmp_path / "warm")]
    work = tmp_path / "work"
    work.mkdir(mode=0o755)
    opened = [path for path in (tmp_path, *tmp_path.parents) if not path.stat().st_mode & 0o001]
    for path in opened:
        path.chmod(path.stat().st_mode | 0o055)

    # the other user may not write where coverage is measured
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}

    def attempt() -> str:
        shutil.rmtree(tmp_path / "warm-warm", ignore_errors=True)
        words = [*warm, *slide.paths, str(work / "out.zarr")]
        found = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, *words],
            env=environment,
            capture_output=True,
            text=True,
        )
        message = found.stderr.split("----\n")[-1]
        assert found.returncode == 2, found.stderr
        assert message.count("\n") == 1
        assert not list(work.iterdir())
        return message

    assert re.search(r"out\.zarr: folder .*work is read-only, one that you may write to", attempt())
    work.chmod(0o777)
    for path in (slide.image_path, slide.labels_path, slide.table_path):
        path.chmod(0)
        assert re.search(rf"{path.name}: Permission denied; .* expected", attempt())
        path.chmod(0o644)


def new_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


def test_image_damaged_half_way(tmp_path):
    """Found only while cutting: the log has begun, the error is one line, nothing is left."""
    slide = slides.simple(tmp_path)
    _damage(slide.image_path)
    before = everything(tmp_path)
    found = run(*slide.paths, str(tmp_path / "out.zarr"))
    assert found.returncode == 2
    *_, last = found.stderr.splitlines()
    assert re.search(r"error: .*slide\.ome\.tif: channel 3, block at row 96, column 128: ", last)
    assert "Traceback" not in found.stderr
    assert everything(tmp_path) == before


def test_verbose_shows_the_traceback(tmp_path):
    found = run("-v", "none.tif", "-", "none.csv", str(tmp_path / "out.zarr"), "--window-size=3")
    assert found.returncode == 2
    assert "Traceback" in found.stderr


MISSING = ["", "NA", "nan", "NaN", "N/A", "null", "None", "<NA>", " ", "1.#QNAN"]


@pytest.mark.parametrize("text", MISSING)
def test_missing_centroids_by_any_name(tmp_path, capsys, text):
    slide = slides.simple(tmp_path)
    table = slide.table.astype({"X_centroid": object})
    table.loc[4, "X_centroid"] = text
    table.to_csv(slide.table_path, index=False)
    words = [*slide.paths, str(tmp_path / "out.zarr")]
    assert cli.main_cut_cells(words) == 2
    assert "in row 5 at" in (said := capsys.readouterr().err)
    assert "(no centroid)" in said
    assert cli.main_cut_cells([*words, "--on-missing", "warn"]) == 0


def test_large_cell_ids_are_exact(tmp_path):
    """Above 2**53, where floats have gaps."""
    path = tmp_path / "cells.csv"
    ids = [2**53 + 1, 2**63 - 1, 7]
    path.write_text("CellID,Y_centroid,X_centroid\n" + "".join(f"{i},1.5,2\n" for i in ids))
    assert read_cells(path).ids.tolist() == ids
    frame = pd.DataFrame({"CellID": ids, "Y_centroid": 1, "X_centroid": [1.5, "2", None]})
    for dtype in ("int64", "uint64", "object", "Int64", "string"):
        found = read_cells(frame.astype({"CellID": dtype}))
        assert found.ids.tolist() == ids, dtype
        np.testing.assert_array_equal(found.x, [1.5, 2, np.nan])


@pytest.mark.parametrize("dtype", [None, "object", "int64", "Int64", "string"])
def test_dataframe_without_rows(dtype):
    frame = pd.DataFrame({"CellID": [], "Y_centroid": [], "X_centroid": []}, dtype=dtype)
    with pytest.raises(TableError, match="cells: no rows found, at least one cell expected"):
        read_cells(frame)


def test_dataframe_with_spaces_in_names():
    frame = pd.DataFrame({" CellID": [1], "Y_centroid": [1], "X_centroid": [1]})
    with pytest.raises(TableError, match=r"cells: columns  CellID, .* found, CellID expected too"):
        read_cells(frame)


def test_table_is_read_in_pieces(tmp_path, monkeypatch):
    """And rows are numbered through all of them."""
    monkeypatch.setattr(rows_of_text, "_PIECE", 1000)
    monkeypatch.setattr(table, "_ROWS", 70)
    path = tmp_path / "cells.csv"
    rows = [f"{i},{i / 7},{i * 3}\n" for i in range(1000)]
    path.write_text("CellID,Y_centroid,X_centroid\n" + "".join(rows))
    found = read_cells(path)
    assert found.ids.tolist() == list(range(1000))
    assert found.y.tolist() == [i / 7 for i in range(1000)]
    for spoilt, message in {
        "7.5,1,1\n": "CellID 7.5 in row 778 found",
        "7,a,1\n": "Y_centroid 'a' in row 778 found",
        "7,1\n": "2 columns in row 778 found, 3 expected",
    }.items():
        rows[777] = spoilt
        path.write_text("CellID,Y_centroid,X_centroid\n" + "".join(rows))
        with pytest.raises(TableError, match=message):
            read_cells(path)


def frame(slide: slides.Slide) -> pd.DataFrame:
    return slide.table.copy()


WORKS = {
    "byte-order mark": lambda t, p: t.to_csv(p, index=False, encoding="utf-8-sig"),
    "Windows line ends": lambda t, p: t.to_csv(p, index=False, lineterminator="\r\n"),
    "quoted fields": lambda t, p: t.to_csv(p, index=False, quoting=1),
    "whole numbers as 12.0": lambda t, p: t.astype(float).to_csv(p, index=False),
    "other order of columns": lambda t, p: t[t.columns[::-1]].to_csv(p, index=False),
    "thousands of columns": lambda t, p: pd.concat(
        [t, pd.DataFrame(np.ones((len(t), 3000)), columns=[f"m{i}" for i in range(3000)])], axis=1
    ).to_csv(p, index=False),
    "text in other columns": lambda t, p: t.assign(phenotype="T cell, CD8+").to_csv(p, index=False),
    "an unnamed index": lambda t, p: t.to_csv(p),
    "text in other scripts": lambda t, p: t.assign(phenotype="\N{GREEK SMALL LETTER ALPHA}").to_csv(
        p, index=False
    ),
    "text of several lines": lambda t, p: t.assign(note='one "two"\n\n,three').to_csv(
        p, index=False
    ),
    "blank lines": lambda t, p: p.write_text(t.to_csv(index=False).replace("\n", "\n\n  \n")),
    "spaces around": lambda t, p: p.write_text(t.to_csv(index=False).replace(",", " ,  ")),
    "old Macintosh line ends": lambda t, p: p.write_bytes(
        t.to_csv(index=False, lineterminator="\r").encode()
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_what_must_simply_work(name, tmp_path):
    slide = slides.simple(tmp_path)
    WORKS[name](frame(slide), slide.table_path)
    assert cli.main_cut_cells([*slide.paths, str(tmp_path / "out.zarr")]) == 0
    size = slides.largest_cell(slide.labels, slide.table["CellID"].to_numpy())
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, size)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out.zarr")[:], expected)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(None)])
@pytest.mark.parametrize("window", [1, 2, 149, 150, 151, 400])
def test_one_cell_and_windows_larger_than_the_image(tmp_path, rows, window):
    slide = slides.simple(tmp_path)
    table = slide.table.iloc[rows]
    table.to_csv(slide.table_path, index=False)
    words = [*slide.paths, str(tmp_path / "out.zarr"), "--window-size", str(window), "--mask-cells"]
    assert cli.main_cut_cells(words) == 0
    expected, masks = slides.expected(slide.image, slide.labels, table, window, mask=True)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out.zarr")[:], expected)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out_mask.zarr")[:], masks)
