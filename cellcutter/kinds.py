"""What an option is, and what values it takes, however they come.

A word of the command line, a value of YAML, a value of Python: the option's `Kind` reads them all,
so each is checked in one place. Nothing heavy is imported here: `--help` waits for it.
"""

from __future__ import annotations

import math
import operator
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from cellcutter.errors import SettingsError

_SHOWN = 60  # characters of a value in a message
CELL_COLUMNS = ("CellID", "Y_centroid", "X_centroid")
"""What a table of cells must have, by these names or others that stand for them."""


class UnfitError(ValueError):
    """A value that is nearly right; the message says what is expected instead."""


@dataclass(frozen=True)
class Kind:
    """What values an option takes.

    Parameters
    ----------
    python : str
        Its type, for docstrings.
    expected : str
        What is expected, for messages.
    read : callable
        Takes a value of any type; returns it as the program wants it, or raises ValueError or
        TypeError.
    metavar : str, optional
        What stands for the value in the help; None for a switch.
    many : bool
        Whether the command line may give several words.
    bare : str, optional
        What the flag alone stands for, where its value, a whole number, may be left out.
    """

    python: str
    expected: str
    read: Callable[[Any], object]
    metavar: str | None = None
    many: bool = False
    bare: str | None = None


def _whole(value: Any) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"\s*\+?[0-9]{1,15}\s*", value):
            raise ValueError(value)
        number = int(value)
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif _is_truth(value):
        raise TypeError(value)
    else:
        number = operator.index(value)
    if not 0 < number < 10**15:
        raise ValueError(value)
    return number


def _dpi(value: Any) -> int:
    if not 20 <= (number := _whole(value)) <= 2400:
        raise ValueError(value)
    return number


def _length(value: Any) -> int | str:
    """Return pixels, or a length in micrometres as such: "20um"."""
    if not (isinstance(value, str) and re.match(r"\s*[0-9.]+\s*[^0-9.\s]", value)):
        return _whole(value)
    found = re.fullmatch(
        r"\s*([0-9]{1,9}(?:\.[0-9]{0,9})?)\s*(?:um|\N{MICRO SIGN}m|\N{GREEK SMALL LETTER MU}m)\s*",
        value,
    )
    if not found or not float(found[1]):
        raise UnfitError("a whole number of pixels, or micrometres such as 20um,")
    return f"{float(found[1]):g}um"


def _columns(value: Any) -> dict[str, str] | None:
    """Return what columns are called; a text has pairs between commas."""
    if isinstance(value, str):
        pairs = [word.partition("=")[::2] for word in value.split(",") if word.strip()]
    else:
        pairs = list(value.items() if isinstance(value, Mapping) else dict(value).items())
    found: dict[str, str] = {}
    for meant, column in pairs:
        if not isinstance(meant, str) or not isinstance(column, str):
            raise TypeError(value)
        if meant.strip() not in CELL_COLUMNS or not column.strip() or meant.strip() in found:
            raise ValueError(value)
        found[meant.strip()] = column.strip()
    return found or None


def _size(value: Any) -> float:
    if _is_truth(value):
        raise TypeError(value)
    number = float(value)
    if not (0 < number < math.inf):
        raise ValueError(value)
    return number


def _truth(value: Any) -> bool:
    if not _is_truth(value):
        raise TypeError(value)
    return bool(value)


def _is_truth(value: object) -> bool:
    return type(value).__name__ in ("bool", "bool_")  # Python's, or numpy's of any version


def _seed(value: Any) -> int | None:
    """Return a seed; True is the first of them, False none."""
    if _is_truth(value):
        return 0 if value else None
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*[0-9]{1,15}\s*", value) else -1
    seed = operator.index(value)
    if not 0 <= seed < 10**15:
        raise ValueError(value)
    return seed


def _path(value: Any) -> str:
    path = os.fspath(value)
    if not isinstance(path, str) or not path or b"\0" in os.fsencode(path):
        raise ValueError(value)
    return path


def _channels(value: Any) -> list[int | str] | None:
    """Return numbers and names; a text has several between commas. None of them means all."""
    if isinstance(value, Mapping | set):
        raise TypeError(value)
    if isinstance(value, str):
        words = value.split(",")
    else:
        words = list(value) if isinstance(value, Iterable) else [value]
    return [_channel(word) for word in words if word != ""] or None


def _channel(word: Any) -> int | str:
    if isinstance(word, str):
        return int(word) if re.fullmatch(r"\s*[-+]?[0-9]{1,9}\s*", word) else word
    if _is_truth(word):
        raise TypeError(word)
    return int(word) if isinstance(word, float) and word.is_integer() else operator.index(word)


def _column(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value


def choice(*words: str) -> Kind:
    """Return the kind of an option that is one of some words."""
    return Kind(
        " or ".join(f'"{word}"' for word in words),
        f"one of {', '.join(words)}",
        lambda value: words[words.index(value)],
        "{" + ",".join(words) + "}",
    )


WHOLE = Kind("int", "a whole number above 0", _whole, "N")
PIXELS = Kind("int", "a whole number above 0", _whole, "PX")
LENGTH = Kind("int or str", "a whole number above 0", _length, "PX")
COLUMNS = Kind(
    "mapping or str",
    f"names of columns such as {CELL_COLUMNS[0]}=Object,{CELL_COLUMNS[1]}=y",
    _columns,
    "NAMES",
)
SIZE = Kind("float", "a number above 0", _size, "MB")
SWITCH = Kind("bool", "true or false", _truth)
SEED = Kind("int or bool", "a whole number of 0 or more", _seed, "SEED", bare="0")
START = Kind("int", "a whole number of 0 or more", _seed, "SEED")
DPI = Kind("int", "a whole number from 20 to 2400", _dpi, "N")
FACTOR = Kind("float", "a number above 0", _size, "X")
COLUMN = Kind("str", "the name of a column", _column, "COLUMN")
PATH = Kind("path", "the path of a file", _path, "FILE")
CSV = Kind("path", "the path of a file", _path, "CSV")
CHANNELS = Kind("sequence of int or str", "a list of numbers and names", _channels, "C", many=True)


@dataclass(frozen=True)
class Option:
    """One option.

    Parameters
    ----------
    kind : Kind
    help : str
        What it does, in the words of the command line; with its default.
    group : str
        The heading under which the help shows it.
    default : object
    flags : tuple of str
        On the command line; made of the option's name where not given.
    instead_of : str, optional
        An option that cannot be given together with this one.
    """

    kind: Kind
    help: str
    group: str
    default: object = None
    flags: tuple[str, ...] = ()
    instead_of: str | None = None


def read(option: Option, value: object, where: str) -> object:
    """Return a value of an option as the program wants it; None stands for the default.

    Parameters
    ----------
    where : str
        For the message: the flag, or the file and the key.

    Raises
    ------
    SettingsError
    """
    if value is None:
        return option.default
    try:
        return option.kind.read(value)
    except (ValueError, TypeError, OverflowError) as error:
        expected = str(error) if isinstance(error, UnfitError) else option.kind.expected
        raise SettingsError(f"{where}: {shown(value)} found, {expected} expected") from error


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, and not too long."""
    if not isinstance(value, str):
        return reprlib.repr(value)
    if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", value[:_SHOWN]):
        return value[:_SHOWN] + ("..." if len(value) > _SHOWN else "")
    return repr(value[:_SHOWN] + ("..." if len(value) > _SHOWN else ""))


def read_pixels(where: str, value: object) -> int:
    """Return a size in pixels.

    Raises
    ------
    SettingsError
    """
    return cast(int, _required(PIXELS, where, value))


def read_path(where: str, value: object) -> str:
    """Return a path as text.

    Raises
    ------
    SettingsError
    """
    return cast(str, _required(PATH, where, value))


def _required(kind: Kind, where: str, value: object) -> object:
    found = read(Option(kind, "", ""), value, where)
    if found is None:
        raise SettingsError(f"{where}: nothing found, {kind.expected} expected")
    return found
