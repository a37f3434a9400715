"""``tunewise evaluate RUN|DATA``: base, few-shot and tuned on the same held-out examples."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped
from advisor.cli.flags.common import Usd
from advisor.errors import DataError

if TYPE_CHECKING:
    from contextlib import ExitStack

    from advisor.pricing import PriceBook
    from advisor.runs.evaluation.question import Variant

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "evaluate",
    cls=helped(
        usual=("against", "backend", "model", "metric", "max_examples", "max_cost"),
        renamed={"--limit": "--max-examples", "--data": "--test-data"},
        groups={
            "Whom to ask": ("against", "prompts", "backend", "model", "max_tokens", "at_once"),
            "With what": ("test_data", "max_examples", "seed"),
            "The score": ("metric", "schema", "database", "judge", "rubric"),
            "Side effects of tuning": ("regression", "suites", "lm_eval", "probe"),
            "Money": ("max_cost",),
        },
    ),
)
@click.argument("what", metavar="RUN|DATA", shell_complete=completing.runs_or_files)
@click.option(
    "--against",
    default="base",
    show_default=True,
    help="Separated by commas: base, few-shot, few-shot:5, few-shot:5:near, MODEL, RUN, or group (launched with it).",
)
@click.option(
    "--prompt", "prompts", multiple=True, type=_FILE, help="A system prompt to try; repeat the flag for more."
)
@click.option("--metric", type=common.MetricName(), help="Default: the one that fits the task.")
@click.option(
    "--schema", type=_FILE, help="The JSON Schema of the answers. Default: what all known answers have in common."
)
@click.option("--database", type=_FILE, help="An SQLite file to run the answers' queries on, read only.")
@click.option("--judge", metavar="BACKEND/MODEL", help="Let this model judge the answers, in both orders.")
@click.option("--rubric", type=_FILE, help="Instructions for the judge, instead of the built-in ones.")
@click.option(
    "--test-data", type=click.Path(path_type=Path), help="Ask these examples instead of those the run held out."
)
@click.option("--backend", type=common.BackendName(), help="With DATA: the backend to ask.")
@click.option("--model", help="With DATA: the model to ask.", shell_complete=completing.models)
@click.option("--max-examples", type=click.IntRange(1), help="Ask at most so many of the held-out examples.")
@click.option(
    "--max-tokens", type=click.IntRange(1), help="Longest answer, in tokens. Default: twice the longest reference."
)
@click.option(
    "--at-once", type=click.IntRange(1, 256), help="Questions asked at the same time. Default: 8, of a local model 64."
)
@click.option("--max-cost", type=Usd(), help="Stop (exit 4) before the answers cost more.")
@click.option("--regression", is_flag=True, help="Also measure what tuning did to general text and the built-in suite.")
@click.option(
    "--suite", "suites", multiple=True, type=_FILE, help="Also run your own suite (JSONL); repeat the flag for more."
)
@click.option(
    "--lm-eval",
    multiple=True,
    metavar="TASK",
    help="Also run a task of lm-evaluation-harness; repeat the flag for more.",
)
@click.option(
    "--probe",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="How many training questions to ask as well, to see what was memorised.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn: examples and intervals.")
@common.everything
@common.today
@common.as_json
def command(
    what: str,
    against: str,
    prompts: tuple[Path, ...],
    metric: str | None,
    schema: Path | None,
    database: Path | None,
    judge: str | None,
    rubric: Path | None,
    test_data: Path | None,
    backend: str | None,
    model: str | None,
    max_examples: int | None,
    max_tokens: int | None,
    at_once: int | None,
    max_cost: Decimal | None,
    regression: bool,
    suites: tuple[Path, ...],
    lm_eval: tuple[str, ...],
    probe: int,
    seed: int,
    everything: bool,
    today: date,
    as_json: bool,
) -> None:
    """Compare models on held-out examples, with confidence intervals. Answers are stored; none is paid for twice.

    \b
    tunewise evaluate tw-1122-7f3a9c01 --against base,few-shot:5
    tunewise evaluate tw-1122-7f3a9c01 --against tw-1122-0b44d2e9
    tunewise evaluate tw-1122-7f3a9c01 --judge openai/gpt-4.1 --max-cost 2
    tunewise evaluate test.jsonl --backend openai --model gpt-4.1-mini --prompt careful.txt
    """
    from contextlib import ExitStack, closing
    from dataclasses import replace

    import backends
    from advisor.cli.render.evaluate import Counter, show
    from advisor.pricing import PriceBook
    from advisor.runs import Ledger
    from advisor.runs.evaluation.evaluate import Options, evaluate_data, evaluate_run
    from advisor.runs.evaluation.variants import launched_with, tuned

    chosen = Options(
        against=tuple(name.strip() for name in against.split(",") if name.strip()),
        prompts=prompts,
        metric=metric,
        schema=schema,
        database=database,
        rubric=rubric,
        max_examples=max_examples,
        max_tokens=max_tokens,
        at_once=at_once,
        max_usd=max_cost,
        regression=regression,
        suites=suites,
        lm_eval=lm_eval,
        probe=probe,
        seed=seed,
        say=render.note,
    )
    book = PriceBook.load()
    with ExitStack() as held, Counter() as progress:
        if judge is not None:
            chosen = replace(chosen, judge=_judge(judge, held, book, today))
        if Path(what).exists():
            if backend is None or model is None:
                raise click.UsageError("DATA needs --backend and --model; or name a run.")
            if regression or suites or lm_eval:
                raise click.UsageError("--regression, --suite and --lm-eval compare a RUN with its base.")
            if test_data is not None:
                raise click.UsageError("--test-data replaces the examples a RUN held out; leave it out with DATA.")
            if backend == "local":
                common.made_ready(model)
            place = backends.get(backend)
            called = Path(what).name
            try:
                found = evaluate_data((Path(what),), place, model, book, chosen, today=today, progress=progress)
            finally:
                place.close()
        elif Path(what).suffix and not Ledger.open().knows(what):
            raise DataError(f"{what}: there is no such file; check the spelling and the folder you are in.")
        else:
            given = click.get_current_context().get_parameter_source  # a default of tunewise.yaml is for DATA
            if ParameterSource.COMMANDLINE in (given("backend"), given("model")):
                raise click.UsageError("A RUN knows its backend and model; --against MODEL asks another model as well.")
            ledger = Ledger.open()
            run = common.current_run(ledger, what)
            called = run.called
            place = backends.get(run.spec.backend)
            try:
                runs = [
                    name for name in chosen.against if name == "last" or name.startswith("tw-") or ledger.knows(name)
                ]
                others = {other.id: other for other in (common.current_run(ledger, name) for name in runs)}
                if "group" in chosen.against:
                    runs.append("group")
                    ready, waiting = launched_with(run, ledger.runs())
                    others |= {other.id: other for other in ready}
                    for other in waiting:
                        render.note(
                            f"note: {other.id} on {other.spec.backend} is {other.job.status}, so it is left out."
                        )
                if run.id in others:
                    raise click.UsageError(f"{run.id} cannot be compared with itself; name another run with --against.")
                also = tuple(
                    tuned(other, held.enter_context(closing(backends.get(other.spec.backend))), book, today, name)
                    for name, other in others.items()
                )
                chosen = replace(chosen, against=tuple(name for name in chosen.against if name not in runs))
                found = evaluate_run(
                    run, place, book, chosen, today=today, held_out=test_data, also=also, progress=progress
                )
            finally:
                place.close()
            ledger.append(run.id, "scorecard", found)
    if as_json:
        render.json_document(found)
    else:
        show(found, called, everything=everything)


def _judge(name: str, held: ExitStack, book: PriceBook, today: date) -> Variant:
    """Read BACKEND/MODEL; the backend is closed with ``held``."""
    from contextlib import closing
    from dataclasses import replace

    import backends
    from advisor.runs.evaluation.variants import contestant

    place, slash, model = name.partition("/")
    if not slash or not model or place not in backends.names():
        raise click.UsageError(f"--judge {name}: write BACKEND/MODEL, with one of: {', '.join(backends.names())}.")
    backend = held.enter_context(closing(backends.get(place)))
    return replace(contestant(model, backend, model, (), 0, book, today), name="judge")
