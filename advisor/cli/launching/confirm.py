"""What stands between a wish and a paid job: a priced proposal, the limits it must keep, and a person who agrees."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.errors import AdvisorError, OverLimit, RunError
from advisor.runs.launch.data_warnings import look_into, refused

if TYPE_CHECKING:
    from advisor.runs import Ledger, Order, Run
    from advisor.runs.launch.worker_terms import Hire
    from backends import Backend


@dataclass(frozen=True, slots=True)
class Proposal:
    """One run as it is shown before anybody agrees to it."""

    run: Run
    backend: Backend
    costs_money: bool
    notes: tuple[str, ...]
    resumed: bool = False  # it passed the preflight before; only its price is agreed to again
    no_room: str | None = None  # why this machine surely has too little memory for it
    secret: str | None = None  # what looks like a key in data that is to be sent away


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms something may start: what it may cost, whether to ask, and how old its prices may be."""

    max_usd: Decimal | None
    yes: bool
    stale_too: bool
    today: date

    def check_somebody_is_here(self) -> None:
        """Raise RunError when nobody can be asked and nothing was agreed to beforehand."""
        if not self.yes and not sys.stdin.isatty():
            raise RunError(
                "Nobody is here to agree to this; without a terminal, give --yes, with --max-cost for what costs money."
            )


def consent(proposals: Sequence[Proposal], terms: Terms, as_json: bool) -> None:
    """Let every proposal pass the limits and a person, or raise: OverLimit, RunError or the backend's refusal."""
    _sold(proposals, terms.today)
    _within(proposals, terms)
    if terms.yes and not terms.stale_too:
        _fresh(proposals, terms.today)
    for one in proposals:
        if terms.yes and one.no_room is not None:
            raise RunError(f"{one.no_room} If you know better, launch in a terminal and agree yourself.")
        if terms.yes and one.secret is not None:
            raise RunError(
                f"{one.secret} Nobody has agreed to sending it; if it is none, do so in a terminal, without --yes."
            )
    noted = [
        replace(one, notes=(*one.notes, *(() if one.resumed else one.backend.preflight(one.run.spec))))
        for one in proposals
    ]
    _agree(noted, terms.yes, as_json)


def propose(order: Order, gpu: str | None, today: date, seed: int, hire: Hire | None = None) -> Proposal:
    """Stage a run and price it; an unknown price stays unknown. ``hire``: on what terms its workers are held."""
    import backends
    from advisor import runs
    from advisor.dataset import Dataset
    from advisor.pricing import PriceBook
    from advisor.runs import Ledger, informed, quote, stage
    from advisor.runs.launch.hyperparameters import with_settings
    from advisor.runs.launch.memory_check import too_large
    from advisor.runs.launch.worker_terms import Hire, hired
    from advisor.tokens import profile

    backend = backends.get(order.backend)
    run, crowded = None, None
    try:
        run, lost = stage(order, now=datetime.now(UTC), seed=seed, validates=backend.takes_validation)
        holds = look_into(order)
        notes = [*holds.notes, *lost]
        try:
            described = profile(
                Dataset.open(run.origin.train or run.spec.train_file),
                backend=order.backend,
                model=order.model,
                objective=run.spec.objective,
            )
            notes += refused(order, described)
            valid = run.spec.validation_file
            checked = profile(Dataset.open(valid), backend=order.backend, model=order.model) if valid else None
            run = with_settings(run, backend, described)
            price = quote(run, described, PriceBook.load(), gpu=gpu, today=today, validation=checked)
            run = replace(run, quote=replace(price, assumptions=(*run.quote.assumptions, *price.assumptions)))
            ledger = Ledger.open()
            run = replace(run, quote=informed(ledger, run))
            notes += _same(ledger, run)
            crowded = too_large(run, described) if gpu is None else None
        except AdvisorError as error:
            notes.append(f"The price is unknown: {error}")
        if order.backend == "local":
            run = hired(run, hire or Hire(), timed=gpu is not None)
        notes += [*run.quote.warnings, *([crowded.text] if crowded else [])]
        no_room = crowded.text if crowded and crowded.sure else None
        said = tuple(dict.fromkeys(notes))
        return Proposal(run, backend, _costs_money(run, backend), said, no_room=no_room, secret=holds.secret)
    except BaseException:
        backend.close()
        if run is not None:
            runs.discard(run)
        raise


def _same(ledger: Ledger, run: Run) -> Iterator[str]:
    """Name what was launched with the same data and settings and has not ended: a command that was given twice."""
    for other in ledger.runs():
        alike = replace(
            other.spec, run=run.id, train_file=run.spec.train_file, validation_file=run.spec.validation_file
        )
        if other.job.status.finished or alike != run.spec or other.origin.fingerprint != run.origin.fingerprint:
            continue
        if other.job.id is None:
            yield f"{other.id} is the same and has no job yet: 'tunewise launch --resume {other.id}' goes on with it."
        else:
            yield f"{other.id} is the same and {other.job.status}: 'tunewise watch {other.id}'. This is another run."


def to_rehearse(one: Proposal) -> Proposal:
    """Return a proposal that is agreed to without its price: nothing of it will be sent or paid."""
    if one.run.spec.backend == "local":
        raise RunError("Training here costs nothing and needs no key; --model tiny walks the whole way in seconds.")
    said = (
        f"REHEARSAL: nothing is sent to {one.run.spec.backend}, trained or paid. The price above is what the launch "
        "itself would be quoted at."
    )
    return replace(one, costs_money=False, resumed=True, notes=(said, *one.notes))


def refuse_alike(proposals: Sequence[Proposal], terms: Terms) -> None:
    """Refuse to rehearse what the launch itself would refuse on these terms; without --max-cost no cost is held."""
    _sold(proposals, terms.today)
    if terms.max_usd is not None:
        _within(proposals, terms)
    if terms.yes and not terms.stale_too:
        _fresh(proposals, terms.today)


def rehearsed(one: Proposal) -> Proposal:
    """Return the proposal with the rehearsal in the place of its backend; its quote stays, and counts nowhere."""
    import backends

    spec, real = one.run.spec, one.run.quote
    one.backend.close()
    backend = backends.get(backends.REHEARSAL)
    said = f"A rehearsal of {spec.backend}, which itself was quoted at {render.usd(real.usd)}."
    quote = replace(real, assumptions=(said, *real.assumptions))
    spec = replace(spec, backend=backends.REHEARSAL, options={"stands_for": spec.backend})
    job = replace(one.run.job, backend=backends.REHEARSAL)
    return replace(one, run=replace(one.run, spec=spec, job=job, quote=quote), backend=backend)


def again(run: Run, backend: Backend) -> Proposal:
    """Return a run of the ledger that has no job yet as a proposal, at the price it was quoted."""
    return Proposal(run, backend, _costs_money(run, backend), run.quote.warnings, resumed=True)


def _costs_money(run: Run, backend: Backend) -> bool:
    """Tell whether starting it may cost money: a cluster elsewhere may, as long as nobody says what it costs."""
    quote = run.quote
    if run.rehearses:
        return False
    if any(request.costs_money for request in backend.requests(run.spec)):
        return True
    unsaid = quote.usd_per_hour is None and run.spec.options.get("address") is not None
    return bool(quote.usd or quote.usd_per_hour) or unsaid


def _sold(proposals: Sequence[Proposal], today: date) -> None:
    """Refuse what on this day is sold to nobody, not even to those who still may. Raises RunError."""
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    for proposal in proposals:
        spec = proposal.run.spec
        offer = book.offer(spec.backend, spec.model) if proposal.costs_money else None
        sold = None if offer is None else book.availability(offer, today, "active")
        if sold is not None and sold.state == "closed":
            raise RunError(f"{sold.reason} 'tunewise plan' names what is still sold.")


def _within(proposals: Sequence[Proposal], terms: Terms) -> None:
    """Hold the quotes against --max-cost. Raises OverLimit."""
    paid = [proposal for proposal in proposals if proposal.costs_money]
    max_cost = terms.max_usd
    if terms.yes and paid and max_cost is None:
        raise RunError("--yes starts nothing that costs money without --max-cost USD; say how much it may cost.")
    if max_cost is None:
        return
    for proposal in paid:
        if proposal.run.quote.highest_usd is None:
            raise OverLimit(
                f"The price of {proposal.run.spec.model} on {proposal.run.spec.backend} is unknown, so --max-cost "
                "cannot be kept; choose an option with a known price, or launch in a terminal and agree yourself."
            )
    total = _together([proposal.run for proposal in paid])
    if total > max_cost:
        raise OverLimit(f"This would cost up to {render.usd(total)}, over --max-cost {render.usd(max_cost)}.")


def left_for(run: Run, runs: Sequence[Run], max_cost: Decimal | None) -> Decimal | None:
    """Return what ``max_cost`` leaves for one of ``runs`` beside the highest price of the others; None: no limit."""
    return None if max_cost is None else max_cost - _together([other for other in runs if other.id != run.id])


def _together(runs: Sequence[Run]) -> Decimal:
    return sum((run.quote.highest_usd or Decimal(0) for run in runs), Decimal(0))


def _fresh(proposals: Sequence[Proposal], today: date) -> None:
    """Refuse to spend unattended on prices nobody has read for 120 days. Raises RunError."""
    from advisor.estimate import too_old

    for proposal in proposals:
        reason = too_old(proposal.run.quote.lines, today) if proposal.costs_money else None
        if reason is not None:
            raise RunError(f"{reason} Or agree in a terminal, or add --accept-stale-prices.")


def _agree(proposals: Sequence[Proposal], yes: bool, as_json: bool) -> None:
    """Show what will happen and ask; the answer by default is no."""
    from advisor.cli.render.launch import proposal as show

    for one in proposals:
        show(one, talk=as_json or yes)
    question = "Start?" if len(proposals) == 1 else "Start all?"
    if any(one.secret for one in proposals):
        question = f"The data seems to hold a key or password, which would be sent along. {question}"
    if not yes and not click.confirm(question, default=False, err=as_json):
        raise RunError("Nothing was started.")


def discard(proposals: Sequence[Proposal]) -> None:
    """Let go of staged runs that will not be started."""
    from advisor import runs

    for proposal in proposals:
        proposal.backend.close()
        runs.discard(proposal.run)
