"""The parts of the local trainer: masks over several templates, packing, loss parity, checkpoints, the small model."""

from __future__ import annotations

import errno
import json
import math
import random
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from safetensors import SafetensorError
from transformers import (
    AttentionInterface,
    Cohere2Config,
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3MoeConfig,
)
from transformers.models.auto import AutoModelForCausalLM

from advisor.hardware import Setup, lora_params, peak
from advisor.hardware.models import from_mapping
from backends import Hyperparameters, Method, Objective
from backends.local.chat import PLAIN_TEMPLATE, MaskRefused
from backends.local.hyperparameters import settle
from backends.local.inference import worker
from backends.local.inference.generate import generate, generate_all
from backends.local.inference.prefix import read_prefix
from backends.local.options import Options
from backends.local.trainer import attention, checkpoints, memory, tiny
from backends.local.trainer import model as models
from backends.local.trainer.data import DataRefused, Item, hold_out, load
from backends.local.trainer.distributed import World, join
from backends.local.trainer.loss import dpo_loss, pack_batch, pad_batch, sequence_logprobs, sft_loss, token_losses
from backends.local.trainer.loss_mask import Encoded, encode
from backends.local.trainer.memory_warmup import heaviest
from backends.local.trainer.optimizer import Masters, learning_rate_at
from backends.local.trainer.packing import Plan, bucket, pack
from backends.local.trainer.token_cache import load_cached
from backends.local.workers import process

CPU = torch.device("cpu")
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Two and two?"},
    {"role": "assistant", "content": "It is four."},
    {"role": "user", "content": "And three?"},
    {"role": "assistant", "content": "Five then."},
]
TURN = "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
CHATML = (
    "{% for m in messages %}" + TURN + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As Qwen3 does: the reply is opened with an empty thought, and only the last turn keeps it.
THINKING = (
    "{% for m in messages %}{% if m['role'] == 'assistant' and loop.last %}"
    "{{ '<|im_start|>assistant\\n<think></think>' + m['content'] + '<|im_end|>\\n' }}{% else %}" + TURN + "{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As GLM does: nothing ends an answer but the token that opens the next turn.
ENDLESS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHOUTING = CHATML.replace("m['content']", "m['content'] | upper")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small model whose tokenizer was trained on one conversation."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "train.jsonl").write_text(json.dumps({"messages": CHAT}) + "\n")
    tiny.make(folder / "tiny-llama-0", folder / "train.jsonl", 0)
    return folder / "tiny-llama-0"


@pytest.fixture
def tokenizer(made: Path) -> PreTrainedTokenizerBase:
    return models.load_tokenizer(str(made), Options())


def learned(tokenizer: PreTrainedTokenizerBase, sequence: Encoded) -> str:
    return str(tokenizer.decode([i for i, weight in zip(sequence.ids, sequence.weights, strict=True) if weight > 0]))


@pytest.mark.parametrize(
    ("template", "rule", "texts"),
    [
        (tiny.CHAT_TEMPLATE, "marks", ["It is four.<|im_end|>Five then.<|im_end|>"]),
        (CHATML, "prefix", ["It is four.<|im_end|>Five then.<|im_end|>"]),
        (THINKING, "split", ["<think></think>It is four.<|im_end|>", "<think></think>Five then.<|im_end|>"]),
        (ENDLESS, "prefix", ["It is four.<|im_start|>Five then.<|im_start|>"]),
        (PLAIN_TEMPLATE, "marks", ["It is four.<|im_end|>Five then.<|im_end|>"]),
    ],
)
def test_answers_and_their_ends_are_learned_and_nothing_else(
    tokenizer: PreTrainedTokenizerBase, template: str, rule: str, texts: list[str]
) -> None:
    tokenizer.chat_template = template
    sequences = encode(tokenizer, CHAT)
    assert [learned(tokenizer, sequence) for sequence in sequences] == texts
    assert {sequence.rule for sequence in sequences} == {rule}


def test_a_template_that_rewrites_what_is_said_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = SHOUTING
    with pytest.raises(MaskRefused, match="rewrites, the system prompt"):
        encode(tokenizer, CHAT)


def test_a_template_that_refuses_a_role_is_a_sentence(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(MaskRefused, match="System role not supported"):
        encode(tokenizer, CHAT)


@pytest.mark.parametrize("template", [tiny.CHAT_TEMPLATE, CHATML, THINKING])
def test_weights_and_loss_on_choose_the_turns(tokenizer: PreTrainedTokenizerBase, template: str) -> None:
    tokenizer.chat_template = template
    weighed = [dict(turn, weight=0) if index == 2 else turn for index, turn in enumerate(CHAT)]
    only_last = ["".join(learned(tokenizer, one) for one in encode(tokenizer, weighed))]
    only_last.append("".join(learned(tokenizer, one) for one in encode(tokenizer, CHAT, loss_on="last")))
    assert all("Five then." in text and "four" not in text for text in only_last)
    whole = encode(tokenizer, CHAT, loss_on="all")[0]
    assert whole.supervised == len(whole.ids) - 1  # the first token is never predicted
    half = encode(tokenizer, [dict(turn, weight=0.5) if turn["role"] == "assistant" else turn for turn in CHAT])
    assert {weight for one in half for weight in one.weights} == {0.0, 0.5}


def test_tools_and_calls_reach_the_template_as_objects(tokenizer: PreTrainedTokenizerBase) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
    chat: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "text", "text": " up."}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "blue", "tool_call_id": "1"},
        {"role": "assistant", "content": "It is blue."},
    ]
    [sequence] = encode(tokenizer, chat, [{"type": "function", "function": {"name": "look"}}])
    assert learned(tokenizer, sequence) == (
        '<tool_call>{"name": "look", "arguments": {"at": "sky"}}</tool_call><|im_end|>It is blue.<|im_end|>'
    )
    assert "Look up." in tokenizer.decode(sequence.ids) and '"function"' in tokenizer.decode(sequence.ids)


def test_images_are_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(MaskRefused, match="images"):
        encode(tokenizer, [{"role": "user", "content": [{"type": "image_url"}]}, CHAT[2]])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 400))
def test_every_sequence_is_in_exactly_one_pass_within_capacity(lengths: list[int], capacity: int) -> None:
    for groups in (pack(lengths, capacity), bucket(lengths, capacity)):
        assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    assert all(sum(lengths[p] for p in group) <= capacity or len(group) == 1 for group in pack(lengths, capacity))
    assert all(
        max(lengths[p] for p in group) * len(group) <= capacity or len(group) == 1
        for group in bucket(lengths, capacity)
    )


def test_packing_fills_its_bins() -> None:
    chance = random.Random(0)
    lengths = [chance.randint(20, 600) for _ in range(400)]
    bins = pack(lengths, 2048)
    assert sum(lengths) / (len(bins) * 2048) > 0.98


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 4), st.integers(0, 5))
def test_a_plan_shows_every_example_once_an_epoch(examples: int, batch: int, epochs: int, seed: int) -> None:
    plan = Plan(examples, batch, epochs, seed)
    per = plan.steps_per_epoch
    for epoch in range(epochs):
        seen = [index for step in range(epoch * per, (epoch + 1) * per) for index in plan.batch(step)]
        assert sorted(seen) == list(range(examples))
    assert plan.steps == per * epochs


SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,  # large enough that attention matters
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SMALL),
    "qwen3": Qwen3Config(**SMALL, tie_word_embeddings=True),
    "mistral-window": MistralConfig(**SMALL, sliding_window=8),
    "gemma3": Gemma3TextConfig(**SMALL, sliding_window=8, layer_types=["sliding_attention"] * 2 + ["full_attention"]),
    "gemma3-capped-logits": Gemma3TextConfig(**SMALL, final_logit_softcapping=3.0),
    "granite-scaled-logits": GraniteConfig(**SMALL, logits_scaling=4.0),
    "cohere-scaled-logits": Cohere2Config(**SMALL, logit_scale=0.5, layer_types=["full_attention"] * 3),
}


def build(config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(deepcopy(config), dtype=torch.float32).eval()


def sequences(count: int = 6, seed: int = 0) -> list[Encoded]:
    chance = random.Random(seed)
    made = []
    for line in range(count):
        ids = tuple(chance.randint(1, 96) for _ in range(chance.randint(5, 40)))
        made.append(
            Encoded(ids, (0.0,) * 3 + tuple(chance.choice((0.0, 1.0)) for _ in ids[3:-1]) + (1.0,), line, "marks")
        )
    return made


def plain_losses(model: PreTrainedModel, sequence: Encoded) -> torch.Tensor:
    """Return the losses of the supervised tokens by transformers' own forward pass, unpacked."""
    logits = model(input_ids=torch.tensor([sequence.ids])).logits[0].float()
    losses = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(sequence.ids[1:]), reduction="none")
    return losses[torch.tensor(sequence.weights[1:]) > 0]


@pytest.mark.parametrize("name", CONFIGS)
def test_packed_losses_and_gradients_equal_the_plain_forward_pass(name: str) -> None:
    model, parts = build(CONFIGS[name]), sequences()
    expected = torch.cat([plain_losses(model, part) for part in parts])
    expected.sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    for batch, implementation in ((pad_batch(parts, 0, CPU), "sdpa"), (pack_batch(parts, CPU), attention.NAME)):
        model.set_attn_implementation(implementation)
        model.zero_grad()
        losses = token_losses(model, batch)
        torch.testing.assert_close(losses, expected, atol=2e-4, rtol=1e-4)
        losses.sum().backward()
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, atol=2e-3, rtol=2e-3)


def gpt2() -> GPT2Config:
    more = {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.3}
    return GPT2Config(**more, bos_token_id=None, eos_token_id=None)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3", "mistral-window", "gpt2"])
def test_answers_in_a_batch_are_those_given_alone(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Left padding shifts nothing: positions start behind it, whether they turn or are looked up in a table."""
    model = build(gpt2() if name == "gpt2" else CONFIGS[name])
    prompts = [list(part.ids) for part in sequences(9, seed=3)] + [[5]]
    free = [generate(model, tokenizer, prompt, max_tokens=24)[0] for prompt in prompts]
    model.generation_config.eos_token_id = [
        one[len(one) // 2] for one in (free[0], free[3])
    ]  # so that some answers end early
    alone = [generate(model, tokenizer, prompt, max_tokens=24) for prompt in prompts]
    assert len({len(answer) for answer, _ in alone}) > 1 and any(ended for _, ended in alone)
    assert generate_all(model, tokenizer, prompts, max_tokens=24) == alone
    assert generate_all(model, tokenizer, prompts, max_tokens=24, capacity=100) == alone


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3", "mistral-window", "gpt2"])
def test_what_all_prompts_begin_with_is_read_once_and_changes_nothing(
    name: str, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(CONFIGS[name]) if name in CONFIGS else build(gpt2())
    begin = [7, 3, 11, 5] * 10
    parts = [replace(one, ids=(*begin, *one.ids), weights=(*(0.0,) * 40, *one.weights)) for one in sequences(6, seed=4)]
    prompts = [list(part.ids) for part in parts]
    model.generation_config.eos_token_id = [13]
    prefix = read_prefix(model, prompts)
    whole = all(kind == "full_attention" for kind in getattr(model.config, "layer_types", None) or ())
    windowed = getattr(model.config, "sliding_window", None) is not None
    assert (
        (prefix is not None and prefix.ids == begin) if (not windowed and whole) or name == "gpt2" else prefix is None
    )
    monkeypatch.setattr(worker, "encode", lambda _, messages, __, line: [parts[line - 1]])
    examples = [{"messages": [], "tools": []}] * len(parts)
    shared, losses = generate_all(model, tokenizer, prompts, max_tokens=12), worker._score(model, tokenizer, examples)
    for module in ("generate", "worker"):
        monkeypatch.setattr(f"backends.local.inference.{module}.read_prefix", lambda *_, **__: None)
    assert shared == generate_all(model, tokenizer, prompts, max_tokens=12)
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(worker._score(model, tokenizer, examples)))


def test_a_batch_of_answers_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def short_of_memory(model, tokenizer, prompts, max_tokens, temperature, prefix):  # type: ignore[no-untyped-def]
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [(list(prompt), True) for prompt in prompts]

    monkeypatch.setattr("backends.local.inference.generate._batch", short_of_memory)
    prompts = [[number] * (1 + number) for number in range(7)]
    monkeypatch.setattr("backends.local.inference.generate.read_prefix", lambda *_: None)
    found = generate_all(build(CONFIGS["llama"]), None, prompts, max_tokens=1)  # type: ignore[arg-type]
    assert found == [(prompt, True) for prompt in prompts] and sizes == [7, 3, 1, 2, 4, 2, 2]


def test_losses_computed_in_chunks_of_the_head_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, parts = build(CONFIGS["llama"]), sequences(30)
    whole = sft_loss(model, pad_batch(parts, 0, CPU))
    whole.backward()
    gradient = model.lm_head.weight.grad.clone()
    monkeypatch.setattr("backends.local.trainer.loss.LOGITS_AT_ONCE", 1)
    model.zero_grad()
    chunked = sft_loss(model, pad_batch(parts, 0, CPU))
    chunked.backward()
    torch.testing.assert_close(chunked, whole)
    torch.testing.assert_close(model.lm_head.weight.grad, gradient)


def test_a_model_whose_logits_are_made_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.local.trainer.setup import _check_losses

    model, part = build(CONFIGS["granite-scaled-logits"]), sequences()[0]
    _check_losses(model, part, CPU)
    monkeypatch.setattr("backends.local.trainer.loss._DIVIDED", ())
    with pytest.raises(models.ModelRefused, match="'granite' models make the logits"):
        _check_losses(model, part, CPU)


def test_attention_with_capped_scores_is_not_packed() -> None:
    from backends.local.trainer.setup import _choose_packing

    class Padding:
        pad_token_id = 0

    items = [Item((part,)) for part in sequences()]
    capped = build(Gemma2Config(**SMALL, attn_logit_softcapping=50.0))
    packed, why = _choose_packing(capped, items, True, Padding(), CPU)  # type: ignore[arg-type]
    assert not packed and "not exact with this model" in why
    plain = build(CONFIGS["llama"])
    assert _choose_packing(plain, items, True, Padding(), CPU)[0]  # type: ignore[arg-type]
    assert all(parameter.grad is None for parameter in plain.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_that_sees_its_neighbours_is_not_packed(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.local.trainer.setup import _choose_packing

    def neighbours_seen(module, query, *rest, cu_seq_lens_q, **more):  # type: ignore[no-untyped-def]
        return attention.varlen(module, query, *rest, cu_seq_lens_q=cu_seq_lens_q[[0, -1]], **more)

    items = [Item((part,)) for part in sequences()]
    exact, leaky = (build(CONFIGS["llama"]).to(dtype) for _ in range(2))
    assert _choose_packing(exact, items, True, SimpleNamespace(pad_token_id=0), CPU)[0]  # type: ignore[arg-type]
    monkeypatch.setattr(attention, "NAME", "tunewise_leaky")
    AttentionInterface.register("tunewise_leaky", neighbours_seen)
    packed, why = _choose_packing(leaky, items, True, SimpleNamespace(pad_token_id=0), CPU)  # type: ignore[arg-type]
    assert not packed and "losses differ by" in why


def test_the_rounding_of_one_token_is_no_difference_but_that_of_eight_in_a_row_is() -> None:
    """SmolLM2 in bf16, packed: one token moved by 0.24 nats and eight in a row by 0.10 on average."""
    from backends.local.trainer.setup import _SAME_BF16, _difference

    alone = torch.full((60,), 2.0)
    rounded = alone + torch.where(torch.arange(60) % 4 == 0, 0.24, 0.02)
    assert 0.05 < _difference(rounded, alone) < _SAME_BF16
    seen = alone.clone()
    seen[24:27] += 3.0  # the first three tokens of one sequence saw the end of the one before it
    assert _difference(seen, alone) > _SAME_BF16


def test_attention_that_drops_out_is_not_packed() -> None:
    """It does so in training alone, where no comparison of losses would see it."""
    from backends.local.trainer.setup import _choose_packing

    config = GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=256, attn_pdrop=0.1)
    items = [Item((part,)) for part in sequences()]
    packed, why = _choose_packing(build(config), items, True, SimpleNamespace(pad_token_id=0), CPU)  # type: ignore[arg-type]
    assert not packed and "needs more than packed causal attention" in why
    config.attn_pdrop = 0.0
    assert _choose_packing(build(config), items, True, SimpleNamespace(pad_token_id=0), CPU)[0]  # type: ignore[arg-type]


def test_attention_that_knows_no_way_back_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.local.trainer.setup import _choose_packing

    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(context: object, query: torch.Tensor) -> torch.Tensor:
            return query.clone()

        @staticmethod
        def backward(context: object, *gradients: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no backward kernel for this head size")

    def one_way(module, query, *rest, **more):  # type: ignore[no-untyped-def]
        out, nothing = attention.varlen(module, query, *rest, **more)
        return Forward.apply(out), nothing

    monkeypatch.setattr(attention, "NAME", "tunewise_one_way")
    AttentionInterface.register("tunewise_one_way", one_way)
    packed, why = _choose_packing(
        build(CONFIGS["llama"]), [Item((part,)) for part in sequences()], True, SimpleNamespace(pad_token_id=0), CPU
    )  # type: ignore[arg-type]
    assert not packed and "no backward kernel" in why


def test_dpo_starts_at_log_two_and_its_gradient_prefers_the_preferred() -> None:
    model, parts = build(CONFIGS["llama"]), sequences(4)
    batch = pack_batch(parts, CPU)
    model.set_attn_implementation(attention.NAME)
    reference = sequence_logprobs(model, batch).detach()
    for place, part in enumerate(parts):
        assert reference[place].item() == pytest.approx(
            -token_losses(model, pack_batch([part], CPU)).sum().item(), rel=1e-4
        )
    loss, margins = dpo_loss(model, batch, reference, beta=0.1)
    assert loss.item() == pytest.approx(2 * math.log(2)) and margins.abs().max() < 1e-6
    shifted = reference + torch.tensor([-1.0, 1.0, -1.0, 1.0])  # preferred gained 1, the other lost 1
    assert dpo_loss(model, batch, shifted, beta=0.1)[0].item() == pytest.approx(
        2 * math.log(1 + math.exp(-0.2)), rel=1e-4
    )


def test_masters_learn_what_bf16_cannot_hold() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4, dtype=torch.bfloat16))
    masters = Masters({"w": weight}, learning_rate=1e-4, weight_decay=0.0)
    for _ in range(60):  # each step is too small for bf16, whose next number above 1 is 1.0078
        (weight.sum()).backward()
        masters.gather()
        masters.step(1e-4)
    assert masters.masters["w"].mean().item() == pytest.approx(1 - 60e-4, abs=1e-4)
    assert weight[0, 0].item() == pytest.approx(1 - 60e-4, abs=4e-3) and weight[0, 0].item() < 1


def test_the_moments_to_come_are_as_large_as_those_that_come() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4, dtype=torch.bfloat16))
    masters = Masters({"w": weight}, learning_rate=1e-4, weight_decay=0.0)
    assert [(one.dtype, one.shape) for one in masters.moments_to_come()] == [(torch.float32, (4, 4))] * 2
    weight.sum().backward()
    masters.gather()
    masters.step(1e-4)
    assert masters.moments_to_come() == []
    assert sorted(name for name in masters.state()["optimizer"] if "exp_avg" in name) == ["exp_avg:w", "exp_avg_sq:w"]


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate_at(step, steps=100, warmup=10, peak=1.0) for step in range(100)]
    assert rates[0] == 0.1 and max(rates) == rates[10] == 1.0 and rates[-1] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_defaults_are_settled_with_reasons_and_what_was_asked_stays() -> None:
    asked = Hyperparameters(learning_rate=1e-5, batch_size=4)
    found, reasons = settle(
        asked, Method.LORA, Objective.SFT, examples=100, tokens=20_000, context=512, from_scratch=False
    )
    assert (found.learning_rate, found.batch_size, found.epochs, found.max_seq_length) == (1e-5, 4, 3, 512)
    assert len(reasons) == 1 and "3 passes over the data: 75 steps" in reasons[0]


@pytest.mark.parametrize(
    ("parameters", "lora", "full"),
    [(134_515_008, 1e-3, 1e-4), (600_000_000, 5e-4, 5e-5), (8_000_000_000, 3e-4, 3e-5)],
)
def test_the_rate_falls_with_the_size_of_the_model(parameters: int, lora: float, full: float) -> None:
    rates = {
        method: settle(
            Hyperparameters(),
            method,
            Objective.SFT,
            examples=500,
            tokens=90_000,
            context=512,
            from_scratch=False,
            parameters=parameters,
        )[0].learning_rate
        for method in Method
    }
    assert rates == {
        Method.LORA: pytest.approx(lora),
        Method.QLORA: pytest.approx(lora),
        Method.FULL: pytest.approx(full),
    }


def test_long_examples_are_left_out_and_said_never_cut(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    long = [{"role": "user", "content": "many words " * 200}, CHAT[2]]
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"messages": CHAT}) + "\n\n" + json.dumps({"messages": long}) + "\n")
    items, _, left_out = load(path, tokenizer, objective=Objective.SFT, loss_on="assistant", longest=200)
    assert [item.line for item in items] == [1] and left_out and left_out.startswith("1 example is longer than 200")
    assert "line 3" in left_out
    with pytest.raises(DataRefused, match="all are longer than 5 tokens"):
        load(path, tokenizer, objective=Objective.SFT, loss_on="assistant", longest=5)


def test_tokens_are_kept_for_the_same_data_and_settings_alone(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {"input": {"messages": CHAT[:2]}, "preferred_output": [CHAT[2]], "non_preferred_output": [CHAT[4]]}
    path = tmp_path / "pairs.jsonl"
    path.write_text((json.dumps(pair) + "\n") * 3)

    def read(longest: int = 99) -> tuple[list[Item], list[str]]:
        return load_cached(path, tokenizer, objective=Objective.DPO, loss_on="assistant", longest=longest, small=0)

    fresh = read()
    assert fresh == load(path, tokenizer, objective=Objective.DPO, loss_on="assistant", longest=99)
    monkeypatch.setattr("backends.local.trainer.token_cache.load", None)
    assert read() == fresh and len(list((home / "cache").iterdir())) == 1
    with pytest.raises(TypeError):
        read(longest=98)
    tokenizer.chat_template = CHATML
    with pytest.raises(TypeError):
        read()


def test_the_same_seed_holds_the_same_lines_out(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text((json.dumps({"messages": CHAT}) + "\n") * 20)
    items, _, _ = load(path, tokenizer, objective=Objective.SFT, loss_on="assistant", longest=999)
    train, held = hold_out(items, 0.2, seed=1)
    assert len(held) == 4 and len(train) == 16
    assert hold_out(items, 0.2, seed=1)[1] == held != hold_out(items, 0.2, seed=2)[1]


def test_a_torn_checkpoint_is_passed_over_for_the_newest_whole_one(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, {"weights": {"w": torch.full((8,), float(step))}}, {"step": step}, keep=5)
    (tmp_path / "step-00000003" / "weights.safetensors").write_bytes(b"torn")
    (tmp_path / "step-00000004").mkdir()
    found = checkpoints.newest(tmp_path)
    assert found is not None and found[0]["step"] == 2 and found[1]["weights"]["w"][0] == 2
    assert checkpoints.newest(tmp_path / "nowhere") is None


def test_checkpoints_are_bounded_and_the_best_is_kept(tmp_path: Path) -> None:
    for step in range(1, 8):
        checkpoints.save(tmp_path, step, {"weights": {"w": torch.ones(2)}}, {"best_step": min(step, 3)}, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000006", "step-00000007"]


def test_a_full_disk_is_said_and_the_old_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    weights = {"weights": {"w": torch.ones(2)}}
    checkpoints.save(tmp_path, 1, weights, {"step": 1}, keep=2)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(checkpoints.DiskFull, match="Make room, then resume"):
        checkpoints.save(tmp_path, 2, weights, {"step": 2}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoints.valid(tmp_path / "step-00000001")


FULL = "Error while serializing: I/O error: No space left on device (os error 28)"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError(FULL)])
def test_a_disk_that_fills_while_writing_is_said_too(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors tells of a full disk in its own kind of error, which is no OSError."""

    def half_way(tensors: dict[str, torch.Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoints, "save_file", half_way)
    with pytest.raises(checkpoints.DiskFull, match="Make room, then resume"):
        checkpoints.save(tmp_path, 1, {"weights": {"w": torch.ones(2)}}, {}, keep=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["tiny-llama", "tiny-qwen", "tiny-gemma"])
def test_the_small_model_is_the_same_each_time_and_a_normal_folder(kind: str, tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text(json.dumps({"messages": CHAT}) + "\n")
    for name in ("a", "b"):
        tiny.make(tmp_path / f"{kind}-{name}", data, 7)
    first, second = (
        models.load_base(str(tmp_path / f"{kind}-{name}"), torch.float32, CPU, Options()) for name in ("a", "b")
    )
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), second.parameters(), strict=True))
    assert models.is_tiny(first) and models.context_length(str(tmp_path / f"{kind}-a"), Options()) == 2048
    assert not list(tmp_path.glob(".tiny*"))


def test_a_pickle_is_never_loaded(made: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(models.ModelRefused, match="cannot be loaded"):
        models.load_base(str(tmp_path / "model"), torch.float32, CPU, Options())


def test_qlora_without_its_package_is_one_sentence(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(models.ModelRefused, match=r"\[qlora\]"):
        models.load_base(str(made), torch.float32, CPU, Options(), quantize=True)


def test_lora_trains_all_linear_layers_in_the_base_precision() -> None:
    settings = replace(Hyperparameters(), lora_rank=4, lora_alpha=8)
    base = build(CONFIGS["llama"]).to(torch.bfloat16)
    tuned = models.prepare(base, Method.LORA, settings, Options(), "owner/name")
    names = models.trained(tuned)
    assert {name.split(".")[-4] for name in names} >= {"q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"}
    assert {parameter.dtype for parameter in names.values()} == {torch.bfloat16}
    # rank x (in + out) of every linear layer, three layers: q, o 32+32; k, v 32+16; gate, up, down 32+48
    assert sum(parameter.numel() for parameter in names.values()) == 3 * 4 * (2 * 64 + 2 * 48 + 3 * 80)


def test_of_a_model_that_also_sees_only_the_text_part_is_trained(tmp_path: Path) -> None:
    sight = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = Gemma3Config(text_config=SMALL, vision_config={**sight, "image_size": 28, "patch_size": 14})
    model = build(config)
    settings = replace(Hyperparameters(), lora_rank=4, lora_alpha=8)
    tuned = models.prepare(model, Method.LORA, settings, Options(), "owner/name")
    names = models.trained(tuned)
    assert all(".language_model." in name for name in names)
    assert sum(parameter.numel() for parameter in names.values()) == 3 * 4 * (2 * 64 + 2 * 48 + 3 * 80)
    inner, parts = models.causal(tuned).train(), sequences()
    alone = torch.cat([token_losses(inner, pad_batch([part], 0, CPU)) for part in parts])
    inner.set_attn_implementation(attention.NAME)
    torch.testing.assert_close(token_losses(inner, pack_batch(parts, CPU)), alone, atol=2e-4, rtol=1e-4)
    tuned.save_pretrained(tmp_path, save_embedding_layers=False)
    with models.peft_asks_by_an_old_name():
        again = PeftModel.from_pretrained(build(config), str(tmp_path))
    assert len([name for name in again.state_dict() if "lora_" in name]) == len(names)


EIGHT_B = {
    "llama": LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8,
    ),
    "qwen3": Qwen3Config(
        vocab_size=151936, hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128,
    ),
    "mixture": Qwen3MoeConfig(
        vocab_size=151936, hidden_size=2048, num_hidden_layers=48, num_attention_heads=32, num_key_value_heads=4,
        head_dim=128, num_experts=128, num_experts_per_tok=8, moe_intermediate_size=768,
    ),
}  # fmt: skip
GB = 1e9


def needs(config: PreTrainedConfig, method: Method, trained: int, dtype: torch.dtype = torch.bfloat16) -> memory.Needs:
    model = SimpleNamespace(config=config, dtype=dtype)
    return memory.needs_of(model, method, trained, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("name", EIGHT_B)
def test_the_trainer_and_the_estimator_count_the_same_memory(name: str, method: Method, recompute: bool) -> None:
    """What `fit` says of a step beside its weights is what the trainer decides by, term for term."""
    config = EIGHT_B[name]
    arch = from_mapping(config.to_dict(), name, name)
    trained = arch.params if method is Method.FULL else lora_params(arch, 16)
    setup = Setup(method, rank=16, seq=8192, checkpointing=recompute)
    terms = peak(arch, setup).terms
    own = 0 if method is Method.FULL else 2 * trained  # adapters: part of the loaded model here
    estimated = sum(terms[key] for key in terms if key not in ("weights", "fragmentation")) - own / GB
    assert needs(config, method, trained).of(8192, recompute=recompute) / GB == pytest.approx(estimated)


def test_saved_activations_are_those_counted_for_llama_8b() -> None:
    # 32 layers x 184,320 bytes a token, a tenth more measured; logits 16 x 2^26; fp32 master and moments, gradients
    bare = needs(EIGHT_B["llama"], Method.LORA, 1000)
    kept = 1.1 * 184_320 * 4096
    assert bare.of(4096, recompute=False) == pytest.approx((12 + 2) * 1000 + 32 * kept + 16 * 2**26)
    assert bare.of(4096, recompute=True) == pytest.approx((12 + 2) * 1000 + 32 * 8192 * 4096 + 16 * 2**26)
    assert needs(EIGHT_B["llama"], Method.LORA, 1000, torch.float32).states == 8 * 1000  # fp32 is its own master


def test_passes_are_as_large_as_the_room_and_recompute_only_in_need() -> None:
    bare = needs(EIGHT_B["llama"], Method.LORA, 41_943_040)
    choice = {
        budget: memory.choose(bare, memory.Room(budget * GB, 16 * GB), 2048, cpu=False, asked=None, recompute=None)
        for budget in (25, 40, 80, 200)
    }
    assert [choice[budget].recompute for budget in choice] == [True, False, False, False]
    sizes = [choice[budget].tokens for budget in (40, 80, 200)]
    assert 2048 <= sizes[0] < sizes[1] < sizes[2] == 16_384
    for budget in choice:
        room, recompute = memory.Room(budget * GB, 16 * GB), choice[budget].recompute
        assert room.takes(bare.of(choice[budget].tokens, recompute=recompute)), choice[budget]
        larger = bare.of(choice[budget].tokens + 512, recompute=recompute)
        assert choice[budget].tokens == 16_384 or not room.takes(larger)
    none = memory.choose(bare, memory.Room(17 * GB, 16 * GB), 2048, cpu=False, asked=None, recompute=None)
    assert none.recompute and none.tokens == 2048 and "may not fit" in none.reason
    asked = memory.choose(bare, memory.Room(17 * GB, 16 * GB), 2048, cpu=False, asked=9000, recompute=True)
    assert asked.tokens == 9000 and "as asked" in asked.reason
    on_cpu = memory.choose(bare, memory.Room(None), 100, cpu=True, asked=None, recompute=None)
    assert (on_cpu.tokens, on_cpu.recompute) == (512, False)


def test_the_machine_says_what_memory_it_has() -> None:
    room = memory.room_on(CPU)
    assert room.budget is None or 1e8 < room.held < room.budget  # torch and transformers are in it


def test_the_rehearsal_takes_the_longest_examples_of_a_step() -> None:
    items = [Item((Encoded((1,) * length, (1.0,) * length, length, "marks"),)) for length in (5, 9, 30, 20, 8)]
    assert heaviest(items, batch=3, tokens=1000) == [2, 3, 1]
    assert heaviest(items, batch=3, tokens=52) == [2, 3]
    assert heaviest(items, batch=3, tokens=4) == [2]


@pytest.mark.parametrize(
    ("met", "asked", "found"),
    [
        ("gloo", "cpu", "cpu"),
        ("gloo", "mps", "cpu"),
        ("nccl", "cuda", "cuda:3"),  # the one that torchrun's rank, or Ray, has chosen
        ("nccl", "cpu", "cpu"),
    ],
)
def test_each_rank_has_the_device_the_ranks_met_over(
    met: str, asked: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.distributed.get_backend", lambda: met)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 3)
    assert World(1, 2).device(torch.device(asked)) == torch.device(found)
    assert World().device(torch.device("cuda")) == torch.device("cuda")


def test_workers_without_a_gpu_each_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.get_backend", lambda: "gloo")
    with pytest.raises(
        ValueError, match="2 workers need a GPU each, and this machine has 0; use fewer workers, or device=cpu"
    ):
        World(1, 2).device(torch.device("cuda"))


@pytest.mark.parametrize(("asked", "met"), [(None, "nccl"), ("cuda", "nccl"), ("cpu", "gloo")])
def test_ranks_that_shall_not_use_gpus_do_not_meet_over_them(
    asked: str | None, met: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL sums on GPUs alone: over it, ranks on processors could not even wait for each other."""
    said: list[object] = []
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    monkeypatch.setattr("torch.cuda.set_device", said.append)
    monkeypatch.setattr("torch.distributed.init_process_group", lambda backend, **_: said.append(backend))
    assert join(asked) == World(1, 2)
    assert said == ([1, "nccl"] if met == "nccl" else ["gloo"])


def test_the_allocator_grows_in_place_unless_somebody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert process.environment()["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    assert "PYTORCH_ALLOC_CONF" not in process.environment()
