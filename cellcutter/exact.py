"""Pure: how pandas is told to read every float of a text as it is meant."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any


@cache
def exact_floats() -> dict[str, Any]:
    """Return the option of ``pandas.read_csv`` that does so; from version 3 on that is its default.

    https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html
    """
    return {} if int(version("pandas").split(".")[0]) > 2 else {"float_precision": "round_trip"}
