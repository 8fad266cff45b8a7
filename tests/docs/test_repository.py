"""The files around the program: workflows, hooks, templates."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess

import pytest
import yaml

from tests.docs.pages import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_actionlint() -> None:
    if not shutil.which("go") and not list(ROOT.glob(".tools/bin/actionlint-*")):
        pytest.skip("needs go, which installs actionlint")
    done = subprocess.run([ROOT / "tools/actionlint"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert not done.stderr, done.stderr


def test_workflows_call_targets_and_files_that_exist() -> None:
    for file in WORKFLOWS:
        text = file.read_text()
        called = re.findall(r"\bmake (?:-C \S+ )?([a-z-]+)", re.sub("#.*", "", text))
        assert set(called) <= targets(), file
        for name in re.findall(r"(?:docker|tests|tools)/[\w/-]+", re.sub("uses: .*", "", text)):
            assert name == "docker/login-action" or (ROOT / name).exists(), (file, name)


def test_hooks_run_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe
    wanted = {line.strip().removeprefix("$(BIN)/") for line in recipe[1].splitlines()}
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in hooks}
    assert entries == wanted


def test_forms_are_yaml_with_what_github_wants() -> None:
    for file in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(file.read_text())
        assert file.name == "config.yml" or {"name", "description", "body"} <= form.keys()
    assert "cellcutter info" in (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text()


def test_citation() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()


def test_rooms_are_small() -> None:
    """A module has 300 lines at the most, a function 60; the story fits a screen or two."""
    large = []
    for module in sorted((ROOT / "cellcutter").rglob("*.py")):
        text = module.read_text(encoding="utf-8")
        if len(text.splitlines()) > (150 if module.name == "cut.py" else 300):
            large.append(module.name)
        large += [
            f"{module.name}: {node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
        ]
    assert not large
