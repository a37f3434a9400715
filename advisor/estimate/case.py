"""Everything one estimate looks at, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from advisor import hardware
from advisor.estimate.values import Candidate, Strategy, Terms
from advisor.pricing import PriceBook, TokenPrices, TrainingOffer
from advisor.workload import Workload

if TYPE_CHECKING:
    from advisor.tokens import Profile


def counted_tokens(profile: Profile, model: str) -> int | None:
    """Return the tokens of one pass in our own counting for ``model``, tools included; None when never counted."""
    if model in profile.tokens:
        return profile.tokens[model]
    if profile.has_tools:  # rendered into every example, which the texts alone do not show
        return round(profile.per_example.mean * profile.examples)
    return profile.tokens.get("o200k_base") or next(iter(profile.tokens.values()), None)


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate on its data, for its purpose, at today's prices. ``offer`` is None where nobody trains it for us."""

    candidate: Candidate
    profile: Profile
    workload: Workload
    book: PriceBook
    today: date
    terms: Terms
    offer: TrainingOffer | None

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        profile: Profile,
        workload: Workload,
        book: PriceBook,
        today: date,
        terms: Terms | None,
    ) -> Case:
        offer = None
        if candidate.strategy is Strategy.HOSTED and candidate.backend:
            offer = book.offer(candidate.backend, candidate.model)
        return cls(candidate, profile, workload, book, today, terms or terms_of(book), offer)

    @property
    def gpu(self) -> str | None:
        """Return the GPU named, else the first the user owns."""
        return self.candidate.gpu or next(iter(self.workload.gpus), None)

    @property
    def counted_tokens(self) -> int | None:
        """Return the tokens of one epoch in our own counting; None when the data was never counted."""
        return counted_tokens(self.profile, self.candidate.model)

    @property
    def in_region(self) -> bool:
        """Tell whether the data may not leave a region."""
        return self.workload.privacy.startswith("region:")

    def factor(self, provider: str) -> Decimal:
        """Return what this user pays of a list price: discount, and the factor of a what-if."""
        return self.terms.price_factor * (1 - self.book.discount(provider))

    def token_prices(self) -> TokenPrices | None:
        """Return the list prices of asking this candidate by the token; None when not sold so, or not known."""
        candidate = self.candidate
        if candidate.serving != "tokens" or candidate.strategy.local:
            return None
        if candidate.strategy is Strategy.HOSTED:
            if self.offer is None:
                return None
            return self.book.inference(
                self.offer.model, self.offer.provider, tuned=True, tier=self.terms.tier, on=self.today
            )
        seller = candidate.provider or candidate.backend
        return self.book.inference(candidate.model, seller, tier=self.terms.tier, on=self.today)

    def owns(self, gpu: str) -> bool:
        """Tell whether the workload lists this GPU as the user's own; the machine's processor always is."""
        name = gpu_name(gpu)
        return name == "cpu" or any(gpu_name(own) == name for own in self.workload.gpus)


def terms_of(book: PriceBook) -> Terms:
    """Return the terms the user set in a price overlay, the usual ones elsewhere."""
    return Terms(**book.content.own.terms.model_dump(exclude_none=True))


@lru_cache(maxsize=256)
def gpu_name(gpu: str) -> str:
    """Return our spelling of a GPU's name."""
    card = hardware.gpu(gpu)
    return card.name if card else gpu.strip().lower()
