"""What the rules of the choice look at, and the sentences they say with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.evidence import HARD_TASKS, RETRIEVED_SHOTS, packaged, shots_to_show
from advisor.recommend.measurements import measured_recipes, tried_better
from advisor.recommend.quality_rule import Facts, Judgement
from advisor.recommend.select import used_prompt, used_tuned
from advisor.recommend.support import of_the_data, of_the_score, of_the_task
from advisor.recommend.values import Option, Reason
from advisor.recommend.worth import PriceOfTuning, money, odds_in_words
from advisor.task import TaskType
from advisor.tokens import Profile
from advisor.workload import Workload

# A prompt this good is kept as it is: examples in it cost more than they can win.
_GOOD = 0.9


@dataclass(frozen=True, slots=True)
class Asked:
    """All that the rules below look at, made once."""

    standing: Sequence[Option]
    profile: Profile
    workload: Workload
    task: TaskType
    facts: Facts
    judgement: Judgement
    price: PriceOfTuning | None
    score: float | None
    over_budget: bool

    def prompted(self) -> Option | None:
        return used_prompt(self.standing, self.workload)

    def tuned(self) -> Option | None:
        return used_tuned(self.standing, self.workload)

    @property
    def money(self) -> tuple[Reason, ...]:
        return (money(self.price, self.workload),) if self.price else ()

    @property
    def out_of_reach(self) -> bool:
        """Tell that a target is named which tuning usually does not reach even where it wins."""
        score, target = self.score, self.workload.quality_target
        return score is not None and target is not None and score + packaged().gain.high * (1 - score) < target

    @property
    def support(self) -> tuple[Reason, ...]:
        return (*of_the_data(self.facts.situation), *of_the_task(self.task), *of_the_score(self.score))


def changes(workload: Workload) -> Reason:
    return Reason(
        f"the facts it answers from change {workload.knowledge_changes}: look them up, do not train them in",
        "your-workload",
    )


def nothing(weighed: Sequence[Option], workload: Workload) -> Reason:
    """Say what closed the last door."""
    if workload.on_premises and not workload.gpus:
        text = "nothing may leave your premises and you name no GPU there, so no model can run"
    elif workload.on_premises:
        text = f"nothing may leave your premises, and no model worth running fits on {', '.join(workload.gpus)}"
    elif workload.budget_usd is not None:
        text = f"nothing fits a budget of ${workload.budget_usd:,.2f} over {workload.horizon_months} months"
    else:
        text = "what you allow rules out every option, each for its own reason"
    return Reason(text, "your-workload")


def odds_reason(asked: Asked) -> Reason:
    """Say the odds: the sentence that carries most of the advice."""
    said = odds_in_words(asked.judgement.odds)
    if asked.score is None:
        text = f"without a measured prompt, the odds that tuning beats the best one are {said}"
    else:
        text = (
            f"your best prompt scores {asked.score:.0%}; the odds that tuning beats it by more than chance are {said}"
        )
    return Reason(text, packaged().source)


def target_reason(asked: Asked) -> tuple[Reason, ...]:
    """Say whether the target can be met, where one is named and is not met yet."""
    score, target = asked.score, asked.workload.quality_target
    if score is None or target is None or score >= target:
        return ()
    gain = packaged().gain
    low, high = (score + share * (1 - score) for share in (gain.low, gain.high))
    text = (
        f"your target of {target:.0%} is not met; where tuning wins, it usually lifts {score:.0%} to between "
        f"{low:.0%} and {high:.0%}, {'which falls short of it' if asked.out_of_reach else 'which may be enough'}"
    )
    return (Reason(text, packaged().source),)


def recipes_to_try(asked: Asked) -> list[str]:
    """Return the recipes to try, the best first."""
    situation, profile = asked.facts.situation, asked.profile
    measured = measured_recipes(asked.workload)
    if measured and tried_better(asked.workload):
        return measured
    if asked.task is TaskType.CHAT or (asked.task in HARD_TASKS and asked.score is None):
        return ["prompt"]
    if asked.task in HARD_TASKS or (asked.score or 0.0) >= _GOOD:
        return measured
    # As many as every label once: near ones score more for less.
    if situation.labels and (situation.labels > RETRIEVED_SHOTS or _no_room(situation.labels, profile)):
        return ["retrieved", "few_shot"]
    return ["few_shot", "prompt"]


def _no_room(labels: int, profile: Profile) -> bool:
    each = round(profile.user_tokens + profile.output_tokens)
    return shots_to_show(labels, profile.examples // 2, each)[1]
