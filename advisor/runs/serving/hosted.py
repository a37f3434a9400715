"""A machine at the provider for a tuned model that answers nowhere else: its price, one start, its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from advisor.errors import OverLimit, RunError
from advisor.hardware import gpu
from advisor.money import usd
from advisor.pricing import PriceBook
from advisor.runs.ledger import Ledger
from advisor.runs.run import Run
from advisor.serialization import from_json
from backends import Backend, BackendError, ModelNotTunable, OutcomeUnknown, Rate, Serving


def machines(run: Run, backend: Backend, most_per_hour: Decimal | None) -> tuple[Rate, ...]:
    """Return the machines a run's tuned model can be served on there, cheapest first.

    Raises RunError where there are none, and OverLimit where the cheapest costs more than ``most_per_hour``.
    """
    rates = (backend.rates() or _listed(run.spec.backend)) if backend.deploys_by == "hour" else ()
    if not rates:
        raise RunError(f"{run.spec.backend} rents out no machines to serve a tuned model on.")
    if most_per_hour is not None and rates[0].usd_per_hour > most_per_hour:
        raise OverLimit(
            f"The cheapest machine at {run.spec.backend} costs {usd(rates[0].usd_per_hour)} an hour, over "
            f"--max-per-hour {usd(most_per_hour)}."
        )
    return rates


def rent(
    ledger: Ledger,
    run: Run,
    backend: Backend,
    rates: Sequence[Rate],
    *,
    idle_minutes: int,
    most_per_hour: Decimal | None,
) -> Serving:
    """Rent one machine, which stops by itself after ``idle_minutes``: written down before it is paid.

    One that turns out to cost more than ``most_per_hour`` is stopped at once: OverLimit. Raises RunError when the
    provider did not say whether it was rented; called again, this looks first.
    """
    ledger.append(run.id, "hiring", {"idle_minutes": idle_minutes})
    try:
        found = backend.serve(run.job, idle_minutes=idle_minutes)
    except OutcomeUnknown as error:
        raise RunError(
            f"{run.spec.backend} did not say whether the machine was rented; the same command looks first."
        ) from error
    except BackendError:
        ledger.append(run.id, "stopped", {})
        raise
    found = _priced(found, rates)
    ledger.append(run.id, "serving", found)
    if most_per_hour is not None and (found.usd_per_hour is None or found.usd_per_hour > most_per_hour):
        backend.stop(found)
        ledger.append(run.id, "stopped", {})
        raise OverLimit(
            f"The machine would cost {usd(found.usd_per_hour)} an hour, over --max-per-hour {usd(most_per_hour)}; it "
            "was stopped at once."
        )
    ledger.save(replace(run.job, extra={**run.job.extra, "served_as": found.model}))
    return found


def deploy(ledger: Ledger, run: Run, backend: Backend) -> Serving:
    """Deploy a tuned model where nothing is billed but the tokens of its answers, or return what stands."""
    ledger.append(run.id, "hiring", {})
    found = backend.serve(run.job)
    ledger.append(run.id, "serving", found)
    ledger.save(replace(run.job, extra={**run.job.extra, "served_as": found.model}))
    return found


def standing(ledger: Ledger, run: Run) -> Serving:
    """Return the serving of a run that stands, as far as the ledger knows. Raises RunError where there is none."""
    known = [event for kind in ("hiring", "serving", "stopped") if (event := ledger.last(run.id, kind)) is not None]
    newest = max(known, key=lambda event: event.seq, default=None)
    if newest is None or newest.kind == "stopped":
        raise RunError(f"{run.id} is not served at {run.spec.backend}; there is nothing to stop.")
    if newest.kind == "hiring":
        raise RunError(
            f"A machine was asked for and its answer was lost: 'tunewise serve {run.id} --at-provider' finds the one "
            "that stands before it rents any, and --stop ends it then."
        )
    return from_json(Serving, newest.body)


def stop(ledger: Ledger, run: Run, backend: Backend, serving: Serving) -> str | None:
    """End a serving and its bill; return what the provider said where it was gone already."""
    gone = None
    try:
        backend.stop(serving)
    except ModelNotTunable as error:
        gone = str(error)
    ledger.append(run.id, "stopped", {})
    extra = {name: value for name, value in run.job.extra.items() if name != "served_as"}
    ledger.save(replace(run.job, extra=extra))
    return gone


def _listed(backend: str) -> tuple[Rate, ...]:
    """Return the price book's machines of a provider that lists none over its API, cheapest first."""
    hosts = next((offer.hosting for offer in PriceBook.load().offers(backend) if offer.hosting), ())
    found = [
        Rate(host.gpu, host.gpu, 1, round(card.memory_gb / 1.073741824), host.usd_per_hour.high)
        for host in hosts
        if (card := gpu(host.gpu)) is not None
    ]
    return tuple(sorted(found, key=lambda rate: rate.usd_per_hour))


def _priced(found: Serving, rates: Sequence[Rate]) -> Serving:
    """Return a deployment with the price of its machine, where its provider names the machine alone."""
    if found.usd_per_hour is not None:
        return found
    each = next((rate.usd_per_hour / rate.gpus for rate in rates if rate.gpu == found.hardware), None)
    return replace(found, usd_per_hour=None if each is None else each * found.gpus)
