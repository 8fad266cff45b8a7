"""The command ``cellcutter gallery``."""

from __future__ import annotations

from cellcutter.commands.parser import Parser, Values
from cellcutter.gallery_options import GalleryOptions
from cellcutter.progress import ProgressReport

_EXAMPLES = """\
examples:
  cellcutter gallery cells.zarr cells.png
  cellcutter gallery cells.zarr brightest.pdf --top CD45 --channels DNA CD45:green
  cellcutter gallery --group-by cluster --table clusters.csv a.zarr b.zarr cells.html
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter gallery",
        "Draw cells of one or several stores: as a picture for papers (PNG, PDF), or as a page in "
        "which to look at them, sort and mark them (HTML; one file, which needs no network).",
        GalleryOptions,
        _EXAMPLES,
    )
    parser.add_argument(
        "STORES",
        nargs="+",
        metavar="STORE",
        help="store of cut_cells, a folder or a zip file, or the list of cells of several",
    )
    parser.add_argument("DESTINATION", metavar="OUT", help="file to be made: .html, .png or .pdf")
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Draw."""
    from cellcutter.view.gallery import gallery

    gallery(given.pop("STORES"), given.pop("DESTINATION"), progress=progress, **given)
