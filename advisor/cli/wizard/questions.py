"""The wizard's questions, seven at most: each with a default, a reason, help, and what the answer means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from advisor.cli.wizard.answers import TUNED, UNLISTED, Answers
from advisor.cli.wizard.data_question import ask_data
from advisor.cli.wizard.prompt import ask, picked
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
    ("any", "with any provider"),
    ("no_training_use", "only where the provider does not train on our data"),
    ("on_premises", "on our own machines alone"),
)
_HOW = {"tuned": TUNED, "examples": "few_shot", "few_shot": "few_shot", "prompt": "prompt"}

Step = Callable[[Answers], Answers]


def questions(answers: Answers) -> list[Step]:
    """Return what to ask, given what was said so far: what decides, and never more than seven questions."""
    asked: list[Step] = [ask_data, _ask_task, _ask_volume, _ask_place, _ask_today]
    if answers.today:
        asked.append(_ask_score)
    if answers.falls_short:
        asked.append(_ask_error_cost)
    elif not answers.scored:
        asked.append(_ask_budget)
    return asked


def _ask_task(answers: Answers) -> Answers:
    def parse(text: str) -> tuple[str, int | None]:
        word, _, rest = text.partition(" ")
        return picked(word, [value for value, _ in TASKS]), _above_zero(rest.split()[0]) if rest.strip() else None

    inferred = " Read from your data." if answers.data and answers.task else ""
    labels = "" if answers.data else " Say how many labels there are behind it: classification 12."
    before = answers.task or "other"
    task, count = ask(
        "What is the model for?",
        reason=f"What usually pays differs by task.{inferred}{labels}",
        default=f"{before} {answers.labels}" if answers.labels and not answers.data else before,
        parse=parse,
        more="The odds that tuning wins come from published comparisons of the same kind of task. Take the nearest.",
        options=TASKS,
    )
    return replace(answers, task=task, labels=count)


def _ask_volume(answers: Answers) -> Answers:
    def parse(text: str) -> tuple[int | None, str | None]:
        number, _, unit = text.partition(" ")
        if unit.strip() not in ("", "turns", "conversations"):
            raise ValueError("Behind the number may stand turns or conversations, nothing else.")
        return None if number == "unknown" else _above_zero(number), unit.strip() or None

    several = " Yours are conversations: write '500 conversations' to count those." if answers.turns > 1 else ""
    before = "unknown" if answers.requests_per_month is None else str(answers.requests_per_month)
    number, unit = ask(
        "How many requests a month will it answer?",
        reason=f"Serving usually costs more than training; 'unknown' leaves months unpriced.{several}",
        default=f"{before} {answers.requests_are}" if answers.requests_are else before,
        parse=parse,
        more="20000, 20,000 and 20k are the same. A guess within a factor of three is enough to decide by.",
    )
    return replace(answers, requests_per_month=number, requests_are=unit)


def _ask_place(answers: Answers) -> Answers:
    from advisor.hardware import detect, gpu_named

    found = answers.gpus if answers.gpus is not None else tuple(card.name for card in detect())

    def parse(text: str) -> tuple[str, tuple[str, ...]]:
        word, *names = text.replace(",", " ").split()
        privacy = picked(word, [value for value, _ in PRIVACY])
        if privacy == "on_premises" and not names and not found:
            raise ValueError("Name the GPU there: 'on_premises rtx-4090'; 'on_premises none' if there is none.")
        try:
            owned = tuple(gpu_named(name).name for name in names if name != "none")
        except WorkloadError as error:
            raise ValueError(f"{error} Or say none.") from error
        return privacy, owned if names else found

    privacy, gpus = ask(
        "Where may it run?",
        reason="Name the GPUs you own behind it, if any: any rtx-4090.",
        default=" ".join((answers.privacy or "any", ",".join(found))).strip(),
        parse=parse,
        more="This rules options out before anything else is weighed. Training on a GPU of yours costs no rent. "
        "'tunewise fit' lists the names of GPUs.",
        options=PRIVACY,
    )
    return replace(answers, privacy=privacy, gpus=gpus)


def _ask_today(answers: Answers) -> Answers:
    def parse(text: str) -> tuple[str, str | None, int | None]:
        model, *rest = text.split()
        if model in ("none", UNLISTED):
            return ("" if model == "none" else UNLISTED), None, None
        if not _is_known(model):
            raise ValueError(f"Nothing is known of a model '{model}': give its whole id, or say none or other.")
        how, tokens = "prompt", None
        for word in rest:
            if word in _HOW:
                how = _HOW[word]
            elif word not in ("tokens", "with"):
                tokens = parse_count(word)
        return model, how, tokens

    how = next((word for word, value in _HOW.items() if value == answers.strategy and value != "prompt"), "")
    before = (answers.today or "none", how, str(answers.system_tokens or ""))
    model, strategy, tokens = ask(
        "Which model answers it today, or did you try with a prompt?",
        reason="Such as gpt-6-luna; 'other' if not listed, 'none' if none; ? says more.",
        default=" ".join(part for part in before if part),
        parse=parse,
        more="Behind its id may stand how it is asked (examples, or tuned) and how many tokens its fixed prompt has: "
        "'gpt-6.1-sol examples 5000', 'gpt-4o-mini-2024-07-18 tuned'. A cheaper model with the same prompt is tried "
        "before anything is tuned, and a tuned model that shuts down is said with its day.",
    )
    return replace(answers, today=model, strategy=strategy, system_tokens=tokens)


def _ask_score(answers: Answers) -> Answers:
    def parse(text: str) -> tuple[float | None, float | None]:
        first, *rest = (part.rstrip(",") for part in text.split())  # "0,78" stays one, and is refused
        if len(rest) > 1:
            raise ValueError("Give one share, or two: what it gets right, and what you need.")
        return None if first == "unknown" else parse_share(first), parse_share(rest[0]) if rest else None

    shares = [f"{share:g}" for share in (answers.score, answers.quality_target) if share is not None]
    score, target = ask(
        "How often is it right, and how often must it be?",
        reason="One share or two, such as 78%, or 78% 90%; 'unknown' is an honest answer.",
        default=" ".join(shares) if answers.score is not None else "unknown",
        parse=parse,
        more="The score of your prompt predicts best whether tuning pays. The second share is the target: a prompt "
        "that reaches it is kept. 'tunewise evaluate' measures a prompt on your examples.",
    )
    return replace(answers, score=score, quality_target=target)


def _ask_error_cost(answers: Answers) -> Answers:
    usd = ask(
        "What does one wrong answer cost you, in dollars?",
        reason="It says what better answers are worth: 0.02 or 5, say; 'unknown' assumes nothing.",
        default="unknown" if answers.error_cost_usd is None else str(answers.error_cost_usd),
        parse=lambda text: None if text == "unknown" else parse_usd(text),
        more="What somebody's minute costs who mends it, or what a customer lost is worth. Tuning is set against it.",
    )
    return replace(answers, error_cost_usd=usd)


def _ask_budget(answers: Answers) -> Answers:
    usd = ask(
        "What may all of it cost in a year at most, in dollars?",
        reason="Training and answering together; options above it are ruled out. 'none' if there is no limit.",
        default="none" if answers.budget_usd is None else str(answers.budget_usd),
        parse=lambda text: None if text == "none" else parse_usd(text),
        more="'tunewise budget' spreads a sum over the months and says what it buys.",
    )
    return replace(answers, budget_usd=usd)


def _is_known(model: str) -> bool:
    from advisor.hardware import architecture
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    sold = any(book.offer(seller, model) for seller in book.providers)
    return sold or architecture(model) is not None or book.inference(model, on=datetime.now(UTC).date()) is not None


def _above_zero(text: str) -> int:
    if not (number := parse_count(text)):
        raise ValueError("Give a whole number above 0, such as 20000 or 20k.")
    return number
