"""Where a model lies: a hub id and a folder stand for themselves, names of ours for folders under the state folder.

A hub id at a revision is written "owner/name@revision".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from backends import Json, ModelNotTunable
from backends.local.folder import RunFolder, home, read_json
from backends.local.options import TINY, Options
from backends.local.pretrained import PRETRAINED, gguf_file, located, make


def base_of(model: str, train_file: Path, seed: int) -> str:
    """Return what the trainer loads for ``model``; a model made on the spot is keyed by its data and seed."""
    if model not in TINY:
        model = located(model)
        folder = Path(model).expanduser()
        return str(folder.absolute()) if folder.is_dir() else model
    digest = hashlib.sha256(f"{seed}\n".encode())
    with train_file.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return str(home() / "models" / f"{_kind(model)}-{digest.hexdigest()[:12]}")


def check_model(model: str) -> None:
    """Refuse what can be neither a hub id, a folder, a GGUF file nor one of the names of ours."""
    path = Path(model).expanduser()
    named = model in TINY or model in PRETRAINED
    if named or (path / "config.json").is_file() or gguf_file(model) is not None:
        return
    if path.exists() or model.startswith(("/", ".", "~")) or model.count("/") > 1:
        raise ModelNotTunable(
            f"{model}: this is no model folder (it has no config.json) and no GGUF file; give a hub id, a folder or a "
            "file."
        )
    if "/" not in model:
        raise ModelNotTunable(
            f"'{model}' is neither a hub id (owner/name) nor a model folder; without a hub there are 'smollm2', a "
            "small real model, and 'tiny', a toy."
        )


def askable(model: str) -> str:
    """Return what the answering process loads for a model's name; it is made first where it has to be."""
    if model not in TINY:
        make(model)
        return located(model)
    found = newest_tiny(model)
    if found is None:
        raise ModelNotTunable(f"'{model}' is made from the training data: launch a run first, then ask its base.")
    return str(found)


def at_revision(base: str, revision: object) -> str:
    """Name a base so that it can be asked at the revision it was trained at."""
    return f"{base}@{revision}" if revision and not Path(base).is_dir() else base


def split_revision(name: str) -> tuple[str, str | None]:
    """Return the base and the revision that ``at_revision`` put together."""
    base, mark, revision = name.rpartition("@")
    return (base, revision) if mark and not Path(name).exists() else (name, None)


def to_load(name: str) -> tuple[str, Options]:
    """Return the base to load for a base or a tuned folder, at the revision and with the trust that its run had.

    Code of a model's own is run only where a run on this machine was told to trust it, for that model and revision.
    """
    adapter = read_json(Path(name) / "adapter_config.json")
    if adapter or Path(name).is_dir():
        chosen = _options(RunFolder(Path(name).parent))
        trusts = bool(chosen.get("trust_remote_code")) or _trusted(name, None)
        revision = chosen.get("revision") or adapter.get("revision")
        if not adapter:
            return name, Options(trust_remote_code=trusts)
        return str(adapter["base_model_name_or_path"]), Options(
            revision=str(revision) if revision else None, trust_remote_code=trusts
        )
    base, at = split_revision(name)
    return base, Options(revision=at, trust_remote_code=_trusted(base, at))


def _trusted(base: str, revision: str | None) -> bool:
    configs = (RunFolder(path.parent) for path in (home() / "runs").glob("*/config.json"))
    return any(
        chosen.get("trust_remote_code") and chosen.get("revision") == revision
        for folder in configs
        if _same(str(read_json(folder.config).get("model")), base) and (chosen := _options(folder))
    )


def _same(one: str, base: str) -> bool:
    return base in (one, str(Path(one).expanduser().absolute()))


def _options(folder: RunFolder) -> Mapping[str, Json]:
    found = read_json(folder.config).get("options")
    return found if isinstance(found, dict) else {}


def newest_tiny(model: str) -> Path | None:
    """Return the model made on the spot most recently; None when there is none yet."""
    made = [path.parent for path in (home() / "models").glob(f"{_kind(model)}-*/config.json")]
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def _kind(model: str) -> str:
    return "tiny-llama" if model == "tiny" else model
