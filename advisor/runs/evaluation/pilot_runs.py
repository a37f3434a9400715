"""The runs of a pilot: which parts have none yet, their training, and the score of each part's model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import islice

import backends
from advisor.dataset import Dataset
from advisor.errors import RunError
from advisor.pricing import PriceBook
from advisor.runs.evaluation.evaluate import Options, tuned_score
from advisor.runs.evaluation.pilot import Design, Paid, group_of
from advisor.runs.evaluation.variants import questions, tuned
from advisor.runs.launch.limits import Limits, left_for
from advisor.runs.launch.proposal import Proposal
from advisor.runs.launch.start import kept
from advisor.runs.launch.submit import Order, send
from advisor.runs.ledger import Ledger, TwinRunning
from advisor.runs.names import checked_name
from advisor.runs.receipt import bill, minutes_of
from advisor.runs.run import Run
from backends import JobStatus

_KIND_FROM = 2000  # examples that tell what kind of answers these are


@dataclass(frozen=True, slots=True)
class Measured:
    """What every part's model scored. ``answers_usd``: what asking them cost in all; None is unknown."""

    metric: str
    examples: int
    points: tuple[Paid, ...]
    answers_usd: Decimal | None
    unpriced: tuple[str, ...]  # models whose answers a money limit could not count


def orders_left(ledger: Ledger, design: Design, order: Order) -> list[Order]:
    """Return an order for each part that no run of the ledger trains; its size stands behind the order's name."""
    known = runs_of(ledger, design)
    return [
        replace(
            order,
            data=(str(path),),
            group=f"{design.id}/{size}",
            name=None if order.name is None else checked_name(f"{order.name}-{size}"),
        )
        for size, path in design.parts
        if size not in known
    ]


def keep(
    ledger: Ledger,
    proposals: Sequence[Proposal],
    limits: Limits,
    agree: Callable[[TwinRunning], bool] = lambda twin: False,
) -> list[str]:
    """Keep agreed parts in the ledger before any is sent; return the runs a monthly limit could not count."""
    uncounted: list[str] = []
    for one in proposals:
        one.backend.close()
        uncounted += kept(ledger, one, limits, agree)
    return uncounted


def train(
    ledger: Ledger,
    design: Design,
    agreed: Sequence[Run],
    limits: Limits,
    follow: Callable[[Sequence[str]], object],
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Send every part that is not trained yet and ``follow`` it to its end. Raises RunError when one got no model.

    Here one part after the other, since they would share one machine; elsewhere all at once.
    """
    todo = [run for run in runs_of(ledger, design).values() if run.job.status is not JobStatus.SUCCEEDED]
    local = all(run.spec.backend == "local" for run in todo)
    for together in [[run] for run in todo] if local else [todo]:
        for run in together:
            most = left_for(run, agreed, limits.max_usd) if run.id in {one.id for one in agreed} else None
            with closing(backends.get(run.spec.backend)) as backend:
                send(ledger, run.id, backend, most_usd=most, monthly_limit=limits.monthly_usd, say=say)
        if together:
            follow([run.id for run in together])
        for run in together:
            _check_trained(ledger.get(run.id))


def measure(
    ledger: Ledger,
    design: Design,
    data: Sequence[str],
    options: Options,
    today: date,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Score every part's model on the design's test part.

    Training and answers together stay within ``options.max_usd``, as far as prices are known.
    """
    points: list[Paid] = []
    metric, asked = "", 0
    shown = questions(islice(Dataset.open(*data).examples(), _KIND_FROM))
    known = runs_of(ledger, design)
    bills = [bill(run)[0] or run.quote.usd or Decimal(0) for run in known.values()]
    purse = options.purse(spent=sum(bills, Decimal(0)))
    book, spent, unpriced = PriceBook.load(), list[Decimal | None](), []
    with closing(backends.get(next(iter(known.values())).spec.backend)) as place:
        for size, _ in design.parts:
            run = known[size]
            one = tuned(run, place, book, today)
            free = backends.Completion("", prompt_tokens=0, completion_tokens=0)
            if one.price(free) is None and purse.cap is not None:
                unpriced.append(one.model)
                purse.cap = None
            found = tuned_score(one, run, options, design.test, shown, purse, progress)
            metric, asked = found.metric, found.examples
            spent.append(found.usd)
            cost, minutes = bill(run)[0], minutes_of(run.job)
            points.append(Paid(size, found.score.value, found.score.low, found.score.high, cost, run.id, minutes))
    usd = None if None in spent else sum((one for one in spent if one is not None), Decimal(0))
    return Measured(metric, asked, tuple(points), usd, tuple(unpriced))


def runs_of(ledger: Ledger, design: Design) -> dict[int, Run]:
    """Return the pilot's runs by their size: those that have not failed for good."""
    found: dict[int, Run] = {}
    for run in ledger.runs():
        belongs = group_of(run)
        gone = run.job.status.finished and not run.job.tuned_model
        if belongs is not None and belongs[0] == design.id and not gone:
            found.setdefault(belongs[1], run)
    return found


def _check_trained(run: Run) -> None:
    """Raise RunError unless this part of a pilot has a model to measure."""
    if run.job.tuned_model is not None:
        return
    belongs = group_of(run)
    part = f"The part of {belongs[1]} examples ({run.id})" if belongs else run.id
    state = f"{run.job.status}: {run.job.error}" if run.job.error else f"{run.job.status}"
    further = "trains it anew" if run.job.status.finished else "goes on with it"
    raise RunError(f"{part} has no tuned model; it is {state}. The same command {further} and keeps the other parts.")
