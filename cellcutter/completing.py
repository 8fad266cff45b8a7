"""Classes of options made of what is given: each checked, alone and together, and none missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast, get_args, get_type_hints

from cellcutter.errors import SettingsError
from cellcutter.kinds import Option, read

AnyOptions = TypeVar("AnyOptions", bound=Mapping[str, object])


def options_of(kind: type[Mapping[str, object]]) -> Mapping[str, Option]:
    """Return the options of a class by name."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items()}


def flags_of(name: str, option: Option) -> tuple[str, ...]:
    """Return the flags of an option, the one that messages use first."""
    return option.flags or (f"--{name.replace('_', '-')}",)


def complete(kind: type[AnyOptions], given: Mapping[str, object]) -> AnyOptions:
    """Return all options of a class, those that are not given with their defaults.

    Raises
    ------
    SettingsError
        A value is impossible, alone or together with another.
    TypeError
        There is no option of some name.
    """
    known = options_of(kind)
    if unknown := given.keys() - known.keys():
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    filled = {
        name: read(option, given.get(name), flags_of(name, option)[0])
        for name, option in known.items()
    }
    for name, option in known.items():
        if option.instead_of and None not in (filled[name], filled[option.instead_of]):
            flags = [flags_of(n, known[n])[0] for n in (option.instead_of, name)]
            raise SettingsError(f"{' and '.join(flags)} found together, one of them expected")
    return cast(AnyOptions, filled)
