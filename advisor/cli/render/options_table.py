"""The table of options in a terminal: what, where, what it costs, from when it pays, how long it is sold, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import ceil

from advisor.cli import render
from advisor.cli.render.scale import short
from advisor.cli.render.screen import Screen
from advisor.estimate import Range, Strategy
from advisor.recommend import Option, Recommendation, in_tenths
from advisor.recommend import wording as words
from advisor.workload import Workload

_TOTAL, _ENDS, _REQUEST, _PAYS = 10, 16, 11, 12  # columns
_NAME = 28


def options_table(found: Recommendation, workload: Workload, screen: Screen) -> None:
    """Write one option of each kind that stands, the chosen one marked."""
    standing = [option for option in found.options if option.ruled_out_by is None]
    if not standing:
        return
    shown = representatives(standing)
    wide = screen.width >= 2 + _NAME + _TOTAL + _ENDS + _REQUEST + _PAYS
    room = screen.width - 2 - _TOTAL - _REQUEST - ((_ENDS + _PAYS) if wide else 0)
    head = f"  {'Options that stand':<{room}}{words.months(workload.horizon_months):>{_TOTAL}}"
    head += f"{'low to high':>{_ENDS}}" if wide else ""
    head += f"{'a request':>{_REQUEST}}" + (f"{'pays from':>{_PAYS}}" if wide else "")
    screen.line()
    screen.line(head, "bold")
    for option in shown:
        chosen = found.recommendation is not None and option.id == found.recommendation.id
        estimate = option.estimate
        total, each = (getattr(estimate, part) if estimate else None for part in ("total_usd", "per_request_usd"))
        row = f"{_mid(total):>{_TOTAL}}" + (f"{_ends(total):>{_ENDS}}" if wide else "") + f"{_mid(each):>{_REQUEST}}"
        row += f"{pays_from(option, workload.horizon_months):>{_PAYS}}" if wide else ""
        name = f"{screen.cut(words.name(option), room - 1):<{room}}"
        screen.parts((f"{'>' if chosen else ' '} {name}{row}", "bold green" if chosen else ""))
        about = _about(option, workload.horizon_months)
        if not wide:
            pays = pays_from(option, workload.horizon_months)
            about = [one for one in (_ends(total), pays and f"pays from {pays}") if one] + about
        screen.paragraph("; ".join(about), "" if chosen else "dim", first="    ", rest="    ")
    if len(standing) > len(shown):
        screen.line(f"  and {len(standing) - len(shown)} more of the same kinds; --json lists all.", "dim")


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


def representatives(standing: Sequence[Option]) -> list[Option]:
    """The first option of each kind: recipe and seller of a prompt; place, method and serving of a tuned model."""
    kinds: dict[tuple[object, ...], Option] = {}
    for option in standing:
        recipe = option.id.rsplit(":", 1)[-1] if option.provider and not option.strategy.tunes else ""
        recipe = recipe if recipe in ("optimised", "retrieved", "many") else ""
        where = option.gpu if option.strategy.local else option.serving
        kind = (option.strategy, option.backend if option.strategy.tunes else bool(option.provider), recipe, where)
        kinds.setdefault(kind, option)
    return list(kinds.values())


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


def _mid(amount: Range | None) -> str:
    return "unknown" if amount is None else _short(amount.mid)


def _short(usd: Decimal) -> str:
    """Write an amount in at most seven columns."""
    return render.usd(usd) if usd < 100_000 else short(float(f"{usd:.3g}"), "$")


def _ends(amount: Range | None) -> str:
    if amount is None or amount.low == amount.high:
        return ""
    return f"{_short(amount.low)}-{_short(amount.high)}"
