"""``tunewise evaluate RUN|DATA``: base, few-shot and tuned on the same held-out examples."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import click

from advisor.cli import options, render
from advisor.cli.orders import Usd


@click.command("evaluate")
@click.argument("what", metavar="RUN|DATA")
@click.option(
    "--against",
    default="base",
    show_default=True,
    help="With commas: base, few-shot:5, few-shot:5:near, MODEL, RUN.",
)
@click.option("--metric", help="Instead of the one that fits the task.")
@click.option("--data", type=click.Path(path_type=Path), help="Held-out examples, instead of the run's own.")
@click.option("--backend", help="With DATA: whom to ask.")
@click.option("--model", help="With DATA: the model to ask.")
@click.option("--limit", type=click.IntRange(1), help="Ask only this many of the held-out examples.")
@click.option("--max-tokens", type=click.IntRange(1), help="The longest answer; default: twice the longest reference.")
@click.option(
    "--at-once", type=click.IntRange(1, 64), default=8, show_default=True, help="Questions on their way together."
)
@click.option("--max-cost", type=Usd(), help="Stop (exit 4) before the answers cost more.")
@click.option("--regression", is_flag=True, help="Also what tuning did to general text and the built-in suite.")
@click.option(
    "--probe",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="Training questions asked too, to see which answers are known by heart.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@options.today
@options.as_json
def command(
    what: str,
    against: str,
    metric: str | None,
    data: Path | None,
    backend: str | None,
    model: str | None,
    limit: int | None,
    max_tokens: int | None,
    at_once: int,
    max_cost: Decimal | None,
    regression: bool,
    probe: int,
    seed: int,
    today: date,
    as_json: bool,
) -> None:
    """Compare models on held-out examples, with confidence intervals; every answer is kept and asked once.

    \b
    tunewise evaluate tw-1122-7f3a9c01 --against base,few-shot:5
    tunewise evaluate tw-1122-7f3a9c01 --against tw-1122-0b44d2e9
    tunewise evaluate test.jsonl --backend openai --model gpt-4.1-mini --json
    """
    from contextlib import ExitStack, closing
    from dataclasses import replace

    import backends
    from advisor.cli.render.evaluate import Counter, show
    from advisor.evaluate import METRICS
    from advisor.pricing import PriceBook
    from advisor.runs import Ledger
    from advisor.runs.contestants import tuned
    from advisor.runs.evaluation import Options, evaluate_data, evaluate_run

    if metric is not None and metric not in METRICS:
        raise click.UsageError(f"There is no metric '{metric}'; choose one of: {', '.join(METRICS)}.")
    chosen = Options(
        against=tuple(name.strip() for name in against.split(",") if name.strip()),
        metric=metric,
        limit=limit,
        max_tokens=max_tokens,
        at_once=at_once,
        max_usd=max_cost,
        regression=regression,
        probe=probe,
        seed=seed,
    )
    book = PriceBook.load()
    with ExitStack() as held, Counter() as progress:
        if Path(what).exists():
            if backend is None or model is None:
                raise click.UsageError("DATA needs --backend and --model; or name a run.")
            place = backends.get(backend)
            try:
                found = evaluate_data((Path(what),), place, model, book, chosen, today=today, progress=progress)
            finally:
                place.close()
        else:
            ledger = Ledger.open()
            run = ledger.get(what)
            place = backends.get(run.spec.backend)
            try:
                named = {name: ledger.get(name) for name in chosen.against if name.startswith("tw-")}
                also = tuple(
                    tuned(other, held.enter_context(closing(backends.get(other.spec.backend))), book, today, name)
                    for name, other in named.items()
                )
                chosen = replace(chosen, against=tuple(name for name in chosen.against if name not in named))
                found = evaluate_run(run, place, book, chosen, today=today, held_out=data, also=also, progress=progress)
            finally:
                place.close()
            ledger.append(run.id, "scorecard", found)
    if as_json:
        render.json_document(found)
    else:
        show(found)
