"""Does what a run exports answer as its trainer did: merged, GGUF, Ollama's folder, and two servers.

    python benchmarks/exports.py last [--max-examples 30] [--llama-cpp FOLDER]

Exports the run of this home into a scratch folder, serves it with transformers and with llama.cpp, and puts the rows it
held out to both, greedily. Prints one JSON document. Without --llama-cpp, llama.cpp comes from the package registry;
where it cannot be had the document says so.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import llama_cpp_setup  # noqa: E402

TUNEWISE = (sys.executable, "-m", "advisor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--max-examples", type=int, default=30, help="held-out rows that each server is asked")
    parser.add_argument("--llama-cpp", type=Path, help="a folder with convert_hf_to_gguf.py and llama-server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        document: dict[str, Any] = {"run": arguments.run}
        document["merged"] = export(arguments.run, "--merged", scratch / "merged")
        document["ollama"] = export(arguments.run, "--ollama", scratch / "ollama")
        document["transformers serve"] = verified(arguments, scratch, "transformers")
        try:
            place = arguments.llama_cpp or scratch / "llama.cpp"
            if arguments.llama_cpp is None:
                llama_cpp_setup.fetch(place)
        except llama_cpp_setup.Unavailable as reason:
            document["llama.cpp"] = f"not run: {reason}"
        else:
            gguf = scratch / "model.gguf"
            document["gguf"] = export(arguments.run, "--gguf", gguf, "--installed-in", str(place))
            more = ("--installed-in", str(place), "--gguf", str(gguf))
            document["llama-server"] = verified(arguments, scratch, "llamacpp", *more)
    print(json.dumps(document, indent=1))


def export(run: str, kind: str, out: Path, *more: str) -> dict[str, Any]:
    """Return what the export says of itself, or why it was refused."""
    print(f"export {kind}", file=sys.stderr)
    started = time.monotonic()
    line = [*TUNEWISE, "export", run, kind, str(out), *more, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    seconds = round(time.monotonic() - started, 1)
    if done.returncode:
        return {"refused": done.stderr.strip(), "seconds": seconds}
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    megabytes = round(sum(path.stat().st_size for path in files) / 1e6, 1)
    return {"said": json.loads(done.stdout)["notes"], "megabytes": megabytes, "seconds": seconds}


def verified(arguments: argparse.Namespace, scratch: Path, engine: str, *more: str) -> dict[str, Any]:
    """Return what ``serve --verify`` finds of the run behind a server."""
    print(f"serve --with {engine}", file=sys.stderr)
    with served(arguments.run, engine, scratch / f"{engine}.log", *more) as url:
        line = [*TUNEWISE, "serve", arguments.run, "--verify", url, "--max-examples", str(arguments.max_examples)]
        done = subprocess.run([*line, "--json"], capture_output=True, text=True, cwd=ROOT, check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    found = json.loads(done.stdout)
    return {key: found[key] for key in ("passed", "same", "prompts", "template", "end_of_turn", "cause")}


@contextmanager
def served(run: str, engine: str, log: Path, *more: str) -> Iterator[str]:
    """Serve a run in a process of its own; give its address once it is ready. Exits with the log where it ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as out:
        line = [*TUNEWISE, "serve", run, "--with", engine, "--port", str(port), *more]
        server = subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        while True:
            if server.poll() is not None:
                sys.exit(log.read_text())
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
