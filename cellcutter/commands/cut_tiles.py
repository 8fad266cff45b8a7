"""The command ``cut_tiles``."""

from __future__ import annotations

from cellcutter.commands.cut_cells import DESTINATION, IMAGE
from cellcutter.commands.parser import Parser, Values
from cellcutter.options import TileOptions
from cellcutter.progress import ProgressReport

_EXAMPLES = """\
examples:
  cut_tiles image.ome.tif 256 tiles.zarr
  cut_tiles --step-size 128 -z image.ome.tif 256 tiles.zarr.zip --save-metadata tiles.csv
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cut_tiles",
        "Cut the tiles of a regular grid out of an image and store them as one Zarr array "
        "[channels, tiles, window, window], row by row from the top left.",
        TileOptions,
        _EXAMPLES,
    )
    parser.add_argument("IMAGE", help=IMAGE)
    parser.add_argument("WINDOW_SIZE", help="height and width of a tile in pixels")
    parser.add_argument("DESTINATION", help=DESTINATION)
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Cut."""
    from cellcutter.cut import cut_tiles

    paths = [given.pop(name) for name in ("IMAGE", "WINDOW_SIZE", "DESTINATION")]
    cut_tiles(*paths, progress=progress, **given)
