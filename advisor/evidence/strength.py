"""How strong a model is, roughly, from its name: its size and its year."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from pydantic import TypeAdapter

from advisor.evidence._files import read

_BILLIONS = re.compile(r"(\d+(?:\.\d+)?) ?b\b")
_MILLIONS = re.compile(r"(\d+) ?m\b")


@dataclass(frozen=True, slots=True)
class Strength:
    """``index``: log2 of billions of parameters, more for later years; ``year`` is None for encoders."""

    index: float
    year: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    words: tuple[str, ...]
    year: float | None = None
    size_b: float | None = None
    encoder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    per_year: float
    reference_year: float
    families: tuple[_Family, ...]


@cache
def strength(model: str) -> Strength | None:
    """Return how strong ``model`` is; None where its family or its size is not known."""
    name, table = model.lower(), _table()
    family = next((one for one in table.families if any(word in name for word in one.words)), None)
    if family is None:
        return None
    said = _size_in(name)
    size = said if family.size_b is None or (family.encoder and said) else family.size_b
    if size is None:
        return None
    if family.year is None:
        return Strength(math.log2(size), None)
    return Strength(math.log2(size) + table.per_year * (family.year - table.reference_year), family.year)


def _size_in(name: str) -> float | None:
    """Return the billions of parameters that a name like qwen3-0.6b or modernbert 149m says."""
    if found := _BILLIONS.search(name):
        return float(found.group(1))
    found = _MILLIONS.search(name)
    return float(found.group(1)) / 1000 if found else None


@cache
def _table() -> _Table:
    return TypeAdapter(_Table).validate_python(read("strength.yaml"))
