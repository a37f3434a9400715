"""What a run is called: the name a person gave it, and which run a few typed characters mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

from advisor.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_MEANS_SOMETHING_ELSE = frozenset({"last", "all", "none", "group", "base", "few-shot"})  # where a run may be named


def checked_name(name: str) -> str:
    """Return a name that a run may have. It stays in the ledger: no provider sees it. Raises UsageError."""
    if name.lower() in _MEANS_SOMETHING_ELSE or name.lower().startswith("tw-"):
        raise UsageError(f"A run cannot be named '{name}', which means something else; choose another --name.")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A run cannot be named '{name}': use up to 40 letters, digits, dots, - and _, the first a letter or digit."
        )
    return name


def matching(typed: str, runs: Mapping[str, str | None]) -> list[str]:
    """Return the ids that ``typed`` may mean: the run of that id or name, else all with it in their id or name.

    ``runs`` holds the name of each id, None where it has none, newest first: of runs with one name (a run that ended
    without a model gives its own free) the newest is meant.
    """
    exact = [id for id, name in runs.items() if typed in (id, name)]
    return exact[:1] or [id for id, name in runs.items() if typed and (typed in id or (name and typed in name))]


def with_name(id: str, name: str | None) -> str:
    """Return an id with the name beside it, to choose by."""
    return f"{id} ({name})" if name else id
