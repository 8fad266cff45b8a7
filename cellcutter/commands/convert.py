"""The command ``cellcutter convert``."""

from __future__ import annotations

from cellcutter.commands.cut_cells import DESTINATION
from cellcutter.commands.parser import Parser, Values
from cellcutter.progress import ProgressReport
from cellcutter.store_options import ConvertOptions

STORE = "store of thumbnails: a folder or a zip file, of either layout or of version 0.2.12"
_EXAMPLES = """\
examples:
  cellcutter convert cells.zarr quick.zarr
  cellcutter convert --layout chunks -z quick.zarr cells.zarr.zip
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter convert",
        "Write a store in the other layout, or with other chunks or another compression, without "
        "the slide.",
        ConvertOptions,
        _EXAMPLES,
    )
    parser.add_argument("STORE", help=STORE)
    parser.add_argument("DESTINATION", help=DESTINATION)
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Convert."""
    from cellcutter.formats.convert import convert

    paths = [given.pop(name) for name in ("STORE", "DESTINATION")]
    convert(*paths, progress=progress, **given)
