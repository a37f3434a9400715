"""What somebody meant who wrote a name that we do not have."""

from __future__ import annotations

from collections.abc import Iterable

_FEW = 14  # so many values are listed where none is near
_MOST_NEAR = 3


def no_such(kind: str, name: str, known: Iterable[str], *, see: str = "") -> str:
    """Return the sentence that refuses a name, with what was meant or what there is.

    ``see``: where a longer list is found, such as "'tunewise jobs' lists them".
    """
    return f"There is no {kind} '{name}'. {meant(name, known, see=see)}"


def meant(name: str, known: Iterable[str], *, see: str = "") -> str:
    """Return "Did you mean 'x'?" for the known names near ``name``; where none is, the few there are, else ``see``."""
    names = list(dict.fromkeys(known))
    if near := nearest(name, names):
        return f"Did you mean {' or '.join(map(repr, near))}?"
    if see and not 0 < len(names) <= _FEW:
        return f"{see}."
    return f"Choose one of: {', '.join(names)}." if names else ""


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the known names that ``name`` begins, is part of or misspells: at most three, else none."""
    names = list(dict.fromkeys(known))
    lower = name.lower()
    for fits in (
        [one for one in names if one.lower() == lower or one.lower().rpartition("/")[2] == lower],
        [one for one in names if len(lower) > 1 and one.lower().startswith(lower)],
        [one for one in names if len(lower) > 2 and lower in one.lower()],
    ):
        if 0 < len(fits) <= _MOST_NEAR:
            return tuple(fits)
    from difflib import get_close_matches

    spelt = {one.lower(): one for one in names} | {one.lower().rpartition("/")[2]: one for one in names}
    return tuple(spelt[one] for one in get_close_matches(lower, spelt, n=1, cutoff=0.65))
