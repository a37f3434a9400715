"""A tuned model as one GGUF file, written by llama.cpp's own converter: where that is, how it is run, what it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from advisor.errors import RunError
from advisor.runs.run import Run
from advisor.runs.serving.export import merge_into, merged_folder, trainer_folder, tuned_folder
from backends import ModelNotTunable
from backends.local.inference.export import compare

CONVERTER = "convert_hf_to_gguf.py"
_SCRIPT = Path(__file__).with_name("gguf_script.py")


def export_gguf(run: Run, out: Path, place: Path | None) -> tuple[str, ...]:
    """Write the tuned model into the file ``out``, in the precision it has; return what to know about it.

    ``place`` is llama.cpp's folder. Raises RunError when its converter is not there, or refuses the model.
    """
    tuned_folder(run)
    if out.exists():
        raise RunError(f"{out} exists already; name a new file.")
    script = converter(place)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as aside:
        model = merged_folder(run)
        notes: tuple[str, ...] = ()
        if not (model / "config.json").is_file():
            model = Path(aside) / "merged"
            notes = merge_into(run, model)
        made = Path(aside) / "model.gguf"
        _convert(script, model, made)
        notes = (*notes, _compared(run, made))
        made.rename(out)
    return (
        *notes,
        f"Smaller files: llama-quantize {out} SMALLER.gguf Q8_0, then check it with --verify --at-least 0.9.",
    )


def _compared(run: Run, made: Path) -> str:
    """Let the file answer beside what was trained. Raises RunError with the figures where it answers otherwise."""
    try:
        holds, said = compare(trainer_folder(run), made, run.origin.held_out)
    except ModelNotTunable as error:
        return f"Not compared with what was trained, since the file cannot be read back here ({error})."
    if not holds:
        raise RunError(f"The GGUF file does not answer as the trainer did, so it was not kept. {said}")
    return said


def converter(place: Path | None) -> Path:
    """Return llama.cpp's converter, in ``place`` or on the PATH. Raises RunError where there is none."""
    folders = [str(place), str(place / "bin")] if place is not None else ["llama.cpp", os.environ.get("PATH", "")]
    for folder in os.pathsep.join(folders).split(os.pathsep):
        if (Path(folder) / CONVERTER).is_file():
            return Path(folder) / CONVERTER
    where = f"in {place}" if place is not None else "in ./llama.cpp or on the PATH"
    raise RunError(
        f"There is no {CONVERTER} {where}: git clone https://github.com/ggml-org/llama.cpp, then give "
        "--installed-in llama.cpp."
    )


def _convert(script: Path, model: Path, out: Path) -> None:
    line = [_python(script.parent), str(_SCRIPT), str(script), str(model), "--outfile", str(out)]
    line += ["--outtype", _precision(model)]
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode == 0 and out.is_file():
        return
    said = [one.strip() for one in done.stderr.splitlines() if one.strip()]
    last = said[-1] if said else f"it left no message (exit {done.returncode})"
    remedy = "see what it supports with --print-supported-models, or serve the merged model with vllm or transformers."
    if "ModuleNotFoundError" in last or "ImportError" in last:
        folder = script.parent
        remedy = (
            f"give it an environment of its own: python -m venv {folder}/.venv && {folder}/.venv/bin/pip install -r "
            f"{folder}/requirements/requirements-convert_hf_to_gguf.txt"
        )
    raise RunError(f"llama.cpp's converter did not write the model ({last}); {remedy}")


def _python(folder: Path) -> str:
    """Return the Python of llama.cpp's own environment where it has one, else ours."""
    for name in (".venv", "venv", "."):
        found = folder / name / "bin" / "python"
        if found.is_file():
            return str(found)
    return sys.executable


def _precision(model: Path) -> str:
    """Return the precision that loses nothing: fp32 stays fp32, 16 bits stay what they are."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    kind = config.get("dtype") or config.get("torch_dtype")
    return "f32" if kind in ("float32", None) else "auto"
