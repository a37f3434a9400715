"""How often each option is the cheapest when every uncertain figure is drawn from its range."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from advisor.estimate.values import Estimate, Range
from advisor.workload import Volume


def chance_cheapest(
    estimates: Mapping[str, Estimate], volume: Volume | None, *, seed: int = 0, draws: int = 2000
) -> dict[str, float | None]:
    """Return the share of draws in which each option costs least per month; None where a cost is not known.

    Every draw takes one volume for all, and for each option its one-off, monthly and per-request cost from a
    triangle over low, mid and high; those that tie share it. The same seed gives the same shares.
    """
    shares: dict[str, float | None] = dict.fromkeys(estimates)
    known = {name: parts for name, result in estimates.items() if (parts := _parts(result)) is not None}
    if not known or volume is None:
        return shares
    random = Random(seed)
    wins = dict.fromkeys(known, 0.0)
    for _ in range(draws):
        requests = random.triangular(volume.low, volume.high, volume.mid)
        costs = {
            name: _drawn(once, random) / months + _drawn(fixed, random) + requests * _drawn(each, random)
            for name, (once, fixed, each, months) in known.items()
        }
        least = min(costs.values())
        tied = [name for name, usd in costs.items() if usd == least]
        for name in tied:
            wins[name] += 1 / len(tied)
    return shares | {name: count / draws for name, count in wins.items()}


def _parts(result: Estimate) -> tuple[Range, Range, Range, float] | None:
    once, fixed, each = result.one_off_usd, result.fixed_monthly_usd, result.marginal_usd
    if once is None or fixed is None or each is None or not result.months:
        return None
    return once, fixed, each, float(result.months)


def _drawn(amount: Range, random: Random) -> float:
    return random.triangular(float(amount.low), float(amount.high), float(amount.mid))
