"""What all rented machines share that run our own trainer: what is installed there, what is started, what it says.

A provider adds how a machine is asked for, how files get there and where it keeps them: the rest of a backend is here.
The other side of it, on the machine, is ``backends.local.workers.rented``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, ClassVar, Generic

from backends._base import Backend, Completion, Job, JobEvent, JobSpec, Json, Message, Method
from backends._errors import SpecRefused
from backends._hosted import Hosted
from backends._hyperparameters import Hyperparameters
from backends._remote import C
from backends._replies import count, moment, number
from backends._rows import RowFormat
from backends._serving import Rate

DATA, KEPT, WORK = (
    "/tunewise/data",
    "/tunewise/keep",
    "/tunewise/run",
)  # of the machine: read only, outlives it, its own
MARK = "tunewise: "  # what begins the lines of the log that are for us
SETUP_MINUTES = 10  # to install the trainer and fetch the model; billed like the training
_SAVING_MINUTES = 5  # before the machine is taken away, in which the last checkpoint is kept
_ROOT = Path(__file__).resolve().parent.parent
_SOURCE = ("advisor", "backends", "tunewise", "pyproject.toml", "pricing.yaml", "README.md", "LICENSE")
_TRAINER = frozenset(
    {"compile", "device", "gradient_checkpointing", "keep", "loss_on", "max_grad_norm", "max_steps"}
    | {"micro_batch_tokens", "precision", "revision", "save_every", "save_seconds", "shard", "target_modules"}
    | {"threads", "workers"}
)


class Rented(Hosted[C], Generic[C]):
    """A place that rents out machines by the minute, on which our own trainer runs."""

    methods: ClassVar[frozenset[Method]] = frozenset(Method)
    settings: ClassVar[frozenset[str]] = frozenset(
        entry.name for entry in fields(Hyperparameters) if entry.name not in ("learning_rate_multiplier", "seed")
    )
    advised: ClassVar[frozenset[str]] = settings - {"learning_rate"}
    option_names: ClassVar[frozenset[str]] = _TRAINER | {"machine", "max_minutes"}
    rows: ClassVar[RowFormat] = RowFormat(
        settings=frozenset({"parallel_tool_calls"}), reasoning="reasoning_content", text=True, images=False
    )
    brings_model: ClassVar[bool] = True
    at_once: ClassVar[int] = 64  # as this machine's own models are asked
    answers_here: ClassVar[bool] = True
    gives_weights: ClassVar[bool] = True
    validation_decides: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    held_beside_minutes: ClassVar[int | None] = SETUP_MINUTES + _SAVING_MINUTES
    most_bytes: ClassVar[int] = 5_000_000_000

    def __init__(self, **given: Any) -> None:
        from backends import get

        super().__init__(**given)
        self._fetching = threading.Lock()  # questions come from several threads; the first of them fetches
        self._fetched = dict[str, str]()
        self._here: Backend = get("local")

    @abstractmethod
    def fetch(self, model: str) -> str:
        """Bring a tuned model here and return its folder; a base, which the local backend finds, stays its name."""

    @abstractmethod
    def machines(self) -> tuple[Rate, ...]:
        """Return what can be rented now, and at which price."""

    def check(self, spec: JobSpec) -> None:
        super().check(spec)
        machine, minutes = spec.options.get("machine"), spec.options.get("max_minutes")
        if not isinstance(machine, str) or not machine:
            raise SpecRefused("No machine to rent was named; add -o machine=NAME.")
        if type(minutes) is not int or minutes <= SETUP_MINUTES + _SAVING_MINUTES:
            least = SETUP_MINUTES + _SAVING_MINUTES + 1
            raise SpecRefused(f"No rental time was given; add -o max_minutes=N, at least {least}.")
        self.trainer_config(spec)

    def choose(self, spec: JobSpec, examples: int, tokens: int) -> Hyperparameters:
        return self._here.choose(spec, examples, tokens)

    def fit_settings(self, chosen: Hyperparameters) -> Hyperparameters:
        return self._here.fit_settings(chosen)

    def trainer_config(self, spec: JobSpec, names: Mapping[str, str] | None = None) -> Mapping[str, Json]:
        """Return the run as the trainer on the machine reads it; ``names`` are those of its files there."""
        names = names or {}
        options = {key: value for key, value in spec.options.items() if key in _TRAINER}
        minutes = spec.options["max_minutes"]
        assert isinstance(minutes, int)
        options |= {"folder": WORK, "max_hours": (minutes - SETUP_MINUTES - _SAVING_MINUTES) / 60}
        there = replace(
            spec,
            backend="local",
            train_file=Path(DATA) / names.get("training_file", "train.jsonl"),
            validation_file=Path(DATA) / names.get("validation_file", "validation.jsonl")
            if spec.validation_file
            else None,
            options=options,
        )
        return self._here.requests(there)[0].body

    def known(self, spec: JobSpec, resume: Job | None) -> Job | None:
        """Return the run's job; a run that broke off goes on in another one, from its last checkpoint."""
        found = self.find(spec)
        goes_on = resume is not None and resume.id is not None
        return None if found and goes_on and found.status.finished and not found.tuned_model else found

    def complete(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Json]] = (),
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> Completion:
        """Ask on this machine: these places train, and answer nothing. A tuned model is fetched first, once."""
        with self._fetching:
            if model not in self._fetched:
                self._fetched[model] = self.fetch(model)
        return self._here.complete(
            self._fetched[model], messages, tools=tools, max_tokens=max_tokens, temperature=temperature, seed=seed
        )

    def close(self) -> None:
        super().close()
        self._here.close()


@dataclass(frozen=True, slots=True)
class Log:
    """What the trainer on the machine has said: its events, and how it stood at the last word."""

    events: tuple[JobEvent, ...]
    state: Mapping[str, Json]

    def on(self, job: Job) -> Job:
        """Return the job with the steps, tokens and settings that the trainer has told."""
        stated, accepted = self.state, self.state.get("accepted")
        missed = stated.get("trained_without")
        known = {entry.name for entry in fields(Hyperparameters)}
        given = {key: value for key, value in accepted.items() if key in known} if isinstance(accepted, dict) else None
        return replace(
            job,
            steps_done=count(stated.get("steps_done")),
            steps_total=count(stated.get("steps_total")),
            trained_tokens=count(stated.get("trained_tokens")),
            train_seconds=number(stated.get("train_seconds")),
            estimated_finish=None if job.status.finished else moment(stated.get("estimated_finish")),
            accepted=Hyperparameters(**given) if given else job.accepted,  # type: ignore[arg-type]
            trained_without=tuple(map(str, missed)) if isinstance(missed, list) else job.trained_without,
        )


def read_log(lines: Iterable[str], job: str) -> Log:
    """Read the log of a machine; what others print there is passed over. Ids of events are of ``job`` alone."""
    events, state = list[JobEvent](), dict[str, Json]()
    for found in _ours(lines):
        if isinstance(found.get("state"), dict):
            state = found["state"]  # type: ignore[assignment]
            continue
        said = found.get("event")
        time = moment(said.get("time")) if isinstance(said, dict) else None
        if not isinstance(said, dict) or time is None:
            continue
        metrics = said.get("metrics")
        numbers = {str(key): number(value) for key, value in metrics.items()} if isinstance(metrics, dict) else {}
        events.append(
            JobEvent(
                id=f"{job}:{said.get('id')}",
                time=time.astimezone(UTC),
                level=str(said.get("level", "info")),
                message=str(said.get("message", "")),
                step=count(said.get("step")),
                metrics={key: value for key, value in numbers.items() if value is not None},
            )
        )
    return Log(tuple({event.id: event for event in events}.values()), state)


def _ours(lines: Iterable[str]) -> Iterator[dict[str, Json]]:
    for line in lines:
        _, found, text = line.partition(MARK)
        if not found:
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def command(lock: str) -> list[str]:
    """Return what the machine runs: our trainer, with exactly the packages of the file ``lock`` of its data folder."""
    with_packages = ["uv", "run", "--no-project", "--python", "3.12", "--with-requirements", f"{DATA}/{lock}"]
    return [*with_packages, "python", "-m", "backends.local.workers.rented"]


def environment(config: Mapping[str, Json], run: str, publish: str) -> dict[str, str]:
    """Return what tells the trainer on the machine what to do; the model goes to the repository ``publish``."""
    order = {"spec": dict(config), "keep": f"{KEPT}/{run}", "publish": publish}
    return {"TUNEWISE_JOB": json.dumps(order), "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@cache
def shipped(method: Method) -> tuple[tuple[str, bytes], ...]:
    """Return the files that a machine installs the trainer by, named by content; the lock comes last.

    A tunewise that was installed from the registry is named by its version; a working copy is shipped whole.
    """
    files = []
    if (_ROOT / "pyproject.toml").is_file():
        content = _archive()
        name = f"source/tunewise-{_digest(content)}.tar.gz"
        files.append((name, content))
        wanted = f"tunewise[local] @ file://{DATA}/{name}"
    else:
        wanted = f"tunewise[local]=={distribution('tunewise').version}"
    extra = "qlora" if method is Method.QLORA else "local"
    lock = "\n".join([wanted.replace("[local]", f"[{extra}]"), *_pins(extra), ""]).encode()
    return (*files, (f"lock/{_digest(lock)}.txt", lock))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _archive() -> bytes:
    """Pack the working copy, byte for byte the same whenever its files are."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for part in _SOURCE:
            for path in sorted([_ROOT / part, *(_ROOT / part).rglob("*")]):
                if not path.is_file() or "__pycache__" in path.parts:
                    continue
                entry = tarfile.TarInfo(f"tunewise/{path.relative_to(_ROOT).as_posix()}")
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as stream:
                    tar.addfile(entry, stream)
    return packed.getvalue()


def _pins(extra: str) -> list[str]:
    """Return every package that the trainer needs at the version it has here; one that is not here is left open."""
    from packaging.requirements import Requirement

    found, todo = dict[str, str](), [("tunewise", frozenset({extra}))]
    seen = set[tuple[str, frozenset[str]]]()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            here = distribution(name)
        except PackageNotFoundError:
            continue
        if name != "tunewise":
            found[name] = here.version.split("+")[0]
        for line in here.requires or ():
            needed = Requirement(line)
            chosen = [{"extra": one} for one in extras] or [{"extra": ""}]
            if needed.marker is None or any(needed.marker.evaluate(one) for one in chosen):
                todo.append((_normal(needed.name), frozenset(needed.extras)))
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
