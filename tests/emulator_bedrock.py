"""Plays AWS Bedrock with its bucket: checked signatures, stages, losses in the bucket, deployments by the token."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from emulator_base import Call, Emulator, Reply, route, run_standalone
from emulator_botocore import described
from emulator_text import learned_answer, rows, tokens, untrained_answer

ACCOUNT, NAME, BUCKET = "123456789012", "AKIAEMULATED", "acme-tuning"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/BedrockTuning"
# (validation, data processing, training, the whole)
STAGES = (
    ("InProgress", "NotStarted", "NotStarted", "InProgress"),
    ("Completed", "InProgress", "NotStarted", "InProgress"),
    ("Completed", "Completed", "NotStarted", "InProgress"),
    ("Completed", "Completed", "InProgress", "InProgress"),
    ("Completed", "Completed", "Completed", "Completed"),
)
ENDED = ("Completed", "Failed", "Stopped")
_NAMES = ("validationDetails", "dataProcessingDetails", "trainingDetails")


def refusal(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"message": message}, {"x-amzn-errortype": code})


def xml(status: int, code: str, message: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Reply(status, body, {"content-type": "application/xml"})


class BedrockEmulator(Emulator):
    """Bedrock, its runtime, one bucket and one role on the loopback; held to botocore's own description."""

    description_file: ClassVar[str] = ""  # botocore carries it
    prefix: ClassVar[str] = ""
    base_path: ClassVar[str] = ""
    # The bucket and the role speak XML.
    undescribed: ClassVar[frozenset[str]] = frozenset(
        {f"{method} /{BUCKET}/{{key}}" for method in ("PUT", "GET", "HEAD", "DELETE")}
        | {f"{method} /{BUCKET}" for method in ("GET", "HEAD")}
        | {"POST /"}
    )

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.region = "us-east-1"
        self.bucket_region = "us-east-1"
        self.trusted = True
        self.deployed = False  # whether a tuned model has a deployment from the start
        self.ends_as = "Completed"
        self.failure = "Encountered an internal error when processing the request."
        self.models: dict[str, str] = {
            "amazon.nova-micro-v1:0:128k": "ACTIVE",
            "amazon.nova-2-lite-v1:0:256k": "ACTIVE",
            "meta.llama3-3-70b-instruct-v1:0:128k": "LEGACY",
        }
        self.state.update(deployments={}, tuned={})
        if settings.get("specs", True) is not None:
            self._description = described("bedrock", "bedrock-runtime")

    def authenticate(self, call: Call) -> Reply | None:
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request, "
            r"SignedHeaders=([^,]+), Signature=(\w+)",
            call.headers.get("authorization", ""),
        )
        store = call.path.startswith(f"/{BUCKET}")
        if found is None or found[1] != NAME:
            word = "The security token included in the request is invalid."
            return xml(403, "InvalidAccessKeyId", word) if store else refusal(403, "UnrecognizedClientException", word)
        if self._signature(call, found[2], found[3], found[4].split(";")) != found[5]:
            word = "The request signature we calculated does not match the signature you provided."
            return xml(403, "SignatureDoesNotMatch", word) if store else refusal(403, "InvalidSignatureException", word)
        if found[3] in ("bedrock", "s3") and found[2] != self.region and not store:
            self.violations.append(f"{call.path}: signed for {found[2]}")
        return None

    def _signature(self, call: Call, region: str, service: str, signed: list[str]) -> str:
        """Sign the request again, with the secret that we know."""
        from botocore.auth import S3SigV4Auth, SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        auth = kind(Credentials(NAME, self.key), service, region)
        headers = {name: call.headers[name] for name in signed if name in call.headers}
        request = AWSRequest(call.method, self.origin + call.path, headers=headers, data=call.body, params=call.query)
        request.context["timestamp"] = call.headers.get("x-amz-date", "")
        return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))

    # The bucket

    @route("HEAD", f"/{BUCKET}")
    def bucket(self, call: Call) -> Reply:
        return Reply(200, b"", {"x-amz-bucket-region": self.bucket_region})

    @route("PUT", f"/{BUCKET}/{{key*}}")
    def put(self, call: Call) -> Reply:
        key = call.params["key"]
        if any(row.get("schemaVersion") != "bedrock-conversation-2024" for row in rows(call.body)):
            self.violations.append(f"{key}: a row that is no conversation of AWS's")
        content = base64.b64encode(call.body).decode()
        self.state["files"][key] = {"id": f"s3://{BUCKET}/{key}", "content": content, "bytes": len(call.body)}
        return Reply(200, b"", {"etag": '"x"'})

    @route("HEAD", f"/{BUCKET}/{{key*}}")
    def head(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["key"])
        if stored is None:
            return Reply(404, b"")
        return Reply(200, b"", {"content-length": str(stored["bytes"])})

    @route("GET", f"/{BUCKET}/{{key*}}")
    def get(self, call: Call) -> Reply:
        text = self._outputs().get(call.params["key"])
        if text is None:
            return xml(404, "NoSuchKey", "The specified key does not exist.")
        return Reply(200, text.encode(), {"content-type": "text/csv"})

    @route("DELETE", f"/{BUCKET}/{{key*}}")
    def delete(self, call: Call) -> Reply:
        self.state["files"].pop(call.params["key"], None)
        return Reply(204, b"")

    @route("GET", f"/{BUCKET}")
    def listing(self, call: Call) -> Reply:
        found = {key: text for key, text in self._outputs().items() if key.startswith(call.query.get("prefix", ""))}
        inside = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(text)}</Size></Contents>" for key, text in found.items()
        )
        body = f"<?xml version='1.0'?><ListBucketResult><Name>{BUCKET}</Name>{inside}</ListBucketResult>"
        return Reply(200, body.encode(), {"content-type": "application/xml"})

    def _outputs(self) -> dict[str, str]:
        """What the jobs that have ended left in the bucket."""
        found = {}
        for job in self.state["jobs"].values():
            if job["status"] != "Completed":
                continue
            place = f"tunewise/out/{job['jobName']}/model-customization-job-x"
            steps = range(1, 5)
            trained = "".join(f"{step},0,{2.0 - step / 4},7.1\n" for step in steps)
            found[f"{place}/training_artifacts/step_wise_training_metrics.csv"] = (
                f"step_number,epoch_number,training_loss,perplexity\n{trained}"
            )
            if "validationDataConfig" in job:
                valid = "".join(f"{step},0,{2.2 - step / 4},9.0\n" for step in steps)
                found[f"{place}/validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv"] = (
                    f"step_number,epoch_number,validation_loss,validation_perplexity\n{valid}"
                )
            found[f"{place}/training_artifacts/input_status/manifest.report.csv"] = (
                "fileName,acceptedRecordCount\nx,12\n"
            )
        return found

    @route("POST", "/")
    def role(self, call: Call) -> Reply:
        """Answer iam:GetRole, the one call of the query protocol."""
        service = "bedrock" if self.trusted else "ec2"
        trust = json.dumps({"Statement": [{"Principal": {"Service": f"{service}.amazonaws.com"}}]})
        body = (
            "<GetRoleResponse xmlns='https://iam.amazonaws.com/doc/2010-05-08/'><GetRoleResult><Role><Path>/</Path>"
            f"<RoleName>BedrockTuning</RoleName><RoleId>AROAX</RoleId><Arn>{ROLE}</Arn>"
            f"<CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument>"
            "</Role></GetRoleResult><ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></GetRoleResponse>"
        )
        return Reply(200, body.encode(), {"content-type": "text/xml"})

    # Jobs

    @route("GET", "/foundation-models")
    def foundation_models(self, call: Call) -> Reply:
        found = [
            {
                "modelArn": f"arn:aws:bedrock:{self.region}::foundation-model/{name}",
                "modelId": name,
                "customizationsSupported": ["FINE_TUNING"],
                "modelLifecycle": {"status": status} | ({"endOfLifeTime": self._at(200)} if status == "LEGACY" else {}),
            }
            for name, status in self.models.items()
        ]
        return Reply(200, {"modelSummaries": found})

    @route("POST", "/model-customization-jobs")
    def create(self, call: Call) -> Reply:
        body = call.json
        for job in self.state["jobs"].values():
            if job["clientRequestToken"] == body["clientRequestToken"]:
                return Reply(201, {"jobArn": job["jobArn"]})
            if job["jobName"] == body["jobName"]:
                return refusal(400, "ConflictException", "A job of that name exists")
        if body["baseModelIdentifier"] not in self.models:
            return refusal(400, "ValidationException", "The provided model identifier is invalid.")
        if body["trainingDataConfig"]["s3Uri"].split("/", 3)[3] not in self.state["files"]:
            return refusal(400, "ValidationException", "Could not read the training data from the bucket")
        model = re.sub(r":\d+k$", "", body["baseModelIdentifier"])
        number = self.new_id("job")[-8:].rjust(12, "0")
        job = {
            **body,
            "jobArn": f"arn:aws:bedrock:{self.region}:{ACCOUNT}:model-customization-job/{model}/{number}",
            "baseModelArn": f"arn:aws:bedrock:{self.region}::foundation-model/{model}",
            "number": number,
            "creationTime": self._at(0),
            "lastModifiedTime": self._at(0),
            "status": "InProgress",
            "stage": 0,
            "since": [self._at(0)] * 3,
        }
        self.state["jobs"][job["jobName"]] = job
        self.state["paid"].append({"id": job["jobName"], "tag": job["jobName"]})
        return Reply(201, {"jobArn": job["jobArn"]})

    @route("GET", "/model-customization-jobs/{name}")
    def job(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["name"])
        if job is None:
            return refusal(404, "ResourceNotFoundException", "The specified resource does not exist")
        if self.advance_on_poll:
            self.advance(job)
        return Reply(200, self._shown(job))

    @route("POST", "/model-customization-jobs/{name}/stop")
    def stop(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["name"])
        if job is None:
            return refusal(404, "ResourceNotFoundException", "The specified resource does not exist")
        if job["status"] in ENDED:
            return refusal(400, "ConflictException", f"The job is {job['status']}")
        job["status"] = "Stopping"
        return Reply(200, {})

    def advance(self, job: dict[str, Any]) -> None:
        if job["status"] == "Stopping":
            job |= {"status": "Stopped", "endTime": self._at(0)}
        if job["status"] != "InProgress":
            return
        before = STAGES[job["stage"]]
        job["stage"] += 1
        now = STAGES[job["stage"]]
        job["since"] = [
            self._at(0) if old != new else at for old, new, at in zip(before, now, job["since"], strict=False)
        ]
        job |= {"status": now[3], "lastModifiedTime": self._at(0)}
        if job["status"] == "Completed":
            job |= {"status": self.ends_as, "endTime": self._at(0)}
            if self.ends_as == "Completed":
                arn = job["jobArn"].replace("model-customization-job", "custom-model")
                self.state["tuned"][arn] = job["jobName"]
                job["outputModelArn"] = arn
                if self.deployed:
                    self._deploy(job["jobName"], arn, "Active")

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        parts = zip(_NAMES, STAGES[job["stage"]], job["since"], strict=False)
        shown = {
            name: job[name]
            for name in (
                *("jobArn", "jobName", "clientRequestToken", "roleArn", "creationTime", "lastModifiedTime", "status"),
                *("baseModelArn", "hyperParameters", "trainingDataConfig", "outputDataConfig", "customizationType"),
                *("endTime", "outputModelArn"),
            )
            if name in job
        }
        return shown | {
            "outputModelName": job["customModelName"],
            "validationDataConfig": job.get("validationDataConfig", {"validators": []}),
            "statusDetails": {
                name: {"status": status, "creationTime": since, "lastModifiedTime": since}
                for name, status, since in parts
            },
            **({"failureMessage": self.failure} if job["status"] == "Failed" else {}),
        }

    def _at(self, days: int) -> str:
        return datetime.fromtimestamp(self.now + days * 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # The model

    @route("DELETE", "/custom-models/{model}")
    def delete_model(self, call: Call) -> Reply:
        gone = self.state["tuned"].pop(call.params["model"], None)
        if gone is None:
            return refusal(404, "ResourceNotFoundException", "The specified resource does not exist")
        return Reply(200, {})

    @route("POST", "/model-customization/custom-model-deployments")
    def deploy(self, call: Call) -> Reply:
        if call.json["modelArn"] not in self.state["tuned"]:
            return refusal(404, "ResourceNotFoundException", "The specified model does not exist")
        made = self._deploy(call.json["modelDeploymentName"], call.json["modelArn"], "Creating")
        return Reply(202, {"customModelDeploymentArn": made["customModelDeploymentArn"]})

    def _deploy(self, name: str, model: str, status: str) -> dict[str, Any]:
        made = {
            "customModelDeploymentArn": f"arn:aws:bedrock:{self.region}:{ACCOUNT}:custom-model-deployment/"
            + self.new_id("dep")[-8:].rjust(12, "0"),
            "modelDeploymentName": name,
            "modelArn": model,
            "createdAt": self._at(0),
            "status": status,
        }
        self.state["deployments"][name] = made
        return made

    @route("GET", "/model-customization/custom-model-deployments/{name}")
    def deployment(self, call: Call) -> Reply:
        found = self._standing(call.params["name"])
        if found is None:
            return refusal(404, "ResourceNotFoundException", "The specified deployment does not exist")
        found["status"] = "Active"
        return Reply(200, found)

    @route("GET", "/model-customization/custom-model-deployments")
    def deployments(self, call: Call) -> Reply:
        found = [
            {
                "customModelDeploymentArn": row["customModelDeploymentArn"],
                "customModelDeploymentName": row["modelDeploymentName"],
                "modelArn": row["modelArn"],
                "createdAt": row["createdAt"],
                "status": row["status"],
            }
            for row in self.state["deployments"].values()
            if row["modelArn"] == call.query["modelArnEquals"] and row["status"] == call.query["statusEquals"]
        ]
        return Reply(200, {"modelDeploymentSummaries": found})

    @route("DELETE", "/model-customization/custom-model-deployments/{name}")
    def undeploy(self, call: Call) -> Reply:
        found = self._standing(call.params["name"])
        if found is None:
            return refusal(404, "ResourceNotFoundException", "The specified deployment does not exist")
        del self.state["deployments"][found["modelDeploymentName"]]
        return Reply(200, {})

    def _standing(self, name: str) -> dict[str, Any] | None:
        rows = self.state["deployments"].values()
        return next((r for r in rows if name in (r["modelDeploymentName"], r["customModelDeploymentArn"])), None)

    @route("POST", "/model/{model}/converse")
    def converse(self, call: Call) -> Reply:
        model = call.params["model"]
        found = self._standing(model)
        trained = None
        if found is not None and found["status"] == "Active":
            job = self.state["jobs"][self.state["tuned"][found["modelArn"]]]
            key = job["trainingDataConfig"]["s3Uri"].split("/", 3)[3]
            trained = [_plain(row) for row in rows(base64.b64decode(self.state["files"][key]["content"]))]
        elif ":custom-model" in model:
            return refusal(400, "ValidationException", "The provided model identifier is invalid.")
        asked = _plain(call.json)["messages"]
        text = untrained_answer(asked) if trained is None else learned_answer(asked, trained)
        prompt = sum(4 + tokens(turn["content"]) for turn in asked)
        usage = {"inputTokens": prompt, "outputTokens": tokens(text), "totalTokens": prompt + tokens(text)}
        message = {"role": "assistant", "content": [{"text": text}]}
        return Reply(
            200,
            {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 9}},
        )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a conversation in AWS's format as the other emulators know it."""
    turns = [{"role": "system", "content": part["text"]} for part in row.get("system", ())]
    turns += [
        {"role": turn["role"], "content": " ".join(part["text"] for part in turn["content"])}
        for turn in row["messages"]
    ]
    return {"messages": turns}


if __name__ == "__main__":
    run_standalone(BedrockEmulator)
