"""The command ``cellcutter info``: what was understood of files, and versions for a bug report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cellcutter.commands.parser import Parser, Values
from cellcutter.progress import ProgressReport

_EXAMPLES = """\
examples:
  cellcutter info image.ome.tif cell.tif cells.csv
  cellcutter info --json cells.zarr
"""


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "cellcutter info",
        "Show what the program understands of an image, a segmentation mask, a table of cells or "
        "a store; and the versions of all libraries, for a bug report.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "FILES", nargs="*", metavar="FILE", help="image, mask, table or store; none for versions"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def act(given: Values, _progress: ProgressReport) -> None:
    """Print."""
    from cellcutter.facts import facts, versions

    found = {"files": [facts(file) for file in given.get("FILES", [])], "versions": versions()}
    if given.get("json"):
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    else:
        text = "".join(f"{line}\n" for line in _text(found))
    sys.stdout.write(text)
    sys.stdout.flush()


def _text(found: Mapping[str, Any]) -> Iterator[str]:
    for each in found["files"]:
        yield f"{each['file']}: {each['kind']}"
        if each["kind"] == "image":
            for image in each["images"]:
                yield from _image(image, len(each["images"]))
        else:
            facts = {n: v for n, v in each.items() if n not in ("file", "kind", "attributes")}
            yield from _lines({**facts, **(each.get("attributes") or {})})
        yield ""
    yield from _lines(found["versions"])


def _image(image: Mapping[str, Any], number: int) -> Iterator[str]:
    if number > 1:
        yield f"  image {image['index']} (--image-index {image['index']})"
    size = image["pixel_size"]
    yield from _lines(
        {
            "name": image["name"],
            "axes": f"{image['axes']}, {' x '.join(map(str, image['shape']))} {image['type']}",
            "pixel size": size and f"{size['y']:g} x {size['x']:g} {size['unit']} (Y x X)",
            "blocks": f"{' x '.join(map(str, image['block_shape']))} pixels, "
            f"compression {image['compression']}",
            "channels": [f"{c['number']} {c['name']}" for c in image["channels"]],
            "remarks": image["remarks"],
        }
    )


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield facts as lines of name and value, lists one below the other."""
    for name, value in facts.items():
        apart = isinstance(value, list) and any(isinstance(v, str | Mapping) for v in value)
        items = value if apart and name != "axes" else None
        shown: Iterable[object] = items if items is not None else [value]
        title = name.replace("_", " ")
        for item in shown:
            yield f"  {title:<16} {_plain(item)}"
            title = ""


def _plain(value: object) -> str:
    from cellcutter.commands.running import printable

    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    if isinstance(value, list):
        return (" x " if all(isinstance(v, int) for v in value) else ", ").join(map(_plain, value))
    return printable("unknown" if value is None else str(value))
