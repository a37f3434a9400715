"""Plays Together's files, fine-tuning and chat: 302 uploads, slow validation, estimates, silently changed settings."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from datetime import UTC, datetime
from typing import Any, ClassVar

from emulator_base import Call, Emulator, Reply, route, run_standalone
from emulator_text import epoch_tokens, in_parts, learned_answer, rows, tokens, untrained_answer

STAGES = ("pending", "queued", "running", "running", "running", "uploading", "compressing", "completed")
ENDED = ("completed", "cancelled", "error", "user_error")
FIELDS = {
    *("id", "status", "model", "created_at", "updated_at", "started_at", "user_id", "owner_address", "suffix"),
    *("model_output_name", "n_epochs", "n_evals", "n_checkpoints", "batch_size", "learning_rate", "warmup_ratio"),
    *("weight_decay", "training_file", "validation_file", "training_type", "training_method", "max_seq_length"),
    *("token_count", "total_price", "total_steps", "steps_completed", "model_object_id"),
}


def refusal(status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> Reply:
    return Reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


class TogetherEmulator(Emulator):
    """Together's fine-tuning on the loopback. Its base URL has no /v1: SDK 3.x puts that into every path."""

    description_file: ClassVar[str] = "together-finetune-3.1.yaml"
    base_path: ClassVar[str] = ""
    # The presigned store belongs to somebody else; the others the SDK calls, but the description leaves them out.
    undescribed: ClassVar[frozenset[str]] = frozenset(
        {
            "PUT /storage/{file_id}",
            "GET /v2/projects/{project_id}/endpoints/{endpoint_id}/deployments/{deployment_id}/adapters",
            "DELETE /v2/projects/{project_id}/endpoints/{endpoint_id}/deployments/{deployment_id}",
            "DELETE /v2/projects/{project_id}/endpoints/{endpoint_id}",
        }
    )

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.usd_per_mtok = 0.48
        self.minimum_usd = 4.0
        self.credit_usd = 1000.0
        self.free_credit_used_up = False  # refuses uploads with a 401 although the key is right
        self.changed_settings: dict[str, Any] = {}  # what is trained with instead of what was asked for
        self.ends_as = "completed"
        self.deployed = False  # whether tuned models run on a dedicated endpoint
        self.models = ("Qwen/Qwen3.5-9B", "google/gemma-4-31B-it")

    def authenticate(self, call: Call) -> Reply | None:
        if call.path.startswith("/storage/") or call.headers.get("authorization") == f"Bearer {self.key}":
            return None
        sent = call.headers.get("authorization", "")
        return refusal(401, f"Invalid API key provided: {sent}", "invalid_api_key")

    def known_deviation(self, call: Call, body: object) -> object:
        # The arguments of a cosine schedule also fit the linear one, and the description wants exactly one to fit.
        if isinstance(body, dict) and "lr_scheduler" in body:
            return body | {"lr_scheduler": {"lr_scheduler_type": body["lr_scheduler"]["lr_scheduler_type"]}}
        return body

    # Files: POST /files answers 302, the bytes go to the presigned URL, and preprocess starts the validation

    @route("POST", "/files")
    def begin_upload(self, call: Call) -> Reply:
        if self.free_credit_used_up:
            return refusal(401, "Unauthorized")
        fields, _ = call.form()
        for stored in self.state["files"].values():
            if stored["checksum"] == fields["checksum"] and stored["content"] is not None:
                return Reply(409, {"file_id": stored["id"]})
        stored = {
            "id": self.new_id("file-"),
            "object": "file",
            "created_at": self.now,
            "filename": fields["file_name"],
            "bytes": 0,
            "purpose": fields["purpose"],
            "FileType": fields["file_type"],
            "processing_status": "PENDING",
            "checksum": fields["checksum"],
            "content": None,
        }
        self.state["files"][stored["id"]] = stored
        headers = {"location": f"{self.origin}/storage/{stored['id']}", "x-together-file-id": stored["id"]}
        return Reply(302, {}, headers)

    @route("PUT", "/storage/{file_id}")
    def store(self, call: Call) -> Reply:
        stored = self.state["files"][call.params["file_id"]]
        if hashlib.sha256(call.body).hexdigest() != stored["checksum"]:
            return Reply(400, {"error": "checksum mismatch"})
        stored |= {"content": base64.b64encode(call.body).decode(), "bytes": len(call.body)}
        return Reply(200, {})

    @route("POST", "/files/{id}/preprocess")
    def preprocess(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["id"])
        if stored is None or stored["content"] is None:
            return refusal(404, "File not found")
        if stored["processing_status"] == "PENDING":
            stored["processing_status"] = "QUEUED"
        return Reply(200, _shown(stored))

    @route("GET", "/files/{id}")
    def file(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["id"])
        if stored is None:
            return refusal(404, "File not found")
        if stored["processing_status"] == "RUNNING":
            stored |= self._validated(stored)
        elif stored["processing_status"] == "QUEUED":
            stored["processing_status"] = "RUNNING"
        return Reply(200, _shown(stored))

    def _validated(self, stored: dict[str, Any]) -> dict[str, Any]:
        problem = None
        try:
            found = rows(base64.b64decode(stored["content"]))
            for number, row in enumerate(found, 1):
                for place, message in enumerate(row.get("messages", [])):
                    if "role" not in message:
                        problem = f"Line {number}: `messages[{place}]` must contain a `role` field"
        except ValueError as error:
            found, problem = [], str(error)
        report = {"valid": problem is None, "nlines": len(found), "file_id": stored["id"]}
        if problem is None:
            return {"processing_status": "COMPLETED", "validation_report": report | {"dataset_format": "CONVERSATION"}}
        report |= {"error": problem, "error_type": "INVALID_FORMAT"}
        return {"processing_status": "INVALID_FORMAT", "validation_report": report}

    @route("GET", "/files")
    def file_list(self, call: Call) -> Reply:
        return Reply(200, {"data": [_shown(stored) for stored in self.state["files"].values()]})

    @route("DELETE", "/files/{id}")
    def delete_file(self, call: Call) -> Reply:
        if self.state["files"].pop(call.params["id"], None) is None:
            return refusal(404, "File not found")
        return Reply(200, {"id": call.params["id"], "deleted": True})

    # Models, prices, chat

    @route("GET", "/fine-tunes/models/limits")
    def limits(self, call: Call) -> Reply:
        name = call.query["model_name"]
        if name not in self.models:
            return Reply(404, {"message": f"Model {name} is not available for fine-tuning"})
        full = name == self.models[0]
        return Reply(
            200,
            {
                "model_name": name,
                "max_num_epochs": 20,
                "max_num_evals": 100,
                "max_num_checkpoints": 10,
                "max_learning_rate": 0.1,
                "min_learning_rate": 1e-8,
                "max_seq_length_sft": 32768,
                "max_seq_length_dpo": 16384,
                "min_max_seq_length": 16,
                "merge_output_lora": True,
                "default_gradient_accumulation_steps": 1,
                "supports_full_training": full,
                "supports_reasoning": False,
                "supports_tools": True,
                "supports_vision": False,
                "lora_training": {
                    "default_rank": 8,
                    "max_rank": 64,
                    "max_batch_size": 64,
                    "max_batch_size_dpo": 32,
                    "min_batch_size": 8,
                    "target_modules": ["q_proj", "v_proj"],
                },
                "full_training": {"max_batch_size": 32, "max_batch_size_dpo": 16, "min_batch_size": 8}
                if full
                else None,
            },
        )

    @route("POST", "/fine-tunes/estimate-price")
    def estimate(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.json["training_file"])
        if stored is None or stored["processing_status"] != "COMPLETED":
            bad = stored is not None and stored["processing_status"] == "INVALID_FORMAT"
            reason = "train_file_invalid" if bad else "train_file_not_validated"
            return Reply(200, {"estimation_available": False, "unavailable_reason": reason})
        trained, evaluated, usd = self._price(call.json)
        return Reply(
            200,
            {
                "estimation_available": True,
                "allowed_to_proceed": usd <= self.credit_usd,
                "estimated_total_price": usd,
                "estimated_train_token_count": trained,
                "estimated_eval_token_count": evaluated,
                "user_limit": self.credit_usd,
            },
        )

    def _price(self, body: dict[str, Any]) -> tuple[int, int, float]:
        trained = self._tokens(body["training_file"]) * body.get("n_epochs", 1)
        evaluated = self._tokens(body.get("validation_file")) * (body.get("n_evals") or 0)
        return trained, evaluated, max(self.minimum_usd, (trained + evaluated) * self.usd_per_mtok / 1e6)

    def _tokens(self, file_id: str | None) -> int:
        stored = self.state["files"].get(file_id)
        return epoch_tokens(rows(base64.b64decode(stored["content"]))) if stored else 0

    @route("POST", "/chat/completions")
    def chat(self, call: Call) -> Reply:
        body = call.json
        trained = None
        served = [row["modelId"] for row in self.state.get("deployments", {}).values() if row["name"] == body["model"]]
        for job in self.state["jobs"].values():
            known = job["model_output_name"] == body["model"] or job.get("model_object_id") in served
            if known and job["status"] == "completed":
                trained = rows(base64.b64decode(self.state["files"][job["training_file"]]["content"]))
        if trained is None and body["model"] not in self.models:
            return refusal(404, f"Unable to access model {body['model']}. The model does not exist.", "model_not_found")
        if trained is not None and not self.deployed and not served:
            return refusal(
                400,
                f"Unable to access non-serverless model {body['model']}. Please create and start a new dedicated "
                "endpoint for the model.",
                "model_not_available",
            )
        text = untrained_answer(body["messages"]) if trained is None else learned_answer(body["messages"], trained)
        prompt = sum(4 + tokens(str(m.get("content") or "")) for m in body["messages"])
        answer = {
            "id": self.new_id("chat-"),
            "object": "chat.completion",
            "created": self.now,
            "model": body["model"],
            "prompt": [],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": tokens(text),
                "total_tokens": prompt + tokens(text),
            },
        }
        if body.get("stream"):
            return Reply(200, in_parts(answer, usage=True), {"content-type": "text/event-stream"})
        return Reply(200, answer)

    @route("POST", "/fine-tunes/preview")
    def preview(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.json["training_file"])
        if stored is None or stored["content"] is None:
            return refusal(404, "File not found")
        shown = []
        for row in rows(base64.b64decode(stored["content"]))[: call.json.get("top_k", 3)]:
            count = epoch_tokens([row])
            answer = tokens(row["messages"][-1]["content"])
            ids = list(range(count))
            labels = [-100] * (count - answer) + ids[count - answer :]
            shown.append(
                {
                    "input_ids": ids,
                    "labels": labels,
                    "num_tokens": count,
                    "num_trained_tokens": answer,
                    "tokens": [str(number) for number in ids],
                    "trained_spans": [[count - answer, count]],
                    "truncated": False,
                }
            )
        about = {"dataset_format": "conversation", "max_seq_length": 32768, "train_on_inputs": False}
        return Reply(200, about | {"model": call.json["model"], "rows": shown})

    # Serving, by the paths that SDK 3.x uses

    @route("GET", "/v2/public/inference-instance-types")
    def machines(self, call: Call) -> Reply:
        kinds = (("8xh100", 8, "H100", 4392), ("1xh100", 1, "H100", 549))
        found = [
            {
                "id": name,
                "name": name,
                "gpuCount": count,
                "gpuType": gpu,
                "gpuMemoryGib": 80,
                "priceCentsPerHour": cents,
                "description": name,
                "regions": [],
            }
            for name, count, gpu, cents in kinds
        ]
        return Reply(200, {"object": "list", "data": found})

    @route("GET", "/v2/projects/{project_id}/endpoints")
    def endpoint_list(self, call: Call) -> Reply:
        return Reply(200, {"object": "list", "data": list(self.state.setdefault("endpoints", {}).values())})

    @route("POST", "/v2/projects/{project_id}/endpoints")
    def create_endpoint(self, call: Call) -> Reply:
        endpoint_id = self.new_id("ep_")
        endpoint = self._named(endpoint_id, f"slug/{call.json['name']}") | {
            "endpointType": "ENDPOINT_TYPE_DEDICATED",
            "visibility": "VISIBILITY_PRIVATE",
            "deployments": [],
            "trafficSplit": [],
        }
        self.state.setdefault("endpoints", {})[endpoint_id] = endpoint
        return Reply(200, endpoint)

    @route("GET", "/v2/projects/{project_id}/endpoints/{endpoint_id}/deployments")
    def deployment_list(self, call: Call) -> Reply:
        found = self.state.setdefault("deployments", {}).values()
        mine = [row for row in found if row["endpointId"] == call.params["endpoint_id"]]
        return Reply(200, {"object": "list", "data": mine})

    @route("POST", "/v2/projects/{project_id}/endpoints/{endpoint_id}/deployments")
    def deploy(self, call: Call) -> Reply:
        body = call.json
        endpoint = self.state["endpoints"][call.params["endpoint_id"]]
        deployment_id = self.new_id("dep_")
        deployment = self._named(deployment_id, f"{endpoint['name']}/{body['name']}") | {
            "endpointId": endpoint["id"],
            "autoscaling": body["autoscaling"],
            "config": "projects/p/configs/c1",
            "configId": "c1",
            "hardware": "1xh100",
            "model": body["model"],
            "modelId": body["model"].rsplit("/", 1)[-1],
            "modelRevisionId": "r1",
            "inactiveTimeout": body.get("inactiveTimeout"),
            "status": {"state": "DEPLOYMENT_STATE_PROVISIONING", "message": "starting"},
            "trafficMode": "TRAFFIC_MODE_LIVE",
        }
        self.state.setdefault("deployments", {})[deployment_id] = deployment
        self.deployed = True
        return Reply(200, deployment)

    def _named(self, thing_id: str, name: str) -> dict[str, Any]:
        shared = {"etag": "1", "projectId": "p", "createdAt": self._stamp(), "updatedAt": self._stamp()}
        return {"id": thing_id, "name": name} | shared

    @route("GET", "/v2/projects/{project_id}/endpoints/{endpoint_id}/deployments/{deployment_id}/adapters")
    def adapter_list(self, call: Call) -> Reply:
        attached = self.state["deployments"][call.params["deployment_id"]].get("adapters", [])
        return Reply(200, {"object": "list", "data": attached})

    @route("DELETE", "/v2/projects/{project_id}/endpoints/{endpoint_id}/deployments/{deployment_id}")
    def undeploy(self, call: Call) -> Reply:
        gone = self.state["deployments"].pop(call.params["deployment_id"], None)
        return refusal(404, "Deployment not found") if gone is None else Reply(200, {"id": gone["id"]})

    @route("DELETE", "/v2/projects/{project_id}/endpoints/{endpoint_id}")
    def delete_endpoint(self, call: Call) -> Reply:
        gone = self.state["endpoints"].pop(call.params["endpoint_id"], None)
        return refusal(404, "Endpoint not found") if gone is None else Reply(200, {"id": gone["id"]})

    # Jobs

    @route("POST", "/fine-tunes")
    def create(self, call: Call) -> Reply:
        body = call.json
        if body["model"] not in self.models:
            return refusal(400, f"Model {body['model']} is not available for fine-tuning", "model_not_available")
        for key in ("training_file", "validation_file"):
            stored = self.state["files"].get(body.get(key))
            if body.get(key) and (stored is None or stored["processing_status"] != "COMPLETED"):
                return refusal(400, f"{key} {body[key]} is not validated")
        job_id = self.new_id("ft-")
        kind = dict(body.get("training_type") or {"type": "Lora", "lora_r": 8, "lora_alpha": 16})
        kind |= {k: v for k, v in self.changed_settings.items() if k in kind}
        job = {
            "id": job_id,
            "status": "pending",
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
            "user_id": "user-emulated",
            "owner_address": "user@example.com",
            "model": body["model"],
            "model_output_name": f"emulated/{body['model'].split('/')[-1]}-{body.get('suffix', '')}-{job_id[-8:]}",
            "suffix": body.get("suffix"),
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file") or "",
            "n_epochs": body["n_epochs"],
            "n_evals": body.get("n_evals", 0),
            "n_checkpoints": body.get("n_checkpoints", 1),
            "batch_size": 8 if body.get("batch_size", "max") == "max" else body["batch_size"],
            "learning_rate": body["learning_rate"],
            "warmup_ratio": body.get("warmup_ratio", 0.0),
            "weight_decay": self.changed_settings.get("weight_decay", body.get("weight_decay", 0.0)),
            "training_type": kind,
            "training_method": body["training_method"],
            "model_object_id": f"model-{job_id}",
            "token_count": 0,
            "total_price": 0,
            "stage": 0,
            "events": [],
            "metrics": [],
            "billed_usd": self._price(body)[2],
        }
        if body.get("max_seq_length"):
            job["max_seq_length"] = body["max_seq_length"]
        self.state["jobs"][job_id] = job
        self.state["paid"].append({"id": job_id, "tag": body.get("suffix")})
        self._say(job, "job_pending", "Fine tune request created")
        return Reply(200, _job(job))

    @route("GET", "/fine-tunes")
    def job_list(self, call: Call) -> Reply:
        return Reply(200, {"data": [_job(job) for job in self.state["jobs"].values()]})

    @route("GET", "/fine-tunes/{id}")
    def job(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["id"])
        if job is None:
            return refusal(404, f"Fine-tune job {call.params['id']} not found")
        if self.advance_on_poll:
            self.advance(job)
        shown = _job(job)
        if job["status"] == "running":
            shown["progress"] = {"estimate_available": True, "seconds_remaining": 300}
        return Reply(200, shown)

    @route("POST", "/fine-tunes/{id}/cancel")
    def cancel(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["id"])
        if job is None:
            return refusal(404, f"Fine-tune job {call.params['id']} not found")
        if job["status"] in ENDED:
            return refusal(400, f"Job is {job['status']}")
        job["status"] = "cancel_requested"
        self._say(job, "cancel_requested", "Cancellation requested")
        return Reply(200, _job(job))

    @route("GET", "/fine-tunes/{id}/events")
    def events(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["id"])
        return refusal(404, "not found") if job is None else Reply(200, {"data": job["events"]})

    @route("GET", "/fine-tunes/{id}/metrics")
    def metrics(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["id"])
        return refusal(404, "not found") if job is None else Reply(200, {"metrics": job["metrics"]})

    @route("GET", "/fine-tunes/{id}/checkpoints")
    def checkpoints(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["id"])
        if job is None:
            return refusal(404, "not found")
        found = []
        if job["status"] == "completed":
            found = [
                {
                    "step": job["total_steps"],
                    "path": f"s3://emulated/{job['id']}",
                    "created_at": job["updated_at"],
                    "checkpoint_type": "Final Merged",
                }
            ]
        return Reply(200, {"data": found})

    @route("GET", "/finetune/download")
    def download(self, call: Call) -> Reply:
        if call.query["ft_id"] not in self.state["jobs"]:
            return refusal(404, "not found")
        return Reply(200, packed(call.query["ft_id"]), {"content-type": "application/octet-stream"})

    def advance(self, job: dict[str, Any]) -> None:
        if job["status"] == "cancel_requested":
            job["status"] = "cancelled"
            return self._say(job, "job_stopped", "Job was cancelled")
        if job["status"] in ENDED:
            return None
        job["stage"] += 1
        job["status"] = STAGES[job["stage"]]
        job["updated_at"] = self._stamp()
        if job["status"] == "running":
            self._train(job)
        elif job["status"] == "completed" and self.ends_as != "completed":
            job["status"] = self.ends_as
            self._say(job, "job_error", "Training data has no trainable tokens", level="error")
        elif job["status"] == "completed":
            job["total_price"] = round(job["billed_usd"] * 1e9)
            self._say(job, "job_complete", "Job finished", step=job["total_steps"])
        return None

    def _train(self, job: dict[str, Any]) -> None:
        found = rows(base64.b64decode(self.state["files"][job["training_file"]]["content"]))
        total = max(1, -(-len(found) // job["batch_size"]) * job["n_epochs"])
        job |= {"total_steps": total, "token_count": epoch_tokens(found)}
        seen = STAGES[: job["stage"] + 1].count("running")
        if seen == 1:
            job["started_at"] = self._stamp()
            self._say(job, "training_start", "Training started")
        done = max(1, total * seen // 3)
        for step in range(job.get("steps_completed", 0) + 1, done + 1):
            loss = round(2.0 - 1.5 * step / total, 4)
            stamp = (self.now + step) * 1_000_000_000
            job["metrics"].append(
                {"timestamp": stamp, "train/global_step": step, "train/loss": loss, "train/learning_rate": 1e-4}
            )
            if job["n_evals"]:
                job["metrics"].append({"timestamp": stamp + 1, "eval/global_step": step, "eval/loss": loss * 1.1})
        self.state["clock"] += done
        job["steps_completed"] = done

    def _say(self, job: dict[str, Any], kind: str, text: str, level: str = "info", step: int = 0) -> None:
        job["events"].append(
            {
                "object": "fine-tune-event",
                "created_at": self._stamp(),
                "level": level,
                "message": text,
                "type": kind,
                "param_count": 0,
                "token_count": 0,
                "total_steps": 0,
                "wandb_url": "",
                "step": step,
                "checkpoint_path": "",
                "model_path": "",
                "training_offset": 0,
                "hash": self.new_id("event-"),
            }
        )

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _shown(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name not in ("content", "checksum")}


def _job(job: dict[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in FIELDS if job.get(name) is not None}


def packed(job: str) -> bytes:
    """Return an adapter as the provider packs one: a tar.zst."""
    import zstandard

    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            content = f"{name} of {job}".encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return zstandard.ZstdCompressor().compress(held.getvalue())


if __name__ == "__main__":
    run_standalone(TogetherEmulator)
