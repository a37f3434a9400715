"""What the judgement of quality may know, drawn from the options that stand, the data and the workload."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.evidence import Situation, strength
from advisor.recommend.measurements import best_recipe, prompt_score, tried_better
from advisor.recommend.options import task_of
from advisor.recommend.quality_rule import Facts
from advisor.recommend.select import used_prompt, used_tuned, way_of
from advisor.recommend.values import Option
from advisor.tokens import Profile
from advisor.workload import Workload


def facts_of(standing: Iterable[Option], profile: Profile, workload: Workload) -> Facts:
    """Return the facts. The gap lies between the model that was (or would be) prompted and the one to be tuned."""
    standing = list(standing)
    prompted, tuned = used_prompt(standing, workload), used_tuned(standing, workload)
    said = workload.scored_with(best_recipe(workload)) or workload.measured_with
    asked = strength(said or (prompted.model if prompted else ""))
    learner = strength(tuned.model) if tuned else None
    situation = Situation(
        task=task_of(profile, workload),
        examples=profile.examples,
        labels=len(profile.labels) if profile.labels else None,
        prompt_score=prompt_score(workload),
        gap=asked.index - learner.index if asked and learner else None,
        year=asked.year if asked else None,
        few_shot=tried_better(workload),
    )
    return Facts(situation, frozenset(way for option in standing if (way := way_of(option))))
