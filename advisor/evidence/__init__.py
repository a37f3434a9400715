"""What published results support: sources, claims, reference classes, named cases and rules, all from data files."""

from __future__ import annotations

from advisor.evidence.cases import PublishedCase, nearest, published
from advisor.evidence.catalogue import Catalogue, LocalModel, Setting, catalogue, settings
from advisor.evidence.claims import Claim, Source, claim, claims, is_claim, is_source, source, sources
from advisor.evidence.classes import HARD_TASKS, Band, ClassCount, Classes, ClassName, Thresholds, packaged
from advisor.evidence.shots import (
    MANY_SHOTS,
    RETRIEVED_SHOTS,
    ROOM_TOKENS,
    fixed_shots,
    retrieved_shots,
    shots_to_show,
)

__all__ = [
    "HARD_TASKS",
    "MANY_SHOTS",
    "RETRIEVED_SHOTS",
    "ROOM_TOKENS",
    "Band",
    "Catalogue",
    "Claim",
    "ClassCount",
    "ClassName",
    "Classes",
    "LocalModel",
    "PublishedCase",
    "Setting",
    "Source",
    "Thresholds",
    "catalogue",
    "claim",
    "claims",
    "fixed_shots",
    "is_claim",
    "is_source",
    "nearest",
    "packaged",
    "published",
    "retrieved_shots",
    "settings",
    "shots_to_show",
    "source",
    "sources",
]
