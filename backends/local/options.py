"""What this backend understands beyond the shared hyperparameters, and how a JobSpec becomes config.json and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import get_args, get_type_hints

from backends import Hyperparameters, JobSpec, Json, Method, Objective, SpecRefused

TRACKERS = ("wandb", "mlflow", "trackio")  # by the name of their package, and of our extra
TINY = ("tiny", "tiny-llama", "tiny-qwen", "tiny-gemma")


@dataclass(frozen=True, slots=True)
class Options:
    """``JobSpec.options`` of the local backend; None means: the trainer chooses and says why.

    ``micro_batch_tokens``: tokens of one forward pass. ``loss_on``: assistant | all | last. ``save_every``: steps
    between checkpoints, ``save_seconds``: or seconds, whichever comes first. ``keep``: checkpoints kept.
    ``workers``: processes that train together, one per GPU; ``shard``: ddp gives each a copy of the model, fsdp splits
    it over them. ``engine``: who starts them, torchrun on this machine or ray on a cluster, whose ``address`` is
    HOST:PORT, or auto for the one this machine belongs to; None is a cluster of the run's own. With an address the run
    goes on with as few as ``min_workers`` (1; all of them under fsdp). ``max_hours``: the run stops, a checkpoint kept,
    when it has held its workers that long. ``log_to``: a tracker that is told settings and metrics.
    """

    folder: str | None = None
    device: str | None = None  # cpu | cuda | mps
    precision: str | None = None  # fp32 | bf16
    threads: int | None = None  # CPU threads of the trainer
    micro_batch_tokens: int | None = None
    gradient_checkpointing: bool | None = None
    compile: bool | None = None  # the decoder layers, by torch.compile
    loss_on: str = "assistant"
    target_modules: str | None = None  # comma-separated names; None: all linear layers
    max_grad_norm: float = 1.0
    max_steps: int | None = None
    validation_fraction: float = 0.0  # taken from the training file when there is no validation file
    save_every: int | None = None
    save_seconds: float = 120.0
    keep: int = 2
    merge: bool = False  # also write the merged model
    revision: str | None = None
    trust_remote_code: bool = False
    workers: int = 1
    shard: str = "ddp"  # ddp | fsdp
    engine: str = "torchrun"  # torchrun | ray
    address: str | None = None
    min_workers: int | None = None
    max_hours: float | None = None
    log_to: str | None = None  # wandb | mlflow | trackio

    @property
    def split(self) -> bool:
        """Tell whether weights, gradients and optimiser are split over the workers."""
        return self.shard == "fsdp"

    @property
    def starts(self) -> str:
        """Name our module that starts the run: the recipe itself, or what keeps its workers alive."""
        watched = self.workers > 1 or self.engine == "ray" or self.max_hours is not None
        return "workers.supervise" if watched else "trainer.train"


def read_options(options: Mapping[str, Json]) -> Options:
    """Check names, kinds and choices. Raises SpecRefused naming the option and what it may be."""
    known = {field.name for field in fields(Options)}
    hints = get_type_hints(Options)
    for name, value in options.items():
        if name not in known:
            raise SpecRefused(f"The local backend has no option '{name}'; it knows: {', '.join(sorted(known))}.")
        kinds = get_args(hints[name]) or (hints[name],)
        good = type(value) in kinds or (float in kinds and type(value) is int)
        if not good:
            wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
            raise SpecRefused(f"Option {name} of the local backend must be {wanted}, not {value!r}.")
    chosen = Options(**dict(options))  # type: ignore[arg-type]  # kinds were checked above
    for name, value, allowed in (
        ("device", chosen.device, ("cpu", "cuda", "mps")),
        ("precision", chosen.precision, ("fp32", "bf16")),
        ("loss_on", chosen.loss_on, ("assistant", "all", "last")),
        ("shard", chosen.shard, ("ddp", "fsdp")),
        ("engine", chosen.engine, ("torchrun", "ray")),
        ("log_to", chosen.log_to, TRACKERS),
    ):
        if value is not None and value not in allowed:
            raise SpecRefused(f"Option {name} must be one of {', '.join(allowed)}, not '{value}'.")
    if not 0 <= chosen.validation_fraction < 1:
        raise SpecRefused("Option validation_fraction must be at least 0 and below 1.")
    for name in ("threads", "micro_batch_tokens", "max_steps", "save_every", "keep", "workers"):
        value = getattr(chosen, name)
        if value is not None and value < 1:
            raise SpecRefused(f"Option {name} must be at least 1, not {value}.")
    for name in ("max_grad_norm", "save_seconds", "max_hours"):
        value = getattr(chosen, name)
        if value is not None and not value > 0:
            raise SpecRefused(f"Option {name} must be above 0, not {value:g}.")
    if chosen.split and chosen.workers == 1:
        raise SpecRefused("Option shard=fsdp splits the model over several workers; give workers as well.")
    if chosen.engine != "ray" and chosen.address:
        raise SpecRefused("Option address is that of a Ray cluster; give engine=ray as well.")
    if chosen.address is None and chosen.min_workers is not None:
        raise SpecRefused("Option min_workers is for a Ray cluster that may shrink; give its address as well.")
    if chosen.min_workers is not None and not 1 <= chosen.min_workers <= chosen.workers:
        raise SpecRefused("Option min_workers must be at least 1 and at most workers.")
    return chosen


def spec_to_json(spec: JobSpec) -> dict[str, Json]:
    """Write a JobSpec down: the content of config.json."""
    return {
        "version": 1,
        "run": spec.run,
        "backend": spec.backend,
        "model": spec.model,
        "train_file": str(spec.train_file.absolute()),
        "validation_file": str(spec.validation_file.absolute()) if spec.validation_file else None,
        "objective": spec.objective.value,
        "method": spec.method.value,
        "hyperparameters": asdict(spec.hyperparameters),
        "options": dict(spec.options),
    }


def spec_from_json(content: Mapping[str, Json]) -> JobSpec:
    """Read what ``spec_to_json`` wrote."""
    validation = content["validation_file"]
    hyperparameters = content["hyperparameters"]
    options = content["options"]
    assert isinstance(hyperparameters, dict) and isinstance(options, dict)
    return JobSpec(
        run=str(content["run"]),
        backend=str(content["backend"]),
        model=str(content["model"]),
        train_file=Path(str(content["train_file"])),
        validation_file=Path(str(validation)) if validation else None,
        objective=Objective(str(content["objective"])),
        method=Method(str(content["method"])),
        hyperparameters=hyperparameters_from_json(hyperparameters),
        options=options,
    )


def hyperparameters_from_json(content: Mapping[str, Json]) -> Hyperparameters:
    """Read hyperparameters, passing over keys that a newer version wrote."""
    known = {field.name for field in fields(Hyperparameters)}
    return Hyperparameters(**{key: value for key, value in content.items() if key in known})  # type: ignore[arg-type]
