"""What tunewise.yaml may say: defaults for flags that people repeat, in the working directory and for the user."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from advisor.errors import AdvisorError
from advisor.money import parse_usd
from advisor.nearest import no_such

if TYPE_CHECKING:
    import click
    from yaml import Node

NAME = "tunewise.yaml"
Kind = Literal["text", "usd", "path", "bool", "method"]


class ConfigError(AdvisorError):
    """A configuration file cannot be used: names file, line, key and remedy."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be set: ``flag`` is what it stands for on ``commands``; without commands, on all."""

    kind: Kind
    meaning: str
    flag: str
    commands: tuple[str, ...] = ()
    secret: bool = False  # not to be shown: an address may hold a password


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force. ``source`` is a file, a variable, or "default"; ``line`` counts from 1 in a file."""

    key: str
    value: str | bool | None
    source: str
    line: int | None = None


_TRAIN = ("launch", "pilot", "evaluate")
KEYS: dict[str, Key] = {
    "backend": Key("text", "where DATA is trained or asked", "--backend", _TRAIN),
    "model": Key("text", "the model there; ignored when --backend is given", "--model", _TRAIN),
    "method": Key("method", "lora, qlora or full", "--method", ("launch", "pilot")),
    "max_cost": Key("usd", "the most that one command may cost, in US dollars", "--max-cost", _TRAIN),
    "monthly_limit": Key(
        "usd", "the most that all runs of a month may cost, in US dollars", "--monthly-limit", ("launch", "pilot")
    ),
    "workload": Key("path", "the workload file", "--workload", ("plan", "budget")),
    "pricing": Key("path", "the price file", "--pricing"),
    "notify": Key(
        "text", "where a message goes when a followed run ends", "--notify", ("launch", "watch"), secret=True
    ),
    "home": Key("path", "where runs and caches are kept", ""),
    "color": Key("bool", "colours in the terminal", "--no-color"),
    "quiet": Key("bool", "results and errors only", "--quiet"),
}
# What only a person may say, each time: a file that travels with a project must not agree to anything.
NEVER = ("yes", "again", "accept_stale_prices")
# A plan file and a run of the ledger name these themselves.
_OF_THE_PLAN = ("backend", "model", "method")


def files() -> tuple[Path, ...]:
    """Return where settings are looked for, the strongest first: this folder, then the user's configuration folder."""
    import platformdirs

    return Path.cwd() / NAME, Path(platformdirs.user_config_dir("tunewise", appauthor=False)) / NAME


def in_force() -> dict[str, Setting]:
    """Return every setting that something sets: a variable TUNEWISE_KEY, the project's file, or the user's.

    Raises ConfigError for a file that cannot be used.
    """
    found: dict[str, Setting] = {}
    for path in reversed(files()):
        if path.is_file():
            found |= {setting.key: setting for setting in _read(path)}
    for key, about in KEYS.items():
        value = os.environ.get(variable(key))
        if value:
            found[key] = Setting(key, _checked(value, about.kind, f"the variable {variable(key)}"), variable(key))
    return found


def shown(setting: Setting) -> Setting:
    """Return a setting as it may be printed."""
    return replace(setting, value="(set)") if KEYS[setting.key].secret and setting.value is not None else setting


def variable(key: str) -> str:
    """Return the environment variable that is stronger than both files."""
    return f"TUNEWISE_{key.upper()}"


def defaults_for(
    command: click.Command, arguments: Sequence[str], found: Mapping[str, Setting]
) -> dict[str, str | list[str]]:
    """Return the defaults of a command's parameters, by their names, as the files and variables set them."""
    names: dict[str, str | list[str]] = {}
    for key, about in KEYS.items():
        setting = found.get(key)
        if setting is None or command.name not in about.commands or _named_otherwise(key, command.name, arguments):
            continue
        for parameter in command.params:
            if about.flag in parameter.opts and parameter.name is not None:
                text = str(setting.value)
                names[parameter.name] = [text] if getattr(parameter, "multiple", False) else text
    return names


def _named_otherwise(key: str, command: str | None, arguments: Sequence[str]) -> bool:
    flags = {argument.partition("=")[0] for argument in arguments}
    if key == "model" and "--backend" in flags:
        return True
    planned = "--resume" in flags or any(argument.endswith((".yaml", ".yml")) for argument in arguments)
    return command == "launch" and key in _OF_THE_PLAN and planned


def _read(path: Path) -> Iterator[Setting]:
    import yaml

    try:
        content = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: this file cannot be read ({error}).") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}: this is not YAML ({error.problem}); write 'key: value'.") from error
    if content is None:
        return
    if not isinstance(content, yaml.MappingNode):
        raise ConfigError(f"{path}, line 1: write one 'key: value' a line; keys are {', '.join(KEYS)}.")
    for name, value in content.value:
        yield _setting(path, name, value)


def _setting(path: Path, name: Node, value: Node) -> Setting:
    line = name.start_mark.line + 1
    key = str(name.value).replace("-", "_")
    where = f"{path}, line {line}"
    if key in NEVER:
        raise ConfigError(
            f"{where}: '{name.value}' cannot be set in a file; what costs money is agreed to on the command line."
        )
    if key not in KEYS:
        raise ConfigError(f"{where}: {no_such('key', str(name.value), KEYS)}")
    if not isinstance(value.value, str):
        raise ConfigError(f"{where}: '{key}' takes one value, not a list or a mapping.")
    text = "" if value.tag.endswith(":null") else value.value
    checked = _checked(text, KEYS[key].kind, f"{where}: '{key}'")
    if KEYS[key].kind == "path":
        checked = str(path.parent / Path(str(checked)).expanduser())
    return Setting(key, checked, str(path), line)


def _checked(text: str, kind: Kind, what: str) -> str | bool:
    if kind == "bool":
        if text.lower() not in ("true", "false", "yes", "no", "on", "off", "1", "0"):
            raise ConfigError(f"{what} is true or false, not '{text}'.")
        return text.lower() in ("true", "yes", "on", "1")
    if kind == "usd":
        try:
            return f"{parse_usd(text):f}"
        except ValueError as error:
            raise ConfigError(f"{what}: {error}") from None
    if kind == "method" and text not in ("lora", "qlora", "full"):
        raise ConfigError(f"{what} is lora, qlora or full, not '{text}'.")
    if not text:
        raise ConfigError(f"{what} has no value; write one, or take the line out.")
    return text
