"""Functions of ``**options``: their signatures and docstrings, made from the options themselves."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from cellcutter.completing import options_of

F = TypeVar("F", bound=Callable[..., Any])
WRITTEN = """CutResult
    What was written: names, shape, size, and how long it took."""
_IMAGE = """\
image : path
    TIFF, OME-TIFF, PNG, OME-Zarr (a folder or a zip file), a Zarr array (c, y, x), or a folder
    of TIFF files of one channel each."""
_PROGRESS = [
    "progress : callable (what, done, total), optional",
    "    Called often, from any thread.",
]
_ENDING = """
Returns
-------
{returned}

Raises
------
cellcutter.InputError
    The input, the options or the destination are not as they must be; the message is one line.
OSError
    Writing failed.
"""


def takes(
    kind: type[Mapping[str, object]], returned: str = WRITTEN, without: Container[str] = ()
) -> Callable[[F], F]:
    """Return a decorator for functions of ``**options``: shows them in signature and docstring.

    The docstring has a line ``**options`` where they belong; what is returned and raised is said
    behind them. A line ``**image`` stands for what an image can be.

    Parameters
    ----------
    kind : type
        The options.
    returned : str
        The section of what is returned.
    without : container of str
        Options that a function does not take.
    """

    def decorate(function: F) -> F:
        hints = get_type_hints(kind, include_extras=True)
        own = inspect.signature(function).parameters
        entries = list(_PROGRESS) if "progress" in own else []
        parameters = []
        for name, option in options_of(kind).items():
            if name in without:
                continue
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
        shown = [
            p.replace(annotation=re.sub(r"\bName\b", "str | os.PathLike[str]", p.annotation))
            for p in signature.parameters.values()
            if p.kind is not p.VAR_KEYWORD
        ]
        function.__signature__ = signature.replace(parameters=[*shown, *parameters])  # type: ignore[attr-defined]
        lines = inspect.cleandoc(function.__doc__ or "").replace("**image", _IMAGE)
        lines = lines.replace(
            "**options", "\n".join(entries) + "\n" + _ENDING.format(returned=returned).rstrip("\n")
        )
        function.__doc__ = f"{lines}\n"
        return function

    return decorate


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
