"""Flags, arguments and the data that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.tokens import Profile
    from advisor.workload import Workload


_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(?![,\d])")  # 1,25 is none: a comma divides thousands, a point cents


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
    """An amount of US dollars, exact: 12.50, $12.50 or 1,250."""

    name = "USD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        text = str(value).removeprefix("$")
        try:
            amount = Decimal(text.replace(",", "") if _THOUSANDS.match(text) else text)
        except ArithmeticError:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            self.fail(f"'{value}' is not an amount of US dollars such as 12.50 or 1,250.", param, ctx)
        return amount


today = click.option(
    "--today",
    type=_Date(),
    default=date.today,
    envvar="TUNEWISE_TODAY",
    help="Judge availability and prices as of this day (default: today, or TUNEWISE_TODAY).",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document to stdout and nothing else there."
)


exact = click.option("--exact", is_flag=True, help="Count all of a huge file, instead of a sample of it.")

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

    A sample is said to be one on stderr.
    """
    from advisor.cli.render.reading import reading
    from advisor.dataset import Dataset
    from advisor.tokens import preview, profile

    dataset = Dataset.open(*data)
    with reading(dataset.bytes, "identifying") as progress:
        dataset.identify(progress)
    with reading(dataset.bytes) as progress:
        if exact or dataset.bytes <= PREVIEW_BYTES:
            return profile(dataset, progress=progress)
        found = preview(dataset, progress=progress)
    if found.sampled:
        render.note(found.sampled.sentence)
    return found
