"""What a job at Bedrock is asked for: settings as strings within their bounds, and our run as every name it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends._base import JobSpec, Json
from backends._errors import SpecRefused
from backends._hosted import within
from backends.bedrock.names import bucket_of, output_prefix, region_of, role_of

# Nova's, from a copy of AWS's docs of 2026; other models' were not read and are left to the service.
EPOCHS, LEARNING_RATE = (1, 5), (1e-6, 1e-4)
_WARMUP_STEPS = (0, 100)
MOST_RECORDS = 20_000  # training and validation together, a quota


def check_settings(spec: JobSpec) -> None:
    """Check what the docs say; the bucket and the role are looked at with the account. Raises SpecRefused."""
    steps = spec.options.get("warmup_steps", 10)
    if not isinstance(steps, int) or isinstance(steps, bool):
        raise SpecRefused("The option 'warmup_steps' must be a whole number of steps.")
    if spec.model.startswith("amazon.nova"):
        within("epochs", spec.hyperparameters.epochs, *EPOCHS)
        within("learning_rate", spec.hyperparameters.learning_rate, *LEARNING_RATE)
        within("warmup_steps", steps, *_WARMUP_STEPS)
    if not isinstance(spec.options.get("region", region_of(spec)), str):
        raise SpecRefused("The option 'region' must be the name of a region, such as us-east-1.")
    records = sum(_records(path) for path in (spec.train_file, spec.validation_file) if path is not None)
    if records > MOST_RECORDS:
        raise SpecRefused(f"Bedrock takes {MOST_RECORDS:,} records, validation included; these are {records:,}.")


def _records(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def body(spec: JobSpec, model: str, files: Mapping[str, str]) -> dict[str, Json]:
    """Return the arguments of the request that creates the job, as the wire has them.

    ``model`` is the id that can be customised, ``files`` are addresses in the bucket. The token is the run: a second
    request with it is answered by the job of the first.
    """
    chosen = spec.hyperparameters
    settings = {
        "epochCount": chosen.epochs,
        "learningRate": chosen.learning_rate,
        "learningRateWarmupSteps": spec.options.get("warmup_steps"),
    }
    made: dict[str, Json] = {
        "jobName": spec.run,
        "customModelName": spec.run,
        "roleArn": role_of(spec),
        "clientRequestToken": spec.run,
        "baseModelIdentifier": model,
        "customizationType": "FINE_TUNING",
        "jobTags": [{"key": "tunewise_run", "value": spec.run}],
        "customModelTags": [{"key": "tunewise_run", "value": spec.run}],
        "trainingDataConfig": {"s3Uri": files["training_file"]},
        "outputDataConfig": {"s3Uri": f"s3://{bucket_of(spec)}/{output_prefix(spec.run)}"},
        "hyperParameters": {name: _text(value) for name, value in settings.items() if value is not None},
    }
    if "validation_file" in files:
        made["validationDataConfig"] = {"validators": [{"s3Uri": files["validation_file"]}]}
    return made


def _text(value: Json) -> str:
    """Write a setting as AWS wants it: 0.00001, never 1e-05."""
    return f"{value:.10f}".rstrip("0") if isinstance(value, float) else str(value)
