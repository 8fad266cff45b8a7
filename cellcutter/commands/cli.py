"""The entry points: ``cut_cells``, ``cut_tiles``, and ``cellcutter`` with its subcommands."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from cellcutter.commands.parser import Parser
from cellcutter.commands.running import run

_COMMANDS = (
    "cut_cells",
    "cut_tiles",
    "plan",
    "info",
    "convert",
    "export",
    "cohort",
    "gallery",
    "report",
    "verify",
)


def main_cut_cells(argv: Sequence[str] | None = None) -> int:
    """Run ``cut_cells``; return its exit status."""
    return _run("cut_cells", argv)


def main_cut_tiles(argv: Sequence[str] | None = None) -> int:
    """Run ``cut_tiles``; return its exit status."""
    return _run("cut_tiles", argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cellcutter``, whose subcommands go by the names of the commands."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in _COMMANDS:
        return _run(words[0], words[1:])
    parser = Parser("cellcutter", "Cut thumbnails out of multiplexed tissue images")
    parser.add_argument("COMMAND", choices=_COMMANDS, help="see 'cellcutter COMMAND --help'")
    return run(parser, words, lambda _given, _progress: None)


def _run(name: str, argv: Sequence[str] | None) -> int:
    """Run a command; its module alone is loaded."""
    command = importlib.import_module(f"cellcutter.commands.{name}")
    return run(command.parser(), argv, command.act)
