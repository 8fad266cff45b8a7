"""The command ``cut_cells``."""

from __future__ import annotations

from cellcutter.commands.parser import Parser, Values
from cellcutter.options import CellOptions
from cellcutter.progress import ProgressReport

IMAGE = "image: TIFF, OME-TIFF, PNG, OME-Zarr (folder or zip), or a folder of one-channel TIFFs"
DESTINATION = "Zarr store to be made: a folder, or with -z one zip file"
_EXAMPLES = """\
examples:
  cut_cells image.ome.tif cell.tif cells.csv cells.zarr
  cut_cells -p 4 --mask-cells --window-size 64 image.ome.tif cell.tif cells.csv cells.zarr
  cut_cells image.ome.tif cell.tif cells.csv cells.zarr --markers markers.csv --channels CD8 DNA
  cut_cells image.ome.tif mask.tif steinbock.csv cells.zarr --window-size 20um \\
      --columns CellID=Object,Y_centroid=centroid-0,X_centroid=centroid-1
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cut_cells",
        "Cut a thumbnail of every cell of a table out of an image and store them as one Zarr "
        "array [channels, cells, window, window], the cells in the order of the table.",
        CellOptions,
        _EXAMPLES,
    )
    add_inputs(parser)
    parser.add_argument("DESTINATION", help=DESTINATION)
    return parser


def add_inputs(parser: Parser) -> None:
    """Add what a run reads."""
    parser.add_argument("IMAGE", help=IMAGE)
    parser.add_argument(
        "SEGMENTATION_MASK",
        help="mask of the same height and width, 0 for background, else the CellID: it gives the "
        "window size and the outlines of cells; '-' for none, with --window-size and without "
        "--mask-cells",
    )
    parser.add_argument(
        "CELL_DATA",
        help="CSV file, perhaps compressed, with the columns CellID, Y_centroid and X_centroid "
        "(pixels); see --columns and --centroid-unit",
    )


def act(given: Values, progress: ProgressReport) -> None:
    """Cut."""
    from cellcutter.cut import cut_cells

    paths = [given.pop(name) for name in ("IMAGE", "SEGMENTATION_MASK", "CELL_DATA", "DESTINATION")]
    cut_cells(*paths, progress=progress, **given)
