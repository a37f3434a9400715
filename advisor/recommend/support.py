"""What stands behind a choice besides the odds: published claims on the data's size, the task and the method."""

from __future__ import annotations

from dataclasses import replace

from advisor.estimate import Strategy
from advisor.evidence import Situation, ever_won, is_claim, odds_of, packaged
from advisor.recommend.values import Option, Reason, cited
from advisor.recommend.worth import in_tenths
from advisor.task import TaskType
from backends import Method, Objective

# Fewer examples than this have hardly any published comparison behind them (the claim "small-data-support").
_THIN_SUPPORT = 500
_FEW_A_LABEL = 60
_ROWS = (100, 300, 1000, 3000)


def of_the_data(situation: Situation) -> tuple[Reason, ...]:
    """Return what is known of data this small."""
    examples, labels = situation.examples, situation.labels
    if examples is None:
        return ()
    if labels and examples < _FEW_A_LABEL * labels:
        text = f"{examples:,} examples over {labels} labels are {examples / labels:.3g} per label"
        return (Reason(text, "your-data"), cited("thin-labels"), cited("retrieved-shots"))
    if examples < 100:
        many = "1 example is little" if examples == 1 else f"{examples:,} examples are few"
        text = f"{many} for fine-tuning" if examples else "there are no examples yet"
        support = "tool-traces" if situation.task is TaskType.TOOL_USE else "small-data"
        return (Reason(text, "your-data"), cited(support), cited("small-data-support"))
    return (cited("small-data-support"),) if examples < _THIN_SUPPORT else ()


def rows_to_come(situation: Situation) -> Reason:
    """Say what more examples would do for the odds, for who has none yet and asks whether to write some."""
    steps = [(count, odds_of(replace(situation, examples=count)).p) for count in _ROWS]
    said = ", ".join(f"{in_tenths(p).removeprefix('about ')} with {count:,}" for count, p in steps)
    text = f"the odds that tuning beats the best prompt would be about {said} examples"
    stop = next((count for count, p in steps if p >= 0.5), None)
    text += f"; below {stop:,} keep to the prompt" if stop else "; collecting so many for this alone does not pay"
    return Reason(text, packaged().source)


def of_the_score(score: float | None) -> tuple[Reason, ...]:
    """Return how published comparisons went on prompts as good as this."""
    if score is None:
        return ()
    bands = ((0.4, "band-below-40"), (0.7, "band-40-70"), (0.85, "band-70-85"), (0.95, "band-85-95"), (2, "band-95"))
    return (cited(next(id for below, id in bands if score < below)),)


def of_the_task(task: TaskType) -> tuple[Reason, ...]:
    """Return how published comparisons of the task went, or that none of it is behind the odds."""
    id = f"task-{task}"
    if is_claim(id):
        return (cited(id),)
    if ever_won(task):
        return ()
    text = "No published comparison with a tuned model is of this task: these odds are what other tasks say"
    return (Reason(text, packaged().source),)


def of_the_method(option: Option) -> tuple[Reason, ...]:
    if option.objective is Objective.DPO:
        return (Reason("your data are preference pairs, so this is preference tuning (DPO)", "your-data"),)
    if option.strategy is Strategy.LOCAL_QLORA:
        return (cited("qlora-equal"),)
    return (cited("lora-default"),) if option.method is Method.LORA else ()
