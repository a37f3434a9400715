"""The model card: what a tuned model is, written from its run alone; what the run does not know is called unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from advisor.evaluate.statistics import written
from advisor.hardware import Architecture, architecture
from advisor.runs.receipt import bill
from advisor.runs.run import Run
from backends import Json
from backends.local.pretrained import PRETRAINED, licence_of, located

_SPDX = {"Apache-2.0": "apache-2.0", "MIT": "mit"}  # as the hub's card index writes them


def model_card(run: Run, *, whole: bool = False) -> str:
    """Return the card of a run's tuned model as Markdown, with the head that model hubs read.

    ``whole``: it lies beside a model that is loaded by itself, not beside an adapter.
    """
    parts = [*_head(run, whole), *_what(run), *_training(run), *_scores(run), *_cost(run), *_use(run)]
    return "\n".join(parts) + "\n"


def base_licence(model: str) -> str:
    """Return the licence of a base as the card in its folder or the catalogue states it, or "unknown"."""
    stated = licence_of(Path(located(model)).expanduser())
    if stated is not None:
        return f"{stated} (by the card in the model's folder)"
    known = _catalogued(model)
    if known is None or known.licence is None:
        return "unknown"
    return known.licence if known.licence_verified else f"{known.licence} (not checked against the licence itself)"


def _head(run: Run, whole: bool) -> Iterator[str]:
    known = _catalogued(run.spec.model)
    licence = licence_of(Path(located(run.spec.model)).expanduser())
    if licence is None and known is not None and known.licence_verified:
        licence = _SPDX.get(known.licence or "")
    yield "---"
    if _on_hub(run.spec.model):
        yield f"base_model: {base_name(run.spec.model)}"
    if licence:
        yield f"license: {licence}"
    if run.spec.backend == "local":
        yield f"library_name: {'transformers' if whole or run.spec.method == 'full' else 'peft'}"
    yield "tags:"
    yield "- tunewise"
    yield f"- {run.spec.method}"
    yield f"- {run.spec.objective}"
    yield "---"


def _what(run: Run) -> Iterator[str]:
    yield f"# {run.id}"
    yield ""
    task = f" for {run.origin.task.replace('_', ' ')}" if run.origin.task else ""
    where = "on a machine of its owner" if run.spec.backend == "local" else f"by {run.spec.backend}"
    yield f"{base_name(run.spec.model)}, fine-tuned{task} on {run.created:%Y-%m-%d}, {where}, with tunewise."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| base | {base_name(run.spec.model)} |"
    if run.spec.options.get("revision"):
        yield f"| revision of the base | {run.spec.options['revision']} |"
    yield f"| licence of the base | {base_licence(run.spec.model)} |"
    yield f"| data | {', '.join(Path(one).name for one in run.origin.data) or 'unknown'} |"
    yield f"| data, sha256 | {run.origin.fingerprint or 'unknown'} |"
    yield f"| examples trained on | {_known(_lines(run.origin.train))} |"
    held = _lines(run.origin.held_out)
    share = f" ({run.origin.share:.0%} of the data)" if run.origin.share else ""
    yield f"| held out of training | {f'{_known(held)}{share}' if run.origin.held_out else 'nothing'} |"


def _training(run: Run) -> Iterator[str]:
    yield ""
    yield "## Training"
    yield ""
    yield f"Objective {run.spec.objective}, method {run.spec.method}."
    yield ""
    yield "| setting | value |"
    yield "|---|---|"
    settings = run.job.accepted or run.spec.hyperparameters
    for item in fields(settings):
        value = getattr(settings, item.name)
        if value is not None:
            yield f"| {item.name} | {value} |"
    yield f"| steps | {_known(run.job.steps_done)} |"
    yield f"| tokens trained on | {_known(run.job.trained_tokens)} |"
    seconds = run.job.train_seconds
    yield f"| minutes | {'unknown' if seconds is None else f'{seconds / 60:.1f}'} |"


def _scores(run: Run) -> Iterator[str]:
    yield ""
    yield "## Scores"
    yield ""
    card = run.scorecard
    if not isinstance(card, dict):
        yield f"Not evaluated. `tunewise evaluate {run.id}` compares it with its base on held-out examples."
        return
    yield (
        f"Measured by `tunewise evaluate` on {card['examples']} examples that were held out of training, metric "
        f"{card['metric']}, 95% intervals."
    )
    yield ""
    yield "| | score | interval |"
    yield "|---|---|---|"
    for row in _rows(card.get("rows")):
        ends = written(float(str(row["low"])), float(str(row["high"])))
        yield f"| {row['name']} | {_number(row['score'])} | {ends} |"
    yield ""
    loss = card.get("loss")
    if isinstance(loss, dict):
        yield (
            f"Mean loss on the held-out answers: {_number(loss['base'])} nats per token before, "
            f"{_number(loss['tuned'])} after."
        )
    heard = card.get("recited")
    if isinstance(heard, dict):
        yield (
            f"Answers that come back word for word: {heard['trained']} of {heard['of_trained']} trained on, "
            f"{heard['held_out']} of {heard['of_held_out']} never seen."
        )
    suites = _rows(card.get("suites"))
    for one in suites:
        yield f"Regression on {one['suite']}: {one['verdict']} ({_number(one['base'])} to {_number(one['tuned'])})."
    if not suites:
        yield "What tuning did to other tasks was not measured."
    warnings = card.get("warnings")
    for warning in warnings if isinstance(warnings, list) else []:
        yield f"- {warning}"


def _cost(run: Run) -> Iterator[str]:
    billed, basis = bill(run)
    yield ""
    yield "## Cost"
    yield ""
    yield f"Training: {'unknown' if billed is None else f'${billed:f}'} ({basis})."


def _use(run: Run) -> Iterator[str]:
    yield ""
    yield "## Use"
    yield ""
    yield "Ask it with the chat template of its tokenizer and the system prompt of its training data, if they have one."
    yield "It was trained for the task of its data alone, and repeats whatever is wrong in them."


def _catalogued(model: str) -> Architecture | None:
    """Return what the catalogue holds on a hub id; a folder on this machine says nothing about its licence."""
    return None if Path(model).expanduser().exists() else architecture(base_name(model))


def _on_hub(model: str) -> bool:
    return "/" in base_name(model) and not Path(model).expanduser().exists()


def base_name(model: str) -> str:
    """Return a base as others know it: its id on the hub, or the name of its folder."""
    if model in PRETRAINED:
        return PRETRAINED[model].hub_id
    if model == "tiny" or model.startswith("tiny-"):
        return f"{model} (random weights made on the spot: for trials only)"
    return Path(model).name if Path(model).is_absolute() else model


def _rows(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _lines(path: Path | None) -> int | None:
    """Return how many examples a file of the split holds; None when it is gone."""
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _known(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _number(value: Json) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "unknown"
