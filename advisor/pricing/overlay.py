"""Lays one price file over another: key by key, and no changed figure under the source of the figure it replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from advisor.pricing.schema_base import Cited, Stated

Tree: TypeAlias = "dict[str, object]"
Where: TypeAlias = "tuple[str | int, ...]"
Refuse: TypeAlias = "Callable[[Where], None]"

_STATEMENT = frozenset(Stated.model_fields)
_ABOUT = frozenset(Cited.model_fields) | {"readings"}
# Words that say no more than the figures beside them.
_WORDS = frozenset({"also", "low_at", "high_at", "reason", "idle"})


def laid_over(below: Tree, above: Tree, refuse: Refuse, where: Where = ()) -> Tree:
    """Return both as one: mappings merge key by key, anything else above replaces what lay below.

    ``refuse`` is called with the place of a figure that is changed in an entry without its own source and date.
    """
    if not isinstance(below.get("source"), str) or not where or where[0] == "sources":
        return _merged(below, above, refuse, where)
    changed = [key for key, value in above.items() if key not in _ABOUT | _WORDS and value != below.get(key)]
    if not changed:
        return _merged(below, above, refuse, where)
    if not {"source", "checked"} <= above.keys():
        refuse((*where, changed[0]))
    return _restated(below, above, refuse, where)


def _merged(below: Tree, above: Tree, refuse: Refuse, where: Where) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, dict) and isinstance(under, dict) and key != "batch"
        merged[key] = laid_over(under, value, refuse, (*where, key)) if both else value  # type: ignore[arg-type]
    return merged


def _restated(below: Tree, above: Tree, refuse: Refuse, where: Where) -> Tree:
    """Return the entry as the overlay states it; figures it does not give keep what was said of them."""
    said = {key: value for key, value in below.items() if key in _STATEMENT}
    kept = {key: value for key, value in below.items() if key not in _ABOUT}
    figures = below.get("figures")
    earlier = figures if isinstance(figures, dict) else {}
    batch = kept.get("batch")
    if isinstance(batch, dict) and "source" not in batch:
        kept["batch"] = {**batch, **said}
    if "unusual" in below:
        kept["unusual"] = below["unusual"]
    merged = _merged(kept, above, refuse, where)
    mine = above.get("figures")
    merged["figures"] = {
        **{
            key: earlier.get(key, said)
            for key, value in kept.items()
            if key not in above and key not in _WORDS and not isinstance(value, dict | list) and key != "unusual"
        },
        **(mine if isinstance(mine, dict) else {}),
    }
    return merged
