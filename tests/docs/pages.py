"""The pages of the documentation, taken apart into blocks of code.

What a page's source says to the tests, in comments that readers of the page do not see:

``<!-- given: NAME, NAME -->``  files that are there before the page begins (see inputs.py)
``<!-- file: NAME -->``         the next block is the content of this file
``<!-- not run: REASON -->``    the next block is not run
``<!-- needs: nextflow -->``    the next block is run in a copy of the repository, by Nextflow
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = {"bash", "console", "python", "pycon"}
MUST_BE_A_FILE = {"yaml", "csv", "groovy"}  # or say why it is not run
_COMMENT = re.compile(r"<!-- (given|file|not run|needs): (.+?) -->")
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)((?:    .*\n|\n)*    .+\n)")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, text and line, and what comments say of it."""

    language: str
    text: str
    line: int
    said: dict[str, str] = field(default_factory=dict)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def given(page: Path) -> list[str]:
    """Names of the files that a page takes for granted."""
    found = dict(_COMMENT.findall(page.read_text(encoding="utf-8"))).get("given", "")
    return [name.strip() for name in found.split(",") if name.strip()]


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found, end = [], 0
    for match in _FENCE.finditer(text):
        before = text[end : match.start()].rstrip()
        said = {}
        while before.endswith("-->"):
            before, _, comment = before.rpartition("<!-- ")
            said.update(_COMMENT.findall("<!-- " + comment))
            before = before.rstrip()
        indent = match[1]
        body = "".join(line.removeprefix(indent) for line in match[3].splitlines(keepends=True))
        found.append(Block(match[2], body, text.count("\n", 0, match.start()) + 1, said))
        end = match.end()
    return found


def indented(page: Path) -> list[str]:
    """Blocks that are code by their indent only, outside of lists."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [
        block
        for block in _INDENTED.findall(text)
        if not re.search(r"^(\d+\.|-) .*(\n+ +.*)*\n\n$", text[: text.index(block)])
    ]
