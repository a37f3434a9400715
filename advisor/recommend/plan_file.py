"""plan.yaml: the advice kept in a file that `launch` and `report` read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from advisor.atomic import write_whole
from advisor.dataset import Level
from advisor.errors import AdvisorError
from advisor.evidence import Odds
from advisor.recommend.values import Deadline, EvidenceRef, Flip, Option, Reason, Recommendation
from advisor.tokens import Profile
from advisor.workload import Workload

VERSION = 1

# Fields without a default: they are written even when nothing is known.
_ALWAYS = ("backend", "available_until", "ruled_out_by", "quality", "estimate", "checked", "n_cases")
_SUMS = ("one_off_usd", "per_request_usd", "monthly_usd", "total_usd")
_KEPT = frozenset((*_ALWAYS, *_SUMS))
# libyaml's loader where PyYAML was built with it: ten times as fast on the thousands of lines of a plan.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PlanError(AdvisorError):
    """A plan file cannot be read or was made by another version."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What the advice took from the data: examples, tokens of o200k_base, findings by level."""

    examples: int
    tokens: int | None
    longest: int
    task: str
    errors: int
    warnings: int

    @classmethod
    def of(cls, profile: Profile) -> DataFacts:
        levels = [problem.level for problem in profile.problems]
        return cls(
            examples=profile.examples,
            tokens=profile.tokens.get("o200k_base"),
            longest=profile.longest,
            task=profile.task_type,
            errors=levels.count(Level.ERROR),
            warnings=levels.count(Level.WARNING),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan file holds. ``option`` is the chosen one, ``fingerprint`` of the data it was made for (or "").

    ``data_facts`` is None where the file does not hold them.
    ``advice`` is the recommendation as it was written; a file without its argument gives one with nothing but options.
    """

    data: tuple[Path, ...]
    fingerprint: str
    option: Option
    workload: Workload
    created: date
    today: date
    reason: str
    options: tuple[Option, ...]
    advice: Recommendation
    data_facts: DataFacts | None = None


class _Argument(BaseModel):
    """What a recommendation says beside its options; the names are those of Recommendation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prices_as_of: date | None = None
    confidence: str = ""
    p_finetune_wins: float | None = None
    odds: Odds | None = None
    deadlines: tuple[Deadline, ...] = ()
    next_step: str = ""
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    flips: tuple[Flip, ...] = ()
    unknowns: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    evidence: tuple[EvidenceRef, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    created: date
    today: date
    data: tuple[Path, ...]
    fingerprint: str
    data_facts: DataFacts | None = None
    workload: Workload
    reason: str
    option: Option
    argument: _Argument = _Argument()
    options: tuple[Option, ...] = ()


def write_plan(
    path: Path,
    found: Recommendation,
    *,
    data: Sequence[Path],
    fingerprint: str,
    workload: Workload,
    today: date,
    created: date,
    data_facts: DataFacts | None = None,
) -> None:
    """Write the advice to ``path``; the whole file or nothing. Raises PlanError when nothing was recommended."""
    if found.recommendation is None:
        raise PlanError(f"{path}: nothing was recommended, so there is no plan to write. {found.reason}")
    content = {
        "version": VERSION,
        "created": created,
        "today": today,
        "data": [str(source.resolve()) for source in data],
        "fingerprint": fingerprint,
        **({"data_facts": _plain(data_facts)} if data_facts else {}),
        "workload": workload.model_dump(mode="json", exclude_defaults=True),
        "reason": found.reason,
        "option": _plain(found.recommendation),
        "argument": {name: _plain(getattr(found, name)) for name in _Argument.model_fields},
        "options": [_plain(option) for option in found.options],
    }
    text = "# A tunewise plan: launch it with 'tunewise launch', renew it with 'tunewise plan --out'.\n"
    text += yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    try:
        write_whole(path, text.encode(), private=False)
    except OSError as error:
        raise PlanError(f"{path}: cannot be written ({error.strerror}); choose another place with --out.") from error


def plan_of(
    found: Recommendation,
    *,
    data: Sequence[Path],
    fingerprint: str,
    workload: Workload,
    today: date,
    created: date,
) -> Plan:
    """Return the advice as a plan that was never in a file. Raises PlanError when nothing was recommended."""
    if found.recommendation is None:
        raise PlanError(f"Nothing was recommended, so there is no plan to show. {found.reason}")
    sources = tuple(source.resolve() for source in data)
    return Plan(
        sources, fingerprint, found.recommendation, workload, created, today, found.reason, found.options, advice=found
    )


def read_plan(path: Path) -> Plan:
    """Read a plan file. Raises PlanError naming file, field and remedy."""
    remedy = f"make it again with 'tunewise plan DATA --out {path}'"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read as a plan ({error}).") from error
    except yaml.YAMLError as error:
        raise PlanError(f"{path}: this is not valid YAML; {remedy}.") from error
    if not isinstance(content, dict) or "option" not in content:
        raise PlanError(f"{path}: this is not a plan file; 'tunewise plan DATA --out plan.yaml' makes one.")
    if content.get("version") != VERSION:
        raise PlanError(
            f"{path}: version {content.get('version')} is not {VERSION}, which this program reads; {remedy}."
        )
    try:
        found = TypeAdapter(_File).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"{path}: {field}: {first['msg']}; {remedy}.") from error
    argument = {name: getattr(found.argument, name) for name in _Argument.model_fields}
    return Plan(
        data=found.data,
        fingerprint=found.fingerprint,
        data_facts=found.data_facts,
        option=found.option,
        workload=found.workload,
        created=found.created,
        today=found.today,
        reason=found.reason,
        options=found.options,
        advice=Recommendation(
            recommendation=found.option, reason=found.reason, options=found.options or (found.option,), **argument
        ),
    )


class _Dumper(yaml.SafeDumper):
    """Writes every value out: an anchor for a date used twice would puzzle the reader of a plan."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _plain(value: object) -> object:
    """Turn values into what safe YAML writes: dataclasses by field, Decimal as text, None left out of mappings."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str | date | datetime):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if is_dataclass(value) and not isinstance(value, type):
        found = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        return {name: item for name, item in found.items() if item is not None or name in _KEPT}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in a plan file")
