"""What a run on workers that are paid by the hour is quoted at, and for how long a limit lets it hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from advisor.errors import OverLimit
from advisor.estimate import LineItem
from advisor.runs.run import Quote, Run
from backends import Json

_UNKNOWN = (
    "The price of the workers is not known; give --worker-usd-per-hour (0 if they are yours), and --max-cost then "
    "stops the run in time."
)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class WorkerTerms:
    """Terms of the workers, in US dollars: of one of them an hour, and of the whole run at most. None is unknown."""

    usd_per_hour: Decimal | None = None
    cap_usd: Decimal | None = None


def with_worker_terms(run: Run, terms: WorkerTerms, *, timed: bool) -> Run:
    """Return the run with the price of its workers as its quote, and with the hours that the cap pays for as a limit.

    ``timed``: the quote's minutes are of the kind of GPU the workers have, one of them. Nothing changes for a run that
    has no price by the hour and stays on this machine. Raises OverLimit where the cap pays for no hour at all.
    """
    elsewhere = run.spec.options.get("address") is not None
    quote = run.quote
    if terms.usd_per_hour is None:
        if not elsewhere:
            return run
        return replace(run, quote=replace(_bare(quote), warnings=(*quote.warnings, _UNKNOWN)))
    workers = workers_of(run)
    hourly = terms.usd_per_hour * workers
    if not hourly:
        free = replace(_bare(quote), usd=hourly, low_usd=hourly, high_usd=hourly, usd_per_hour=hourly)
        return replace(run, quote=free)
    if terms.cap_usd is not None and not terms.cap_usd:
        raise OverLimit(f"The workers cost ${hourly:,.2f} an hour, so --max-cost 0 starts none of them; allow more.")
    minutes = quote.train_minutes / workers if timed and quote.train_minutes is not None else None
    options = dict(run.spec.options) if terms.cap_usd is None else within(run.spec.options, terms.cap_usd / hourly)
    usd = None if minutes is None else (hourly * Decimal(str(minutes)) / 60).quantize(_CENT)
    priced = replace(
        _bare(quote),
        usd=usd,
        high_usd=usd if terms.cap_usd is None else max(usd or terms.cap_usd, terms.cap_usd),
        lines=() if minutes is None or usd is None else (_line(workers, hourly, minutes, usd),),
        train_minutes=minutes,
        usd_per_hour=hourly,
        cap_usd=terms.cap_usd,
        assumptions=(*quote.assumptions, *without_loss(workers, minutes)),
        warnings=(*quote.warnings, *_warned(hourly, minutes, options.get("max_hours"))),
    )
    return replace(run, quote=priced, spec=replace(run.spec, options=options))


def shared(cap_usd: Decimal, runs: int) -> Decimal:
    """Return the cap of each of several runs that may cost ``cap_usd`` together."""
    return cap_usd if runs == 1 else (cap_usd / runs).quantize(Decimal("0.0001"), ROUND_DOWN)


def within(options: Mapping[str, Json], hours: Decimal) -> dict[str, Json]:
    """Return the options with ``hours`` as the limit of holding workers, where they do not set a lower one."""
    asked = options.get("max_hours")
    lower = float(hours) if not isinstance(asked, int | float) else min(asked, float(hours))
    return {**options, "max_hours": lower}


def workers_of(run: Run) -> int:
    """Return how many workers a local run has."""
    asked = run.spec.options.get("workers")
    return asked if isinstance(asked, int) else 1


def without_loss(workers: int, minutes: float | None) -> tuple[str, ...]:
    """Return what a time assumes of several workers."""
    return (f"{workers} workers share the work without loss.",) if minutes is not None and workers > 1 else ()


def _bare(quote: Quote) -> Quote:
    """Return the quote without what it says of money and of this machine's time."""
    return replace(quote, usd=None, low_usd=None, high_usd=None, lines=(), train_minutes=None, prices_as_of=None)


def _line(workers: int, hourly: Decimal, minutes: float, usd: Decimal) -> LineItem:
    return LineItem(
        name="1 worker" if workers == 1 else f"{workers} workers",
        quantity=Decimal(str(round(minutes / 60, 4))),
        unit="hour",
        unit_usd=hourly,
        usd=usd,
        usd_low=usd,
        usd_high=usd,
        source="your own price by the hour",
        checked=None,
    )


def _warned(hourly: Decimal, minutes: float | None, max_hours: Json) -> tuple[str, ...]:
    """Say what an hour costs where the time is not known, and when the run will be stopped."""
    said = []
    if minutes is None:
        said.append(f"How long it takes is not known; an hour costs ${hourly:,.2f}. --gpu NAME gives an estimate.")
    if isinstance(max_hours, int | float):
        spent = hourly * Decimal(str(max_hours))
        said.append(f"The run stops, with a checkpoint, after {max_hours:,.1f} hours, when ${spent:,.2f} are spent.")
    return tuple(said)
