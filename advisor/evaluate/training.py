"""What the loss curves of a run say: where it stands, whether it overfits, which step was best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from backends import JobEvent

_TRAIN = ("train_loss", "loss")
_VALID = ("full_valid_loss", "valid_loss", "eval_loss")
_TRAIN_ACCURACY = ("train_accuracy",)
_VALID_ACCURACY = ("full_valid_accuracy", "valid_accuracy")
_RISE = 1.03  # times the best validation loss; less above it is no rise


@dataclass(frozen=True, slots=True)
class Curves:
    """Losses in nats per supervised token, and the share of tokens predicted right where a provider says it.

    Each as (step, value), in the order of the steps.
    """

    train: tuple[tuple[int, float], ...]
    valid: tuple[tuple[int, float], ...]
    train_accuracy: tuple[tuple[int, float], ...] = ()
    valid_accuracy: tuple[tuple[int, float], ...] = ()

    @property
    def best_step(self) -> int | None:
        """The step with the lowest validation loss."""
        return min(self.valid, key=lambda point: point[1])[0] if self.valid else None


def curves(events: Iterable[JobEvent]) -> Curves:
    """Read the curves out of a job's events, whatever the provider calls its metrics."""
    return curves_of((event.step, event.metrics) for event in events)


def curves_of(rows: Iterable[tuple[object, Mapping[str, object]]]) -> Curves:
    """Read the curves out of (step, metrics); what is no finite number is passed over."""
    kept: dict[tuple[str, ...], dict[int, float]] = {
        names: {} for names in (_TRAIN, _VALID, _TRAIN_ACCURACY, _VALID_ACCURACY)
    }
    for step, metrics in rows:
        if not isinstance(step, int | float):
            continue
        for names, points in kept.items():
            values = (metrics.get(name) for name in names)
            found = next((value for value in values if isinstance(value, int | float) and isfinite(value)), None)
            if found is not None:
                points[int(step)] = float(found)
    return Curves(*(tuple(sorted(points.items())) for points in kept.values()))


def overfitting(found: Curves) -> str | None:
    """Return the sentence that warns of overfitting, or None.

    Two evaluations in a row have stood above the best validation loss, and the loss rose both times, or the training
    loss kept falling, so that the gap has doubled since the best. One alone is often noise: a validation of a dozen
    short answers went from 0.35 to 0.46 and then to 0.32.
    """
    valid = [loss for _, loss in found.valid]
    if len(valid) < 3 or min(valid[-2:]) <= min(valid) * _RISE:
        return None
    best = found.best_step
    if valid[-1] > valid[-2] > valid[-3]:
        return (
            f"Overfitting: the validation loss rose twice in a row to {valid[-1]:.3f}; its best was {min(valid):.3f} "
            f"at step {best}. Train fewer epochs, or use the checkpoint of that step."
        )
    at_best = _train_near(found.train, best or 0)
    at_end = _train_near(found.train, found.valid[-1][0])
    if at_best is None or at_end is None or at_end >= at_best:
        return None
    before, now = min(valid) - at_best, valid[-1] - at_end
    if now > max(2 * before, before + 0.1):
        return (
            f"Overfitting: the gap between validation and training loss widened from {before:.3f} to {now:.3f} since "
            f"step {best}. Train fewer epochs, or use the checkpoint of that step."
        )
    return None


def _train_near(points: Sequence[tuple[int, float]], step: int) -> float | None:
    """Return the training loss around a step: the mean of the three points nearest to it."""
    near = sorted(points, key=lambda point: abs(point[0] - step))[:3]
    return sum(loss for _, loss in near) / len(near) if near else None
