"""The shape of one request: how many tokens it has, which part of it is cached, how many come in a month."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from advisor.estimate.case import Case
from advisor.estimate.sheet import Sheet
from advisor.estimate.values import Strategy, Terms
from advisor.pricing import TokenPrices
from advisor.workload import PromptTokens, Workload

if TYPE_CHECKING:
    from advisor.tokens import Profile

Three: TypeAlias = "tuple[Decimal, Decimal, Decimal]"
Hits: TypeAlias = "tuple[Decimal | None, Decimal | None, Decimal | None]"

_LEAST_CACHED = 1024  # tokens; the one least length on record (pricing.yaml, openai), where a provider states none
# The cache hits assumed when the workload gives none: nearly always (cheap), half of the time, caching off (dear).
_HITS: Hits = (Decimal("0.9"), Decimal("0.5"), None)
# Reasoning tokens assumed at the upper end for a model that reasons unless told not to.
_REASONING_HIGH = Decimal(500)


@dataclass(frozen=True, slots=True)
class Load:
    """Tokens of one answer's prompt, and requests a month: the cheap, the middle and the dear case of each.

    ``prefix`` is what was sent before: the system prompt, and the earlier turns of a conversation. ``answers`` are
    those of a request: 1, or the turns of a conversation. ``requests`` is None when nobody said; a ``hits`` entry of
    None means that nothing is cached.
    """

    prefix: Decimal
    user: Decimal
    outputs: Three
    hits: Hits
    requests: Three | None
    answers: Decimal = Decimal(1)

    @property
    def prompt(self) -> Decimal:
        return self.prefix + self.user


def load_of(case: Case, prices: TokenPrices | None, sheet: Sheet) -> Load:
    """Work out the request a candidate answers; every assumption goes on the sheet."""
    candidate, profile, workload = case.candidate, case.profile, case.workload
    said = workload.prompt_tokens
    if said is not None:
        system, user, output = Decimal(said.system), Decimal(said.user), Decimal(said.output)
        sheet.assume(f"A request has {system} system, {user} user and {output} answer tokens, says the workload.")
        if candidate.prompted_as_trained:
            system -= _learnt(said, profile, sheet)
    else:
        counted = asked_in_the_data(profile)
        system, user, output = Decimal(counted.system), Decimal(counted.user), Decimal(counted.output)
        what = "An answer" if profile.turns > 1 else "A request"
        sheet.assume(f"{what} has {system} system, {user} user and {output} answer tokens, as in the data.")
    prefix, history = system, _whole(profile.history_tokens if said is None else 0)
    answers = _answers(workload, profile, history, sheet)
    named = _whole(len(profile.labels or ()) * (profile.output_tokens + 1))
    prompted = candidate.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT)
    if said is None and prefix < named and prompted and not candidate.varying_shots:
        prefix += named
        labels = len(profile.labels or ())
        sheet.assume(f"A prompt must name the {labels} labels, which the data's own does not: {named} tokens more.")
    if candidate.strategy is Strategy.FEW_SHOT and candidate.shots:
        shot = _whole(profile.user_tokens) + _whole(profile.output_tokens)
        if candidate.varying_shots:
            user += candidate.shots * shot
            sheet.assume(f"{candidate.shots} examples of {shot} tokens, chosen anew each time, go with every request.")
        else:
            prefix += candidate.shots * shot
            sheet.assume(f"{candidate.shots} examples of {shot} tokens go with every request.")
    volume = workload.requests_per_month
    requests = None if volume is None else (Decimal(volume.low), Decimal(volume.mid), Decimal(volume.high))
    outputs = _outputs(output, prices, case.terms, sheet)
    prefix += history
    return Load(prefix, user, outputs, _hits(prefix, prices, workload.cache_hit, sheet), requests, answers)


def asked_in_the_data(profile: Profile) -> PromptTokens:
    """Return the tokens of one turn of the data: its system prompt, what is new in it, and its answer."""
    turns = max(1.0, profile.turns)
    user, output = round(profile.user_tokens / turns), round(profile.output_tokens / turns)
    return PromptTokens(system=round(profile.system_tokens), user=user, output=output)


def _answers(workload: Workload, profile: Profile, history: Decimal, sheet: Sheet) -> Decimal:
    """Return the answers of a request, and say what is taken for one."""
    if profile.turns <= 1:
        return Decimal(1)
    turns = f"{profile.turns:.2g}"
    again = f", and {history} tokens of the turns before it are sent again with each" if history else ""
    if workload.requests_are == "conversations":
        sheet.assume(f"The data's conversations have {turns} answers: a request is all of them, as you say{again}.")
        return Decimal(f"{profile.turns:.4g}")
    sheet.assume(
        f"The data's conversations have {turns} answers: a request is one of them{again}. Say --requests-are "
        "conversations if you count whole ones."
    )
    return Decimal(1)


def _learnt(said: PromptTokens, profile: Profile, sheet: Sheet) -> int:
    """Return the system tokens a tuned model does without: its prompt is no longer than its training examples'."""
    trained = round(profile.system_tokens + profile.user_tokens)
    fewer = said.system - min(said.system, max(0, trained - said.user))
    if fewer:
        sheet.assume(f"Of the workload's system tokens {fewer} are not sent: the training examples do not have them.")
    return fewer


def _outputs(output: Decimal, prices: TokenPrices | None, terms: Terms, sheet: Sheet) -> Three:
    if terms.reasoning_tokens is not None:
        whole = output + terms.reasoning_tokens
        if terms.reasoning_tokens:
            sheet.assume(f"{terms.reasoning_tokens} reasoning tokens a request, billed as output.")
        return whole, whole, whole
    if prices is not None and prices.reasons_by_default:
        sheet.assume(
            f"{prices.model} reasons by default and bills it as output: none assumed, {_REASONING_HIGH} tokens a "
            "request at the upper end."
        )
        sheet.condition = (
            f"{prices.model} told not to reason; the upper end lets it, {_REASONING_HIGH} tokens a request"
        )
        return output, output, output + _REASONING_HIGH
    return output, output, output


def _hits(prefix: Decimal, prices: TokenPrices | None, cache_hit: float | None, sheet: Sheet) -> Hits:
    if prices is None or prices.cached_usd_per_mtok is None or prefix == 0:
        return None, None, None
    minimum = prices.cache_minimum_tokens or _LEAST_CACHED
    if prefix < minimum:
        least = f"the least {prices.provider} caches"
        if prices.cache_minimum_tokens is None:
            least = f"which is taken for the least that {prices.provider} caches: the only such length on record"
        sheet.assume(f"The fixed prefix of {prefix} tokens is under {minimum:,}, {least}: none of it is cached.")
        return None, None, None
    if cache_hit is None:
        sheet.assume(
            "How often the prefix is found in the cache was not given: half of the time is assumed, 0 to 90% for the "
            "range."
        )
        return _HITS
    share = Decimal(str(cache_hit)) or None
    return share, share, share


def _whole(tokens: float) -> Decimal:
    return Decimal(round(tokens))
