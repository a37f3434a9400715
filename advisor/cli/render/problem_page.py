"""The page of one kind of problem, and the list of all: what it is, why it matters, what to do."""

from __future__ import annotations

from advisor.cli import render
from advisor.cli.render.check import WORDS
from advisor.cli.render.screen import hanging, page_width
from advisor.dataset import CATALOGUE
from advisor.dataset.checks import levels_elsewhere


def explanation(code: str, as_json: bool) -> None:
    """Print the page of one problem; a list of all for 'list'."""
    from advisor.errors import UsageError
    from advisor.nearest import no_such

    width = page_width()
    if code == "list":
        if as_json:
            render.json_document([_entry(name) for name in CATALOGUE])
        for name, entry in () if as_json else CATALOGUE.items():
            hanging(f"{name:<23} {WORDS[entry.level]:<8} ", entry.title, width)
        return
    if code not in CATALOGUE:
        raise UsageError(no_such("problem", code, CATALOGUE, see="'tunewise check --explain list' lists them"))
    entry = CATALOGUE[code]
    if as_json:
        render.json_document(_entry(code))
        return
    levels = [f"{WORDS[level]} for {name}" for name, level in levels_elsewhere(code).items()]
    hanging("", f"{code}: {entry.title} ({', '.join((WORDS[entry.level], *levels))})", width)
    render.out()
    hanging("", entry.why, width)
    render.out()
    hanging("What to do: ", entry.fix, width)


def _entry(code: str) -> dict[str, object]:
    entry = CATALOGUE[code]
    told = {"level": entry.level, "title": entry.title, "why": entry.why, "fix": entry.fix}
    return {"code": code, **told, "at": levels_elsewhere(code)}
