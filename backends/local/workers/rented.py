"""What runs on a rented machine: trains as at home, tells its log how it goes, and keeps what outlives the machine.

    TUNEWISE_JOB='{"spec": ..., "keep": FOLDER, "publish": REPOSITORY}' python -m backends.local.workers.rented

It trains on the machine's own disk. ``keep`` is a volume that outlives the machine and need not rename or append: whole
checkpoints are copied to it, their manifest last, and a later machine of the same run begins with them. At the end the
tuned model goes to a private model repository of the hub. Exit code 1: it has not trained to the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from backends import Job, JobEvent, JobStatus, Json
from backends._rented import MARK
from backends.local import LocalBackend
from backends.local.folder import RunFolder, now
from backends.local.options import spec_from_json

_LOOKS_EVERY_S = 1.0
_TELLS_EVERY_S = 10.0


def main() -> int:
    """Train the run of the environment; return the exit code."""
    order = json.loads(os.environ["TUNEWISE_JOB"])
    spec, kept = spec_from_json(order["spec"]), Path(order["keep"])
    folder = RunFolder(Path(str(spec.options["folder"])))
    bring_back(kept, folder)
    backend = LocalBackend()
    job, last, told = backend.submit(spec), None, 0.0
    signal.signal(signal.SIGTERM, lambda *_: folder.stop.touch())  # the machine is about to be taken away
    while True:
        job = backend.refresh(job)
        for event in backend.events(job, last):
            last = event.id
            _tell_event(event)
        keep_up(folder, kept)
        if job.status.finished:
            break
        if time.monotonic() - told > _TELLS_EVERY_S:
            told = time.monotonic()
            _tell_state(job)
        time.sleep(_LOOKS_EVERY_S)
    error = job.error
    if job.status is JobStatus.SUCCEEDED:
        shutil.copytree(folder.tuned, kept / "tuned", dirs_exist_ok=True)
        error = publish(folder.tuned, order["publish"])
    _tell_state(job, error)
    return 0 if job.status is JobStatus.SUCCEEDED and error is None else 1


def bring_back(kept: Path, folder: RunFolder) -> None:
    """Copy the whole checkpoints of an earlier machine to this one's disk."""
    folder.checkpoints.mkdir(parents=True, exist_ok=True)
    for path in sorted((kept / "checkpoints").glob("step-*")):
        if (path / "manifest.json").is_file():
            shutil.copytree(path, folder.checkpoints / path.name, dirs_exist_ok=True)
    if (kept / "metrics.jsonl").is_file():
        shutil.copyfile(kept / "metrics.jsonl", folder.metrics)


def keep_up(folder: RunFolder, kept: Path) -> None:
    """Copy checkpoints that are whole and not kept yet, and drop those that the trainer has dropped."""
    there = kept / "checkpoints"
    there.mkdir(parents=True, exist_ok=True)
    here = {path.name: path for path in folder.checkpoints.glob("step-*")}
    for name, path in sorted(here.items()):
        if (there / name / "manifest.json").is_file():
            continue
        try:
            (there / name).mkdir(exist_ok=True)
            files = sorted(path.iterdir(), key=lambda file: file.name == "manifest.json")
            for file in files:
                shutil.copyfile(file, there / name / file.name)
        except FileNotFoundError:  # the trainer has just dropped it
            shutil.rmtree(there / name, ignore_errors=True)
    for path in there.glob("step-*"):
        if here and path.name not in here:
            shutil.rmtree(path, ignore_errors=True)
    if folder.metrics.is_file():
        shutil.copyfile(folder.metrics, kept / "metrics.jsonl")


def publish(tuned: Path, repository: str) -> str | None:
    """Upload the tuned model to a private repository of the hub; return why that failed."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()  # the token is in HF_TOKEN
    try:
        api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=tuned, commit_message="Tuned by tunewise")
    except (HfHubHTTPError, OSError, ValueError) as error:
        return f"Trained and kept, but the model did not get to {repository} ({type(error).__name__})."
    return None


def _tell_event(event: JobEvent) -> None:
    _tell({"event": asdict(event) | {"time": event.time.isoformat()}})


def _tell_state(job: Job, error: str | None = None) -> None:
    finish = job.estimated_finish
    _tell(
        {
            "state": {
                "time": now(),
                "status": job.status.value,
                "detail": job.detail,
                "error": error,
                "steps_done": job.steps_done,
                "steps_total": job.steps_total,
                "trained_tokens": job.trained_tokens,
                "train_seconds": job.train_seconds,
                "estimated_finish": finish.isoformat() if finish else None,
                "accepted": asdict(job.accepted) if job.accepted else None,
                "trained_without": list(job.trained_without),
            }
        }
    )


def _tell(found: dict[str, Json]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
