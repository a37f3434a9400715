"""The values a price book answers with: rates, offers, rent, lifecycle; every one with its source and date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from backends import Method, Objective

Standing = Literal["never_fine_tuned", "active", "inactive"]
State = Literal["open", "restricted", "closing", "closed", "unknown"]
Confidence = Literal["high", "medium", "low"]
Serving = Literal["tokens", "dedicated", "self_hosted", "none"]


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a number was read and when; ``checked`` is None when the source is undated.

    ``status`` is "" or one of disputed, superseded, unverified.
    """

    source: str
    checked: date | None
    confidence: Confidence = "medium"
    status: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """One price in US dollars, ``mid`` as we believe it, ``low`` and ``high`` over all readings that conflict."""

    low: Decimal
    mid: Decimal
    high: Decimal
    cited: Citation

    @classmethod
    def exact(cls, usd: Decimal, cited: Citation) -> Price:
        return cls(usd, usd, usd, cited)

    def times(self, factor: Decimal) -> Price:
        return Price(self.low * factor, self.mid * factor, self.high * factor, self.cited)


@dataclass(frozen=True, slots=True)
class TrainingRate:
    """What training costs for one method and objective. ``method`` is None where the provider does not say which.

    ``unit`` is "mtok" (a million tokens), "hour" or "second".
    """

    method: Method | None
    objective: str  # sft | dpo | rft
    price: Price
    unit: str = "mtok"
    tier: str = "standard"  # standard | developer | data_zone | regional


@dataclass(frozen=True, slots=True)
class BillingRule:
    """How a provider turns a file into a bill."""

    rule: str  # file_tokens | processed_tokens | seconds | hours
    validation_billed: bool
    padded_without_packing: bool  # packing off bills rows x max_seq_length
    default_epochs: int | None
    granularity: str  # token | second | minute | hour
    cited: Citation


@dataclass(frozen=True, slots=True)
class Cliff:
    """The prices for the whole request once its input is longer than ``above_input_tokens``."""

    above_input_tokens: int
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """What a request costs, in US dollars per million tokens. None: the provider has no such price.

    ``hosting_usd_per_hour`` is charged on top, used or not (Azure). ``cache_minimum_tokens`` is the shortest prefix
    the provider caches. ``readings`` are what other sources say instead.
    """

    model: str
    provider: str
    tier: str
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cited: Citation
    cached_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    cliffs: tuple[Cliff, ...] = ()
    cache_minimum_tokens: int | None = None
    hosting_usd_per_hour: Decimal | None = None
    reasons_by_default: bool = False
    readings: tuple[TokenPrices, ...] = ()

    @property
    def source(self) -> str:
        return self.cited.source

    @property
    def checked(self) -> date | None:
        return self.cited.checked

    def at(self, input_tokens: int) -> TokenPrices:
        """Return the prices of a request whose total input is ``input_tokens``: a cliff reprices the whole request."""
        passed = [cliff for cliff in self.cliffs if input_tokens > cliff.above_input_tokens]
        if not passed:
            return self
        last = max(passed, key=lambda cliff: cliff.above_input_tokens)
        return replace(
            self,
            input_usd_per_mtok=last.input_usd_per_mtok,
            output_usd_per_mtok=last.output_usd_per_mtok,
            cached_usd_per_mtok=last.cached_usd_per_mtok,
            cache_write_usd_per_mtok=last.cache_write_usd_per_mtok,
        )


@dataclass(frozen=True, slots=True)
class Hosting:
    """A dedicated replica on one GPU type, in US dollars per GPU and hour."""

    gpu: str
    usd_per_hour: Price
    granularity: str
    idle: str  # what happens, and is billed, when nobody asks


@dataclass(frozen=True, slots=True)
class GpuRent:
    """What renting one GPU for an hour costs on demand: the cheapest, the typical and the dearest offer found."""

    name: str
    low: Decimal
    typical: Decimal
    high: Decimal
    low_source: str
    high_source: str
    cited: Citation

    @property
    def source(self) -> str:
        return self.cited.source

    @property
    def checked(self) -> date | None:
        return self.cited.checked


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Until when whom may create jobs (``standing`` None: everyone), and why."""

    standing: Standing | None
    new_jobs_until: date
    reason: str
    cited: Citation


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an offer can be bought on a date. ``until`` is when new jobs end, or ended; None: no date is known."""

    state: State
    until: date | None
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class TrainingOffer:
    """A model one provider trains. Everything unknown is None or empty, never zero."""

    provider: str
    model: str
    rates: tuple[TrainingRate, ...]
    billing: BillingRule
    min_charge: Price | None = None  # US dollars per job
    max_context: Mapping[str, int] = field(default_factory=dict)  # objective -> tokens of one example
    max_lora_rank: int | None = None
    images: bool | None = None  # whether its examples may hold images; None: not known
    max_file_bytes: int | None = None
    params_b: Decimal | None = None  # total parameters, billions
    open_weights: bool = False
    serving: tuple[Serving, ...] = ()
    tuned: TokenPrices | None = None
    tuned_batch: TokenPrices | None = None
    hosting: tuple[Hosting, ...] = ()
    storage: Price | None = None  # US dollars a month per tuned model
    storage_per_gb: Price | None = None  # US dollars a month per GB of it
    lifecycle: tuple[Lifecycle, ...] = ()
    retires: date | None = None
    retires_source: str = ""
    replacement: str | None = None
    closed_state: str = ""  # closed | unknown, whoever asks
    restricted_since: date | None = None
    closed_reason: str = ""
    closed_source: str = ""
    note: str = ""

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods sold; empty when the provider does not say which it uses."""
        return tuple(dict.fromkeys(rate.method for rate in self.rates if rate.method))

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives sold that this product can train."""
        known = dict.fromkeys(rate.objective for rate in self.rates)
        return tuple(Objective(name) for name in known if name in set(Objective))

    def rate(
        self, method: Method | None, objective: str = Objective.SFT, tier: str = "standard"
    ) -> TrainingRate | None:
        """Return the rate of ``method`` (None: whatever the provider does) and ``objective``; None when not sold.

        QLoRA is sold under LoRA's price: no provider in the book tells the two apart.
        """
        wanted = Method.LORA if method is Method.QLORA else method
        for rate in self.rates:
            if rate.objective == objective and rate.tier == tier and (wanted in (None, rate.method) or not rate.method):
                return rate
        return None
