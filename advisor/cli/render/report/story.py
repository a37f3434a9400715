"""What a report tells of: a plan, a run, the data, and the day it is told. Nothing here reads a file or a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from advisor.recommend import Plan
from advisor.runs import Receipt, View
from advisor.runs.evaluation.samples import Sample
from advisor.tokens import Profile
from backends import Json


@dataclass(frozen=True, slots=True)
class Told:
    """One run as the ledger knows it. ``losses``: name of the curve -> (step, loss in nats a token), by step."""

    view: View
    receipt: Receipt
    scorecard: Mapping[str, Json] | None
    losses: Mapping[str, tuple[tuple[int, float], ...]]
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """All of one report. What is None was not at hand; ``notes`` say why, and the page repeats them.

    ``made`` is the day the report is made, ``version`` that of the program.
    """

    made: date
    version: str
    plan: Plan | None = None
    run: Told | None = None
    profile: Profile | None = None
    notes: tuple[str, ...] = ()
