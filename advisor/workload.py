"""What the model is for: volume, answer length, latency, privacy, hardware, money and standing with providers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from advisor.errors import WorkloadError
from advisor.money import parse_count, parse_share, parse_usd
from advisor.nearest import meant
from advisor.task import TaskType

Standing = Literal["never_fine_tuned", "active", "inactive"]
Changes = Literal["never", "monthly", "daily"]
Requests = Literal["turns", "conversations"]
Way = Literal[
    "prompt",
    "few_shot",
    "optimised",
    "retrieved",
    "many",
    "classifier",
    "hosted",
    "local_lora",
    "local_qlora",
    "local_full",
]


def _as_written(parse: Callable[[str], object]) -> BeforeValidator:
    """Read a number as it is read everywhere else; ``parse`` raises ValueError with the remedy."""
    return BeforeValidator(lambda value: value if isinstance(value, Decimal) else parse(str(value)))


Score = Annotated[float, _as_written(parse_share), Field(ge=0, le=1, strict=True)]
Money = Annotated[Decimal, _as_written(parse_usd), Field(ge=0, strict=True)]
Count = Annotated[int, _as_written(parse_count), Field(ge=0, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Volume(_Part):
    """Requests a month."""

    low: Count
    mid: Count
    high: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.mid <= self.high:
            raise ValueError("low <= mid <= high must hold")
        return self


class PromptTokens(_Part):
    """Tokens of one request: the fixed system prompt, the user's part, the answer."""

    system: Count = 0
    user: Count
    output: Count


class DataBlock(_Part):
    """Describes the training data when there is no file yet."""

    examples: Count
    tokens_per_example: Count = Field(ge=1)
    output_tokens: Count = Field(50, ge=1)
    turns: Count = Field(1, ge=1)
    labels: Count | None = Field(None, ge=1)


class MeasuredScore(_Part):
    """A score and the model it was measured with; it is never lent to another model."""

    score: Score
    model: str = Field(min_length=1)


# The two forms of a measured score; the names of the forms are no part of the file, nor of what is said of it.
_FORMS = ("a score", "a score and its model")
Measured = Annotated[
    Annotated[Score, Tag(_FORMS[0])] | Annotated[MeasuredScore, Tag(_FORMS[1])],
    Discriminator(lambda said: _FORMS[isinstance(said, dict | MeasuredScore)]),
]


class Current(_Part):
    """What answers today: the model, how it is asked, and what is known of its prompt, its score and its bill.

    ``strategy`` is a prompt's recipe, or the way the model was tuned. ``system_tokens`` are those of every request's
    fixed prompt, examples included.
    """

    model: str = Field(min_length=1)
    strategy: Way = "prompt"
    system_tokens: Count | None = None
    score: Score | None = None
    usd_per_month: Money | None = None


class Workload(_Part):
    """The workload file, with the contract's keys. None always means: not said."""

    task: TaskType | None = None
    data: DataBlock | None = None
    requests_per_month: Volume | None = None
    requests_are: Requests = "turns"
    prompt_tokens: PromptTokens | None = None
    cache_hit: Score | None = None
    horizon_months: Count = Field(12, ge=1, le=120)
    budget_usd: Money | None = None
    privacy: str = "any"
    latency_p95_ms: Count | None = Field(None, gt=0)
    gpus: tuple[str, ...] = ()
    may_rent_gpus: bool = True
    standing: dict[str, Standing] = Field(default_factory=dict)
    measured: dict[str, Measured] = Field(default_factory=dict)
    measured_with: str | None = None
    current: Current | None = None
    quality_target: Score | None = None
    error_cost_usd: Money | None = None
    label_usd: Money | None = None
    knowledge_changes: Changes = "never"

    @field_validator("requests_per_month", mode="before")
    @classmethod
    def _one_number_is_all_three(cls, value: object) -> object:
        if value is None or isinstance(value, dict | Volume):
            return value
        if isinstance(value, list):
            raise ValueError("must be a whole number such as 200000, or {low: 50000, mid: 200000, high: 400000}")
        number = parse_count(str(value))
        return {"low": number, "mid": number, "high": number}

    @field_validator("privacy")
    @classmethod
    def _known_privacy(cls, value: str) -> str:
        if value in ("any", "no_training_use", "on_premises") or (value.startswith("region:") and value[7:]):
            return value
        raise ValueError("must be any, no_training_use, region:NAME or on_premises")

    @property
    def on_premises(self) -> bool:
        return self.privacy == "on_premises"

    @property
    def scores(self) -> dict[str, float]:
        """The measured scores, 0 to 1, by the way of doing it."""
        return {name: said.score if isinstance(said, MeasuredScore) else said for name, said in self.measured.items()}

    def scored_with(self, name: str) -> str | None:
        """Return the model the score ``name`` was measured with, where its own entry says so."""
        said = self.measured.get(name)
        return said.model if isinstance(said, MeasuredScore) else None


class _AsWritten(yaml.SafeLoader):
    """Leaves numbers as they are written: YAML's own reading takes 010 for eight and 1:30 for ninety."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as the base class has it
        first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] not in ("int", "float")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load_workload(path: Path) -> Workload:
    """Read a workload file (YAML). Raises WorkloadError naming file, field and remedy."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{path}: cannot be read as a workload file ({error}); give a YAML file.") from error
    try:
        _no_key_twice(yaml.compose(text, yaml.SafeLoader), path)
        content = yaml.load(text, _AsWritten)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise WorkloadError(f"{path}, line {line}: this is not valid YAML; fix the indentation or quoting.") from error
    if not isinstance(content, dict):
        raise WorkloadError(f"{path}: a workload file is a mapping such as 'requests_per_month: 200000'.")
    return parse_workload(content, where=str(path))


def _no_key_twice(node: yaml.Node | None, path: Path) -> None:
    """Refuse a key that stands twice in one mapping: YAML takes the last one without a word. Raises WorkloadError."""
    seen = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in seen:
            raise WorkloadError(
                f"{path}, line {key.start_mark.line + 1}: the key '{key.value}' appears twice; keep one."
            )
        seen.add(key.value)
        _no_key_twice(value, path)


def parse_workload(content: dict[str, object], where: str) -> Workload:
    """Validate ``content``; ``where`` names its origin in errors. Raises WorkloadError."""
    try:
        return Workload.model_validate(content)
    except ValidationError as error:
        lines = []
        for issue in error.errors():
            where_in = tuple(part for part in issue["loc"] if part not in _FORMS)
            field = ".".join(str(part) for part in where_in) or "workload"
            if issue["type"] == "invalid_key":
                message = "a key must be a word"
            elif issue["type"] == "extra_forbidden":
                message = _unknown(where_in)
            else:
                message = issue["msg"].removeprefix("Value error, ").removesuffix(".")
            lines.append(f"{where}: {field}: {message}{'' if message.endswith('?') else '.'}")
        raise WorkloadError("\n".join(lines)) from error


def _unknown(place: tuple[int | str, ...]) -> str:
    """Say which key was meant, or which there are."""
    if str(place[-1]).isdigit():
        return "a comma ends a value within braces; write the number without"
    parts: dict[int | str, type[_Part]] = {
        "data": DataBlock,
        "prompt_tokens": PromptTokens,
        "requests_per_month": Volume,
        "measured": MeasuredScore,
        "current": Current,
    }
    known = (parts[place[0]] if len(place) > 1 else Workload).model_fields
    return f"unknown key. {meant(str(place[-1]), known)}".removesuffix(".")
