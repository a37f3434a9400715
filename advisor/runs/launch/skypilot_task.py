"""A run as a SkyPilot task: what to rent, what to bring along, how to go on after a lost spot machine, when to end."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import yaml

from advisor.errors import RunError
from advisor.runs.launch.rental_options import Choice
from advisor.runs.launch.submit import Order
from backends import Json, Method

_ROOT = Path(__file__).resolve().parents[3]
_SOURCE = (
    "advisor",
    "backends",
    "tunewise",
    "pyproject.toml",
    "pricing.yaml",
    "README.md",
    "LICENSE",
)  # what pip needs of a clone
_RUNS = "/tunewise-runs"  # the bucket, where checkpoints outlive a machine
_DISK_GB = 256
_LOADS = "import sys, sky; sky.Task.from_yaml(sys.argv[1]); print(sky.__version__)"
_CHECK_S = 180


def task(name: str, order: Order, found: Sequence[Choice], seed: int) -> dict[str, Json]:
    """Return the task that trains ``order`` on the first of the ``found`` machines that SkyPilot can get.

    All choices have one count of GPUs and one way to lie on them. The data and a model folder are uploaded; the run's
    folder is a bucket with a write cache, since our checkpoints are renamed and appended to.
    """
    mounts: dict[str, Json] = {
        f"~/tunewise-data/{place}/{Path(path).name}": str(Path(path).expanduser().absolute())
        for place, path in enumerate(order.data)
    }
    data = list(mounts)
    validation = None
    if order.validation is not None:
        validation = f"~/tunewise-data/validation/{order.validation.name}"
        mounts[validation] = str(order.validation.expanduser().absolute())
    model = order.model
    if Path(model).expanduser().is_dir():
        mounts["~/tunewise-model"] = str(Path(model).expanduser().absolute())
        model = "~/tunewise-model"
    if (_ROOT / "pyproject.toml").is_file():
        mounts |= {f"~/tunewise-source/{part}": str(_ROOT / part) for part in _SOURCE}
    mounts[_RUNS] = {"name": f"tunewise-{name}", "mode": "MOUNT_CACHED"}
    words = _command(order, data, model, validation, found[0], seed)
    accelerators = [f"{choice.accelerator}:{choice.count}" for choice in found]
    return {
        "name": name,
        "resources": {
            "any_of": [{"accelerators": accelerator} for accelerator in accelerators],
            "use_spot": True,
            "disk_size": _DISK_GB,
            "job_recovery": {"strategy": "EAGER_NEXT_REGION", "max_restarts_on_errors": 1},
            "autostop": {"idle_minutes": 10, "down": True},
        },
        "num_nodes": 1,
        "file_mounts": mounts,
        "setup": _setup(order.method),
        "run": f"~/tunewise-env/bin/{words}\n",
    }


def write(path: Path, content: Mapping[str, Json], found: Sequence[Choice]) -> None:
    """Write the task with a line about each choice of machine."""
    lines = [f"# {line}\n" for line in (*map(described, found), "Start it: " + start_command(path, content))]
    text = yaml.dump(dict(content), Dumper=_Readable, sort_keys=False, allow_unicode=True)
    path.write_text("".join(lines) + text, encoding="utf-8")


def described(choice: Choice) -> str:
    """Word a choice: what the step takes, what an hour and the whole run cost."""
    cost = "time unknown" if choice.usd is None or choice.minutes is None else (
        f"about {choice.minutes:,.0f} minutes and ${choice.usd}"
    )  # fmt: skip
    return (
        f"{choice.count} x {choice.accelerator}: {choice.peak_gb:.1f} of {choice.memory_gb:.1f} GB; "
        f"${choice.typical_usd} an hour (${choice.low_usd} to ${choice.high_usd}, read {choice.checked}); {cost}"
    )


def start_command(path: Path, content: Mapping[str, Json]) -> str:
    """Return the command with which a person starts the task: it rents, and costs from then on."""
    return f"sky jobs launch -n {content['name']} {shlex.quote(str(path))}"


def checked(path: Path) -> str | None:
    """Return the version of SkyPilot whose own loader took the file; None where SkyPilot is not installed.

    Its packages clash with ours, so it is asked in the environment that its command lives in. Raises RunError when it
    refuses the file.
    """
    command = shutil.which("sky")
    if command is None:
        return None
    first = Path(command).read_bytes().split(b"\n", 1)[0].decode(errors="replace")
    python = first.removeprefix("#!").strip() if first.startswith("#!") and "python" in first else None
    if python is None:
        return None
    try:
        done = subprocess.run(
            [*shlex.split(python), "-c", _LOADS, str(path)], capture_output=True, text=True, timeout=_CHECK_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"SkyPilot could not check {path}: {error}") from error
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode:
        raise RunError(f"SkyPilot refuses {path}: {said[-1] if said else 'it does not say why'}")
    return said[-1] if said else None


class _Readable(yaml.SafeDumper):
    """Writes scripts as blocks, line by line."""


def _text(dumper: _Readable, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def _setup(method: Method) -> str:
    """Return the lines that install this version of tunewise; the Python that machines come with may be too old."""
    source = '"$HOME/tunewise-source[local]"'
    if not (_ROOT / "pyproject.toml").is_file():
        source = f"'tunewise[local]=={version('tunewise')}'"
    more = " bitsandbytes" if method is Method.QLORA else ""
    return (
        "set -e\n"
        "python3 -m pip install -q --user uv\n"
        "python3 -m uv venv -q --python 3.11 ~/tunewise-env\n"
        f"python3 -m uv pip install -q --python ~/tunewise-env/bin/python {source}{more}\n"
    )


def _command(
    order: Order,
    data: Sequence[str],
    model: str,
    validation: str | None,
    choice: Choice,
    seed: int,
) -> str:
    """Return the launch on the rented machine. Its folder is the same after each recovery, so that it goes on there."""
    asked: dict[str, object] = {
        "--method": order.method,
        "--objective": order.objective,
        "--seed": seed,
        "--held-out": order.held_out,
        "--workers": choice.count if choice.count > 1 else None,
        "--shard": choice.shard if choice.count > 1 else None,
    }
    options: dict[str, Json] = {"folder": f"{_RUNS}/run", **order.options}
    words = ["tunewise", "launch", *data, "--backend", "local", "--model", model]
    words += [word for flag, value in asked.items() if value is not None for word in (flag, str(value))]
    words += _settings(order)
    words += ["--validation", validation] if validation is not None else []
    words += [word for key, value in options.items() if key not in ("workers", "shard")
              for word in ("-o", f"{key}={value}")]  # fmt: skip
    return " ".join(_quoted(word) for word in (*words, "--yes", "--watch"))


def _quoted(word: str) -> str:
    """Quote a word for the shell, but for the home folder that it must still fill in."""
    return f"~/{shlex.quote(word[2:])}" if word.startswith("~/") else shlex.quote(word)


def _settings(order: Order) -> list[str]:
    """Write the hyperparameters that were chosen as the flags of a launch, which are called like them."""
    words: list[str] = []
    for name, value in asdict(order.hyperparameters).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None and name != "seed":
            words += [f"--{flag}", str(value)]
    return words
