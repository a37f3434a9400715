"""The Model Context Protocol server: what can be looked at, as tools for an agent. None of them spends or uploads.

Files are read within the given folders only. Every result is a typed value with the keys of the command's --json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeAlias, TypeVar, cast

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field
from typing_extensions import TypedDict

from advisor import library
from advisor.errors import AdvisorError, UsageError
from advisor.nearest import no_such
from advisor.pricing import PriceBook
from advisor.pricing.entries import entries
from advisor.runs import Ledger, view
from advisor.runs.standstill import Standings
from advisor.serialization import to_json
from backends import BackendError

P = ParamSpec("P")
T = TypeVar("T")

Rows: TypeAlias = list[dict[str, Any]]
Files = Annotated[list[str], Field(description="Files of one format, within the folders this server may read.")]
Needs = Annotated[
    dict[str, Any] | None,
    Field(description="What the model is for, with the keys of the workload file, such as requests_per_month."),
]
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)


class CheckResult(TypedDict):
    examples: int
    task_type: str
    exact: bool
    tokens: dict[str, int]
    billed_tokens_per_epoch: dict[str, int]
    problems: Rows
    quality: dict[str, Any]


class PlanResult(TypedDict):
    recommendation: dict[str, Any] | None
    reason: str
    confidence: str
    options: Rows
    flips: Rows
    assumptions: list[str]
    next_step: str


class BudgetResult(TypedDict):
    verdict: str
    limit_usd: str
    plan: str | None
    reason: str


class ListResult(TypedDict):
    rows: Rows


def server(roots: Sequence[Path]) -> MCPServer[None]:
    """Return the server, which reads files below ``roots`` alone."""
    found: MCPServer[None] = MCPServer(
        "tunewise", instructions="Should a model be fine-tuned at all, where, and at what cost. Nothing here spends."
    )

    def files(named: Sequence[str]) -> list[Path]:
        return [_within(Path(name), roots) for name in named]

    @found.tool(annotations=_READS)
    @_told
    def check(data: Files, backend: str | None = None, model: str | None = None) -> CheckResult:
        """Read training data, count its tokens and find what is wrong with it, by line."""
        profile = library.check(*files(data), backend=backend, model=model)
        return cast(CheckResult, _chosen(CheckResult, profile))

    @found.tool(annotations=_READS)
    @_told
    def plan(data: Files | None = None, workload: Needs = None) -> PlanResult:
        """Recommend prompting, few-shot or fine-tuning; where, for how much, and what would change the answer."""
        advice = library.plan(*files(data or ()), workload=workload)
        return cast(PlanResult, _chosen(PlanResult, advice))

    @found.tool(annotations=_READS)
    @_told
    def budget(limit_usd: float, data: Files | None = None, workload: Needs = None) -> BudgetResult:
        """Say what a sum of US dollars buys over the horizon."""
        from decimal import Decimal

        spent = library.budget(*files(data or ()), usd=Decimal(str(limit_usd)), workload=workload)
        best = spent.best.option.id if spent.best else None
        return BudgetResult(
            verdict=spent.verdict, limit_usd=str(spent.limit_usd), plan=best, reason=spent.advice.reason
        )

    @found.tool(annotations=_READS)
    @_told
    def fit(model: str, gpus: list[str], method: str = "lora", rank: int = 16, seq: int = 2048) -> ListResult:
        """Say for each GPU whether training a model fits, its peak memory and why."""
        return _rows(library.fit(model, gpus=gpus, method=method, rank=rank, seq=seq))

    @found.tool(annotations=_READS)
    @_told
    def prices(provider: str) -> ListResult:
        """List every figure known of a provider, with its unit, source and the day it was read."""
        book = PriceBook.load()
        if provider not in book.providers:
            raise UsageError(no_such("provider", provider, book.providers))
        return _rows(entry for entry in entries(book) if entry.provider == provider)

    @found.tool(annotations=_READS)
    @_told
    def jobs() -> ListResult:
        """List the runs in the ledger, as they were last seen; no provider is asked."""
        ledger, now = Ledger.open(), datetime.now(UTC)
        standings = Standings(ledger, PriceBook.load())
        return _rows(view(run, standings.of(run, now, asked=False)) for run in ledger.runs())

    @found.tool(annotations=_READS)
    @_told
    def receipt(run: str) -> dict[str, Any]:
        """Set what a run was quoted at beside what it took, as far as the ledger knows."""
        from advisor.runs import receipt as receipt_of

        ledger = Ledger.open()
        return cast(dict[str, Any], to_json(receipt_of(ledger, ledger.get(run).id)))

    return found


def _told(tool: Callable[P, T]) -> Callable[P, T]:
    """Hand what we raise on purpose to the agent as the tool's answer: it names the remedy."""

    @wraps(tool)
    def call(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return tool(*arguments, **named)
        except (AdvisorError, BackendError) as error:
            raise ToolError(str(error)) from error

    return call


def _within(path: Path, roots: Sequence[Path]) -> Path:
    """Return the real path of a file below one of ``roots``. Raises UsageError for any other."""
    first, *_ = roots
    real = (path if path.is_absolute() else first / path).resolve()
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise UsageError(
            f"{path}: this is not inside a folder that the server may read ({', '.join(map(str, roots))})."
        )
    return real


def _chosen(kind: type, value: object) -> object:
    made = cast(Mapping[str, Any], to_json(value))
    return {name: made[name] for name in kind.__annotations__}


def _rows(values: Any) -> ListResult:
    return {"rows": cast(Rows, [to_json(value) for value in values])}
