"""The commands: parsing, errors to exit codes, messages to a terminal or a log.

Exit status: 0 done; 2 the command line or the input is wrong; 1 anything else; 130 and 143 stopped
by SIGINT and SIGTERM. A user's mistake gets one line on stderr.
"""

from __future__ import annotations

import logging
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from cellcutter.config import COMPRESSIONS, DEFAULT_CACHE_SIZE, DEFAULT_CHUNK_SIZE, Parser
from cellcutter.errors import InputError
from cellcutter.progress import ProgressReport
from cellcutter.version import __version__

log = logging.getLogger("cellcutter")

_IMAGE = "image: TIFF, OME-TIFF, or OME-Zarr folder, with one or more channels"
_DESTINATION = "Zarr store to be made: a folder, or with -z one zip file"


class Stopped(BaseException):
    """A signal has told the program to stop.

    Parameters
    ----------
    number : int
        The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def cut_cells_parser() -> Parser:
    """Return the parser of ``cut_cells``."""
    parser = Parser(
        prog="cut_cells",
        description="Cut a thumbnail of every cell of a table out of an image and store them "
        "as one Zarr array [channels, cells, window, window], the cells in the order of the table.",
        epilog="Example: cut_cells -p 4 --mask-cells image.ome.tif cell.tif cells.csv cells.zarr",
    )
    parser.add_argument("IMAGE", help=_IMAGE)
    parser.add_argument(
        "SEGMENTATION_MASK",
        help="labels of the same height and width, 0 for background, else the CellID: finds the "
        "window size and the cells' outlines; '-' for none, with --window-size and "
        "without --mask-cells",
    )
    parser.add_argument(
        "CELL_DATA", help="CSV file with the columns CellID, Y_centroid and X_centroid (pixels)"
    )
    parser.add_argument("DESTINATION", help=_DESTINATION)
    parser.add_argument(
        "--window-size",
        type=int,
        metavar="PX",
        help="height and width of a thumbnail (default: those of the largest cell)",
    )
    parser.add_argument(
        "--mask-cells",
        action="store_true",
        help="set pixels outside of the thumbnail's own cell to zero; the boolean masks "
        "[cells, window, window] are stored as <DESTINATION's stem>_mask.zarr",
    )
    parser.add_argument(
        "--on-missing",
        choices=("error", "warn"),
        default="error",
        help="what to do with cells that the mask lacks, repeated CellIDs, and centroids that are "
        "missing or outside the image (default: error)",
    )
    _add_shared(parser, "cell")
    return parser


def cut_tiles_parser() -> Parser:
    """Return the parser of ``cut_tiles``."""
    parser = Parser(
        prog="cut_tiles",
        description="Cut the tiles of a regular grid out of an image and store them as one Zarr "
        "array [channels, tiles, window, window], row by row from the top left.",
        epilog="Example: cut_tiles --step-size 128 image.ome.tif 256 tiles.zarr",
    )
    parser.add_argument("IMAGE", help=_IMAGE)
    parser.add_argument("WINDOW_SIZE", type=int, help="height and width of a tile in pixels")
    parser.add_argument("DESTINATION", help=_DESTINATION)
    parser.add_argument(
        "--step-size",
        type=int,
        metavar="PX",
        help="distance of two tiles' starts (default: WINDOW_SIZE)",
    )
    _add_shared(parser, "tile")
    return parser


def _add_shared(parser: Parser, what: str) -> None:
    """Add the options that both commands have."""
    add = parser.add_argument
    add("-p", type=int, metavar="P", help="threads (default: the CPUs this process may use)")
    add("-z", action="store_true", help="store in one zip file instead of a folder")
    add(
        "-f",
        "--force",
        action="store_true",
        help="replace an existing DESTINATION, once the new one is whole",
    )
    add(
        "--channels",
        nargs="*",
        type=str,
        metavar="C",
        help="channels to cut, in this order: numbers from 1, or marker names; separated by "
        "spaces after all positionals, or by commas anywhere (default: all)",
    )
    add("--markers", metavar="CSV", help="file with a column marker_name, a row for each channel")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--chunk-size",
        type=float,
        metavar="MB",
        help=f"uncompressed size of a chunk (default: {DEFAULT_CHUNK_SIZE})",
    )
    size.add_argument(
        f"--{what}s-per-chunk",
        type=int,
        metavar="N",
        help=f"{what}s in a chunk, instead of --chunk-size",
    )
    add(
        "--cache-size",
        type=float,
        metavar="MB",
        help=f"memory for pixels (default: {DEFAULT_CACHE_SIZE}, or half of what is available "
        "if that is less)",
    )
    add("--save-metadata", metavar="CSV", help=f"write the {what}s' windows to this file too")
    add(
        "--compression",
        choices=COMPRESSIONS,
        default="default",
        help="how chunks are compressed: fast is quicker to write and to read, small takes "
        "longer (default: %(default)s)",
    )
    add(
        "--params",
        metavar="YAML",
        help="file of options, e.g. 'window-size: 64'; flags given here win over it",
    )
    add("-v", "--verbose", action="store_true", help="tell more, and show tracebacks")
    add("--version", action="version", version=f"%(prog)s {__version__}")


def main_cut_cells(argv: Sequence[str] | None = None) -> int:
    """Run ``cut_cells``; return its exit status."""
    return _run(cut_cells_parser(), argv, _cut_cells)


def main_cut_tiles(argv: Sequence[str] | None = None) -> int:
    """Run ``cut_tiles``; return its exit status."""
    return _run(cut_tiles_parser(), argv, _cut_tiles)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cellcutter``, whose subcommands go by the names of the commands."""
    commands = {"cut_cells": main_cut_cells, "cut_tiles": main_cut_tiles}
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in commands:
        return commands[words[0]](words[1:])
    parser = Parser(
        prog="cellcutter", description="Cut thumbnails out of multiplexed tissue images"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("COMMAND", choices=commands, help="see 'cellcutter COMMAND --help'")
    try:
        parser.parse_args(words)
    except InputError as error:
        return _fail(parser, str(error), 2, verbose=False)
    return 0


def _cut_cells(given: dict[str, Any], progress: ProgressReport) -> None:
    from cellcutter.cut import cut_cells

    paths = [given.pop(name) for name in ("IMAGE", "SEGMENTATION_MASK", "CELL_DATA", "DESTINATION")]
    cut_cells(*paths, **given, progress=progress)


def _cut_tiles(given: dict[str, Any], progress: ProgressReport) -> None:
    from cellcutter.cut import cut_tiles

    paths = [given.pop(name) for name in ("IMAGE", "WINDOW_SIZE", "DESTINATION")]
    cut_tiles(*paths, **given, progress=progress)


def _run(
    parser: Parser,
    argv: Sequence[str] | None,
    act: Callable[[dict[str, Any], ProgressReport], None],
) -> int:
    """Parse, act, and turn whatever goes wrong into one line and an exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = not {"-v", "--verbose"}.isdisjoint(words)
    try:
        given = vars(parser.parse(words))
        verbose = given.pop("verbose")
        del given["params"]
        if given["channels"] is not None:
            given["channels"] = [c for word in given["channels"] for c in word.split(",") if c]
        _act(parser.prog, given, act, verbose=verbose)
    except Stopped as stopped:
        return _fail(parser, "stopped; nothing was written", 128 + stopped.number, verbose=verbose)
    except InputError as error:
        return _fail(parser, str(error), 2, verbose=verbose)
    except Exception as error:  # noqa: BLE001 - the last resort; --verbose shows it whole
        return _fail(parser, _words(error), 1, verbose=verbose)
    return 0


def _act(
    prog: str,
    given: dict[str, Any],
    act: Callable[[dict[str, Any], ProgressReport], None],
    *,
    verbose: bool,
) -> None:
    """Do what a command does, with its log on stderr and signals as exceptions."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{prog}: %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    progress = ProgressReport()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            act(given, progress)
    finally:
        progress.close()
        for number, action in before.items():
            signal.signal(number, action)
        log.removeHandler(handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what was begun is cleaned away now
    raise Stopped(number)


def _show_warning(message: Warning | str, *_: object) -> None:
    log.warning("warning: %s", message)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _fail(parser: Parser, message: str, status: int, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"{parser.prog}: error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return status
