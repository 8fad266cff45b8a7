"""The rows of a CSV table, checked as they pass by on their way to pandas.

pandas fills up a row that ends early, and drops what a row has too much where only some columns
are read. So each row is counted here, quickly: where no quote and no blank line is, by numpy.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import TextIO

import numpy as np

from cellcutter.errors import TableError

WIDTH = 64  # characters of a number, at the most
_PIECE = 1 << 22  # characters that are read at one time
_LONGEST = 1 << 26  # characters of a line
_COMMA, _NEWLINE = ord(","), ord("\n")


class Rows:
    """A file of text for pandas: what it reads is whole rows, and each has been checked.

    Parameters
    ----------
    name : str
        Of the table, for messages.
    file : text file
        Behind the header.
    columns : int
        How many a row must have.
    wanted : mapping of int to str
        Positions, from 0, and names of the columns of numbers that are read.

    Attributes
    ----------
    count : int
        Rows read so far, without blank ones.
    """

    def __init__(self, name: str, file: TextIO, columns: int, wanted: Mapping[int, str]) -> None:
        self.count = 0
        self._name = name
        self._file = file
        self._columns = columns
        self._wanted = wanted
        self._rest = ""

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces; pandas asks for this of a file."""
        return iter(self.read, "")

    def read(self, _size: int = -1) -> str:
        """Return the next rows, about 4 million characters; nothing at the end.

        Raises
        ------
        TableError
            A row has another number of columns than the header, or something no number can be.
        """
        piece = self._lines()
        if piece and ('"' in piece or not self._regular(piece)):
            piece = self._checked(piece)
        return piece

    def _lines(self) -> str:
        """Return the next whole lines."""
        pieces, length = [self._rest], len(self._rest)
        while True:
            text = self._file.read(_PIECE)
            if not text:
                self._rest = ""
                whole = "".join(pieces)
                return whole if not whole or whole.endswith("\n") else whole + "\n"
            if "\0" in text:
                raise TableError(
                    f"{self._name}: a character NUL found near row {self.count + 1}, text expected"
                )
            end = text.rfind("\n") + 1
            if end:
                self._rest = text[end:]
                return "".join([*pieces, text[:end]])
            pieces.append(text)
            length += len(text)
            if length > _LONGEST:
                raise TableError(
                    f"{self._name}: a line of more than {_LONGEST} characters found, rows expected"
                )

    def _regular(self, piece: str) -> bool:
        """Count lines without quotes; tell whether each is a row as it should be."""
        text = np.frombuffer(piece.encode("utf-8", "surrogateescape"), np.uint8)
        ends = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))  # of fields
        newline = text[ends] == _NEWLINE
        rows, rest = divmod(len(ends), self._columns)
        last = newline[self._columns - 1 :: self._columns]
        if rest or not last.all() or np.count_nonzero(newline) != rows:
            return False
        widths = np.diff(ends, prepend=-1) - 1
        for column in self._wanted:
            long = np.flatnonzero(widths[column :: self._columns] > WIDTH)
            if len(long):
                self.count += int(long[0]) + 1
                stop = ends[int(long[0]) * self._columns + column]
                start = stop - widths[int(long[0]) * self._columns + column]
                raise self._too_long(
                    column, text[start : start + WIDTH].tobytes().decode("latin-1")
                )
        self.count += rows
        return True

    def _checked(self, piece: str) -> str:
        """Check lines one by one; return them, and more where a text goes on behind them."""
        pieces, given = [piece], piece.count("\n")

        def lines() -> Iterator[str]:
            nonlocal given
            while True:
                yield from io.StringIO(pieces[-1], newline="\n")
                if not (more := self._lines()):
                    return
                pieces.append(more)
                given += more.count("\n")

        rows = csv.reader(lines(), strict=True, skipinitialspace=True)
        while rows.line_num < given:
            row = next(rows)
            if len(row) > 1 or "".join(row).strip():
                self._check(row)
        return "".join(pieces)

    def _check(self, row: list[str]) -> None:
        self.count += 1
        if len(row) != self._columns:
            raise TableError(
                f"{self._name}: {len(row)} columns in row {self.count} found, "
                f"{self._columns} expected as in the header"
            )
        for position in self._wanted:
            if len(row[position]) > WIDTH:
                raise self._too_long(position, row[position][:WIDTH])

    def _too_long(self, position: int, start: str) -> TableError:
        return TableError(
            f"{self._name}: {self._wanted[position]} {start + '...'!r} in row {self.count} found, "
            "a number expected"
        )
