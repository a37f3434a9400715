"""How the price book looks: tables for people, documents for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from advisor.cli import render
from advisor.pricing import PriceBook
from advisor.pricing.entries import Entry

# A name that matches more offers than this is listed instead of told one by one.
_FEW = 5

if TYPE_CHECKING:
    from rich.table import Table

    from advisor.pricing.lookup import Found, Sold
    from advisor.pricing.rates import TokenPrices


def list_document(book: PriceBook, chosen: Sequence[Entry], today: date) -> dict[str, object]:
    """Return the figures with their ages."""
    return {"as_of": book.as_of, "files": book.files, "entries": [_row(entry, today) for entry in chosen]}


def list_page(book: PriceBook, chosen: Sequence[Entry], prompted: Sequence[TokenPrices], today: date) -> None:
    """Print one row a figure, under its provider and model, then the models worth prompting.

    What is too long for its column is folded, never cut.
    """
    from itertools import groupby

    from rich.markup import escape
    from rich.padding import Padding
    from rich.text import Text

    console = render.console()
    rows = [
        (figure(entry.value), _unit(entry.unit), _age(entry, today), f"{entry.confidence} {entry.status}".strip())
        for entry in chosen
    ]
    titles = ("value", "unit", "age", "trust")
    wide = [max(len(Text.from_markup(cell)) for cell in column) for column in zip(titles, *rows, strict=True)]
    narrowest = 18 if console.width >= 80 else 15
    spare = console.width - 2 * (len(wide) + 1) - narrowest
    for column, least in ((1, 8), (3, 10)):  # words fold where the screen is narrow; figures and ages never do
        wide[column] = max(min(wide[column], least), min(wide[column], spare - sum(wide) + wide[column]))
    name = narrowest + max(0, spare - sum(wide))
    table = _list_table(name, wide)
    table.add_row("[bold]what[/]", *(f"[bold]{title}[/]" for title in titles))
    for (provider, model), entries in groupby(
        zip(chosen, rows, strict=True), lambda pair: (pair[0].provider, pair[0].model)
    ):
        if table.row_count:
            console.print(table)
        console.print(f"[bold]{escape(f'{provider} {model}'.strip())}[/]")
        table = _list_table(name, wide)
        for entry, row in entries:
            table.add_row(Padding(escape(entry.name), (0, 0, 0, 2)), *row)
    console.print(table)
    _prompted(prompted)
    count = "1 figure" if len(chosen) == 1 else f"{len(chosen)} figures"
    render.out(f"{count}; the file is of {book.as_of}. 'tunewise prices show NAME' gives the sources.")


def _prompted(prices: Sequence[TokenPrices]) -> None:
    """Print what the models worth prompting cost, one line each."""
    if prices:
        render.console().print("[bold]models worth prompting[/], whose prices come from the price book or genai-prices")
    for one in prices:
        _inference(one)


def _list_table(name: int, wide: Sequence[int]) -> Table:
    """Return a table without heads, of columns this wide, so that several stand under each other."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for number, width in enumerate((name, *wide)):
        table.add_column(justify="right" if number in (1, 3) else "left", width=width, overflow="fold")
    return table


def show_document(found: Found, today: date) -> dict[str, object]:
    """Return all that is known under one name."""
    return {
        "name": found.name,
        "provider": found.provider,
        "note": found.note,
        "closed": found.closed,
        "offers": found.offers,
        "inference": found.inference,
        "entries": [_row(entry, today) for entry in found.entries],
    }


def show_page(found: Found) -> None:
    """Print all that is known under one name."""
    from rich.markup import escape

    console = render.console()
    if found.provider:
        console.print(f"[bold]{escape(found.provider)}[/]")
    for text in (found.note, found.closed):
        if text:
            console.print(escape(text))
    if len(found.offers) <= _FEW:
        for sold in found.offers:
            _one_offer(sold)
    else:
        _many_offers(found.offers)
    if found.inference:
        _inference(found.inference)
    group = ("", "")
    for entry in found.entries:
        if (entry.provider, entry.model) != group:
            group = (entry.provider, entry.model)
            console.print(f"[bold]{escape(' '.join(group).strip())}[/]")
        trust = f"{entry.confidence} {entry.status}".strip()
        console.print(f"  {escape(entry.name)}: {figure(entry.value)} {_unit(entry.unit)}")
        console.print(f"    [dim]{escape(entry.source)}, {entry.checked or 'undated'}, {trust}[/]")
        for other in entry.readings:
            console.print(f"    or {escape(other)}")
        if entry.note:
            console.print(f"    {escape(entry.note)}")


def _one_offer(sold: Sold) -> None:
    """Print whether it is sold and what training it costs."""
    from rich.markup import escape

    console = render.console()
    state = sold.availability
    console.print(f"{sold.provider} trains {escape(sold.model)}: [bold]{state.state}[/]. {escape(state.reason)}")
    for rate in sold.rates:
        price = rate.price
        spread = "" if price.low == price.high else f" ({figure(price.low)} to {figure(price.high)})"
        what = " ".join(part for part in (rate.method, rate.objective, rate.tier) if part and part != "standard")
        status = f" [dim]{price.cited.status}[/]" if price.cited.status else ""
        console.print(f"  {what}: {figure(price.mid)}{spread} USD/{rate.unit}{status}")
    if not sold.rates:
        console.print("  The price of training it is not known.")


def _many_offers(offers: Sequence[Sold]) -> None:
    """Print which models are sold in which state, and which of them have no known price."""
    from rich.markup import escape

    console = render.console()
    for state in dict.fromkeys(sold.availability.state for sold in offers):
        models = [sold.model for sold in offers if sold.availability.state == state]
        console.print(f"[bold]{state}[/]: {escape(', '.join(models))}")
    unpriced = [sold.model for sold in offers if not sold.rates]
    if unpriced:
        console.print(f"no training price is known for: {escape(', '.join(unpriced))}")


def _inference(prices: TokenPrices) -> None:
    from rich.markup import escape

    console = render.console()
    parts = (
        ("input", prices.input_usd_per_mtok),
        ("cached", prices.cached_usd_per_mtok),
        ("cache write", prices.cache_write_usd_per_mtok),
        ("output", prices.output_usd_per_mtok),
    )
    known = ", ".join(f"{label} {figure(value)}" for label, value in parts if value is not None)
    source = f"{prices.source}, {prices.checked or 'undated'}"
    console.print(f"asking {escape(prices.model)} at {prices.provider}: {known} USD/Mtok ({escape(source)})")
    for cliff in prices.cliffs:
        console.print(
            f"  above {cliff.above_input_tokens:,} input tokens every token of the request costs more: input "
            f"{figure(cliff.input_usd_per_mtok)}, output {figure(cliff.output_usd_per_mtok)}"
        )


def check_document(book: PriceBook, found: Sequence[Entry], too_old: Sequence[Entry], today: date) -> dict[str, object]:
    """Return counts and what should be read again."""
    return {
        "as_of": book.as_of,
        "files": book.files,
        "figures": len(found),
        "disputed": sum(entry.status == "disputed" for entry in found),
        "unverified": sum(entry.status == "unverified" for entry in found),
        "stale": [_row(entry, today) for entry in found if entry.stale(today)],
        "too_old": [entry.key for entry in too_old],
    }


def check_page(book: PriceBook, found: Sequence[Entry], too_old: Sequence[Entry], today: date) -> None:
    """Print the verdict on a price file."""
    render.out(f"{' + '.join(str(path) for path in book.files)}: valid, {len(found)} figures, of {book.as_of}.")
    stale = [entry for entry in found if entry.stale(today)]
    undated = [entry for entry in stale if entry.checked is None]
    disputed = [entry for entry in found if entry.status in ("disputed", "superseded", "unverified")]
    oldest = max((entry.age_days(today) or 0 for entry in found), default=0)
    render.out(
        f"{len(stale)} are due to be checked again (over 45 days old, hourly hardware over 14; {len(undated)} undated; "
        f"the oldest {oldest} days): tunewise prices list --stale"
    )
    render.out(f"{len(disputed)} are disputed, superseded or unverified.")
    for entry in too_old:
        render.out(f"too old: {entry.key}, {entry.age_days(today)} days")


def _row(entry: Entry, today: date) -> dict[str, object]:
    return {
        "key": entry.key,
        "provider": entry.provider,
        "model": entry.model,
        "name": entry.name,
        "value": entry.value,
        "unit": entry.unit,
        "source": entry.source,
        "checked": entry.checked,
        "age_days": entry.age_days(today),
        "stale": entry.stale(today),
        "confidence": entry.confidence,
        "status": entry.status,
        "readings": entry.readings,
        "note": entry.note,
    }


def table_of(*columns: str) -> Table:
    """Return a plain table, figures to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in ("value", "before", "after", "age") else "left"
        table.add_column(column, justify=justify, overflow="fold")
    return table


def figure(value: object) -> str:
    """Write a figure as it stands in the file; '-' for none."""
    if value is None:
        return "-"
    return render.decimal_text(value) if isinstance(value, Decimal) else str(value)


_DATES = {"new_jobs_until": "no new jobs from then", "restricted_since": "closed since", "retires": "shut down then"}


def _unit(unit: str) -> str:
    what, found, per = unit.partition("usd")
    if not found:
        return _DATES.get(unit, unit)
    return f"{what.replace('_', ' ')}USD{per.replace('_per_', '/').replace('_', ' ')}"


def _age(entry: Entry, today: date) -> str:
    age = entry.age_days(today)
    if age is None:
        return "[magenta]undated[/]"
    return f"[magenta]{age} d[/]" if entry.stale(today) else f"{age} d"
