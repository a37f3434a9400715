"""The task of a rented machine, ready to be started by a person: which machines, for how long, trained how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import backends
from advisor.dataset import Dataset
from advisor.errors import OverLimit, RunError, UsageError
from advisor.hardware import architecture
from advisor.hardware import gpu as card
from advisor.money import usd
from advisor.pricing import PriceBook
from advisor.runs.launch import skypilot_task
from advisor.runs.launch.data_warnings import look_into
from advisor.runs.launch.rental_options import NAMES, Choice, choices
from advisor.runs.launch.submit import Order
from advisor.runs.launch.worker_terms import within
from advisor.runs.run import new_id
from advisor.tokens import profile
from backends import DEFAULT_LORA_RANK, JobSpec, Json


@dataclass(frozen=True, slots=True)
class RentalTask:
    """A task file that stands beside the user; nothing is rented. ``max_hours`` is when it stops by itself."""

    file: Path
    command: str
    task: dict[str, Json]
    choices: tuple[Choice, ...]
    checked_by_skypilot: str | None
    notes: tuple[str, ...]
    max_hours: float | None


def write_task(order: Order, *, gpu: str | None, max_usd: Decimal | None, seed: int) -> RentalTask:
    """Write the task file and let SkyPilot's loader read it, where it is installed.

    Raises OverLimit when the cheapest choice costs more than ``max_usd``, and RunError when nothing rented fits.
    """
    if "-" in order.data:
        raise UsageError("--engine skypilot: the data is uploaded later; give it as a file.")
    order = replace(order, data=tuple(map(str, Dataset.open(*order.data).paths)))
    found, notes = _choices(order, gpu), look_into(order).notes
    if max_usd is not None:
        if not max_usd or (found[0].usd or 0) > max_usd:
            raise OverLimit(f"{skypilot_task.described(found[0])}: over --max-cost {usd(max_usd)}.")
        hours = round(max_usd / max(choice.high_usd for choice in found), 4)
        order = replace(order, options=within(order.options, hours))
    backends.get("local").requests(_spec(order))  # an option it does not know is refused before anything is rented
    name = new_id(datetime.now(UTC))
    content = skypilot_task.task(name, order, found, seed)
    path = Path(f"{name}.sky.yaml")
    skypilot_task.write(path, content, found)
    version = skypilot_task.checked(path)
    limit = order.options.get("max_hours")
    hours_said = float(limit) if isinstance(limit, int | float) else None
    return RentalTask(
        path, skypilot_task.start_command(path, content), content, found, version, tuple(notes), hours_said
    )


def _choices(order: Order, gpu: str | None) -> tuple[Choice, ...]:
    """Return what could be rented for an order. Raises RunError when nothing fits or the model is not known."""
    shape = architecture(order.model)
    if shape is None:
        raise RunError(f"'{order.model}' is not in the catalogue, so what it fits on is not known; give its folder.")
    named = card(gpu) if gpu else None
    if gpu and (named is None or named.name not in NAMES):
        raise UsageError(f"--gpu {gpu}: of the GPUs that are rented out, these are known: {', '.join(NAMES)}.")
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
            f"{order.model} with {order.method} fits on no rented machine with a known price; try --method qlora, a "
            "smaller model, or more --workers."
        )
    return found


def _spec(order: Order, is_preference: bool = False) -> JobSpec:
    """Return the order as the local backend reads it; what its workers are is still open."""
    objective = order.objective or (backends.Objective.DPO if is_preference else backends.Objective.SFT)
    spec = backends.JobSpec("rented", "local", order.model, Path(order.data[0]), None, objective, order.method)
    return replace(spec, hyperparameters=order.hyperparameters, options=order.options)
