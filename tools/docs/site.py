"""What mkdocs cannot do by itself: pages made of the program and of notebooks, links out of docs/.

A page asks for what is made by a line such as ``<!-- made: commands -->``. So a new command, option
or public function appears by itself. A notebook becomes a page with what its cells have shown; it
is not run.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

import cellcutter
from cellcutter.commands import cli
from cellcutter.completing import flags_of, options_of
from cellcutter.gallery_options import GalleryOptions
from cellcutter.options import CellOptions, Options, TileOptions
from cellcutter.store_options import ConvertOptions, ExportOptions, VerifyOptions

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/labsyspharm/cellcutter"
_KINDS = (
    ("convert", ConvertOptions),
    ("export", ExportOptions),
    ("gallery", GalleryOptions),
    ("verify", VerifyOptions),
)
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")


def on_files(files: Any, *, config: Any) -> Any:
    """Add a page for each notebook."""
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        name = path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
        files.append(File.generated(config, name, content=notebook(path)))
    return files


def notebook(path: Path) -> str:
    """Return a notebook as Markdown, with the outputs that it holds."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [part for cell in cells for part in _cell(cell)]
    title, rest = parts[0].split("\n", 1)
    address = f"{REPOSITORY}/blob/main/{path.relative_to(ROOT).as_posix()}"
    link = f"*This page is a notebook: [{path.name}]({address}).*"
    return "\n\n".join([title, link, rest.strip(), *parts[1:]]) + "\n"


def _cell(cell: Any) -> Iterator[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield text
        return
    yield f"```python\n{text}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        picture = next((kind for kind in ("image/png", "image/jpeg") if kind in data), None)
        if picture:
            content = "".join(data[picture]).strip()
            yield f'<img alt="drawn by the cell above" src="data:{picture};base64,{content}">'
        elif "text/html" in data:
            # mkdocs would take lines that are indented for code
            yield re.sub(r"\n\s*", "\n", "".join(data["text/html"]).strip())
        else:
            shown = "".join(output.get("text") or data["text/plain"])
            yield f"<pre>{html.escape(shown.rstrip())}</pre>"


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill in what is made, and lead links out of docs/ to the repository."""
    for name, make in MADE.items():
        mark = f"<!-- made: {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return _LINK.sub(lambda link: _outward(link, page.file.src_uri), markdown)


def _outward(link: re.Match[str], page: str) -> str:
    if link[2].endswith(".ipynb"):
        return f"{link[1]}{link[2].removesuffix('.ipynb')}.md{link[3]}"
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link[2]))
    if target.startswith("docs/") or not (ROOT / target).exists():
        return link[0]
    kind = "tree" if (ROOT / target).is_dir() else "blob"
    return f"{link[1]}{REPOSITORY}/{kind}/main/{target}{link[3]}"


def commands() -> str:
    """Return the help of every command, as the commands print it."""
    overview = help_of(cli.main)
    names = re.search(r"\{([\w,-]+)\}", overview)
    subcommands = names[1].split(",") if names else []
    parts = [f"## {name}\n\n```text\n{help_of(cli.main, name)}```\n" for name in subcommands]
    return "\n".join([*parts, f"## cellcutter\n\n```text\n{overview}```\n"])


def help_of(main: Any, *words: str) -> str:
    """Return what a command prints with ``--help``."""
    before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "96"
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return text.getvalue()


def keys() -> str:
    """Return tables of the keys that a file of options may have."""
    both = options_of(Options)
    tables = [("`cut_cells` and `cut_tiles`", both)]
    for name, kind in (("cut_cells", CellOptions), ("cut_tiles", TileOptions)):
        own = {key: option for key, option in options_of(kind).items() if key not in both}
        tables.append((f"Only `{name}`", own))
    for name, kind in _KINDS:
        tables.append((f"`cellcutter {name}`", options_of(kind)))
    lines = []
    for title, options in tables:
        lines += [f"\n## {title}\n", "| key | value | meaning |", "| --- | --- | --- |"]
        for name, option in options.items():
            long = next(flag[2:] for flag in flags_of(name, option) if flag.startswith("--"))
            cells = [f"`{long}`", option.kind.expected, option.help]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def python() -> str:
    """Return what mkdocstrings needs to show every public name."""
    found = {name: getattr(cellcutter, name) for name in cellcutter.__all__ if name[0] != "_"}
    groups: dict[str, list[str]] = {"Functions": [], "Results": [], "Errors": []}
    for name, what in found.items():
        raised = isinstance(what, type) and issubclass(what, Exception)
        title = "Errors" if raised else "Results" if isinstance(what, type) else "Functions"
        groups[title].append(f"::: {what.__module__}.{name}\n")
    return "\n".join(f"## {title}\n\n" + "\n".join(each) for title, each in groups.items() if each)


MADE = {"commands": commands, "keys": keys, "python": python}
