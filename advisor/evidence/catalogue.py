"""Which models are worth considering, and the training settings with who recommends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import TypeAdapter

from advisor.evidence._files import read


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """An open model to tune on one's own GPU, and why it is on the list."""

    model: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Models worth considering, the first one first. ``rented`` are GPUs; ``not_for_business`` words of licences."""

    source: str
    why: str
    enough_params_b: float
    local: tuple[LocalModel, ...]
    hosted: Mapping[str, tuple[str, ...]]
    rented: tuple[str, ...]
    not_for_business: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One training setting, what it is for, and the id of its source."""

    value: float
    source: str
    text: str


@cache
def catalogue() -> Catalogue:
    """Return the packaged list of models."""
    return TypeAdapter(Catalogue).validate_python(read("models.yaml"))


@cache
def settings() -> Mapping[str, Setting]:
    """Return the packaged training settings by name."""
    return TypeAdapter(dict[str, Setting]).validate_python(read("settings.yaml"))
