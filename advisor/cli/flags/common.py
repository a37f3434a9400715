"""Flags, arguments and the data that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import completing
from advisor.money import parse_count, parse_share, parse_usd
from advisor.nearest import meant, no_such

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from advisor.runs import Ledger, Run
    from advisor.tokens import Profile
    from advisor.workload import Workload


class _Date(click.ParamType[date]):
    name = "YYYY-MM-DD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"'{value}' is not a date such as 2026-11-22.", param, ctx)


class Usd(click.ParamType[Decimal]):
    """An amount of US dollars, exact."""

    name = "USD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            return value if isinstance(value, Decimal) else parse_usd(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Count(click.ParamType[int]):
    """A whole number that people write as 20k, 2M or 1,000 too; ``least`` is the smallest that makes sense."""

    name = "N"

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = value if isinstance(value, int) else parse_count(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if number < self.least:
            self.fail(f"'{value}' is too small: {self.least} is the least.", param, ctx)
        return number


class Share(click.ParamType[float]):
    """A share from 0 to ``most``: 0.78 or 78%."""

    name = "SHARE"

    def __init__(self, most: float = 1.0) -> None:
        self.most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            share = value if isinstance(value, float) else parse_share(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if share > self.most:
            self.fail(f"'{value}' is too large: {self.most:g} is the most.", param, ctx)
        return share


class ShareOrCount(click.ParamType[float]):
    """A share below 1 (0.1, 10%), or a whole number from 1 on."""

    name = "N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            return float(parse_count(text))
        except ValueError:
            return Share().convert(text, param, ctx)


class BackendName(click.ParamType[str]):
    """One of the backends; ``sellers``: or of those whose prices are known, where it is only advised on."""

    name = "BACKEND"

    def __init__(self, *, sellers: bool = False) -> None:
        self.sellers = sellers

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        import backends

        known = list(backends.names())
        if self.sellers and value not in known:
            from advisor.pricing import PriceBook

            known += [name for name in PriceBook.load().providers if name not in known]
        if value not in known:
            self.fail(no_such("backend", str(value), known), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return (completing.sellers if self.sellers else completing.backends)(ctx, param, incomplete)


class Choice(click.Choice[str]):
    """One of a few values; says which of them was meant."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        return f"'{value}' is not one of its values. {meant(str(value), self.choices)}"


class MetricName(click.ParamType[str]):
    """A metric; ``more`` are those that only this command has."""

    name = "METRIC"

    def __init__(self, *more: str) -> None:
        self.more = more

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from advisor.evaluate import METRICS

        known = (*METRICS, *self.more)
        if value not in known:
            self.fail(no_such("metric", str(value), known), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return completing.metrics(ctx, param, incomplete)


class GpuName(click.ParamType[str]):
    """A GPU by our name for it; a part of it is enough, such as 4090."""

    name = "NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from advisor.errors import WorkloadError
        from advisor.hardware import gpu_named

        try:
            return gpu_named(str(value)).name
        except WorkloadError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return completing.gpus(ctx, param, incomplete)


today = click.option(
    "--today",
    type=_Date(),
    default=date.today,
    envvar="TUNEWISE_TODAY",
    help="Judge availability and prices as of this day (default: today, or TUNEWISE_TODAY).",
)
everything = click.option("--all", "everything", is_flag=True, help="Show everything, not only what decides.")
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document to stdout and nothing else there."
)


notify = click.option(
    "--notify",
    metavar="URL",
    multiple=True,
    help="Send a message when a followed run ends: to 'desktop', a webhook, or any address apprise knows.",
)
sellers = click.option(
    "--backend",
    "backends",
    type=BackendName(sellers=True),
    multiple=True,
    help="Tune only there; repeat the flag for more.",
)
models = click.option(
    "--model",
    "models",
    multiple=True,
    shell_complete=completing.models,
    help="Consider only this model; repeat the flag for more.",
)
monthly_limit = click.option(
    "--monthly-limit",
    type=Usd(),
    envvar="TUNEWISE_MONTHLY_LIMIT",
    help="The most that all runs of this month may cost.",
)
agreed = click.option("--yes", is_flag=True, help="Do not ask; needs --max-cost for what costs money.")
stale_too = click.option(
    "--accept-stale-prices", "stale_too", is_flag=True, help="With --yes: launch on prices over 120 days old."
)
exact = click.option("--exact", is_flag=True, help="Count every row of a huge file instead of a sample.")

PREVIEW_BYTES = 64 << 20  # above this a sample answers first


def profile_of(data: tuple[Path, ...], workload: Workload, *, exact: bool = False) -> Profile:
    """Return the profile of DATA, or of what the workload's data block describes where no DATA is given."""
    from advisor.tokens import synthetic

    if data:
        return read(data, exact=exact)
    if workload.data is None:
        raise click.UsageError("Give DATA, or a workload file whose 'data:' block describes it.")
    return synthetic(workload.data, workload.task)


def read(data: Sequence[Path | str], *, exact: bool = False) -> Profile:
    """Read DATA with a bar. Of a huge file that was never counted a sample is read, unless ``exact`` is asked for.

    On stderr a sample is said to be one, and rows that cannot be read are counted: advice on half the data is no
    advice on all of it.
    """
    from advisor.cli.render.reading import reading
    from advisor.dataset import Dataset, Level
    from advisor.tokens import preview, profile

    dataset = Dataset.open(*data)
    with reading(dataset.bytes, "identifying") as progress:
        dataset.identify(progress)
    with reading(dataset.bytes) as progress:
        whole = exact or dataset.bytes <= PREVIEW_BYTES
        found = profile(dataset, progress=progress) if whole else preview(dataset, progress=progress)
    if found.sampled:
        render.note(found.sampled.sentence)
    if any(problem.level is Level.ERROR for problem in found.problems):
        from advisor.runs.launch.data_warnings import left_out

        if said := left_out(found):
            render.note(f"warning: {said}: 'tunewise check {shlex.join(map(str, data))}' names them.")
    return found


def made_ready(model: str) -> None:
    """Fetch or convert, once and said, what a model's name stands for on this machine; other names pass."""
    from backends.local import pretrained

    said = pretrained.to_make(model)
    if said is not None:
        render.note(said)
        pretrained.make(model)


def named_run(ledger: Ledger, name: str) -> Run:
    """Return a run as the ledger knows it; where ``last`` passes over a rehearsal, that is said."""
    run = ledger.get(name)
    if newest := _passed_over(ledger, name, run):
        render.note(f"last is {run.id}: the newer {newest.id} is a rehearsal, which goes by its id.")
    return run


def run_to_act_on(ledger: Ledger, name: str) -> Run:
    """Return a run that is to be stopped, deleted or paid for. Raises RunError where ``last`` could mean two."""
    from advisor.errors import RunError

    run = ledger.get(name)
    if newest := _passed_over(ledger, name, run):
        raise RunError(
            f"'last' could mean {run.id} or the rehearsal after it, {newest.id}; name the run that you mean."
        )
    return run


def _passed_over(ledger: Ledger, name: str, run: Run) -> Run | None:
    """Return the rehearsal that is newer than ``run``, which ``last`` named; None: there is none."""
    if name != "last" or run.rehearses:
        return None
    newest = ledger.newest()
    return newest if newest.rehearses else None


def current_run(ledger: Ledger, name: str) -> Run:
    """Return a run as it is now; as the ledger knows it, and said, when its backend cannot be asked."""
    from contextlib import closing

    import backends
    from advisor.runs.follow.watch import refreshed

    run = named_run(ledger, name)
    if run.job.id is None or run.job.status.finished:
        return run
    try:
        with closing(backends.get(run.spec.backend)) as backend:
            return refreshed(ledger, run, backend)
    except backends.BackendError as error:
        render.note(f"not refreshed: {error}")
        return run
