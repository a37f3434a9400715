"""A flag for every hyperparameter: its name, bounds and help come from the field itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import NoneType
from typing import TypeVar, get_args, get_type_hints

import click

from backends import Hyperparameters, Knob

Command = TypeVar("Command", bound=Callable[..., object])
_KEPT = "tunewise.hyperparameters"
_SHORT = {"lora_rank": "--rank"}  # what a flag is called besides


def names() -> tuple[str, ...]:
    """Return the hyperparameters that are flags, in their order: all but the seed, which also draws the split."""
    return tuple(name for name, _, _ in _knobs())


def flags(command: Command) -> Command:
    """Add the flags to a command; ``given`` returns what they said."""
    for name, kind, knob in reversed(list(_knobs())):
        spelt = f"--{name.replace('_', '-')}"
        words = [f"{spelt}/--no-{name.replace('_', '-')}" if kind is bool else spelt]
        words += [_SHORT[name]] if name in _SHORT else []
        ranged = click.IntRange if kind is int else click.FloatRange
        bounds = None if kind is bool else ranged(knob.least, knob.most, min_open=knob.above)  # type: ignore[arg-type]
        option = click.option(
            *words, name, type=bounds, default=None, expose_value=False, callback=_keep, help=knob.help
        )
        command = option(command)
    return command


def given(ctx: click.Context) -> Mapping[str, int | float | bool]:
    """Return what the flags of this call said, by name; what was left out is absent."""
    return {name: value for name, value in ctx.meta.get(_KEPT, {}).items() if value is not None}


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta.setdefault(_KEPT, {})[param.name] = value


def _knobs() -> Iterator[tuple[str, type, Knob]]:
    for name, hint in get_type_hints(Hyperparameters, include_extras=True).items():
        knob = next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Knob)), None)
        if knob is not None:
            kind = next(one for one in get_args(get_args(hint)[0]) if one is not NoneType)
            yield name, kind, knob
