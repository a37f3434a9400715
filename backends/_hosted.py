"""What all hosted backends share: the client and its key, how a request is asked, and the order of a launch."""

from __future__ import annotations

import json
import os
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from backends._base import Backend, Hyperparameters, Job, JobEvent, JobSpec, Method, Objective, Save, _discard
from backends._errors import (
    AuthenticationFailed,
    BackendError,
    BackendMissing,
    FileRejected,
    ProviderUnavailable,
    SpecRefused,
)
from backends._files import FILES, content_hash, files_of
from backends._refusals import About, Provider, Unreadable, read, translate

T = TypeVar("T")
REQUEST_TIMEOUT_S = 60.0  # of one read or write, not of a whole upload; the SDK of OpenAI would wait ten minutes
ANSWER_TIMEOUT_S = 600.0  # a long answer comes in one piece
KEYRING_NAME = "tunewise"  # keys are stored under (tunewise, backend name)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A usable state of the weights at ``step``; ``model`` is what ``complete`` or a download asks for."""

    model: str
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


class Connection(Protocol):
    """What a backend holds open: a vendor SDK's client."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)


class Hosted(Backend, Generic[C]):
    """A provider behind an HTTP API. ``timeout_s`` bounds one request; None means the defaults above.

    It owns the order of a launch: look the run up, upload what is missing, create once. A provider says how each of
    these is done in ``connect``, ``find``, ``stored_bytes``, ``upload``, ``delete_file`` and ``create``.
    """

    provider: ClassVar[Provider]
    package: ClassVar[str]  # the vendor SDK
    settings: ClassVar[frozenset[str]]  # the hyperparameters it takes
    option_names: ClassVar[frozenset[str]] = frozenset()
    methods: ClassVar[frozenset[Method]] = frozenset({Method.LORA})
    file_suffixes: ClassVar[tuple[str, ...]] = (".jsonl",)
    most_bytes: ClassVar[int]

    def __init__(
        self, *, timeout_s: float | None = None, retries: int = 2, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.timeout_s = timeout_s
        self.retries = retries  # of requests that cost nothing or next to nothing; never of the one that creates a job
        self.sleep = sleep
        self._opening = threading.RLock()  # answers are asked for from several threads; they share one client
        self._client: C | None = None

    # The connection

    @abstractmethod
    def connect(self) -> C:
        """Import the vendor's SDK and return its client."""

    def client(self) -> C:
        """Return the SDK's client, made on first use. Raises BackendMissing, AuthenticationFailed."""
        with self._opening:
            if self._client is None:
                try:
                    self._client = self.connect()
                except ModuleNotFoundError as error:
                    raise BackendMissing(
                        f"Backend '{self.provider.backend}' needs the package '{error.name}': "
                        f"pip install 'tunewise[{self.package}]'"
                    ) from None
            return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def patience_s(self) -> float:
        """Return how long one read or write may take."""
        return self.timeout_s or REQUEST_TIMEOUT_S

    def key(self) -> str:
        """Return the API key from the environment or the system keyring. Raises AuthenticationFailed without one."""
        found = os.environ.get(self.provider.key_name) or _stored_key(self.provider.backend)
        if not found:
            raise AuthenticationFailed(f"There is no API key for {self.provider.title}. {self.provider.key_advice}")
        return found

    def ask(self, request: Callable[[], T], *, about: About = About.OTHER, paid: bool = False) -> T:
        """Run ``request``, turning any error of the vendor SDK into ours.

        The vendor's error is not chained: it carries the request, and with it the key.
        """
        try:
            return request()
        except BackendError:
            raise
        except Exception as error:
            refusal = read(error)
            if refusal is None:
                raise
            problem = translate(refusal, self.provider, about=about, paid=paid, secret=self.key())
        raise problem

    # The launch

    def submit(self, spec: JobSpec, save: Save = _discard, resume: Job | None = None) -> Job:
        self.check(spec)
        known = self.known(spec, resume)
        job = resume or self.unsent(spec)
        if known is None:
            job = self.create(spec, self._brought(spec, job, save), save)
        else:
            job = replace(known, extra={**job.extra, **known.extra})
        save(job)
        return job

    def known(self, spec: JobSpec, resume: Job | None) -> Job | None:
        """Return the job that an earlier submit created, if it did; ``resume`` may hold what it is recognised by."""
        return self.find(spec)

    def unsent(self, spec: JobSpec) -> Job:
        """Return the job of a run that is not at the provider yet, with what it will be asked for."""
        chosen = self.comparable(spec)
        asked = {name: asdict(chosen)[name] for name in stated(chosen)}
        return Job(spec.run, spec.backend, spec.model, extra={"requested": json.dumps(asked)})

    def comparable(self, spec: JobSpec) -> Hyperparameters:
        """Return the settings that the provider repeats in its job, so that a change of them is noticed."""
        return spec.hyperparameters

    def compared(self, job: Job) -> Job:
        """Return the job with a word in its ``extra`` where the provider trains with other settings than asked for."""
        found = []
        for name, asked in json.loads(job.extra.get("requested", "{}")).items():
            got = getattr(job.accepted, name, None)
            if got is not None and abs(float(got) - float(asked)) > 1e-9 * max(1.0, abs(float(asked))):
                found.append(f"{name}: asked {asked:g}, got {got:g}")
        return replace(job, extra={**job.extra, "changed_by_provider": "; ".join(found)}) if found else job

    @abstractmethod
    def stored_bytes(self, name: str) -> int | None:
        """Return the size of an uploaded file as the provider states it. Raises FileRejected when it is gone."""

    @abstractmethod
    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        """Upload ``path``, or find it there, and return its id under ``key``, with what else is to be kept of it."""

    @abstractmethod
    def delete_file(self, name: str) -> None:
        """Delete an uploaded file."""

    @abstractmethod
    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        """Send the request that creates the job, once; the ids of the files are in ``job.extra``."""

    def delete_uploads(self, job: Job) -> tuple[str, ...]:
        names = tuple(files_of(job).values())
        for name in names:
            self.delete_file(name)
        return names

    def _brought(self, spec: JobSpec, job: Job, save: Save) -> Job:
        """Return ``job`` with the ids of its files, uploading those that the provider does not hold in full."""
        for key, part in FILES:
            path: Path | None = getattr(spec, part)
            if path is None:
                continue
            digest, size = content_hash(path), path.stat().st_size
            name = job.extra.get(key)
            if name and job.extra.get(f"{key}_sha256") == digest and self._holds(name, size):
                continue
            kept = self.upload(spec, key, path)
            if not self._holds(kept[key], size):
                self.delete_file(kept[key])
                raise ProviderUnavailable(
                    f"{path.name} did not arrive at {self.provider.title} in full and was deleted there. Nothing was "
                    "spent; try again."
                )
            job = replace(job, extra={**job.extra, **kept, f"{key}_sha256": digest})
            save(job)
        return job

    def _holds(self, name: str, size: int) -> bool:
        try:
            return self.stored_bytes(name) in (size, None)
        except FileRejected:  # it was deleted, or has expired
            return False

    # What is checked before

    def check(self, spec: JobSpec) -> None:
        """Check what can be checked without asking the provider. Raises SpecRefused."""
        name = self.provider.title
        for option in sorted(set(spec.options) - self.option_names):
            known = f" It knows: {', '.join(sorted(self.option_names))}." if self.option_names else ""
            raise SpecRefused(f"{name} has no option '{option}'.{known}")
        if spec.method not in self.methods:
            offered = " or ".join(sorted(self.methods))
            raise SpecRefused(f"{name} does not train with method '{spec.method}'; choose {offered}.")
        for setting in stated(spec.hyperparameters):
            if setting not in self.settings:
                raise SpecRefused(
                    f"{name} has no setting '{setting}'; leave it out. It takes: {', '.join(sorted(self.settings))}."
                )
        for setting in stated(spec.hyperparameters):
            if spec.method is Method.FULL and setting.startswith("lora_"):
                raise SpecRefused(f"'{setting}' belongs to method lora; leave it out or change the method.")
        for path in filter(None, (spec.train_file, spec.validation_file)):
            self._check_file(path)
        if spec.hyperparameters.dpo_beta is not None and spec.objective is not Objective.DPO:
            raise SpecRefused("dpo_beta belongs to objective dpo; leave it out or change the objective.")

    def _check_file(self, path: Path) -> None:
        name = self.provider.title
        if not path.is_file():
            raise SpecRefused(f"{path}: there is no such file to upload.")
        if path.suffix not in self.file_suffixes:
            raise SpecRefused(
                f"{path}: {name} takes {' or '.join(self.file_suffixes)} files; 'tunewise check --fix' writes one."
            )
        size = path.stat().st_size
        if size == 0:
            raise SpecRefused(f"{path}: the file is empty.")
        if size > self.most_bytes:
            raise SpecRefused(
                f"{path}: {size / 1e9:.2f} GB; {name} takes at most {self.most_bytes / 1e9:.2f} GB in one file."
            )


def _stored_key(backend: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        return None
    try:
        return keyring.get_password(KEYRING_NAME, backend)  # type: ignore[no-any-return]
    except KeyringError:
        return None


def stated(hyperparameters: Hyperparameters) -> tuple[str, ...]:
    """Return the names of the settings that were chosen; ``seed`` always has a value and does not count."""
    return tuple(
        entry.name
        for entry in fields(hyperparameters)
        if entry.name != "seed" and getattr(hyperparameters, entry.name) is not None
    )


def within(name: str, value: float | None, low: float, high: float) -> None:
    """Raise SpecRefused unless ``value`` is None or between the bounds."""
    if value is not None and not low <= value <= high:
        raise SpecRefused(f"{name} = {value} is outside of what is allowed there: {low:g} to {high:g}.")


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def as_dict(found: object) -> dict[str, object]:
    """Return an SDK's reply as the wire had it. Raises Unreadable when it is none, such as a page of HTML."""
    to_dict = getattr(found, "to_dict", None)
    content = to_dict(warnings=False) if to_dict is not None else found
    if not isinstance(content, dict):
        raise Unreadable(f"not a JSON object: {type(found).__name__}")
    return content


def id_of(job: Job) -> str:
    """Return the provider's id of ``job``. Raises SpecRefused before it was submitted."""
    if job.id is None:
        raise SpecRefused(f"Run {job.run} has no job at the provider yet; submit it first.")
    return job.id


def behind(found: Iterable[JobEvent], after: str | None) -> Iterator[JobEvent]:
    """Yield the events that come behind the one called ``after``; all of them when it is not there."""
    events = list(found)
    ids = [event.id for event in events]
    yield from events[ids.index(after) + 1 if after in ids else 0 :]
