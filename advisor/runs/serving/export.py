"""Getting a tuned model out of its run: the adapter, a merged model, its card, a folder for Ollama."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import backends
from advisor.dataset import Dataset
from advisor.errors import RunError
from advisor.runs.run import Run
from advisor.runs.serving.model_card import model_card
from advisor.runs.serving.modelfile import limits, modelfile
from backends import Method
from backends.local.chat.messages import turns_of
from backends.local.inference.export import is_adapter, merge, turns

MERGED = "merged"  # the merged model inside a run's folder, where ``serve`` looks for it and puts it


def export_adapter(run: Run, out: Path) -> tuple[str, ...]:
    """Write the run's adapter, fetched from its provider where it lies there, and its card into ``out``.

    Returns what to know about it. Raises RunError where the provider gives out no weights.
    """
    if run.spec.backend != "local":
        return _fetch_adapter(run, out)
    tuned = tuned_folder(run)
    if not is_adapter(tuned):
        raise RunError(f"{run.id} was trained whole (method {run.spec.method}) and has no adapter; use --merged.")
    with _fresh(out) as aside:
        shutil.copytree(tuned, aside, dirs_exist_ok=True)
        names = [path.name for path in tuned.iterdir()]
        _, differ, unread = filecmp.cmpfiles(tuned, aside, names, shallow=False)
        if differ or unread:
            raise RunError(f"The copy is not what was trained ({', '.join([*differ, *unread])}); look at the disk.")
        _write_card(run, aside)
    return (f"It needs its base beside it: {base_of(run)}.",)


def _fetch_adapter(run: Run, out: Path) -> tuple[str, ...]:
    _trained(run)
    place = backends.get(run.spec.backend)
    title = place.provider.title if place.provider else place.name
    if not place.gives_weights:
        raise RunError(
            f"{title} does not hand out weights: the tuned model of {run.id} stays there. --card writes its card."
        )
    if run.spec.method is Method.FULL:
        raise RunError(
            f"{run.id} was trained whole (method {run.spec.method}) and has no adapter; look in {title}'s console."
        )
    with _fresh(out) as aside, closing(place):
        place.download(run.job, aside)
        if not any(aside.rglob("adapter_model.*")):
            raise RunError(f"What {title} gave out for {run.id} holds no adapter_model file; nothing was kept of it.")
        _write_card(run, aside)
    return (f"It needs its base beside it: {base_of(run)}.",)


def export_merged(run: Run, out: Path) -> tuple[str, ...]:
    """Write the tuned model into ``out`` as a whole model with tokenizer and card; return what to know about it."""
    tuned_folder(run)
    with _fresh(out) as aside:
        aside.rmdir()  # the merge makes it
        notes = merge_into(run, aside)
        _write_card(run, aside, whole=True)
    return notes


def merge_into(run: Run, out: Path) -> tuple[str, ...]:
    """Write the merged model alone into the new folder ``out``; return what to know about it."""
    said = merge(trainer_folder(run), out, run.origin.held_out)
    notes = (said,) if said is not None else ()
    if run.spec.method == "qlora":
        return (*notes, "The adapter was trained on a 4-bit base and is merged into the full one: answers may differ.")
    return notes


def export_ollama(run: Run, out: Path) -> tuple[str, ...]:
    """Write ``out``/Modelfile and the merged model beside it; return what the Modelfile cannot express."""
    with _fresh(out) as aside:
        notes = export_merged(run, aside / "model")
        seen = turns(aside / "model")
        text = modelfile(seen, "./model", trained_system(run))
        (aside / "Modelfile").write_text(text, encoding="utf-8")
    return (*notes, *(f"Not expressed in the Modelfile: {said}." for said in limits(seen)))


def export_card(run: Run, out: Path) -> None:
    """Write the card of a run's tuned model, wherever that is, into the file ``out``."""
    _trained(run)
    if out.exists():
        raise RunError(f"{out} exists already; name a new file.")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(model_card(run), encoding="utf-8")


def tuned_folder(run: Run) -> Path:
    """Return the folder of a run's tuned model. Raises RunError where there is none on this machine."""
    tuned = _trained(run)
    if run.spec.backend != "local":
        raise RunError(
            f"{run.id} was trained by {run.spec.backend}: --adapter fetches its adapter where that is given out, "
            f"--card writes its card, and 'tunewise chat {run.id}' asks it. The rest is made of local runs."
        )
    folder = Path(tuned)
    if not folder.is_dir():
        raise RunError(f"The tuned model of {run.id} is gone from {folder}; launch the run again.")
    return folder


def _trained(run: Run) -> str:
    """Return the tuned model of a run as its backend names it. Raises RunError where nothing was trained."""
    if run.rehearses:
        raise RunError(f"{run.id} was a rehearsal of {run.rehearses}: nothing was trained to be exported.")
    if run.job.tuned_model is None:
        raise RunError(f"{run.id} has no tuned model (it is {run.job.status}).")
    return run.job.tuned_model


def trainer_folder(run: Run) -> Path:
    """Return where the local trainer kept the run."""
    return Path(run.job.extra.get("folder", run.folder))


def merged_folder(run: Run) -> Path:
    """Return where a run's merged model lies, or would lie; a run trained whole is merged as it is."""
    tuned = tuned_folder(run)
    return trainer_folder(run) / MERGED if is_adapter(tuned) else tuned


def base_of(run: Run) -> str:
    """Return the base as it can be loaded: a hub id or a folder."""
    return run.job.extra.get("base", run.spec.model)


def trained_system(run: Run) -> str | None:
    """Return the system prompt of the first training example: a tuned model expects what it was trained with."""
    if run.origin.train is None or not run.origin.train.is_file():
        return None
    first = next(iter(Dataset.open(run.origin.train).examples()), None)
    if first is None or first.messages[0]["role"] not in ("system", "developer"):
        return None
    return str(turns_of(first.messages[:1])[0]["content"])


@contextmanager
def _fresh(out: Path) -> Iterator[Path]:
    """Give a new folder that becomes ``out`` when all went well, so that nobody ever finds half an export."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists already and is not empty; name a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield aside
        aside.chmod(0o777 & ~_umask())
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_card(run: Run, folder: Path, *, whole: bool = False) -> None:
    (folder / "README.md").write_text(model_card(run, whole=whole), encoding="utf-8")
