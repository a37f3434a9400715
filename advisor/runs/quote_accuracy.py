"""What past runs teach about the next: how fast a model trained here, and how far quotes were off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median

from advisor.runs.ledger import Ledger
from advisor.runs.receipt import ReceiptLine, peak_gb, quoted_tokens, receipt_lines
from advisor.runs.run import Quote, Run
from backends import JobSpec, JobStatus

QUANTITIES = ("training tokens", "time", "memory at its peak", "price")
_FEWEST = 3  # earlier runs from which on their median error corrects a quote
_WORTH = 0.005  # of a quantity: an error below it is not worth a word
_CENTICENT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How quotes of one backend compared with what came: percentages of the quoted quantity over ``runs`` runs."""

    backend: str
    quantity: str  # training tokens | time | memory at its peak | price
    runs: int
    median_error_pct: float  # signed: above zero, runs took more than quoted
    median_abs_pct: float
    within_10_pct: float  # share of runs, 0 to 1


def accuracy(ledger: Ledger) -> tuple[Accuracy, ...]:
    """Return how well ended runs were quoted, by backend and quantity."""
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in ledger.runs():
        if run.job.status is JobStatus.SUCCEEDED:
            for line in _judged(receipt_lines(run)):
                errors[run.spec.backend, line.name].append(line.error_pct or 0.0)
    return tuple(
        Accuracy(
            backend=backend,
            quantity=quantity,
            runs=len(found),
            median_error_pct=median(found),
            median_abs_pct=median(abs(error) for error in found),
            within_10_pct=sum(abs(error) <= 10 for error in found) / len(found),
        )
        for (backend, quantity), found in sorted(errors.items())
    )


def informed(ledger: Ledger, run: Run) -> Quote:
    """Return the run's quote with what ended runs of the same model, method and place teach, each said in a sentence.

    An unknown time is filled from their speed, an unknown memory from their peaks. From three runs on, each quantity is
    corrected by the median of actual over quoted, where quoted is what was said before any correction; the range then
    holds the first price too.
    """
    alike = [past for past in ledger.runs() if past.job.status is JobStatus.SUCCEEDED and _alike(past.spec, run.spec)]
    quote, said = run.quote, list(run.quote.assumptions)
    filled: list[str] = []
    tokens = quoted_tokens(run)
    speeds = [past.job.trained_tokens / past.job.train_seconds for past in alike
              if past.job.trained_tokens and past.job.train_seconds]  # fmt: skip
    if quote.train_minutes is None and tokens and speeds:
        speed = median(speeds)
        quote = replace(quote, train_minutes=float(tokens) / speed / 60)
        said.append(f"{speed:,.0f} tokens a second, the median of {len(speeds)} earlier runs of this model here.")
        filled.append("time")
    peaks = [peak for past in alike if (peak := peak_gb(past.job)) is not None]
    if quote.gpu_gb is None and peaks:
        quote = replace(quote, gpu_gb=median(peaks))
        said.append(f"{quote.gpu_gb:,.2f} GB at its peak, the median of {len(peaks)} earlier runs of this model here.")
        filled.append("memory at its peak")
    return _corrected(quote, alike, said, [name for name in QUANTITIES if name not in filled])


def _corrected(quote: Quote, alike: Sequence[Run], said: list[str], quantities: Sequence[str]) -> Quote:
    """Apply what at least three earlier runs teach, and say so; of fewer, only tell how their price was off."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for line in (line for past in alike for line in receipt_lines(past)):
        if line.quoted and line.actual is not None:
            ratios[line.name].append(float(line.actual / line.quoted) * line.corrected)
    factors = {name: median(found) for name in quantities if len(found := ratios[name]) >= _FEWEST}
    factors = {name: round(factor, 4) for name, factor in factors.items() if abs(factor - 1) >= _WORTH}
    for name, factor in factors.items():
        said.append(
            f"{name.capitalize()} corrected by {100 * (factor - 1):+.1f}%, the median error of {len(ratios[name])} "
            f"earlier runs of this model here{_first(quote, name)}."
        )
    prices = ratios["price"]
    if "price" not in factors and prices and quote.usd:
        off = median(prices) - 1
        likely = quote.usd * Decimal(str(round(1 + off, 4)))
        said.append(
            f"{len(prices)} earlier runs of this model here cost {100 * off:+.1f}% on their quotes (median): that "
            f"would make ${likely:.2f}."
        )
    return replace(_scaled(quote, factors), assumptions=tuple(said))


def _first(quote: Quote, name: str) -> str:
    """Say what a quantity was before it was corrected."""
    if name == "price" and quote.usd is not None:
        return f"; the lines come to ${quote.usd:.2f}"
    if name == "time" and quote.train_minutes is not None:
        return f"; it was {quote.train_minutes:,.1f} minutes"
    if name == "memory at its peak" and quote.gpu_gb is not None:
        return f"; it was {quote.gpu_gb:,.1f} GB"
    return ""


def _scaled(quote: Quote, factors: Mapping[str, float]) -> Quote:
    price = Decimal(str(factors.get("price", 1.0)))
    usd, low, high = (
        None if amount is None else (amount * price).quantize(_CENTICENT)
        for amount in (quote.usd, quote.low_usd, quote.high_usd)
    )
    if "price" not in factors:
        usd, low, high = quote.usd, quote.low_usd, quote.high_usd
    lowest = [amount for amount in (low, quote.low_usd) if amount is not None]
    highest = [amount for amount in (high, quote.high_usd) if amount is not None]
    return replace(
        quote,
        usd=usd,
        low_usd=min(lowest, default=None),
        high_usd=max(highest, default=None),
        train_minutes=None if quote.train_minutes is None else quote.train_minutes * factors.get("time", 1.0),
        train_minutes_range=quote.train_minutes_range
        and tuple(end * factors.get("time", 1.0) for end in quote.train_minutes_range),
        gpu_gb=None if quote.gpu_gb is None else quote.gpu_gb * factors.get("memory at its peak", 1.0),
        corrected=factors,
    )


# The options that say where and on how much a run trains, and what leaving one out means.
_PLACE = {"device": None, "workers": 1, "engine": "torchrun", "address": None, "shard": "ddp", "hardware": None}


def _alike(past: JobSpec, spec: JobSpec) -> bool:
    """Tell whether a past run was of the same model and method at the same place: a CPU teaches nothing of a GPU."""
    one, other = ([done.options.get(name, unsaid) for name, unsaid in _PLACE.items()] for done in (past, spec))
    return (past.backend, past.model, past.method, one) == (spec.backend, spec.model, spec.method, other)


def _judged(lines: Iterable[ReceiptLine]) -> list[ReceiptLine]:
    return [line for line in lines if line.error_pct is not None]
