"""Renting a machine at the provider for a tuned model that answers nowhere else: its price, one start, its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.errors import OverLimit, RunError

if TYPE_CHECKING:
    from advisor.runs import Run
    from backends import Backend, Rate, Serving


def host(run: Run, *, idle_minutes: int, most_per_hour: Decimal | None, yes: bool, as_json: bool) -> None:
    """Rent a machine for a run's tuned model, after a person agreed or within a limit by the hour."""
    import backends
    from advisor.runs import Ledger

    if yes and most_per_hour is None:
        raise RunError("--yes rents nothing without --max-per-hour USD; say how much an hour may cost.")
    if not yes and not render.is_terminal():
        raise RunError("Nobody is here to agree to this; without a terminal, give --yes with --max-per-hour USD.")
    with closing(backends.get(run.spec.backend)) as backend:
        rates = (backend.rates() or _listed(run.spec.backend)) if backend.deploys_by == "hour" else ()
        if not rates:
            raise RunError(f"{run.spec.backend} rents out no machines to serve a tuned model on.")
        cheapest = rates[0]
        if most_per_hour is not None and cheapest.usd_per_hour > most_per_hour:
            raise OverLimit(
                f"The cheapest machine at {run.spec.backend} costs {render.usd(cheapest.usd_per_hour)} an hour, over "
                f"--max-per-hour {render.usd(most_per_hour)}."
            )
        for rate in rates:
            render.note(f"{rate.gpus} x {rate.gpu}, {rate.gpu_memory_gib} GiB: {render.usd(rate.usd_per_hour)} an hour")
        render.note(
            f"{run.spec.backend} chooses the machine. It is billed by the minute, from when it is ready until it has "
            f"been idle for {idle_minutes} minutes, or 'tunewise serve {run.id} --stop'."
        )
        if not yes and not render.confirm("Rent it?", err=True):
            raise RunError("Nothing was rented.")
        ledger = Ledger.open()
        ledger.append(run.id, "hiring", {"idle_minutes": idle_minutes})
        try:
            found = backend.serve(run.job, idle_minutes=idle_minutes)
        except backends.OutcomeUnknown as error:
            raise RunError(
                f"{run.spec.backend} did not say whether the machine was rented; the same command looks first."
            ) from error
        except backends.BackendError:
            ledger.append(run.id, "stopped", {})
            raise
        found = _priced(found, rates)
        ledger.append(run.id, "serving", found)
        too_dear = most_per_hour is not None and (found.usd_per_hour is None or found.usd_per_hour > most_per_hour)
        if too_dear:
            backend.stop(found)
            ledger.append(run.id, "stopped", {})
            raise OverLimit(
                f"The machine would cost {render.usd(found.usd_per_hour)} an hour, over --max-per-hour "
                f"{render.usd(most_per_hour)}; it was stopped at once."
            )
    ledger.save(replace(run.job, extra={**run.job.extra, "served_as": found.model}))
    if as_json:
        render.json_document(found)
    else:
        render.out(
            f"{found.model}: {found.status} on {found.hardware}, {render.usd(found.usd_per_hour)} an hour, stops by "
            f"itself after {found.stops_after_idle_minutes} idle minutes. Ask it: tunewise chat {run.id}"
        )


def _listed(backend: str) -> tuple[Rate, ...]:
    """Return the price book's machines of a provider that lists none over its API, cheapest first."""
    from advisor.hardware import gpu
    from advisor.pricing import PriceBook
    from backends import Rate

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


def stop(run: Run, *, as_json: bool) -> None:
    """End a serving and its bill."""
    import backends
    from advisor.runs import Ledger
    from advisor.serialization import from_json

    ledger = Ledger.open()
    known = [event for kind in ("hiring", "serving", "stopped") if (event := ledger.last(run.id, kind)) is not None]
    newest = max(known, key=lambda event: event.seq, default=None)
    if newest is None or newest.kind == "stopped":
        raise RunError(f"{run.id} is not served at {run.spec.backend}; there is nothing to stop.")
    if newest.kind == "hiring":
        raise RunError(
            f"A machine was asked for and its answer was lost: 'tunewise serve {run.id} --at-provider' finds the one "
            "that stands before it rents any, and --stop ends it then."
        )
    found = from_json(backends.Serving, newest.body)
    with closing(backends.get(run.spec.backend)) as backend:
        _gone(backend, found)
    ledger.append(run.id, "stopped", {})
    extra = {name: value for name, value in run.job.extra.items() if name != "served_as"}
    ledger.save(replace(run.job, extra=extra))
    if as_json:
        render.json_document({"run": run.id, "stopped": True})
    else:
        render.out(f"{run.id} is no longer served at {run.spec.backend}.")


def _gone(backend: Backend, serving: Serving) -> None:
    """Stop a serving; one that the provider does not know any more has stopped."""
    import backends

    try:
        backend.stop(serving)
    except backends.ModelNotTunable as error:
        render.note(f"It was gone already: {error}")
