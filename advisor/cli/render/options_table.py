"""The table of options in a terminal, one row each: what, where, what it costs, how often it is right, the odds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from advisor.cli import render
from advisor.cli.render.scale import short
from advisor.cli.render.screen import Screen
from advisor.estimate import Range, Strategy
from advisor.recommend import Option, Recommendation, in_tenths, odds_cell, short_names
from advisor.recommend import wording as words
from advisor.recommend.gates import is_over_budget
from advisor.recommend.select import kind_of, recipe_of, total, used_tuned
from advisor.workload import Workload

_UNKNOWN = "?"
_CHOSEN, _BY_HAND, _FALLEN = ">", "*", "x"
_WIDE, _WIDEST = 100, 120  # columns from which the ends and the break-even, and then the rented GPUs, have room
# Columns of a name for which a column of figures makes room: the usual ones whole, where the terminal is not narrow.
_USUAL, _WHOLE, _LEAST = 80, 34, 20


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; ``mark``: > the chosen option, * one to launch by hand, x one that is ruled out."""

    text: str
    mark: str = ""
    head: bool = False

    @property
    def fits(self) -> bool:
        return not self.head and self.mark != _FALLEN


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Option], str]
    leaves: int  # in which order columns make room, the first to go being 1


def table(found: Recommendation, workload: Workload, screen: Screen, most: int) -> list[Row]:
    """Return the heads and at most ``most`` rows, the chosen option first; nothing where no option stands."""
    return _rows(found, workload, screen, telling(found, workload, most))


def every_option(found: Recommendation, workload: Workload, screen: Screen) -> None:
    """Write every option that stands, each with what more there is to say of it, then why the others fell."""
    standing = [option for option in found.options if option.ruled_out_by is None]
    if standing:
        screen.line()
        head, *rows = _rows(found, workload, screen, standing)
        screen.line(head.text, "bold")
        for option, row in zip(standing, rows, strict=True):
            screen.line(row.text, "bold green" if row.mark == _CHOSEN else "")
            about = [option.id, *_about(option, workload.horizon_months)]
            screen.paragraph("; ".join(about), "dim", first="    ", rest="    ")
    ruled_out(found.options, screen)


def telling(found: Recommendation, workload: Workload, most: int) -> list[Option]:
    """Return what to compare: the chosen option, what would replace it, what was measured, the cheapest of each kind.

    No two of them look the same in the table. The chosen one comes first, then prompts, then what is tuned, by cost.
    What ends within the horizon, and looks cheap for it, is left out. Where the budget alone rules all tuning out, the
    cheapest of it is there to compare.
    """
    standing = [option for option in found.options if option.ruled_out_by is None]
    by_id = {option.id: option for option in standing}
    lasting = [option for option in standing if not words.shortened(option, workload.horizon_months)]
    cheapest: dict[tuple[object, ...], Option] = {}
    for option in sorted(lasting, key=_cost):
        cheapest.setdefault(_kind(option, workload.gpus), option)
    tuned = [option for option in cheapest.values() if option.strategy.tunes]
    if standing and not tuned:
        dear = [one for one in found.options if one.strategy.tunes and is_over_budget(one.ruled_out_by)]
        tuned = sorted(dear, key=_cost)
    wanted = [
        found.recommendation,
        *(by_id.get(flip.to) for flip in found.flips if not flip.on_cost_alone),
        used_tuned([option for option in standing if not option.by_hand], workload),  # that the argument names
        *tuned[:1],
        *(option for option in standing if option.quality is not None),
        *cheapest.values(),
        *lasting,
    ]
    shown: dict[tuple[str, str], Option] = {}
    for one in wanted:
        if one is not None and len(shown) < most:
            shown.setdefault((short_names.usage(one), short_names.place(one, workload.gpus)), one)
    chosen = found.recommendation.id if found.recommendation else ""
    return sorted(shown.values(), key=lambda option: (option.id != chosen, option.strategy.tunes, _cost(option)))


def _kind(option: Option, gpus: Sequence[str]) -> tuple[object, ...]:
    """Return what makes an option another kind of thing to do: the recipe of a prompt, the machines of a tune."""
    if not option.strategy.tunes:
        return kind_of(option), recipe_of(option), bool(option.provider)
    return "tuned", option.serving, option.gpu in gpus, option.by_hand


def _cost(option: Option) -> tuple[bool, Decimal]:
    """Sort key: by the month, or by the request where no volume was given; what is unknown or by the hour last."""
    cost = option.estimate
    amount = cost.amortised_monthly_usd if cost else None
    if cost and amount is None and not _hourly(option):
        amount = cost.marginal_usd
    return amount is None, amount.mid if amount else Decimal(0)


def _hourly(option: Option) -> bool:
    """Tell that it answers on machines that are paid by the hour."""
    fixed = option.estimate.fixed_monthly_usd if option.estimate else None
    return option.serving in ("dedicated", "self_hosted") and fixed is not None and fixed.high > 0


def _rows(found: Recommendation, workload: Workload, screen: Screen, options: Sequence[Option]) -> list[Row]:
    if not options:
        return []
    chosen = found.recommendation.id if found.recommendation else ""
    places = [short_names.place(option, workload.gpus, long=screen.width >= _WIDEST) for option in options]
    at = max(map(len, places)) + 2
    names = [short_names.usage(option) for option in options]
    columns = [(column, [column.cell(option) for option in options]) for column in _columns(workload, screen.width)]
    columns = [(column, cells) for column, cells in columns if set(cells) - {_UNKNOWN, ""}]
    longest = max(map(len, names))
    needed = min(longest, _WHOLE if screen.width >= _USUAL else _LEAST)
    while columns and _room(columns, at, screen.width) < needed:
        columns.remove(min(columns, key=lambda pair: pair[0].leaves))
    room = min(_room(columns, at, screen.width), longest)
    head = f"  {'':<{room + 2}}{'':<{at - 2}}" + "".join(
        f"{column.title:>{_width(column, cells)}}" for column, cells in columns
    )
    rows = [Row(head.rstrip(), head=True)]
    for number, option in enumerate(options):
        mark = (
            _FALLEN if option.ruled_out_by else _CHOSEN if option.id == chosen else _BY_HAND if option.by_hand else ""
        )
        text = f"{mark:1} {screen.cut(short_names.usage(option, room), room):<{room}}  {places[number]:<{at - 2}}"
        text += "".join(f"{cells[number]:>{_width(column, cells)}}" for column, cells in columns)
        rows.append(Row(text.rstrip(), mark))
    return rows


def _width(column: _Column, cells: Sequence[str]) -> int:
    return 2 + max(len(column.title), *map(len, cells))


def _room(columns: Sequence[tuple[_Column, Sequence[str]]], at: int, width: int) -> int:
    """Return what is left for a name between its mark and its place."""
    return width - 2 - at - sum(_width(column, cells) for column, cells in columns)


def _columns(workload: Workload, width: int) -> Iterator[_Column]:
    if workload.requests_per_month:
        yield _Column(words.months(workload.horizon_months), _total, 6)
    if width >= _WIDE:
        yield _Column("low to high", lambda option: _ends(option.estimate.total_usd if option.estimate else None), 1)
    yield _Column("per 1k", _thousand, 3)
    if width >= _WIDE:
        yield _Column("pays from", lambda option: pays_from(option, workload.horizon_months), 2)
    yield _Column("right", lambda option: words.percent(option.quality.mid) if option.quality else _UNKNOWN, 5)
    yield _Column("odds", lambda option: odds_cell(option.odds.p) if option.odds else "", 4)


def _total(option: Option) -> str:
    found = total(option)
    return _UNKNOWN if found is None else _short(found)


def _thousand(option: Option) -> str:
    """Write what a thousand requests cost, what is paid by the month among them where their number is known."""
    cost = option.estimate
    each = cost.per_request_usd if cost else None
    if cost and each is None:
        if _hourly(option):
            return "by hour"
        each = cost.marginal_usd
    return _short(1000 * each.mid) if each else _UNKNOWN


def ruled_out(options: Sequence[Option], screen: Screen) -> None:
    """Write why the others fell, those that fell for the same reason in one line."""
    groups: dict[str, list[Option]] = {}
    for option in options:
        if option.ruled_out_by:
            groups.setdefault(" ".join(option.ruled_out_by.split()[:4]), []).append(option)
    if not groups:
        return
    count = sum(map(len, groups.values()))
    screen.line()
    screen.line(f"Ruled out: {count} {'option' if count == 1 else 'options'} (--explain OPTION says more)", "bold")
    for fallen in sorted(groups.values(), key=len, reverse=True):
        first = fallen[0]
        more = f" and {len(fallen) - 1} more" if len(fallen) > 1 else ""
        names = {words.name(option) for option in options if not option.ruled_out_by}
        called = words.full_name(first) if words.name(first) in names else words.name(first)
        screen.bullet(f"{called}{more}: {first.ruled_out_by}")


def pays_from(option: Option, horizon_months: int) -> str:
    """Say from how many requests a month on tuning costs less than the prompt it is set against."""
    if not option.strategy.tunes or option.estimate is None:
        return ""
    found = option.estimate.break_even_requests
    if found is not None:
        return f"{short(float(f'{ceil(found / horizon_months):.3g}'))}/month" if found else "the start"
    return "unknown" if option.estimate.marginal_usd is None else "never"


def _about(option: Option, horizon: int) -> list[str]:
    """Where, with what, in what time, until when, and how sure its answers are."""
    if option.strategy is Strategy.RETRIEVAL:
        return [option.variant]
    parts = [words.detail(option)]
    minutes = option.estimate.train_minutes if option.estimate else None
    if minutes is not None:
        parts.append(f"trains in {words.duration(minutes.mid)}")
    parts.append(words.until(option))
    if covered := words.shortened(option, horizon):
        parts.append(f"the total is {covered}")
    if option.quality is not None:
        parts.append(f"{words.percent(option.quality.mid)} right, measured")
    elif option.odds is not None:
        parts.append(f"odds to beat the prompt {in_tenths(option.odds.p)}")
    else:
        parts.append("not measured")
    return [part for part in parts if part]


def _short(usd: Decimal) -> str:
    """Write an amount in at most seven columns."""
    return render.usd(usd) if usd < 100_000 else short(float(f"{usd:.3g}"), "$")


def _ends(amount: Range | None) -> str:
    if amount is None or amount.low == amount.high:
        return ""
    return f"{_short(amount.low)}-{_short(amount.high)}"
