"""Whether fine-tuning is needed for quality: the one judgement that `plan` and the back-test share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from advisor.evidence import Odds, OddsModel, Situation, like, odds_of


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


# From these odds on tuning is the likelier way to the better answers.
_LIKELIER = 0.5
# Without a measured prompt only clear odds speak against trying one first.
CLEAR = 0.8


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the judgement may know: the situation, and the ways open to the user."""

    situation: Situation
    offered: frozenset[Way]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The odds of tuning in the ``situation``, and the way they ask for."""

    way: Way
    odds: Odds
    verdict: Verdict
    situation: Situation

    @property
    def p_finetune_wins(self) -> float:
        return self.odds.p


# Where several are offered: of the comparisons that offer both, hosted models were ahead more often than local ones;
# full fine-tuning costs the most effort.
_PREFERENCE = (Way.HOSTED, Way.LOCAL, Way.FULL)


def judge(facts: Facts, model: OddsModel | None = None) -> Judgement:
    """Say which way quality asks for and how sure that is. ``model`` defaults to the packaged evidence."""
    odds = odds_of(facts.situation, model)
    near = like(facts.situation) if model is None else ()
    won = sum(case.won for case in near)
    odds = replace(odds, cases_for=won, cases_against=len(near) - won)
    needed = _LIKELIER if facts.situation.prompt_score is not None else CLEAR
    tunable = [way for way in _PREFERENCE if way in facts.offered]
    tune = tunable and (odds.p >= needed or Way.PROMPT not in facts.offered)
    return Judgement(tunable[0] if tune else Way.PROMPT, odds, verdict(odds.p), facts.situation)


def verdict(p: float) -> Verdict:
    """Return how clear odds of ``p`` are: clear from 0.8 (or below 0.2), conflicting between 0.35 and 0.65."""
    if p >= CLEAR or p <= 1 - CLEAR:
        return Verdict.CLEAR
    return Verdict.CONFLICTING if 0.35 < p < 0.65 else Verdict.LEAN
