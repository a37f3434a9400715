"""The bucket and the role that the user brings: whether they do, and the policies they need."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from backends._errors import BackendError, SpecRefused
from backends.bedrock.names import BUCKET, ROLE, region_of

if TYPE_CHECKING:
    from backends._hosted import Hosted
    from backends.bedrock.connection import Line


def bucket_problem(backend: Hosted[Line], bucket: str, region: str) -> str | None:
    """Return why the bucket does not do, None when it does; ``region`` "" is any. Raises BackendError."""
    s3 = backend.client().client("s3", region or region_of(None))
    try:
        found: dict[str, Any] = backend.ask(lambda: s3.head_bucket(Bucket=bucket))
    except SpecRefused as error:
        return f"the bucket {bucket} cannot be used: {error}"
    where = found.get("BucketRegion") or found.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(
        "x-amz-bucket-region"
    )
    if where and region and where != region:
        return f"the bucket {bucket} is in {where}, and the model is tuned in {region}: make one there"
    return None


def role_problem(backend: Hosted[Line], role: str) -> str | None:
    """Return why the role does not do, None when it does or cannot be looked at with this key."""
    iam = backend.client().client("iam", "us-east-1")
    name = role.rsplit("/", 1)[-1]
    try:
        found: dict[str, Any] = backend.ask(lambda: iam.get_role(RoleName=name))
    except BackendError as error:
        return f"the role {name} does not exist" if "NoSuchEntity" in str(error) else None
    trust = found.get("Role", {}).get("AssumeRolePolicyDocument")
    text = trust if isinstance(trust, str) else json.dumps(trust)
    return None if "bedrock.amazonaws.com" in text else f"the role {name} does not trust bedrock.amazonaws.com"


def lacking(backend: Hosted[Line], *, offline: bool) -> tuple[str, str] | None:
    """Return what is missing of bucket and role, and the command that mends it, with the policy in it."""
    bucket, role, region = os.environ.get(BUCKET), os.environ.get(ROLE), region_of(None)
    if not bucket:
        make = f"aws s3 mb s3://NAME --region {region} && export {BUCKET}=NAME"
        return "no bucket for the data", f"{make} (in us-west-2 for Llama)"
    if not role:
        return "no role that may read the bucket", _make_role(bucket)
    if offline:
        return None
    try:
        problem = bucket_problem(backend, bucket, os.environ.get("AWS_REGION") or "")
        if problem is not None:
            return problem, f"aws s3 mb s3://NAME --region {region} && export {BUCKET}=NAME"
        problem = role_problem(backend, role)
    except BackendError as error:
        return f"bucket and role could not be checked: {error}", "aws sts get-caller-identity says who asks"
    return None if problem is None else (problem, _make_role(bucket))


def _make_role(bucket: str) -> str:
    return (
        f"aws iam create-role --role-name TunewiseBedrock --assume-role-policy-document '{trust_policy()}' && "
        "aws iam put-role-policy --role-name TunewiseBedrock --policy-name tunewise --policy-document "
        f"'{access_policy(bucket)}' && export {ROLE}=(its Arn)"
    )


def trust_policy() -> str:
    """Return the trust policy of the role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "bedrock.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def access_policy(bucket: str) -> str:
    """Return the policy of the role: reading the data, writing the output."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                    "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/tunewise/*"],
                }
            ],
        }
    )
