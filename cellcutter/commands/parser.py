"""The command line and YAML files turned into options; flags stand anywhere."""

from __future__ import annotations

import argparse
import difflib
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cellcutter.commands.words import completed
from cellcutter.completing import flags_of, options_of
from cellcutter.config import option_sets
from cellcutter.errors import SettingsError
from cellcutter.kinds import SWITCH, Option, read, shown
from cellcutter.store.publishing.guard import Inputs
from cellcutter.store.publishing.names import mask_name
from cellcutter.version import __version__

Values = dict[str, Any]
_STAND_IN = "\0"  # begins no word of a command line


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and which takes options from a YAML file too.

    Parameters
    ----------
    prog, description, epilog : str
        As of argparse.
    kind : type
        The class of the command's options.
    """

    def __init__(
        self,
        prog: str,
        description: str,
        kind: type[Mapping[str, object]] | None = None,
        epilog: str = "",
    ) -> None:
        super().__init__(
            prog=prog,
            description=textwrap.fill(description, 80),
            epilog=epilog,
            formatter_class=_Formatter,
            argument_default=argparse.SUPPRESS,
            add_help=False,
        )
        self._options: Mapping[str, Option] = options_of(kind) if kind else {}
        groups: dict[str, argparse._ArgumentGroup] = {}
        for name, option in self._options.items():
            if option.group not in groups:
                groups[option.group] = self.add_argument_group(option.group)
            self._add_option(groups[option.group], name, option)
        more = self.add_argument_group("more")
        if kind:
            more.add_argument(
                "--params",
                metavar="YAML",
                help="file of options, e.g. 'window-size: 64'; flags given here win over it",
            )
        more.add_argument(
            "-v", "--verbose", action="store_true", help="show more of the log, and tracebacks"
        )
        more.add_argument("-h", "--help", action="help", help="show this and stop")
        more.add_argument("--version", action="version", version=f"%(prog)s {__version__}")

    @staticmethod
    def _add_option(group: argparse._ArgumentGroup, name: str, option: Option) -> None:
        flags = flags_of(name, option)
        text = option.help.replace("%", "%%")
        if option.kind.metavar is None:
            group.add_argument(*flags, dest=name, action="store_true", help=text)
        else:
            group.add_argument(
                *flags,
                dest=name,
                metavar=option.kind.metavar,
                nargs="*" if option.kind.many else "?" if option.kind.bare else None,
                const=option.kind.bare,
                help=text,
            )

    def error(self, message: str) -> NoReturn:
        """Raise the one line that says what is wrong."""
        raise SettingsError(message)

    def parse(self, argv: Sequence[str]) -> Values:
        """Return the arguments and the options of a command line and of the file it names.

        Raises
        ------
        SettingsError
            The command line or the file is wrong.
        """
        try:
            given = self._words(argv)
        except SettingsError as error:
            raise SettingsError(f"{error} (see {self.prog} --help)") from error
        for name, option in self._options.items():
            if name in given:
                given[name] = read(option, given[name], flags_of(name, option)[0])
        self._refuse_pairs(given, "")
        file = given.pop("params", None)
        if file is None:
            return given
        given = self._stronger(self._from_yaml(Path(file)), given)
        _spare(Path(file), given)
        return given

    def _words(self, argv: Sequence[str]) -> Values:
        """Return what the words of a command line say.

        Behind ``--`` no word is a flag; argparse forgets that when flags may stand anywhere, so
        these words are kept from it.
        """
        words = list(argv)
        end = words.index("--") if "--" in words else len(words)
        kept = words[end + 1 :]
        words[:end] = completed(words[:end], self._options)
        stand_ins = [f"{_STAND_IN}{number}" for number in range(len(kept))]
        try:
            found, rest = self.parse_known_intermixed_args([*words[: end + 1], *stand_ins])
        except SettingsError as error:
            raise SettingsError(self._hint(str(error), words[:end])) from error
        rest = [word for word in rest if word != "--"]

        def back(value: Any) -> Any:
            if isinstance(value, list):
                return [back(each) for each in value]
            if isinstance(value, str) and value.startswith(_STAND_IN):
                return kept[int(value[1:])]
            return value

        if rest:
            self._refuse([back(word) for word in rest])
        given = {name: back(value) for name, value in vars(found).items()}
        for name, option in self._options.items():
            if option.kind.many and name in given:
                given[name] = ",".join(given[name])
        return given

    def _refuse(self, words: Sequence[str]) -> NoReturn:
        """Say of words that are none of the command's which it may have been."""
        word = next((word for word in words if word.startswith("-")), words[0])
        if not word.startswith("-"):
            raise SettingsError(f"unrecognized arguments: {' '.join(map(_plain, words))}")
        near = self.nearest(word.split("=")[0])
        raise SettingsError(
            f"unrecognized arguments: {' '.join(map(_plain, words))}; perhaps {near} is meant"
        )

    def nearest(self, flag: str) -> str:
        """Return the flag that looks most like a word."""
        flags = [f for action in self._actions for f in action.option_strings if f[:2] == "--"]
        word = "--" + flag.lstrip("-").replace("_", "-").lower()
        return difflib.get_close_matches(word, flags, 1, 0.0)[0]

    def _hint(self, message: str, words: Sequence[str]) -> str:
        """Add to a message about missing arguments that a flag has taken them."""
        greedy = [f for n, o in self._options.items() if o.kind.many for f in flags_of(n, o)]
        place = max((i for i, word in enumerate(words) if word in greedy), default=None)
        if place is None or "required" not in message:
            return message
        taken = []
        for word in words[place + 1 :]:
            if word.startswith("-"):
                break
            taken.append(word)
        return (
            f"{message}; {words[place]} has taken {' '.join(map(_plain, taken))}: "
            f"write {words[place]}=1,2 or put it at the end"
        )

    def _from_yaml(self, file: Path) -> Values:
        """Read the options of a YAML file; of several sets of options later ones win."""
        values: Values = {}
        for options in option_sets(file):
            if isinstance(options, str):
                new = self._from_text(file, options)
            else:
                new = self._from_mapping(file, options)
            self._refuse_pairs(new, f"{file}: ")
            values = self._stronger(values, new)
        return values

    def _from_text(self, file: Path, text: str) -> Values:
        """Read a string of flags."""
        if text.lstrip().startswith(("[", "{")):  # a mapping that became text
            example = "'--window-size=64 --mask-cells'"
            raise SettingsError(f"{file}: {text!r} found, flags such as {example} expected")
        arguments = [a.dest for a in self._actions if not a.option_strings]
        try:
            words = shlex.split(text)
            _refuse_for_people(words)
            given = self._words([*words, "--", *("1" for _ in arguments)])
            taken = _flat([given[name] for name in arguments if name in given])
            if len(taken) > len(arguments):  # of an argument that may be several
                self._refuse([word for word in taken if word != "1"] or ["1"])
            given = {name: value for name, value in given.items() if name not in arguments}
            for name, option in self._options.items():
                if name in given:
                    given[name] = read(option, given[name], flags_of(name, option)[0])
        except (SettingsError, ValueError) as error:
            raise SettingsError(f"{file}: {shown(text)} found: {error}") from error
        return given

    def _from_mapping(self, file: Path, options: Mapping[object, object]) -> Values:
        """Read a mapping of options to values; null stands for the default."""
        known = {
            flag.lstrip("-"): name
            for name, option in self._options.items()
            for flag in (*flags_of(name, option), name)
        } | {"verbose": "verbose", "v": "verbose"}
        values: Values = {}
        for key, value in options.items():
            name = known.get(str(key).replace("_", "-")) or known.get(str(key))
            if name is None:
                names = sorted(name for name in known if "_" not in name)
                near = difflib.get_close_matches(str(key), names, 1, 0.6)
                perhaps = f"perhaps {near[0]!r}" if near else f"one of {', '.join(names)}"
                raise SettingsError(f"{file}: unknown key {shown(key)} found, {perhaps} expected")
            if value is not None:
                option = self._options.get(name, Option(SWITCH, "", ""))
                values[name] = read(option, value, f"{file}: {key}")
        return values

    def _refuse_pairs(self, given: Mapping[str, object], where: str) -> None:
        for name, option in self._options.items():
            if option.instead_of and option.instead_of in given and name in given:
                flags = [flags_of(n, self._options[n])[0] for n in (option.instead_of, name)]
                raise SettingsError(
                    f"{where}{' and '.join(flags)} found together, one of them expected"
                )

    def _stronger(self, weak: Values, strong: Values) -> Values:
        """Return two sets as one, in which the second wins, also over what it is instead of."""
        pairs = [(n, o.instead_of) for n, o in self._options.items() if o.instead_of]
        beaten = {b for pair in pairs for a, b in (pair, pair[::-1]) if a in strong}
        return {n: v for n, v in weak.items() if n not in beaten} | strong


def _spare(file: Path, given: Values) -> None:
    """Make sure that no result replaces the file of options."""
    names = [Path(given[n]) for n in ("DESTINATION", "save_metadata") if given.get(n) is not None]
    for name in names:
        Inputs([file]).check(name)
        if name.name:
            Inputs([file]).check(name.with_name(mask_name(name.name)))


def _refuse_for_people(words: Sequence[str]) -> None:
    """Refuse flags that only make sense on a command line."""
    for word in words:
        if word in ("-h", "--help", "--version") or word.startswith("--params"):
            raise SettingsError(f"{word} is for the command line")


def _flat(values: Sequence[Any]) -> list[str]:
    return [str(v) for value in values for v in (value if isinstance(value, list) else [value])]


def _plain(word: str) -> str:
    return word if len(word) <= 60 else f"{word[:60]}..."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of examples, and gives flags room."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
