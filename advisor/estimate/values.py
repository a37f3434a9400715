"""The values of an estimate: strategies, ranges of money, line items, candidates and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from advisor.estimate import formulas
from backends import Hyperparameters, Method, Objective


class Strategy(StrEnum):
    """The ways to get the task done."""

    PROMPT = "prompt"
    FEW_SHOT = "few_shot"
    HOSTED = "hosted"
    LOCAL_LORA = "local_lora"
    LOCAL_QLORA = "local_qlora"
    LOCAL_FULL = "local_full"
    RETRIEVAL = "retrieval"
    CLASSIFIER = "classifier"

    @property
    def local(self) -> bool:
        return self in (Strategy.LOCAL_LORA, Strategy.LOCAL_QLORA, Strategy.LOCAL_FULL)

    @property
    def tunes(self) -> bool:
        return self is Strategy.HOSTED or self.local

    @property
    def method(self) -> Method | None:
        """How it trains on this side; None where a provider chooses or nothing is trained."""
        return Method(self.removeprefix("local_")) if self.local else None

    @classmethod
    def by(cls, method: Method) -> Strategy:
        """Return the strategy that trains by ``method`` on one's own machine."""
        return cls(f"local_{method}")


@dataclass(frozen=True, slots=True)
class Range:
    """An amount of US dollars: ``low`` <= ``mid`` <= ``high``."""

    low: Decimal
    mid: Decimal
    high: Decimal

    @classmethod
    def exact(cls, usd: Decimal | int) -> Range:
        return cls(Decimal(usd), Decimal(usd), Decimal(usd))

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def times(self, factor: Decimal | int) -> Range:
        """Multiply by a factor that is not negative."""
        return Range(self.low * factor, self.mid * factor, self.high * factor)

    def map(self, change: Callable[[Decimal], Decimal]) -> Range:
        """Apply a function that never falls to all three."""
        return Range(change(self.low), change(self.mid), change(self.high))


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity that is not money (minutes, quality): ``low`` <= ``mid`` <= ``high``."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Machines:
    """Replicas by the hour: a month of one in US dollars, and how many are counted (least, likely, most).

    ``carries`` are the requests a month that one answers when it is fast, likely and slow; None where their number does
    not follow the volume.
    """

    one_usd: Range
    counts: tuple[int, int, int]
    carries: tuple[Decimal, Decimal, Decimal] | None = None

    @property
    def usd(self) -> Range:
        """A month of those counted."""
        few, count, many = self.counts
        return Range(few * self.one_usd.low, count * self.one_usd.mid, many * self.one_usd.high)

    def at(self, requests: Decimal) -> Machines:
        """Return as many as carry so many ``requests`` a month."""
        if self.carries is None:
            return self
        few, count, many = (formulas.whole_replicas(requests, carried) for carried in self.carries)
        return replace(self, counts=(few, count, many))


@dataclass(frozen=True, slots=True)
class LineItem:
    """``name``: ``quantity`` of ``unit`` at ``unit_usd`` each makes ``usd``, unless a minimum charge is higher.

    ``period`` says how often it is paid: once, month, or request (when the volume is not known). ``usd_low`` and
    ``usd_high`` are the same line at the ends of its range.
    """

    name: str
    quantity: Decimal
    unit: str
    unit_usd: Decimal
    usd: Decimal
    usd_low: Decimal
    usd_high: Decimal
    source: str
    checked: date | None
    period: str = "once"

    @property
    def recurring(self) -> bool:
        return self.period != "once"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One concrete way to do it, still without a price.

    ``prompted_as_trained``: a prompt longer than that of the training examples is cut to theirs.
    ``varying_shots``: the examples are chosen anew for each question, so that no cache knows them.
    ``provider`` is who sells the inference for PROMPT and FEW_SHOT; ``gpu`` where LOCAL trains and serves, or the
    type of a dedicated endpoint; ``trained_on`` the GPU of the training where ``backend`` rents that out itself;
    ``serving`` one of tokens, dedicated, self_hosted, none.
    """

    strategy: Strategy
    backend: str | None
    model: str
    method: Method | None = None
    objective: Objective = Objective.SFT
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    shots: int = 0
    varying_shots: bool = False
    prompted_as_trained: bool = False
    serving: str = "tokens"
    gpu: str | None = None
    trained_on: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an estimate assumes beyond data and workload; every default that matters is named in its assumptions.

    ``runs`` counts trainings paid for (sweeps, failures, retries). ``hours_on`` is powered hours a month.
    ``prefill_tokens_per_s`` and ``decode_tokens_per_s`` are one replica's; with them replicas follow from the load.
    ``validation_tokens`` are those of one pass over the validation file; None: as an assumption, a tenth of the data.
    ``price_factor`` and ``speed_factor`` ask what if: prices, and tokens per second, were so many times what they are.
    """

    runs: int = 1
    tier: str = "standard"
    training_tier: str = "standard"
    validation_tokens: int | None = None
    residency: str | None = None
    reasoning_tokens: int | None = None
    evaluation_rows: int | None = None
    evaluation_repeats: int = 1
    judge_usd_per_row: Decimal = Decimal(0)
    data_usd: Decimal = Decimal(0)
    people_hours: Decimal = Decimal(0)
    people_usd_per_hour: Decimal = Decimal(0)
    retrain_every_months: int | None = None
    hours_on: Decimal = Decimal(730)
    replicas: int | None = None
    peak_factor: Decimal = Decimal(3)
    utilisation: Decimal = Decimal("0.6")
    prefill_tokens_per_s: Decimal | None = None
    decode_tokens_per_s: Decimal | None = None
    setup_hours: Decimal = Decimal("0.5")
    migration_usd: Decimal | None = None
    price_factor: Decimal = Decimal(1)
    speed_factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a candidate costs. None means unknown, and an unknown part makes every sum over it unknown.

    ``marginal_usd`` is what one more request adds; ``fixed_monthly_usd`` what a month costs with no request at all;
    ``per_request_usd`` spreads the fixed part over the volume. ``total_usd`` covers ``months`` of the horizon: fewer
    when the base model retires inside it, which is what ``amortised_monthly_usd`` makes comparable.
    ``machines`` are those of ``fixed_monthly_usd``; another volume may need more or fewer (``fixed_at``).
    ``answer_s`` is what 95 of 100 answers take at most, at the load counted; None where no speed is on record.
    ``tax_usd`` is on the total, never in it, and only where a tax rate is configured. ``condition`` says what the
    middle rests on where the upper end is another matter altogether: a model that reasons unless told not to.
    """

    one_off_usd: Range | None
    per_request_usd: Range | None
    monthly_usd: Range | None
    total_usd: Range | None
    train_minutes: Spread | None = None
    gpu_gb: float | None = None
    break_even_requests: int | None = None
    lines: tuple[LineItem, ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    prices_as_of: date | None = None
    marginal_usd: Range | None = None
    fixed_monthly_usd: Range | None = None
    amortised_monthly_usd: Range | None = None
    months: Decimal = Decimal(0)
    tax_usd: Range | None = None
    condition: str = ""
    answer_s: float | None = None
    machines: Machines | None = None

    def fixed_at(self, requests: Decimal) -> Range | None:
        """Return what a month costs beside the single requests, with the machines that ``requests`` of them need."""
        fixed = self.fixed_monthly_usd
        if fixed is None or self.machines is None:
            return fixed
        now, then = self.machines.usd, self.machines.at(requests).usd
        return Range(fixed.low - now.low + then.low, fixed.mid - now.mid + then.mid, fixed.high - now.high + then.high)
