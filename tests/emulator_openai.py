"""Plays OpenAI's files, uploads, fine-tuning and chat: real error bodies, slow files, base64 results, wind-down."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

from emulator_base import Call, Emulator, Reply, route, run_standalone
from emulator_text import auto_epochs, epoch_tokens, in_parts, learned_turn, rows, tokens, untrained_answer

STAGES = ("validating_files", "queued", "running", "running", "running", "succeeded")
WINDING_DOWN = (
    "OpenAI is winding down the fine-tuning platform and your organization is no longer able to create new "
    "fine-tuning training jobs."
)


def refusal(status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> Reply:
    return Reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


class OpenAIEmulator(Emulator):
    """OpenAI's fine-tuning platform on the loopback."""

    description_file: ClassVar[str] = "openai-finetune.yaml"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.closed_organisation = False
        self.out_of_credit = False
        self.daily_limit: int | None = None
        self.base64_results = True
        self.slow_files = 0  # how often a fresh file answers "uploaded" before it is "processed"
        self.models: dict[str, str | None] = {  # id: shutdown_date
            "gpt-4.1-2025-04-14": "2027-01-14",
            "gpt-4.1-mini-2025-04-14": "2027-01-14",
            "gpt-4o-mini-2024-07-18": "2027-01-14",
            "gpt-6-luna": None,
        }
        self.tunable = ("gpt-4.1-", "gpt-4o-")

    def authenticate(self, call: Call) -> Reply | None:
        sent = call.headers.get("authorization", "").removeprefix("Bearer ")
        if sent == self.key:
            return None
        # The real body shows a part of the key; ours shows all of it, so that a test can see whether it leaks.
        return refusal(401, f"Incorrect API key provided: {sent}.", "invalid_api_key")

    def known_deviation(self, call: Call, body: object) -> object:
        if not isinstance(body, dict):
            return body
        for item in [body, *(body["data"] if isinstance(body.get("data"), list) else [])]:
            if item.get("object") == "fine_tuning.job":
                # Real healthy jobs carry `"error": {}`, and a paused one a status the description does not list.
                item["error"] = item["error"] or None
                item["status"] = "running" if item["status"] == "paused" else item["status"]
                if item.get("hyperparameters") is None:
                    item["hyperparameters"] = {}
            if item.get("type") == "moderation_checks":
                item["type"] = "message"
        return body

    # Models and chat

    @route("GET", "/models/{model}")
    def model(self, call: Call) -> Reply:
        name = call.params["model"]
        base = name.split(":")[1] if name.startswith("ft:") else name
        if base not in self.models or (name.startswith("ft:") and self._trained_on(name) is None):
            return refusal(404, f"The model '{name}' does not exist", "model_not_found")
        return Reply(200, self._model(name, self.models[base]))

    @route("GET", "/models")
    def model_list(self, call: Call) -> Reply:
        return Reply(200, {"object": "list", "data": [self._model(name, day) for name, day in self.models.items()]})

    def _model(self, name: str, day: str | None) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai", "shutdown_date": day}

    @route("POST", "/chat/completions")
    def chat(self, call: Call) -> Reply:
        body = call.json
        name = body["model"]
        trained = self._trained_on(name)
        if trained is None and name not in self.models:
            return refusal(404, f"The model `{name}` does not exist or you do not have access.", "model_not_found")
        if name.startswith("gpt-6") and "temperature" in body:
            reply = refusal(400, "Unsupported value: 'temperature' does not support 0 with this model.")
            reply.body["error"] |= {"param": "temperature", "code": "unsupported_value"}  # type: ignore[index]
            return reply
        for place, turn in enumerate(body["messages"]):
            if "weight" in turn:
                return refusal(
                    400, f"Additional properties are not allowed ('weight' was unexpected) - 'messages.{place}'"
                )
        turn = {} if trained is None else learned_turn(body["messages"], trained)
        calls = {"tool_calls": turn["tool_calls"]} if "tool_calls" in turn else {}
        text = untrained_answer(body["messages"]) if trained is None else str(turn.get("content") or "")
        prompt = sum(4 + tokens(str(m.get("content") or "")) for m in body["messages"])
        answer = {
            "id": self.new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": self.now,
            "model": name,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls" if calls else "stop",
                    "logprobs": None,
                    "message": {"role": "assistant", "content": text, "refusal": None} | calls,
                }
            ],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": tokens(text),
                "total_tokens": prompt + tokens(text),
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            },
        }
        if body.get("stream"):
            return Reply(200, in_parts(answer, usage="stream_options" in body), {"content-type": "text/event-stream"})
        return Reply(200, answer)

    def _trained_on(self, model: str) -> list[dict[str, Any]] | None:
        for job in self.state["jobs"].values():
            if job["fine_tuned_model"] is not None and model.startswith(job["fine_tuned_model"]):
                stored = self.state["files"].get(job["training_file"])
                return rows(base64.b64decode(stored["content"])) if stored else []
        return None

    # Files and uploads

    @route("POST", "/files")
    def upload(self, call: Call) -> Reply:
        fields, files = call.form()
        if "file" not in files:
            return refusal(400, "'file' is a required property")
        name, content = files["file"]
        return self._store(name, content, fields.get("purpose", ""))

    def _store(self, name: str, content: bytes, purpose: str) -> Reply:
        if purpose == "fine-tune":
            try:
                rows(content)
            except ValueError as error:
                return refusal(
                    400,
                    f"Expected file to have JSONL format, where every line is a JSON dictionary. {error}.",
                )
        stored = {
            "id": self.new_id("file-"),
            "object": "file",
            "bytes": len(content),
            "created_at": self.now,
            "filename": name,
            "purpose": purpose,
            "status": "uploaded" if self.slow_files else "processed",
            "status_details": "",
            "content": base64.b64encode(content).decode(),
            "looks": self.slow_files,
        }
        self.state["files"][stored["id"]] = stored
        return Reply(200, _shown(stored))

    @route("GET", "/files")
    def file_list(self, call: Call) -> Reply:
        found = [
            _shown(stored)
            for stored in reversed(self.state["files"].values())
            if call.query.get("purpose") in (None, stored["purpose"])
        ]
        return Reply(200, page(found, call, 10_000) | {"first_id": "", "last_id": ""})

    @route("GET", "/files/{file_id}")
    def file(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["file_id"])
        if stored is None:
            return refusal(404, f"No such File object: {call.params['file_id']}")
        if stored["looks"] > 0:
            stored["looks"] -= 1
        else:
            stored["status"] = "processed"
        return Reply(200, _shown(stored))

    @route("GET", "/files/{file_id}/content")
    def file_content(self, call: Call) -> Reply:
        stored = self.state["files"].get(call.params["file_id"])
        if stored is None:
            return refusal(404, f"No such File object: {call.params['file_id']}")
        return Reply(200, base64.b64decode(stored["content"]), {"content-type": "application/octet-stream"})

    @route("DELETE", "/files/{file_id}")
    def delete_file(self, call: Call) -> Reply:
        name = call.params["file_id"]
        if self.state["files"].pop(name, None) is None:
            return refusal(404, f"No such File object: {name}")
        return Reply(200, {"id": name, "object": "file", "deleted": True})

    @route("POST", "/uploads")
    def begin_upload(self, call: Call) -> Reply:
        upload = {
            "id": self.new_id("upload_"),
            "object": "upload",
            "bytes": call.json["bytes"],
            "created_at": self.now,
            "expires_at": self.now + 3600,
            "filename": call.json["filename"],
            "purpose": call.json["purpose"],
            "status": "pending",
        }
        self.state.setdefault("uploads", {})[upload["id"]] = upload | {"parts": {}}
        return Reply(200, upload)

    @route("POST", "/uploads/{upload_id}/parts")
    def add_part(self, call: Call) -> Reply:
        _, files = call.form()
        part = self.new_id("part_")
        upload = self.state["uploads"][call.params["upload_id"]]
        upload["parts"][part] = base64.b64encode(files["data"][1]).decode()
        return Reply(
            200, {"id": part, "object": "upload.part", "created_at": self.now, "upload_id": call.params["upload_id"]}
        )

    @route("POST", "/uploads/{upload_id}/complete")
    def end_upload(self, call: Call) -> Reply:
        upload = self.state["uploads"][call.params["upload_id"]]
        content = b"".join(base64.b64decode(upload["parts"][part]) for part in call.json["part_ids"])
        if len(content) != upload["bytes"]:
            return refusal(400, "The number of bytes uploaded does not match the expected size")
        stored = self._store(upload["filename"], content, upload["purpose"])
        if stored.status != 200:
            return stored
        shown = {name: value for name, value in upload.items() if name != "parts"}
        return Reply(200, shown | {"status": "completed", "file": stored.body})

    # Jobs

    @route("POST", "/fine_tuning/jobs")
    def create(self, call: Call) -> Reply:
        body = call.json
        if self.closed_organisation:
            return refusal(403, WINDING_DOWN, "training_not_available")
        if self.out_of_credit:
            return refusal(
                429,
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
                "insufficient_quota",
            )
        if body["model"] not in self.models or not body["model"].startswith(self.tunable):
            return refusal(400, f"Model {body['model']} is not available for fine-tuning or does not exist.",
                           "model_not_available")  # fmt: skip
        for key in ("training_file", "validation_file"):
            name = body.get(key)
            if name is not None and name not in self.state["files"]:
                return refusal(400, f"invalid {key}: {name}", "invalid_" + key)
            if name is not None and self.state["files"][name]["looks"] > 0:
                self.state["files"][name]["looks"] -= 1
                return refusal(400, f"File '{name}' is not ready: File not ready, retry later.", None)
        if self.daily_limit is not None and self.paid_jobs >= self.daily_limit:
            return refusal(
                429,
                "This fine-tune request has been rate-limited. Your organization has reached the maximum of "
                f"{self.daily_limit} fine-tuning requests per day for the model '{body['model']}'.",
                "daily_rate_limit_exceeded",
            )
        job = self._new_job(body)
        self.state["jobs"][job["id"]] = job
        self.state["paid"].append({"id": job["id"], "tag": (body.get("metadata") or {}).get("tunewise_run")})
        return Reply(200, self._job(job))

    def _new_job(self, body: dict[str, Any]) -> dict[str, Any]:
        method = body.get("method") or {"type": "supervised", "supervised": {}}
        asked = (method.get(method["type"]) or {}).get("hyperparameters") or {}
        job = {
            "id": self.new_id("ftjob-"),
            "object": "fine_tuning.job",
            "created_at": self.now,
            "finished_at": None,
            "estimated_finish": None,
            "model": body["model"],
            "fine_tuned_model": None,
            "organization_id": "org-emulated",
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "hyperparameters": {
                "n_epochs": asked.get("n_epochs", "auto"),
                "batch_size": asked.get("batch_size", "auto"),
                "learning_rate_multiplier": asked.get("learning_rate_multiplier", "auto"),
            },
            "method": method,
            "seed": body.get("seed", 0),
            "status": STAGES[0],
            "trained_tokens": None,
            "result_files": [],
            "error": {},
            "integrations": [],
            "metadata": body.get("metadata"),
            "user_provided_suffix": body.get("suffix"),
            "shared_with_openai": False,
            "stage": 0,
            "events": [],
        }
        self._say(job, f"Created fine-tuning job: {job['id']}")
        self._say(job, f"Validating training file: {job['training_file']}")
        return job

    @route("GET", "/fine_tuning/jobs")
    def job_list(self, call: Call) -> Reply:
        wanted = {k[9:-1]: v for k, v in call.query.items() if k.startswith("metadata[")}
        found = [
            self._job(job)
            for job in reversed(self.state["jobs"].values())
            if wanted.items() <= (job["metadata"] or {}).items()
        ]
        return Reply(200, page(found, call))

    @route("GET", "/fine_tuning/jobs/{fine_tuning_job_id}")
    def job(self, call: Call) -> Reply:
        job = self._find(call)
        if job is None:
            return self._no_job(call)
        if self.advance_on_poll:
            self.advance(job)
        return Reply(200, self._job(job))

    @route("POST", "/fine_tuning/jobs/{fine_tuning_job_id}/cancel")
    def cancel(self, call: Call) -> Reply:
        job = self._find(call)
        if job is None:
            return self._no_job(call)
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return refusal(400, f"Job has already completed: {job['id']}")
        job |= {"status": "cancelled", "finished_at": self.now, "estimated_finish": None, "trained_tokens": None}
        self._say(job, "Fine-tuning job cancelled")
        return Reply(200, self._job(job))

    @route("POST", "/fine_tuning/jobs/{fine_tuning_job_id}/pause")
    def pause(self, call: Call) -> Reply:
        return self._switch(call, "running", "paused")

    @route("POST", "/fine_tuning/jobs/{fine_tuning_job_id}/resume")
    def resume(self, call: Call) -> Reply:
        return self._switch(call, "paused", "running")

    def _switch(self, call: Call, before: str, after: str) -> Reply:
        job = self._find(call)
        if job is None:
            return self._no_job(call)
        if job["status"] != before:
            return refusal(400, f"Job is {job['status']}, not {before}")
        job["status"] = after
        return Reply(200, self._job(job))

    @route("GET", "/fine_tuning/jobs/{fine_tuning_job_id}/events")
    def events(self, call: Call) -> Reply:
        job = self._find(call)
        return self._no_job(call) if job is None else Reply(200, page(list(reversed(job["events"])), call))

    @route("GET", "/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints")
    def checkpoints(self, call: Call) -> Reply:
        job = self._find(call)
        if job is None:
            return self._no_job(call)
        found = []
        if job["status"] == "succeeded":
            last = job["total_steps"]
            for step, name in ((last, job["fine_tuned_model"]), (last // 2, f"{job['fine_tuned_model']}:ckpt-step-{last // 2}")):  # fmt: skip  # noqa: E501
                found.append(
                    {
                        "object": "fine_tuning.job.checkpoint",
                        "id": f"ftckpt_{job['id']}_{step}",
                        "created_at": job["finished_at"],
                        "fine_tuned_model_checkpoint": name,
                        "fine_tuning_job_id": job["id"],
                        "metrics": {"step": step, "train_loss": _loss(step, last)},
                        "step_number": step,
                    }
                )
        return Reply(200, page(found, call) | {"first_id": None, "last_id": None})

    def advance(self, job: dict[str, Any]) -> None:
        if job["status"] in ("succeeded", "failed", "cancelled", "paused"):
            return
        job["stage"] += 1
        job["status"] = STAGES[job["stage"]]
        if job["status"] == "queued":
            self._validate(job)
        elif job["status"] == "running":
            self._train(job)
        else:
            self._finish(job)

    def _validate(self, job: dict[str, Any]) -> None:
        stored = self.state["files"].get(job["training_file"])
        found = rows(base64.b64decode(stored["content"])) if stored else []
        method = job["method"]["type"]
        if len(found) < 10:
            return self._fail(
                job,
                "invalid_n_examples",
                f"Training file has {len(found)} example(s), but must have at least 10 examples",
            )
        if any(("input" in row) != (method == "dpo") for row in found):
            wrong = "fine-tune-chat" if method == "dpo" else "fine-tune-preference"
            needs = "supervised" if method == "dpo" else "dpo"
            return self._fail(
                job,
                "invalid_training_file",
                "The job failed due to an invalid training file. Invalid file format. Input file "
                f"{job['training_file']} is in the {wrong} format, but the specified fine-tuning job is not using "
                f"'{needs}' as the training method (provided method={method}).",
            )
        settings = job["hyperparameters"]
        if settings["n_epochs"] == "auto":
            settings["n_epochs"] = auto_epochs(len(found))
        if settings["batch_size"] == "auto":
            settings["batch_size"] = max(1, round(len(found) * 0.002))
        if settings["learning_rate_multiplier"] == "auto":
            settings["learning_rate_multiplier"] = 1.8
        job["total_steps"] = max(1, len(found) * settings["n_epochs"] // settings["batch_size"])
        job["billable"] = epoch_tokens(found) * settings["n_epochs"]
        self._say(job, "Files validated, moving job to queued state")
        return None

    def _train(self, job: dict[str, Any]) -> None:
        seen = sum(stage == "running" for stage in STAGES[: job["stage"] + 1])
        if seen == 1:
            self._say(job, "Fine-tuning job started")
        total = job["total_steps"]
        job["estimated_finish"] = self.now + 600
        for step in sorted({max(1, total * part // 6) for part in (2 * seen - 1, 2 * seen)}):
            loss = _loss(step, total)
            data: dict[str, Any] = {
                "step": step,
                "total_steps": total,
                "train_loss": loss,
                "train_mean_token_accuracy": round(1 - loss / 4, 4),
            }
            if job["validation_file"]:
                data |= {"valid_loss": round(loss * 1.1, 4), "valid_mean_token_accuracy": round(1 - loss / 3, 4)}
            self._say(job, f"Step {step}/{total}: training loss={loss:.2f}", kind="metrics", data=data)

    def _finish(self, job: dict[str, Any]) -> None:
        suffix = (job["user_provided_suffix"] or "").lower()
        name = f"ft:{job['model']}:emulated:{suffix}:{job['id'][-8:]}"
        last = job["total_steps"]
        lines = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        lines += [f"{step},{_loss(step, last)},{round(1 - _loss(step, last) / 4, 4)},," for step in range(1, last + 1)]
        table = "\n".join(lines).encode()
        results = {
            "id": self.new_id("file-"),
            "object": "file",
            "bytes": len(table),
            "created_at": self.now,
            "filename": "step_metrics.csv",
            "purpose": "fine-tune-results",
            "status": "processed",
            "content": base64.b64encode(base64.b64encode(table) if self.base64_results else table).decode(),
            "looks": 0,
        }
        self.state["files"][results["id"]] = results
        job |= {
            "fine_tuned_model": name,
            "finished_at": self.now,
            "estimated_finish": None,
            "trained_tokens": job["billable"],
            "result_files": [results["id"]],
        }
        self._say(job, f"New fine-tuned model created: {name}")
        self._say(job, "Usage policy evaluations completed, model is now enabled", kind="moderation_checks")
        self._say(job, "The job has successfully completed")

    def _fail(self, job: dict[str, Any], code: str, message: str) -> None:
        job |= {
            "status": "failed",
            "finished_at": self.now,
            "error": {"code": code, "message": message, "param": "training_file"},
        }
        self._say(job, message, level="error")

    def _say(
        self, job: dict[str, Any], text: str, level: str = "info", kind: str = "message", data: object = None
    ) -> None:
        job["events"].append(
            {
                "object": "fine_tuning.job.event",
                "id": self.new_id("ftevent-"),
                "created_at": self.now,
                "level": level,
                "message": text,
                "type": kind,
                "data": data or {},
            }
        )

    def _find(self, call: Call) -> dict[str, Any] | None:
        job: dict[str, Any] | None = self.state["jobs"].get(call.params["fine_tuning_job_id"])
        return job

    def _no_job(self, call: Call) -> Reply:
        return refusal(404, f"Could not find fine tune: {call.params['fine_tuning_job_id']}", "fine_tune_not_found")

    def _job(self, job: dict[str, Any]) -> dict[str, Any]:
        hidden = ("stage", "events", "billable", "total_steps")
        shown = {name: value for name, value in job.items() if name not in hidden}
        if job["method"]["type"] == "dpo":
            shown["hyperparameters"] = None
            inner = {"hyperparameters": (job["method"].get("dpo") or {}).get("hyperparameters", {}) | job["hyperparameters"]}  # fmt: skip  # noqa: E501
            shown["method"] = {"type": "dpo", "dpo": inner}
        copy: dict[str, Any] = json.loads(json.dumps(shown))
        return copy


def _shown(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name not in ("content", "looks")}


def page(found: list[dict[str, Any]], call: Call, most: int = 20) -> dict[str, Any]:
    start = 0
    if "after" in call.query:
        ids = [item["id"] for item in found]
        start = ids.index(call.query["after"]) + 1 if call.query["after"] in ids else len(ids)
    end = start + int(call.query.get("limit", most))
    return {"object": "list", "data": found[start:end], "has_more": end < len(found)}


def _loss(step: int, total: int) -> float:
    return round(2.0 - 1.5 * step / max(1, total), 4)


if __name__ == "__main__":
    run_standalone(OpenAIEmulator)
