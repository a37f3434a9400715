"""Keeps one run's workers alive: ``python -m backends.local.workers.supervise RUN_FOLDER``, over torchrun or Ray.

Each attempt is a fresh torchrun with a rendezvous of its own (its own restarts hang on the stale keys of the store they
share) or a fresh Ray Train run. A lost worker costs the steps since the newest checkpoint, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from backends import JobStatus
from backends.local.folder import RunFolder, now, read_json
from backends.local.options import Options, read_options, spec_from_json
from backends.local.trainer.run_log import LOADING, Record
from backends.local.workers.process import command
from backends.local.workers.ray_cluster import settings
from backends.local.workers.worker_clock import Held, take_up

_ATTEMPTS = 3  # in a row without a single step forward
_SILENT_S = 900.0  # a run that notes nothing for so long hangs
_LOADING_S = 4 * 3600.0  # unless it loads: a large model comes over the network for hours, and nothing is noted
_STOPPING_S = 300.0  # workers that hang do not hear the wish to stop
_WAITING_S = 5.0  # nor do those that were not granted yet
_LOOK_S = 0.2
_BACK_OFF_S = 1.0  # doubled with each attempt in a row


def main(arguments: Sequence[str]) -> int:
    """Start, watch and start again until the run has ended; 0 done or stopped on request, 1 failed."""
    folder = RunFolder(Path(arguments[0]))
    options = read_options(spec_from_json(read_json(folder.config)).options)
    signal.signal(signal.SIGTERM, lambda *_: folder.stop.touch())
    record = Record(folder)
    held = take_up(folder, options.max_hours and options.max_hours * 3600)
    attempts, reached = 0, -1
    while attempts < _ATTEMPTS:
        code = _attempt(folder, options, held)
        held.note()
        state = read_json(folder.status)
        if state.get("status") in (JobStatus.SUCCEEDED, JobStatus.CANCELLED):
            return 0
        if state.get("status") == JobStatus.FAILED:
            return 1
        if folder.stop.exists():
            Record(folder).status(JobStatus.CANCELLED, "stopped; the last checkpoint is kept", finished=now())
            return 0
        done = state.get("steps_done")
        step = done if isinstance(done, int) else 0
        attempts = 1 if step > reached else attempts + 1
        reached = max(step, reached)
        record.event(f"A worker was lost (exit {code}); starting again from the newest checkpoint.", level="warning")
        time.sleep(_BACK_OFF_S * 2 ** (attempts - 1))
    message = f"Workers were lost {_ATTEMPTS} times in a row without progress; the reason is in {folder.log}."
    record.event(message, level="error")
    Record(folder).status(JobStatus.FAILED, "failed", error=message, finished=now())
    return 1


def _attempt(folder: RunFolder, options: Options, held: Held) -> int:
    """Run the workers once, to their end or to the end of our patience; return the exit code."""
    torchrun = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(options.workers),
        "--max-restarts", "0", "-m", "backends.local.trainer.train", str(folder.path),
    ]  # fmt: skip
    ray = options.engine == "ray"
    child = subprocess.Popen(
        command("workers.ray_attempt", str(folder.path)) if ray else torchrun,
        start_new_session=True,
        env=os.environ | (settings() if ray else {}),
    )
    heard = time.time()
    while (code := child.poll()) is None:
        stopping = folder.stop.exists()
        with contextlib.suppress(OSError):
            heard = max(heard, (folder.stop if stopping else folder.status).stat().st_mtime)
        state = read_json(folder.status)
        holding = state.get("status") == JobStatus.RUNNING
        if held.look(holding) and not stopping:
            hours = (held.limit or 0.0) / 3600
            Record(folder).event(f"Stopping: the workers were held for the {hours:.2f} hours allowed.", level="warning")
            folder.stop.touch()
        if stopping:
            patience = _STOPPING_S if holding else _WAITING_S
        else:
            patience = _LOADING_S if state.get("detail") == LOADING else _SILENT_S
        if time.time() - heard > patience:
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(_LOOK_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # its ranks see that it is gone and end, see world.join
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
