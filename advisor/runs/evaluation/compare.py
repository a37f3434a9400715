"""How options are compared on the same questions: what is asked of whom, what answers are judged by, the scorecard."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from advisor.errors import DataError, RunError
from advisor.evaluate import judge as judges
from advisor.evaluate import scorecard as cards
from advisor.evaluate.fields import plain
from advisor.evaluate.metrics import NOT_JSON, Answer, Reference, json_of, label_of, metric_for, sql_outcome
from advisor.evaluate.schema import inferred_schema, keeps, read_schema
from advisor.runs.evaluation.answers import Answers, ask_all
from advisor.runs.evaluation.llm_judge import judged
from advisor.runs.evaluation.question import Question, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from advisor.task import TaskType
from backends import Backend, Json

_FEWEST, _LEAST = 30, 6  # held-out examples below which a comparison says next to nothing; and nothing at all
_TOKENS_FOR_ANSWER, _TO_THINK = 512, 4096


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate. ``at_once`` questions are on their way together (None: as many as suit the backend).

    ``max_usd`` caps what is spent.

    ``probe``: so many training questions are asked too, to see which answers are known by heart. ``prompts`` hold
    system prompts to try, ``suites`` questions to ask besides the built-in ones, ``lm_eval`` names of tasks.
    """

    against: tuple[str, ...] = ("base",)
    prompts: tuple[Path, ...] = ()
    metric: str | None = None
    schema: Path | None = None
    database: Path | None = None
    judge: Variant | None = None
    rubric: Path | None = None
    max_examples: int | None = None
    max_tokens: int | None = None
    at_once: int | None = None
    max_usd: Decimal | None = None
    regression: bool = False
    suites: tuple[Path, ...] = ()
    lm_eval: tuple[str, ...] = ()
    probe: int = 30
    seed: int = 0
    say: Callable[[str], None] = lambda text: None  # hears what is waited for

    def purse(self, spent: Decimal = Decimal(0)) -> SpendCap:
        """Return what the answers may cost."""
        return SpendCap(self.max_usd, spent=spent, at_once=self.at_once or Backend.at_once)


def compare_on(
    asked: Sequence[Question],
    contestants: Sequence[Variant],
    options: Options,
    task: TaskType | None,
    samples: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    purse: SpendCap | None = None,
    shown: Sequence[Question] = (),
) -> cards.Scorecard:
    """Ask every contestant every question and score the answers.

    ``purse``: what else was spent counts as well. ``shown``: further examples, for what their answers are and keep.
    """
    if not asked:
        raise RunError("There is no held-out example with an answer to compare with; give other data.")
    if options.judge is not None and len(contestants) < 2:
        raise RunError("A judge compares two options; name another with --against.")
    references, metric, notes = judged_by(asked, shown, task, options)
    rules = judges.rubric(options.rubric)
    longest = options.max_tokens or room([Answer.of(one.reference) for one in asked])
    purse = purse or options.purse()
    if options.judge is not None:
        purse.expect([options.judge], asked, judges.VERDICT_TOKENS)  # an unknown price is refused before any answer
    purse.expect(contestants, asked, longest)
    total = len(asked) * (len(contestants) + (2 * (len(contestants) - 1) if options.judge is not None else 0))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    answers: dict[str, list[cards.Answered]] = {}
    judgement, doubts = None, list[str]()
    with Answers(samples) as kept:
        for one in contestants:
            said = ask_all(
                one,
                asked,
                kept,
                max_tokens=longest,
                at_once=options.at_once,
                purse=purse,
                progress=step,
                say=options.say,
            )
            answers[one.name] = [replace(given, answer=given.answer.spoken) for given in said]
        if options.judge is not None:
            judgement, doubts = judged(
                options.judge,
                rules,
                asked,
                references,
                answers,
                kept,
                purse,
                at_once=options.at_once,
                progress=step,
                say=options.say,
            )
            doubts += _partial(options.judge, contestants)
    scored = [
        cards.row(one.name, one.backend.name, one.model, metric, answers[one.name], references, seed=options.seed)
        for one in contestants
    ]
    doubts += [
        f"{count} of {len(asked)} answers of {name} are nothing but reasoning, cut off at {longest} tokens; "
        f"--max-tokens {max(_TO_THINK, 2 * longest)} leaves room for an answer."
        for name, given in answers.items()
        if (count := sum(one.answer.only_thought for one in given))
    ]
    doubts += _off_form(answers, references) if metric == "label" else []
    rows = tuple(replace(row, tuned_from=one.tuned_from) for row, one in zip(scored, contestants, strict=True))
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
        examples_needed=cards.needed(comparisons),
        confusion=cards.mistakes(answers[contestants[-1].name], references) if metric == "label" else (),
        warnings=(*_doubts(asked, rows, comparisons), *doubts),
        judge=judgement,
        frontier=cards.frontier(rows),
        notes=(*notes, *(one.note for one in contestants if one.note), *_timing(contestants)),
    )


def judged_by(
    asked: Sequence[Question], shown: Sequence[Question], task: TaskType | None, options: Options
) -> tuple[list[Reference], str, list[str]]:
    """Return the references with what their answers are judged by, the metric, and sentences that say so.

    Raises DataError when a schema or database that was given cannot be used.
    """
    if options.database is not None:
        _check(options.database)
    references = [
        replace(Reference.of(one.reference).spoken, asked=_prompt(one), database=options.database) for one in asked
    ]
    metric = options.metric or metric_for(task, references)
    if options.metric is None and task is None and metric in ("rouge_l", "number"):
        # A few answers of many labels look like any text; the training answers tell.
        known = metric_for(None, [*references, *(Reference.of(one.reference).spoken for one in shown)])
        metric = "label" if known == "label" else metric
    notes = []
    if metric.startswith("json_"):
        schema, note = _schema(options.schema, shown or asked)
        references = [replace(one, schema=schema) for one in references]
        notes.append(note)
    elif metric == "sql_text" and options.metric is None:
        notes.append(
            "The answers are SQL, but no database is at hand: they are compared as text, which calls right queries "
            "wrong. Give --database FILE, or the CREATE TABLE statements in the prompts."
        )
    elif metric == "sql_result":
        untold = sum(sql_outcome(one, one) is None for one in references)
        where = f"on {options.database.name}" if options.database else "on tables filled from the schema in the prompt"
        notes.append(f"Queries are run {where}; rows count in any order unless the reference orders them.")
        if untold:
            notes.append(
                f"{untold} of {len(references)} reference queries fail there or return nothing; their answers are "
                "compared as text."
            )
    return references, metric, notes


def room(references: Sequence[Answer]) -> int:
    """Return how many tokens an answer may take: twice the longest reference at three bytes a token."""
    longest = max(
        len(one.text.encode(errors="replace")) for one in references
    )  # a Chinese letter is three, and a token
    if any(one.tool_calls for one in references):
        return _TOKENS_FOR_ANSWER
    return max(16, min(2048, 2 * longest // 3))


def _schema(path: Path | None, known: Sequence[Question]) -> tuple[Mapping[str, Json], str]:
    values = [value for one in known if (value := json_of(Answer.of(one.reference).spoken.text)) is not NOT_JSON]
    if path is not None:
        given = read_schema(path)
        broken = sum(
            not keeps(value, given) for value in values
        )  # a schema that cannot be used fails before any answer
        told = f" {broken} of {len(values)} right answers break it themselves." if broken else ""
        return given, f"JSON is checked against {path.name}.{told}"
    schema = inferred_schema(values)
    required = schema.get("required")
    keys = f": {', '.join(map(str, required))}" if isinstance(required, list) and required else ""
    return schema, (
        f"JSON is checked against what all {len(values)} known answers have in common{keys}; --schema FILE replaces "
        "that."
    )


def _check(database: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise DataError(f"{database}: cannot be read as an SQLite database ({error}).") from error


def _prompt(question: Question) -> str:
    return "\n\n".join(Answer.of(message).text for message in question.messages)


def _partial(judge: Variant, contestants: Sequence[Variant]) -> list[str]:
    """Name a judge that has a stake in the outcome."""
    own = [one.name for one in contestants if (one.backend.name, one.model) == (judge.backend.name, judge.model)]
    return [f"The judge is the model that answers as {own[0]}: it judges its own answers; use another."] if own else []


def _timing(contestants: Sequence[Variant]) -> list[str]:
    """Say what a local model's times are: it answers several questions at once, and each takes as long as all."""
    if all(one.backend.name != "local" for one in contestants):
        return []
    return ["Answer times on this machine are those of the batch an answer was in; a question asked alone takes less."]


def _off_form(answers: Mapping[str, Sequence[cards.Answered]], references: Sequence[Reference]) -> list[str]:
    """Name options that mostly answer something else than a label: their score tells of form, not of knowledge."""
    labels = {label_of(one.text) for one in references}
    said = []
    for name, given in answers.items():
        stray = [
            label_of(one.text) in f" {plain(found.answer.text)} "
            for found, one in zip(given, references, strict=True)
            if label_of(found.answer.text) not in labels
        ]
        if 2 * len(stray) > len(given):
            said.append(
                f"{name} fails on form: {len(stray)} of its {len(given)} answers are none of the {len(labels)} labels "
                f"({sum(stray)} hold the right one among other words)."
            )
    return said


def _doubts(asked: Sequence[Question], rows: Sequence[cards.Row], comparisons: Sequence[cards.Comparison]) -> list[str]:
    found = []
    if len(asked) < _FEWEST:
        # McNemar's exact test is below 5 % from six examples on that only one of two options gets right.
        least = f"under {100 * _LEAST / len(asked):.0f} points" if len(asked) >= _LEAST else "of any size"
        right_or_wrong = any(one.p is not None for one in comparisons)
        told = f": a difference {least} could be chance." if right_or_wrong else ": chance plays a large part."
        found.append(f"Only {len(asked)} held-out examples{told}")
    found += [
        f"{one.refused} of {one.answers} questions got no answer from {one.name}: the content filter refused them, or "
        "they are too long for the model. Each counts as a wrong answer; samples_path shows which."
        for one in rows
        if one.refused
    ]
    found += [f"{one.cut_off} answers of {one.name} ended at the token limit." for one in rows if one.cut_off]
    return found
