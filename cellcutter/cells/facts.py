"""What a table says of itself: its columns and how many rows it has."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cellcutter.cells.text import check_separator, opened
from cellcutter.errors import TableError

_EXPECTED = "a CSV table"


def table_facts(path: Path) -> dict[str, object]:
    """Return the columns and the number of rows of a CSV file, perhaps compressed.

    Raises
    ------
    TableError
        It cannot be read, or its columns are not separated by commas.
    """
    try:
        with opened(path, _EXPECTED) as lines:
            filled = _filled(lines)
            header = [name.strip() for name in next(filled, [])]
            check_separator(str(path), header)
            return {"columns": header, "rows": sum(1 for _ in filled)}
    except csv.Error as error:
        raise TableError(f"{path}: {error} found, {_EXPECTED} expected") from error


def _filled(lines: TextIO) -> Iterator[list[str]]:
    for row in csv.reader(lines, strict=True):
        if any(field.strip() for field in row):
            yield row
