"""How much of one JSON value stands in another, field by field."""

from __future__ import annotations

import json
import unicodedata

from backends import Json


def overlap(got: Json, wanted: Json) -> float:
    """Return the F1 of the leaf fields, path and value both right; 0 for values nested too deep to be meant."""
    try:
        return 2 * _shared(got, wanted) / (_leaves(got) + _leaves(wanted))
    except RecursionError:
        return 0.0


def plain(text: str) -> str:
    """Return a text as it is compared: case folded, in one Unicode form, white space joined."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _leaves(value: Json) -> int:
    """Count what holds nothing further; however deep, since degenerate answers are."""
    found, left = 0, [value]
    while left:
        one = left.pop()
        inside = list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else []
        left += inside
        found += not inside
    return found


def _shared(got: Json, wanted: Json) -> int:
    """Count the leaves two values share by path and value; an item of a list is held against the one most like it."""
    if isinstance(got, dict) and isinstance(wanted, dict) and got and wanted:
        return sum(_shared(got[name], wanted[name]) for name in got.keys() & wanted.keys())
    if isinstance(got, list) and isinstance(wanted, list) and got and wanted:
        pairs = [(_shared(one, other), a, b) for a, one in enumerate(got) for b, other in enumerate(wanted)]
        taken_got, taken_wanted, found = set[int](), set[int](), 0
        for common, a, b in sorted(pairs, key=lambda pair: -pair[0]):
            if common and a not in taken_got and b not in taken_wanted:
                taken_got.add(a)
                taken_wanted.add(b)
                found += common
        return found
    if isinstance(got, dict | list) or isinstance(wanted, dict | list):
        return int(not got and not wanted and type(got) is type(wanted))
    return int(_leaf(got) == _leaf(wanted))


def _leaf(value: str | int | float | bool | None) -> str:
    if isinstance(value, float) and value.is_integer():  # 3.0 is 3
        return str(int(value))
    return json.dumps(plain(value) if isinstance(value, str) else value)
