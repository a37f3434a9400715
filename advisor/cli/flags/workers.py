"""On what a local run trains: the flags of a launch that say so, and what they mean as options of the local backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import click

from advisor.cli.flags.common import Choice, Usd

if TYPE_CHECKING:
    from advisor.runs import Order
    from backends import Json

Run = TypeVar("Run", bound=Callable[..., object])

_KEPT = "tunewise.machines"
_RENTS = "skypilot"  # writes a task for machines that do not exist yet; all others start the run


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta.setdefault(_KEPT, {})[param.name] = value


_FLAGS = (
    click.option(
        "--engine",
        type=Choice(["torchrun", "ray", _RENTS]),
        expose_value=False,
        callback=_keep,
        help="What starts a local run's workers: this machine, a Ray cluster, or rented machines. Default: torchrun.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        expose_value=False,
        callback=_keep,
        help="Processes that train together, one per GPU. Default: from the memory estimate.",
    ),
    click.option(
        "--min-workers",
        type=click.IntRange(1),
        expose_value=False,
        callback=_keep,
        help="Fewest workers to go on with when a cluster shrinks. Default: 1.",
    ),
    click.option(
        "--shard",
        type=Choice(["ddp", "fsdp"]),
        expose_value=False,
        callback=_keep,
        help="Give each worker a copy of the model (ddp), or split it over them (fsdp).",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        expose_value=False,
        callback=_keep,
        help="Address of your Ray cluster, or auto.",
    ),
    click.option(
        "--worker-usd-per-hour", type=Usd(), expose_value=False, callback=_keep, help="What one worker costs you."
    ),
    click.option(
        "--threads", type=click.IntRange(1), expose_value=False, callback=_keep, help="CPU threads per worker."
    ),
    click.option(
        "--loss-on",
        type=Choice(["assistant", "all", "last"]),
        expose_value=False,
        callback=_keep,
        help="Which turns a local run learns from. Default: assistant.",
    ),
)


NAMES = ("engine", "workers", "min_workers", "shard", "address", "worker_usd_per_hour", "threads", "loss_on")


def flags(command: Run) -> Run:
    """Add the flags to a command; ``machines`` returns what they said."""
    for option in reversed(_FLAGS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Machines:
    """What the flags said; None was left out."""

    engine: str | None
    usd_per_hour: Decimal | None
    options: dict[str, Json]

    @property
    def rents(self) -> bool:
        return self.engine == _RENTS

    @property
    def backends(self) -> tuple[str, ...]:
        """Name the backend that an engine implies."""
        return ("local",) if self.engine else ()

    @property
    def named(self) -> bool:
        return bool(self.options) or self.engine is not None or self.usd_per_hour is not None

    def apply(self, orders: Sequence[Order]) -> list[Order]:
        """Return the orders, the local ones with what was said; a usage error where there is none."""
        if self.named and not any(order.backend == "local" for order in orders):
            raise click.UsageError(
                "--engine, --workers, --shard, --threads and --loss-on are for training with --backend local."
            )
        said = {**self.options, "worker_usd_per_hour": self.usd_per_hour}
        odd = [
            name for name in ("shard", "address", "min_workers", "worker_usd_per_hour") if said.get(name) is not None
        ]
        if self.rents and odd:
            flag = "--" + odd[0].replace("_", "-")
            raise click.UsageError(
                f"--engine {_RENTS} chooses that from the memory estimate and the prices; leave {flag} out."
            )
        return [
            replace(order, options={**order.options, **self.options}) if order.backend == "local" else order
            for order in orders
        ]


def machines(ctx: click.Context) -> Machines:
    """Return what the flags of this call said."""
    said = {name: value for name, value in ctx.meta.get(_KEPT, {}).items() if value is not None}
    engine, price = said.pop("engine", None), said.pop("worker_usd_per_hour", None)
    if engine not in (None, _RENTS):
        said["engine"] = engine
    return Machines(engine, price, said)
