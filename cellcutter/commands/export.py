"""The command ``cellcutter export``."""

from __future__ import annotations

from cellcutter.commands.convert import STORE
from cellcutter.commands.parser import Parser, Values
from cellcutter.progress import ProgressReport
from cellcutter.store_options import ExportOptions

_EXAMPLES = """\
examples:
  cellcutter export cells.zarr cells.h5sc --to h5sc
  cellcutter export --to npy cells.zarr arrays --channels DNA CD8
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter export",
        "Write a store as the files of other programs: scPortrait, NumPy, webdataset, Fiji.",
        ExportOptions,
        _EXAMPLES,
    )
    parser.add_argument("STORE", help=STORE)
    parser.add_argument("DESTINATION", help="file or folder to be made")
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Export."""
    from cellcutter.formats.export import export

    paths = [given.pop(name) for name in ("STORE", "DESTINATION")]
    export(*paths, progress=progress, **given)
