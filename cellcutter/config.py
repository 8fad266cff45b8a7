"""YAML files of options: the sets that are for cellcutter. The only importer of yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cellcutter.errors import SettingsError

_LARGEST = 1 << 20  # bytes of a file of options


def option_sets(file: Path) -> list[Mapping[object, object] | str]:
    """Return the sets of options of a YAML file; of an option that several have the last one wins.

    The file holds nothing else; or it is a params.yml of MCMICRO, where they are below
    ``options: cellcutter:``. A set is a mapping or a string of flags; a list has several.

    Raises
    ------
    SettingsError
        The file cannot be read, or holds something else.
    """
    content = content_of(file)
    if isinstance(content, dict) and isinstance(content.get("options"), dict):
        content = content["options"].get("cellcutter")
    elif isinstance(content, dict) and isinstance(content.get("options"), str):
        raise SettingsError(f"{file}: text below 'options:' found, 'options: cellcutter:' expected")
    sets: list[Mapping[object, object] | str] = []
    for options in content if isinstance(content, list) else [{} if content is None else content]:
        if not isinstance(options, dict | str):
            raise SettingsError(
                f"{file}: {str(options)[:60]} found, "
                "flags or a mapping of options to values expected"
            )
        sets.append(options)
    return sets


def content_of(file: Path) -> object:
    """Return the content of a YAML file: plain data.

    Raises
    ------
    SettingsError
        The file cannot be read, or is no YAML.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads plain data; a file of options has no use for references, which can be bombs."""

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("a reference (*)")
            return super().compose_node(parent, index)

    try:
        if file.exists() and not file.is_file():
            raise SettingsError(f"{file}: no regular file found, a YAML file expected")
        with file.open(encoding="utf-8") as lines:
            text = lines.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise SettingsError(f"{file}: more than {_LARGEST} characters found, options expected")
        content = yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}; a YAML file expected") from error
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
    ) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SettingsError(f"{file}: {reason} found, a YAML file expected") from error
    return content
