"""Picks the option: what quality asks for first, then what it costs; and says why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.estimate import Strategy
from advisor.evidence import HARD_TASKS, RETRIEVED_SHOTS, ClassName, packaged, shots_to_show
from advisor.recommend.measurements import LEAD, measured_recipes, prompt_score, tuned_score, untried_recipes
from advisor.recommend.options import for_retrieval, task_of
from advisor.recommend.quality_rule import Facts, Judgement, Verdict, Way, judge, little_to_win, near_examples
from advisor.recommend.select import PriceOfTuning, best_prompt, price_of_tuning, total, used_prompt, used_tuned, way_of
from advisor.recommend.values import Option, Reason, cited
from advisor.task import TaskType
from advisor.tokens import Profile
from advisor.workload import Workload
from backends import Method, Objective

# A tuned model has to save this share of the prompt's cost before money alone speaks for it.
_WORTH_SAVING = Decimal("0.5")
# Up to this cost of a wrong answer tuning may need to pay off, while nobody has said what one costs. Our own choice.
_UNSAID_ERROR_COST_USD = Decimal(1)
# Fewer examples than this have hardly any published comparison behind them (the claim "small-data-support").
_THIN_SUPPORT = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """The option (None: none stands), the deciding reason, what supports it, and the judgement of quality behind it."""

    option: Option | None
    deciding: Reason
    supporting: tuple[Reason, ...]
    judgement: Judgement | None
    confidence: str


def choose(weighed: Sequence[Option], profile: Profile, workload: Workload) -> Choice:
    """Choose among the options that stand."""
    standing = [option for option in weighed if option.ruled_out_by is None]
    retrieval = next((option for option in standing if option.strategy is Strategy.RETRIEVAL), None)
    task = task_of(profile, workload)
    if retrieval and _looks_up(task, workload):
        return Choice(retrieval, _changes(workload), for_retrieval(), None, "medium")
    facts = facts_of(standing, profile, workload)
    if not facts.offered:
        return Choice(None, _nothing(weighed, workload), (), None, "high")
    judgement = judge(facts)
    return (
        _own_measurement(standing, workload, judgement)
        or _good_enough(standing, workload, judgement)
        or _facts_missing(retrieval, task, judgement)
        or _cheaper_tuned(standing, workload, judgement)
        or _not_worth_it(standing, workload, judgement)
        or _by_quality(standing, profile, workload, facts, judgement)
    )


def facts_of(standing: Iterable[Option], profile: Profile, workload: Workload) -> Facts:
    """Return what the judgement may know, from the options that stand."""
    standing = list(standing)
    prompted = [option for option in standing if option.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT)]
    return Facts(
        task=task_of(profile, workload),
        examples=profile.examples,
        labels=len(profile.labels) if profile.labels else None,
        prompt_score=prompt_score(workload),
        same_model=not any(option.provider for option in prompted),
        offered=frozenset(way for option in standing if (way := way_of(option))),
    )


def _looks_up(task: TaskType, workload: Workload) -> bool:
    """What changes daily is looked up whatever the task; what changes monthly where facts are the task."""
    if workload.knowledge_changes == "monthly":
        return task in (TaskType.KNOWLEDGE, TaskType.CHAT, TaskType.OTHER)
    return workload.knowledge_changes == "daily"


def _facts_missing(retrieval: Option | None, task: TaskType, judgement: Judgement) -> Choice | None:
    """A knowledge task that a large prompted model fails lacks facts, and facts are not learnt by tuning."""
    if retrieval is None or task is not TaskType.KNOWLEDGE or judgement.class_name is not ClassName.ORDINARY:
        return None
    text = "a prompt that fails on knowledge questions lacks the facts: look them up before tuning anything"
    support = (*for_retrieval(), cited("task-knowledge"))
    return Choice(retrieval, Reason(text, "gekhman"), support, judgement, "medium")


def _nothing(weighed: Sequence[Option], workload: Workload) -> Reason:
    """Say what closed the last door."""
    if workload.on_premises and not workload.gpus:
        text = "nothing may leave your premises and you name no GPU there, so no model can run"
    elif workload.on_premises:
        text = f"nothing may leave your premises, and nothing worth running fits on {', '.join(workload.gpus)}"
    elif workload.budget_usd is not None:
        text = f"nothing fits a budget of ${workload.budget_usd:,.2f} for training and the first month"
    else:
        text = "every option is ruled out by what you allow; each says why"
    return Reason(text, "your-workload")


def _changes(workload: Workload) -> Reason:
    return Reason(
        f"what it must know changes {workload.knowledge_changes}: look it up, do not train it in", "your-workload"
    )


def _own_measurement(standing: Sequence[Option], workload: Workload, judgement: Judgement) -> Choice | None:
    """What the user measured on this very task outranks the literature; it still has to pay."""
    own, prompted = tuned_score(workload), prompt_score(workload)
    if own is None or prompted is None:
        return None
    name, score = own
    if score < prompted + LEAD:
        option = used_prompt(standing, workload)
        text = f"you measured it: tuning ({name}) gave {score:.0%}, your best prompt {prompted:.0%}"
        return Choice(option, Reason(text, "your-pilot"), judgement.reasons, judgement, "high") if option else None
    option = used_tuned(standing, workload)
    if option is None:
        return None
    if dear := _not_worth_it(standing, workload, judgement):
        return dear
    text = f"you measured it: tuned ({name}) {score:.0%} against {prompted:.0%} for the best prompt"
    if option.quality is None:
        text += ", with a model that is not among the options"
    sure = option.quality is not None and not _unpriced(price_of_tuning(standing, workload), workload)
    reasons = (*_money(standing, workload, option), *judgement.reasons)
    return Choice(option, Reason(text, "your-pilot"), reasons, judgement, "high" if sure else "medium")


def _good_enough(standing: Sequence[Option], workload: Workload, judgement: Judgement) -> Choice | None:
    score, target = prompt_score(workload), workload.quality_target
    if score is None or target is None or score < target:
        return None
    option = used_prompt(standing, workload)
    text = f"your prompt scores {score:.0%} and your target is {target:.0%}: keep it and do nothing"
    return Choice(option, Reason(text, "your-workload"), judgement.reasons, judgement, "high") if option else None


def _cheaper_tuned(standing: Sequence[Option], workload: Workload, judgement: Judgement) -> Choice | None:
    """A tuned model may win on cost alone where the evidence does not speak against its quality."""
    if judgement.way is not Way.PROMPT or judgement.class_name not in (ClassName.HIGH, ClassName.UNMEASURED):
        return None
    prompted, tuned = used_prompt(standing, workload), used_tuned(standing, workload)
    if prompted is None or tuned is None:
        return None
    dear, cheap = total(prompted), total(tuned)
    if dear is None or cheap is None or cheap >= dear * _WORTH_SAVING:
        return None
    text = f"tuning costs ${cheap:,.0f} over the horizon against ${dear:,.0f} for prompting {prompted.model}"
    return Choice(
        tuned,
        Reason(text, "arithmetic"),
        (*judgement.reasons, cited("traffic"), cited("traffic-case")),
        judgement,
        "low",
    )


def _not_worth_it(standing: Sequence[Option], workload: Workload, judgement: Judgement) -> Choice | None:
    """The gain has to pay for itself at what a wrong answer costs; a target speaks where that is not said."""
    said, found = workload.error_cost_usd, price_of_tuning(standing, workload)
    if found is None or (judgement.way is Way.PROMPT and not found.measured):
        return None
    if said is None and workload.quality_target is not None:
        return None
    worth = _UNSAID_ERROR_COST_USD if said is None else said
    if found.error_cost_of_tie_usd is None or worth >= found.error_cost_of_tie_usd:
        return None
    says = ", which you have not said" if said is None else f"; you say {_dollars(said)}"
    text = (
        f"tuning would cost ${found.extra_usd_per_month:,.0f} a month more, and {_gain(found, 'its')} pays for that "
        f"only if a wrong answer costs you more than {_dollars(found.error_cost_of_tie_usd, beside=said)}{says}"
    )
    option = used_prompt(standing, workload)
    return Choice(option, Reason(text, "arithmetic"), judgement.reasons, judgement, "medium") if option else None


def _by_quality(
    standing: Sequence[Option], profile: Profile, workload: Workload, facts: Facts, judgement: Judgement
) -> Choice:
    confidence = _confidence(facts, judgement)
    if profile.is_preference and judgement.way is not Way.PROMPT:
        confidence = "low"  # the published cases are of supervised tuning
    if judgement.way is Way.PROMPT:
        recipes = _recipes(profile, workload, facts, judgement)
        keeps = recipes == measured_recipes(workload)  # on the model it was measured with
        option = used_prompt(standing, workload) if keeps else best_prompt(standing, recipes)
        extra: tuple[Reason, ...] = ()
        if judge(replace(facts, offered=frozenset(Way))).way is not Way.PROMPT:
            text = "every way of fine-tuning is ruled out, though published results would favour it"
            extra = (Reason(text, "your-workload"),)
        elif judgement.class_name is ClassName.HIGH and workload.quality_target is not None:
            extra = (_short_of(workload.quality_target, facts),)
        return Choice(option, *_headed((*extra, *judgement.reasons)), judgement, confidence)
    tuned = used_tuned(standing, workload)
    assert tuned is not None
    thin = (cited("small-data-support"),) if profile.examples < _THIN_SUPPORT else ()
    # A better prompt than the plain one may be all that it takes.
    if thin or _unpriced(price_of_tuning(standing, workload), workload) or untried_recipes(workload):
        confidence = "medium" if confidence == "high" else confidence
    reasons = (*judgement.reasons, *thin, *_money(standing, workload, tuned), *_of_the_method(tuned))
    return Choice(tuned, *_headed(reasons), judgement, confidence)


def _unpriced(found: PriceOfTuning | None, workload: Workload) -> bool:
    """Tell that whether better answers are worth the money only the user can say, and has not."""
    said = workload.error_cost_usd is not None or workload.quality_target is not None
    return not said and (found is None or found.error_cost_of_tie_usd is not None)


def _short_of(target: float, facts: Facts) -> Reason:
    """Say why a good prompt stays though it misses the target: what is left to win is little."""
    score = facts.prompt_score or 0.0
    gain = 100 * packaged().band(score).median_gain
    text = (
        f"your best prompt already scores {score:.0%}; your target of {target:.0%} is not met, but up there tuning won "
        f"only {gain:g} points (median)"
    )
    return Reason(text, packaged().source)


def _headed(reasons: tuple[Reason, ...]) -> tuple[Reason, tuple[Reason, ...]]:
    return reasons[0], reasons[1:]


def _money(standing: Sequence[Option], workload: Workload, tuned: Option) -> tuple[Reason, ...]:
    """What the advice costs beyond prompting, and what a wrong answer must cost for that to pay."""
    found = price_of_tuning(standing, workload)
    if found is None:
        return ()
    if found.error_cost_of_tie_usd is None:
        less = f"${-found.extra_usd_per_month:,.0f} a month less than" if found.extra_usd_per_month else "no more than"
        known = tuned.serving == "tokens" or (tuned.estimate is not None and tuned.estimate.answer_s is not None)
        hoped = "" if known else ", if the machines counted carry it: how fast they answer is not known"
        return (Reason(f"it also costs {less} prompting{hoped}", "arithmetic"),)
    said = workload.error_cost_usd
    text = (
        f"it costs ${found.extra_usd_per_month:,.0f} a month more than prompting; at {_gain(found, 'the')} that pays "
        f"where a wrong answer costs more than {_dollars(found.error_cost_of_tie_usd, beside=said)}"
    )
    text += f"; you say {_dollars(said)}" if said is not None else ""
    return (Reason(text, "arithmetic"),)


def _gain(found: PriceOfTuning, whose: str) -> str:
    points = f"{100 * found.gain:g} points"
    return f"the gain of {points} you measured" if found.measured else f"{whose} usual gain of {points}"


def _dollars(usd: Decimal, beside: Decimal | None = None) -> str:
    """Write two digits of an amount, more where these would make it look like the one it stands ``beside``."""
    short = usd if usd == round(usd, 2) else round(usd, 2) if usd >= 1 else Decimal(f"{usd:.2g}")
    if short == beside != usd:
        short = Decimal(f"{usd:.4g}")
    return f"${short:,.2f}" if short == round(short, 2) else f"${short:f}"


def _of_the_method(option: Option) -> tuple[Reason, ...]:
    if option.objective is Objective.DPO:
        return (Reason("your data are preference pairs, so this is preference tuning (DPO)", "your-data"),)
    if option.strategy is Strategy.LOCAL_QLORA:
        return (cited("qlora-equal"),)
    return (cited("lora-default"),) if option.method is Method.LORA else ()


def _recipes(profile: Profile, workload: Workload, facts: Facts, judgement: Judgement) -> list[str]:
    """Return the recipes to try, the best first."""
    limits = packaged().thresholds
    thin = judgement.class_name is ClassName.THIN
    high = limits.high_score["other"] if thin else limits.high_score_of(facts.task)
    if facts.prompt_score is not None and facts.prompt_score >= high and workload.quality_target is None:
        return measured_recipes(workload)
    if thin:
        return ["retrieved", "few_shot"] if facts.labels else ["few_shot"]
    if facts.task in HARD_TASKS:
        return ["optimised", "prompt"] if facts.prompt_score is not None and profile.examples >= 45 else ["prompt"]
    if facts.task is TaskType.CHAT:
        return ["prompt"]
    # As many as every label once: near ones score more for less.
    if facts.labels and (facts.labels > RETRIEVED_SHOTS or _no_room(facts.labels, profile)):
        return ["retrieved", "few_shot"]
    return ["few_shot"] if facts.prompt_score is None else ["optimised", "few_shot"]


def _no_room(labels: int, profile: Profile) -> bool:
    each = round(profile.user_tokens + profile.output_tokens)
    return shots_to_show(labels, profile.examples // 2, each)[1]


def _confidence(facts: Facts, judgement: Judgement) -> str:
    if facts.prompt_score is None:
        return "low"
    if judgement.way is not Way.PROMPT and little_to_win(facts.prompt_score, judgement):
        return "low"
    if judgement.little_evidence or judgement.verdict is not Verdict.CLEAR or near_examples(facts):
        return "medium"
    return "high"
