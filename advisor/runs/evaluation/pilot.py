"""A pilot: the same model trained on nested parts of the data, scored on one test set, and what more data would buy."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import Random

from advisor.atomic import write_whole
from advisor.dataset import Dataset, split
from advisor.errors import DataError
from advisor.evaluate.curve import BAND, FEWEST, Curve, Point, Prediction, doubts, fit, predict
from advisor.paths import home
from advisor.runs.run import Run

_TEST_SHARE = 0.2
_MOST_TEST = 400  # examples; the standard error is then below 2.5 points
_MOST_SAID = 1e9  # examples: a curve that needs more is flat
_WORTH = 0.02  # of the score: a gain below it is not worth collecting data for


@dataclass(frozen=True, slots=True)
class Design:
    """Which parts a pilot trains on; the same data, sizes and seed give the same files and the same id."""

    id: str
    test: Path
    parts: tuple[tuple[int, Path], ...]
    available: int  # training examples in all


@dataclass(frozen=True, slots=True)
class Paid:
    """A measured point with what it cost, in US dollars, and how long it trained, in minutes."""

    examples: int
    score: float
    low: float
    high: float
    usd: Decimal | None
    run: str
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a pilot found: it holds for ``model`` on ``backend``, trained by ``method``, and for no other."""

    id: str
    metric: str
    test_examples: int
    points: tuple[Paid, ...]
    curve: Curve | None
    prediction: Prediction | None
    predictions: tuple[Prediction, ...]
    advice: str
    warnings: tuple[str, ...]
    backend: str = ""
    model: str = ""
    method: str = ""
    band: str = BAND  # what the predictions' low and high rest on
    answers_usd: Decimal | None = None  # what the answers on the test set cost, all parts together; None: not known


def design(data: Sequence[str], sizes: Sequence[int], *, key: str, seed: int = 0) -> Design:
    """Set a test part aside and cut nested training parts. ``key`` is what else makes a pilot a different one.

    Without ``sizes``: an eighth, a quarter and a half of the training part, as far as they have 64 examples.
    """
    dataset = Dataset.open(*data)
    name = hashlib.sha256(f"{dataset.fingerprint} {sorted(sizes)} {seed} {key}".encode()).hexdigest()[:8]
    folder = home() / "pilots" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    count = sum(1 for _ in dataset.examples())
    held_out = min(_MOST_TEST, max(1, round(count * _TEST_SHARE)))
    train, test = split(dataset, folder, held_out=held_out, seed=seed)
    lines = train.read_bytes().splitlines(keepends=True)
    Random(seed).shuffle(lines)
    chosen = sorted(set(sizes)) or _sizes(len(lines))
    if chosen[-1] > len(lines):
        raise DataError(
            f"{dataset.paths[0]}: a part of {chosen[-1]} examples was asked for, but {len(lines)} are left after "
            f"{held_out} were set aside for the test."
        )
    parts = []
    for size in chosen:
        path = folder / f"part-{size}.jsonl"
        write_whole(path, b"".join(lines[:size]))
        parts.append((size, path))
    return Design(f"pilot-{name}", test, tuple(parts), len(lines))


def measured(plan: Design, metric: str, test_examples: int, points: Sequence[Paid]) -> Pilot:
    """Return what was paid for and scored, before anything is concluded from it."""
    ordered = tuple(sorted(points, key=lambda point: point.examples))
    return Pilot(plan.id, metric, test_examples, ordered, None, None, (), "", ())


def conclude(found: Pilot, available: int, *, times: int = 4, target: float | None = None) -> Pilot:
    """Fit the curve through what was measured and say what it supports; ``available``: training examples in all."""
    points = [Point(point.examples, point.score, point.low, point.high) for point in found.points]
    found = replace(found, warnings=doubts(points))
    if len(points) < 2:
        return replace(found, advice="Take at least two sizes.")
    curve = fit([(point.examples, point.score) for point in points])
    largest = points[-1].examples
    ahead = sorted({available, largest * 2, largest * times} - {largest})
    predictions = tuple(predict(curve, size, found.test_examples) for size in ahead if size > largest)
    chosen = next(one for one in predictions if one.examples == largest * times)
    advice = _advice(found.points, curve, chosen, times, target)
    return replace(found, curve=curve, prediction=chosen, predictions=predictions, advice=advice)


def group_of(run: Run) -> tuple[str, int] | None:
    """Return the pilot a run belongs to and the examples it was trained on; None for other runs."""
    name, _, size = (run.origin.group or "").partition("/")
    return (name, int(size)) if name.startswith("pilot-") and size.isdigit() else None


def _sizes(available: int) -> list[int]:
    for largest in (2, 1):
        sizes = [available // (4 * largest), available // (2 * largest), available // largest]
        if sizes[0] >= FEWEST:
            return sizes
    return [size for size in (available // 4, available // 2, available) if size > 0]


def _advice(points: Sequence[Paid], curve: Curve, ahead: Prediction, times: int, target: float | None) -> str:
    last = points[-1]
    gain = ahead.score - last.score
    said = (
        f"With {times}x the data ({ahead.examples:,} examples) expect {ahead.score:.3f} "
        f"({ahead.low:.3f} to {ahead.high:.3f}), {gain:+.3f} on the {last.score:.3f} measured.{_cost(last, times)}"
    )
    if gain < _WORTH and points[0].examples < FEWEST and (target is None or last.low < target):
        return f"{said} Where it is flat, a pilot this small proves nothing: take parts of {FEWEST} examples and more."
    if target is not None:
        if last.low >= target:
            return f"{said} The target of {target:g} is reached already."
        if ahead.low >= target:
            return f"{said} That reaches the target of {target:g}: collect more."
        if ahead.high < target:
            return f"{said} The target of {target:g} is out of reach that way: change the model or the data."
        needed = _needed(curve, target)
        more = f" The curve reaches it at about {needed:,} examples." if needed is not None else ""
        return f"{said} Whether that reaches the target of {target:g} is open.{more}"
    if curve.slope >= 0 or gain < _WORTH:
        return f"{said} More data of this kind buys little: better data or another model would."
    if ahead.low <= last.score:
        return f"{said} The band includes no gain at all: add a larger part to the pilot before collecting."
    return f"{said} More data helps."


def _cost(last: Paid, times: int) -> str:
    """Say what training on so many times the data takes: in proportion to the largest part."""
    takes = "" if last.minutes is None else f" takes about {last.minutes * times:,.1f} minutes and"
    if last.usd is None:
        return f" Training on them{takes} costs an unknown amount."
    return f" Training on them{takes} costs {'nothing' if last.usd == 0 else f'about ${last.usd * times:.2f}'}."


def _needed(curve: Curve, target: float) -> int | None:
    if curve.slope >= 0 or target >= 1:
        return None
    power = (math.log(1 - target) - curve.intercept) / curve.slope
    return math.ceil(math.exp(power)) if power < math.log(_MOST_SAID) else None
