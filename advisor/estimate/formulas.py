"""The arithmetic of fine-tuning costs, in exact decimals: every function is one formula, every argument has a unit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

from advisor.pricing import TokenPrices

MILLION = Decimal(1_000_000)
HOURS_PER_MONTH = Decimal(730)
DAYS_PER_MONTH = Decimal("30.4375")
_ROUNDS = 20
_BEYOND = (Decimal(1), Decimal("1.5"), Decimal(2), Decimal(4), Decimal(10))


def tidy(usd: Decimal) -> Decimal:
    """Round what a division left over: to a hundredth of a cent, or to four digits where it is less than a dollar."""
    digits = 4 if usd == 0 or abs(usd) >= 1 else 3 - usd.adjusted()
    return round(usd, digits)


def training_usd(tokens: Decimal, usd_per_mtok: Decimal, minimum_usd: Decimal = Decimal(0)) -> Decimal:
    """Return the price of one token-billed job: max(minimum, tokens x rate)."""
    return max(minimum_usd, tokens * usd_per_mtok / MILLION)


def processed_tokens(
    per_epoch: Decimal, epochs: int, evaluations: int = 0, validation_tokens: Decimal = Decimal(0)
) -> Decimal:
    """Return the tokens a provider counts: epochs x training + evaluations x validation."""
    return epochs * per_epoch + evaluations * validation_tokens


def training_hours(tokens: Decimal, tokens_per_s: Decimal, setup_hours: Decimal) -> Decimal:
    """Return the hours a GPU is rented for a training run."""
    return tokens / (tokens_per_s * 3600) + setup_hours


def prefix_usd_per_mtok(prices: TokenPrices, hit: Decimal | None) -> Decimal:
    """Return what a million prefix tokens cost when a share ``hit`` is read from the cache; None: caching is off.

    What is not read is written, at the write price where there is one.
    """
    if hit is None or prices.cached_usd_per_mtok is None:
        return prices.input_usd_per_mtok
    write = prices.cache_write_usd_per_mtok or prices.input_usd_per_mtok
    return hit * prices.cached_usd_per_mtok + (1 - hit) * write


def caching_pays_from(prices: TokenPrices) -> Decimal | None:
    """Return the requests per cache life above which caching is cheaper; None where nothing is cached."""
    read = prices.cached_usd_per_mtok
    if read is None or read >= prices.input_usd_per_mtok:
        return None
    write = prices.cache_write_usd_per_mtok or prices.input_usd_per_mtok
    return 1 + (write - prices.input_usd_per_mtok) / (prices.input_usd_per_mtok - read)


def request_usd(
    prices: TokenPrices, *, prefix: Decimal, user: Decimal, output: Decimal, hit: Decimal | None
) -> Decimal:
    """Return the price of one request, a context cliff applied to all its tokens. ``output`` includes reasoning."""
    at = prices.at(int(prefix + user))
    parts = prefix * prefix_usd_per_mtok(at, hit) + user * at.input_usd_per_mtok + output * at.output_usd_per_mtok
    return parts / MILLION


def carried_per_month(
    requests_per_s: Decimal, *, hours_on: Decimal, peak_factor: Decimal, utilisation: Decimal
) -> Decimal:
    """Return the requests a month one replica carries: a peak is so many times the mean, and not all of it is used."""
    return requests_per_s * utilisation * 3600 * hours_on / peak_factor


def whole_replicas(requests_per_month: Decimal, carried: Decimal) -> int:
    """Return how many replicas carry the requests; at least one."""
    return max(1, int((requests_per_month / carried).to_integral_value(rounding=ROUND_CEILING)))


def stays_cheaper_from(tie: Callable[[Decimal], Decimal | None]) -> Decimal | None:
    """Return from how many requests on something is cheaper for good; None: never.

    ``tie`` says from how many on it is cheaper with the machines that so many requests need. Machines come whole, so
    beyond a tie the order may turn back: it is looked at again at several times of it.
    """
    found = tie(Decimal(0))
    for _ in range(_ROUNDS):
        if found is None:
            return None
        needed = [(found * times, tie(found * times)) for times in _BEYOND]
        later = next((then for many, then in needed if then is None or then > many), found)
        if later == found:
            return found
        found = later
    return None


def break_even_requests(extra_fixed_usd: Decimal, saving_usd_per_request: Decimal) -> int | None:
    """Return after how many requests an extra fixed sum is earned back; None: never; 0: at once."""
    if extra_fixed_usd <= 0:
        return 0 if saving_usd_per_request >= 0 else None
    if saving_usd_per_request <= 0:
        return None
    return int((extra_fixed_usd / saving_usd_per_request).to_integral_value(rounding=ROUND_CEILING))


def with_mistakes_usd(usd_per_request: Decimal, quality: Decimal, error_cost_usd: Decimal) -> Decimal:
    """Return the price of a request including what its mistakes cost: c + (1 - q) x e."""
    return usd_per_request + (1 - quality) * error_cost_usd


def error_cost_of_tie(
    cheap_usd: Decimal, cheap_quality: Decimal, dear_usd: Decimal, dear_quality: Decimal
) -> Decimal | None:
    """Return the cost of one mistake at which two options cost the same; None where no such cost exists."""
    if dear_quality == cheap_quality:
        return None
    tie = (dear_usd - cheap_usd) / (dear_quality - cheap_quality)
    return tie if tie >= 0 else None
