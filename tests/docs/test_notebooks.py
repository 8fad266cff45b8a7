"""Notebooks: each is run, and shows what is shown in the documentation.

With CELLCUTTER_KEEP_NOTEBOOKS set (`make notebooks`) what they show is kept, in their place.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import environments
from tests.docs.pages import ROOT

# Each by the environment that has what it imports
MADE_BY: dict[str, Callable[[], str]] = {
    "train-a-classifier.ipynb": environments.with_torch,
    "train-with-annbatch.ipynb": environments.with_readers,
}
FOLDER = ROOT / "docs" / "tutorial"
KEEP = bool(os.environ.get("CELLCUTTER_KEEP_NOTEBOOKS"))


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of code."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def kinds(cell: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What kinds of output a cell has."""
    return [
        (out["output_type"], out.get("name") or sorted(out.get("data", ())))
        for out in cell["outputs"]
    ]


def texts(cell: dict[str, Any]) -> list[str]:
    """What a cell says."""
    return [
        "".join(out.get("text") or out["data"].get("text/plain", ())) for out in cell["outputs"]
    ]


def test_every_notebook_is_run() -> None:
    assert {path.name for path in (ROOT / "docs").rglob("*.ipynb")} == MADE_BY.keys()


@pytest.mark.timeout(1800)  # an environment may have to be made
@pytest.mark.parametrize("name", MADE_BY)
def test_run(name: str, tmp_path: Path) -> None:
    """A cell that depends on the machine is tagged: of it only the kinds of output are compared."""
    path = FOLDER / name
    to = FOLDER if KEEP else tmp_path
    script = ROOT / "tools" / "docs" / "notebooks.py"
    command = [MADE_BY[name](), script, "--to", to, path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for shown, found in zip(cells(path), cells(to / name), strict=True):
        assert kinds(shown) == kinds(found), found["source"]
        if "varies" not in shown["metadata"].get("tags", ()):
            assert texts(shown) == texts(found), found["source"]


@pytest.mark.parametrize("name", MADE_BY)
def test_what_is_shown(name: str) -> None:
    path = FOLDER / name
    assert path.stat().st_size < 400_000
    found = cells(path)
    assert [cell["execution_count"] for cell in found] == [*range(1, len(found) + 1)]
    outputs = [out for cell in found for out in cell["outputs"]]
    assert {out["output_type"] for out in outputs} <= {"stream", "execute_result", "display_data"}
    assert not [out for out in outputs if out.get("name") == "stderr"]
    assert any("image/jpeg" in out.get("data", ()) for out in outputs)
    said = "".join(text for cell in found for text in texts(cell))
    assert not re.findall(r"/(?:tmp|home|root|work|Users)/\S*", said)


@pytest.mark.parametrize("name", MADE_BY)
def test_page_of_the_site(name: str) -> None:
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "tools/docs/site.py")
    assert spec is not None
    assert spec.loader is not None
    site = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site)
    page = site.notebook(FOLDER / name)
    assert page.startswith("# Train ")
    found = cells(FOLDER / name)
    assert page.count("```python\n") == len(found)
    pictures = [
        "".join(out["data"]["image/jpeg"]).strip()
        for cell in found
        for out in cell["outputs"]
        if "image/jpeg" in out.get("data", ())
    ]
    for picture in pictures:
        assert picture in page
    for cell in found:
        assert "".join(cell["source"]) in page
