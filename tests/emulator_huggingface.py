"""Plays Hugging Face: repositories, a bucket, machines by the minute, and jobs, drawn or really run as child processes.

The wheel of huggingface_hub is the description: a job that is asked for must be one that its client could ask for, a
reply one that its classes read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from emulator_base import Call, Emulator, Reply, route, run_standalone

USER = "acme"
ROOT = Path(__file__).resolve().parent.parent
STAGES = ("SCHEDULING", "RUNNING", "RUNNING", "RUNNING", "COMPLETED")
ENDED = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
_MINE = ("at", "status", "ends_as", "log", "message")
_JOB = "/api/jobs/{namespace}/{job_id}"
_UV = f"""#!{sys.executable}
import os, sys
words = sys.argv[1:]
assert words[0] == "run" and os.path.isfile(words[words.index("--with-requirements") + 1]), words
os.execv({sys.executable!r}, [{sys.executable!r}, *words[words.index("python", 6) + 1:]])
"""


def machine(name: str, model: str, vram: int, micro_usd: int, gpus: int = 1) -> dict[str, Any]:
    part = {"type": "gpu", "model": model, "quantity": str(gpus), "vram": f"{vram * gpus} GB", "manufacturer": "Nvidia"}
    return {
        "name": name,
        "prettyName": f"Nvidia {model}",
        "cpu": "8 vCPU",
        "ram": "30 GB",
        "ephemeralStorage": "100 GB",
        "accelerator": part,
        "unitCostMicroUSD": micro_usd,
        "unitCostUSD": micro_usd / 1e6,
        "unitLabel": "minute",
    }


class HuggingFaceEmulator(Emulator):
    """The hub and its jobs on the loopback. ``real``: the folder in which jobs are run as child processes."""

    description_file: ClassVar[str] = ""
    prefix: ClassVar[str] = ""
    base_path: ClassVar[str] = ""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.real: Path | None = None
        self.ends_as = "COMPLETED"
        self.page_size = 20
        self.may_be_public: tuple[str, ...] = ()
        self.hardware = [
            {**machine("cpu-basic", "", 0, 167), "accelerator": None},
            machine("t4-small", "T4", 16, 6667),
            machine("l4x1", "L4", 24, 13333),
            machine("a10g-small", "A10G", 24, 16667),
            machine("a100-large", "A100", 80, 41667),
            machine("h200x2", "H200", 141, 166667, 2),
        ]
        self.state.update(repos={}, others={}, buckets=[], public=[])
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        if settings.get("specs", True) is not None:
            self._description = _Wheel()

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
            child.wait()
        super().__exit__()

    def authenticate(self, call: Call) -> Reply | None:
        if call.headers.get("authorization") == f"Bearer {self.key}":
            return None
        return Reply(401, {"error": "Invalid credentials in Authorization header"})

    # The account and its files

    @route("GET", "/api/whoami-v2")
    def whoami(self, call: Call) -> Reply:
        return Reply(200, {"type": "user", "name": USER, "auth": {"type": "access_token"}})

    @route("POST", "/api/repos/create")
    def make_repo(self, call: Call) -> Reply:
        asked = call.json
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        kind = asked.get("type", "model")
        if not (asked.get("private") or asked.get("visibility") == "private"):
            if name not in self.may_be_public:
                self.violations.append(f"{name}: not private")
            self.state["public"].append(name)
        url = f"{self.origin}/{'datasets/' if kind == 'dataset' else ''}{name}"
        known = name in self.state["repos"]
        self.state["repos"].setdefault(name, kind)
        return Reply(409, {"error": "You already created this repo", "url": url}) if known else Reply(200, {"url": url})

    @route("GET", "/api/models/{namespace}/{repo}")
    def look_at_model(self, call: Call) -> Reply:
        name = f"{call.params['namespace']}/{call.params['repo']}"
        if self.state["repos"].get(name) != "model":
            return Reply(404, {"error": "Repository not found"}, {"x-error-code": "RepoNotFound"})
        return Reply(200, {"id": name, "private": name not in self.state["public"], "siblings": [], "tags": []})

    @route("POST", "/api/validate-yaml")
    def validate_card(self, call: Call) -> Reply:
        if not call.json["content"].startswith("---\n"):
            return Reply(400, {"errors": [{"message": "no head"}], "warnings": []})
        return Reply(200, {"errors": [], "warnings": []})

    @route("DELETE", "/api/repos/delete")
    def drop_repo(self, call: Call) -> Reply:
        name = f"{call.json.get('organization') or USER}/{call.json['name']}"
        if self.state["repos"].pop(name, None) is None:
            return Reply(404, {"error": "Repository not found"}, {"x-error-code": "RepoNotFound"})
        return Reply(200, {})

    @route("POST", "/api/{kind}/{namespace}/{repo}/preupload/{revision}")
    def preupload(self, call: Call) -> Reply:
        files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in call.json["files"]]
        return Reply(200, {"files": files})

    @route("POST", "/api/{kind}/{namespace}/{repo}/commit/{revision}")
    def commit(self, call: Call) -> Reply:
        name = f"{call.params['namespace']}/{call.params['repo']}"
        if name not in self.state["repos"]:
            return Reply(404, {"error": "Repository not found"}, {"x-error-code": "RepoNotFound"})
        for line in call.body.splitlines():
            found = json.loads(line)
            path = found["value"].get("path", "")
            shelf = self.state["files" if path.startswith("data/") else "others"]
            key = path if path.startswith("data/") else f"{name}:{path}"
            if found["key"] == "file":
                content = found["value"]["content"]
                size = len(base64.b64decode(content))
                shelf[key] = {"id": Path(path).stem, "content": content, "bytes": size, "repo": name}
            elif found["key"] == "deletedFile" and shelf.pop(key, None) is None:
                return Reply(404, {"error": "Entry not found"}, {"x-error-code": "EntryNotFound"})
        url = f"{self.origin}/{name}/commit/{'0' * 40}"
        return Reply(200, {"success": True, "commitOid": "0" * 40, "commitUrl": url, "pullRequestUrl": None})

    @route("HEAD", "/datasets/{namespace}/{repo}/resolve/{revision}/{path*}")
    def size(self, call: Call) -> Reply:
        path = call.params["path"]
        name = f"{call.params['namespace']}/{call.params['repo']}"
        found = self.state["files"].get(path) or self.state["others"].get(f"{name}:{path}")
        if found is None:
            return Reply(404, b"", {"x-error-code": "EntryNotFound", "x-error-message": "Entry not found"})
        return Reply(200, b"", {"x-linked-size": str(found["bytes"])})

    @route("GET", "/api/models/{namespace}/{repo}/revision/{revision}")
    def describe(self, call: Call) -> Reply:
        name = f"{call.params['namespace']}/{call.params['repo']}"
        if name not in self.state["repos"]:
            return Reply(404, {"error": "Repository not found"}, {"x-error-code": "RepoNotFound"})
        files = [{"rfilename": key.split(":")[1]} for key in self.state["others"] if key.startswith(f"{name}:")]
        return Reply(200, {"id": name, "sha": "0" * 40, "private": True, "siblings": files})

    @route("GET", "/api/models/{namespace}/{repo}/tree/{revision}")
    def tree(self, call: Call) -> Reply:
        name = "{namespace}/{repo}".format(**call.params)
        kept = {key.split(":")[1]: one for key, one in self.state["others"].items() if key.startswith(f"{name}:")}
        return Reply(
            200, [{"type": "file", "path": path, "size": one["bytes"], "oid": "0" * 40} for path, one in kept.items()]
        )

    @route("HEAD", "/{namespace}/{repo}/resolve/{revision}/{path*}")
    @route("GET", "/{namespace}/{repo}/resolve/{revision}/{path*}")
    def fetch(self, call: Call) -> Reply:
        kept = self.state["others"].get("{namespace}/{repo}:{path}".format(**call.params))
        if kept is None:
            return Reply(404, b"", {"x-error-code": "EntryNotFound", "x-error-message": "Entry not found"})
        content = base64.b64decode(kept["content"])
        headers = {"etag": f'"{hashlib.sha256(content).hexdigest()}"', "x-repo-commit": "0" * 40}
        return Reply(200, content, {**headers, "content-type": "application/octet-stream"})

    @route("POST", "/api/buckets/{namespace}/{name}")
    def make_bucket(self, call: Call) -> Reply:
        name = f"{call.params['namespace']}/{call.params['name']}"
        if call.json.get("visibility") != "private":
            self.violations.append(f"{name}: not private")
        url = f"{self.origin}/buckets/{name}"
        if name in self.state["buckets"]:
            return Reply(409, {"error": "Bucket already exists", "url": url})
        self.state["buckets"].append(name)
        return Reply(200, {"url": url})

    # The jobs

    @route("GET", "/api/jobs/hardware")
    def list_hardware(self, call: Call) -> Reply:
        return Reply(200, self.hardware)

    @route("POST", "/api/jobs/{namespace}")
    def create(self, call: Call) -> Reply:
        asked = call.json
        for volume in asked["volumes"]:
            shelf = self.state["buckets"] if volume["type"] == "bucket" else self.state["repos"]
            if volume["source"] not in shelf:
                return Reply(404, {"error": f"{volume['type']} {volume['source']} not found"})
        if asked["secrets"] != {"HF_TOKEN": self.key}:
            self.violations.append("the secret is not the token alone")
        name = self.new_id("68780d00bbe36d38")
        kept = {key: value for key, value in asked.items() if key not in ("secrets", "timeoutSeconds")}
        self.state["jobs"][name] = {
            **kept,
            "id": name,
            "createdAt": _now(),
            "startedAt": None,
            "finishedAt": None,
            "owner": {"id": "5e9ecfc0", "name": call.params["namespace"], "type": "user"},
            "timeout": asked["timeoutSeconds"],
            "status": STAGES[0],
            "at": 0,
            "ends_as": self.ends_as,
            "message": None,
            "log": [],
        }
        self.state["paid"].append({"id": name})
        if self.real is not None:
            self._run(self.state["jobs"][name])
        return Reply(200, self._shown(self.state["jobs"][name]))

    @route("GET", "/api/jobs/{namespace}")
    def listed(self, call: Call) -> Reply:
        key, _, value = call.query.get("label", "").partition("=")
        jobs = [job for job in self.state["jobs"].values() if job["labels"].get(key) == value]
        start = int(call.query.get("cursor", 0))
        more = f"{self.origin}{call.path}?label={key}%3D{value}&cursor={start + self.page_size}"
        link = {"link": f'<{more}>; rel="next"'} if jobs[start + self.page_size :] else {}
        return Reply(200, [self._shown(job) for job in jobs[start : start + self.page_size]], link)

    @route("GET", _JOB)
    def inspect(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["job_id"])
        if job is None:
            return Reply(404, {"error": "Job not found"})
        if self.advance_on_poll:
            self.advance(job)
        return Reply(200, self._shown(job))

    @route("POST", _JOB + "/cancel")
    def cancel(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["job_id"])
        if job is None:
            return Reply(404, {"error": "Job not found"})
        if child := self._children.get(job["id"]):
            child.send_signal(signal.SIGTERM)
            child.wait()
        if job["status"] not in ENDED:
            job.update(status="CANCELED", finishedAt=_now())
        return Reply(200, self._shown(job))

    @route("GET", _JOB + "/logs")
    def logs(self, call: Call) -> Reply:
        job = self.state["jobs"].get(call.params["job_id"])
        if job is None:
            return Reply(404, {"error": "Job not found"})
        lines = job["log"]
        if self.real is not None:
            lines = (self.real / job["id"] / "log").read_text(errors="replace").splitlines()
        said = [{"timestamp": _now(), "data": line} for line in ("===== Job started", *lines)]
        body = "".join(f"data: {json.dumps(one)}\n\n" for one in said)
        return Reply(200, body.encode(), {"content-type": "text/event-stream"})

    # What happens behind it

    def advance(self, job: dict[str, Any]) -> None:
        if self.real is not None:
            return self._look(job)
        if job["status"] in ENDED:
            return None
        job["at"] += 1
        if job["at"] == len(STAGES) - 1:
            job.update(status=job["ends_as"], finishedAt=_now())
            job["message"] = "Job timeout" if job["ends_as"] == "ERROR" else None
        else:
            job.update(status=STAGES[job["at"]], startedAt=job["startedAt"] or _now())
            job["log"] += ["Installed 61 packages in 9.1s"] * (job["at"] == 1) + _drawn(job["at"])
        return None

    def _run(self, job: dict[str, Any]) -> None:
        """Start the very command; the container's folders lie in one of ours."""
        assert self.real is not None
        box = self.real / job["id"]
        box.mkdir(parents=True)
        (box / "bin").mkdir()
        (box / "bin" / "uv").write_text(_UV)
        (box / "bin" / "uv").chmod(0o755)
        (box / "keep").symlink_to(self.real / "bucket")
        (self.real / "bucket").mkdir(exist_ok=True)
        for key, stored in (*self.state["files"].items(), *self.state["others"].items()):
            path = box / "data" / key.split(":")[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(stored["content"]))
        inside = lambda text: text.replace("/tunewise/", f"{box}/")  # noqa: E731
        given = {name: inside(value) for name, value in job["environment"].items()}
        path = f"{box / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(box), "TUNEWISE_HOME": str(box / "home"), "PYTHONPATH": str(ROOT)}
        environment |= {"HF_TOKEN": self.key, "HF_ENDPOINT": self.origin, **given}
        with (box / "log").open("wb") as log:
            self._children[job["id"]] = subprocess.Popen(
                [inside(word) for word in job["command"]], env=environment, stdout=log, stderr=log, cwd=box
            )
        job.update(status="RUNNING", startedAt=_now())

    def _look(self, job: dict[str, Any]) -> None:
        code = self._children[job["id"]].poll()
        if job["status"] == "RUNNING" and code is not None:
            job.update(status="ERROR" if code else "COMPLETED", finishedAt=_now())
            job["message"] = f"Job failed with exit code: {code}" if code else None

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in job.items() if name not in (*_MINE, "timeout")}
        ran = 120 if job["status"] in ENDED else None
        return {
            **shown,
            "status": {"stage": job["status"], "message": job["message"]},
            "durations": {"schedulingSecs": 4, "runningSecs": ran, "totalSecs": 124},
        }


def _drawn(step: int) -> list[str]:
    """Return what the trainer would say of a step."""
    event = {"id": str(step), "time": _now(), "level": "info", "message": f"step {step}", "step": step}
    state = {"status": "running", "steps_done": step, "steps_total": 3, "accepted": {"epochs": 2}}
    return [
        "tunewise: " + json.dumps({"event": {**event, "metrics": {"train_loss": 2.0 / step}}}),
        "tunewise: " + json.dumps({"state": state}),
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class _Wheel:
    """Asks huggingface_hub whether a job is one of its client's, and whether it could read a reply."""

    def request_problems(
        self, method: str, path: str, query: dict[str, str], content_type: str, body: object
    ) -> list[str]:
        if method != "POST" or path.count("/") != 3 or not path.startswith("/api/jobs/"):
            return []
        from huggingface_hub import Volume
        from huggingface_hub._jobs_api import _create_job_spec

        assert isinstance(body, dict)
        try:
            spec = _create_job_spec(
                image=body["dockerImage"],
                command=body["command"],
                env=body["environment"],
                secrets=body["secrets"],
                flavor=body["flavor"],
                timeout=body["timeoutSeconds"],
                labels=body["labels"],
                volumes=[Volume(**one) for one in body["volumes"]],
            )
        except (KeyError, TypeError, ValueError) as error:
            return [f"{method} {path}: {error!r}"]
        return [] if spec == body else [f"{method} {path}: not what the client would send: {spec} {body}"]

    def reply_problems(self, method: str, path: str, status: int, body: object) -> list[str]:
        if status >= 400 or not path.startswith("/api/jobs/") or path.endswith("/logs"):
            return []
        from huggingface_hub._jobs_api import JobHardwareInfo, JobInfo, JobStage

        try:
            if path.endswith("/hardware"):
                assert isinstance(body, list)
                return [] if [JobHardwareInfo(**row) for row in body] else ["no machines"]
            read = [JobInfo(**row) for row in (body if isinstance(body, list) else [body])]
            unknown = [one.status.stage for one in read if one.status.stage not in list(JobStage)]
        except (KeyError, TypeError, ValueError) as error:
            return [f"{method} {path}: reply {error!r}"]
        return [f"{method} {path}: no stage of a job: {stage}" for stage in unknown]


if __name__ == "__main__":
    run_standalone(HuggingFaceEmulator)
