"""``tunewise pilot DATA``: small measured runs, a learning curve, and what more data would buy."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped
from advisor.cli.flags.common import Usd
from advisor.cli.flags.orders import extras
from advisor.errors import DataError
from advisor.money import parse_count

if TYPE_CHECKING:
    from advisor.runs import Ledger, Order
    from advisor.runs.evaluation.pilot import Design
    from advisor.runs.launch.limits import Limits


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


@click.command(
    "pilot",
    cls=helped(
        usual=("backend", "model", "sizes", "metric", "max_examples", "max_cost", "yes"),
        renamed={"--limit": "--max-examples"},
        groups={
            "Where and what": ("backend", "model", "method", "extra", "name"),
            "Training": ("sizes", "epochs", "learning_rate", "seed"),
            "The score": ("metric", "max_examples", "max_tokens"),
            "The forecast": ("times", "target"),
            "Money": ("max_cost", "monthly_limit", "yes", "stale_too", "again"),
        },
    ),
)
@click.argument("data", nargs=-1, required=True, shell_complete=completing.files)
@click.option("--backend", type=common.BackendName(), default="local", show_default=True, help="Where to train.")
@click.option("--model", required=True, shell_complete=completing.models, help="The model to train.")
@click.option(
    "--method", type=common.Choice(["lora", "qlora", "full"]), default="lora", show_default=True,
    help="Adapters, adapters on a 4-bit base, or every weight.",
)  # fmt: skip
@click.option("--sizes", type=Sizes(), help="Examples in each part. Default: an eighth, a quarter and a half of them.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over each part.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), help="Peak learning rate. Default: by method."
)
@click.option(
    "--option", "-o", "extra", multiple=True, metavar="KEY=VALUE", help="An option that only this backend has."
)
@click.option("--name", help="Name the runs: NAME-50, NAME-100 and so on, by their examples.")
@click.option(
    "--metric",
    type=common.MetricName("likelihood"),
    help="Default: the one that fits the task; 'likelihood' needs a backend that can score, and no answers.",
)
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer, in tokens.")
@click.option("--max-examples", type=click.IntRange(1), help="Test on at most so many of the held-out examples.")
@click.option(
    "--times", type=click.IntRange(2), default=4, show_default=True, help="How many times the data to look ahead."
)
@click.option("--target", type=common.Share(), help="The score you need, 0 to 1.")
@click.option("--max-cost", type=Usd(), help="Refuse (exit 4) when all parts and answers would cost more.")
@common.monthly_limit
@common.agreed
@common.stale_too
@click.option("--again", is_flag=True, help="Start although a run of the same work has not ended.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws and of the training.")
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
    name: str | None,
    metric: str | None,
    max_tokens: int | None,
    max_examples: int | None,
    times: int,
    target: float | None,
    max_cost: Decimal | None,
    monthly_limit: Decimal | None,
    yes: bool,
    stale_too: bool,
    again: bool,
    seed: int,
    today: date,
    as_json: bool,
) -> None:
    """Train on nested parts of the data, score each on the same test set, and extrapolate.

    An interrupted pilot goes on where it stopped: the same command trains and asks nothing twice.

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
    from advisor.runs import Ledger, Order
    from advisor.runs.evaluation.evaluate import LIKELIHOOD, Options
    from advisor.runs.evaluation.measurements import of_pilot
    from advisor.runs.evaluation.pilot import conclude, design, measured
    from advisor.runs.evaluation.pilot_runs import measure
    from advisor.runs.launch.limits import Limits

    given = backends.Hyperparameters(epochs=epochs, learning_rate=learning_rate, seed=seed)
    order = Order(
        data,
        backend,
        model,
        backends.Method(method),
        hyperparameters=given,
        options=extras(extra),
        held_out=0,
        name=name,
    )
    plan = design(data, sizes or (), key=f"{backend} {model} {method} {given} {sorted(extra)}", seed=seed)
    ledger = Ledger.open()
    if backend != "local" and metric != LIKELIHOOD:
        render.note(
            "After training, the model of each part is asked the test questions; that is billed too, and not quoted."
        )
    limits = Limits(today, max_cost, monthly_limit, unattended=yes, stale_prices=stale_too, again=again)
    _train(ledger, plan, order, limits, as_json)
    chosen = Options(metric=metric, max_examples=max_examples, max_tokens=max_tokens, max_usd=max_cost, seed=seed)
    with Counter() as progress:
        got = measure(ledger, plan, data, chosen, today, progress)
    for name in got.unpriced:
        render.note(f"warning: what asking {name} costs is not known; --max-cost holds for training alone.")
    found = measured(plan, got.metric, got.examples, got.points)
    found = replace(found, backend=backend, model=model, method=method, answers_usd=got.answers_usd)
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


def _train(ledger: Ledger, plan: Design, order: Order, limits: Limits, as_json: bool) -> None:
    """Train what is not trained yet, after a person agreed to the whole."""
    from functools import partial

    from advisor.cli.following import follow
    from advisor.cli.launching.confirm import agrees_to_twin, check_somebody_is_here, consent
    from advisor.cli.launching.start import say_uncounted
    from advisor.runs.evaluation.pilot_runs import keep, orders_left, train
    from advisor.runs.launch.proposal import Proposal, discard, propose

    missing = orders_left(ledger, plan, order)
    if missing:
        check_somebody_is_here(limits)
    proposals: list[Proposal] = []
    try:
        proposals.extend(propose(one, today=limits.today, seed=order.hyperparameters.seed) for one in missing)
        if proposals:
            consent(proposals, limits, as_json)
    except BaseException:
        discard(proposals)
        raise
    say_uncounted(keep(ledger, proposals, limits, agrees_to_twin))
    agreed = [one.run for one in proposals]
    train(ledger, plan, agreed, limits, partial(follow, as_json=as_json, document=False), render.note)
