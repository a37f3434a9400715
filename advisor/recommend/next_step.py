"""The command to run next: the one that makes the advice surer, or carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

from advisor.estimate import Strategy
from advisor.evidence import catalogue, strength
from advisor.recommend.choose import Choice
from advisor.recommend.measurements import prompt_score, untried_recipes
from advisor.recommend.rationale import holds_secrets
from advisor.recommend.select import best_prompt, recipe_of, used_tuned
from advisor.recommend.values import Option
from advisor.tokens import Profile
from advisor.workload import Workload

# Held-out examples that give a standard error of 3.5 points (the claim "measure-first"); more are asked for nothing.
_ENOUGH = 200


def next_step(
    choice: Choice,
    chosen: Option | None,
    weighed: Sequence[Option],
    profile: Profile,
    workload: Workload,
    data: str,
    flags: str,
) -> str:
    """Return the command. ``data`` names the data in it, ``flags`` say the workload again."""
    if holds_secrets(profile):
        return f"tunewise check {data} --fix clean.jsonl --redact"
    if chosen is None:
        if workload.on_premises:
            return f"tunewise fit --model {catalogue().local[0].model} --method qlora"
        if workload.budget_usd is not None:
            return f"tunewise budget {data}{flags} --limit {workload.budget_usd:f}"
        return f"tunewise plan {data}{flags} --json"
    if chosen.strategy is Strategy.CLASSIFIER:
        return f"tunewise classifier {data} --out classifier"
    if workload.current is not None and not workload.on_premises and (several := _several(chosen, weighed)):
        return _measured_beside(several, profile, data)
    if chosen.strategy.tunes and prompt_score(workload) is not None:
        if choice.confidence == "low" and untried_recipes(workload) and (asked := _askable(weighed)):
            return _evaluate(asked, weighed, profile, workload, data, near=False)
        if choice.confidence == "low" and not profile.is_preference:  # a pilot trains on answers, not on preferences
            return _pilot(chosen, profile, data)
        return f"tunewise plan {data}{flags} --out plan.yaml && tunewise launch plan.yaml"
    standing = [item for item in weighed if item.ruled_out_by is None]
    tuned = used_tuned(standing, workload)
    score, target = prompt_score(workload), workload.quality_target
    if score is not None and target is not None and score < target and tuned and choice.confidence != "high":
        return _pilot(tuned, profile, data)
    askable = [item for item in standing if item.backend and not item.strategy.tunes]
    asked = chosen if chosen.backend and chosen in askable else best_prompt(askable)
    if asked is None:
        return _pilot(chosen, profile, data)
    return _evaluate(asked, weighed, profile, workload, data, near=chosen.strategy is Strategy.RETRIEVAL)


def _askable(weighed: Sequence[Option]) -> Option | None:
    """Return the prompt to measure next, of those a backend can be asked with."""
    return best_prompt(
        [item for item in weighed if item.ruled_out_by is None and item.backend and not item.strategy.tunes]
    )


def _several(chosen: Option, weighed: Sequence[Option]) -> tuple[Option, ...]:
    """Return two or three models that one backend can be asked: the cheapest, the strongest, one between."""
    recipe = recipe_of(chosen) if not chosen.strategy.tunes else "prompt"
    open_ones = [one for one in weighed if one.ruled_out_by is None and one.provider and not one.strategy.tunes]
    same = [one for one in open_ones if one.backend and recipe_of(one) == recipe]
    priced = [one for one in same if one.estimate and one.estimate.marginal_usd]
    if not priced:
        return ()
    cheapest = min(priced, key=lambda one: one.estimate.marginal_usd.mid)  # type: ignore[union-attr]
    place = [one for one in priced if one.backend == cheapest.backend]
    by_strength = sorted(place, key=lambda one: found.index if (found := strength(one.model)) else 0.0)
    above = by_strength[by_strength.index(cheapest) + 1 :]
    between = [one for one in above[:-1] if one.model == chosen.model] or above[:-1][-1:]
    return tuple(dict.fromkeys((cheapest, *between, *above[-1:])))


def _measured_beside(several: Sequence[Option], profile: Profile, data: str) -> str:
    """Ask two or three models the same held-out questions with the same prompt, within a stated sum."""
    first, beside = several[0], ",".join(["base", *(one.model for one in several[1:])])
    step = f"tunewise evaluate {data} --backend {first.backend} --model {first.model} --against {beside}"
    held_out = profile.examples // 2
    step += f" --max-examples {_ENOUGH}" if held_out > _ENOUGH else ""
    return step + _limit(several, min(held_out, _ENOUGH))


def _pilot(option: Option, profile: Profile, data: str) -> str:
    limit = f" --max-examples {_ENOUGH}" if profile.examples // 4 > _ENOUGH else ""
    return f"tunewise pilot {data} --backend {option.backend} --model {option.model}{limit}"


def _evaluate(
    asked: Option, weighed: Sequence[Option], profile: Profile, workload: Workload, data: str, *, near: bool
) -> str:
    """Ask the plain prompt beside one not measured yet, or beside the one that does and is kept.

    Of much data only as much as settles it is asked, and with a limit.
    """
    of_it = {recipe_of(one): one for one in weighed if one.model == asked.model and not one.strategy.tunes}
    plain, recipe = of_it.get("prompt", asked), recipe_of(asked)
    score, target = prompt_score(workload), workload.quality_target
    kept = score is not None and target is not None and score >= target
    fixed_known = not kept and "few_shot" in workload.measured and "retrieved" not in workload.measured
    shown = of_it.get("retrieved" if near or recipe == "retrieved" or fixed_known else "few_shot")
    against = "base"
    if shown is not None:
        against += f",few-shot:{shown.shots}" + (":near" if recipe_of(shown) == "retrieved" else "")
    step = f"tunewise evaluate {data} --backend {asked.backend} --model {asked.model} --against {against}"
    held_out = profile.examples // 2
    if held_out > _ENOUGH:
        step += f" --max-examples {_ENOUGH}"
    return step + _limit((plain, shown or plain), min(held_out, _ENOUGH))


def _limit(asked: Sequence[Option], questions: int) -> str:
    """Return --max-cost with what the answers cost at most, in whole dollars; nothing where none is billed."""
    each = [one.estimate.marginal_usd for one in asked if one.estimate]
    if any(usd is None for usd in each):
        return ""
    most = questions * sum((usd.high for usd in each if usd is not None), Decimal(0))
    return f" --max-cost {most.to_integral_value(rounding=ROUND_CEILING)}" if most else ""
