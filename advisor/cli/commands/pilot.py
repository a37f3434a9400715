"""``tunewise pilot DATA``: small measured runs, a learning curve, and what more data would buy."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.orders import Usd, extras
from advisor.cli.launching.confirm import Proposal, Terms, consent, discard, left_for, propose
from advisor.errors import DataError, RunError
from advisor.money import parse_count

if TYPE_CHECKING:
    from advisor.cli.render.evaluate import Counter
    from advisor.runs import Ledger, Order, Run
    from advisor.runs.evaluation.evaluate import Options
    from advisor.runs.evaluation.pilot import Design, Paid


_KIND_FROM = 2000  # examples that tell what kind of answers these are


class Sizes(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them."""

    name = "N,N,N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            sizes = {parse_count(part) for part in str(value).split(",")}
        except ValueError:
            sizes = {0}
        if 0 in sizes:
            self.fail(f"'{value}' is not a list of sizes such as 50,100,200.", param, ctx)
        return tuple(sorted(sizes))


@click.command("pilot")
@click.argument("data", nargs=-1, required=True)
@click.option("--backend", default="local", show_default=True, help="Where to train.")
@click.option("--model", required=True, help="What to train.")
@click.option(
    "--method", type=click.Choice(["lora", "qlora", "full"]), default="lora", show_default=True,
    help="Adapters, adapters on a 4-bit base, or every weight.",
)  # fmt: skip
@click.option("--sizes", type=Sizes(), help="Examples of each part; default: an eighth, a quarter and a half.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over each part.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="At its highest; default: by method.")
@click.option("--option", "-o", "extra", multiple=True, metavar="KEY=VALUE", help="What only this backend understands.")
@click.option("--metric", help="What is measured; 'likelihood' needs no answers, only a backend that can score.")
@click.option("--max-tokens", type=click.IntRange(1), help="The longest answer.")
@click.option("--limit", type=click.IntRange(1), help="Test on this many of the examples set aside.")
@click.option("--times", type=click.IntRange(2), default=4, show_default=True, help="How far to look ahead.")
@click.option("--target", type=common.Share(), help="The score that is needed.")
@click.option("--max-cost", type=Usd(), help="Refuse (exit 4) what all parts and answers cost beyond it.")
@click.option("--monthly-limit", type=Usd(), envvar="TUNEWISE_MONTHLY_LIMIT", help="Over all runs of this month.")
@click.option("--yes", is_flag=True, help="Do not ask; for what costs money this needs --max-cost.")
@click.option(
    "--accept-stale-prices", "stale_too", is_flag=True, help="With --yes: launch on prices over 120 days old."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws and the training.")
@common.today
@common.as_json
@click.pass_context
def command(
    ctx: click.Context,
    data: tuple[str, ...],
    backend: str,
    model: str,
    method: str,
    sizes: tuple[int, ...] | None,
    epochs: int | None,
    learning_rate: float | None,
    extra: tuple[str, ...],
    metric: str | None,
    max_tokens: int | None,
    limit: int | None,
    times: int,
    target: float | None,
    max_cost: Decimal | None,
    monthly_limit: Decimal | None,
    yes: bool,
    stale_too: bool,
    seed: int,
    today: date,
    as_json: bool,
) -> None:
    """Train on nested parts of the data, score each on the same test set, and extrapolate.

    An interrupted pilot goes on where it was: the same command trains and asks nothing twice.

    \b
    tunewise pilot train.jsonl --model Qwen/Qwen3-0.6B
    tunewise pilot train.jsonl --backend together --model Qwen/Qwen3.5-9B --sizes 100,200,400 --max-cost 20 --yes
    """
    import json
    import shlex
    from dataclasses import replace

    import backends
    from advisor.atomic import write_whole
    from advisor.cli.render.evaluate import Counter
    from advisor.cli.render.evaluate import pilot as show
    from advisor.evaluate import METRICS
    from advisor.runs import Ledger, Order
    from advisor.runs.evaluation.evaluate import LIKELIHOOD, Options
    from advisor.runs.evaluation.measurements import of_pilot
    from advisor.runs.evaluation.pilot import conclude, design, measured

    if metric is not None and metric not in (*METRICS, LIKELIHOOD):
        raise click.UsageError(f"There is no metric '{metric}'; choose one of: {', '.join(METRICS)}, {LIKELIHOOD}.")
    given = backends.Hyperparameters(epochs=epochs, learning_rate=learning_rate, seed=seed)
    order = Order(
        data, backend, model, backends.Method(method), hyperparameters=given, options=extras(extra), held_out=0
    )
    plan = design(data, sizes or (), key=f"{backend} {model} {method} {given} {sorted(extra)}", seed=seed)
    ledger = Ledger.open()
    if backend != "local" and metric != LIKELIHOOD:
        render.note("After training, every part's model is asked the test questions: that is billed too, not quoted.")
    _train(ledger, plan, order, Terms(max_cost, yes, stale_too, today), monthly_limit, as_json)
    chosen = Options(metric=metric, limit=limit, max_tokens=max_tokens, max_usd=max_cost, seed=seed)
    with Counter() as progress:
        scored_by, asked, points, usd = _measure(ledger, data, plan, chosen, today, progress)
    found = replace(
        measured(plan, scored_by, asked, points), backend=backend, model=model, method=method, answers_usd=usd
    )
    path = plan.test.with_name("pilot.json")
    write_whole(path, json.dumps(render.to_json(found), indent=2).encode())  # paid for, whatever can be made of it
    found = conclude(found, plan.available, times=times, target=target)
    write_whole(path, json.dumps(render.to_json(found), indent=2).encode())
    if as_json:
        render.json_document(found)
        return
    show(found)
    try:
        of_pilot(path, plan.available)
    except DataError:
        return  # it measured what advice cannot be built on, and plan would say so
    render.out(f"Into the advice: {shlex.join(['tunewise', 'plan', *data, '--pilot', str(path)])}")


def _train(
    ledger: Ledger, plan: Design, order: Order, terms: Terms, monthly_limit: Decimal | None, as_json: bool
) -> None:
    """Train what is not trained yet, after a person agreed to the whole."""
    from contextlib import closing
    from dataclasses import replace

    import backends
    from advisor.cli.commands.watch import follow
    from advisor.cli.launching.start import say_uncounted, send
    from advisor.runs import record

    known = _known(ledger, plan)
    missing = [(size, path) for size, path in plan.parts if size not in known]
    if missing:
        terms.check_somebody_is_here()
    proposals: list[Proposal] = []
    try:
        for size, path in missing:
            part = replace(order, data=(str(path),), group=f"{plan.id}/{size}")
            proposals.append(propose(part, None, terms.today, order.hyperparameters.seed))
        if proposals:
            consent(proposals, terms, as_json)
    except BaseException:
        discard(proposals)
        raise
    for proposal in proposals:
        proposal.backend.close()
        say_uncounted(record(ledger, proposal.run, monthly_limit=monthly_limit, now=datetime.now(UTC)))
    agreed = [proposal.run for proposal in proposals]
    todo = [run for run in _known(ledger, plan).values() if run.job.status is not backends.JobStatus.SUCCEEDED]
    # Here one part after the other, since they would share one machine; elsewhere all at once.
    for together in [[run] for run in todo] if order.backend == "local" else [todo]:
        for run in together:
            with closing(backends.get(run.spec.backend)) as backend:
                most = left_for(run, agreed, terms.max_usd) if run.id in {one.id for one in agreed} else None
                send(ledger, run.id, backend, None, most)
        if together:
            follow([run.id for run in together], as_json=as_json, document=False)
        for run in together:
            _check_trained(ledger.get(run.id))


def _check_trained(run: Run) -> None:
    """Raise RunError unless this part of a pilot has a model to measure."""
    from advisor.runs.evaluation.pilot import group_of

    if run.job.tuned_model is not None:
        return
    belongs = group_of(run)
    part = f"The part of {belongs[1]} examples ({run.id})" if belongs else run.id
    state = f"{run.job.status}: {run.job.error}" if run.job.error else f"{run.job.status}"
    further = "trains it anew" if run.job.status.finished else "goes on with it"
    raise RunError(f"{part} has no tuned model; it is {state}. The same command {further} and keeps the other parts.")


def _known(ledger: Ledger, plan: Design) -> dict[int, Run]:
    """Return the pilot's runs by their size: those that have not failed for good."""
    from advisor.runs.evaluation.pilot import group_of

    found: dict[int, Run] = {}
    for run in ledger.runs():
        belongs = group_of(run)
        if belongs is not None and belongs[0] == plan.id and not (run.job.status.finished and not run.job.tuned_model):
            found.setdefault(belongs[1], run)
    return found


def _measure(
    ledger: Ledger, data: tuple[str, ...], plan: Design, chosen: Options, today: date, progress: Counter
) -> tuple[str, int, list[Paid], Decimal | None]:
    """Score every part's model; return the metric, the examples asked, the points, and what the answers cost.

    Training and answers together stay within ``chosen.max_usd``, as far as prices are known.
    """
    from itertools import islice

    import backends
    from advisor.dataset import Dataset
    from advisor.pricing import PriceBook
    from advisor.runs.evaluation.answers import Purse
    from advisor.runs.evaluation.evaluate import tuned_score
    from advisor.runs.evaluation.pilot import Paid
    from advisor.runs.evaluation.variants import questions, tuned
    from advisor.runs.follow.receipt import bill, minutes_of

    points: list[Paid] = []
    metric, asked = "", 0
    shown = questions(islice(Dataset.open(*data).examples(), _KIND_FROM))
    known = _known(ledger, plan)
    bills = [bill(run)[0] or run.quote.usd or Decimal(0) for run in known.values()]
    purse = Purse(chosen.max_usd, spent=sum(bills, Decimal(0)), at_once=chosen.at_once)
    book, spent = PriceBook.load(), list[Decimal | None]()
    place = backends.get(next(iter(known.values())).spec.backend)
    try:
        for size, _ in plan.parts:
            run = known[size]
            one = tuned(run, place, book, today)
            if (
                one.price(backends.Completion("", prompt_tokens=0, completion_tokens=0)) is None
                and purse.cap is not None
            ):
                render.note(
                    f"warning: what asking {one.model} costs is not known; --max-cost holds for training alone."
                )
                purse.cap = None
            found = tuned_score(one, run, chosen, plan.test, shown, purse, progress)
            metric, asked = found.metric, found.examples
            spent.append(found.usd)
            cost, minutes = bill(run)[0], minutes_of(run.job)
            points.append(Paid(size, found.score.value, found.score.low, found.score.high, cost, run.id, minutes))
    finally:
        place.close()
    usd = None if None in spent else sum((one for one in spent if one is not None), Decimal(0))
    return metric, asked, points, usd
