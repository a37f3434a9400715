"""GGUF: llama.cpp's own converter is found, run in its own Python, and what it refuses is said with a remedy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_export import local_run

from advisor.cli import tunewise
from advisor.errors import RunError
from advisor.runs import Ledger, Run
from advisor.runs.serving import export_gguf
from advisor.runs.serving.gguf import converter
from backends import Method

# As much of llama.cpp's converter as is leant on: its command line, and where it looks a tokenizer up.
CONVERTER = """
import argparse
from pathlib import Path

class ModelBase:
    pass

class TextModel(ModelBase):
    def get_vocab_base_pre(self, tokenizer):
        raise NotImplementedError("BPE pre-tokenizer was not recognized - update get_vocab_base_pre()")

class LlamaModel(TextModel):
    pass

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--outfile", type=Path)
    parser.add_argument("--outtype")
    asked = parser.parse_args()
    words = LlamaModel().get_vocab_base_pre(None)
    asked.outfile.write_text(f"GGUF {words} {asked.outtype} {(Path(asked.model) / 'model.safetensors').read_text()}")
"""


@pytest.fixture
def llama_cpp(tmp_path: Path) -> Path:
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    return folder


def whole_run(tmp_path: Path, **config: object) -> Run:
    """Describe a finished local run that was trained whole."""
    run = local_run(tmp_path)
    tuned = Path(str(run.job.tuned_model))
    (tuned / "adapter_config.json").unlink()
    (tuned / "config.json").write_text(json.dumps({"dtype": "float32", **config}))
    (tuned / "model.safetensors").write_text("weights")
    return replace(run, spec=replace(run.spec, method=Method.FULL))


def test_a_model_made_on_the_spot_is_written_with_the_words_of_gpt2(tmp_path: Path, llama_cpp: Path) -> None:
    out = tmp_path / "out" / "m.gguf"
    run = whole_run(tmp_path, made_on_the_spot=True)
    export_gguf(run, out, llama_cpp)
    assert out.read_text() == "GGUF gpt-2 f32 weights"
    assert [path.name for path in out.parent.iterdir()] == ["m.gguf"]
    with pytest.raises(RunError, match="exists already"):
        export_gguf(run, out, llama_cpp)


def test_nobody_elses_tokenizer_is_guessed_at(tmp_path: Path, llama_cpp: Path) -> None:
    with pytest.raises(RunError, match=r"BPE pre-tokenizer was not recognized.*--print-supported-models"):
        export_gguf(whole_run(tmp_path), tmp_path / "out" / "m.gguf", llama_cpp)
    assert list((tmp_path / "out").iterdir()) == []


def test_packages_the_converter_lacks_get_an_environment_of_their_own(tmp_path: Path, llama_cpp: Path) -> None:
    (llama_cpp / "convert_hf_to_gguf.py").write_text("import a_package_that_nobody_has\n")
    with pytest.raises(RunError, match=r"-m venv .*llama.cpp/.venv && .*requirements-convert_hf_to_gguf.txt"):
        export_gguf(whole_run(tmp_path), tmp_path / "m.gguf", llama_cpp)


def test_the_converter_is_found_on_the_path_or_asked_for(
    tmp_path: Path, llama_cpp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match=r"in ./llama.cpp or on the PATH: git clone"):
        converter(None)
    monkeypatch.setenv("PATH", str(llama_cpp))
    assert converter(None) == llama_cpp / "convert_hf_to_gguf.py"


def test_export_writes_the_file_and_says_how_to_make_it_smaller(tmp_path: Path, llama_cpp: Path) -> None:
    run = whole_run(tmp_path, made_on_the_spot=True)
    Ledger.open().add(run)
    Ledger.open().save(run.job)
    out = tmp_path / "m.gguf"
    done = CliRunner().invoke(
        tunewise, ["export", run.id, "--gguf", str(out), "--installed-in", str(llama_cpp), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["written"] == {"gguf": str(out)}
    assert any("llama-quantize" in note for note in json.loads(done.stdout)["notes"])
