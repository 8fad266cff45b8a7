"""The command ``cellcutter verify``: a report on stdout, and exit status 1 where one is damaged."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from cellcutter.commands.convert import STORE
from cellcutter.commands.parser import Parser, Values
from cellcutter.errors import CellcutterError, SettingsError, StoreError
from cellcutter.progress import ProgressReport
from cellcutter.store_options import VerifyOptions

if TYPE_CHECKING:
    from cellcutter.checking import Verdict

_EXAMPLES = """\
examples:
  cellcutter verify cells.zarr
  cellcutter verify --deep cells.zarr cells.zarr.zip
  cellcutter verify cells.zarr --image image.ome.tif --mask cell.tif --table cells.csv --all

exit status: 0 all are whole, 1 one is damaged, 2 one is no store or the command line is wrong
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter verify",
        "Prove that stores are whole: names, sizes and hashes of their files; with --deep every "
        "piece is decoded; with --image cells are cut again and compared bit by bit. Each fault is "
        "a line.",
        VerifyOptions,
        _EXAMPLES,
    )
    parser.add_argument("STORES", nargs="+", metavar="STORE", help=STORE)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def act(given: Values, progress: ProgressReport) -> None:
    """Check all stores, print what was found, and fail where something was."""
    from cellcutter.checking import verify

    stores, as_json = given.pop("STORES"), given.pop("json", False)
    if len(stores) > 1 and given.get("image") is not None:
        raise SettingsError(f"--image found with {len(stores)} stores, one expected")
    verdicts: list[Verdict] = []
    none: dict[str, StoreError] = {}
    for store in stores:
        try:
            verdicts.append(verify(store, progress=progress, **given))
        except StoreError as error:
            none[str(store)] = error
        else:
            if not as_json:
                _print("".join(f"{line}\n" for line in _text(verdicts[-1])))
    progress.close()
    if as_json:
        facts = [_facts(each) for each in verdicts]
        facts += [{"store": store, "whole": False, "error": str(e)} for store, e in none.items()]
        _print(json.dumps(facts, indent=2) + "\n")
    errors = [*none.values()]
    if not as_json:
        _print("".join(f"{other}\n" for other in errors[1:]))
    if errors:
        raise errors[0]
    damaged = [each for each in verdicts if not each.whole]
    if damaged:
        number = sum(len(each.faults) for each in damaged)
        raise CellcutterError(
            f"{damaged[0].store}{f' and {len(damaged) - 1} more' if damaged[1:] else ''}: "
            f"{number} fault{'s' if number > 1 else ''} found, none expected"
        )


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _text(verdict: Verdict) -> list[str]:
    from cellcutter.commands.running import printable

    megabytes = verdict.nbytes / (1 << 20)
    about = f"{verdict.files} files, {megabytes:.1f} MB"
    if verdict.compared:
        about += f", {verdict.compared} compared with the sources"
    if verdict.identity:
        about += f", identity {verdict.identity}"
    state = "whole" if verdict.whole else "damaged"
    lines = [*map(str, verdict.faults), *(f"note: {note}" for note in verdict.notes)]
    return [*map(printable, [*lines, f"{verdict.store}: {state}; {about}"])]


def _facts(verdict: Verdict) -> dict[str, Any]:
    return {
        "store": verdict.store,
        "whole": verdict.whole,
        "identity": verdict.identity,
        "files": verdict.files,
        "bytes": verdict.nbytes,
        "compared": verdict.compared,
        "faults": [vars(fault) for fault in verdict.faults],
        "notes": verdict.notes,
    }
