"""The flags that say what the model is for, laid over a workload file; the same for every command that plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli.flags import common
from advisor.errors import UsageError, WorkloadError
from advisor.money import parse_count
from advisor.task import TaskType

if TYPE_CHECKING:
    from advisor.workload import Workload


class _Pair(click.ParamType[tuple[str, str]]):
    """KEY=VALUE."""

    name = "KEY=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, found, text = str(value).partition("=")
        if not (found and key and text):
            self.fail(f"'{value}' is not of the form KEY=VALUE, such as prompt=0.71.", param, ctx)
        if "=" in text:
            self.fail(f"'{value}' is more than one KEY=VALUE; give the flag again for each.", param, ctx)
        return key.strip(), text.strip()


class _Requests(click.ParamType["int | dict[str, int]"]):
    """A number of requests, or three."""

    name = "N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | dict[str, int]:
        if isinstance(value, int | dict):
            return value
        parts = str(value).split(":")
        if len(parts) not in (1, 3):
            self.fail(f"'{value}' is not a number of requests such as 50000 or 50k, or 20k:50k:90k.", param, ctx)
        try:
            found = [parse_count(part) for part in parts]
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return found[0] if len(found) == 1 else dict(zip(("low", "mid", "high"), found, strict=True))


_FLAGS = (
    click.option(
        "--workload",
        "file",
        type=click.Path(path_type=Path),
        help="A workload file (YAML); the flags here override its keys.",
    ),
    click.option(
        "--task",
        metavar="TASK",
        type=common.Choice([task.value for task in TaskType]),
        help=f"One of {', '.join(TaskType)}; default: inferred from the data.",
    ),
    click.option("--requests-per-month", type=_Requests(), help="One number (20000, 20k) or LOW:LIKELY:HIGH."),
    click.option(
        "--requests-are",
        type=common.Choice(["turns", "conversations"]),
        help="What counts as a request where the data holds conversations. Default: turns, each with its history.",
    ),
    click.option(
        "--prompt-tokens", type=_Pair(), multiple=True, help="Tokens of a request: system=300, user=200, output=100."
    ),
    click.option("--cache-hit", type=common.Share(), help="Share of requests whose fixed part is in the cache."),
    click.option("--horizon-months", type=click.IntRange(1, 120), help="Months to add costs up over. Default: 12."),
    click.option(
        "--budget-usd", "--budget", type=common.Usd(), help="The most that everything may cost over the horizon."
    ),
    click.option(
        "--privacy", metavar="WHAT", help="Where data may go: any, no_training_use, region:NAME or on_premises."
    ),
    click.option(
        "--latency-p95-ms", type=click.IntRange(1), help="Within how many milliseconds 95% of the answers must arrive."
    ),
    click.option(
        "--own-gpu", "gpus", type=common.GpuName(), multiple=True, help="A GPU you own; repeat the flag for each."
    ),
    click.option("--may-rent-gpus/--no-rented-gpus", default=None, help="Whether GPUs may be rented. Default: yes."),
    click.option(
        "--standing", type=_Pair(), multiple=True, help="Yours there: PROVIDER=never_fine_tuned, active or inactive."
    ),
    click.option(
        "--measured", type=_Pair(), multiple=True, help="A score you measured, 0 to 1: prompt=0.71, hosted=0.84@MODEL."
    ),
    click.option(
        "--measured-with", metavar="MODEL", help="The model the prompt was measured on. Default: the one recommended."
    ),
    click.option(
        "--current",
        type=_Pair(),
        multiple=True,
        help="What runs today: model=ID, strategy=few_shot, system_tokens=900, score=0.8, usd_per_month=700.",
    ),
    click.option("--quality-target", type=common.Share(), help="The share of right answers you need."),
    click.option("--error-cost-usd", type=common.Usd(), help="What one wrong answer costs."),
    click.option("--label-usd", type=common.Usd(), help="What labelling one example costs, when you have none yet."),
    click.option(
        "--knowledge-changes",
        type=common.Choice(["never", "monthly", "daily"]),
        help="How often the facts behind the answers change. Default: never.",
    ),
)
_NAMES = (
    "task", "requests_per_month", "requests_are", "prompt_tokens", "cache_hit", "horizon_months", "budget_usd",
    "privacy", "latency_p95_ms", "gpus", "may_rent_gpus", "standing", "measured", "measured_with", "current",
    "quality_target", "error_cost_usd", "label_usd", "knowledge_changes",
)  # fmt: skip
GROUPS: Mapping[str, tuple[str, ...]] = {
    "The work": (
        "file", "task", "requests_per_month", "requests_are", "prompt_tokens", "cache_hit", "knowledge_changes",
    ),
    "What it must meet": ("budget_usd", "horizon_months", "privacy", "latency_p95_ms"),
    "What you have": ("gpus", "may_rent_gpus", "standing", "measured", "measured_with", "current"),
    "What answers are worth": ("quality_target", "error_cost_usd", "label_usd"),
}  # fmt: skip
RENAMED = {"--gpu": "--own-gpu"}
_MAPPINGS = ("prompt_tokens", "standing", "measured", "current")


def workload_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags; it takes one argument, ``workload``, instead of theirs."""

    @wraps(command)
    def with_workload(**given: object) -> None:
        file = given.pop("file")
        said = {name: given.pop(name) for name in _NAMES}
        said |= {name: dict(said[name]) for name in _MAPPINGS}  # type: ignore[call-overload]
        workload = _workload(file if isinstance(file, Path) else None, said)
        try:
            command(workload=workload, **given)
        except WorkloadError as error:
            if file is None:  # then a flag said it
                raise UsageError(str(error)) from error
            raise

    for flag in reversed(_FLAGS):
        with_workload = flag(with_workload)
    return with_workload


def _workload(file: Path | None, said: Mapping[str, object]) -> Workload:
    """Lay the flags over the workload file; mappings are merged key by key."""
    from advisor.workload import load_workload, parse_workload

    if file is not None and not file.exists():
        raise WorkloadError(f"There is no workload file {file}; name one that is there, or say it with flags.")
    if isinstance(scores := said.get("measured"), dict):
        said = {**said, "measured": {name: _score(score) for name, score in scores.items()}}
    content: dict[str, object] = load_workload(file).model_dump(exclude_unset=True) if file else {}
    for key, value in said.items():
        if value is None or value in ((), {}):
            continue
        before = content.get(key)
        content[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    try:
        return parse_workload(content, where="the flags" if file is None else f"the flags and {file}")
    except WorkloadError as error:  # the file by itself was right
        raise UsageError(str(error)) from error


def _score(said: str) -> str | dict[str, str]:
    """Read SCORE or SCORE@MODEL."""
    score, at, model = said.partition("@")
    return {"score": score, "model": model} if at else score
