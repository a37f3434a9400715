"""What all hosted backends share beyond how they are asked: the order of a launch, and whose job is whose."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Generic

from backends._base import Job, JobEvent, JobSpec, JobStatus, Method, Objective, Save, _discard
from backends._errors import FileRejected, ProviderUnavailable, SpecRefused
from backends._files import FILES, content_hash, files_of
from backends._hyperparameters import Hyperparameters, stated
from backends._remote import C, Remote
from backends._replies import Unreadable

DOWNLOAD_S = 6 * 3600.0  # of the weights of the largest models
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A usable state of the weights at ``step``; ``model`` is what ``complete`` or a download asks for."""

    model: str
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


class Hosted(Remote[C], Generic[C]):
    """A provider that trains.

    It owns the order of a launch: look the run up, upload what is missing, create once. A provider says how each of
    these is done in ``connect``, ``find``, ``stored_bytes``, ``upload``, ``delete_file`` and ``create``.
    """

    settings: ClassVar[frozenset[str]]
    option_names: ClassVar[frozenset[str]] = frozenset()
    methods: ClassVar[frozenset[Method]] = frozenset({Method.LORA})
    file_suffixes: ClassVar[tuple[str, ...]] = (".jsonl",)
    most_bytes: ClassVar[int]

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        """Check what can be known without asking; a subclass goes on by asking the provider."""
        self.check(spec)
        return self.key_warnings()

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

    def ours(self, spec: JobSpec, tagged: Iterable[Job]) -> Job | None:
        """Return which of the jobs that carry the run's tag and model is the run's own, the others named in ``twins``.

        One of another file is not. Of several, one that trains or has trained comes before one that ended without a
        model, then the oldest.
        """
        same = [job for job in tagged if self._same_file(job, spec.train_file)]
        lost = (JobStatus.FAILED, JobStatus.CANCELLED)
        same.sort(key=lambda job: (job.status in lost, job.created or _LAST))
        if not same:
            return None
        return replace(same[0], twins=tuple(str(job.id) for job in same[1:]))

    def _same_file(self, job: Job, path: Path) -> bool:
        name = job.extra.get("training_file")
        if not name or not path.is_file():
            return True
        try:
            return self.stored_bytes(name) in (path.stat().st_size, None)
        except FileRejected:  # it was deleted since
            return True

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
        self.check_stated(spec)
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


def within(name: str, value: float | None, low: float, high: float) -> None:
    """Raise SpecRefused unless ``value`` is None or between the bounds."""
    if value is not None and not low <= value <= high:
        raise SpecRefused(f"{name} = {value} is outside the allowed range, {low:g} to {high:g}.")


def later(job: Job, fresh: Job) -> Job:
    """Return ``fresh``, what a reply says of ``job``; an end stays an end. Raises Unreadable when it is another job."""
    if job.id is not None and fresh.id != job.id:
        raise Unreadable(f"it is about another job, {fresh.id}")
    return job if job.status.finished and fresh.status is not job.status else fresh


def same_model(asked: str, stated: str | None) -> bool:
    """Tell whether a job's model may be the one asked for: a provider answers with a date or a version behind it."""
    one, other = asked.lower(), (stated or asked).lower()
    return one.startswith(other) or other.startswith(one) or one.split("/")[-1] == other.split("/")[-1]


def id_of(job: Job) -> str:
    """Return the provider's id of ``job``. Raises SpecRefused before it was submitted."""
    if job.id is None:
        raise SpecRefused(f"Run {job.run} has no job at the provider yet; submit it first.")
    return job.id


def tuned_of(job: Job) -> str:
    """Return the provider's name of the tuned model of ``job``. Raises SpecRefused where there is none."""
    if job.tuned_model is None:
        raise SpecRefused(f"Run {job.run} has no tuned model; wait until it has succeeded.")
    return job.tuned_model


def behind(found: Iterable[JobEvent], after: str | None) -> Iterator[JobEvent]:
    """Yield the events that come behind the one called ``after``; all of them when it is not there."""
    events = list(found)
    ids = [event.id for event in events]
    yield from events[ids.index(after) + 1 if after in ids else 0 :]
