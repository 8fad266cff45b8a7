"""No link of README and docs/ leads nowhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name_of

OURS = re.compile(
    r"https://(?:github\.com/labsyspharm/cellcutter/(?:blob|tree)"
    r"|raw\.githubusercontent\.com/labsyspharm/cellcutter)/main/"
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
MORE = [ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]


def anchor(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, *MORE], ids=name_of)
def test_links(page: Path) -> None:
    dead = []
    for link in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        target, _, part = link.partition("#")
        path = ROOT / OURS.sub("", target) if OURS.match(target) else page.parent / target
        if re.match(r"\w+:", target) and not OURS.match(target):
            continue
        if not target:
            path = page
        if not path.exists():
            dead.append(link)
        elif part and path.suffix == ".md":
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            dead += [link] if part not in map(anchor, titles) else []
    assert not dead


def test_readme_is_whole_on_pypi() -> None:
    """PyPI shows README by itself: pictures and links need their whole addresses."""
    text = _CODE.sub("", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in _LINK.findall(text) if not link.startswith("https://")] == []


def test_pictures_are_small_and_used() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (ROOT / "docs" / "images").glob("*.*g"):
        assert picture.stat().st_size < 200_000, picture
        assert picture.name in text, picture


def test_addresses_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"Homepage", "Documentation", "Issues", "Changelog"} <= project["urls"].keys()
    for address in project["urls"].values():
        if OURS.match(address):
            assert (ROOT / OURS.sub("", address)).exists(), address
