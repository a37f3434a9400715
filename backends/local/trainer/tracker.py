"""Tells a tracker (wandb, mlflow, trackio) the settings and metrics of a run, in a process beside the trainer's.

It reads the run's files and is read by nobody: a tracker that is slow, down or broken never holds up a step. What goes
wrong with it is one event of the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from backends import JobStatus, Json
from backends.local.folder import RunFolder, append_line, now, read_json, whole, write_json

_EVERY_S = 1.0
_QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Tracker(Protocol):
    """One run at a tracker."""

    id: str

    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def end(self, *, succeeded: bool) -> None: ...


class _Wandb:
    """Without what wandb gathers by itself: console, code, git, machine and its load."""

    def __init__(self, name: str, known: str | None, settings: Mapping[str, Json], folder: Path) -> None:
        import wandb

        only = wandb.Settings(
            console="off", disable_code=True, disable_git=True, disable_job_creation=True, host="", save_code=False,
            x_disable_machine_info=True, x_disable_meta=True, x_disable_stats=True,
            x_save_requirements=False,
        )  # fmt: skip
        self.id = known or name
        project = os.environ.get("WANDB_PROJECT", "tunewise")
        self._run: Any = wandb.init(
            project=project, id=self.id, name=name, resume="allow", dir=folder, config=dict(settings), settings=only
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def end(self, *, succeeded: bool) -> None:
        self._run.finish(exit_code=0 if succeeded else 1)


class _Mlflow:
    """By mlflow's client, which adds no user, program or commit of its own."""

    def __init__(self, name: str, known: str | None, settings: Mapping[str, Json], folder: Path) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient()
        if known is None:
            title = os.environ.get("MLFLOW_EXPERIMENT_NAME", "tunewise")
            found = self._client.get_experiment_by_name(title)
            experiment = found.experiment_id if found else self._client.create_experiment(title)
            known = str(self._client.create_run(experiment, run_name=name).info.run_id)
            for key, value in settings.items():
                self._client.log_param(known, key, value)
        self.id = known

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._client.log_metric(self.id, key, value, step=step)

    def end(self, *, succeeded: bool) -> None:
        self._client.set_terminated(self.id, "FINISHED" if succeeded else "FAILED")


class _Trackio:
    def __init__(self, name: str, known: str | None, settings: Mapping[str, Json], folder: Path) -> None:
        import trackio

        self.id = name
        project = os.environ.get("TRACKIO_PROJECT", "tunewise")
        self._run: Any = trackio.init(
            project=project, name=name, config=dict(settings), resume="allow",
            embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def end(self, *, succeeded: bool) -> None:
        self._run.finish()


TRACKERS: Mapping[str, Callable[[str, str | None, Mapping[str, Json], Path], Tracker]] = {
    "wandb": _Wandb, "mlflow": _Mlflow, "trackio": _Trackio
}  # fmt: skip


def start(folder: RunFolder, name: str) -> None:
    """Start to tell the tracker ``name`` of the run that this process trains; it ends when the run has."""
    with (folder.path / "tracker.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder.path), name, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **_QUIET},
        )


def main(arguments: Sequence[str]) -> int:
    """Follow the run in a folder, for a tracker, until its trainer, which started this process, is gone."""
    folder, name, trainer = RunFolder(Path(arguments[0])), arguments[1], int(arguments[2])
    try:
        _tell(folder, name, lambda: os.getppid() == trainer)
    except Exception as error:  # noqa: BLE001  a tracker may raise anything
        traceback.print_exc()
        words = str(error).strip().partition("\n")[0]
        said = f"{name} could not be told ({type(error).__name__}: {words}); the run goes on without it."
        append_line(folder.events, {"time": now(), "level": "warning", "message": said, "step": None})
        return 1
    return 0


def _tell(folder: RunFolder, name: str, running: Callable[[], bool]) -> None:
    noted = folder.path / "tracker.json"  # which run it is there, and up to where it was told
    before = read_json(noted)
    known, told = before.get("id"), whole(before.get("step"))
    tracker = TRACKERS[name](folder.path.name, str(known) if known else None, _settings(folder), folder.path)
    for lines in _new_lines(folder, running):
        for step, values in lines:
            if told is None or step > told:  # a run that goes on takes some steps again
                tracker.log(step, values)
        if lines:
            write_json(noted, {"id": tracker.id, "step": max(told or 0, lines[-1][0])})
    tracker.end(succeeded=read_json(folder.status).get("status") == JobStatus.SUCCEEDED)


def _settings(folder: RunFolder) -> dict[str, Json]:
    """Return what a tracker may know: how it is trained, of what; no path, no text of the data."""
    config, chosen = read_json(folder.config), read_json(folder.chosen)
    settings = chosen.get("hyperparameters")
    asked = {name: config.get(name) for name in ("objective", "method")}
    model = str(config.get("model"))
    is_folder = model.startswith(("/", "~", ".")) or Path(model).exists()
    learned = settings if isinstance(settings, dict) else {}
    return {
        **asked,
        "model": Path(model).name if is_folder else model,
        **{name: value for name, value in learned.items() if value is not None},
    }


def _new_lines(folder: RunFolder, running: Callable[[], bool]) -> Iterator[list[tuple[int, dict[str, float]]]]:
    """Yield (step, values) of the lines that came since the last look, once a second, until the run has ended."""
    read = 0
    while True:
        last = not running()  # asked first, so that what the run wrote at its very end is read
        found = []
        if folder.metrics.exists():
            with folder.metrics.open("rb") as file:
                file.seek(read)
                whole_lines = file.read().rpartition(b"\n")[0]
            read += len(whole_lines) + 1 if whole_lines else 0
            for line in map(json.loads, whole_lines.splitlines()):
                numbers = {key: float(value) for key, value in line.items() if isinstance(value, int | float)}
                found.append((int(numbers.pop("step")), numbers))
        yield found
        if last:
            return
        time.sleep(_EVERY_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
