"""``tunewise launch --engine skypilot``: writes the task of a rented machine, and leaves renting it to a person."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.errors import RunError

if TYPE_CHECKING:
    from advisor.runs import Order


def rent(order: Order, *, gpu: str | None, max_cost: Decimal | None, seed: int, dry_run: bool, as_json: bool) -> None:
    """Write the task file and show it. Raises RunError without ``dry_run``, since nothing was started."""
    from advisor.runs.launch.rental import write_task
    from advisor.runs.launch.skypilot_task import described

    found = write_task(order, gpu=gpu, max_usd=max_cost, seed=seed)
    if as_json:
        render.json_document(found)
    else:
        for choice in found.choices:
            render.out(described(choice))
        render.out(f"The task is in {found.file}. Start it: {found.command}")
        for note in found.notes:
            render.note(f"note: {note}")
        version = found.checked_by_skypilot
        render.note(
            f"SkyPilot {version} accepts it."
            if version
            else "SkyPilot is not installed here, so its loader has not read the file."
        )
        if found.max_hours is not None:
            render.note(f"It stops with a checkpoint after {found.max_hours:,.1f} hours; setup is not counted.")
    if not dry_run:
        raise RunError(
            f"Nothing was started: tunewise rents no machines itself. To rent one and train: {found.command}"
        )
