"""Quoted beside billed: what a run was said to take and what it took, in tokens, minutes, dollars and memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

from advisor.display import Shown
from advisor.estimate import LineItem
from advisor.estimate.formulas import MILLION
from advisor.runs.ledger import Ledger
from advisor.runs.run import Run
from backends import Job, JobStatus


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One quantity, quoted and actual, in ``unit``; None is unknown.

    ``error_pct`` is actual over quoted, minus one, once the run has ended.
    """

    name: str
    unit: str
    quoted: Decimal | None
    actual: Decimal | None
    error_pct: float | None
    basis: str  # who says so: the provider, the trainer, or our arithmetic
    corrected: float = 1.0  # the factor in ``quoted`` that earlier runs taught; 1: none


@dataclass(frozen=True, slots=True)
class Receipt(Shown):
    """Quoted beside billed for one run."""

    run: str
    backend: str
    model: str
    status: JobStatus
    lines: tuple[ReceiptLine, ...]
    quote_usd: Decimal | None
    billed_usd: Decimal | None
    error_pct: float | None
    basis: str
    quote_lines: tuple[LineItem, ...]
    serving: str = ""  # how what was trained can be served, and what that costs; "" on this machine
    provider_quote_usd: Decimal | None = None  # the provider's own, where it gives one before it is paid
    missing: tuple[str, ...] = ()  # what could not be read of a run that has ended
    name: str | None = None  # of the run
    twins: tuple[str, ...] = ()  # other jobs there that carry this run's tag, whose bills are not in this one


def receipt(ledger: Ledger, run_id: str) -> Receipt:
    """Return the receipt of a run, as far as the ledger knows it."""
    return receipt_of(ledger, ledger.get(run_id))


def receipt_of(ledger: Ledger, run: Run) -> Receipt:
    """Return the receipt of a run as it is given, which may have come further than the ledger knows."""
    billed, basis = bill(run)
    lines = receipt_lines(run)
    return Receipt(
        run=run.id,
        backend=run.spec.backend,
        model=run.spec.model,
        status=run.job.status,
        lines=lines,
        quote_usd=run.quote.usd,
        billed_usd=billed,
        error_pct=lines[-1].error_pct,
        basis=basis,
        quote_lines=run.quote.lines,
        serving=run.quote.serving,
        provider_quote_usd=_money(run.job.extra.get("provider_quote_usd")),
        missing=_missing(ledger, run.id),
        name=run.name,
        twins=run.job.twins,
    )


def _missing(ledger: Ledger, run_id: str) -> tuple[str, ...]:
    noted = ledger.last(run_id, "missing")
    what = noted.body.get("what") if noted is not None and isinstance(noted.body, dict) else None
    return tuple(map(str, what)) if isinstance(what, list) else ()


def receipt_lines(run: Run) -> tuple[ReceiptLine, ...]:
    """Return tokens, time, memory and price of a run, quoted beside actual."""
    billed, basis = bill(run)
    return (
        _line(run, "training tokens", "tokens", quoted_tokens(run), _decimal(run.job.trained_tokens), _who(run)),
        _line(run, "time", "minutes", _decimal(run.quote.train_minutes), _decimal(minutes_of(run.job)), _who(run)),
        _line(run, "memory at its peak", "GB", _decimal(run.quote.gpu_gb), _decimal(peak_gb(run.job)), _who(run)),
        _line(run, "price", "USD", run.quote.usd, billed, basis),
    )


def bill(run: Run) -> tuple[Decimal | None, str]:
    """Return what a run cost in US dollars and who says so; None while that is not known.

    The provider's own figure comes first; else the quoted rates times the tokens or minutes that were really used.
    """
    job = run.job
    if job.billed_usd is not None and job.billed_usd.is_finite() and job.billed_usd >= 0:
        return job.billed_usd, "billed by the provider"
    if job.id is None and run.unanswered:
        return None, "whether it was sent is not known"
    if job.id is None:
        return (Decimal(0), "nothing was sent") if job.status.finished else (None, "not sent yet")
    if run.rehearses:
        return Decimal(0), "a rehearsal: nothing was sent"
    if not job.status.finished:
        return None, "not finished"
    if run.quote.usd == 0:
        return Decimal(0), "your own machine"
    if run.quote.usd_per_hour is not None:
        who = "the workers were held, at your price by the hour"
        return held_usd(run), f"computed from the time {who if run.spec.backend == 'local' else 'it ran, as quoted'}"
    actual = [_actual(line, run) for line in run.quote.lines if line.usd]
    known = [usd for usd in actual if usd is not None and usd >= 0]  # fewer than no tokens would make room in a limit
    if not actual or len(known) < len(actual):
        return None, "the provider gave neither a bill nor the quantities"
    setup = any(_setup_hours(line, run) for line in run.quote.lines)
    said = " and the quoted hours of setting the machine up" if setup else ""
    return sum(known, Decimal(0)), f"computed from what was used, at the quoted rates{said}"


def settle(ledger: Ledger, run_id: str) -> None:
    """Replace the reservation of an ended run by its bill, where that is known."""
    run = ledger.get(run_id)
    usd, basis = bill(run)
    if usd is not None and run.job.status.finished:
        ledger.settle(run_id, usd, basis)


def held_usd(run: Run) -> Decimal | None:
    """Return what a run's workers cost so far, by the time they were held; None when that is not known."""
    ran = None if run.spec.backend == "local" else run.job.train_seconds
    held = run.job.extra.get("held_seconds", ran)
    if held is None or Decimal(held) < 0 or run.quote.usd_per_hour is None:
        return None
    return (run.quote.usd_per_hour * Decimal(held) / 3600).quantize(Decimal("0.0001"))


def minutes_of(job: Job) -> float | None:
    """Return how long a job trained, in minutes; None when not known."""
    if job.train_seconds is not None:
        return job.train_seconds / 60
    if job.started is not None and job.finished is not None:
        return (job.finished - job.started).total_seconds() / 60
    return None


def peak_gb(job: Job) -> float | None:
    """Return the most memory a local trainer held, in GB: on the GPU, else in RAM. Its summary lies by its metrics."""
    if job.metrics_path is None:
        return None
    try:
        found = json.loads(job.metrics_path.with_name("summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    peak = found.get("peak_allocated_gb") or found.get("peak_resident_gb") if isinstance(found, dict) else None
    return float(peak) if isinstance(peak, int | float) else None


def quoted_tokens(run: Run) -> Decimal | None:
    """Return the training tokens the quote was made for, over all epochs; None when it names none.

    What validating reads is billed too, but is not among the tokens that a provider says it trained on.
    """
    found = [_in_tokens(line) for line in run.quote.lines]
    known = [tokens for tokens in found if tokens is not None]
    factor = Decimal(str(run.quote.corrected.get("training tokens", 1) * (1 - run.quote.validation_share)))
    return (sum(known, Decimal(0)) * factor).to_integral_value() if known else None


def _actual(line: LineItem, run: Run) -> Decimal | None:
    """Return what a quoted line came to, given what the job really used.

    The hours of setting a rented machine up, which no job measures, count as quoted.
    """
    job, minutes = run.job, minutes_of(run.job)
    if _in_tokens(line) is not None and job.trained_tokens is not None:
        scale = MILLION if line.unit in _MILLIONS else Decimal(1)
        return Decimal(job.trained_tokens) / scale * line.unit_usd
    if line.unit in _MINUTES and minutes is not None:
        setup = _setup_hours(line, run)
        if setup is None:
            return None
        return (Decimal(str(minutes)) / _MINUTES[line.unit] + setup) * line.unit_usd
    return None


def _setup_hours(line: LineItem, run: Run) -> Decimal | None:
    """Return the hours of a rented machine that were quoted beyond training; None when the quote does not say."""
    if run.spec.backend != "local" or line.unit not in _MINUTES:
        return Decimal(0)
    if run.quote.train_minutes is None:
        return None
    minutes = run.quote.train_minutes / run.quote.corrected.get("time", 1.0)  # as the line was made
    beyond = line.quantity - Decimal(str(minutes)) / _MINUTES[line.unit]
    return max(Decimal(0), round(beyond, 4))


_MILLIONS = ("Mtok", "million tokens", "1M tokens")
_MINUTES = {"hour": Decimal(60), "hours": Decimal(60), "GPU-hour": Decimal(60), "minute": Decimal(1)}


def _in_tokens(line: LineItem) -> Decimal | None:
    if line.unit in _MILLIONS:
        return line.quantity * MILLION
    return line.quantity if line.unit in ("token", "tokens") else None


def _who(run: Run) -> str:
    return "the trainer" if run.spec.backend == "local" else "the provider"


def _money(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _decimal(value: float | int | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _line(run: Run, name: str, unit: str, quoted: Decimal | None, actual: Decimal | None, basis: str) -> ReceiptLine:
    measured = quoted and actual is not None and run.job.status.finished and not run.rehearses
    error = float(actual / quoted - 1) * 100 if measured and quoted and actual is not None else None
    return ReceiptLine(name, unit, quoted, actual, error, basis, run.quote.corrected.get(name, 1.0))
