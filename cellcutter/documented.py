"""Functions of ``**options``: their signatures and docstrings, made from the options themselves."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

from cellcutter.options import Options, options_of

F = TypeVar("F", bound=Callable[..., Any])
_ENDING = """
Returns
-------
CutResult
    What was written: names, shape, size, and how long it took.

Raises
------
cellcutter.InputError
    The input, the options or the destination are not as they must be; the message is one line.
OSError
    Writing failed.
"""


def takes(kind: type[Options]) -> Callable[[F], F]:
    """Return a decorator for functions of ``**options``: shows them in signature and docstring.

    The docstring has a line ``**options`` where they belong; what both functions return and raise
    is said behind them.
    """

    def decorate(function: F) -> F:
        hints = get_type_hints(kind, include_extras=True)
        entries, parameters = [], []
        for name, option in options_of(kind).items():
            entries += [
                f"{name} : {option.kind.python}, optional",
                textwrap.indent(textwrap.fill(_sentence(option.help), 90), "    "),
            ]
            parameters.append(
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=option.default,
                    annotation=get_args(hints[name])[0],
                )
            )
        signature = inspect.signature(function)
        own = [
            p.replace(annotation=re.sub(r"\bName\b", "str | os.PathLike[str]", p.annotation))
            for p in signature.parameters.values()
            if p.kind is not p.VAR_KEYWORD
        ]
        function.__signature__ = signature.replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]
        lines = inspect.cleandoc(function.__doc__ or "").replace(
            "**options", "\n".join(entries) + "\n" + _ENDING.rstrip("\n")
        )
        function.__doc__ = f"{lines}\n"
        return function

    return decorate


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
