"""Whether chance in the measured score alone could turn the advice: then nobody is sure of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advisor.recommend.choose import Choice, choose
from advisor.recommend.measurements import prompt_score, with_best_prompt
from advisor.recommend.select import of_another_kind
from advisor.recommend.values import Option, Reason
from advisor.tokens import Profile
from advisor.workload import Workload

_SIGMAS = 1.96  # half of a 95 % interval, in standard errors


def doubted(choice: Choice, weighed: Sequence[Option], profile: Profile, workload: Workload) -> Choice:
    """Lower a high confidence where the best prompt's score, one standard error off, asks for another kind."""
    score, chosen = prompt_score(workload), choice.option
    qualities = (option.quality for option in weighed if option.quality and not option.strategy.tunes)
    mine = next((quality for quality in qualities if quality.mid == score), None)
    if choice.confidence != "high" or score is None or chosen is None or mine is None:
        return choice
    for end in (mine.high, mine.low):
        off = score + (end - score) / _SIGMAS
        then = choose(weighed, profile, with_best_prompt(workload, off)).option
        if of_another_kind(then, chosen):
            text = f"by chance alone your prompt's {score:.0%} may be {off:.0%}, which would change the advice"
            reason = Reason(f"{text}: measure it on more examples", "your-workload")
            return replace(choice, supporting=(reason, *choice.supporting), confidence="medium")
    return choice
