"""Whether fine-tuning is needed for quality: the one judgement that `plan` and the back-test share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from advisor.evidence import Classes, ClassName, is_claim, packaged
from advisor.recommend.measurements import LEAD
from advisor.recommend.values import Reason, cited
from advisor.task import TaskType


class Way(StrEnum):
    """The ways of getting a task done, as far as quality tells them apart."""

    PROMPT = "prompt"
    HOSTED = "hosted"
    LOCAL = "local"
    FULL = "full"

    @property
    def effort(self) -> int:
        """Rank by effort: of two equally good ways the lower is right."""
        return {Way.PROMPT: 0, Way.HOSTED: 1, Way.LOCAL: 1, Way.FULL: 2}[self]


class Verdict(StrEnum):
    """How far the published comparisons agree."""

    CLEAR = "clear"
    LEAN = "lean"
    CONFLICTING = "conflicting"


# Examples within this share of the threshold lie close to it. Our own choice.
_NEAR = 0.1


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the judgement may know. ``prompt_score`` is the best measured prompt, 0 to 1; None: not measured.

    ``same_model`` tells that the prompt runs on a model that could itself be tuned (always so when nothing may leave
    the premises). ``offered`` are the ways open to the user.
    """

    task: TaskType
    examples: int | None
    labels: int | None
    prompt_score: float | None
    same_model: bool
    offered: frozenset[Way]


@dataclass(frozen=True, slots=True)
class Judgement:
    """``p_finetune_wins``: that a tuned model beats the best prompt by more than chance, as often as in the class."""

    way: Way
    p_finetune_wins: float
    verdict: Verdict
    little_evidence: bool
    class_name: ClassName
    wins: float
    groups: int
    reasons: tuple[Reason, ...]


# Where several are offered: of the comparisons that offer both, hosted models were ahead more often than local ones;
# full fine-tuning costs the most effort.
_PREFERENCE = (Way.HOSTED, Way.LOCAL, Way.FULL)


def judge(facts: Facts, classes: Classes | None = None) -> Judgement:
    """Say which way quality asks for, how sure that is, and why. ``classes`` defaults to the packaged evidence."""
    classes = classes or packaged()
    limits = classes.thresholds
    name = classes.of(facts.task, facts.examples, facts.labels, facts.prompt_score, facts.same_model)
    count = classes.count(name)
    p = count.p_finetune_wins
    needed = limits.fine_tune_from if facts.prompt_score is not None else limits.clear_from
    tunable = [way for way in _PREFERENCE if way in facts.offered]
    tune = tunable and (p >= needed or Way.PROMPT not in facts.offered)
    return Judgement(
        way=tunable[0] if tune else Way.PROMPT,
        p_finetune_wins=p,
        verdict=verdict(p),
        little_evidence=count.groups < limits.few_groups,
        class_name=name,
        wins=count.wins,
        groups=count.groups,
        reasons=_reasons(facts, name, classes),
    )


def verdict(p: float) -> Verdict:
    """Return how clear odds of ``p`` are: clear from 0.8 (or below 0.2), conflicting between 0.35 and 0.65."""
    if p >= 0.8 or p <= 0.2:
        return Verdict.CLEAR
    return Verdict.CONFLICTING if 0.35 < p < 0.65 else Verdict.LEAN


def _reasons(facts: Facts, name: ClassName, classes: Classes) -> tuple[Reason, ...]:
    """The deciding reason first, then what supports it."""
    score, count = facts.prompt_score, classes.count(name)
    if score is None and name is ClassName.THIN:
        return (*_too_thin(facts, classes), cited("measure-first"))
    if score is None:
        return (*_unmeasured(name, classes), *_of_the_task(facts.task))
    good = Reason(f"your best prompt already scores {score:.0%}", "your-workload")
    if name is ClassName.THIN:
        already = (good, cited(classes.band(score).claim)) if score >= classes.thresholds.high_score["other"] else ()
        return (*already, *_too_thin(facts, classes))
    if name is ClassName.HIGH:
        return (good, cited(classes.band(score).claim), cited("prompt-score-decides"))
    if name is ClassName.FRONTIER:
        text = f"your prompt scores {score:.0%} on a {facts.task} task, where a large prompted model is hard to beat"
        return (Reason(text, "your-workload"), cited("frontier-reasoning"), *_of_the_task(facts.task))
    text = (
        f"your best prompt scores {score:.0%}; in {count.wins:g} of {count.groups} published task groups like this "
        f"a tuned model beat the best prompt{count.halves}"
    )
    support = "same-model" if name is ClassName.SAME_MODEL else classes.band(score).claim
    return (Reason(text, classes.source), *_close(facts, classes), cited(support), *_of_the_task(facts.task))


def _unmeasured(name: ClassName, classes: Classes) -> tuple[Reason, ...]:
    count = classes.count(name)
    if name is ClassName.UNMEASURED_SAME_MODEL:
        text = (
            f"in {count.wins:g} of {count.groups} published task groups like this a tuned model beat the best prompt "
            f"of a model one can tune{count.halves}"
        )
        return (Reason(text, classes.source), cited("measure-first"))
    text = "try a prompt first: how well one does on your task was never measured"
    return (Reason(text, "seed-rules"), cited("measure-first"))


def _too_thin(facts: Facts, classes: Classes) -> tuple[Reason, ...]:
    if facts.labels and facts.examples is not None:
        per_label = facts.examples / facts.labels
        needed_each = classes.thresholds.examples_per_label
        text = (
            f"{facts.examples:,} examples over {facts.labels} labels are {_each(per_label, needed_each)} per label, "
            f"too few to tune on, which is advised from {needed_each:g} on"
        )
        return (Reason(text, "your-data"), cited("thin-labels"), cited("retrieved-shots"))
    needed = classes.thresholds.examples_needed(facts.task)
    many = "1 example is little" if facts.examples == 1 else f"{facts.examples:,} examples are few"
    have = many if facts.examples else "there are no examples yet"
    text = f"{have} for fine-tuning, which is advised from about {needed:,} on"
    support = {TaskType.CLASSIFICATION: "classification-rows", TaskType.TOOL_USE: "tool-traces"}
    return (Reason(text, "your-data"), cited(support.get(facts.task, "small-data")), cited("small-data-support"))


def _each(per_label: float, needed: float) -> str:
    """Write examples per label; never rounded to the threshold they miss."""
    digits = next((digits for digits in range(4) if round(per_label, digits) < needed), 4)
    return f"{per_label:.{digits}f}"


def _close(facts: Facts, classes: Classes) -> tuple[Reason, ...]:
    """Say where the examples only just suffice: a few fewer, and the advice would be another."""
    if facts.examples is None or not near_examples(facts, classes):
        return ()
    limits = classes.thresholds
    if facts.labels:
        have = (
            f"{facts.examples:,} examples over {facts.labels} labels are {facts.examples / facts.labels:.4g} per label"
        )
        from_on = f"{limits.examples_per_label:g} per label"
    else:
        have, from_on = f"you have {facts.examples:,} examples", f"about {limits.examples_needed(facts.task):,}"
    return (Reason(f"{have}, close to the threshold: fine-tuning is advised from {from_on} on", "your-data"),)


def near_examples(facts: Facts, classes: Classes | None = None) -> bool:
    """Tell that the examples are within a tenth of the number that fine-tuning is advised from."""
    limits = (classes or packaged()).thresholds
    if facts.examples is None:
        return False
    needed = limits.examples_per_label * facts.labels if facts.labels else limits.examples_needed(facts.task)
    return abs(facts.examples - needed) <= _NEAR * needed


def little_to_win(score: float, judgement: Judgement) -> bool:
    """Tell that tuning gained less on prompts this good than a score must lead another by to count."""
    return judgement.class_name is ClassName.ORDINARY and packaged().band(score).median_gain < LEAD


def _of_the_task(task: TaskType) -> tuple[Reason, ...]:
    id = f"task-{task}"
    return (cited(id),) if is_claim(id) else ()
