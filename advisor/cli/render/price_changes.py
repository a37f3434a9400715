"""How changes of prices look: two price files, two plans, and what public feeds brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.cli.render.prices import figure, table_of
from advisor.cli.render.safe_text import for_markdown
from advisor.pricing.compare import Change

if TYPE_CHECKING:
    from advisor.estimate import Difference
    from advisor.pricing.refresh import Refreshed


def change_rows(found: Sequence[Change]) -> list[dict[str, object]]:
    """Return the changes for the JSON document."""
    return [
        {
            "key": change.key,
            "before": change.before,
            "after": change.after,
            "percent": _percent(change),
            "source": change.source,
            "checked": change.checked,
        }
        for change in found
    ]


def diff_page(found: Sequence[Change]) -> None:
    """Print the changes as a table."""
    if not found:
        render.out("No figure differs.")
        return
    from rich.markup import escape

    table = table_of("figure", "before", "after", "change")
    for change in found:
        cells = (change.key, figure(change.before), figure(change.after), _percent(change))
        table.add_row(*map(escape, cells))
    render.console().print(table)


def diff_markdown(found: Sequence[Change]) -> None:
    """Print the changes as a markdown table."""
    if not found:
        render.out("No figure differs.")
        return
    render.out("| figure | before | after | change | source |")
    render.out("|---|---|---|---|---|")
    for change in found:
        source = f"{change.source}, {change.checked or 'undated'}"
        cells = (change.key, figure(change.before), figure(change.after), _percent(change), source)
        render.out(f"| {' | '.join(map(for_markdown, cells))} |")


def plans(old: str, new: str, found: Sequence[Difference], *, md: bool) -> None:
    """Print two estimates side by side, as a table or as markdown."""
    rows = [
        (
            f"{item.name.replace('_', ' ')} ({item.period})",
            render.usd(item.before_usd),
            render.usd(item.after_usd),
            _signed(item.change_usd),
        )
        for item in found
    ]
    if md:
        render.out(f"| | {for_markdown(old)} | {for_markdown(new)} | change |")
        render.out("|---|---|---|---|")
        for row in rows:
            render.out(f"| {' | '.join(map(for_markdown, row))} |")
        return
    table = table_of("", "before", "after", "change")
    for row in rows:
        table.add_row(*row)
    render.out(f"before: {old}")
    render.out(f"after:  {new}")
    render.console().print(table)


def refresh_page(results: Sequence[Refreshed], failures: Mapping[str, str], written: Path | None) -> None:
    """Print what every feed brought."""
    for result in results:
        counts = f"{result.taken} figures read, {result.changed} changed, {len(result.refused)} refused"
        render.out(f"{result.feed}: {counts}, {result.unknown} not in the book")
        for text in (*result.refused, *result.remarks):
            render.out(f"  {text}")
    for text in failures.values():
        render.error(text)
    render.out(f"written: {written}" if written else "nothing written")


def _signed(usd: Decimal | None) -> str:
    return "" if usd is None else f"{'-' if usd < 0 else '+'}{render.usd(abs(usd))}"


def _percent(change: Change) -> str:
    if change.factor is None:
        return "new" if change.before is None else "gone" if change.after is None else "changed"
    return f"{(change.factor - 1) * 100:+.1f} %"
