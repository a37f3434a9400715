"""``tunewise launch --engine skypilot``: writes the task of a rented machine, and leaves renting it to a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.errors import OverLimit, RunError
from advisor.runs.launch.data_warnings import look_into
from backends import DEFAULT_LORA_RANK

if TYPE_CHECKING:
    from advisor.runs import Order
    from advisor.runs.launch.rental_options import Choice
    from backends import JobSpec


def rent(order: Order, *, gpu: str | None, max_cost: Decimal | None, seed: int, dry_run: bool, as_json: bool) -> None:
    """Write the task file beside the user, let SkyPilot's loader read it, and show it. Nothing is rented.

    Raises OverLimit when the cheapest choice costs more than ``max_cost``, and RunError when nothing rented fits, and
    without ``dry_run``, since nothing was started.
    """
    import backends
    from advisor.dataset import Dataset
    from advisor.runs.launch import skypilot_task
    from advisor.runs.launch.worker_terms import within
    from advisor.runs.run import new_id

    if "-" in order.data:
        raise click.UsageError("--engine skypilot: the data is uploaded later; give it as a file.")
    order = replace(order, data=tuple(map(str, Dataset.open(*order.data).paths)))
    found, notes = _choices(order, gpu), [*look_into(order).notes]
    if max_cost is not None:
        if not max_cost or (found[0].usd or 0) > max_cost:
            raise OverLimit(f"{skypilot_task.described(found[0])}: over --max-cost {render.usd(max_cost)}.")
        hours = round(max_cost / max(choice.high_usd for choice in found), 4)
        order = replace(order, options=within(order.options, hours))
    backends.get("local").requests(_spec(order))  # an option it does not know is refused before anything is rented
    name = new_id(datetime.now(UTC))
    content = skypilot_task.task(name, order, found, seed)
    path = Path(f"{name}.sky.yaml")
    skypilot_task.write(path, content, found)
    version = skypilot_task.checked(path)
    command = skypilot_task.start_command(path, content)
    if as_json:
        render.json_document(
            {
                "file": path,
                "command": command,
                "task": content,
                "choices": found,
                "checked_by_skypilot": version,
                "notes": notes,
            }
        )
    else:
        for choice in found:
            render.out(skypilot_task.described(choice))
        render.out(f"The task is in {path}. Start it: {command}")
        for note in notes:
            render.note(f"note: {note}")
        render.note(
            f"SkyPilot {version} reads it without complaint."
            if version
            else "SkyPilot is not installed here, so its loader has not read the file."
        )
        limit = order.options.get("max_hours")
        if isinstance(limit, int | float):
            render.note(f"It stops with a checkpoint after {limit:,.1f} hours; setting the machine up is not counted.")
    if not dry_run:
        raise RunError(f"Nothing was started: tunewise rents no machines itself. To rent one and train: {command}")


def _choices(order: Order, gpu: str | None) -> tuple[Choice, ...]:
    """Return what could be rented for an order. Raises RunError when nothing fits or the model is not known."""
    import backends
    from advisor.dataset import Dataset
    from advisor.hardware import architecture
    from advisor.hardware import gpu as card
    from advisor.pricing import PriceBook
    from advisor.runs.launch.rental_options import NAMES, choices
    from advisor.tokens import profile

    shape = architecture(order.model)
    if shape is None:
        raise RunError(f"'{order.model}' is not in the catalogue, so what it fits on is not known; give its folder.")
    named = card(gpu) if gpu else None
    if gpu and (named is None or named.name not in NAMES):
        raise click.UsageError(f"--gpu {gpu}: of the GPUs that are rented out, these are known: {', '.join(NAMES)}.")
    data = profile(Dataset.open(*order.data), backend="local", model=order.model)
    examples = max(1, round(data.examples * (1 - order.held_out)))
    tokens = round(data.per_example.mean * examples)
    epochs = backends.get("local").choose(_spec(order, data.is_preference), examples, tokens).epochs or 1
    asked = order.options.get("workers")
    longest = order.hyperparameters.max_seq_length or max(1, data.per_example.max)
    found = choices(
        shape,
        order.method,
        PriceBook.load(),
        rank=order.hyperparameters.lora_rank or DEFAULT_LORA_RANK,
        seq=min(longest, shape.context or longest),
        tokens=tokens * epochs,
        workers=asked if isinstance(asked, int) else None,
        only=named.name if named else None,
    )
    if not found:
        raise RunError(
            f"{order.model} with {order.method} fits on nothing rented that has a price here; try --method qlora, a "
            "smaller model, or more --workers."
        )
    return found


def _spec(order: Order, is_preference: bool = False) -> JobSpec:
    """Return the order as the local backend reads it; what its workers are is still open."""
    import backends

    objective = order.objective or (backends.Objective.DPO if is_preference else backends.Objective.SFT)
    spec = backends.JobSpec("rented", "local", order.model, Path(order.data[0]), None, objective, order.method)
    return replace(spec, hyperparameters=order.hyperparameters, options=order.options)
