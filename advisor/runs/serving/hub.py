"""A tuned model on its way to the hub of models: what would be sent, to where, and who could see it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import RunError
from advisor.runs.run import Run
from advisor.runs.serving.export import base_of, export_adapter, export_merged, tuned_folder
from advisor.runs.serving.model_card import base_licence, base_name
from backends.huggingface.hub import Hub
from backends.local.inference.export import is_adapter


@dataclass(frozen=True, slots=True)
class Upload:
    """A push that somebody can still refuse. ``files``: name -> bytes; ``is_new``: the repository is made for it."""

    run: str
    name: str
    address: str
    private: bool
    is_new: bool
    files: Mapping[str, int]
    licence: str
    notes: tuple[str, ...]
    folder: Path


@contextmanager
def prepared(run: Run, hub: Hub, name: str, *, public: bool, merged: Path | None) -> Iterator[Upload]:
    """Lay out what would be sent: the adapter and its card, or the whole model, which ``merged`` may hold already.

    Raises RunError where no tuned model is here, and where what is private would get public unasked.
    """
    tuned = tuned_folder(run)
    name = hub.full_name(name)
    is_private = hub.is_private(name)
    if is_private is False and not public:
        raise RunError(f"{name} exists already and is public; add --public, or give another name.")
    beside = merged.parent if merged is not None else None  # files are linked within one file system only
    with tempfile.TemporaryDirectory(prefix="tunewise-", dir=beside) as scratch:
        folder = Path(scratch) / "model"
        notes: tuple[str, ...] = ()
        if merged is not None:
            shutil.copytree(merged, folder, copy_function=_linked)
        else:
            notes = (export_adapter if is_adapter(tuned) else export_merged)(run, folder)
        _without_paths(run, folder)
        yield Upload(
            run=run.id,
            name=name,
            address=hub.address(name),
            private=not public if is_private is None else is_private,
            is_new=is_private is None,
            files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
            licence=base_licence(run.spec.model),
            notes=notes,
            folder=folder,
        )


def push(upload: Upload, hub: Hub) -> None:
    """Send it."""
    hub.publish(upload.folder, upload.name, private=upload.private, message=f"{upload.run}, tuned with tunewise")


def _linked(source: str, target: str) -> None:
    """Lay out a file without a second copy of it, where the file system can."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)


def _without_paths(run: Run, folder: Path) -> None:
    """Name the base as others know it: where it lies on this machine is nobody else's concern, and helps nobody."""
    base, known = json.dumps(base_of(run))[1:-1], json.dumps(base_name(run.spec.model))[1:-1]
    if not Path(base_of(run)).is_absolute():
        return
    for path in folder.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        if base in text:
            path.unlink()  # it may be a link to the file that stays here as it is
            path.write_text(text.replace(base, known), encoding="utf-8")
