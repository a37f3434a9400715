"""Who answers in an evaluation, what they are asked, and at what price: base, few-shot, tuned, any other model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from advisor.dataset import Example
from advisor.errors import RunError
from advisor.estimate.formulas import MILLION
from advisor.runs.evaluation.few_shot import asked_text as asked_text
from advisor.runs.evaluation.few_shot import before, shots
from advisor.runs.evaluation.question import Question, Variant
from backends import Backend, Completion, Message

if TYPE_CHECKING:
    from advisor.pricing import PriceBook, TokenPrices
    from advisor.runs.run import Run


def questions(examples: Iterable[Example], limit: int | None = None, seed: int = 0) -> list[Question]:
    """Turn held-out examples into questions: everything before the last answer, and that answer as the reference.

    ``limit`` takes a seeded sample, in the order of the file.
    """
    found = [one for example in examples if (one := _question(example)) is not None]
    if limit is not None and limit < len(found):
        kept = sorted(Random(seed).sample(range(len(found)), limit))
        found = [found[place] for place in kept]
    return found


def contestant(
    name: str,
    backend: Backend,
    base: str,
    shown: Sequence[Question],
    seed: int,
    book: PriceBook | None,
    today: date,
) -> Variant:
    """Read one name of --against: base, few-shot, few-shot:K, few-shot:K:near, or a model id of the same backend."""
    if name == "base":
        return _priced(name, backend, base, book, today)
    if name.partition(":")[0] == "few-shot":
        chosen = shots(name, shown, base)
        one = _priced(chosen.name, backend, base, book, today, before=before(shown, chosen, seed))
        return replace(one, note=chosen.note)
    return _priced(name, backend, name, book, today)


def prompted(path: Path, backend: Backend, base: str, book: PriceBook | None, today: date) -> Variant:
    """Return the base with the system prompt of a file in the place of the data's own. Raises RunError."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read as a prompt ({error}); give a text file.") from error
    if not text:
        raise RunError(f"{path}: the prompt is empty; write the system prompt to try.")
    return replace(_priced(f"prompt:{path.stem}", backend, base, book, today), system=text)


def tuned(run: Run, backend: Backend, book: PriceBook | None, today: date, name: str = "tuned") -> Variant:
    """Return a run's tuned model as a contestant. Raises RunError when it has none."""
    if run.askable is None:
        state = "a rehearsal" if run.rehearses else run.job.status
        raise RunError(f"{run.id} has no tuned model (it is {state}); evaluate a run that has succeeded.")
    one = _priced(name, backend, run.askable, book, today, tuned=True, listed=run.spec.model)
    return replace(one, tuned_from=run.spec.model)


def launched_with(run: Run, runs: Sequence[Run]) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Return which of ``runs`` were launched together with ``run``: those with a tuned model to ask, and the others.

    Raises RunError when it was launched alone.
    """
    group = run.origin.group
    others = [one for one in reversed(runs) if group is not None and one.origin.group == group and one.id != run.id]
    if not others:
        raise RunError(f"{run.id} was launched alone; --against RUN names another run to compare it with.")
    return tuple(one for one in others if one.askable), tuple(one for one in others if not one.askable)


def _priced(
    name: str,
    backend: Backend,
    model: str,
    book: PriceBook | None,
    today: date,
    *,
    tuned: bool = False,
    listed: str | None = None,
    before: Callable[[Question], Sequence[Message]] = lambda question: (),
) -> Variant:
    if backend.answers_here:
        return Variant(name, backend, model, before, lambda completion: Decimal(0))
    prices = None
    if book is not None:
        prices = book.inference(listed or model, backend.name, tuned=tuned, on=today)
    if prices is None:
        return Variant(name, backend, model, before)
    known = prices
    return Variant(name, backend, model, before, lambda completion: _usd(completion, known))


def _usd(completion: Completion, prices: TokenPrices) -> Decimal | None:
    """Return what one answer cost, from the tokens the provider counted."""
    if completion.prompt_tokens is None or completion.completion_tokens is None:
        return None
    cached = completion.cached_tokens or 0
    rate = prices.cached_usd_per_mtok if prices.cached_usd_per_mtok is not None else prices.input_usd_per_mtok
    fresh = completion.prompt_tokens - cached
    return (
        fresh * prices.input_usd_per_mtok + cached * rate + completion.completion_tokens * prices.output_usd_per_mtok
    ) / MILLION


def _question(example: Example) -> Question | None:
    messages = list(example.messages)
    if example.preferred is not None:
        messages.append(example.preferred)
    last = max((place for place, one in enumerate(messages) if one["role"] == "assistant"), default=0)
    if last == 0:
        return None
    return Question(
        f"{Path(example.file).name}:{example.line}", tuple(messages[:last]), messages[last], tuple(example.tools)
    )
