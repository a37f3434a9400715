"""Every problem we can find: its code, its level, what to do about it, and why it matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

import backends
from advisor.dataset.types import Level, Problem

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML has it


@dataclass(frozen=True, slots=True)
class Entry:
    """What a problem is; a backend at which it matters more or less says so (``Backend.levels``)."""

    level: Level
    title: str
    fix: str
    why: str


def _read() -> dict[str, Entry]:
    content = yaml.load(files("advisor.dataset").joinpath("checks.yaml").read_bytes(), _LOADER)
    return {code: Entry(**{**entry, "level": Level(entry["level"])}) for code, entry in content.items()}


CATALOGUE = _read()


def level_of(code: str, backend: str | None = None) -> Level:
    """Return how much the problem matters at this backend."""
    return levels_at(backend).get(code, CATALOGUE[code].level) if backend else CATALOGUE[code].level


def levels_elsewhere(code: str) -> Mapping[str, Level]:
    """Return the backends at which a problem matters more or less than usual, with the level there."""
    return {name: levels_at(name)[code] for name in backends.names() if code in levels_at(name)}


@cache
def levels_at(backend: str) -> Mapping[str, Level]:
    """Return the levels that are others at a backend; none where only a provider's prices are known."""
    levels = backends.get(backend).levels if backend in backends.names() else {}
    return {code: Level(level) for code, level in levels.items()}


def problem(
    code: str, line: int | None, file: str, detail: str = "", *, backend: str | None = None, unit: str = "line"
) -> Problem:
    """Make a problem of the catalogue's code; ``detail`` says what is so here."""
    entry = CATALOGUE[code]
    message = f"{entry.title}: {' '.join(detail.split())}" if detail else entry.title
    return Problem(line, code, level_of(code, backend), f"{message}.", entry.fix, file, unit)
