"""What is called what at Bedrock, and where: regions, the bucket and the role the user brings, names of objects."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from backends._base import JobSpec
from backends._errors import SpecRefused
from backends._files import content_hash

BUCKET, ROLE = "TUNEWISE_BEDROCK_BUCKET", "TUNEWISE_BEDROCK_ROLE"
REGIONS = ("us-east-1", "us-west-2")  # where models are tuned
_AT_HOME = (("amazon.nova", "us-east-1"), ("meta.llama", "us-west-2"))
_ROLE = re.compile(r"arn:aws(-[^:]+)?:iam::\d{12}:role/.+")


def region_of(spec: JobSpec | None) -> str:
    """Return the region of a job: what its option says, AWS_REGION if models are tuned there, else the model's."""
    model = "" if spec is None else spec.model
    said = None if spec is None else spec.options.get("region")
    usual = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    home = next((region for start, region in _AT_HOME if model.startswith(start)), REGIONS[0])
    return str(said or (usual if usual in REGIONS else home))


def other_region(region: str) -> str:
    return next((other for other in REGIONS if other != region), region)


def bucket_of(spec: JobSpec) -> str:
    found = spec.options.get("bucket") or os.environ.get(BUCKET)
    if not isinstance(found, str):
        raise SpecRefused(
            f"Bedrock reads the data from your own bucket: set {BUCKET}, or -o bucket=NAME. 'tunewise doctor' says "
            "what it needs."
        )
    return found.removeprefix("s3://").strip("/")


def role_of(spec: JobSpec) -> str:
    found = spec.options.get("role") or os.environ.get(ROLE)
    if not isinstance(found, str) or not _ROLE.fullmatch(found):
        raise SpecRefused(
            f"Bedrock reads your bucket through a role of yours: set {ROLE} to its ARN, or -o role=ARN. "
            "'tunewise doctor' prints the policy it needs."
        )
    return found


def with_names(spec: JobSpec) -> JobSpec:
    """Return the job with names in the place of the bucket and role that are not said, to show what would be sent."""
    said = {
        "bucket": spec.options.get("bucket") or os.environ.get(BUCKET) or "YOUR-BUCKET",
        "role": spec.options.get("role") or os.environ.get(ROLE) or "arn:aws:iam::000000000000:role/YOUR-ROLE",
    }
    return replace(spec, options={**spec.options, **said})


def object_key(path: Path) -> str:
    """Return the name of an upload, which is its content: the same file is uploaded once for all runs."""
    return f"tunewise/{content_hash(path)[:40]}.jsonl"


def address_parts(uri: str) -> tuple[str, str]:
    """Return bucket and key of s3://BUCKET/KEY."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def output_prefix(run: str) -> str:
    return f"tunewise/out/{run}"


def region_in(arn: str) -> str | None:
    """Return the region in an ARN; None for a plain model id."""
    return arn.split(":")[3] if arn.startswith("arn:") else None
