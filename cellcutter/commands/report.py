"""The command ``cellcutter report``: the page of a run."""

from __future__ import annotations

from cellcutter.commands.parser import Parser, Values
from cellcutter.progress import ProgressReport

_EXAMPLES = """\
examples:
  cellcutter report thumbnails/*.zarr --output index.html
  cellcutter report a.zarr b.zarr --output index.html --galleries qc --multiqc cellcutter_mqc.json
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter report",
        "Write a page of the samples of a run (one HTML file, which needs no network): a strip of "
        "cells each, cells asked, cut and off by status, window, channels, size, identity; "
        "problems first. The pipeline writes the same page.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("STORES", nargs="+", metavar="STORE", help="store of cut_cells")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="file to be made: a page (.html), or what it shows (.json)",
    )
    parser.add_argument(
        "--galleries",
        metavar="DIR",
        help="folder of galleries; the page links to NAME.html for a store NAME.zarr",
    )
    parser.add_argument(
        "--problems",
        metavar="FILE",
        help="problems to be shown first: CSV or JSON with name and problem",
    )
    parser.add_argument(
        "--multiqc",
        metavar="FILE",
        help="write also a file that MultiQC shows; its name ends in _mqc.json",
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace files of these names")
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Write the page."""
    from cellcutter.view.report import report

    report(given.pop("STORES"), given.pop("output"), progress=progress, **given)
