"""A way worth weighing, as a value, and the ways to prompt that the data allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from advisor.dataset import Format
from advisor.estimate.values import Candidate, Strategy
from advisor.evidence import MANY_SHOTS, fixed_shots, retrieved_shots
from advisor.hardware import Architecture, Serving
from advisor.pricing import TrainingOffer
from advisor.tokens import Profile
from advisor.workload import Workload


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to prompt: the end of the option's id, how many examples it shows, and what it is in words.

    ``varies``: they are chosen anew for each question.
    """

    suffix: str
    strategy: Strategy
    shots: int
    text: str
    varies: bool = False


@dataclass(frozen=True, slots=True)
class Prospect:
    """A candidate with what the gates and the report need of it. ``seller`` sees the data; None: nobody does.

    ``fits`` (yes, tight, no) is None where no GPU of the user's trains it; ``served`` is how its GPU answers with it.
    ``retires`` is when the model can no longer be asked at the seller.
    """

    id: str
    candidate: Candidate
    variant: str = ""
    offer: TrainingOffer | None = None
    arch: Architecture | None = None
    fits: str | None = None
    fit_advice: str = ""
    served: Serving | None = None
    retires: date | None = None
    seller: str | None = None
    launchable: bool = True
    why: str = ""


def recipes(profile: Profile, workload: Workload) -> tuple[Recipe, ...]:
    """Return the ways to prompt that this much data allows, without examples first, then the same examples always.

    An optimised prompt is one the user has: nothing here makes one.
    """
    has_optimised = "optimised" in workload.measured or (workload.current and workload.current.strategy == "optimised")
    most = profile.examples // 2  # the other half can then measure them
    each = round(profile.user_tokens + profile.output_tokens)
    if profile.format is Format.TEXT:  # no prompts, so there is nothing to show
        return (Recipe("", Strategy.PROMPT, 0, "no examples"),)
    fixed = fixed_shots(len(profile.labels) if profile.labels else None, most, each)
    near = retrieved_shots(most, each)
    found = [
        Recipe("", Strategy.PROMPT, 0, "no examples"),
        Recipe("", Strategy.FEW_SHOT, fixed, f"{fixed} {'examples' if fixed != 1 else 'example'}"),
        Recipe(":optimised", Strategy.PROMPT, 0, "your optimised prompt"),
        Recipe(
            ":retrieved",
            Strategy.FEW_SHOT,
            near,
            f"{near} nearest {'examples' if near != 1 else 'example'}",
            varies=True,
        ),
        Recipe(":many", Strategy.FEW_SHOT, MANY_SHOTS, f"{MANY_SHOTS} examples"),
    ]
    return tuple(
        one
        for one in found
        if 0 < one.shots <= most
        or (one.strategy is Strategy.PROMPT and not one.suffix)
        or (one.suffix == ":optimised" and has_optimised)
    )


def named(model: str, models: tuple[str, ...]) -> bool:
    """Tell whether ``models`` names ``model``: in full, without its owner, or without its date."""
    short = model.split("/")[-1]
    return any(name in (model, short) or short.startswith(f"{name.split('/')[-1]}-") for name in models)
