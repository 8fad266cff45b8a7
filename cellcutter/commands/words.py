"""Pure: the words of a command line, so written that argparse takes each for what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cellcutter.completing import flags_of
from cellcutter.kinds import Option


def completed(words: Sequence[str], options: Mapping[str, Option]) -> list[str]:
    """Return words in which no flag takes a word that is not its value, and each takes its own.

    A flag whose value may be left out gets the one that it then stands for; a value such as -5,5,
    which argparse takes for a flag, is joined with the flag before it.

    Parameters
    ----------
    words : sequence of str
    options : mapping of str to Option
        Those of the command.
    """
    flags = {flag: option for name, option in options.items() for flag in flags_of(name, option)}
    done: list[str] = []
    for word, after in zip(words, [*words, ""][1:], strict=True):
        before = flags.get(done[-1]) if done and done[-1].startswith("--") else None
        bare = flags[word].kind.bare if word in flags else None
        if before and _takes_one(before) and re.match(r"-[0-9.]", word):
            done[-1] += f"={word}"
        else:
            done.append(f"{word}={bare}" if bare and not after.isdecimal() else word)
    return done


def _takes_one(option: Option) -> bool:
    kind = option.kind
    return kind.metavar is not None and not kind.many and not kind.bare
