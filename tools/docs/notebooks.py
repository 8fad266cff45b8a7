#!/usr/bin/env python3
"""Run notebooks anew and keep what they show, in place: notebooks.py [--to FOLDER] NOTEBOOK...

Runs in an environment that has nbclient, ipykernel and what the notebooks import: `make notebooks`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def run(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with all cells run, in its own folder, without traces of when and where."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # how prints are cut into messages depends on the time
        resources={"metadata": {"path": str(path.resolve().parent)}},
    ).execute()
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return book


def main() -> None:
    """Run each notebook."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, help="folder for the results, instead of in place")
    parser.add_argument("notebooks", nargs="+", type=Path)
    given = parser.parse_args()
    # Without widgets there is nothing to be missed in a page
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
    for path in given.notebooks:
        nbformat.write(run(path), path if given.to is None else given.to / path.name)


if __name__ == "__main__":
    main()
