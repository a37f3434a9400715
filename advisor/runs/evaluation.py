"""How an evaluation is put together: the questions, who answers them at what price, the losses, the scorecard."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from advisor.dataset import Dataset
from advisor.errors import RunError
from advisor.evaluate import scorecard as cards
from advisor.evaluate.metrics import Answer, metric_for
from advisor.evaluate.regression import compare_suite, compare_text, general_text, suite, worst
from advisor.evaluate.statistics import Interval, ratio_interval
from advisor.evaluate.training import curves, overfitting
from advisor.home import home
from advisor.runs.asking import Answers, Contestant, Conversation, Purse, Question, ask_all, losses
from advisor.runs.contestants import contestant, questions, tuned
from advisor.runs.doubts import by_heart, leaks, memorised
from advisor.runs.probe import probe
from advisor.runs.watch import read_events
from advisor.task import TaskType
from backends import Backend, Message

if TYPE_CHECKING:
    from advisor.pricing import PriceBook
    from advisor.runs.ledger import Run

_FEWEST = 30  # held-out examples below which a comparison says next to nothing
_TOKENS_FOR_ANSWER = 512
LIKELIHOOD = "likelihood"
_SUITE_TOKENS = 128
_SUITE_SAMPLE, _SUITE_RIGHT = 7, 3  # every seventh item is asked first, and three must be right
_PROSE: Message = {"role": "user", "content": "Write a paragraph."}


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate. ``at_once`` questions are on their way together; ``max_usd`` caps what is spent.

    ``probe``: so many training questions are asked too, to see which answers are known by heart.
    """

    against: tuple[str, ...] = ("base",)
    metric: str | None = None
    limit: int | None = None
    max_tokens: int | None = None
    at_once: int = 8
    max_usd: Decimal | None = None
    regression: bool = False
    probe: int = 30
    seed: int = 0


def evaluate_run(
    run: Run,
    backend: Backend,
    book: PriceBook | None,
    options: Options,
    *,
    today: date,
    held_out: Path | None = None,
    also: Sequence[Contestant] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> cards.Scorecard:
    """Compare a run's tuned model with what ``options.against`` names and with ``also``, on its held-out examples."""
    mine = tuned(run, backend, book, today)
    path = held_out or run.origin.held_out
    if path is None:
        raise RunError(f"{run.id} kept no examples back; give a held-out file with --data.")
    asked = questions(Dataset.open(path).examples(), options.limit, options.seed)
    shown = questions(Dataset.open(run.origin.train).examples()) if run.origin.train is not None else []
    base = run.job.extra.get("base", run.spec.model)
    contestants = [contestant(name, backend, base, shown, options.seed, book, today) for name in options.against]
    contestants += [*also, mine]
    task = TaskType(run.origin.task) if run.origin.task else None
    purse = Purse(options.max_usd, at_once=options.at_once)
    samples = run.folder / "evaluation" / "samples.jsonl"
    found = compare_on(asked, contestants, options, task, samples, progress, purse)
    curve = overfitting(curves(read_events(run.id)))
    warnings = [*found.warnings, *leaks(asked, shown), *([curve] if curve else [])]
    conversations = [question.conversation for question in asked]
    before = losses(backend, base, conversations)
    after = losses(backend, mine.model, conversations)
    loss = cards.compare_loss(before, after, seed=options.seed) if before and after else None
    if loss is not None and shown:
        seen = Random(options.seed).sample(shown, min(len(shown), len(asked)))
        warnings += memorised(loss, losses(backend, mine.model, [one.conversation for one in seen]))
    heard = probe(
        mine,
        asked,
        shown,
        count=options.probe,
        samples=samples,
        max_tokens=options.max_tokens or _room([Answer.of(question.reference) for question in asked]),
        at_once=1 if backend.name == "local" else options.at_once,
        purse=purse,
        seed=options.seed,
        progress=progress,
    )
    warnings += by_heart(heard)
    suites: tuple[cards.Regression, ...] = ()
    if options.regression:
        before_it = contestant("base", backend, base, (), options.seed, book, today)
        suites = regressions(before_it, mine, options, run.folder, purse)
    gravest = worst(suites)
    if gravest is not None and gravest.verdict != "fine":
        warnings.append(
            f"Forgetting ({gravest.verdict}): {gravest.suite} changed by {gravest.change:+.3f}; lower the learning "
            "rate, train fewer epochs, or mix general examples in."
        )
    if loss is not None and loss.low > 0:
        warnings.append("The tuned model is worse than its base on held-out loss: it has overfitted or was fed wrong.")
    return replace(
        found,
        run=run.id,
        loss=loss,
        recited=heard,
        regression=gravest,
        suites=tuple(suites),
        warnings=tuple(warnings),
    )


def regressions(
    base: Contestant, tuned: Contestant, options: Options, folder: Path, purse: Purse
) -> tuple[cards.Regression, ...]:
    """Measure what tuning did to general text (where the backend can score) and to the built-in suite.

    What the suite costs is taken from ``purse``. It is left out when the base fails nearly all of a first sample: such
    a base has nothing to forget.
    """
    found: list[cards.Regression] = []
    passages = [Conversation((_PROSE, {"role": "assistant", "content": text})) for text in general_text()]
    before, after = losses(base.backend, base.model, passages), losses(tuned.backend, tuned.model, passages)
    if before is not None and after is not None:
        found.append(compare_text(before, after, seed=options.seed))
    items = suite()
    nothing: Message = {"role": "assistant", "content": ""}
    asked = [Question(item.id, ({"role": "user", "content": item.ask},), nothing) for item in items]
    at_once = 1 if base.backend.name == "local" else options.at_once
    purse.expect((base, tuned), asked, _SUITE_TOKENS)
    with Answers(folder / "evaluation" / "suite.jsonl") as kept:

        def answers(one: Contestant, some: Sequence[Question]) -> list[Answer]:
            found = ask_all(one, some, kept, max_tokens=_SUITE_TOKENS, at_once=at_once, spent=purse)
            return [got.answer for got in found]

        # An item that must not be refused is passed by any noise, so it tells nothing about what the base can do.
        sample = [place for place, item in enumerate(items) if item.check.get("refuse") is None][::_SUITE_SAMPLE]
        first = answers(base, [asked[place] for place in sample])
        if sum(items[place].right(answer) for place, answer in zip(sample, first, strict=True)) >= _SUITE_RIGHT:
            found += compare_suite(items, answers(base, asked), answers(tuned, asked), seed=options.seed)
    return tuple(found)


def tuned_score(
    run: Run,
    backend: Backend,
    options: Options,
    test: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, int, Interval]:
    """Score a run's tuned model alone on a test file; return the metric, the examples asked and the score.

    The metric "likelihood" is exp(-loss), the geometric mean probability of the answers' tokens: it needs no answers,
    only a backend that can score.
    """
    if run.job.tuned_model is None:
        raise RunError(f"{run.id} has no tuned model (it is {run.job.status}).")
    asked = questions(Dataset.open(test).examples(), options.limit, options.seed)
    if options.metric == LIKELIHOOD:
        found = losses(backend, run.job.tuned_model, [question.conversation for question in asked])
        if found is None:
            raise RunError(f"{backend.name} does not say how likely an answer is; choose another --metric.")
        mean = ratio_interval(found.sums, found.tokens, seed=options.seed)
        return LIKELIHOOD, len(asked), Interval(math.exp(-mean.value), math.exp(-mean.high), math.exp(-mean.low))
    one = Contestant("tuned", backend, run.job.tuned_model)
    task = TaskType(run.origin.task) if run.origin.task else None
    card = compare_on(asked, [one], options, task, run.folder / "evaluation" / "samples.jsonl", progress)
    return card.metric, card.examples, Interval(card.rows[0].score, card.rows[0].low, card.rows[0].high)


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
    """Ask models of one backend the examples of a file; few-shot examples come from its first half, asked the rest."""
    asked = questions(Dataset.open(*data).examples())
    shown: list[Question] = []
    if any(name.startswith("few-shot") for name in options.against):
        shown, asked = asked[: len(asked) // 2], asked[len(asked) // 2 :]
    if options.limit is not None and options.limit < len(asked):
        asked = [asked[place] for place in sorted(Random(options.seed).sample(range(len(asked)), options.limit))]
    contestants = [contestant(name, backend, model, shown, options.seed, book, today) for name in options.against]
    name = hashlib.sha256("\n".join(str(path.absolute()) for path in data).encode()).hexdigest()[:12]
    return compare_on(asked, contestants, options, None, home() / "evaluations" / name / "samples.jsonl", progress)


def compare_on(
    asked: Sequence[Question],
    contestants: Sequence[Contestant],
    options: Options,
    task: TaskType | None,
    samples: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    purse: Purse | None = None,
) -> cards.Scorecard:
    """Ask every contestant every question and score the answers. ``purse``: what else was spent counts as well."""
    if not asked:
        raise RunError("There is no held-out example with an answer to compare with; give other data.")
    references = [Answer.of(question.reference) for question in asked]
    metric = options.metric or metric_for(task, references)
    longest = options.max_tokens or _room(references)
    purse = purse or Purse(options.max_usd, at_once=options.at_once)
    purse.expect(contestants, asked, longest)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, len(asked) * len(contestants))

    answers: dict[str, list[cards.Answered]] = {}
    with Answers(samples) as kept:
        for one in contestants:
            at_once = 1 if one.backend.name == "local" else options.at_once
            answers[one.name] = ask_all(
                one, asked, kept, max_tokens=longest, at_once=at_once, spent=purse, progress=step
            )
    rows = tuple(
        cards.row(one.name, one.backend.name, one.model, metric, answers[one.name], references, seed=options.seed)
        for one in contestants
    )
    comparisons = cards.compare(metric, answers, references, seed=options.seed)
    best = cards.winner(comparisons)
    return cards.Scorecard(
        examples=len(asked),
        metric=metric,
        rows=rows,
        winner=best,
        significant=best is not None,
        regression=None,
        samples_path=samples,
        comparisons=comparisons,
        examples_needed=None if best or not comparisons else comparisons[0].examples_needed,
        confusion=cards.mistakes(answers[contestants[-1].name], references) if metric == "label" else (),
        warnings=tuple(_doubts(asked, rows)),
    )


def _room(references: Sequence[Answer]) -> int:
    """Return how many tokens an answer may take: twice the longest reference at three characters a token."""
    longest = max(len(one.text) for one in references)
    if any(one.tool_calls for one in references):
        return _TOKENS_FOR_ANSWER
    return max(16, min(2048, 2 * longest // 3))


def _doubts(asked: Sequence[Question], rows: Sequence[cards.Row]) -> list[str]:
    found = []
    if len(asked) < _FEWEST:
        found.append(f"Only {len(asked)} held-out examples: differences under about 20 points are chance.")
    found += [f"{one.cut_off} answers of {one.name} ended at the token limit." for one in rows if one.cut_off]
    return found
