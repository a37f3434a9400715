"""The wizard's questions: each with a default, a reason, and what the answer means for the workload."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.cli.flags.common import read
from advisor.cli.wizard.prompt import ask, choose, say
from advisor.errors import AdvisorError, WorkloadError
from advisor.money import parse_count, parse_share, parse_usd

if TYPE_CHECKING:
    from advisor.dataset import UnknownFields
    from advisor.tokens import Profile

TASKS = (
    ("classification", "one label per request"),
    ("extraction", "pull fields out of text"),
    ("structured", "write JSON or another fixed format"),
    ("style", "write in a house style"),
    ("summarisation", "shorten text"),
    ("reasoning", "multi-step problems"),
    ("knowledge", "answer from facts"),
    ("code", "write code or queries"),
    ("tool_use", "call functions"),
    ("chat", "open conversation"),
    ("other", "none of these"),
)
PRIVACY = (
    ("any", "data may go to any provider"),
    ("no_training_use", "only where the provider does not train on it"),
    ("on_premises", "data may not leave our machines"),
)
REQUESTS = (
    ("turns", "one answer each, with what was said before sent again"),
    ("conversations", "all answers of one"),
)
STANDING = (
    ("never_fine_tuned", "we never fine-tuned there"),
    ("active", "we used a model fine-tuned there in the last 60 days"),
    ("inactive", "we fine-tuned there, but not lately"),
)
SHOWN = 3  # problems of the data, before 'tunewise check' has the rest


@dataclass(frozen=True, slots=True)
class Answers:
    """What the person said so far; None is: not asked yet, or not known."""

    data: tuple[str, ...] | None = None
    examples: int | None = None
    tokens_per_example: int | None = None
    task: str | None = None
    requests_per_month: int | None = None
    privacy: str | None = None
    gpus: tuple[str, ...] | None = None
    prompt_score: float | None = None
    standing: str | None = None  # at the provider that sells to some longer than to others
    quality_target: float | None = None
    error_cost_usd: Decimal | None = None
    budget_usd: Decimal | None = None
    label_usd: Decimal | None = None
    turns: float = 1.0
    requests_are: str | None = None


Step = Callable[[Answers], Answers]


def questions(answers: Answers) -> list[Step]:
    """Return what to ask, given what was said so far."""
    described = [_ask_examples, _ask_tokens, _ask_label] if answers.data == () else []
    standing = [_ask_standing] if _asked_about() is not None and answers.privacy != "on_premises" else []
    worth = [] if answers.prompt_score is None else [_ask_target, _ask_error_cost]
    counted = [_ask_requests_are] if answers.data and answers.turns > 1 and answers.requests_per_month else []
    asked = [_ask_task, _ask_volume, *counted, _ask_privacy, _ask_gpus, *standing, _ask_score, *worth, _ask_budget]
    return [_ask_data, *described, *asked]


def said(answers: Answers) -> str:
    """Return in one line what the person said, for a start that goes on from there."""
    parts = [shlex.join(answers.data) if answers.data else "no data yet", answers.task]
    if answers.requests_per_month is not None:
        parts.append(f"{answers.requests_per_month:,} requests a month")
    return ", ".join(part for part in parts if part)


def workload_of(answers: Answers) -> dict[str, object]:
    """Write the answers as the content of a workload file; what was not said is left out."""
    content: dict[str, object] = {"task": answers.task, "privacy": answers.privacy}
    if not answers.data:
        content["data"] = {"examples": answers.examples, "tokens_per_example": answers.tokens_per_example}
        if answers.label_usd is not None:
            content["label_usd"] = str(answers.label_usd)
    if answers.requests_per_month is not None:
        content["requests_per_month"] = answers.requests_per_month
    if answers.data and answers.turns > 1 and answers.requests_are is not None:
        content["requests_are"] = answers.requests_are
    if answers.gpus:
        content["gpus"] = list(answers.gpus)
    seller = _asked_about()
    if answers.standing is not None and seller is not None and answers.privacy != "on_premises":
        content["standing"] = {seller[0]: answers.standing}
    if answers.prompt_score is not None:
        content["measured"] = {"prompt": answers.prompt_score}
    if answers.prompt_score is not None and answers.quality_target is not None:
        content["quality_target"] = answers.quality_target
    if answers.prompt_score is not None and answers.error_cost_usd is not None:
        content["error_cost_usd"] = str(answers.error_cost_usd)
    if answers.budget_usd is not None:
        content["budget_usd"] = str(answers.budget_usd)
    return content


def _ask_data(answers: Answers) -> Answers:
    from advisor.dataset import UnknownFields

    def parse(text: str) -> tuple[tuple[str, ...], Profile | UnknownFields | None]:
        if text == "none":
            return (), None
        paths = _paths(text)
        try:
            return paths, read(paths)
        except UnknownFields as error:
            return paths, error
        except AdvisorError as error:
            raise ValueError(f"{error} Give another file, or 'none' to describe the data instead.") from error

    paths, found = ask(
        "Where is your data?",
        reason="A file of examples: JSONL, CSV, Parquet. None yet? Say none and describe it.",
        default=shlex.join(answers.data) if answers.data else "none",
        parse=parse,
    )
    if isinstance(found, UnknownFields):
        from advisor.cli.wizard.columns import with_columns_named

        try:
            paths = (with_columns_named(paths, found),)
            found = read(paths)
        except AdvisorError as error:
            say(str(error), style="yellow")
            return _ask_data(answers)
    if found is None:
        return replace(answers, data=(), turns=1.0)
    _say_what_was_found(found)
    same = paths == answers.data and answers.task is not None
    return replace(answers, data=paths, turns=found.turns, task=answers.task if same else found.task_type.value)


def _say_what_was_found(profile: Profile) -> None:
    """Show the examples, their tokens, the task, and the first problems; errors before remarks."""
    tokens = next(iter(profile.tokens.values()))
    say(f"{_many(profile.examples, 'example')}, {_many(tokens, 'token')}, longest {profile.longest:,}.")
    say(f"Looks like {profile.task_type}: {profile.task_reason}.")
    errors = [problem for problem in profile.problems if problem.level == "error"]
    others = len(profile.problems) - len(errors)
    secrets = [problem for problem in profile.problems if problem.code == "secret"]
    shown = [*secrets[:1], *[problem for problem in errors or profile.problems if problem.code != "secret"]][:SHOWN]
    if profile.problems:
        counted = f"{_many(len(errors), 'error')} and {_many(others, 'remark')}"
        say(f"{counted}; 'tunewise check' lists them, here {len(shown)}:")
    for problem in shown:
        place = f"{problem.unit} {problem.line}: " if problem.line else ""
        say(f"- {place}{problem.message}", hang=2, most=2)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _typed(field: str, question: str, reason: str, default: str, parse: Callable[[str], object]) -> Step:
    """Return the question for a typed answer; ``default`` is offered until there was an answer."""

    def step(answers: Answers) -> Answers:
        before = getattr(answers, field)
        value = ask(question, reason=reason, default=default if before is None else str(before), parse=parse)
        return _with(answers, field, value)

    return step


def _chosen(field: str, question: str, options: Sequence[tuple[str, str]], reason: str, default: str) -> Step:
    """Return the question for one of ``options``."""

    def step(answers: Answers) -> Answers:
        value = choose(question, options, reason=reason, default=getattr(answers, field) or default)
        return _with(answers, field, value)

    return step


def _with(answers: Answers, field: str, value: object) -> Answers:
    change: dict[str, Any] = {field: value}  # the question that names the field also parses its value
    return replace(answers, **change)


def _unless(word: str, parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return ``parse`` with ``word`` for None: not known, or none."""
    return lambda text: None if text == word else parse(text)


def _ask_gpus(answers: Answers) -> Answers:
    from advisor.hardware import detect, gpu_named

    def parse(text: str) -> tuple[str, ...]:
        try:
            return () if text == "none" else tuple(gpu_named(name).name for name in text.split(",") if name.strip())
        except WorkloadError as error:
            raise ValueError(f"{error} Or say none.") from error

    found = answers.gpus if answers.gpus is not None else tuple(card.name for card in detect())
    owned = ask(
        "Which GPUs do you own?",
        reason="Names such as rtx-4090, commas between; training there costs no rent.",
        default=", ".join(found) or "none",
        parse=parse,
    )
    return replace(answers, gpus=owned)


def _ask_task(answers: Answers) -> Answers:
    inferred = " (read from your data)" if answers.data and answers.task else ""
    reason = f"What usually pays differs by task{inferred}."
    return _chosen("task", "What is the model for?", TASKS, reason, "other")(answers)


def _above_zero(text: str) -> int:
    if not (number := parse_count(text)):
        raise ValueError("Give a whole number above 0, such as 20000 or 20k.")
    return number


def _paths(text: str) -> tuple[str, ...]:
    """Read one path, or several with spaces between; ~ is the home folder, a backslash on Windows is itself."""
    if Path(text).expanduser().is_file():
        return (str(Path(text).expanduser()),)
    words = shlex.split(text) if os.name != "nt" else [word.strip("'\"") for word in shlex.split(text, posix=False)]
    return tuple(str(Path(word).expanduser()) for word in words)


_ask_examples = _typed(
    "examples",
    "How many examples do you have, or could you write?",
    "Below about 100, fine-tuning is rarely worth it.",
    "500",
    _above_zero,
)
_ask_tokens = _typed(
    "tokens_per_example",
    "How long is one example, in tokens?",
    "Prompt and answer together; a page of English is about 500 tokens.",
    "500",
    _above_zero,
)
_ask_volume = _typed(
    "requests_per_month",
    "How many requests a month will it answer?",
    "Serving usually costs more than training; 'unknown' leaves months unpriced.",
    "unknown",
    _unless("unknown", _above_zero),
)
_ask_requests_are = _chosen(
    "requests_are",
    "Your data holds conversations. What is a request?",
    REQUESTS,
    "Every answer of a conversation is asked for, and paid for, with its history.",
    "turns",
)
_ask_privacy = _chosen(
    "privacy", "Where may the data go?", PRIVACY, "This rules options out before anything else is weighed.", "any"
)


def _asked_about() -> tuple[str, str] | None:
    """Return the provider, with its name, that sells to some organisations longer than to others."""
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    seller = next(iter(book.asks_standing), None)
    return None if seller is None else (seller, book.name_of(seller))


def _ask_standing(answers: Answers) -> Answers:
    seller = _asked_about()
    assert seller is not None
    ask = _chosen(
        "standing",
        f"Has your organisation fine-tuned at {seller[1]}?",
        STANDING,
        f"{seller[1]} is closing fine-tuning; who may still start a job depends on this.",
        "never_fine_tuned",
    )
    return ask(answers)


_ask_score = _typed(
    "prompt_score",
    "How well does your best prompt do today, from 0 to 1?",
    "It predicts best whether fine-tuning pays; 'unknown' is an honest answer.",
    "unknown",
    _unless("unknown", parse_share),
)
_ask_target = _typed(
    "quality_target",
    "Which score would be good enough, from 0 to 1?",
    "A prompt that reaches it is kept; 'none' if nobody said.",
    "none",
    _unless("none", parse_share),
)
_ask_error_cost = _typed(
    "error_cost_usd",
    "What does one wrong answer cost you, in dollars?",
    "It says what better answers are worth: 0.02 or 5, say; 'unknown' assumes nothing.",
    "unknown",
    _unless("unknown", parse_usd),
)
_ask_label = _typed(
    "label_usd",
    "What does labelling one example cost you, in dollars?",
    "It is set against what more rows would gain; 'unknown' leaves the labels unpriced.",
    "unknown",
    _unless("unknown", parse_usd),
)
_ask_budget = _typed(
    "budget_usd",
    "What may all of it cost in a year at most, in dollars?",
    "Training and answering together; options above it are ruled out. 'none' if there is no limit.",
    "none",
    _unless("none", parse_usd),
)
