"""What the user measured himself: the scores of prompts and of tuned models, by the names in the workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.errors import WorkloadError
from advisor.estimate.values import Strategy
from advisor.nearest import nearest
from advisor.tokens import Profile
from advisor.workload import MeasuredScore, PromptTokens, Workload

# Names that are prompts of some recipe; the others are tuned models, and what a run starts from.
PROMPTED = ("prompt", "few_shot", "optimised", "retrieved", "many")
BASE = "base"
CLASSIFIER = str(Strategy.CLASSIFIER)
_TUNED = (*(str(strategy) for strategy in Strategy if strategy.tunes), "tuned", "pilot")
# By how much (as a share) one score must lead another to count.
LEAD = 0.02


def all_named(workload: Workload) -> None:
    """Refuse a score of a way that is not known, for it could be taken for another's. Raises WorkloadError."""
    known = (*PROMPTED, *_TUNED, BASE, CLASSIFIER)
    for name in workload.measured:
        if name not in known:
            hint = f"Did you mean {' or '.join(map(repr, near))}? " if (near := nearest(name, known)) else ""
            raise WorkloadError(
                f"measured: a score cannot be of '{name}'. {hint}It is of a prompt ({', '.join(PROMPTED)}), of a tuned "
                f"model ({', '.join(_TUNED)}), of the untuned model ({BASE}) or of a {CLASSIFIER}."
            )


def prompt_score(workload: Workload) -> float | None:
    """Return the best score measured with a prompt of any kind."""
    return max((score for name, score in workload.scores.items() if name in PROMPTED), default=None)


def best_recipe(workload: Workload) -> str:
    """Return the name of the prompt that holds the best score; the plain one where none was measured."""
    score = prompt_score(workload)
    return next((name for name in PROMPTED if score is not None and workload.scores.get(name) == score), "prompt")


def with_best_prompt(workload: Workload, score: float) -> Workload:
    """Return the workload as if its best prompt scored ``score`` and no other prompt had been measured."""
    kept = {name: one for name, one in workload.measured.items() if name not in PROMPTED}
    return workload.model_copy(update={"measured": {**kept, best_recipe(workload): score}})


def tuned_score(workload: Workload) -> tuple[str, float] | None:
    """Return the best score measured with a tuned model, and what the user called it."""
    tuned = {name: score for name, score in workload.scores.items() if name not in (*PROMPTED, BASE, CLASSIFIER)}
    return max(tuned.items(), key=lambda item: item[1]) if tuned else None


def measured_recipes(workload: Workload) -> list[str]:
    """Return the measured recipes that are level with the best, the simplest first."""
    scores = {name: workload.scores[name] for name in PROMPTED if name in workload.measured}
    best = max(scores.values(), default=0.0)
    return [name for name in scores if scores[name] >= best - LEAD]


def tried_better(workload: Workload) -> bool | None:
    """Tell whether a better prompt than the plain one was measured; None where no prompt was."""
    better = set(PROMPTED) - {"prompt"}
    if set(workload.measured) & better or (workload.current and workload.current.strategy in better):
        return True
    return None if prompt_score(workload) is None else False


def untried_recipes(workload: Workload) -> bool:
    """Tell that no better prompt than the plain one was measured, where a large model may be prompted."""
    return not tried_better(workload) and tuned_score(workload) is None and not workload.on_premises


@dataclass(frozen=True, slots=True)
class Measurement:
    """A score from the user's own runs: ``name`` as in the workload's ``measured``, 0 to 1 with its interval.

    ``basis`` says where it comes from, such as "run tw-1122-7f3a9c01 on 80 held-out examples".
    """

    name: str
    score: float
    low: float
    high: float
    basis: str
    model: str | None = None


def with_current(workload: Workload, profile: Profile) -> Workload:
    """Return the workload with what answers today taken as measured: its score, its model, and the prompt it is sent.

    Examples that stand in a prompt of a known length are part of it, so its score is that of a plain prompt.
    """
    current = workload.current
    if current is None:
        return workload
    told: dict[str, object] = {}
    prompts = current.strategy in PROMPTED
    name = "prompt" if prompts and current.system_tokens is not None else current.strategy
    if current.score is not None and name not in workload.measured:
        score = MeasuredScore(score=current.score, model=current.model)
        told["measured"] = {**workload.measured, name: score}
    if prompts and workload.measured_with is None:
        told["measured_with"] = current.model
    if prompts and current.system_tokens is not None and workload.prompt_tokens is None:
        user, output = round(profile.user_tokens), round(profile.output_tokens)
        told["prompt_tokens"] = PromptTokens(system=current.system_tokens, user=user, output=output)
    return workload.model_copy(update=told)


def sharpened(workload: Workload, own: Sequence[Measurement]) -> Workload:
    """Return the workload with the scores of own runs added, and the model they were measured with.

    What the user says himself wins; of his own runs' prompts the best one names the model.
    """
    found: dict[str, Measurement] = {}
    for item in own:
        found.setdefault(item.name, item)
    scores = {name: item.score for name, item in found.items()}
    model = workload.measured_with
    if model is None and not any(name in workload.measured for name in PROMPTED):
        prompted = [item for name, item in found.items() if name in PROMPTED]
        best = max(prompted, key=lambda item: item.score, default=None)
        model = best.model if best else None
    return workload.model_copy(update={"measured": {**scores, **workload.measured}, "measured_with": model})
