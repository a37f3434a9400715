"""How an evaluation is put together: the questions, who answers them at what price, the losses, the scorecard."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from advisor.dataset import Dataset, split
from advisor.errors import RunError
from advisor.evaluate import scorecard as cards
from advisor.evaluate.metrics import Answer
from advisor.evaluate.regression import worst
from advisor.evaluate.statistics import Interval, ratio_interval
from advisor.evaluate.suite import suite
from advisor.evaluate.training import curves, overfitting
from advisor.paths import home
from advisor.runs.evaluation.answers import losses
from advisor.runs.evaluation.compare import Options as Options
from advisor.runs.evaluation.compare import compare_on, room
from advisor.runs.evaluation.contamination import by_heart, leaks, near_copies, overfitted, validated_on
from advisor.runs.evaluation.forgetting import regressions
from advisor.runs.evaluation.memorisation_probe import probe
from advisor.runs.evaluation.question import Question, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from advisor.runs.evaluation.variants import contestant, prompted, questions, tuned
from advisor.runs.provider_events import read_events
from advisor.task import TaskType
from backends import Backend

if TYPE_CHECKING:
    from advisor.pricing import PriceBook
    from advisor.runs.run import Run

LIKELIHOOD = "likelihood"


def evaluate_run(
    run: Run,
    backend: Backend,
    book: PriceBook | None,
    options: Options,
    *,
    today: date,
    held_out: Path | None = None,
    also: Sequence[Variant] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> cards.Scorecard:
    """Compare a run's tuned model with what ``options.against`` names and with ``also``, on its held-out examples."""
    for own in options.suites:
        suite(own)  # a fault in a file is told before anything is asked
    mine = tuned(run, backend, book, today)
    path = held_out or run.origin.held_out
    if path is None:
        raise RunError(f"{run.id} held out no examples; give some with --test-data.")
    asked = questions(Dataset.open(path).examples(), options.max_examples, options.seed)
    shown = questions(Dataset.open(run.origin.train).examples()) if run.origin.train is not None else []
    base = run.job.extra.get("base", run.spec.model)
    contestants = [*_named(backend, base, shown, options, book, today), *also, mine]
    task = TaskType(run.origin.task) if run.origin.task else None
    purse = options.purse()
    samples = run.folder / "evaluation" / "samples.jsonl"
    found = compare_on(asked, contestants, options, task, samples, progress, purse, shown)
    curve = overfitting(curves(read_events(run.id)))
    warnings = [*found.warnings, *validated_on(run, path), *leaks(asked, shown), *near_copies(asked, shown)]
    warnings += [curve] if curve else []
    conversations = [question.conversation for question in asked]
    before = losses(backend, base, conversations)
    after = losses(backend, mine.model, conversations)
    loss = cards.compare_loss(before, after, seed=options.seed) if before and after else None
    if after is not None and shown:
        seen = Random(options.seed).sample(shown, min(len(shown), len(asked)))
        trained = losses(backend, mine.model, [one.conversation for one in seen])
        warnings += overfitted(trained, after, options.seed)
    heard = probe(
        mine,
        asked,
        shown,
        count=options.probe,
        samples=samples,
        max_tokens=options.max_tokens or room([Answer.of(question.reference) for question in asked]),
        at_once=options.at_once,
        purse=purse,
        seed=options.seed,
        progress=progress,
        say=options.say,
    )
    warnings += by_heart(heard)
    suites: tuple[cards.Regression, ...] = ()
    left_out: list[str] = []
    if options.regression or options.suites or options.lm_eval:
        before_it = contestant("base", backend, base, (), options.seed, book, today)
        suites, left_out = regressions(before_it, mine, options, run.folder, purse)
    gravest = worst(suites)
    if gravest is not None and gravest.verdict != "fine":
        warnings.append(
            f"Forgetting ({gravest.verdict}): {gravest.suite} changed by {gravest.change:+.3f}. For a model of many "
            "tasks lower the learning rate, train fewer epochs, or mix general examples in. For this one task alone it "
            "does no harm: send it nothing else, and ask the base for the rest (the adapter leaves it as it is)."
        )
    if loss is not None and loss.low > 0:
        warnings.append(
            "The tuned model is worse than its base on held-out loss: it overfitted, or its training data does not fit "
            "the task."
        )
    return replace(
        found,
        run=run.id,
        loss=loss,
        recited=heard,
        regression=gravest,
        suites=suites,
        warnings=tuple(warnings),
        notes=(*found.notes, *left_out),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's score on a test file; ``usd`` is what its answers cost, None where that is not known."""

    metric: str
    examples: int
    score: Interval
    usd: Decimal | None


def tuned_score(
    one: Variant,
    run: Run,
    options: Options,
    test: Path,
    shown: Sequence[Question],
    purse: SpendCap,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Score a run's tuned model, as ``one``, alone on a test file; its answers are paid from ``purse``.

    ``shown`` are further examples, which tell what kind of answers these are where the test file holds few.
    The metric "likelihood" is exp(-loss), the geometric mean probability of the answers' tokens: it needs no answers,
    only a backend that can score.
    """
    asked = questions(Dataset.open(test).examples(), options.max_examples, options.seed)
    if options.metric == LIKELIHOOD:
        found = losses(one.backend, one.model, [question.conversation for question in asked])
        if found is None:
            raise RunError(f"{one.backend.name} does not say how likely an answer is; choose another --metric.")
        mean = ratio_interval(found.sums, found.tokens, seed=options.seed)
        score = Interval(math.exp(-mean.value), math.exp(-mean.high), min(1.0, math.exp(-mean.low)))
        return Measured(LIKELIHOOD, len(asked), score, Decimal(0) if one.backend.name == "local" else None)
    task = TaskType(run.origin.task) if run.origin.task else None
    samples = run.folder / "evaluation" / "samples.jsonl"
    card = compare_on(asked, [one], options, task, samples, progress, purse, shown)
    (row,) = card.rows
    return Measured(card.metric, card.examples, Interval(row.score, row.low, row.high), row.usd)


def evaluate_data(
    data: Sequence[Path],
    backend: Backend,
    model: str,
    book: PriceBook | None,
    options: Options,
    *,
    today: date,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> cards.Scorecard:
    """Ask models of one backend the examples of a file; few-shot examples come from one half, asked is the other.

    The halves share no prompt, and hold every label in the same share.
    """
    name = hashlib.sha256("\n".join(str(path.absolute()) for path in data).encode()).hexdigest()[:12]
    folder = home() / "evaluations" / name
    shown: list[Question] = []
    held = Dataset.open(*data)
    if any(name.startswith("few-shot") for name in options.against):
        ours, theirs = split(held, folder, held_out=0.5, seed=options.seed)
        shown, held = questions(Dataset.open(ours).examples()), Dataset.open(theirs)
    asked = questions(held.examples(), options.max_examples, options.seed)
    contestants = _named(backend, model, shown, options, book, today)
    known = shown or questions(held.examples())  # beyond those asked: a few answers of many labels look like any text
    return compare_on(asked, contestants, options, None, folder / "samples.jsonl", progress, shown=known)


def _named(
    backend: Backend,
    base: str,
    shown: Sequence[Question],
    options: Options,
    book: PriceBook | None,
    today: date,
) -> list[Variant]:
    """Return who is named by the options. Raises RunError when two have the same name."""
    found = [contestant(name, backend, base, shown, options.seed, book, today) for name in options.against]
    found += [prompted(path, backend, base, book, today) for path in options.prompts]
    twice = [name for name, times in Counter(one.name for one in found).items() if times > 1]
    if twice:
        raise RunError(f"{twice[0]} is named twice; name every option once, and prompt files differently.")
    return found
