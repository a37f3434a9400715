"""What Tab offers: runs, backends, GPUs, models, metrics and files.

Asked anew at each Tab, so the lists are read from the data files and the ledger themselves: what computes with them
takes half a second to import.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_FILES = Path(__file__).parents[2]
_MOST_RUNS = 200


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell, which knows files best."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the runs of the ledger by name, else by id, newest first, and ``last``."""
    known = _runs()
    return _fitting([*known, *([("last", "the newest run that is no rehearsal")] if known else [])], incomplete)


def runs_or_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return runs(ctx, param, incomplete) or files(ctx, param, incomplete)


def runs_or_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return runs(ctx, param, incomplete) or models(ctx, param, incomplete)


def backends(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    import backends as places

    return _fitting(((name, "") for name in places.names()), incomplete)


def sellers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the providers of the price file."""
    return _fitting(((name, str(about.get("name", ""))) for name, about in _providers().items()), incomplete)


def gpus(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _fitting(((row["name"], row["title"]) for row in _rows("gpus.csv") if row["memory_mib"]), incomplete)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the models of the backends named before it, else every model that has a price or a known shape."""
    named = next((ctx.params[name] for name in ("backend", "backends", "backend_names") if ctx.params.get(name)), ())
    found = dict.fromkeys(_models((named,) if isinstance(named, str) else named), "")
    return _fitting(found.items(), incomplete)


def metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from advisor.evaluate import METRICS

    return _fitting(((name, "") for name in METRICS), incomplete)


def _fitting(found: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    lower = incomplete.lower()
    return [CompletionItem(name, help=about or None) for name, about in found if name.lower().startswith(lower)]


def _runs() -> list[tuple[str, str]]:
    import sqlite3

    from advisor.paths import home

    ledger = home() / "ledger.sqlite3"
    if not ledger.is_file():
        return []
    with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
        newest = "SELECT COALESCE(name, id), json_extract(spec, '$.model') FROM runs ORDER BY number DESC LIMIT ?"
        try:
            return [(str(run), str(model)) for run, model in connection.execute(newest, [_MOST_RUNS])]
        except sqlite3.DatabaseError:  # of another version, or damaged: what opens it says so
            return []


def _models(places: Iterable[str]) -> Iterable[str]:
    from backends.local.options import TINY

    chosen = tuple(places)
    if "local" in chosen or not chosen:
        yield from (*TINY, "smollm2", *(row["model"] for row in _rows("models.csv")))
    for name, about in _providers().items():
        if name in chosen or not chosen:
            yield from about.get("models") or ()  # type: ignore[misc]


def _rows(name: str) -> Iterable[dict[str, str]]:
    import csv

    with (_FILES / "hardware" / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _providers() -> dict[str, dict[str, object]]:
    import os

    import yaml

    from advisor.paths import packaged_prices

    path = Path(os.environ.get("TUNEWISE_PRICING") or packaged_prices())
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C takes a tenth of the time
    found = yaml.load(path.read_bytes(), loader)
    return found["providers"]  # type: ignore[no-any-return]
