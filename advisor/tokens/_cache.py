"""Counts made once, kept by the fingerprint of the content: check, plan and launch read a file once."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from advisor.dataset import Dataset
from advisor.dataset.source import Progress
from advisor.paths import home
from advisor.tokens._blocks import examine
from advisor.tokens._conflicts import prompts_at
from advisor.tokens._minhash import Marks
from advisor.tokens._quality import duplicates
from advisor.tokens._tally import MARKS_KEPT, Tally

_MARKS_KEPT = 200_000  # examples (20 MB) whose marks are kept too
OLD = "cl100k_base"  # the encoding of gpt-3.5 and gpt-4, which published bills confirm our counts by
_KEPT = 50  # entries; the oldest go first


def remembered(
    dataset: Dataset, encodings: tuple[str, ...] = (), progress: Progress | None = None, *, marks: bool = False
) -> Tally:
    """Return the tally of the dataset from the cache, or make and keep it; with its ``marks`` where they are needed."""
    path = _path(dataset, encodings)
    richer = _path(dataset, (*encodings, OLD)) if OLD not in encodings else path  # which 'check' has left
    tally = _load(path) or _load(richer)
    if tally is None or (marks and len(tally.marks) < min(tally.examples, MARKS_KEPT)):
        tally = examine(dataset, encodings=encodings, progress=progress)
        tally.repeats = duplicates(tally.marks, dataset.sources, partial(prompts_at, dataset))
        light = replace(tally, marks=Marks()) if len(tally.marks) > _MARKS_KEPT else tally
        _keep(path, light)
    return tally


def is_remembered(dataset: Dataset) -> bool:
    """Tell whether the dataset was counted before, as it is now."""
    return any(_path(dataset, encodings).is_file() for encodings in ((), (OLD,)))


def _path(dataset: Dataset, encodings: tuple[str, ...]) -> Path:
    """Name the entry by the content and by everything that decides how it is read."""
    reading = (
        _code(), dataset.fingerprint, dataset.shape.format.value, sorted(dataset.shape.columns.items()),
        [container.value for container in dataset.containers], sorted(encodings),
        [source.layout for source in dataset.sources], dataset.shape.labels,
        [source.name for source in dataset.sources[1:] and dataset.sources],  # of several files, findings name theirs
    )  # fmt: skip
    return home() / "cache" / f"tally-{hashlib.sha256(repr(reading).encode()).hexdigest()[:32]}.pickle"


@functools.cache
def _code() -> list[tuple[str, int, int]]:
    """Tell this code from any other: what another version counted is not believed."""
    import advisor.dataset

    folders = (Path(advisor.dataset.__file__).parent, Path(__file__).parent)
    files = sorted(path for folder in folders for path in folder.glob("*.py"))
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _load(path: Path) -> Tally | None:
    """Read an entry. The folder is its owner's alone, as the ledger beside it is."""
    try:
        found = pickle.loads(path.read_bytes())
    except Exception:  # noqa: BLE001  a damaged or foreign entry is as good as none
        return None
    return found if isinstance(found, Tally) else None


def _keep(path: Path, tally: Tally) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tally-", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            pickle.dump(tally, stream, protocol=pickle.HIGHEST_PROTOCOL)
        Path(name).replace(path)
        entries = sorted(path.parent.glob("tally-*.pickle"), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-_KEPT]:
            entry.unlink(missing_ok=True)
    except OSError:
        return  # a full disk or a read-only home costs speed, not the answer
