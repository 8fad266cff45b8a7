"""The entry points: ``cut_cells``, ``cut_tiles``, and ``cellcutter`` with its subcommands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cellcutter.commands import cohort, convert, cut_cells, cut_tiles, export, info
from cellcutter.commands.parser import Parser
from cellcutter.commands.running import run

_COMMANDS = {
    "cut_cells": cut_cells,
    "cut_tiles": cut_tiles,
    "info": info,
    "convert": convert,
    "export": export,
    "cohort": cohort,
}


def main_cut_cells(argv: Sequence[str] | None = None) -> int:
    """Run ``cut_cells``; return its exit status."""
    return run(cut_cells.parser(), argv, cut_cells.act)


def main_cut_tiles(argv: Sequence[str] | None = None) -> int:
    """Run ``cut_tiles``; return its exit status."""
    return run(cut_tiles.parser(), argv, cut_tiles.act)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cellcutter``, whose subcommands go by the names of the commands."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in _COMMANDS:
        command = _COMMANDS[words[0]]
        return run(command.parser(), words[1:], command.act)
    parser = Parser("cellcutter", "Cut thumbnails out of multiplexed tissue images")
    parser.add_argument("COMMAND", choices=_COMMANDS, help="see 'cellcutter COMMAND --help'")
    return run(parser, words, lambda _given, _progress: None)
