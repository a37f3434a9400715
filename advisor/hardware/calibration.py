"""What runs on this machine measured, and how it corrects the estimate for the same GPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from statistics import median

from advisor.hardware.gpus import Gpu, gpu
from advisor.hardware.memory import Setup, peak
from advisor.hardware.models import architecture
from advisor.hardware.speed import Band, step_seconds, width
from advisor.paths import home
from backends import DEFAULT_LORA_RANK, Method

# Error of a step's time after calibration, as published for 90 held-out middles of two-point fits (80 % within 25 %)
# and for one point scaled by arithmetic (60 % within 25 %): docs/concepts/memory.md.
_TWO_POINTS = 0.25
_ONE_POINT = 0.50
# A measured peak beyond these factors of the estimate was another setup, not another machine.
_CREDIBLE = (0.6, 1.6)


@dataclass(frozen=True, slots=True)
class Point:
    """One run of our trainer: a step of ``tokens_per_step`` tokens in micro-steps of ``micro_batch_tokens``.

    Memory in GB (10^9 bytes), None without CUDA. ``seq`` is the longest sequence in tokens; ``peak_tokens`` those of
    the pass whose memory it is, where that is not ``micro_batch_tokens``.
    """

    gpu: str
    model: str
    method: str
    rank: int
    seq: int
    micro_batch_tokens: int
    checkpointing: bool
    tokens_per_step: float
    step_seconds: float
    peak_allocated_gb: float | None = None
    peak_reserved_gb: float | None = None
    peak_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """What ``points`` runs on one GPU say about the estimate.

    Seconds of a micro-step are ``fixed_s + scale x`` the estimate, right to ``error`` (a share); ``fixed_s`` is below
    zero where a step costs less beside arithmetic than the estimate holds, and steps shorter than ``shortest_s`` (the
    estimate of the shortest one measured) then shrink in proportion. Reserved memory is ``memory`` times the estimate.
    """

    points: int
    fixed_s: float
    scale: float
    error: float
    memory: float = 1.0
    shortest_s: float = 0.0

    def seconds(self, estimate: Band) -> Band:
        """Return the corrected seconds of a micro-step."""
        mid = self.fixed_s + self.scale * estimate.mid
        if self.fixed_s < 0 and estimate.mid < self.shortest_s:
            mid = (self.fixed_s / self.shortest_s + self.scale) * estimate.mid
        return Band(mid * (1 - self.error), mid, mid * (1 + self.error))


def remember(point: Point) -> Path:
    """Add ``point`` to $TUNEWISE_HOME/calibration.jsonl, one JSON object a line, and return the file."""
    path = _store()
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(point)) + "\n")
    return path


def remembered(gpu_name: str | None = None) -> tuple[Point, ...]:
    """Return the points known here, of one GPU when it is named.

    They are the lines of calibration.jsonl and the finished runs of the local trainer under $TUNEWISE_HOME/runs; lines
    and folders that are no points are passed over.
    """
    path = _store()
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = [_from_line(line) for line in lines]
    found += [point_of_run(summary.parent) for summary in sorted((home() / "runs").glob("*/summary.json"))]
    points = dict.fromkeys(point for point in found if point is not None)
    return tuple(point for point in points if gpu_name in (None, point.gpu))


def point_of_run(folder: Path) -> Point | None:
    """Read a finished run folder of the local trainer; None when it holds no measured step of one known device.

    Uses ``config.json`` (model, method), ``chosen.json`` (the settings trained with), ``environment.json`` (device,
    ranks), ``summary.json`` (``step_seconds``, ``tokens_per_step``, ``micro_batch_tokens``, ``longest_tokens``,
    ``heaviest_pass_tokens``, ``gradient_checkpointing``, ``peak_allocated_gb``, ``peak_reserved_gb``) and, where there
    are at least three steps, the medians of ``metrics.jsonl``, which the slow first step does not move.
    """
    names = ("config.json", "chosen.json", "environment.json", "summary.json")
    spec, chosen, environment, summary = (_read(folder / name) for name in names)
    card = gpu(str(environment.get("device", "")))
    settings = chosen.get("hyperparameters")
    settings = settings if isinstance(settings, dict) else {}
    mean = _number(summary.get("tokens_per_step")), _number(summary.get("step_seconds"))
    tokens, seconds = _median_step(folder / "metrics.jsonl") or mean
    if card is None or environment.get("ranks", 1) != 1 or not seconds or not tokens:
        return None
    micro = _whole(summary.get("micro_batch_tokens")) or int(tokens)
    return Point(
        gpu=card.name,
        model=str(chosen.get("base") or spec.get("model") or ""),
        method=str(spec.get("method") or "lora"),
        rank=_whole(settings.get("lora_rank")) or DEFAULT_LORA_RANK,
        seq=_whole(summary.get("longest_tokens")) or _whole(settings.get("max_seq_length")) or micro,
        micro_batch_tokens=min(micro, int(tokens)),
        checkpointing=bool(summary.get("gradient_checkpointing", False)),
        tokens_per_step=tokens,
        step_seconds=seconds,
        peak_allocated_gb=_number(summary.get("peak_allocated_gb")),
        peak_reserved_gb=_number(summary.get("peak_reserved_gb")),
        peak_tokens=_whole(summary.get("heaviest_pass_tokens")),
    )


def correction(points: Sequence[Point], card: Gpu) -> Correction | None:
    """Compare ``points`` with the estimate for ``card``; None without a comparable point."""
    times: list[tuple[float, float]] = []
    factors: list[float] = []
    for point in points:
        arch = architecture(point.model)
        if arch is None or point.method not in list(Method):
            continue
        batch = max(1, round(point.micro_batch_tokens / point.seq))
        setup = Setup(
            Method(point.method),
            rank=point.rank,
            seq=max(1, point.micro_batch_tokens // batch),
            micro_batch=batch,
            checkpointing=point.checkpointing,
            width=width(card, arch),
        )
        estimate = step_seconds(arch, setup, card)
        if estimate is not None:
            times.append((estimate.mid, point.step_seconds * point.micro_batch_tokens / point.tokens_per_step))
        if point.peak_reserved_gb is not None:
            heaviest = replace(setup, seq=point.peak_tokens or setup.tokens, micro_batch=1)
            factor = point.peak_reserved_gb / peak(arch, heaviest).reserved_gb
            if _CREDIBLE[0] <= factor <= _CREDIBLE[1]:
                factors.append(factor)
    if not times and not factors:
        return None
    fixed, scale, error = calibrate(times) if times else (0.0, 1.0, _ONE_POINT)
    shortest = min((estimate for estimate, _ in times), default=0.0)
    return Correction(len(points), fixed, scale, error, median(factors) if factors else 1.0, shortest)


def learned(card: Gpu) -> Correction | None:
    """Return what runs on this machine say about ``card``, read once for each state of their folder."""
    folder = home()
    stamps = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in (_store(), folder / "runs"))
    return _learned(card, folder, stamps)


@lru_cache(maxsize=64)
def _learned(card: Gpu, folder: Path, stamps: tuple[int, ...]) -> Correction | None:
    return correction(remembered(card.name), card)


def calibrate(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Fit seconds = fixed + scale x work through measured (work, seconds) pairs; return fixed, scale and the error.

    ``work`` is any measure of a step's size: its tokens on one model, or its estimated seconds across models. One
    pair, or several of one size, give a scale alone. Two pairs, one short and one long, take about 10 s each.
    ``fixed`` may be below zero: an estimate has a fixed part of its own.
    """
    if not pairs:
        raise ValueError("calibration needs at least one measured (work, seconds) pair")
    weights = [1 / y**2 for _, y in pairs]  # a share of a short step counts as much as the same share of a long one
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, pairs, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, pairs, strict=True)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, pairs, strict=True))
    scale = 0.0
    if spread > (0.05 * mean_x) ** 2 * total:
        both = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, pairs, strict=True))
        scale = both / spread
    if scale <= 0:  # of one size, or contradicting each other
        fixed, scale = 0.0, mean_y / mean_x
        worst = max(abs(scale * x - y) / y for x, y in pairs)
        return fixed, scale, max(_ONE_POINT, worst)
    fixed = mean_y - scale * mean_x
    worst = max(abs(fixed + scale * x - y) / y for x, y in pairs)
    return fixed, scale, max(_TWO_POINTS, worst)


def _store() -> Path:
    return home() / "calibration.jsonl"


def _from_line(line: str) -> Point | None:
    try:
        content = json.loads(line)
        known = {field.name for field in fields(Point)}
        return Point(**{key: value for key, value in content.items() if key in known})
    except (ValueError, TypeError, AttributeError):
        return None


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _median_step(path: Path) -> tuple[float, float] | None:
    """Return the tokens and seconds of the middle step of a run, the first left out; None with fewer than three."""
    steps: list[tuple[float, float]] = []
    before = 0.0
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        total, seconds = _number(content.get("tokens")), _number(content.get("step_seconds"))
        if total is not None and seconds:
            steps.append((total - before, seconds))
            before = total
    if len(steps) < 3:
        return None
    return median(tokens for tokens, _ in steps[1:]), median(seconds for _, seconds in steps[1:])


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
