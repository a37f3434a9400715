"""What published results support: sources, claims, the odds, named cases and settings, all from data files."""

from __future__ import annotations

from advisor.evidence.cases import PublishedCase, ever_won, like, nearest, published
from advisor.evidence.catalogue import Catalogue, LocalModel, Setting, catalogue, settings
from advisor.evidence.claims import Claim, Source, claim, claims, is_claim, is_source, source, sources
from advisor.evidence.odds import (
    HARD_TASKS,
    KINDS,
    Gain,
    Odds,
    OddsModel,
    Situation,
    Weight,
    chance,
    features,
    gain_if_won,
    odds_of,
    packaged,
)
from advisor.evidence.shots import (
    MANY_SHOTS,
    RETRIEVED_SHOTS,
    ROOM_TOKENS,
    fixed_shots,
    retrieved_shots,
    shots_to_show,
)
from advisor.evidence.strength import Strength, strength

__all__ = [
    "HARD_TASKS",
    "KINDS",
    "MANY_SHOTS",
    "RETRIEVED_SHOTS",
    "ROOM_TOKENS",
    "Catalogue",
    "Claim",
    "Gain",
    "LocalModel",
    "Odds",
    "OddsModel",
    "PublishedCase",
    "Setting",
    "Situation",
    "Source",
    "Strength",
    "Weight",
    "catalogue",
    "chance",
    "claim",
    "claims",
    "ever_won",
    "features",
    "fixed_shots",
    "gain_if_won",
    "is_claim",
    "is_source",
    "like",
    "nearest",
    "odds_of",
    "packaged",
    "published",
    "retrieved_shots",
    "settings",
    "shots_to_show",
    "source",
    "sources",
    "strength",
]
