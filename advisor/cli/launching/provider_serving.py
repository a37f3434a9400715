"""A machine at the provider for a tuned model, as a person meets it: its price, a yes, and how it is ended."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.errors import RunError

if TYPE_CHECKING:
    from advisor.runs import Run
    from backends import Backend


def deploy(run: Run, *, idle_minutes: int, most_per_hour: Decimal | None, yes: bool, as_json: bool) -> None:
    """Let a run's tuned model answer at its provider: on a rented machine, or where only its answers are billed."""
    import backends

    with closing(backends.get(run.spec.backend)) as backend:
        if backend.deploys_by == "token":
            return _by_token(run, backend, as_json)
    return host(run, idle_minutes=idle_minutes, most_per_hour=most_per_hour, yes=yes, as_json=as_json)


def _by_token(run: Run, backend: Backend, as_json: bool) -> None:
    """Deploy without asking: nothing is billed until somebody asks the model."""
    from advisor.runs import Ledger
    from advisor.runs.serving.hosted import deploy as deploy_there

    found = deploy_there(Ledger.open(), run, backend)
    if as_json:
        render.json_document(found)
    else:
        price = f" {run.quote.serving}" if run.quote.serving else ""
        render.out(f"{found.model}: {found.status}; it answers once it is active: tunewise chat {run.id}.{price}")


def host(run: Run, *, idle_minutes: int, most_per_hour: Decimal | None, yes: bool, as_json: bool) -> None:
    """Rent a machine for a run's tuned model, after a person agreed or within a limit by the hour."""
    import backends
    from advisor.runs import Ledger
    from advisor.runs.serving.hosted import machines, rent

    if yes and most_per_hour is None:
        raise RunError("--yes rents nothing without --max-per-hour USD; say how much an hour may cost.")
    if not yes and not render.is_terminal():
        raise RunError("Nobody is here to agree to this; without a terminal, give --yes with --max-per-hour USD.")
    with closing(backends.get(run.spec.backend)) as backend:
        rates = machines(run, backend, most_per_hour)
        for rate in rates:
            render.note(
                f"{rate.gpus} x {rate.gpu}, {rate.gpu_memory_gib * 2**30 / 1e9:.0f} GB: "
                f"{render.usd(rate.usd_per_hour)} an hour"
            )
        render.note(
            f"{run.spec.backend} chooses the machine. It is billed by the minute, from when it is ready until it has "
            f"been idle for {idle_minutes} minutes, or 'tunewise serve {run.id} --stop'."
        )
        if not yes and not render.confirm("Rent it?", err=True):
            raise RunError("Nothing was rented.")
        found = rent(Ledger.open(), run, backend, rates, idle_minutes=idle_minutes, most_per_hour=most_per_hour)
    if as_json:
        render.json_document(found)
    else:
        render.out(
            f"{found.model}: {found.status} on {found.hardware}, {render.usd(found.usd_per_hour)} an hour, stops by "
            f"itself after {found.stops_after_idle_minutes} idle minutes. Ask it: tunewise chat {run.id}"
        )


def end(run: Run, *, as_json: bool) -> None:
    """End a serving and its bill."""
    import backends
    from advisor.runs import Ledger
    from advisor.runs.serving.hosted import standing, stop

    ledger = Ledger.open()
    found = standing(ledger, run)
    with closing(backends.get(run.spec.backend)) as backend:
        gone = stop(ledger, run, backend, found)
    if gone is not None:
        render.note(f"It was gone already: {gone}")
    if as_json:
        render.json_document({"run": run.id, "stopped": True})
    else:
        render.out(f"{run.id} is no longer served at {run.spec.backend}.")
