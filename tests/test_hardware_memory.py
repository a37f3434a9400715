"""Memory of a training step: sums worked by hand, what must rise and fall, and the real model on the meta device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.errors import WorkloadError
from advisor.hardware import Setup, architecture, fit, gpu, gpus, peak, spread
from advisor.hardware.memory import NF4, NF4_DOUBLE, layer_activations
from advisor.hardware.models import Architecture, like
from advisor.hardware.training_stacks import HF, STACKS
from backends import Method
from backends.local.training_memory import ALL_LINEAR


def shape(model: str) -> Architecture:
    found = architecture(model)
    assert found is not None
    return found


LLAMA, QWEN = shape("meta-llama/Llama-3.1-8B"), shape("Qwen/Qwen3-8B")


def test_llama_8b_lora_by_hand() -> None:
    """LoRA rank 16, one sequence of 2,048 tokens, recomputing: the loss chunk is the peak."""
    memory = peak(LLAMA, Setup(Method.LORA, seq=2048))
    lora = 41_943_040
    expected = {
        "weights": 2 * 8_030_261_248,
        "training states": (2 + 4 + 8) * lora,  # 16-bit adapter, fp32 master, two fp32 moments
        "gradients": 2 * lora,
        "activations": 2 * 4096 * 32 * 2048,  # the input of each of 32 layers
        "logits": 16 * 2**26,  # at most 2^26 logits at a time, fewer than 2,048 x 128,256
    }
    assert {name: round(memory.terms[name] * 1e9) for name in expected} == expected
    assert memory.allocated_gb == pytest.approx(sum(expected.values()) / 1e9)
    assert memory.reserved_gb == pytest.approx(1.06 * sum(expected.values()) / 1e9)
    assert memory.peak_term == "weights"


def test_qwen3_8b_qlora_by_hand() -> None:
    """QLoRA through PEFT: 4-bit linears with double quantisation, embedding and head in fp32."""
    memory = peak(QWEN, Setup(Method.QLORA, seq=1024, quantised=NF4_DOUBLE, stack=HF))
    linears = 36 * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 12288)
    assert QWEN.linear_params == linears == 6_945_767_424
    expected = {
        "weights": (0.5 + 1 / 64 + 4 / 16384) * linears + 4 * (8_190_726_144 - linears),
        "training states": (4 + 8) * 43_646_976,
        "gradients": 4 * 43_646_976,
        "activations": 4 * 4096 * 36 * 1024,
        "logits": 17 * 151_936 * 1024,
    }
    assert {name: memory.terms[name] for name in expected} == pytest.approx(
        {name: value / 1e9 for name, value in expected.items()}
    )
    assert memory.reserved_gb == pytest.approx(1.05 * sum(expected.values()) / 1e9)


def test_full_tuning_of_8b_by_hand() -> None:
    """Full fine-tuning with fp32 masters: 2 + 2 + 4 + 8 bytes, and 2 more in fp32 gradients at the optimiser step."""
    memory = peak(LLAMA, Setup(Method.FULL, seq=1024))
    assert memory.allocated_gb == pytest.approx((2 + 2 + 4 + 8 + 2) * 8.030261248)
    assert memory.terms["optimizer step"] == pytest.approx(2 * 8.030261248)
    assert memory.peak_term == "training states"


def test_saved_activations_by_hand() -> None:
    """Llama-3.1-8B, one layer, one token: norms 8h, attention 4q + 4kv, MLP 6f, inputs of the adapters 4h + 2f."""
    per_token = 8 * 4096 + 4 * 4096 + 4 * 1024 + 6 * 14336 + 4 * 4096 + 2 * 14336
    assert layer_activations(LLAMA, Setup(Method.LORA, seq=1)) == per_token == 184_320
    # PEFT's fp32 adapters keep an fp32 cast for each of q, k, v, gate, up (5h), o (q) and down (f) instead.
    casts = 4 * (5 * 4096 + 4096 + 14336)
    assert layer_activations(LLAMA, Setup(Method.LORA, seq=1, stack=HF)) == 8 * 4096 + 20480 + 6 * 14336 + casts


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("stack", list(STACKS.values()), ids=lambda stack: stack.name)
def test_more_work_never_takes_less_memory(method: Method, checkpointing: bool, stack: object) -> None:
    assert isinstance(stack, type(HF))
    base = Setup(method, seq=1024, micro_batch=2, checkpointing=checkpointing, stack=stack)
    start = peak(LLAMA, base).reserved_gb
    more = [{"seq": 2048}, {"micro_batch": 4}, {"eager": True}, {"width": 4.0}]
    if method is not Method.FULL:
        more += [{"rank": 64}, {"train_embeddings": True}]
    for change in more:
        assert peak(LLAMA, replace(base, **change)).reserved_gb >= start, change  # type: ignore[arg-type]
    less = [{"loss": "fused"}, {"offload": True}, {"optimizer": "adamw_8bit"}, {"targets": frozenset({"q", "v"})}]
    for change in less:
        assert peak(LLAMA, replace(base, **change)).reserved_gb <= start, change  # type: ignore[arg-type]


def test_recomputing_and_quantising_save_memory() -> None:
    long = Setup(Method.LORA, seq=4096, micro_batch=2, checkpointing=False)
    assert peak(LLAMA, replace(long, checkpointing=True)).reserved_gb < 0.5 * peak(LLAMA, long).reserved_gb
    assert peak(LLAMA, Setup(Method.QLORA)).reserved_gb < 0.6 * peak(LLAMA, Setup(Method.LORA)).reserved_gb
    assert NF4_DOUBLE < NF4 < 2


def test_terms_add_up_and_the_peak_is_one_of_them() -> None:
    for model in ("meta-llama/Llama-3.2-1B", "google/gemma-3-4b-it", "Qwen/Qwen3-30B-A3B", "tiny"):
        for method in Method:
            for checkpointing in (False, True):
                memory = peak(shape(model), Setup(method, checkpointing=checkpointing))
                assert sum(memory.terms.values()) == pytest.approx(memory.reserved_gb)
                assert memory.peak_term in memory.terms
                assert all(value >= 0 for value in memory.terms.values())


def test_logits_dominate_a_small_model_with_a_large_vocabulary() -> None:
    memory = peak(shape("Qwen/Qwen2.5-0.5B"), Setup(Method.LORA, seq=4096, micro_batch=2, stack=HF))
    assert memory.peak_term == "logits"
    # Bytes per logit x vocabulary x tokens, exactly.
    assert memory.terms["logits"] == pytest.approx(14 * 151_936 * 8192 / 1e9)


def test_a_planted_unknown_model_is_estimated_from_its_config(tmp_path: Path) -> None:
    """The same numbers under a name nobody knows give the same estimate as the catalogued model."""
    config = {
        "model_type": "qwen3",
        "hidden_size": 4096,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 12288,
        "vocab_size": 151936,
        "tie_word_embeddings": False,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    planted = shape(str(tmp_path))
    setup = Setup(Method.LORA, checkpointing=False)
    assert peak(planted, setup).reserved_gb == pytest.approx(peak(QWEN, setup).reserved_gb, rel=1e-4)


def test_a_size_alone_gives_a_similar_model() -> None:
    seven = like(7e9, "nobody/seven-b")
    assert seven.params == 7_000_000_000 and seven.model == "nobody/seven-b"
    assert "only its size is known" in seven.note
    near = peak(shape("Qwen/Qwen2.5-7B"), Setup(Method.QLORA)).reserved_gb
    assert peak(seven, Setup(Method.QLORA)).reserved_gb == pytest.approx(near, rel=0.35)


def test_several_gpus_share_weights_and_states() -> None:
    alone, shared = Setup(Method.FULL), Setup(Method.FULL, shards=8)
    assert peak(LLAMA, shared).terms["weights"] == pytest.approx(peak(LLAMA, alone).terms["weights"] / 8)
    # Two layers, and embedding and head of 128,256 x 4,096 each, in 16 bits.
    whole = 2 * 2 * LLAMA.linear_params / 32 + 2 * 2 * 128_256 * 4096
    assert peak(LLAMA, shared).terms["gathered layers"] == pytest.approx(whole / 1e9)


def test_gpus_get_copies_where_one_fits_and_shares_where_it_does_not() -> None:
    card = gpu("rtx-4090")
    assert card is not None
    assert (spread(LLAMA, Method.LORA, [card]).workers, spread(LLAMA, Method.QLORA, [card]).shard) == (1, "ddp")
    small = spread(shape("Qwen/Qwen3-0.6B"), Method.LORA, [card] * 4)
    assert (small.workers, small.shard, small.fit.fits) == (4, "ddp", "yes")
    # 14 billion parameters in 16 bits are 29.5 GB: too much for one card of 25.8 GB, a quarter is not.
    large = spread(shape("Qwen/Qwen3-14B"), Method.LORA, [card] * 4)
    assert (large.workers, large.shard, large.fit.fits) == (4, "fsdp", "yes")
    assert large.fit.breakdown["weights"] == pytest.approx(2 * shape("Qwen/Qwen3-14B").params / 4 / 1e9)
    assert spread(shape("Qwen/Qwen3-14B"), Method.FULL, [card] * 2).fit.fits == "no"
    seventy = spread(shape("meta-llama/Llama-3.3-70B-Instruct"), Method.QLORA, [card] * 4)
    assert seventy.workers == 1 and "4-bit base cannot be split" in seventy.reason
    mixed = spread(LLAMA, Method.LORA, [replace(card, memory_gb=12.0), card])
    assert mixed.shard == "fsdp"  # the smallest card decides


def write_config(folder: Path, kind: str, heads: int = 4, **more: int) -> Path:
    content = {
        "model_type": kind,
        "hidden_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "intermediate_size": 320,
        "vocab_size": 500,
        "tie_word_embeddings": False,
        **more,
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        "llama",
        pytest.param("qwen3", marks=pytest.mark.slow),
        pytest.param("gemma2", marks=pytest.mark.slow),
        pytest.param("gemma3_text", marks=pytest.mark.slow),
    ],
)
def test_the_count_of_operations_agrees_with_the_real_model(tmp_path: Path, kind: str) -> None:
    """``--exact`` runs transformers' own code on the meta device: what autograd keeps is what we counted."""
    pytest.importorskip("torch")
    from advisor.hardware.exact import measure

    folder = write_config(tmp_path / kind, kind)
    arch = shape(str(folder))
    measured = measure(str(folder), Method.LORA, rank=4, seq=256)
    counted = layer_activations(arch, Setup(Method.LORA, rank=4, seq=256)) * arch.layers / 256
    # The final norm and the positions' tables are outside the layers: small, and smaller the larger the model.
    assert counted <= measured.saved_per_token <= 1.08 * counted
    assert measured.params == pytest.approx(arch.params, rel=0.01)
    assert measured.trained == 4 * arch.layers * (2 * (128 + 128) + 2 * (128 + 64) + 3 * (128 + 320))


def test_a_measured_model_replaces_the_count(tmp_path: Path) -> None:
    setup = Setup(Method.LORA, checkpointing=False)
    counted = layer_activations(LLAMA, setup) * 32 / setup.tokens
    assert peak(LLAMA, replace(setup, saved_per_token=counted)).reserved_gb == pytest.approx(
        peak(LLAMA, setup).reserved_gb
    )
    doubled = peak(LLAMA, replace(setup, saved_per_token=2 * counted))
    assert doubled.terms["activations"] == pytest.approx(2 * peak(LLAMA, setup).terms["activations"])


def test_exact_says_what_to_do_when_the_model_cannot_be_built(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from advisor.hardware.exact import measure

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-architecture"}))
    with pytest.raises(WorkloadError, match="leave --exact out"):
        measure(str(tmp_path), Method.LORA)


def test_every_gpu_says_where_its_numbers_are_from() -> None:
    for card in gpus():
        assert card.source and card.memory_gb > 0, card.name
        assert card.peak_tflops and card.bandwidth_gbs, card.name


def test_verdict_leaves_the_margin() -> None:
    card = gpu("rtx-4090")
    assert card is not None
    need = peak(LLAMA, Setup(Method.LORA)).reserved_gb
    # Usable is 95 % of what the driver reports, less half a GB; our trainer's margin is 1.12.
    for factor, verdict in ((1.13, "yes"), (1.05, "tight"), (0.95, "no")):
        sized = replace(card, memory_gb=(need * factor + 0.5) / 0.95)
        found = fit(LLAMA, Method.LORA, sized, checkpointing=True)
        assert found.fits == verdict
        assert found.peak_gb == pytest.approx(need + 0.5)
        assert sum(found.breakdown.values()) == pytest.approx(found.peak_gb)


def test_advice_names_changes_that_really_lower_the_peak() -> None:
    card = gpu("rtx-4090")
    assert card is not None
    found = fit(LLAMA, Method.FULL, card)
    assert found.fits == "no" and "training states" in found.advice and "--method qlora" in found.advice
    assert fit(LLAMA, Method.QLORA, card).fits == "yes"
    assert "peak is the process itself (0.5 of " in fit(shape("tiny"), Method.LORA, card, seq=512).advice
    long = fit(LLAMA, Method.LORA, card, seq=32768, micro_batch=1)
    assert long.fits == "no" and "--seq 16384" in long.advice


def test_the_batch_left_open_is_the_fastest_that_fits() -> None:
    card = gpu("a100-80gb")
    assert card is not None
    open_batch = fit(QWEN, Method.LORA, card, micro_batch=None)
    assert open_batch.fits == "yes" and open_batch.tokens_per_s is not None
    for batch in (1, 2, 4, 8):
        for checkpointing in (False, True):
            other = fit(QWEN, Method.LORA, card, micro_batch=batch, checkpointing=checkpointing)
            if other.fits == "yes":
                assert other.tokens_per_s is not None
                assert other.tokens_per_s.mid <= open_batch.tokens_per_s.mid * 1.0001


def test_cards_without_bf16_hold_the_model_in_fp32() -> None:
    old, new = gpu("t4"), gpu("l4")
    assert old is not None and new is not None
    small = shape("Qwen/Qwen3-0.6B")
    assert fit(small, Method.LORA, old).breakdown["weights"] == pytest.approx(4 * small.params / 1e9)
    assert fit(small, Method.LORA, new).breakdown["weights"] == pytest.approx(2 * small.params / 1e9)


def test_all_linear_is_every_projection() -> None:
    assert {"q", "k", "v", "o", "gate", "up", "down"} == ALL_LINEAR
