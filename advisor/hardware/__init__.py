"""Will it fit, how long will it take: model shapes, GPUs, the memory and time of a training step."""

from __future__ import annotations

from advisor.hardware.calibration import (
    Correction,
    Point,
    calibrate,
    correction,
    learned,
    point_of_run,
    remember,
    remembered,
)
from advisor.hardware.duration import train_minutes
from advisor.hardware.fit import Fit, fit
from advisor.hardware.gpus import Gpu, detect, gpu, gpu_named, gpus
from advisor.hardware.memory import Memory, Setup, lora_params, peak
from advisor.hardware.models import Architecture, architecture, like
from advisor.hardware.multi_gpu import Spread, spread
from advisor.hardware.serving_speed import ENGINES, Capacity, Precision, Serving, capacity, placed
from advisor.hardware.speed import Band, flops_per_token, step_seconds, width

__all__ = [
    "ENGINES",
    "Architecture",
    "Band",
    "Capacity",
    "Correction",
    "Fit",
    "Gpu",
    "Memory",
    "Point",
    "Precision",
    "Serving",
    "Setup",
    "Spread",
    "architecture",
    "calibrate",
    "capacity",
    "correction",
    "detect",
    "fit",
    "flops_per_token",
    "gpu",
    "gpu_named",
    "gpus",
    "learned",
    "like",
    "lora_params",
    "peak",
    "placed",
    "point_of_run",
    "remember",
    "remembered",
    "spread",
    "step_seconds",
    "train_minutes",
    "width",
]
