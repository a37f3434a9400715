"""The wizard's questions: each with a default, a reason, and what the answer means for the workload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from advisor.cli.wizard.answers import TUNED, UNLISTED, Answers, closing_seller
from advisor.cli.wizard.data_question import ask_data
from advisor.cli.wizard.prompt import ask, choose
from advisor.errors import WorkloadError
from advisor.money import parse_count, parse_share, parse_usd

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
STRATEGIES = (
    ("prompt", "with instructions alone"),
    ("few_shot", "with examples in its prompt"),
    (TUNED, "it is a model fine-tuned for this"),
)
STANDING = (
    ("never_fine_tuned", "we never fine-tuned there"),
    ("active", "we used a model fine-tuned there in the last 60 days"),
    ("inactive", "we fine-tuned there, but not lately"),
)

Step = Callable[[Answers], Answers]


def questions(answers: Answers) -> list[Step]:
    """Return what to ask, given what was said so far: seven questions where there is data and nothing was tried."""
    described = [_ask_examples, _ask_tokens, _ask_label] if answers.data == () else []
    labels = [_ask_labels] if answers.data == () and answers.task == "classification" else []
    counted = [_ask_requests_are] if answers.data and answers.turns > 1 and answers.requests_per_month else []
    way = [_ask_strategy] if answers.listed else []
    prompt = [_ask_prompt] if answers.listed and not answers.tuned else []
    standing = [_ask_standing] if answers.asks_standing else []
    score = [_ask_score] if answers.today else []
    target = [_ask_target] if answers.today and answers.score is not None else []
    error = [_ask_error_cost] if answers.today and answers.falls_short else []
    needs = [*described, _ask_task, *labels, _ask_volume, *counted, _ask_privacy, _ask_gpus]
    return [ask_data, *needs, _ask_today, *way, *prompt, *standing, *score, *target, *error, _ask_budget]


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


def _ask_tokens(answers: Answers) -> Answers:
    def parse(text: str) -> tuple[int, int | None]:
        whole, _, answer = text.partition("+")
        first, second = _above_zero(whole), _above_zero(answer) if answer else None
        return first + (second or 0), second

    total, output = answers.tokens_per_example, answers.output_tokens
    before = f"{total - output}+{output}" if total and output else str(total or 500)
    total, output = ask(
        "How long is one example, in tokens?",
        reason="Prompt and answer together, or apart as 470+30; a page of English is about 500 tokens.",
        default=before,
        parse=parse,
    )
    return replace(answers, tokens_per_example=total, output_tokens=output)


def _ask_today(answers: Answers) -> Answers:
    def parse(text: str) -> str:
        if text in ("none", UNLISTED):
            return "" if text == "none" else UNLISTED
        if not _is_known(text):
            raise ValueError(f"Nothing is known of a model '{text}': give its whole id, or say none or other.")
        return text

    model = ask(
        "Which model answers it today, or did you try with a prompt?",
        reason="Such as gpt-6-luna; 'other' if it is not known here, 'none' if you tried none.",
        default=answers.today or "none",
        parse=parse,
    )
    return replace(answers, today=model)


def _is_known(model: str) -> bool:
    from advisor.hardware import architecture
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    sold = any(book.offer(seller, model) for seller in book.providers)
    return sold or architecture(model) is not None or book.inference(model, on=datetime.now(UTC).date()) is not None


def _ask_task(answers: Answers) -> Answers:
    inferred = " (read from your data)" if answers.data and answers.task else ""
    reason = f"What usually pays differs by task{inferred}."
    return _chosen("task", "What is the model for?", TASKS, reason, "other")(answers)


def _above_zero(text: str) -> int:
    if not (number := parse_count(text)):
        raise ValueError("Give a whole number above 0, such as 20000 or 20k.")
    return number


_ask_examples = _typed(
    "examples",
    "How many examples do you have, or could you write?",
    "Below about 100, fine-tuning is rarely worth it; 0 if there are none yet.",
    "500",
    parse_count,
)
_ask_labels = _typed(
    "labels",
    "How many labels are there to choose from?",
    "Each needs its own examples; 'unknown' if that is open.",
    "unknown",
    _unless("unknown", _above_zero),
)
_ask_strategy = _chosen(
    "strategy", "How is it asked?", STRATEGIES, "A cheaper model with the same prompt is tried before tuning.", "prompt"
)
_ask_prompt = _typed(
    "system_tokens",
    "How long is its fixed prompt, in tokens?",
    "All that goes with every request, instructions and examples; it is paid for each time.",
    "unknown",
    _unless("unknown", parse_count),
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


def _ask_standing(answers: Answers) -> Answers:
    seller = closing_seller()
    assert seller is not None
    ask = _chosen(
        "standing",
        f"Has your organisation fine-tuned at {seller[1]}?",
        STANDING,
        f"{seller[1]} is closing fine-tuning; who may still start a job depends on this.",
        "active",
    )
    return ask(answers)


_ask_score = _typed(
    "score",
    "How often is its answer right, from 0 to 1?",
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
