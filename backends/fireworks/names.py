"""What things are called at Fireworks: the hub's models, and the ids that we choose ourselves."""

from __future__ import annotations

import re

from backends._base import JobSpec
from backends._errors import SpecRefused

_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")  # what the docs allow; the length is what one user found
PUBLIC = "fireworks"  # the account that owns the base models


def resource(model: str) -> str:
    """Return the full name of a model: of Fireworks' own library unless an account is named.

    The library writes hub names in lower case, p for the dot and v before Llama's number: Qwen/Qwen3-8B is qwen3-8b,
    meta-llama/Llama-3.3-70B-Instruct is llama-v3p3-70b-instruct.
    """
    if model.startswith("accounts/"):
        return model
    short = model.rsplit("/", 1)[-1].lower()
    short = re.sub(r"^(meta-)?llama-(?=\d)", "llama-v", short)
    return f"accounts/{PUBLIC}/models/{re.sub(r'(?<=[0-9])[.](?=[0-9])', 'p', short)}"


def job_id(spec: JobSpec) -> str:
    """Return the id of the job and of its model, which is the run: looking a job up needs no list."""
    if not _ID.fullmatch(spec.run):
        raise SpecRefused(
            f"Run '{spec.run}' is not an id that Fireworks accepts: use lower-case letters, digits and hyphens only."
        )
    return spec.run


def dataset_id(digest: str) -> str:
    """Return the id of a dataset, which is its content: the same file is uploaded once for all runs."""
    return f"tunewise-{digest[:40]}"
