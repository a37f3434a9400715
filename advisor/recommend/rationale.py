"""The argument that comes with the answer: evidence, conflicts, doubts and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from advisor.dataset import CATALOGUE, Level
from advisor.estimate import Strategy
from advisor.evidence import RETRIEVED_SHOTS, claims, nearest, odds_of, packaged
from advisor.pricing import PriceBook
from advisor.recommend.choose import Choice
from advisor.recommend.measurements import prompt_score, tuned_score, untried_recipes
from advisor.recommend.options import task_of
from advisor.recommend.quality_rule import Judgement
from advisor.recommend.select import total
from advisor.recommend.values import EvidenceRef, Flip, Option, Reason, cited, reference
from advisor.recommend.worth import in_tenths, odds_in_words
from advisor.task import MISTAKEN, TaskType
from advisor.tokens import Profile
from advisor.workload import Workload

_RARE = 10  # examples of one label
_FEW_CASES = 8
_OPEN_ENDED = (TaskType.STYLE, TaskType.SUMMARISATION, TaskType.CHAT)


def assumptions(
    choice: Choice,
    profile: Profile,
    workload: Workload,
    chosen: Option | None,
    weighed: Sequence[Option],
    book: PriceBook,
) -> tuple[str, ...]:
    """What the advice takes for granted, then what the chosen option's sums do."""
    found = [profile.sampled.sentence] if profile.sampled else []
    if workload.task is None:
        ask = " Say --task KIND: the advice may turn on it." if profile.task_type in MISTAKEN else ""
        found.append(f"The task is taken to be {profile.task_type}: {profile.task_reason}.{ask}")
    for seller in () if workload.on_premises else book.asks_standing:
        if seller not in workload.standing:
            name = book.name_of(seller)
            found.append(
                f"You are taken never to have fine-tuned at {name}; say --standing {seller}=active if you have."
            )
    if prompt_score(workload) is not None:
        scored = [option for option in weighed if option.quality is not None and not option.strategy.tunes]
        of = f", with {' and '.join(dict.fromkeys(f'{one.model}, {one.variant}' for one in scored))}" if scored else ""
        said = "" if workload.measured_with else " Say --measured-with MODEL if it was another."
        if any(option.shots for option in scored):
            said += " If your prompt holds examples of your own, count them as system tokens and call its score prompt."
        found.append(
            f"Your score is taken as that of the best prompt you would use, measured on held-out examples{of}.{said}"
        )
    if workload.current and workload.current.system_tokens and not workload.on_premises:
        found.append(
            "The data's own system prompt is what the next step sends; --prompt FILE puts today's in its place."
        )
    if choice.judgement is not None and workload.measured_with and (same := _of_the_same_model(choice.judgement)):
        found.append(f"Your score is of {workload.measured_with}. {same}")
    if not workload.gpus and not workload.on_premises:
        found.append("You are assumed to own no GPU; say --own-gpu NAME if you do.")
    return (*found, *(chosen.estimate.assumptions if chosen and chosen.estimate else ()))


def of_the_horizon(flips: Sequence[Flip], workload: Workload) -> Iterator[str]:
    """Say that the horizon is not what the advice hangs on, where another one was tried and nothing changed."""
    tried = {flip.variable for flip in flips}
    if "error_cost_usd" in tried and "horizon_months" not in tried:
        months = workload.horizon_months
        yield f"You plan for {months} {'month' if months == 1 else 'months'}: from 1 to 36 the advice is the same."


def _of_the_same_model(judgement: Judgement) -> str:
    """Say what the odds would be of a prompt on the very model that would be tuned; "" where it hardly matters."""
    said, gap = judgement.odds.p, judgement.situation.gap
    same = odds_of(replace(judgement.situation, gap=0.0)).p
    if gap is None or abs(same - said) < 0.05:
        return ""
    would = f"the odds would be {in_tenths(same)} instead of {in_tenths(said)}"
    return f"Had the model that would be tuned scored it, {would}."


def evidence(
    choice: Choice, weighed: Sequence[Option], profile: Profile, workload: Workload, next_step: str
) -> tuple[EvidenceRef, ...]:
    """The claims behind the argument, the nearest published cases, and where sources disagree."""
    known = {found.text: found for found in claims().values()}
    used = [known[reason.text] for reason in (choice.deciding, *choice.supporting) if reason.text in known]
    refs = [EvidenceRef(found.text, found.source, found.n_cases) for found in used]
    task = task_of(profile, workload)
    labels = len(profile.labels) if profile.labels else None
    if choice.judgement is not None:
        odds = choice.judgement.odds
        text = f"the odds that tuning beats the best prompt by more than chance: {odds_in_words(odds)}"
        refs.insert(0, EvidenceRef(text, packaged().source, odds.cases_for + odds.cases_against))
        refs += [
            EvidenceRef(f"nearest: {case.sentence}", case.source, 1) for case in nearest(choice.judgement.situation)
        ]
        refs += [reference(id) for id in _conflicts(task, labels, profile.examples, weighed)]
        refs += [reference("publication-bias"), reference("tuned-serving-2026")]
    if next_step.startswith("tunewise pilot"):
        refs += [reference("pilot"), reference("pilot-flat")]
    return tuple(dict.fromkeys(refs))


def _conflicts(task: TaskType, labels: int | None, examples: int, weighed: Sequence[Option]) -> Iterator[str]:
    if task is TaskType.CLASSIFICATION and labels and labels >= 20:
        yield "conflict-banking77"
    if task is TaskType.CLASSIFICATION and examples < 1000:
        yield "conflict-small-classifiers"
    if task in (TaskType.STRUCTURED, TaskType.CODE):
        yield "conflict-spider"
    if any(option.strategy is Strategy.LOCAL_FULL and option.ruled_out_by is None for option in weighed):
        yield "conflict-full"


def unknowns(
    choice: Choice, chosen: Option | None, weighed: Sequence[Option], profile: Profile, workload: Workload
) -> Iterator[str]:
    if prompt_score(workload) is None:
        yield "How well a prompt does on this task: not measured, so no quality is claimed for any option."
        if workload.quality_target is not None:
            target = f"{workload.quality_target:.0%}"
            yield f"Whether your target of {target} is met: that is judged once a prompt is measured."
    elif tuned_score(workload) is None:
        yield "How well a tuned model would do on this task: published cases give odds, not a score."
    if workload.requests_per_month is None and not (chosen and total(chosen) is not None):
        yield "How many requests a month: without it no month and no total can be summed."
    elif workload.requests_per_month and _of_unknown_speed(chosen):
        many = f"{workload.requests_per_month.mid:,} requests a month"
        yield f"Whether the machines counted carry {many}: how fast they answer is not known."
    if workload.latency_p95_ms is not None and any(one.provider and one.serving == "tokens" for one in weighed):
        yield "How fast providers answer by the token: no figures are on record, so your limit was not applied to them."
    if workload.privacy.startswith("region:") and chosen is not None and chosen.gpu not in (None, *workload.gpus):
        yield f"Whether the rented {chosen.gpu} stands in {workload.privacy.removeprefix('region:')}: choose it so."
    if choice.judgement is not None:
        yield (
            "Whether the evidence still holds: its models date from 2021 to early 2026, and the odds of tuning fell "
            "every year as prompted models grew stronger."
        )
    task = workload.task or profile.task_type
    if choice.judgement is not None and task.family is not task:
        taken = "all kinds" if task.family is TaskType.OTHER else f"{task.family} tasks"
        name = str(task).replace("_", " ")
        yield f"Whether {name} goes alike: no published case is of it, so those of {taken} count."
    like = choice.judgement.odds.cases_for + choice.judgement.odds.cases_against if choice.judgement else _FEW_CASES
    if like < _FEW_CASES:
        yield f"Only {like} published {'case is' if like == 1 else 'cases are'} like this one: little evidence."
    if faults := _unreadable(profile):
        yield f"What the rows say that cannot be read: up to {faults:,}; 'tunewise check' names their lines."
    if profile.is_preference:
        yield "How preference tuning compares: the published cases are of supervised tuning."


def _of_unknown_speed(option: Option | None) -> bool:
    """Tell that machines are paid for by the hour, and how much they answer is not known."""
    if option is None or option.serving not in ("dedicated", "self_hosted"):
        return False
    return option.estimate is None or option.estimate.answer_s is None


def holds_secrets(profile: Profile) -> bool:
    """Tell whether something in the data looks like a key or password."""
    return any(problem.code == "secret" for problem in profile.problems)


def warnings(chosen: Option | None, profile: Profile, workload: Workload) -> Iterator[Reason]:
    if holds_secrets(profile):
        text = "your data holds what looks like a key or password: take it out before it is sent or trained on"
        yield Reason(text, "your-data")
    if any(problem.code == "personal_data" for problem in profile.problems):
        if chosen is not None and chosen.strategy.tunes:
            yield Reason("your data holds what looks like personal data: a tuned model can repeat it", "your-data")
        elif not workload.on_premises:
            yield Reason("your data holds what looks like personal data: check you may send it", "your-data")
    if chosen is None or not chosen.strategy.tunes:
        return
    if untried_recipes(workload):
        yield cited("untried-recipes")
    if len(profile.labels or ()) > RETRIEVED_SHOTS and "retrieved" not in workload.measured:
        yield cited("untried-near")
    if task_of(profile, workload) in _OPEN_ENDED and profile.examples <= 2000:
        yield cited("harm-small-generation")
    rare = sum(count < _RARE for count in (profile.labels or {}).values())
    if rare:
        which = "one label has" if rare == 1 else f"{rare} labels have"
        yield Reason(f"{which} fewer than {_RARE} examples and will hardly be learnt", "your-data")
    if (chosen.hyperparameters.epochs or 0) >= 5:
        passes = f"{chosen.hyperparameters.epochs} passes over {profile.examples:,} examples"
        yield Reason(f"{passes} invite overfitting: watch the validation loss", "your-data")
    yield cited("collapse")
    yield cited("forgetting")
    yield cited("safety")


def _unreadable(profile: Profile) -> int:
    """Return how many rows at most are left out for an error in them."""
    counts = profile.quality.get("counts")
    found = counts if isinstance(counts, dict) else {}
    return sum(n for code, n in found.items() if isinstance(n, int) and CATALOGUE[code].level is Level.ERROR)
