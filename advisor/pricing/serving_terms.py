"""Whether a tuned model can be served where it is trained, how, and what it costs idle and busy: one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.money import usd
from advisor.pricing.rates import TrainingOffer


def serving_terms(offer: TrainingOffer | None, ways: Sequence[str] = ()) -> str:
    """Say how a tune of this offer answers; what nobody could read is said to be unknown.

    ``ways`` are those of the provider, where it rents out machines and so offers no model by name.
    """
    if offer is None and tuple(ways) == ("self_hosted",):
        return "Its tune is not served there; the weights are yours to download and serve elsewhere."
    if offer is None or not offer.serving:
        return "Whether and at what price its tune is served there is not known."
    ways = [*_by_token(offer), *_on_a_machine(offer)]
    if "self_hosted" in offer.serving:
        ways.append("its weights can be downloaded and served elsewhere")
    if not ways:
        return "Its tune is not served there."
    kept = f" Keeping it costs {usd(offer.storage.mid)} a month until it is deleted." if offer.storage else ""
    text = "; or ".join(ways)
    return f"{text[0].upper()}{text[1:]}.{kept}"


def _by_token(offer: TrainingOffer) -> list[str]:
    if "tokens" not in offer.serving:
        return []
    prices = offer.tuned
    if prices is None:
        return ["served by the token, at a price that is not known"]
    each = f"{usd(prices.input_usd_per_mtok)} in and {usd(prices.output_usd_per_mtok)} out per million tokens"
    hour = prices.hosting_usd_per_hour
    idle = "nothing while idle" if hour is None else f"and {usd(hour)} an hour while it is deployed, asked or not"
    return [f"served by the token: {each}, {idle}"]


def _on_a_machine(offer: TrainingOffer) -> list[str]:
    if "dedicated" not in offer.serving:
        return []
    if not offer.hosting:
        return ["served on a machine of its own, at a price that is not known"]
    host = min(offer.hosting, key=lambda one: one.usd_per_hour.mid)
    return [f"served on a machine of its own, from {usd(host.usd_per_hour.mid)} a GPU-hour ({host.gpu}), {host.idle}"]
