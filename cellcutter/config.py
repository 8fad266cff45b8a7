"""Settings: what a caller may ask for, checked once, and YAML parameters turned into them.

The only importer of yaml. Sizes are parsed here: a MB is 1024 x 1024 bytes. Channels are 1-based
outside of the program and stay so here; ``cut`` turns them into positions.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cellcutter.errors import SettingsError
from cellcutter.machine import available_cpus, available_memory

MB = 1024 * 1024
DEFAULT_CHUNK_SIZE = 32
COMPRESSIONS = ("default", "fast", "small", "none")
DEFAULT_CACHE_SIZE = 10 * 1024


@dataclass(frozen=True)
class Settings:
    """Options that `cut_cells` and `cut_tiles` share.

    Parameters
    ----------
    threads : int, optional
        Number of threads; the CPUs that this process may use where not given.
    zip_store : bool
        Store in one zip file.
    force : bool
        Replace an existing destination.
    chunk_size : float, optional
        Uncompressed size of a chunk in MB; 32 where neither this nor `per_chunk` is given.
    per_chunk : int, optional
        Cells or tiles in a chunk.
    cache_size : float, optional
        Memory for pixels in MB; where not given 10240, or half of the memory that is available
        if this is less.
    channels : sequence of int or str, optional
        Channel numbers, from 1, or marker names; all channels where not given.
    markers : path, optional
        CSV file with a column marker_name.
    save_metadata : path, optional
        CSV file to be written.
    compression : str
        One of `COMPRESSIONS`.

    Raises
    ------
    SettingsError
        A value is impossible, alone or together with another.
    """

    threads: int | None = None
    zip_store: bool = False
    force: bool = False
    chunk_size: float | None = None
    per_chunk: int | None = None
    cache_size: float | None = None
    channels: Sequence[int | str] | None = None
    markers: str | os.PathLike[str] | None = None
    save_metadata: str | os.PathLike[str] | None = None
    compression: str = "default"

    def __post_init__(self) -> None:
        if self.chunk_size is not None and self.per_chunk is not None:
            raise SettingsError(
                "--chunk-size and the number per chunk found together, one of them expected"
            )
        if self.compression not in COMPRESSIONS:
            known = ", ".join(COMPRESSIONS)
            raise SettingsError(
                f"--compression: {self.compression!r} found, one of {known} expected"
            )
        _positive("-p", self.threads)
        _positive("--chunk-size", self.chunk_size)
        _positive("--cells-per-chunk or --tiles-per-chunk", self.per_chunk)
        _positive("--cache-size", self.cache_size)

    @property
    def chunk_nbytes(self) -> int:
        """Bytes that a chunk should have before it is compressed."""
        return int((self.chunk_size or DEFAULT_CHUNK_SIZE) * MB)

    @property
    def memory(self) -> int:
        """Bytes of memory that pixels may take."""
        if self.cache_size is not None:
            return int(self.cache_size * MB)
        return min(DEFAULT_CACHE_SIZE * MB, available_memory() // 2)

    @property
    def workers(self) -> int:
        """Number of threads."""
        return self.threads or available_cpus()


def check_window(option: str, size: int | None) -> None:
    """Make sure that a size in pixels is 1 or more.

    Raises
    ------
    SettingsError
    """
    _positive(option, size)


def _positive(option: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise SettingsError(f"{option}: {value} found, a number above 0 expected")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and which takes parameters from a YAML file too.

    A parameter is the name of a flag without its dashes. Flags of the command line win over it.
    """

    def error(self, message: str) -> NoReturn:
        """Raise the one line that says what is wrong."""
        raise SettingsError(message)

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse a command line in which flags stand anywhere, and the file that --params names.

        Raises
        ------
        SettingsError
            The command line or the file is wrong.
        """
        given = self._given(argv)
        file = given.get("params")
        values = {} if file is None else self._from_yaml(Path(file))
        for group in self._mutually_exclusive_groups:
            names = {action.dest for action in group._group_actions}
            if names & given.keys():
                values = {name: value for name, value in values.items() if name not in names}
            elif len(names & values.keys()) > 1:
                both = " and ".join(sorted(names & values.keys())).replace("_", "-")
                raise SettingsError(f"{file}: {both} found together, one of them expected")
        defaults = {name: self.get_default(name) for name in self._names()}
        return argparse.Namespace(**{**defaults, **values, **given})

    def _names(self) -> list[str]:
        """Return the names of all arguments that have a value."""
        return [a.dest for a in self._actions if a.default is not argparse.SUPPRESS]

    def _given(self, argv: Sequence[str] | None) -> dict[str, Any]:
        """Return only what the command line says."""
        unset = object()
        names = self._names()
        parsed = self.parse_intermixed_args(argv, argparse.Namespace(**dict.fromkeys(names, unset)))
        return {name: value for name, value in vars(parsed).items() if value is not unset}

    def _from_yaml(self, file: Path) -> dict[str, Any]:
        """Read the parameters of a YAML file; of several sets of options later ones win."""
        values: dict[str, Any] = {}
        for options in _cellcutter_options(file):
            new = self._parameters(file, options)
            for group in self._mutually_exclusive_groups:
                names = {action.dest for action in group._group_actions}
                if names & new.keys():
                    values = {name: value for name, value in values.items() if name not in names}
            values |= new
        return values

    def _parameters(self, file: Path, options: Mapping[object, object] | str) -> dict[str, Any]:
        """Read one set of options, checked as flags are."""
        if isinstance(options, str):
            if options.lstrip().startswith(("[", "{")):  # a mapping that became text
                example = "'--window-size=64 --mask-cells'"
                raise SettingsError(f"{file}: {options!r} found, flags such as {example} expected")
            stand_ins = ["1" for action in self._actions if not action.option_strings]
            try:
                given = self._given([*stand_ins, *shlex.split(options)])
            except (SettingsError, ValueError) as error:
                raise SettingsError(f"{file}: {options!r} found: {error}") from error
            flags = {action.dest for action in self._actions if action.option_strings}
            return {name: value for name, value in given.items() if name in flags}
        parameters = {
            option.lstrip("-"): action
            for action in self._actions
            for option in action.option_strings
            if action.dest not in ("help", "version", "params")
        }
        values = {}
        for key, value in options.items():
            action = parameters.get(str(key).replace("_", "-"))
            if action is None:
                near = difflib.get_close_matches(str(key), parameters, 1, 0.0)[0]
                raise SettingsError(f"{file}: unknown key {key!r} found, perhaps {near!r} expected")
            if value is not None:
                values[action.dest] = self._value(file, str(key), action, value)
        return values

    def _value(self, file: Path, key: str, action: argparse.Action, value: object) -> Any:
        """Check one parameter's value."""
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise SettingsError(f"{file}: {key}: {value!r} found, true or false expected")
            return value
        items = value if isinstance(value, list) and action.nargs else [value]
        if any(isinstance(item, bool | dict | list) or item is None for item in items):
            expected = "a list of plain values" if action.nargs else _expected(action)
            raise SettingsError(f"{file}: {key}: {value!r} found, {expected} expected")
        try:
            return self._get_values(action, [str(item) for item in items])
        except argparse.ArgumentError as error:
            raise SettingsError(
                f"{file}: {key}: {value!r} found, {_expected(action)} expected"
            ) from error


def _expected(action: argparse.Action) -> str:
    if action.choices:
        return "one of " + ", ".join(map(str, action.choices))
    return {"int": "a whole number", "float": "a number"}.get(
        getattr(action.type, "__name__", "str"), "a plain value"
    )


def _cellcutter_options(file: Path) -> list[Mapping[object, object] | str]:
    """Return the sets of options for cellcutter of a YAML file.

    The file holds nothing else; or it is a params.yml of MCMICRO, where they are below
    ``options: cellcutter:``. A set is a mapping or a string of flags; a list has several.
    """
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}; a YAML file expected") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{file}: {reason} found, a YAML file expected") from error
    if isinstance(content, dict) and isinstance(content.get("options"), dict):
        content = content["options"].get("cellcutter")
    sets = content if isinstance(content, list) else [{} if content is None else content]
    for options in sets:
        if not isinstance(options, dict | str):
            raise SettingsError(
                f"{file}: {options!r} found, flags or a mapping of parameters to values expected"
            )
    return sets
