"""Whether to collect data, and how much: what more rows do to the odds, what labelling costs, and when to stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from advisor.evidence import HARD_TASKS, Situation, gain_if_won, odds_of
from advisor.evidence.odds import packaged
from advisor.recommend.values import Collecting, Rows
from advisor.recommend.worth import dollars, in_tenths, points
from advisor.workload import Workload

_TEST_ITEMS = 200  # they tell a share to 1.96 x sqrt(0.25 / 200), 7 points, at worst
_SIZES = (100, 300, 1_000, 3_000)
_LEAST = 0.01  # a gain below a point is within the noise of most test sets


def collecting(situation: Situation, workload: Workload) -> Collecting:
    """Return what labelling is worth for a task whose data does not exist yet."""
    each = workload.label_usd
    sizes = []
    for rows in _SIZES:
        asked = replace(situation, examples=rows)
        gain = _gain(asked)
        label = None if each is None else rows * each
        sizes.append(Rows(rows, odds_of(asked), gain, label, _worth(gain, workload)))
    test_usd = None if each is None else _TEST_ITEMS * each
    return Collecting(_TEST_ITEMS, test_usd, tuple(sizes), _enough(sizes))


def sentences(found: Collecting) -> Iterator[str]:
    """Say what to do in order: measure first, then what more rows buy, then when to stop."""
    cost = f", {dollars(found.test_usd)}" if found.test_usd is not None else ""
    yield (
        f"First label {found.test_items} test items{cost}, and measure a prompt on them: they give its score to within "
        "7 points, and nothing can be judged without them."
    )
    for one in found.sizes:
        text = f"{one.rows:,} rows to train on: odds that tuning wins {in_tenths(one.odds.p)}, average gain "
        text += points(one.gain)
        text += f"; labelling costs {dollars(one.label_usd)}" if one.label_usd is not None else ""
        text += f" and the gain is worth {dollars(one.worth_usd)}" if one.worth_usd is not None else ""
        yield f"{text}."
    if found.enough:
        yield f"Stop at about {found.enough:,} rows, or where 'tunewise pilot' shows less than a point for more."
    else:
        yield "Stop at the test items: what more rows are likely to gain does not pay for labelling them."


def _gain(situation: Situation) -> float:
    """Return the odds times the usual gain; over the published scores where the prompt's own was not measured."""
    scores: tuple[float, ...] = packaged().scores["hard" if situation.task in HARD_TASKS else "other"]
    if situation.prompt_score is not None:
        scores = (situation.prompt_score,)
    gains = [odds_of(replace(situation, prompt_score=score)).p * gain_if_won(score) for score in scores]
    return sum(gains) / len(gains)


def _worth(gain: float, workload: Workload) -> Decimal | None:
    volume, error = workload.requests_per_month, workload.error_cost_usd
    if volume is None or error is None:
        return None
    return Decimal(str(round(gain, 4))) * volume.mid * workload.horizon_months * error


def _enough(sizes: list[Rows]) -> int:
    """Return the size whose gain is worth most beyond its labels; else the last that still adds a point to the gain."""
    paid = [(one.worth_usd - one.label_usd, -one.rows) for one in sizes if one.worth_usd is not None and one.label_usd]
    if paid:
        best, rows = max(paid)
        return -rows if best > 0 else 0
    enough, before = 0, 0.0
    for one in sizes:
        if one.gain - before >= _LEAST:
            enough = one.rows
        before = one.gain
    return enough
