"""Which command of which existing server serves a tuned model: vLLM, llama.cpp or transformers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import RunError
from advisor.runs.run import Run
from advisor.runs.serving.export import base_of, merged_folder, trainer_folder, tuned_folder
from advisor.runs.serving.gguf import converter
from backends import install_extra
from backends.local.inference.export import is_adapter
from backends.local.model_path import split_revision

ENGINES = ("vllm", "llamacpp", "transformers")
_VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what --max-lora-rank takes: vllm/config/lora.py


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve: ``command`` serves at ``url``, where the model is asked for as ``models``.

    ``merges`` is the folder that the merged model has to be written into first, ``converts`` the GGUF file; None when
    it is there or not needed. ``missing`` says what is not installed, and how to get it; None when all can be run.
    """

    engine: str
    command: tuple[str, ...]
    url: str
    models: tuple[str, ...]
    merges: Path | None = None
    converts: Path | None = None
    missing: str | None = None
    notes: tuple[str, ...] = ()


def serving(
    runs: Sequence[Run], engine: str, *, port: int, place: Path | None = None, gguf: Path | None = None
) -> Serving:
    """Return how ``engine`` serves ``runs`` on this machine; ``place`` is the environment or folder it is installed in.

    Raises RunError when it cannot.
    """
    if len({run.id for run in runs}) < len(runs):
        raise RunError("A run is named twice.")
    if len(runs) > 1 and engine != "vllm":
        raise RunError(f"Several runs on one server: only vllm can hold adapters beside each other, not {engine}.")
    if engine == "vllm":
        return _vllm(runs, port, place)
    if engine == "llamacpp":
        return _llamacpp(runs[0], port, place, gguf)
    return _transformers(runs[0], port, place)


def likely_names(run: Run) -> tuple[str, ...]:
    """Return the names a server may know a run's model by: its id, or the folder that transformers serves."""
    return (run.id, str(merged_folder(run)))


def _vllm(runs: Sequence[Run], port: int, place: Path | None) -> Serving:
    program, found = _program("vllm", place)
    tuned = [tuned_folder(run) for run in runs]
    tail = ["--host", "127.0.0.1", "--port", str(port)]
    template = tuned[0] / "chat_template.jinja"
    if template.is_file():  # the base's own may be another, or none
        tail += ["--chat-template", str(template)]
    if (tuned[0] / "generation_config.json").is_file():  # the base's own may lack the end of the template's turns
        tail += ["--generation-config", str(tuned[0])]
    notes = ["vLLM pins its own torch and transformers: keep it in an environment of its own."]
    if len(runs) == 1 and not (is_adapter(tuned[0]) and _plain(tuned[0])):
        merged = merged_folder(runs[0])
        if is_adapter(tuned[0]):
            notes.append(
                "The adapter holds whole layers besides LoRA, which vLLM does not load: the merged model is served."
            )
        command = [program, "serve", str(merged), "--served-model-name", runs[0].id, *tail]
        merges = _to_merge(merged)
    else:
        command, merges = _several(program, runs, tuned, tail), None
    return Serving(
        engine="vllm",
        command=tuple(command),
        url=f"http://127.0.0.1:{port}/v1",
        models=tuple(run.id for run in runs),
        merges=merges,
        missing=None
        if found
        else "vllm is not installed: python -m venv vllm && vllm/bin/pip install vllm, then give --installed-in vllm.",
        notes=tuple(notes),
    )


def _several(program: str, runs: Sequence[Run], tuned: Sequence[Path], tail: Sequence[str]) -> list[str]:
    """Return the command that serves adapters on one base, each under its run's name."""
    bases = {base_of(run) for run in runs}
    if len(bases) > 1:
        raise RunError(f"These runs have different bases, and a server holds one: {', '.join(sorted(bases))}.")
    for run, folder in zip(runs, tuned, strict=True):
        if not (is_adapter(folder) and _plain(folder)):
            raise RunError(f"{run.id} is not a plain LoRA adapter, so it cannot share a server; serve it alone.")
    templates = {_text(folder / "chat_template.jinja") for folder in tuned}
    if len(templates) > 1:
        raise RunError("These runs were trained with different chat templates, and a server has one; serve them alone.")
    rank = max(int(str(_adapter(folder).get("r", 0))) for folder in tuned)
    fitting = next((size for size in _VLLM_RANKS if size >= rank), None)
    if fitting is None:
        raise RunError(f"Rank {rank} is above what vLLM serves ({_VLLM_RANKS[-1]}); serve the merged model.")
    modules = [f"{run.id}={folder}" for run, folder in zip(runs, tuned, strict=True)]
    several = ["--max-loras", str(len(runs))] if len(runs) > 1 else []
    base, revision = split_revision(bases.pop())
    at = ["--revision", revision, "--tokenizer-revision", revision] if revision is not None else []
    if any(run.spec.options.get("trust_remote_code") for run in runs):
        at.append("--trust-remote-code")
    start = [program, "serve", base, *at, "--enable-lora", "--max-lora-rank", str(fitting), *several]
    return [*start, "--lora-modules", *modules, *tail]


def _llamacpp(run: Run, port: int, place: Path | None, gguf: Path | None) -> Serving:
    program, found = _program("llama-server", place)
    tuned = tuned_folder(run)
    file = gguf or trainer_folder(run) / f"{run.id}.gguf"
    missing = None if found else "llama-server is not installed: get llama.cpp, and give --installed-in its folder."
    converts = None if file.is_file() else file
    if converts is not None:
        if gguf is not None:
            raise RunError(f"There is no file {gguf}.")
        try:
            converter(place)
        except RunError as error:
            missing = missing or str(error)
    command = [program, "-m", str(file), "--alias", run.id, "--host", "127.0.0.1", "--port", str(port), "--jinja"]
    template = tuned / "chat_template.jinja"
    if template.is_file():
        command += ["--chat-template-file", str(template)]
    return Serving(
        engine="llamacpp",
        command=tuple(command),
        url=f"http://127.0.0.1:{port}/v1",
        models=(run.id,),
        converts=converts,
        missing=missing,
    )


def _transformers(run: Run, port: int, place: Path | None) -> Serving:
    program, found = _program("transformers", place)
    merged = merged_folder(run)
    needed = [name for name in ("fastapi", "uvicorn", "openai") if importlib.util.find_spec(name) is None]
    missing = None if found else f"transformers is not installed: {install_extra('local', 'serve')}"
    if found and place is None and needed:
        missing = f"'transformers serve' needs {', '.join(needed)}: {install_extra('serve')}"
    return Serving(
        engine="transformers",
        command=(program, "serve", str(merged), "--host", "127.0.0.1", "--port", str(port)),
        url=f"http://127.0.0.1:{port}/v1",
        models=(str(merged),),
        merges=_to_merge(merged),
        missing=missing,
    )


def _program(name: str, place: Path | None) -> tuple[str, bool]:
    """Return the program's path, looked for in ``place``, beside this Python and on PATH, and whether it is there."""
    if place is not None:
        folders = [str(place / "bin"), str(place / "build" / "bin"), str(place)]  # the second: built from source
    else:
        folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return found or name, found is not None


def _to_merge(merged: Path) -> Path | None:
    return None if (merged / "config.json").is_file() else merged


def _plain(tuned: Path) -> bool:
    """Tell whether an adapter is LoRA alone, without layers saved whole."""
    return not _adapter(tuned).get("modules_to_save")


def _adapter(tuned: Path) -> dict[str, object]:
    found = json.loads((tuned / "adapter_config.json").read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
