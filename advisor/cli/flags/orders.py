"""What the flags of a launch say beyond data, backend and model: options of the backend, and settings over a plan's."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from backends import Hyperparameters, Json


def extras(pairs: tuple[str, ...]) -> dict[str, Json]:
    """Read KEY=VALUE, the value as YAML: a number, true, or text; a date is text."""
    import yaml

    found: dict[str, Json] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--option {pair}: write it as KEY=VALUE.")
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            raise click.UsageError(
                f"--option {pair}: the value is not YAML; put text in quotes: {name}='\"...\"'."
            ) from None
        found[name] = value if isinstance(read, date) else read
    return found


def over(planned: Hyperparameters, given: Hyperparameters) -> Hyperparameters:
    """Return the planned settings with those replaced that a flag gave."""
    chosen = {item.name: getattr(given, item.name) for item in fields(given)}
    return replace(planned, **{name: value for name, value in chosen.items() if value is not None})
