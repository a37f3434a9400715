"""Plays Fireworks: ids that the client chooses, signed addresses, its own price, states with a prefix, deployments."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, ClassVar

from emulator_base import Call, Emulator, Reply, route, run_standalone
from emulator_text import epoch_tokens, learned_answer, rows, tokens, untrained_answer

ACCOUNT = "acme"
STAGES = ("CREATING", "VALIDATING", "PENDING", "RUNNING", "RUNNING", "RUNNING", "WRITING_RESULTS", "COMPLETED")
ENDED = ("COMPLETED", "EARLY_STOPPED", "FAILED", "CANCELLED", "EXPIRED", "DELETED")
# "Deprecated, V2 rejects when set", and what one user was told.
REFUSED = ("batchSize", "gradientAccumulationSteps", "jinjaTemplate", "mtpEnabled", "mtpNumDraftTokens", "earlyStop")
KINDS = ("supervisedFineTuningJobs", "dpoJobs")
_MINE = ("kind", "id", "status", "stage", "dataset_id", "percent", "usd")  # the emulator's own notes on a job
_A = "/v1/accounts/{account_id}"


def refusal(status: int, message: str, code: int) -> Reply:
    return Reply(status, {"code": code, "message": message, "details": []})


class FireworksEmulator(Emulator):
    """Fireworks' control plane, its store and its inference on the loopback."""

    description_file: ClassVar[str] = "fireworks-gateway.yaml"
    prefix: ClassVar[str] = ""
    base_path: ClassVar[str] = ""
    # ``:upload`` stands in a merged copy of the description only; the store and inference are other services.
    undescribed: ClassVar[frozenset[str]] = frozenset(
        {
            f"POST {_A}/datasets/{{dataset_id}}:upload",
            "PUT /storage/{dataset_id}",
            "GET /storage/{dataset_id}",
            "GET /weights/{model_id}/{file}",
            "POST /inference/v1/chat/completions",
        }
    )

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.usd_per_mtok = 3.0
        self.estimate_factor = 1.0  # their estimate over tokens times price
        self.deployed = False  # whether a bare model name answers, as nothing of theirs does
        self.gpus = 8
        self.ends_as = "COMPLETED"
        self.servable = True
        self.models: dict[str, dict[str, Any]] = {
            "qwen3-8b": _model(),
            "gpt-oss-20b": _model(supervisedFullParameterTunable=True),
            "llama-v3p2-3b-instruct": _model(),
            "nemotron-nano-3-30b": _model(supportsLora=False),
            "llama-v3p1-8b-instruct": _model(deprecationDate={"year": 2026, "month": 9, "day": 1}),
            "old-8b": _model(supervisedLoraTunable=False),
        }
        self.refuses = ("llama-v3p2-3b-instruct",)  # whose flags promise more than the create request keeps
        self.state.update(deployments={}, tuned={})

    def authenticate(self, call: Call) -> Reply | None:
        sent = call.headers.get("authorization", "")
        if call.path.startswith(("/storage/", "/weights/")):
            if sent:
                self.violations.append(f"{call.path}: a signed address was sent the key")
            return None
        if sent == f"Bearer {self.key}":
            return None
        return refusal(401, f"Invalid API key {sent}", 16)

    # The account

    @route("GET", "/v1/accounts")
    def accounts(self, call: Call) -> Reply:
        return Reply(200, {"accounts": [{"name": f"accounts/{ACCOUNT}", "email": "user@example.com"}], "totalSize": 1})

    @route("GET", f"{_A}/quotas")
    def quotas(self, call: Call) -> Reply:
        found = [
            {"name": f"accounts/{ACCOUNT}/quotas/{name}", "value": str(self.gpus), "maxValue": "16", "usage": 0.0}
            for name in ("h100-us-iowa-1", "h200-global")
        ]
        return Reply(200, {"quotas": found, "totalSize": 2})

    @route("GET", f"{_A}/models/{{model_id}}")
    def model(self, call: Call) -> Reply:
        account, name = call.params["account_id"], call.params["model_id"]
        found = self.models.get(name) if account == "fireworks" else self.state["tuned"].get(name)
        if found is None:
            return refusal(404, f"model accounts/{account}/models/{name} not found", 5)
        return Reply(200, {"name": f"accounts/{account}/models/{name}", **found})

    @route("GET", f"{_A}/models/{{model_id}}:getDownloadEndpoint")
    def weights_address(self, call: Call) -> Reply:
        name = call.params["model_id"]
        if name not in self.state["tuned"]:
            return refusal(404, "model not found", 5)
        files = ("adapter_config.json", "adapter_model.safetensors")
        return Reply(200, {"filenameToSignedUrls": {file: f"{self.origin}/weights/{name}/{file}" for file in files}})

    @route("GET", "/weights/{model_id}/{file}")
    def weights(self, call: Call) -> Reply:
        return Reply(200, f"{call.params['file']} of {call.params['model_id']}".encode())

    @route("DELETE", f"{_A}/models/{{model_id}}")
    def delete_model(self, call: Call) -> Reply:
        gone = self.state["tuned"].pop(call.params["model_id"], None)
        return refusal(404, "model not found", 5) if gone is None else Reply(200, {})

    # Datasets

    @route("POST", f"{_A}/datasets")
    def create_dataset(self, call: Call) -> Reply:
        name = call.json["datasetId"]
        if name in self.state["files"]:
            return refusal(409, f"dataset {name} already exists", 6)
        stored = {"id": name, "content": None, "bytes": 0, "looks": 0, "dataset": call.json["dataset"]}
        self.state["files"][name] = stored
        return Reply(200, self._shown(stored))

    @route("GET", f"{_A}/datasets/{{dataset_id}}")
    def dataset(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["dataset_id"])
        if stored is None:
            return refusal(404, "dataset not found", 5)
        stored["looks"] += stored["content"] is not None
        return Reply(200, self._shown(stored))

    @route("POST", f"{_A}/datasets/{{dataset_id}}:upload")
    def upload(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["dataset_id"])
        if stored is None:
            return refusal(404, "dataset not found", 5)
        _, files = call.form()
        self._keep(stored, files["file"][1])
        return Reply(200, {})

    @route("POST", f"{_A}/datasets/{{dataset_id}}:getUploadEndpoint")
    def upload_address(self, call: Call) -> Reply:
        name = call.params["dataset_id"]
        signed = dict.fromkeys(call.json["filenameToSize"], f"{self.origin}/storage/{name}?sig=x")
        return Reply(200, {"filenameToSignedUrls": signed})

    @route("PUT", "/storage/{dataset_id}")
    def store(self, call: Call) -> Reply:
        size = len(call.body)
        if call.headers.get("x-goog-content-length-range") != f"{size},{size}":
            return Reply(400, b"<Error><Code>EntityTooSmall</Code></Error>")
        self._keep(self.state["files"][call.params["dataset_id"]], call.body)
        return Reply(200, b"")

    @route("POST", f"{_A}/datasets/{{dataset_id}}:validateUpload")
    def validate_upload(self, call: Call) -> Reply:
        return Reply(200, {})

    @route("GET", f"{_A}/datasets/{{dataset_id}}:getDownloadEndpoint")
    def download_address(self, call: Call) -> Reply:
        name = call.params["dataset_id"]
        return Reply(200, {"filenameToSignedUrls": {"train.jsonl": f"{self.origin}/storage/{name}?sig=x"}})

    @route("GET", "/storage/{dataset_id}")
    def read(self, call: Call) -> Reply:
        content = base64.b64decode(self.state["files"][call.params["dataset_id"]]["content"])
        return Reply(206, content[:1], {"content-range": f"bytes 0-0/{len(content)}"})

    @route("DELETE", f"{_A}/datasets/{{dataset_id}}")
    def delete_dataset(self, call: Call) -> Reply:
        if self.state["files"].pop(call.params["dataset_id"], None) is None:
            return refusal(404, "dataset not found", 5)
        return Reply(200, {})

    def _keep(self, stored: dict[str, Any], content: bytes) -> None:
        stored |= {"content": base64.b64encode(content).decode(), "bytes": len(content), "looks": 0}

    def _shown(self, stored: dict[str, Any]) -> dict[str, Any]:
        found = {"name": f"accounts/{ACCOUNT}/datasets/{stored['id']}", "state": "UPLOADING", **stored["dataset"]}
        if stored["content"] is not None and stored["looks"] > 1:
            try:
                read = rows(base64.b64decode(stored["content"]))
            except ValueError as error:
                return found | {"status": {"code": "INVALID_ARGUMENT", "message": str(error)}}
            found |= {"state": "READY", "estimatedTokenCount": str(epoch_tokens(read))}
        return found

    # Jobs

    @route("POST", f"{_A}/supervisedFineTuningJobs:estimateCost")
    def estimate(self, call: Call) -> Reply:
        refused = self._refused(call.json, call.json)
        if refused is not None:
            return refused
        nanos = round(self._usd(call.json["dataset"], call.json["epochs"]) * self.estimate_factor * 1e9)
        money = {"currencyCode": "USD", "units": str(nanos // 10**9), "nanos": nanos % 10**9}
        return Reply(200, {"estimatedCost": money})

    @route("POST", f"{_A}/supervisedFineTuningJobs")
    def create(self, call: Call) -> Reply:
        return self._create(call, "supervisedFineTuningJobs", call.query["supervisedFineTuningJobId"], call.json)

    @route("POST", f"{_A}/dpoJobs")
    def create_dpo(self, call: Call) -> Reply:
        return self._create(call, "dpoJobs", call.query["dpoJobId"], call.json["trainingConfig"])

    def _create(self, call: Call, kind: str, name: str, settings: dict[str, Any]) -> Reply:
        refused = self._refused(call.json, settings)
        if refused is not None:
            return refused
        if name in self.state["jobs"]:
            return refusal(409, f"job {name} already exists", 6)
        dataset = call.json["dataset"].rsplit("/", 1)[-1]
        job = {
            **call.json,
            "name": f"accounts/{ACCOUNT}/{kind}/{name}",
            "createTime": self._stamp(),
            "updateTime": self._stamp(),
            "kind": kind,
            "id": name,
            "status": STAGES[0],
            "stage": 0,
            "dataset_id": dataset,
            "usd": self._usd(call.json["dataset"], settings["epochs"]),
        }
        self.state["jobs"][name] = job
        self.state["paid"].append({"id": name, "tag": name})
        return Reply(200, _job(job))

    def _refused(self, body: dict[str, Any], settings: dict[str, Any]) -> Reply | None:
        stored = self.state["files"].get(body["dataset"].rsplit("/", 1)[-1])
        if stored is None or stored["content"] is None:
            return refusal(400, f"dataset {body['dataset']} not found", 3)
        model = settings["baseModel"].rsplit("/", 1)[-1]
        if model not in self.models or model in self.refuses:
            return refusal(400, "model does not support tuning", 3)
        present = [name for name in REFUSED if name in settings]
        return refusal(400, f"no {present[0]}: rejected", 3) if present else None

    def _usd(self, dataset: str, epochs: int) -> float:
        content = base64.b64decode(self.state["files"][dataset.rsplit("/", 1)[-1]]["content"])
        return epoch_tokens(rows(content)) * epochs * self.usd_per_mtok / 1e6

    @route("GET", f"{_A}/supervisedFineTuningJobs/{{job_id}}")
    @route("GET", f"{_A}/dpoJobs/{{job_id}}")
    def job(self, call: Call) -> Reply:
        job = self._known(call)
        if job is None:
            return refusal(404, "job not found", 5)
        if self.advance_on_poll:
            self.advance(job)
        return Reply(200, _job(job))

    @route("POST", f"{_A}/supervisedFineTuningJobs/{{job_id}}:cancel")
    @route("POST", f"{_A}/dpoJobs/{{job_id}}:cancel")
    def cancel(self, call: Call) -> Reply:
        job = self._known(call)
        if job is None:
            return refusal(404, "job not found", 5)
        if job["status"] in ENDED:
            return refusal(400, f"job is {job['status']}", 9)
        job["status"] = "CANCELLING"
        return Reply(200, {})

    @route("POST", f"{_A}/supervisedFineTuningJobs/{{job_id}}:resume")
    @route("POST", f"{_A}/dpoJobs/{{job_id}}:resume")
    def resume(self, call: Call) -> Reply:
        job = self._known(call)
        if job is None:
            return refusal(404, "job not found", 5)
        if job["status"] != "PAUSED":
            return refusal(400, f"job is {job['status']}", 9)
        job["status"] = "RUNNING"
        return Reply(200, _job(job))

    def _known(self, call: Call) -> dict[str, Any] | None:
        job: dict[str, Any] | None = self.state["jobs"].get(call.params["job_id"])
        return job if job is not None and f"/{job['kind']}/" in call.path else None

    def advance(self, job: dict[str, Any]) -> None:
        if job["status"] == "CANCELLING":
            job |= {"status": "CANCELLED", "completedTime": self._stamp()}
        if job["status"] in (*ENDED, "PAUSED") or job["status"] not in STAGES:
            return
        job["stage"] += 1
        job |= {"status": STAGES[job["stage"]], "updateTime": self._stamp()}
        if job["status"] == "RUNNING":
            job["percent"] = 30 * STAGES[: job["stage"] + 1].count("RUNNING")
        if job["status"] == "COMPLETED":
            job |= {"status": self.ends_as, "completedTime": self._stamp()}
            if job["status"] in ("COMPLETED", "EARLY_STOPPED"):
                settings = job.get("trainingConfig", job)
                details = {
                    "baseModel": settings["baseModel"],
                    "r": settings["loraRank"] or 8,
                    "targetModules": ["q_proj"],
                }
                self.state["tuned"][settings["outputModel"]] = {
                    "kind": "HF_PEFT_ADDON",
                    "state": "READY",
                    "fineTuningJob": job["name"],
                    "peftDetails": details,
                }

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # Serving

    @route("POST", f"{_A}/deployments")
    def deploy(self, call: Call) -> Reply:
        name, tuned = call.query["deploymentId"], call.json["baseModel"].rsplit("/", 1)[-1]
        if tuned not in self.state["tuned"]:
            return refusal(404, "model not found", 5)
        if not self.servable:
            return refusal(400, "live merge is not supported for this deployment configuration; use another shape", 3)
        made = {
            **call.json,
            "deploymentShape": "accounts/fireworks/deploymentShapes/default/versions/v1",
            "acceleratorType": "NVIDIA_H100_80GB",
            "acceleratorCount": 2,
        }
        if call.query.get("validateOnly") == "true":
            return Reply(200, made)
        if name in self.state["deployments"]:
            return refusal(409, f"deployment {name} already exists", 6)
        made |= {"name": f"accounts/{ACCOUNT}/deployments/{name}", "state": "CREATING", "createTime": self._stamp()}
        self.state["deployments"][name] = made
        self.state.setdefault("asked", {})[name] = False
        return Reply(200, made)

    @route("GET", f"{_A}/deployments/{{deployment_id}}")
    def deployment(self, call: Call) -> Reply:
        found = self.state["deployments"].get(call.params["deployment_id"])
        if found is None:
            return refusal(404, "deployment not found", 5)
        if found["state"] == "CREATING":
            found["state"] = "READY"
        return Reply(200, found)

    @route("DELETE", f"{_A}/deployments/{{deployment_id}}")
    def undeploy(self, call: Call) -> Reply:
        name = call.params["deployment_id"]
        found = self.state["deployments"].get(name)
        if found is None or found["state"] == "DELETED":
            return refusal(404, "deployment not found", 5)
        if self.state["asked"][name] and call.query.get("ignoreChecks") != "true":
            return refusal(400, "deployment has served requests lately; ignore_checks deletes it anyway", 9)
        found["state"] = "DELETED"
        return Reply(200, {})

    @route("POST", "/inference/v1/chat/completions")
    def chat(self, call: Call) -> Reply:
        model, _, deployment = call.json["model"].partition("#")
        short, at = model.rsplit("/", 1)[-1], deployment.rsplit("/", 1)[-1]
        standing = self.state["deployments"].get(at, {}).get("state") == "READY"
        trained = None
        if short in self.state["tuned"] and (standing or self.deployed):
            job = next(job for job in self.state["jobs"].values() if job["id"] == short)
            trained = rows(base64.b64decode(self.state["files"][job["dataset_id"]]["content"]))
            if standing:
                self.state["asked"][at] = True
        elif short not in self.models:
            message = "Model not found, inaccessible, and/or not deployed"
            return Reply(404, {"error": {"message": message, "code": "NOT_FOUND", "object": "error"}})
        asked = call.json["messages"]
        text = untrained_answer(asked) if trained is None else learned_answer(asked, trained)
        prompt = sum(4 + tokens(str(turn.get("content") or "")) for turn in asked)
        return Reply(
            200,
            {
                "id": self.new_id("chat-"),
                "object": "chat.completion",
                "created": self.now,
                "model": call.json["model"],
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                ],
                "usage": {
                    "prompt_tokens": prompt,
                    "completion_tokens": tokens(text),
                    "total_tokens": prompt + tokens(text),
                },
            },
        )  # fmt: skip


def _model(**flags: Any) -> dict[str, Any]:
    """What is false is left out, as on the wire."""
    found = {
        "kind": "HF_BASE_MODEL",
        "state": "READY",
        "trainingContextLength": 65536,
        "supervisedLoraTunable": True,
        "supportsLora": True,
        **flags,
    }
    return {name: value for name, value in found.items() if value is not False}


def _job(job: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in job.items() if name not in _MINE}
    shown["state"] = f"JOB_STATE_{job['status']}"
    if job["status"] == "FAILED":
        shown["status"] = {"code": "INTERNAL", "message": "trainer pod was evicted"}
    if job["kind"] == KINDS[0] and "percent" in job:
        shown["jobProgress"] = {"percent": job["percent"], "epoch": job["percent"] // 50}
    return shown


if __name__ == "__main__":
    run_standalone(FireworksEmulator)
