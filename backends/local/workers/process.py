"""Child processes: the trainer, started detached and asked whether it still lives; and short ones that answer once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from backends import Json, ModelNotTunable
from backends.local.folder import RunFolder, read_json, write_json

# Children of this very process are kept here so that a dead one is reaped instead of staying a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}

_ROOT = Path(__file__).parents[3]  # what holds the package ``backends``


def start(folder: RunFolder, module: str = "trainer.train") -> int:
    """Start the recipe (or ``workers.supervise``) on ``folder``, free of this process; return its process id."""
    run = command(module, str(folder.path))
    with folder.log.open("ab") as log:
        child = subprocess.Popen(
            run,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(),
        )
    _children[child.pid] = child
    write_json(folder.process, {"pid": child.pid, "started": started(child.pid)})
    return child.pid


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs one of our modules with this very Python."""
    return [sys.executable, "-m", f"backends.local.{module}", *arguments]


def environment() -> dict[str, str]:
    """Return the environment of our child processes: ours, able to import us, without telemetry."""
    paths = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),  # waiting threads leave the cores to others
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **_allocator(),
    }


def answer_of(line: list[str], given: str = "") -> dict[str, Json]:
    """Run one of our modules with a question on its standard input; return the JSON object it answers with.

    Raises ModelNotTunable with what it said, or left behind.
    """
    done = subprocess.run(
        line, input=given, capture_output=True, text=True, encoding="utf-8", env=environment(), check=False
    )
    try:
        reply = json.loads(done.stdout)
    except ValueError:
        words = [said.strip() for said in done.stderr.splitlines() if said.strip()]
        last = " | ".join(words[-3:]) or "it left no message (killed, or out of memory)."
        raise ModelNotTunable(f"The process that reads the model ended (exit {done.returncode}): {last}") from None
    if not isinstance(reply, dict) or "error" in reply:
        raise ModelNotTunable(str(reply["error"] if isinstance(reply, dict) else reply))
    return reply


def _allocator() -> dict[str, str]:
    """Let the GPU's memory grow in place, so that passes of many lengths do not tear it up; a choice made stays."""
    if {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} & set(os.environ):
        return {}
    return {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}


def alive(folder: RunFolder) -> bool:
    """Tell whether the trainer of ``folder`` runs: its process id exists and was not given to another process since."""
    record = read_json(folder.process)
    pid = record.get("pid")
    if not isinstance(pid, int):
        return False
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
        return False
    since = started(pid)
    return since is not None and since == record.get("started")


def started(pid: int) -> str | None:
    """Return when process ``pid`` started, as the system words it; None when there is no such process or it is dead."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The command's name stands in brackets and may hold spaces: fields are counted behind the last bracket.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in ("Z", "X") else fields[19]
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
