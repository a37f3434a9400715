"""A run as it is proposed before anybody agrees to it: staged, checked and priced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import backends
from advisor.dataset import Dataset
from advisor.errors import AdvisorError, RunError
from advisor.money import usd
from advisor.pricing import PriceBook
from advisor.runs.launch import submit
from advisor.runs.launch.data_warnings import look_into, refused, too_long
from advisor.runs.launch.gate import costs_money
from advisor.runs.launch.hyperparameters import with_settings
from advisor.runs.launch.machine import with_machine
from advisor.runs.launch.memory_check import too_large
from advisor.runs.launch.orders import resolved
from advisor.runs.launch.quote import quote
from advisor.runs.launch.submit import Order, stage
from advisor.runs.launch.worker_terms import WorkerTerms, with_worker_terms
from advisor.runs.ledger import Ledger, same_as
from advisor.runs.quote_accuracy import informed
from advisor.runs.run import Run
from advisor.tokens import profile
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

    def checked(self) -> Proposal:
        """Return the proposal with what its backend says of it before anything is sent or uploaded.

        Raises BackendError when the backend would refuse it.
        """
        if self.resumed:
            return self
        return replace(self, notes=(*self.notes, *self.backend.preflight(self.run.spec)))


def propose(
    order: Order, *, gpu: str | None = None, today: date, seed: int = 0, workers: WorkerTerms | None = None
) -> Proposal:
    """Stage a run and price it; an unknown price stays unknown. ``workers``: on what terms its workers are held.

    The proposal holds its backend open and a folder of the run: ``discard`` lets go of both. Raises DataError when
    the data cannot be used, and BackendError.
    """
    order, spelt = resolved(order)
    Ledger.open().check_free(order.name)
    backend = backends.get(order.backend)
    run, crowded = None, None
    try:
        run, lost = stage(
            order,
            now=datetime.now(UTC),
            seed=seed,
            validates=backend.validates,
            decides=backend.validation_decides,
        )
        backend.check_stated(run.spec)
        holds = look_into(order)
        run = replace(run, origin=replace(run.origin, left_out=holds.left_out))
        notes = [*spelt, *holds.notes, *lost]
        try:
            described = profile(
                Dataset.open(run.origin.train or run.spec.train_file),
                backend=order.backend,
                model=order.model,
                objective=run.spec.objective,
            )
            notes += refused(order, described)
            notes += too_long(described, order.model) if order.backend == "local" else []
            valid = run.spec.validation_file
            checked = profile(Dataset.open(valid), backend=order.backend, model=order.model) if valid else None
            run = with_settings(run, backend, described)
            terms, book = workers or WorkerTerms(), PriceBook.load()
            if backend.held_beside_minutes is not None:
                run = with_machine(run, backend, described, book, terms.cap_usd)
            else:
                price = quote(run, described, book, gpu=gpu, today=today, validation=checked)
                run = replace(run, quote=replace(price, assumptions=(*run.quote.assumptions, *price.assumptions)))
            ledger = Ledger.open()
            run = replace(run, quote=informed(ledger, run))
            notes += [f"{same_as(twin)}. This is another run." for twin in ledger.runs() if twin.is_twin_of(run)]
            crowded = too_large(run, described) if gpu is None else None
        except AdvisorError as error:
            notes.append(f"The price is unknown: {error}")
        if order.backend == "local":
            run = with_worker_terms(run, workers or WorkerTerms(), timed=gpu is not None)
        notes += [*run.quote.warnings, *([crowded.text] if crowded else [])]
        no_room = crowded.text if crowded and crowded.sure else None
        said = tuple(dict.fromkeys(notes))
        return Proposal(run, backend, costs_money(run, backend), said, no_room=no_room, secret=holds.secret)
    except BaseException:
        backend.close()
        if run is not None:
            submit.discard(run)
        raise


def to_resume(run: Run, backend: Backend) -> Proposal:
    """Return a run of the ledger that has no job yet as a proposal, at the price it was quoted."""
    return Proposal(run, backend, costs_money(run, backend), run.quote.warnings, resumed=True)


def to_rehearse(one: Proposal) -> Proposal:
    """Return a proposal that is agreed to without its price: nothing of it will be sent or paid."""
    if one.run.spec.backend == "local":
        raise RunError(
            "Training here costs nothing and needs no key; --model tiny goes through a whole run in seconds."
        )
    said = (
        f"REHEARSAL: nothing is sent to {one.run.spec.backend}, trained or paid. The price above is what the launch "
        "itself would be quoted at."
    )
    return replace(one, costs_money=False, resumed=True, notes=(said, *one.notes))


def rehearsed(one: Proposal) -> Proposal:
    """Return the proposal with the rehearsal in the place of its backend; its quote stays, and counts nowhere."""
    spec, real = one.run.spec, one.run.quote
    one.backend.close()
    backend = backends.get(backends.REHEARSAL)
    said = f"A rehearsal of {spec.backend}, which itself was quoted at {usd(real.usd)}."
    quoted = replace(real, assumptions=(said, *real.assumptions))
    spec = replace(spec, backend=backends.REHEARSAL, options={"stands_for": spec.backend})
    job = replace(one.run.job, backend=backends.REHEARSAL)
    run = replace(one.run, name=None, spec=spec, job=job, quote=quoted)  # the name is for the run that is rehearsed
    return replace(one, run=run, backend=backend)


def discard(proposals: Sequence[Proposal]) -> None:
    """Let go of staged runs that will not be started."""
    for proposal in proposals:
        proposal.backend.close()
        submit.discard(proposal.run)
