"""Model shapes: the catalogue against its own published totals, siblings of a model, and unknown configurations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.errors import WorkloadError
from advisor.hardware import Setup, architecture, fit, gpu, lora_params, peak
from advisor.hardware.models import catalogue, from_mapping
from backends import Method

# Tuned siblings and repackagings have the shape of their base.
SIBLINGS = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B",
    "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference": "meta-llama/Llama-3.1-8B",
    "unsloth/Llama-3.2-1B-Instruct-bnb-4bit": "meta-llama/Llama-3.2-1B",
    "Qwen/Qwen2.5-7B-Instruct": "Qwen/Qwen2.5-7B",
    "Qwen3-8B": "Qwen/Qwen3-8B",
    "mistralai/Mistral-7B-Instruct-v0.3": "mistralai/Mistral-7B-v0.3",
    "google/gemma-3-4b-pt": "google/gemma-3-4b-it",
}


@pytest.mark.parametrize(("sibling", "base"), SIBLINGS.items())
def test_siblings_have_the_shape_of_their_base(sibling: str, base: str) -> None:
    found = architecture(sibling)
    assert found is not None and found.model == base


def test_every_catalogued_total_is_the_sum_of_its_parts() -> None:
    for arch in catalogue().values():
        # Biases, norms and router extras are what the sum leaves out: never more than half a percent.
        if not arch.hybrid:
            counted = arch.layers * (arch.attention_params + arch.mlp_params) + arch.embedding_params
            assert counted == pytest.approx(arch.params, rel=0.005), arch.model
        assert 0 < arch.linear_params < arch.params, arch.model
        assert arch.source, arch.model
        assert arch.licence or not arch.licence_verified, arch.model


def test_adapter_sizes_are_the_published_ones() -> None:
    # Parameters per rank on all linears, worked by hand: Llama-3.1-8B, one layer:
    # q 4096+4096, k and v 4096+1024 each, o 4096+4096, gate, up and down 4096+14336 each = 81,920; x 32 layers.
    per_layer = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336)
    llama = architecture("meta-llama/Llama-3.1-8B")
    assert llama is not None
    assert lora_params(llama, 16) == 16 * 32 * per_layer == 41_943_040
    qwen = architecture("Qwen/Qwen3-8B")
    assert qwen is not None
    # q 4096+4096, k, v 4096+1024, o 4096+4096, MLP 3 x (4096+12288) = 75,776; x 36 layers x 16.
    assert lora_params(qwen, 16) == 16 * 36 * 75_776 == 43_646_976


def test_an_unknown_id_is_none_and_a_folder_is_read(tmp_path: Path) -> None:
    assert architecture("nobody/NoSuchModel-9000B") is None
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": 100,
        "tie_word_embeddings": False,
        "max_position_embeddings": 512,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    arch = architecture(str(tmp_path))
    assert arch is not None
    # Attention 2 x 64 x (64 + 32), MLP 3 x 64 x 128, twice; embeddings 2 x 100 x 64; norms 64 x 5.
    assert arch.params == 2 * (2 * 64 * 96 + 3 * 64 * 128) + 2 * 100 * 64 + 64 * 5
    assert arch.context == 512


def test_a_config_without_a_needed_field_names_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "llama", "num_attention_heads": 4}))
    with pytest.raises(WorkloadError, match="'hidden_size' is missing"):
        architecture(str(path))
    path.write_text("not json")
    with pytest.raises(WorkloadError, match="cannot be read"):
        architecture(str(path))


def test_experts_count_in_full_for_memory_and_only_the_active_ones_for_work() -> None:
    arch = architecture("Qwen/Qwen3-30B-A3B")
    assert arch is not None
    # The model card's own names: 30.5 billion parameters, 3.3 billion active.
    assert arch.params == pytest.approx(30.5e9, rel=0.01)
    assert arch.active_params == pytest.approx(3.35e9, rel=0.01)
    assert arch.active_linear_params < arch.active_params


@pytest.mark.parametrize(
    ("more", "experts", "active"),
    [
        ({"model_type": "qwen3_moe", "num_experts": 16, "num_experts_per_tok": 4}, 16, 4),
        ({"model_type": "qwen2_moe", "num_experts": 16, "num_experts_per_tok": 4,
          "shared_expert_intermediate_size": 128}, 18, 6),
        ({"model_type": "deepseek_v3", "n_routed_experts": 16, "num_experts_per_tok": 4, "n_shared_experts": 1}, 17, 5),
        ({"model_type": "ernie4_5_moe", "moe_num_experts": 16, "moe_k": 4, "moe_num_shared_experts": 2}, 18, 6),
        ({"model_type": "llama4_text", "num_local_experts": 16, "num_experts_per_tok": 1}, 17, 2),
        ({"model_type": "someone_new", "num_experts": 16}, 16, 16),  # how many work is not said: all, to be safe
        ({"model_type": "hunyuan_v1_dense", "num_experts": 1}, 0, 0),
    ],
)  # fmt: skip
def test_a_mixture_is_read_from_its_config_with_the_experts_that_all_tokens_share(
    more: dict[str, object], experts: int, active: int
) -> None:
    config: dict[str, object] = {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 256, "moe_intermediate_size": 64, "vocab_size": 100,
    }  # fmt: skip
    arch = from_mapping(config | more, "mixture", "here")
    assert (arch.experts, arch.experts_per_token) == (experts, active)
    assert arch.layer.ffn == (64 * active if experts else 256)
    per_layer = 3 * 64 * 64 * experts + 64 * experts if experts else 3 * 64 * 256
    assert arch.linear_params == 2 * (2 * 64 * (64 + 32) + per_layer)


def test_experts_stay_wide_under_a_4_bit_base_and_are_copied_under_adapters() -> None:
    """30.5 billion parameters in 4 bits would be 17 GB; but experts are no linear layers, and only those are packed."""
    arch = architecture("Qwen/Qwen3-30B-A3B")
    card = gpu("rtx-4090")
    assert arch is not None and card is not None
    routed = 48 * 128 * 3 * 2048 * 768
    setup = Setup(Method.QLORA, checkpointing=True)
    terms = peak(arch, setup).terms
    assert terms["weights"] == pytest.approx((2 * routed + 0.5159 * (arch.linear_params - routed)) / 1e9, rel=0.03)
    assert fit(arch, Method.QLORA, card, seq=512).fits == "no"
    kept, again = (peak(arch, replace(setup, checkpointing=flag)).allocated_gb for flag in (False, True))
    assert kept - again > 0.95 * 2 * routed / 1e9 * 46 / 48  # a copy in each layer, or in the one that is recomputed
