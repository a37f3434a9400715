"""The plain recipe and the trainer learn the same: losses, gradient norms, and the adapter."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from chat_templates import write_tokenizer
from safetensors.torch import load_file
from transformers import LlamaConfig
from transformers.models.auto import AutoModelForCausalLM

from backends import Hyperparameters, JobSpec, Method
from backends.local.folder import RunFolder, read_lines, write_json
from backends.local.options import Options, spec_to_json
from backends.local.trainer import model as models
from backends.local.trainer import train as trainer
from backends.local.trainer.loss_mask import encode

RECIPE = Path(__file__).parent.parent / "examples" / "plain_lora.py"
CHAT = [
    {"role": "user", "content": "One and two?"},
    {"role": "assistant", "content": "The sum is three."},
    {"role": "user", "content": "And where?"},
    {"role": "assistant", "content": "In hall four."},
]


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_lora", RECIPE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plain_lora"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model of two layers, with a template that marks nothing."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder = write_tokenizer(tmp_path_factory.mktemp("base"), "default system")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    AutoModelForCausalLM.from_config(LlamaConfig(**sizes, vocab_size=330, initializer_range=0.2)).save_pretrained(
        folder
    )
    return folder


def test_the_recipe_is_short_and_needs_nothing_of_ours() -> None:
    text = RECIPE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    assert "import backends" not in text and "from backends" not in text and "from advisor" not in text


def test_the_recipe_learns_the_tokens_that_the_trainer_learns(recipe: ModuleType, base: Path) -> None:
    tokenizer = models.load_tokenizer(str(base), Options())
    ids, learned = recipe.encode(tokenizer, CHAT)
    [ours] = encode(tokenizer, CHAT)
    assert ids.tolist() == list(ours.ids)
    assert learned.tolist() == [weight > 0 for weight in ours.weights]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft's own
def test_losses_gradients_and_adapter_are_the_trainers(recipe: ModuleType, base: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    rows = [[{**CHAT[0], "content": f"One and {'two ' * n}?"}, *CHAT[1 : 2 + 2 * (n % 2)]] for n in range(10)]
    file.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows), encoding="utf-8")
    settings = replace(recipe.Settings(), rank=4, alpha=8, epochs=2, batch_size=4, seed=3)
    tuned, _, noted = recipe.train(str(base), file, settings)
    tuned.save_pretrained(tmp_path / "plain")

    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    chosen = Hyperparameters(
        epochs=2, batch_size=4, learning_rate=1e-3, lora_rank=4, lora_alpha=8, seed=3, evaluations=0
    )
    spec = JobSpec(
        run="r", backend="local", model=str(base), train_file=file, method=Method.LORA, hyperparameters=chosen,
        options={"device": "cpu", "threads": 1},
    )  # fmt: skip
    write_json(folder.config, spec_to_json(spec))
    assert trainer.main([str(folder.path)]) == 0
    steps = [line for _, line in read_lines(folder.metrics) if "train_loss" in line]
    assert len(steps) == len(noted) == 6
    for ours, theirs in zip(steps, noted, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)
    one, two = (load_file(path / "adapter_model.safetensors") for path in (folder.tuned, tmp_path / "plain"))
    assert one.keys() == two.keys()
    learned = max(float(tensor.abs().max()) for name, tensor in one.items() if "lora_B" in name)
    assert all(torch.allclose(one[name], two[name], rtol=1e-3, atol=1e-2 * learned) for name in one)
