"""Puts an estimate together: training, evaluation, serving, storage and the horizon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor import hardware
from advisor.estimate import formulas, price_age, serving, training
from advisor.estimate.case import Case
from advisor.estimate.request_shape import Load, Three, load_of
from advisor.estimate.sheet import YOURS, Sheet, added
from advisor.estimate.values import Candidate, Estimate, Range, Spread, Strategy, Terms
from advisor.pricing import Citation, Price, PriceBook
from advisor.workload import Workload
from backends import DEFAULT_LORA_RANK

if TYPE_CHECKING:
    from advisor.tokens import Profile


def estimate(
    candidate: Candidate,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    *,
    today: date,
    terms: Terms | None = None,
) -> Estimate:
    """Price one candidate. An unknown part makes the sums over it None, and a warning names it.

    ``terms`` None: those of the user's price overlay, else the usual ones.
    """
    case = Case.of(candidate, profile, workload, book, today, terms)
    sheet = Sheet()
    listed = case.token_prices()
    prices = None if listed is None else serving.for_this_user(case, listed, sheet)
    # Where nothing is answered, what a request is like is no part of the sum.
    load = load_of(case, prices, Sheet() if candidate.serving == "none" else sheet)
    minutes: Spread | None = None
    memory_gb: float | None = None
    if candidate.strategy is Strategy.HOSTED:
        _say_when_not_sold(case, sheet)
        training.hosted(case, sheet)
    elif candidate.strategy.local:
        minutes, memory_gb = training.local(case, sheet)
    elif candidate.strategy is Strategy.RETRIEVAL:
        sheet.missing("once", "What building retrieval costs is not known.")
    marginal = serving.serve(case, prices, load, sheet)
    _evaluate(case, None if marginal is None else marginal.map(lambda usd: usd / load.answers), sheet)
    _extras(case, sheet)
    sums = _sums(case, load, marginal, sheet)
    for text in price_age.warnings(sheet.lines, today):
        sheet.warn(text)
    own = book.content.own
    return Estimate(
        one_off_usd=sums.one_off,
        per_request_usd=sums.per_request,
        monthly_usd=sums.monthly,
        total_usd=sums.total,
        train_minutes=minutes,
        gpu_gb=memory_gb,
        lines=tuple(sheet.lines),
        assumptions=tuple(sheet.assumptions),
        warnings=tuple(sheet.warnings),
        prices_as_of=sheet.oldest(),
        marginal_usd=marginal,
        fixed_monthly_usd=sums.fixed,
        amortised_monthly_usd=sums.amortised,
        months=sums.months,
        condition=sheet.condition,
        answer_s=sheet.answer_s,
        machines=sheet.machines,
        tax_usd=sums.total.times(own.tax_rate) if sums.total is not None and own.tax_rate else None,
    )


def break_even(a: Estimate, b: Estimate, months: int | Decimal) -> int | None:
    """Return the requests, over ``months``, from which ``b`` is cheaper than ``a``; None: never, or not known.

    Retraining, and moving off a model that retires, are part of what is paid up front; machines by the hour are as many
    as so many requests need.
    """
    once_a, once_b, each_a, each_b = a.one_off_usd, b.one_off_usd, a.marginal_usd, b.marginal_usd
    if once_a is None or once_b is None or each_a is None or each_b is None:
        return None
    up_front, saving = once_b.mid - once_a.mid + _later(b) - _later(a), each_a.mid - each_b.mid

    def tie(requests: Decimal) -> Decimal | None:
        fixed_a, fixed_b = (one.fixed_at(requests / months) for one in (a, b))
        if fixed_a is None or fixed_b is None:
            return None
        found = formulas.break_even_requests(up_front + months * (fixed_b.mid - fixed_a.mid), saving)
        return None if found is None else Decimal(found)

    found = formulas.stays_cheaper_from(tie)
    return None if found is None else int(found)


def _later(result: Estimate) -> Decimal:
    """Return what is paid within the horizon, neither at its start nor every month."""
    return sum((line.usd for line in result.lines if line.period == "horizon"), Decimal(0))


@dataclass(frozen=True, slots=True)
class _Sums:
    one_off: Range | None
    per_request: Range | None
    monthly: Range | None
    fixed: Range | None
    total: Range | None
    months: Decimal

    @property
    def amortised(self) -> Range | None:
        if self.total is None or not self.months:
            return None
        return self.total.map(lambda usd: formulas.tidy(usd / self.months))


def _say_when_not_sold(case: Case, sheet: Sheet) -> None:
    if case.offer is not None:
        sold = case.book.availability(case.offer, case.today, case.workload.standing.get(case.offer.provider))
        if sold.state != "open":
            sheet.warn(f"{sold.state.capitalize()}: {sold.reason}")


def _evaluate(case: Case, marginal: Range | None, sheet: Sheet) -> None:
    """Add what asking held-out examples costs, ``marginal`` an answer."""
    terms = case.terms
    rows = min(500, case.profile.examples // 10) if terms.evaluation_rows is None else terms.evaluation_rows
    if rows == 0:
        return
    if marginal is None:
        sheet.missing("once", "What evaluating it costs is not known.")
        return
    asked = rows * terms.evaluation_repeats
    each = marginal.map(lambda usd: usd + terms.judge_usd_per_row)
    if each.high:
        name = f"evaluation on {rows} held-out examples"
        low, high = asked * each.low, asked * each.high
        sheet.add(name, Decimal(asked), "request", each.mid, _same_source(sheet), period="once", low=low, high=high)


def _extras(case: Case, sheet: Sheet) -> None:
    terms, offer = case.terms, case.offer
    if offer is not None and offer.storage is not None:
        kept = offer.storage
        sheet.add("storage of the tuned model", Decimal(1), "model", kept.mid, kept.cited, period="month")
    if offer is not None and offer.storage_per_gb is not None:
        _storage_line(case, offer.storage_per_gb, sheet)
    if terms.data_usd:
        sheet.add("making the data", Decimal(1), "lot", terms.data_usd, YOURS, period="once")
    if terms.people_hours:
        sheet.add("people", terms.people_hours, "hour", terms.people_usd_per_hour, YOURS, period="once")


def _storage_line(case: Case, per_gb: Price, sheet: Sheet) -> None:
    """Add what keeping the adapter costs: two bytes a parameter of it."""
    arch = hardware.architecture(case.candidate.model)
    if arch is None:
        each = f"{per_gb.mid:f} USD per GB and month"
        sheet.missing("month", f"What keeping the adapter costs is not known: {each}, and its size is not known.")
        return
    rank = case.candidate.hyperparameters.lora_rank or DEFAULT_LORA_RANK
    size = Decimal(2 * hardware.lora_params(arch, rank)) / 1_000_000_000
    sheet.add("storage of the adapter", size, "GB", per_gb.mid, per_gb.cited, period="month")


def _sums(case: Case, load: Load, marginal: Range | None, sheet: Sheet) -> _Sums:
    months = _months_alive(case, sheet)
    one_off = sheet.sum("once")
    fixed = None if "month" in sheet.unknown else _fixed(sheet)
    monthly = _monthly(load, marginal, sheet)
    per_request = marginal if fixed is not None else None
    if fixed is not None and fixed.high > 0:
        per_request = None if monthly is None or load.requests is None else _spread(monthly, load.requests)
        if load.requests is None:
            sheet.assume("The price of a request depends on usage: this option costs the same however much it is used.")
    _retrain(case, one_off, months, sheet)
    later = sheet.sum("horizon")
    total = None
    if one_off is not None and monthly is not None and later is not None:
        total = one_off + monthly.times(months) + later
    return _Sums(one_off, per_request, monthly, fixed, total, months)


def _months_alive(case: Case, sheet: Sheet) -> Decimal:
    """Return the months the option lives inside the horizon, and say so when the model retires before its end.

    Moving off a retired model is paid when the months that the total covers are over. So an unknown price of it leaves
    the total known, and a warning names it; a price that was given is added.
    """
    candidate, horizon = case.candidate, Decimal(case.workload.horizon_months)
    if candidate.strategy.local or candidate.serving not in ("tokens", "dedicated"):
        return horizon
    found = case.offer or case.book.retirement(candidate.provider, candidate.model)
    if found is None or found.retires is None:
        return horizon
    alive = max(Decimal(0), round(Decimal((found.retires - case.today).days) / formulas.DAYS_PER_MONTH, 2))
    if alive >= horizon:
        return horizon
    instead = f" The named replacement is {found.replacement}." if found.replacement else ""
    covers = f"the total covers {alive:f} of {horizon:f} month{'' if horizon == 1 else 's'}"
    sheet.warn(f"{candidate.model} is shut down on {found.retires.isoformat()}: {covers}.{instead}")
    if case.terms.migration_usd is None:
        sheet.warn("The total ends there: what moving off it costs is not known, and comes on top.")
    else:
        sheet.add("moving to another model", Decimal(1), "time", case.terms.migration_usd, YOURS, period="horizon")
    return alive


def _retrain(case: Case, one_off: Range | None, months: Decimal, sheet: Sheet) -> None:
    every = case.terms.retrain_every_months
    if not every or not case.candidate.strategy.tunes or one_off is None:
        return
    times = -(-int(months) // every) - 1
    if times > 0:
        low, high = times * one_off.low, times * one_off.high
        cited = _same_source(sheet, "once")
        sheet.add("retraining", Decimal(times), "time", one_off.mid, cited, period="horizon", low=low, high=high)


def _fixed(sheet: Sheet) -> Range:
    """Return what a month costs without a request: hours and storage."""
    return added([line for line in sheet.lines if line.period == "month" and line.unit != "Mtok"])


def _monthly(load: Load, marginal: Range | None, sheet: Sheet) -> Range | None:
    """Return a month's cost; None when it depends on a volume nobody gave."""
    if load.requests is not None or (marginal is not None and marginal.high == 0):
        return sheet.sum("month")
    if marginal is not None:
        sheet.assume("The month and the total depend on usage: no volume was given.")
    return None


def _spread(monthly: Range, requests: Three) -> Range | None:
    few, mid, many = requests
    if few == 0:
        return None
    cases = [
        formulas.tidy(usd / count)
        for usd, count in zip((monthly.low, monthly.mid, monthly.high), (many, mid, few), strict=True)
    ]
    return Range(min(cases), cases[1], max(cases))


def _same_source(sheet: Sheet, period: str | None = None) -> Citation:
    """Return the source of a line made of other lines: that of the last of them, or of the first of a period."""
    lines = sheet.lines[::-1] if period is None else [line for line in sheet.lines if line.period == period]
    line = next((line for line in lines if line.source), None)
    return YOURS if line is None else Citation(line.source, line.checked)
