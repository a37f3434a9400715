"""Checkpoints that are either whole or not there: written aside, synced, renamed, and proved by a sha256 manifest."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from backends import Json

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]


class DiskFull(Exception):
    """There is no room for the next checkpoint; the ones before it are whole."""


def save(folder: Path, step: int, parts: Mapping[str, Tensors], state: Mapping[str, Json], *, keep: int) -> Path:
    """Write a checkpoint of ``parts`` (each a safetensors file) and ``state``; then drop the oldest beyond ``keep``.

    A checkpoint that a kept one calls its ``best_step`` stays. Raises DiskFull before anything whole is touched.
    """
    final = folder / f"step-{step:08d}"
    aside = folder / f".writing-{step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".writing-*"):
        shutil.rmtree(leftover)  # of a killed writer
    _need_room(folder, sum(tensor.nbytes for tensors in parts.values() for tensor in tensors.values()))
    aside.mkdir()
    try:
        for name, tensors in parts.items():
            save_file(
                {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()},
                aside / f"{name}.safetensors",
            )
        (aside / "state.json").write_text(json.dumps(dict(state), indent=1), encoding="utf-8")
        manifest = {path.name: _digest(path) for path in sorted(aside.iterdir())}
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in [*aside.iterdir(), aside]:
            _sync(path)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        if is_full(error):
            raise DiskFull(full(folder)) from error
        raise
    if final.exists():
        shutil.rmtree(final)
    aside.rename(final)
    _sync(folder)
    _prune(folder, keep)
    return final


def newest(folder: Path) -> tuple[dict[str, Json], dict[str, Tensors]] | None:
    """Return state and parts of the newest checkpoint that is whole; None when there is none."""
    for path in reversed(_all(folder)):
        if valid(path):
            return _state(path), read(path)
    return None


def read(path: Path) -> dict[str, Tensors]:
    """Return the parts of one checkpoint."""
    return {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}


def at(folder: Path, step: int) -> Path:
    """Return where the checkpoint of ``step`` lies."""
    return folder / f"step-{step:08d}"


def valid(path: Path) -> bool:
    """Tell whether every file of the manifest is there with the content it was written with."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        return bool(manifest) and all(_digest(path / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _state(path: Path) -> dict[str, Json]:
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    assert isinstance(state, dict)
    return state


def _prune(folder: Path, keep: int) -> None:
    """Keep the newest ``keep`` whole checkpoints, and the best ones they name."""
    whole = [path for path in _all(folder) if (path / "manifest.json").exists()]
    kept = set(whole[-max(keep, 1) :])
    kept |= {at(folder, best) for path in list(kept) if isinstance(best := _state(path).get("best_step"), int)}
    for path in _all(folder):
        if path not in kept:
            shutil.rmtree(path)


def _need_room(folder: Path, nbytes: int) -> None:
    if shutil.disk_usage(folder).free < nbytes * 1.05 + 1e6:
        raise DiskFull(full(folder))


def is_full(error: BaseException) -> bool:
    """Tell whether writing failed for want of room; safetensors says it in words alone."""
    numbers = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, SafetensorError):
        return any(f"(os error {number})" in str(error) for number in numbers)
    return isinstance(error, OSError) and error.errno in numbers


def full(folder: Path) -> str:
    """Say that there is no room, and the way on."""
    return f"The disk of {folder} is full. Make room, then resume; the checkpoints already written are intact."


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
