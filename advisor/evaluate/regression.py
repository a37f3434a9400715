"""What tuning did to what was not trained: loss on fixed general text, and a small suite with checked answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from advisor.evaluate.metrics import Answer
from advisor.evaluate.scorecard import Regression, TokenLosses
from advisor.evaluate.statistics import paired_difference, ratio_difference
from advisor.evaluate.suite import Item

_HERE = Path(__file__).parent
WARN_NATS, BLOCK_NATS = 0.1, 0.3  # spread of 63 PEFT runs: median .08, p90 .31 (PEFT's MetaMathQA method comparison)
_LEAST_DROP = 0.02  # an accuracy drop within it is noise whatever the test says


def general_text() -> tuple[str, ...]:
    """Return the fixed passages of ordinary prose whose loss is compared."""
    text = (_HERE / "general.txt").read_text(encoding="utf-8")
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def compare_text(base: TokenLosses, tuned: TokenLosses, *, seed: int = 0) -> Regression:
    """Judge the rise of the mean token loss on general text, in nats."""
    step = ratio_difference(base.sums, tuned.sums, base.tokens, seed=seed)
    verdict = "fine" if step.value < WARN_NATS else "warn" if step.value < BLOCK_NATS else "block"
    weights = sum(base.tokens)
    return Regression(
        suite="general text (loss, nats a token)",
        base=sum(base.sums) / weights,
        tuned=sum(tuned.sums) / weights,
        change=step.value,
        low=step.low,
        high=step.high,
        verdict=verdict,
        items=len(base.sums),
    )


def compare_suite(
    items: Sequence[Item],
    base: Sequence[Answer],
    tuned: Sequence[Answer],
    *,
    name: str = "built-in suite",
    seed: int = 0,
) -> tuple[Regression, ...]:
    """Judge the share of right answers: over the whole suite first, then by kind where there are several."""
    before = [float(item.right(answer)) for item, answer in zip(items, base, strict=True)]
    after = [float(item.right(answer)) for item, answer in zip(items, tuned, strict=True)]
    found = [judged(name, before, after, seed)]
    kinds = dict.fromkeys(item.kind for item in items)
    for kind in kinds if len(kinds) > 1 else ():
        places = [place for place, item in enumerate(items) if item.kind == kind]
        found.append(
            judged(f"{name}: {kind}", [before[place] for place in places], [after[place] for place in places], seed)
        )
    return tuple(found)


def worst(regressions: Sequence[Regression]) -> Regression | None:
    """Return the gravest finding; the first of equals."""
    order = ("fine", "warn", "block")
    return max(regressions, key=lambda one: order.index(one.verdict), default=None)


def judged(name: str, before: Sequence[float], after: Sequence[float], seed: int) -> Regression:
    """A drop warns beyond two points and chance (McNemar), and blocks when even its smaller end passes ten points."""
    step = paired_difference(before, after, seed=seed)
    verdict = "fine"
    if step.value < -_LEAST_DROP and step.significant:
        verdict = "block" if step.high < -0.1 else "warn"
    return Regression(
        suite=name,
        base=fmean(before),
        tuned=fmean(after),
        change=step.value,
        low=step.low,
        high=step.high,
        verdict=verdict,
        items=len(before),
    )
