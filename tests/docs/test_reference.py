"""What the reference shows comes from the program, and every parameter is explained."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
import pydoc
import re
import subprocess
import sys
from types import ModuleType

import pytest

import cellcutter
from benchmarks import report
from cellcutter import errors
from cellcutter.completing import flags_of, options_of
from cellcutter.gallery_options import GalleryOptions
from cellcutter.options import CellOptions, TileOptions
from cellcutter.store_options import ConvertOptions, ExportOptions, VerifyOptions
from tests.docs.pages import ROOT

KINDS = [
    CellOptions,
    TileOptions,
    ConvertOptions,
    ExportOptions,
    GalleryOptions,
    VerifyOptions,
]
PUBLIC = [name for name in cellcutter.__all__ if not name.startswith("_")]
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(getattr(cellcutter, name))]
# Not asked for: an extended summary, "See Also", and examples of errors.
LEFT = {"ES01", "SA01", "EX01", "GL01"}


def shown(name: str) -> list[str]:
    """The full names that the reference shows of a public name: its own, those of its members."""
    what = getattr(cellcutter, name)
    own = f"{what.__module__}.{name}"
    fields = {f.name for f in dataclasses.fields(what)} if dataclasses.is_dataclass(what) else set()
    members = vars(what) if inspect.isclass(what) else {}
    return [own, *(f"{own}.{m}" for m in members if not m.startswith("_") and m not in fields)]


@pytest.mark.parametrize("name", [full for name in PUBLIC for full in shown(name)])
def test_numpydoc(name: str) -> None:
    validate = pytest.importorskip("numpydoc.validate").validate
    found = validate(name)["errors"]
    assert [error for error in found if error[0] not in LEFT] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_shows_type_and_meaning_of_every_parameter(name: str) -> None:
    function = getattr(cellcutter, name)
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"^ +{parameter} : \S.*\n +[A-Z]\S* \S", text, re.MULTILINE), parameter


@pytest.mark.parametrize("kind", KINDS)
def test_options_with_a_unit_say_it(kind: type) -> None:
    units = {"PX": "pixels", "MB": "MB"}
    for name, option in options_of(kind).items():
        unit = units.get(option.kind.metavar or "")
        assert unit is None or unit in option.help, name


def test_every_error_can_be_imported_from_the_package() -> None:
    raised = {n for n, e in vars(errors).items() if inspect.isclass(e) and issubclass(e, Exception)}
    assert raised <= set(cellcutter.__all__)


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "tools/docs/site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_flag_and_key_is_in_the_reference(site: ModuleType) -> None:
    commands, keys = site.commands(), site.keys()
    for kind in KINDS:
        for name, option in options_of(kind).items():
            for flag in flags_of(name, option):
                assert flag in commands
            assert any(f"| `{flag[2:]}` |" in keys for flag in flags_of(name, option))
    assert re.findall("^## (.+)$", commands, re.MULTILINE)[:2] == ["cut_cells", "cut_tiles"]


def test_every_public_name_is_in_the_reference(site: ModuleType) -> None:
    names = {line.rsplit(".", 1)[1] for line in site.python().splitlines() if line[:3] == ":::"}
    assert names == set(PUBLIC)


def test_benchmark_table_and_picture_are_of_one_run() -> None:
    figures = (report.DOCS / report.FIGURES).read_text(encoding="utf-8")
    found = json.loads(figures)
    page = (report.DOCS / report.PAGE).read_text(encoding="utf-8")
    again = "python -m benchmarks.report"
    assert report.table(found) in page, again
    assert report.plot(found) == (report.DOCS / report.PICTURE).read_text(encoding="utf-8"), again
    assert report.as_json(found) == figures, again


def test_the_site_is_built_without_a_warning_and_needs_no_network(tmp_path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loads = re.findall(r'<(?:script|img|iframe)[^>]* src="?(https?:[^" >]+)', text)
        loads += re.findall(r'<link[^>]*rel="?stylesheet[^>]*href="?(https?:[^" >]+)', text)
        assert loads == [], page
