"""What the user's own runs say about this data: scores from evaluations and pilots, and how well quotes held."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, ValidationError

from advisor.errors import AdvisorError, DataError
from advisor.paths import home
from advisor.recommend import Measurement

if TYPE_CHECKING:
    from advisor.evaluate import Row
    from advisor.runs import Ledger, Run

# The metrics that are a share of right answers (json_fields: of right fields); overlap of words, valid JSON, the right
# tool's name alone and likelihood are none, and a prompt's score cannot be set against them.
_SHARES = ("exact", "label", "json_fields", "tools", "number", "sql_result")


class _Prediction(BaseModel):
    examples: int
    score: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class _Pilot(BaseModel):
    id: str
    metric: str
    model: str | None = None
    predictions: tuple[_Prediction, ...] = Field(min_length=1)
    points: tuple[_Prediction, ...] = ()  # measured


def of_ledger(fingerprint: str, *, on_premises: bool) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    """Return the scores of evaluated runs on this data, newest first, and notes on what past runs were billed.

    The base of a run counts as the prompt to beat only on premises: elsewhere a larger model would be prompted. A
    model made on the spot shows the way, not what a real one would score, so it never counts.
    """
    path = home() / "ledger.sqlite3"
    if not path.is_file():
        return (), ()
    from advisor.runs import Ledger

    try:
        ledger = Ledger.open(path)
        runs = ledger.runs()
    except AdvisorError as error:  # advice needs no ledger
        return (), (f"Your earlier runs were not used. {error}",)
    mine = [
        run
        for run in runs
        if fingerprint and run.origin.fingerprint == fingerprint and run.spec.model not in made_on_the_spot()
    ]
    by_id = {run.id: run for run in runs}
    return tuple(item for run in mine for item in _scores(run, by_id, on_premises)), tuple(_held(ledger, runs))


def of_pilot(path: Path, examples: int) -> Measurement:
    """Return what a pilot (the document of `tunewise pilot --json`) says of so many examples. Raises DataError."""
    try:
        found = _Pilot.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path}: this is not what 'tunewise pilot --json' prints; run it again into a file."
        ) from error
    if found.metric not in _SHARES:
        raise DataError(
            f"{path}: this pilot measured {found.metric}, which is not a share of right answers, so a prompt's score "
            f"cannot be set against it; measure one of {', '.join(_SHARES)} (tunewise pilot --metric)."
        )
    if found.model in made_on_the_spot():
        raise DataError(
            f"{path}: this pilot trained a model made on the spot, which shows the way and not what a real one would "
            "score; run it with the model you mean."
        )
    near = min((*found.points, *found.predictions), key=lambda item: abs(item.examples - examples))
    how = "measured with" if near in found.points else "its curve read at"
    basis = f"pilot {found.id}, {how} {near.examples:,} examples"
    return Measurement("pilot", near.score, near.low, near.high, basis, found.model)


def made_on_the_spot() -> tuple[str, ...]:
    """Return the names of the models that the local trainer makes of random weights."""
    from backends.local.options import TINY

    return TINY


def _scores(run: Run, by_id: Mapping[str, Run], on_premises: bool) -> Iterator[Measurement]:
    """Yield the scores of a run's scorecard, the best first: of several models under one name that one counts."""
    if run.scorecard is None:
        return
    from advisor.evaluate import Scorecard
    from advisor.serialization import from_json

    try:
        card = from_json(Scorecard, run.scorecard)
    except (TypeError, ValueError, ArithmeticError):  # damaged, or of a newer version
        return
    if card.metric not in _SHARES:
        return
    for row in sorted(card.rows, key=lambda row: row.score, reverse=True):
        recipe = _recipe(row.name)
        of_base = row.name == "base" or recipe != "prompt"
        name = _tuned_name(row, run, by_id) or recipe
        if (on_premises or not of_base) and 0 <= row.low <= row.score <= row.high <= 1:
            basis = f"run {run.id}: {row.name} with {row.model}, {card.metric} on {card.examples} held-out examples"
            model = row.tuned_from or (run.spec.model if row.name == "tuned" else None)
            if of_base or name == "prompt":
                model = row.model
            yield Measurement(name, row.score, row.low, row.high, basis, model)


def _recipe(name: str) -> str:
    """Return how an option of a scorecard is prompted, in the workload's words."""
    if name.startswith("few-shot"):
        return "retrieved" if name.endswith(":near") else "few_shot"
    return "optimised" if name.startswith("prompt:") else "prompt"


def _tuned_name(row: Row, run: Run, by_id: Mapping[str, Run]) -> str | None:
    """Return what a tuned model of a scorecard is measured as, such as local_lora; None for a prompted model.

    Tuned are the run's own model, another run's named by its id, and any model that a run is known to have made.
    """
    if row.name == "tuned":
        return _way(run)
    if row.name in by_id:
        return _way(by_id[row.name])
    maker = next((one for one in by_id.values() if one.job.tuned_model == row.model), None)
    if maker is not None:
        return _way(maker)
    return "tuned" if row.name.startswith("tw-") or row.model.startswith("ft:") else None


def _way(run: Run) -> str:
    return f"local_{run.spec.method}" if run.spec.backend == "local" else "hosted"


def _held(ledger: Ledger, runs: tuple[Run, ...]) -> Iterator[str]:
    ratios: dict[str, list[float]] = {}
    for run in runs:
        billed = ledger.settled(run.id)
        if billed is not None and run.quote.usd and not run.rehearses:
            ratios.setdefault(run.spec.backend, []).append(float(billed / run.quote.usd))
    for place, found in ratios.items():
        times = statistics.median(found)
        if len(found) == 1:
            yield f"Your settled run at {place} was billed {times:.2f}x the quote."
        else:
            yield f"Your {len(found)} settled runs at {place} were billed {times:.2f}x their quotes (median)."
