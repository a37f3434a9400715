"""The values a recommendation is made of; their fields are the keys of `plan --json`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from advisor.display import Shown
from advisor.estimate.values import Candidate, Estimate, Strategy
from advisor.evidence import Odds, claim
from backends import Hyperparameters, Method, Objective

ON_COST_ALONE = " (on cost alone)"


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence and the id of its source in the evidence."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Flip:
    """At which value of ``variable`` the advice would change to the option (or strategy) ``to``.

    ``also``: what has to hold with it, each with an empty ``to``.
    """

    variable: str
    current: str
    flips_at: str
    to: str
    also: tuple[Flip, ...] = ()

    @property
    def on_cost_alone(self) -> bool:
        """Tell that only the order of the costs changes there; the advice weighs quality as well."""
        return self.flips_at.endswith(ON_COST_ALONE)


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """A published result behind the advice. ``n_cases`` is None where the source is a rule or an abstract."""

    claim: str
    source: str
    n_cases: int | None


@dataclass(frozen=True, slots=True)
class Quality:
    """A share of right answers, 0 to 1, and what it rests on; exists only where something was measured."""

    low: float
    mid: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True)
class Option:
    """A strategy made concrete. ``ruled_out_by`` is the sentence that ruled it out, None while it stands.

    ``by_hand``: it costs less than the advice, and we cannot launch it.
    """

    id: str
    strategy: Strategy
    backend: str | None
    model: str
    availability: str
    available_until: date | None
    ruled_out_by: str | None
    reasons: tuple[Reason, ...]
    quality: Quality | None
    hyperparameters: Hyperparameters
    estimate: Estimate | None
    method: Method | None = None
    objective: Objective = Objective.SFT
    provider: str | None = None
    variant: str = ""
    shots: int = 0
    varying_shots: bool = False
    serving: str = "none"
    serving_terms: str = ""  # every way a hosted tune can be served, and what that costs idle and busy
    gpu: str | None = None
    trained_on: str | None = None
    licence: str | None = None
    params_b: float | None = None
    context: int | None = None
    retires: date | None = None
    by_hand: bool = False
    p_finetune_wins: float | None = None
    odds: Odds | None = None

    @property
    def candidate(self) -> Candidate:
        """The option as ``estimate`` takes it."""
        return Candidate(
            strategy=self.strategy,
            backend=self.backend,
            model=self.model,
            method=self.method,
            objective=self.objective,
            hyperparameters=self.hyperparameters,
            shots=self.shots,
            varying_shots=self.varying_shots,
            prompted_as_trained=self.strategy.tunes,
            serving=self.serving,
            gpu=self.gpu,
            trained_on=self.trained_on,
            provider=self.provider,
        )


@dataclass(frozen=True, slots=True)
class Deadline:
    """What has to be done before ``day``."""

    day: date
    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """So many labelled training rows: the odds that tuning wins, and what it gains on average, a share of all answers.

    ``label_usd`` is what labelling them costs, None where nobody said; ``worth_usd`` what the gain saves over the
    horizon, None where volume or error cost were not said.
    """

    rows: int
    odds: Odds
    gain: float
    label_usd: Decimal | None
    worth_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Collecting:
    """What to label first, and what more would bring. ``enough`` are the rows to stop at; 0: the test items alone."""

    test_items: int
    test_usd: Decimal | None
    sizes: tuple[Rows, ...]
    enough: int


@dataclass(frozen=True, slots=True, repr=False)
class Recommendation(Shown):
    """The advice: the chosen option (None: nothing stands), the deciding reason, and all that was weighed."""

    recommendation: Option | None
    reason: str
    options: tuple[Option, ...]
    prices_as_of: date | None
    assumptions: tuple[str, ...]
    flips: tuple[Flip, ...]
    evidence: tuple[EvidenceRef, ...]
    confidence: str
    next_step: str
    reasons: tuple[Reason, ...] = ()
    unknowns: tuple[str, ...] = ()
    warnings: tuple[Reason, ...] = ()
    p_finetune_wins: float | None = None
    odds: Odds | None = None
    deadlines: tuple[Deadline, ...] = ()
    collecting: Collecting | None = None

    def __repr__(self) -> str:
        advised = self.recommendation.id if self.recommendation else "nothing"
        standing = sum(option.ruled_out_by is None for option in self.options)
        return (
            f"<Recommendation: {advised}, confidence {self.confidence}\n  {self.reason}\n"
            f"  {standing} of {len(self.options)} options stand; next: {self.next_step}>"
        )


def cited(id: str) -> Reason:
    """Return the evidence file's claim ``id`` as a reason."""
    found = claim(id)
    return Reason(found.text, found.source)


def reference(id: str) -> EvidenceRef:
    """Return the evidence file's claim ``id`` as a reference."""
    found = claim(id)
    return EvidenceRef(found.text, found.source, found.n_cases)
