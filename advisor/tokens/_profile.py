"""What a dataset is: how much, how long, for which task, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from advisor.dataset import Format, Problem
from advisor.dataset.checks import problem
from advisor.dataset.dataset import Dataset
from advisor.dataset.source import Progress
from advisor.display import Shown
from advisor.task import TaskType
from advisor.tokens._blocks import SMALL_BYTES
from advisor.tokens._cache import OLD, remembered
from advisor.tokens._findings import all_problems, whole_findings
from advisor.tokens._leaks import leaks
from advisor.tokens._open_models import estimated, is_open, model_tokens
from advisor.tokens._provider_limits import ANYWHERE, Aim, limit_findings, offered_context
from advisor.tokens._tally import Tally
from advisor.tokens._task import infer
from advisor.tokens._vocabulary import encoding_for
from backends import Json, Objective

if TYPE_CHECKING:
    from advisor.workload import DataBlock

_UNCOUNTED = ("unread_part", "reasoning_text")  # which leave the count an estimate
# What OpenAI still tunes, and the one dead model whose published jobs the billing rule was checked on.
OPENAI_MODELS = (
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "gpt-3.5-turbo-0125",
)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of tokens per example."""

    p5: int
    p50: int
    p95: int
    max: int
    mean: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """How sure a sample makes us: bounds of the tokens of o200k_base with 95 % confidence, the share of bytes read."""

    low: int
    high: int
    share: float

    @property
    def sentence(self) -> str:
        """Say what is known, what is not, and how to know it."""
        return (
            f"The data was sampled, {self.share:.1%} of it: between {self.low:,} and {self.high:,} tokens, with 95% "
            "confidence; the longest example and rare labels may be missed. --exact counts all of it."
        )


@dataclass(frozen=True, slots=True, repr=False)
class Profile(Shown):
    """A dataset in numbers. Tokens are of o200k_base where no encoding is named.

    ``billed_tokens_per_epoch``: OpenAI model id -> tokens; ``trained_tokens``: encoding -> tokens of the answers that
    are learnt. ``system_tokens``, ``user_tokens`` and ``output_tokens`` are means per example: the system prompt with
    the tools, the rest of the prompt, the answers. ``turns`` are the answers of an example, and ``history_tokens`` the
    mean, over all answers, of what earlier turns said. ``exact`` is False when some count is an estimate; ``sampled``
    says how sure it is when only a part was read.
    """

    examples: int
    format: Format
    fingerprint: str
    tokens: Mapping[str, int]
    billed_tokens_per_epoch: Mapping[str, int]
    trained_tokens: Mapping[str, int]
    per_example: Percentiles
    system_tokens: float
    user_tokens: float
    output_tokens: float
    longest: int
    turns: float
    task_type: TaskType
    task_reason: str
    labels: Mapping[str, int] | None
    exact: bool
    has_tools: bool = False
    has_images: bool = False
    is_preference: bool = False
    languages: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    quality: Mapping[str, Json] = field(default_factory=dict)
    roles: Mapping[str, int] = field(default_factory=dict)
    lengths: Mapping[int, int] = field(default_factory=dict)  # billed tokens of an example -> examples
    sampled: Sampled | None = None
    history_tokens: float = 0.0

    def __repr__(self) -> str:
        tokens = ", ".join(f"{count:,} of {name}" for name, count in self.tokens.items())
        return (
            f"<Profile: {self.examples:,} examples, {self.task_type}; tokens {tokens}; {len(self.problems):,} problems>"
        )


def profile(
    dataset: Dataset,
    *,
    backend: str | None = None,
    model: str | None = None,
    objective: Objective | None = None,
    validation: Dataset | None = None,
    progress: Progress | None = None,
    old_models: bool = False,
) -> Profile:
    """Read the dataset once and return what it is; a second call finds the counts in the cache.

    ``backend``, ``model`` and ``objective`` (None: what the data is made for) add what they do not take to the
    problems, ``validation`` the examples it shares with the data, ``old_models`` the tokens of models that count in
    cl100k_base, where the data is small.
    """
    aim = Aim(backend, model, objective)
    opened = model is not None and is_open(model)
    model_encoding = (encoding_for(model),) if model and not opened and encoding_for(model) != "o200k_base" else ()
    if old_models and dataset.bytes <= SMALL_BYTES:
        model_encoding = (OLD,)
    examined = remembered(dataset, model_encoding, progress, marks=validation is not None)
    made = assemble(examined, dataset, dataset.fingerprint, aim)
    if validation is not None:
        found, counts = leaks(dataset, validation, examined.marks, remembered(validation, marks=True).marks)
        sources = validation.sources
        leaked = (
            problem(code, line, sources[file].name, detail, backend=backend, unit=sources[file].unit)
            for line, file, code, detail in found
        )
        made = replace(made, problems=(*made.problems, *leaked), quality={**made.quality, **counts})
    return _for_open_model(made, dataset, model, aim) if model is not None and opened else made


def _for_open_model(made: Profile, dataset: Dataset, model: str, aim: Aim) -> Profile:
    """Add the tokens of an open model, and what is longer than it or the backend takes."""
    found = model_tokens(dataset, model, made.billed_tokens_per_epoch[OPENAI_MODELS[0]])
    problems = made.problems
    limit = min((known for known in (found.context, offered_context(aim, dataset)) if known), default=None)
    if limit:
        lengths = found.lengths or {estimated(tokens): count for tokens, count in made.lengths.items()}
        over = sum(count for tokens, count in lengths.items() if tokens > limit)
        lost = sum((tokens - limit) * count for tokens, count in lengths.items() if tokens > limit)
        about = "" if found.lengths else "about "
        if over:
            # The local trainer cuts nothing: a cut answer would teach the model to break off.
            then = "left out of the training" if aim.backend == "local" else f"{about}{lost:,} tokens cut off"
            detail = f"{about}{over:,} over the {limit:,} tokens of {model}, {then}"
            problems = (problem("over_token_limit", None, dataset.sources[0].name, detail), *problems)
    facts: dict[str, Json] = {
        "model": model, "tokens": found.tokens, "low": found.low, "high": found.high, "exact": found.exact,
        "basis": found.basis, "context": found.context,
        "over": sum(count for tokens, count in found.lengths.items() if found.context and tokens > found.context),
        "over_tokens": sum(
            tokens * count for tokens, count in found.lengths.items() if found.context and tokens > found.context
        ),
        "longest": max((tokens for tokens in found.lengths if not found.context or tokens <= found.context), default=0),
    }  # fmt: skip
    return replace(
        made,
        tokens={**made.tokens, model: found.tokens},
        exact=made.exact and found.exact,
        problems=problems,
        quality={**made.quality, "model_tokens": facts},
    )


def synthetic(data: DataBlock, task: TaskType | None) -> Profile:
    """Return the profile of data that does not exist yet, from the workload file's ``data:`` block."""
    total = data.examples * data.tokens_per_example
    output = min(data.output_tokens, data.tokens_per_example)
    long = data.tokens_per_example
    each = Percentiles(long, long, long, long, float(long))
    said = task or (TaskType.CLASSIFICATION if data.labels else TaskType.OTHER)
    labels = None
    if data.labels:
        share, rest = divmod(data.examples, data.labels)
        labels = {f"label {number + 1}": share + (number < rest) for number in range(data.labels)}
    return Profile(
        examples=data.examples,
        format=Format.OPENAI_CHAT,
        fingerprint="",
        tokens={"o200k_base": total},
        billed_tokens_per_epoch=dict.fromkeys(OPENAI_MODELS, total),
        trained_tokens={"o200k_base": data.examples * output},
        per_example=each,
        system_tokens=0.0,
        user_tokens=float(data.tokens_per_example - output),
        output_tokens=float(output),
        longest=data.tokens_per_example,
        turns=float(data.turns),
        history_tokens=(data.turns - 1) / 2 * data.tokens_per_example / data.turns,
        task_type=said,
        task_reason="said by the workload file" if task or data.labels else "nothing is known yet",
        labels=labels,
        exact=False,
        has_tools=said is TaskType.TOOL_USE,
    )


def assemble(tally: Tally, dataset: Dataset, fingerprint: str, aim: Aim = ANYWHERE) -> Profile:
    """Turn counts into a profile."""
    count = max(1, tally.examples)
    each = percentiles(tally.lengths)
    labels = tally.labels.labels() if dataset.format is not Format.TEXT else None
    task, reason = infer(tally, labels, dataset.format)
    system = tally.roles["system"] + tally.roles["developer"] + tally.tools
    output = tally.roles["assistant"] / (2 if tally.preferences else 1)
    prompt = sum(tokens for role, tokens in tally.roles.items() if role not in ("system", "developer", "assistant"))
    findings, quality = whole_findings(tally, dataset, labels)
    findings.extend(limit_findings(tally, dataset, aim))
    told = max(1, tally.languages.total())
    return Profile(
        examples=tally.examples,
        format=dataset.format,
        fingerprint=fingerprint,
        tokens=dict(tally.tokens),
        billed_tokens_per_epoch={
            name: tally.billed[encoding_for(name)] for name in OPENAI_MODELS if encoding_for(name) in tally.billed
        },
        trained_tokens=dict(tally.trained),
        per_example=each,
        system_tokens=system / count,
        user_tokens=prompt / count,
        output_tokens=output / count,
        longest=each.max,
        turns=tally.turns / count,
        task_type=task,
        task_reason=reason,
        labels=labels,
        exact=not (tally.unsure or tally.preferences or any(tally.fault_counts[code] for code in _UNCOUNTED)),
        has_tools=tally.with_tools > 0 or tally.with_calls > 0,
        has_images=tally.images > 0,
        is_preference=tally.preferences > 0,
        languages={name: round(n / told, 4) for name, n in tally.languages.most_common()},
        problems=tuple(all_problems(tally, dataset, findings, aim.backend)),
        quality=quality,
        roles=dict(tally.roles),
        lengths=dict(tally.lengths),
        history_tokens=_history(tally, system - tally.tools, prompt),
    )


def _history(tally: Tally, system: int, prompt: int) -> float:
    """Return the mean tokens of earlier turns that are sent again for an answer, without the system prompt."""
    if not tally.examples or tally.turns <= tally.examples:
        return 0.0
    before = tally.asked - system * tally.turns / tally.examples
    return max(0.0, (before - prompt) / tally.turns)


def percentiles(lengths: Mapping[int, int]) -> Percentiles:
    """Return the percentiles of a histogram value -> count (nearest rank)."""
    total = sum(lengths.values())
    if not total:
        return Percentiles(0, 0, 0, 0, 0.0)
    ordered = sorted(lengths.items())

    def at(share: float) -> int:
        wanted, passed = share * total, 0
        for value, count in ordered:
            passed += count
            if passed >= wanted:
                return value
        return ordered[-1][0]

    mean = sum(value * count for value, count in ordered) / total
    return Percentiles(at(0.05), at(0.5), at(0.95), ordered[-1][0], mean)
