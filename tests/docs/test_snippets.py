"""Every snippet of the documentation is run, or its page says why it is not."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.docs import inputs
from tests.docs.pages import (
    MUST_BE_A_FILE,
    PAGES,
    ROOT,
    RUN,
    Block,
    blocks,
    given,
    indented,
    name_of,
)
from tests.services import running

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
CLONE = (
    *("bin", "cellcutter/view/assets", "conf", "lib", "main.nf", "modules"),
    *("nextflow.config", "nextflow_schema.json"),
)
COMMANDS = ".commands"
TESTS = re.compile(r"\btests/[\w/]+\.py|\btest_\w+\.py|::test_\w+")


@pytest.mark.timeout(600)  # Nextflow may have to be fetched
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page(page: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [block for block in blocks(page) if "not run" not in block.said]
    inputs.place(given(page), made, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, Any] = {"__name__": "__page__"}
    for block in wanted:
        where = f"{name_of(page)}:{block.line}"
        if "file" in block.said:
            Path(block.said["file"]).write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            if "needs" in block.said and not (tmp_path / COMMANDS).exists():
                clone(tmp_path, monkeypatch)
            status, output = shell(block.text)
            assert status == 0, f"{where}\n{output}"
        elif block.language == "console":
            console(block, where)
        elif block.language == "python":
            with warnings.catch_warnings():
                exec(compile(block.text, where, "exec"), names)
        elif block.language == "pycon":
            pycon(block, where, names)


def shell(script: str) -> tuple[int, str]:
    """Run a script; return its exit status and its output."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def console(block: Block, where: str) -> None:
    """Run the commands of a console, and compare what is shown."""
    for part in ("\n" + block.text).split("\n$ ")[1:]:
        lines = part.rstrip().split("\n")
        number = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        status, output = shell("\n".join(lines[:number]))
        shown = "\n".join(lines[number:]) + "\n"
        assert status == 0, f"{where}\n{output}"
        same = doctest.OutputChecker().check_output(shown, output, FLAGS)
        assert shown.strip() == "" or same, f"{where}\nshown:\n{shown}\nfound:\n{output}"


def pycon(block: Block, where: str, names: dict[str, Any]) -> None:
    """Run a session of Python, and compare what is shown."""
    found = doctest.DocTestParser().get_doctest(block.text, names, where, where, block.line)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(found, out=report.append, clear_globs=False)
    names.update(found.globs)
    assert not runner.failures, "".join(report)


def clone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the pipeline into a folder, as a clone has it, and `nextflow` on the PATH."""
    if not shutil.which("nextflow"):
        running.need("java", "mvn")
    for name in CLONE:
        target = folder / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / name, target)
    commands = folder / COMMANDS
    commands.mkdir()
    command = commands / "nextflow"
    program = shutil.which("nextflow") or f"env NXF_PINNED=1 {ROOT}/tools/nextflow/run"
    limits = "--max_cpus 2 --max_memory 2.GB"
    command.write_text(f'#!/bin/sh\nexport NXF_ANSI_LOG=false\nexec {program} "$@" {limits}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")


def missing(reason: str) -> list[str]:
    """Tests that a reason names, and that are not there."""
    file, lacking = ROOT, []
    for name in TESTS.findall(reason):
        if name.startswith("::"):
            there = f"def {name[2:]}(" in file.read_text()
        else:
            file = ROOT / name if "/" in name else file.with_name(name)
            there = file.is_file()
        lacking += [] if there else [name]
    return lacking


def test_every_block_is_run_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    run, files, not_run, wrong = 0, 0, [], []
    for page in PAGES:
        for block in blocks(page):
            where = f"{name_of(page)}:{block.line}"
            if "not run" in block.said:
                not_run.append(f"{where}: {block.said['not run']}")
                wrong += [f"{where}: no {name}" for name in missing(block.said["not run"])]
            elif "file" in block.said:
                files += 1
            elif block.language in RUN:
                run += 1
            elif block.language in MUST_BE_A_FILE or not block.language:
                wrong.append(f"{where}: {block.language or 'no language'}")
        wrong += [f"{name_of(page)}: code by indent: {text[:40]!r}" for text in indented(page)]
    count = f"{run} snippets run, {files} are files for them, {len(not_run)} not run:"
    with capsys.disabled():
        sys.stdout.write("\n  ".join(["", count, *not_run]) + "\n")
    assert not wrong, "\n".join(wrong)
