"""The plain classifier of a dataset: its score, remembered by the data; the folder it is kept in and asked from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.atomic import write_whole
from advisor.errors import AdvisorError, DataError
from advisor.evaluate.classifier import ClassifierScore, cross_validated, install, is_installed, labelled, trained
from advisor.paths import home
from advisor.recommend import Measurement
from advisor.task import TaskType

if TYPE_CHECKING:
    from advisor.dataset import Dataset
    from advisor.tokens import Profile
    from advisor.workload import Workload

MODEL, SERVER = "classifier.joblib", "serve.py"
_VERSION = 1  # of what is remembered; another way of scoring is another version


def score_of(dataset: Dataset) -> ClassifierScore | None:
    """Return its cross-validated score; None without scikit-learn, or where the data has too little to tell."""
    if not is_installed():
        return None
    try:
        place = home() / "cache" / f"classifier-{_VERSION}-{dataset.fingerprint}.json"
    except AdvisorError:  # a folder for state only makes it faster
        place = None
    with suppress(OSError, ValueError, TypeError):  # a damaged entry is as good as none
        if place is not None and place.is_file():
            known = json.loads(place.read_text(encoding="utf-8"))
            return ClassifierScore(**known) if known else None
    found = cross_validated(*labelled(dataset))
    with suppress(OSError):
        if place is not None:
            place.parent.mkdir(exist_ok=True)
            write_whole(place, json.dumps(asdict(found) if found else None).encode())
    return found


def measured_on(data: Sequence[Path | str], profile: Profile, workload: Workload) -> tuple[Measurement, ...]:
    """Return the score as the advice takes it; none where the data is no classification, or nothing can be told."""
    if not data or not profile.labels or (workload.task or profile.task_type) is not TaskType.CLASSIFICATION:
        return ()
    from advisor.dataset import Dataset

    found = score_of(Dataset.open(*data))
    if found is None or "classifier" in workload.measured:
        return ()
    basis = f"cross-validated on your own {found.examples:,} rows"
    return (Measurement("classifier", found.score, found.low, found.high, basis),)


def write_classifier(dataset: Dataset, folder: Path) -> ClassifierScore | None:
    """Train on all rows and write a folder with the model and a server for it; return its cross-validated score.

    Raises DataError when the folder is there already, when the data has one label, or scikit-learn is missing.
    """
    if not is_installed():
        raise DataError(f"The classifier needs scikit-learn: {install()}")
    if folder.exists():
        raise DataError(f"{folder} exists already; name a new folder.")
    import joblib

    model = trained(*labelled(dataset))
    folder.mkdir(parents=True)
    joblib.dump(model, folder / MODEL)
    shutil.copyfile(Path(__file__).with_name("classifier_server.py"), folder / SERVER)
    return score_of(dataset)


def labels_for(folder: Path, texts: Sequence[str]) -> list[str]:
    """Return the label of each text. Raises DataError where the folder holds no classifier."""
    return [str(label) for label in _loaded(folder).predict(list(texts))]


def _loaded(folder: Path) -> Any:
    if not is_installed():
        raise DataError(f"The classifier needs scikit-learn: {install()}")
    if not (folder / MODEL).is_file():
        raise DataError(f"{folder} holds no {MODEL}; 'tunewise classifier DATA --out {folder}' writes one.")
    import joblib

    return joblib.load(folder / MODEL)
