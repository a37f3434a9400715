"""Which option of a kind to take: the right recipe, large enough, then the cheapest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from advisor import hardware
from advisor.estimate import Range, Strategy
from advisor.evidence import catalogue
from advisor.recommend.measurements import PROMPTED, measured_recipes, tuned_score
from advisor.recommend.quality_rule import Way
from advisor.recommend.values import Option
from advisor.workload import Workload

# Costs this close (as a factor) are the same as far as anyone can tell.
_SAME_COST = Decimal("1.25")


def way_of(option: Option) -> Way | None:
    """Return the way of an option, None for what the judgement does not weigh."""
    if option.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT):
        return Way.PROMPT
    if option.strategy is Strategy.HOSTED:
        return Way.HOSTED
    if option.strategy is Strategy.LOCAL_FULL:
        return Way.FULL
    return Way.LOCAL if option.strategy.local else None


def kind_of(option: Option) -> str:
    """Return what an option is at heart: tuned, prompt or retrieval. Only a change of it is another advice."""
    if option.strategy is Strategy.CLASSIFIER:
        return "classifier"
    return "retrieval" if option.strategy is Strategy.RETRIEVAL else "tuned" if option.strategy.tunes else "prompt"


def of_another_kind(then: Option | None, chosen: Option) -> Option | None:
    """Return what would be chosen then, where it is of another kind than what is chosen now."""
    return then if then is not None and kind_of(then) != kind_of(chosen) else None


def recipe_of(option: Option) -> str:
    """Return how an option prompts: prompt, few_shot, optimised, retrieved or many."""
    suffix = option.id.rsplit(":", 1)[-1]
    return suffix if suffix in PROMPTED else str(option.strategy)


def best_prompt(standing: Sequence[Option], recipes: Sequence[str] = ()) -> Option | None:
    """Return the prompted option to take, of the first recipe that any standing option follows.

    Which model comes first is the price book's word: it lists the cheap ones first. A small model on one's own machine
    comes only where no provider's model may be asked.
    """
    prompted = [option for option in standing if way_of(option) is Way.PROMPT]
    prompted = [option for option in prompted if option.provider] or prompted
    for recipe in (*recipes, *PROMPTED):
        if found := next((option for option in prompted if recipe_of(option) == recipe), None):
            return found
    return None


def used_prompt(standing: Sequence[Option], workload: Workload) -> Option | None:
    """Return the prompted option the user measured, else the cheapest."""
    recipes = measured_recipes(workload)
    scored = [option for option in standing if option.quality is not None and recipe_of(option) in recipes]
    return best_prompt(scored, recipes) or best_prompt(standing, recipes)


def prompt_to_beat(chosen: Option | None, weighed: Sequence[Option], workload: Workload) -> Option | None:
    """Return the prompted option that tuning is set against: the advice where it prompts, else the one in use."""
    if chosen is not None and way_of(chosen) is Way.PROMPT:
        return chosen
    return used_prompt([option for option in weighed if option.ruled_out_by is None], workload)


def best_tuned(standing: Sequence[Option], gpus: Sequence[str]) -> Option | None:
    """Return the tuned option to take: large enough, then cheapest; of equals the one that is least work."""
    tuned = [option for option in standing if option.strategy.tunes]
    return min(tuned, key=lambda option: _rank(option, gpus), default=None)


def used_tuned(standing: Sequence[Option], workload: Workload) -> Option | None:
    """Return the tuned option the user measured, else one of the way he measured, else the best."""
    found = tuned_score(workload)
    tuned = [option for option in standing if option.strategy.tunes]
    scored = [option for option in tuned if found and option.quality and option.quality.mid == found[1]]
    same_way = [option for option in tuned if found and option.strategy == found[0]]
    return best_tuned(scored or same_way or tuned, workload.gpus)


def total(option: Option) -> Decimal | None:
    """Return the middle cost over the horizon in US dollars; None: unknown."""
    return option.estimate.total_usd.mid if option.estimate and option.estimate.total_usd else None


def _rank(option: Option, gpus: Sequence[str]) -> tuple[bool, tuple[int, ...], tuple[int, int]]:
    """Sort key. It looks at one option alone, so that leaving another one out can never change the order."""
    return not _large_enough(option), _brackets(option), _effort(option, gpus)


def _brackets(option: Option) -> tuple[int, ...]:
    """What is unknown last; the total over the horizon; without a volume what is paid unused, then the rest."""
    found = option.estimate
    if found is None:
        return (2,)
    if found.total_usd is not None:
        return 0, _bracket(found.total_usd)
    if found.marginal_usd is None or found.fixed_monthly_usd is None:
        return (1,)
    return 0, _bracket(found.fixed_monthly_usd), _bracket(found.marginal_usd), _bracket(found.one_off_usd)


def _bracket(usd: Range | None) -> int:
    """Put amounts that are the same as far as anyone can tell (within a quarter) into one bracket."""
    return 0 if usd is None or usd.mid < 1 else 1 + int(math.log(usd.mid) / math.log(_SAME_COST))


def _effort(option: Option, gpus: Sequence[str]) -> tuple[int, int]:
    """Sort key: own GPU first, then a provider that runs everything, then rented machines; LoRA before the rest."""
    if option.strategy is Strategy.HOSTED:
        return 1, 0
    order = (Strategy.LOCAL_LORA, Strategy.LOCAL_QLORA, Strategy.LOCAL_FULL)
    return 0 if option.gpu in gpus and option.trained_on is None else 2, order.index(option.strategy)


def _large_enough(option: Option) -> bool:
    arch = hardware.architecture(option.model) if option.strategy.local else None
    return arch is None or arch.params / 1e9 >= catalogue().enough_params_b
