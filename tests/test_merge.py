"""Merging: what is written answers as what was trained, or is written finer, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaConfig
from transformers.models.auto import AutoModelForCausalLM

from backends import JobSpec
from backends.local.folder import RunFolder, read_json, write_json
from backends.local.inference import merge as merging
from backends.local.inference.merge import check, merge
from backends.local.inference.proof import Proof
from backends.local.options import spec_to_json
from backends.local.trainer import model as models
from backends.local.trainer import tiny

ROWS = Path(__file__).parent.parent / "examples" / "intents_small.jsonl"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(ROWS.read_text().splitlines(keepends=True)[:4]))
    return path


@pytest.fixture
def run(tmp_path: Path, rows: Path) -> RunFolder:
    """A run on a small base with tied ends, published in bf16, whose adapter changes a layer and the output head."""
    base, folder = tmp_path / "base", RunFolder(tmp_path / "run")
    folder.path.mkdir()
    tokenizer = tiny._tokenizer(rows)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None, initializer_range=0.2,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    with models.peft_asks_by_an_old_name(), pytest.warns(UserWarning, match="tie_word_embeddings"):
        tuned = get_peft_model(model, LoraConfig(r=4, target_modules=["down_proj", "lm_head"], task_type="CAUSAL_LM"))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.3)
    tuned.peft_config["default"].base_model_name_or_path = str(base)
    tuned.save_pretrained(folder.tuned, save_embedding_layers=False)
    tokenizer.save_pretrained(folder.tuned)
    write_json(folder.config, spec_to_json(JobSpec("a-run", "local", str(base), rows)))
    return folder


def test_what_was_learned_for_the_output_head_does_not_change_the_embedding(run: RunFolder, tmp_path: Path) -> None:
    base = str(read_json(run.tuned / "adapter_config.json")["base_model_name_or_path"])
    said = merge(run, tmp_path / "merged")["said"]
    assert "4 of 4 answers as trained" in said
    written = load_file(tmp_path / "merged" / "model.safetensors")
    before = load_file(Path(base) / "model.safetensors")
    torch.testing.assert_close(written["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    assert (written["lm_head.weight"] - written["model.embed_tokens.weight"]).abs().max() > 0.1
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["tie_word_embeddings"] is False
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with models.peft_asks_by_an_old_name(), torch.no_grad(), pytest.warns(UserWarning, match="tie_word_embeddings"):
        trained = PeftModel.from_pretrained(plain, str(run.tuned))
        ids = AutoTokenizer.from_pretrained(base)("where is my book", return_tensors="pt")["input_ids"]
        wanted = trained(input_ids=ids).logits
        found = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)(input_ids=ids).logits
    assert (found - wanted).abs().max() < 0.05 * wanted.abs().max()
    assert check(run, tmp_path / "merged")["holds"]


def test_another_model_in_its_place_is_noticed(run: RunFolder, tmp_path: Path) -> None:
    base = Path(str(read_json(run.tuned / "adapter_config.json")["base_model_name_or_path"]))
    found = check(run, base)
    assert not found["holds"] and "of 4 answers as trained" in found["said"]


def test_where_16_bits_hurt_the_model_is_written_in_fp32_and_where_32_do_not_at_all(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt, whole = Proof(16, 9, 1.27, 1.72), Proof(16, 16, 1.27, 1.27)
    found = iter([hurt, whole, hurt, hurt])
    monkeypatch.setattr(merging, "prove", lambda model, known: next(found))
    said = merge(run, tmp_path / "fine")["said"]
    assert said.startswith(
        "Merged in bf16, the tuned model is damaged: 9 of 16 answers as trained, their loss 1.270 before and 1.720 "
        "after"
    )
    assert {one.dtype for one in load_file(tmp_path / "fine" / "model.safetensors").values()} == {torch.float32}
    with pytest.raises(models.ModelRefused, match="Merging changes the answers: 9 of 16"):
        merge(run, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("same", "after", "holds"), [(16, 1.0, True), (15, 1.019, True), (14, 1.0, False), (16, 1.03, False)]
)
def test_a_proof_holds_by_the_share_of_answers_and_their_loss(same: int, after: float, holds: bool) -> None:
    assert Proof(16, same, 1.0, after).holds is holds
