"""Where a model lies: a hub id and a folder stand for themselves, `tiny` is a folder under the state folder.

A hub id at a revision is written "owner/name@revision".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from backends import Json
from backends.local.folder import RunFolder, home, read_json
from backends.local.options import TINY, Options


def base_of(model: str, train_file: Path, seed: int) -> str:
    """Return what the trainer loads for ``model``; a model made on the spot is keyed by its data and seed."""
    if model not in TINY:
        folder = Path(model).expanduser()
        return str(folder.absolute()) if folder.is_dir() else model
    digest = hashlib.sha256(f"{seed}\n".encode())
    with train_file.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return str(home() / "models" / f"{_kind(model)}-{digest.hexdigest()[:12]}")


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
