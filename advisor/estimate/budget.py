"""What a given sum buys of one candidate: epochs, data, evaluation, months of use; and when the money is spent."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from advisor.estimate.case import terms_of
from advisor.estimate.cost import estimate
from advisor.estimate.training import epochs_of
from advisor.estimate.values import Candidate, Estimate, Range, Terms
from advisor.pricing import PriceBook
from advisor.workload import Workload

if TYPE_CHECKING:
    from advisor.tokens import Profile

# What is given up first, when the sum does not carry everything: evaluation rows, then epochs, then examples.
_EVALUATED = (500, 200, 50)
_SHARES = (Decimal(1), Decimal("0.75"), Decimal("0.5"), Decimal("0.25"), Decimal("0.1"))
_FEWEST_EXAMPLES = 50
_CENT_OF_A_MONTH = Decimal("0.01")


class Fit(StrEnum):
    """Whether a sum is enough: surely, at the likely figures, for a part of the time, not at all, or no volume said."""

    YES = "yes"
    LIKELY = "likely"
    PARTLY = "partly"
    NO = "no"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Month:
    """The spending of one month from ``starts`` on, and of all months up to its end, in US dollars."""

    number: int
    starts: date
    usd: Decimal
    so_far_usd: Decimal


@dataclass(frozen=True, slots=True)
class Affordable:
    """What a sum buys. ``epochs`` is None where nothing is trained; ``months`` of the ``of_months`` wanted.

    ``full_one_off_usd`` is what is paid once with nothing cut. ``total_usd`` is the middle case, ``dear_usd`` the
    upper end. ``requests_left`` is what the rest of the sum answers when no volume was given, and then ``spend`` is
    empty: no month is known.
    """

    epochs: int | None
    examples: int
    evaluation_rows: int
    one_off_usd: Range
    full_one_off_usd: Range
    monthly_usd: Range | None
    months: Decimal
    of_months: Decimal
    total_usd: Decimal
    dear_usd: Decimal
    left_usd: Decimal
    requests_left: int | None
    cuts: tuple[str, ...]
    spend: tuple[Month, ...]

    @property
    def whole(self) -> bool:
        """Tell whether the sum carries the whole time."""
        return self.months >= self.of_months

    def fit(self, limit_usd: Decimal) -> Fit:
        """Tell whether ``limit_usd``, the sum it was bought with, is enough."""
        if self.monthly_usd is None:
            return Fit.OPEN
        if not self.whole:
            return Fit.PARTLY
        return Fit.YES if self.dear_usd <= limit_usd else Fit.LIKELY


@dataclass(frozen=True, slots=True)
class _Setting:
    epochs: int | None
    share: Decimal
    rows: int


def afford(
    limit_usd: Decimal,
    candidate: Candidate,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    full: Estimate,
    *,
    today: date,
    terms: Terms | None = None,
) -> Affordable | None:
    """Return the most that ``limit_usd`` buys of ``candidate``; None: not one month of it, or its cost is not known.

    ``full`` is the candidate's estimate with all its data; its running costs are taken from there. The time is the
    horizon, also where the model ends before it.
    """
    terms, horizon = terms or terms_of(book), Decimal(workload.horizon_months)
    monthly, each = full.monthly_usd, full.marginal_usd
    if full.one_off_usd is None or (monthly is None and each is None) or full.months == 0:
        return None
    settings = list(_settings(candidate, profile, book, terms))
    least: tuple[_Setting, Range] | None = None
    for setting in settings:
        # With nothing cut it is the sum that was given: some recipes are priced with a prompt of their own.
        uncut = setting is settings[0]
        once = full.one_off_usd if uncut else _once(setting, candidate, profile, workload, book, today, terms)
        if once is None or once.mid > limit_usd:
            continue
        if monthly is None or once.mid + full.months * monthly.mid <= limit_usd:
            return _bought(limit_usd, setting, once, full.months, settings[0], profile, full, horizon, today)
        least = least or (setting, once)
    if least is None or monthly is None:
        return None
    setting, once = least
    months = ((limit_usd - once.mid) / monthly.mid).quantize(_CENT_OF_A_MONTH, rounding=ROUND_DOWN)
    if months < min(Decimal(1), full.months):
        return None  # what does not last a month is no use of the money
    return _bought(limit_usd, setting, once, months, settings[0], profile, full, horizon, today)


def monthly_spend(one_off_usd: Decimal, monthly_usd: Decimal, months: Decimal, today: date) -> tuple[Month, ...]:
    """Return the spending month by month; the first carries the one-off sum, the last may be a part of a month."""
    rows: list[Month] = []
    so_far = one_off_usd
    number = 0
    while True:
        share = min(Decimal(1), months - number)
        usd = monthly_usd * max(Decimal(0), share) + (one_off_usd if number == 0 else 0)
        so_far += usd - (one_off_usd if number == 0 else 0)
        rows.append(Month(number + 1, _months_on(today, number), usd, so_far))
        number += 1
        if number >= months:
            return tuple(rows)


def _months_on(day: date, months: int) -> date:
    """Return the same day ``months`` later, or the last of that month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))


def _settings(candidate: Candidate, profile: Profile, book: PriceBook, terms: Terms) -> Iterator[_Setting]:
    """Yield what to try, the fullest first."""
    asked = min(500, profile.examples // 10) if terms.evaluation_rows is None else terms.evaluation_rows
    rows = [asked, *(count for count in _EVALUATED if count < asked)]
    if not candidate.strategy.tunes:
        yield from (_Setting(None, Decimal(1), count) for count in rows)
        return
    offer = book.offer(candidate.backend, candidate.model) if candidate.backend else None
    most = epochs_of(candidate.hyperparameters, offer, profile.examples)
    for share in _SHARES:
        if share < 1 and profile.examples * share < _FEWEST_EXAMPLES:
            return
        for epochs in range(most, 0, -1):
            yield from (_Setting(epochs, share, count) for count in rows)


def _once(
    setting: _Setting,
    candidate: Candidate,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
    terms: Terms,
) -> Range | None:
    part = profile if setting.share == 1 else _part(profile, setting.share)
    tuned = replace(candidate, hyperparameters=replace(candidate.hyperparameters, epochs=setting.epochs))
    wanted = tuned if setting.epochs is not None else candidate
    used = replace(terms, evaluation_rows=setting.rows)
    return estimate(wanted, part, workload, book, today=today, terms=used).one_off_usd


def _part(profile: Profile, share: Decimal) -> Profile:
    def cut(count: int) -> int:
        return int(count * share)

    return replace(
        profile,
        examples=cut(profile.examples),
        tokens={name: cut(count) for name, count in profile.tokens.items()},
        billed_tokens_per_epoch={name: cut(count) for name, count in profile.billed_tokens_per_epoch.items()},
    )


def _bought(
    limit_usd: Decimal,
    setting: _Setting,
    once: Range,
    months: Decimal,
    fullest: _Setting,
    profile: Profile,
    full: Estimate,
    horizon: Decimal,
    today: date,
) -> Affordable:
    monthly = full.monthly_usd
    running = monthly.mid if monthly else Decimal(0)
    total = once.mid + months * running
    each = full.marginal_usd
    left = limit_usd - total
    examples = int(profile.examples * setting.share)
    cuts = []
    if setting.rows < fullest.rows:
        cuts.append(f"evaluates on {_count(setting.rows, 'example')} instead of {fullest.rows}")
    if setting.epochs is not None and fullest.epochs is not None and setting.epochs < fullest.epochs:
        cuts.append(f"trains {_count(setting.epochs, 'epoch')} instead of {fullest.epochs}")
    if setting.share < 1:
        cuts.append(f"trains on {examples:,} of {profile.examples:,} examples")
    if months < horizon:
        cuts.append(f"runs for {months:f} of {horizon:f} months")
    return Affordable(
        epochs=setting.epochs,
        examples=examples,
        evaluation_rows=setting.rows,
        one_off_usd=once,
        full_one_off_usd=full.one_off_usd or once,
        monthly_usd=monthly,
        months=months,
        of_months=horizon,
        total_usd=total,
        dear_usd=once.high + months * (monthly.high if monthly else 0),
        left_usd=left,
        requests_left=int(left / each.mid) if monthly is None and each is not None and each.mid else None,
        cuts=tuple(cuts),
        spend=monthly_spend(once.mid, running, months, today) if monthly is not None else (),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
