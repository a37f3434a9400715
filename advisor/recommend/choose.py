"""Picks the option: what was measured first, then what the odds of better answers are worth; and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.estimate import Strategy
from advisor.evidence import ever_won, packaged
from advisor.recommend.argument import Asked, changes, nothing, odds_reason, recipes_to_try, target_reason
from advisor.recommend.cheaper_prompt import cheaper_prompt
from advisor.recommend.facts import facts_of
from advisor.recommend.gates import is_over_budget
from advisor.recommend.measurements import (
    LEAD,
    measured_recipes,
    prompt_score,
    tuned_score,
    untried_recipes,
)
from advisor.recommend.options import for_retrieval, task_of
from advisor.recommend.quality_rule import CLEAR, Judgement, Verdict, Way, judge
from advisor.recommend.select import best_prompt, total
from advisor.recommend.support import of_the_method, of_the_task, rows_to_come
from advisor.recommend.values import Option, Reason, cited
from advisor.recommend.wording import model
from advisor.recommend.worth import PriceOfTuning, in_tenths, leads, money, points, price_of_tuning
from advisor.task import TaskType
from advisor.tokens import Profile
from advisor.workload import Workload

# A tuned model has to save this share of the prompt's cost before money alone speaks for it.
_WORTH_SAVING = Decimal("0.5")
_WORTH_THE_WORK_USD = Decimal(50)  # a month; saving less is not worth training and keeping a model
# From these odds of being at least as good a tuned model may be advised for its lower cost.
_AS_GOOD = 0.65
# Below this many examples tuning won on 4 of 52 published benchmarks (the claim "small-data-support").
_FEW_EXAMPLES = 200
# Odds count as clear for somebody who said nothing of errors only where their low end is likely too.
_LOW_END = 0.65
# From these odds against facts that are lacking, a knowledge task is one for looking up.
_NOT_AGAINST = 0.4
_FAILS = 0.6  # a knowledge prompt below this lacks facts


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
        return Choice(retrieval, changes(workload), for_retrieval(), None, "medium")
    if (plain := _plain_classifier(standing, profile.examples, workload)) is not None:
        return plain
    facts = facts_of(standing, profile, workload)
    if not facts.offered:
        return Choice(None, nothing(weighed, workload), (), None, "high")
    judgement = judge(facts)
    price = price_of_tuning(standing, workload, judgement.odds)
    over = any(option.strategy.tunes and is_over_budget(option.ruled_out_by) for option in weighed)
    asked = Asked(standing, profile, workload, task, facts, judgement, price, prompt_score(workload), over)
    return (
        _own_measurement(asked)
        or _good_enough(asked)
        or _facts_missing(asked, retrieval)
        or _cheaper_prompt(asked)
        or _tuned_where_it_pays(asked)
        or _cheaper_tuned(asked)
        or _prompted(asked)
        or _only_tuned(asked)
    )


def _looks_up(task: TaskType, workload: Workload) -> bool:
    """What changes daily is looked up whatever the task; what changes monthly where facts are the task."""
    if workload.knowledge_changes == "monthly":
        return task in (TaskType.KNOWLEDGE, TaskType.CHAT, TaskType.OTHER)
    return workload.knowledge_changes == "daily"


def _plain_classifier(standing: Sequence[Option], examples: int, workload: Workload) -> Choice | None:
    """What costs nothing is kept where it meets the target, or where nothing that was measured does better."""
    option = next((one for one in standing if one.strategy is Strategy.CLASSIFIER), None)
    if option is None or not examples:
        return None
    others = any(one.strategy not in (Strategy.CLASSIFIER, Strategy.RETRIEVAL) for one in standing)
    if option.quality is None:
        text = "nothing else may run here, and a plain classifier costs nothing: 'tunewise check' measures one"
        return None if others else Choice(option, Reason(text, "your-workload"), (), None, "low")
    scored, target = option.quality.mid, workload.quality_target
    rivals = [score for score in (prompt_score(workload), *(tuned_score(workload) or ())[1:]) if score is not None]
    if target is not None and scored >= target:
        text = f"a plain classifier gets {scored:.0%} right on your own rows and your target is {target:.0%}"
    elif target is None and rivals and scored >= max(rivals):
        text = f"a plain classifier gets {scored:.0%} right on your own rows, the best you measured otherwise"
        text += f" {max(rivals):.0%}"
    elif not others:
        text = f"nothing else may run here, and a plain classifier gets {scored:.0%} right on your own rows"
    else:
        return None
    return Choice(option, Reason(f"{text}: it costs nothing to run", "your-data"), (), None, "high")


def _own_measurement(asked: Asked) -> Choice | None:
    """What the user measured on this very task outranks the literature; it still has to lead by more than chance."""
    own, prompted = tuned_score(asked.workload), asked.score
    if own is None or prompted is None:
        return None
    name, score = own
    if not leads(score, prompted, asked.standing):
        option = asked.prompted()
        if option is None:
            return None
        said = f"you measured it: tuning ({name}) gave {score:.0%}, your best prompt {prompted:.0%}"
        if score > prompted:
            said += ", a lead that chance alone explains on this many test items: measure both on more"
        confidence = "high" if score <= prompted else "medium"
        support = (odds_reason(asked), *asked.support)
        return Choice(option, Reason(said, "your-pilot"), support, asked.judgement, confidence)
    option = asked.tuned()
    if option is None:
        return None
    if (dear := _too_dear(asked)) is not None:
        return dear
    said = f"you measured it: tuned ({name}) {score:.0%} against {prompted:.0%} for the best prompt"
    if option.quality is None:
        said += "; the score is of a model that is not among the options, and is not lent to another"
    sure = option.quality is not None and _priced(asked)
    reasons = (*asked.money, odds_reason(asked))
    return Choice(option, Reason(said, "your-pilot"), reasons, asked.judgement, "high" if sure else "medium")


def _priced(asked: Asked) -> bool:
    """Tell whether somebody said what better answers are worth, or they cost nothing."""
    said = asked.workload.error_cost_usd is not None or asked.workload.quality_target is not None
    return said or (asked.price is not None and asked.price.nobody_notices)


def _too_dear(asked: Asked) -> Choice | None:
    """A measured lead has to pay for itself where somebody said what a wrong answer costs."""
    said, found, option = asked.workload.error_cost_usd, asked.price, asked.prompted()
    if found is None or option is None or said is None or found.error_cost_of_tie_usd is None:
        return None
    if said >= found.error_cost_of_tie_usd:
        return None
    support = (odds_reason(asked), *asked.support)
    return Choice(option, money(found, asked.workload), support, asked.judgement, "medium")


def _good_enough(asked: Asked) -> Choice | None:
    score, target = asked.score, asked.workload.quality_target
    option = asked.prompted()
    if score is None or target is None or score < target or option is None:
        return None
    text = f"your prompt scores {score:.0%} and your target is {target:.0%}"
    if cheaper := cheaper_prompt(asked.standing, asked.workload):
        deciding = Reason(f"{text}: tune nothing; {cheaper.reason.text}", cheaper.reason.source)
        return Choice(option, deciding, (odds_reason(asked),), asked.judgement, "medium")
    deciding = Reason(f"{text}: keep it, recheck now and then", "your-workload")
    return Choice(option, deciding, (odds_reason(asked),), asked.judgement, "high")


def _facts_missing(asked: Asked, retrieval: Option | None) -> Choice | None:
    """A knowledge task that a large prompted model fails lacks facts, and facts are not learnt by tuning."""
    if retrieval is None or asked.task is not TaskType.KNOWLEDGE or asked.score is None:
        return None
    if asked.judgement.odds.p < _NOT_AGAINST or asked.score >= _FAILS:
        return None
    text = "a prompt that fails on knowledge questions lacks the facts: look them up before tuning anything"
    support = (*for_retrieval(), *of_the_task(asked.task))
    return Choice(retrieval, Reason(text, "gekhman"), support, asked.judgement, "medium")


def _cheaper_prompt(asked: Asked) -> Choice | None:
    """The same prompt on a cheaper model comes before anything that is trained to save money."""
    found = cheaper_prompt(asked.standing, asked.workload)
    if found is None:
        return None
    return Choice(
        found.option, found.reason, (*asked.money, odds_reason(asked), *asked.support), asked.judgement, "low"
    )


def _cheaper_tuned(asked: Asked) -> Choice | None:
    """A tuned model may win on cost alone where it is likely to be as good."""
    prompted, tuned = asked.prompted(), asked.tuned()
    if prompted is None or tuned is None or asked.judgement.odds.level < _AS_GOOD:
        return None
    dear, cheap = total(prompted), total(tuned)
    if dear is None or cheap is None or cheap >= dear * _WORTH_SAVING:
        return None
    if dear - cheap < _WORTH_THE_WORK_USD * asked.workload.horizon_months:
        return None
    text = f"tuning costs ${cheap:,.0f} over the horizon, prompting {model(prompted)} ${dear:,.0f}"
    level = Reason(
        f"the odds that it is as good as the prompt or better are {in_tenths(asked.judgement.odds.level)}",
        packaged().source,
    )
    support = (level, odds_reason(asked), cited("traffic"), cited("traffic-case"))
    return Choice(tuned, Reason(text, "arithmetic"), support, asked.judgement, "low")


def _tuned_where_it_pays(asked: Asked) -> Choice | None:
    """Advise tuning where odds times gain times the worth of a right answer exceed what it costs beyond the prompt."""
    tuned, found = asked.tuned(), asked.price
    if tuned is None or asked.prompted() is None:
        return None
    said, target = asked.workload.error_cost_usd, asked.workload.quality_target
    if asked.score is None:
        pays = _speaks_for_itself(asked) and asked.workload.on_premises
    elif found is None:
        pays = False
    elif found.extra_usd_per_month <= 0:
        pays = asked.judgement.way is not Way.PROMPT and found.gain >= LEAD
    elif said is not None:
        pays = found.error_cost_of_tie_usd is not None and said >= found.error_cost_of_tie_usd
    elif target is not None:
        pays = asked.judgement.way is not Way.PROMPT
    else:
        pays = _speaks_for_itself(asked) and found.nobody_notices
    return _tuned(asked, tuned) if pays else None


def _speaks_for_itself(asked: Asked) -> bool:
    """Tell that the odds are clear to their low end, and not borrowed: tuning has won a published case of this task.

    No case of chat or of summaries is published, and of 13 of code tuning won none: the odds of those are what other
    tasks say.
    """
    odds = asked.judgement.odds
    return odds.p >= CLEAR and odds.low >= _LOW_END and ever_won(asked.task)


def _tuned(asked: Asked, tuned: Option) -> Choice:
    confidence = _confidence(asked)
    few = asked.profile.examples < _FEW_EXAMPLES
    if asked.judgement.odds.p < 0.5 or asked.profile.is_preference or asked.score is None or few:
        confidence = "low"  # a try that pays; or hardly any published case is of so few, or of preference tuning
    elif confidence == "high" and (untried_recipes(asked.workload) or not _priced(asked) or asked.out_of_reach):
        confidence = "medium"  # a better prompt than the plain one may be all that it takes, or tuning not enough
    target = target_reason(asked)
    reasons = (*asked.money, *target, *asked.support, *of_the_method(tuned))
    return Choice(tuned, odds_reason(asked), reasons, asked.judgement, confidence)


def _prompted(asked: Asked) -> Choice | None:
    """Keep prompting: the cheapest way that is not clearly worse."""
    recipes = recipes_to_try(asked)
    keeps = recipes == measured_recipes(asked.workload)  # on the model it was measured with
    option = asked.prompted() if keeps else best_prompt(asked.standing, recipes)
    if option is None:
        return None
    confidence = "low" if asked.score is None else _confidence(asked)
    if not asked.profile.examples:
        text = "there are no examples yet: label 150 to 200 as a test set first, and measure a prompt on them"
        support = (rows_to_come(asked.facts.situation), cited("measure-first"), *of_the_task(asked.task))
        return Choice(option, Reason(text, "seed-rules"), support, asked.judgement, "low")
    if asked.tuned() is None:
        budget = asked.workload.budget_usd
        text = "every way of fine-tuning is ruled out, each for its own reason"
        if asked.over_budget and budget is not None:
            text = f"no way of fine-tuning fits your budget of ${budget:,.0f}"
        return Choice(
            option, Reason(text, "your-workload"), (odds_reason(asked), *asked.support), asked.judgement, confidence
        )
    if asked.score is None:
        text = "try a prompt first: nobody has measured how well one does on your task"
        support = (odds_reason(asked), cited("measure-first"), *asked.support)
        return Choice(option, Reason(text, "seed-rules"), support, asked.judgement, "low")
    target, odds = target_reason(asked), odds_reason(asked)
    if asked.judgement.way is Way.PROMPT:
        heads = (odds, *asked.money, *target)
    elif target and asked.workload.error_cost_usd is None:
        heads, confidence = (*target, odds, *asked.money), "medium"
    elif asked.price is not None and asked.price.extra_usd_per_month <= 0:
        heads, confidence = (_little_to_win(asked.price), odds, *asked.money), "medium"
    elif asked.price is not None:
        heads, confidence = (*asked.money, odds, *target), "medium"
    else:
        text = "whether tuning is worth its cost depends on how many requests you have: say --requests-per-month"
        heads, confidence = (Reason(text, "arithmetic"), odds), "low"
    return Choice(option, heads[0], (*heads[1:], *asked.support), asked.judgement, confidence)


def _little_to_win(found: PriceOfTuning) -> Reason:
    text = f"tuning would gain about {points(found.gain)} here: too little to train and keep a model for it"
    return Reason(text, packaged().source)


def _only_tuned(asked: Asked) -> Choice:
    """Nothing may be prompted, so what can be tuned is taken."""
    tuned = asked.tuned()
    assert tuned is not None
    return _tuned(asked, tuned)


def _confidence(asked: Asked) -> str:
    """How sure the advice is, by how clear the odds are and how wide their range."""
    odds = asked.judgement.odds
    if asked.judgement.verdict is Verdict.CLEAR and (odds.low >= _LOW_END or odds.high <= 1 - _LOW_END):
        return "high"
    return "low" if odds.high - odds.low > 0.6 else "medium"
