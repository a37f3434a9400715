"""How much a dataset is in tokens, exactly where that is possible, and what it is made of."""

from __future__ import annotations

from advisor.tokens._billing import BILLED_BY
from advisor.tokens._preview import preview
from advisor.tokens._profile import OPENAI_MODELS, Percentiles, Profile, Sampled, profile, synthetic
from advisor.tokens._vocabulary import encoder, encoding_for

__all__ = [
    "BILLED_BY",
    "OPENAI_MODELS",
    "Percentiles",
    "Profile",
    "Sampled",
    "count",
    "encoding_for",
    "preview",
    "profile",
    "synthetic",
]


def count(text: str, encoding: str = "o200k_base") -> int:
    """Return the tokens of ``text``; strings such as <|endoftext|> count as the ordinary text they are."""
    return len(encoder(encoding)(text))
