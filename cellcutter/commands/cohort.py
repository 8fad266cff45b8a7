"""The command ``cellcutter cohort``: a list of the cells of several stores."""

from __future__ import annotations

from cellcutter.commands.parser import Parser, Values
from cellcutter.progress import ProgressReport

_EXAMPLES = """\
examples:
  cellcutter cohort thumbnails/*.zarr --output thumbnails/cells.csv
  cellcutter cohort a.zarr b.zarr --tables a.csv b.csv --output cells.csv
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter cohort",
        "Write a list of the cells of several stores as a CSV file, which cellcutter.open takes as "
        "one; the pipeline writes the same list. A row has slide, store (relative to the file), "
        "store_row, CellID, window, Status, and the columns of the tables that all slides have.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("STORES", nargs="+", metavar="STORE", help="store of cut_cells")
    parser.add_argument("-o", "--output", required=True, metavar="CSV", help="file to be written")
    parser.add_argument(
        "--tables",
        nargs="+",
        metavar="CELL_DATA",
        help="tables that the stores were cut by, one for each, in the same order; stores of "
        "--layout cells have theirs in them",
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="replace a file of the name of --output"
    )
    return parser


def act(given: Values, _progress: ProgressReport) -> None:
    """Write the list."""
    from cellcutter.cohort import make_cohort

    make_cohort(
        given["STORES"],
        given["output"],
        tables=given.get("tables"),
        force=given.get("force", False),
    )
