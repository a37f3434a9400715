"""One of two ranks that share a split model, run as a program by test_local_workers: very unequal passes, one step."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import torch
import torch.distributed as dist
from transformers import LlamaConfig
from transformers.models.auto import AutoModelForCausalLM

from backends import Objective
from backends.local.trainer import attention, loss
from backends.local.trainer.data import Item
from backends.local.trainer.distributed import World
from backends.local.trainer.loss_mask import Encoded
from backends.local.trainer.microbatch import lay_out
from backends.local.trainer.sharding import shard, whole


def build() -> torch.nn.Module:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def main() -> None:
    dist.init_process_group("gloo", timeout=timedelta(seconds=120))
    world = World(dist.get_rank(), dist.get_world_size())
    loss.LOGITS_AT_ONCE = 1  # 64 supervised tokens in one call of the head: four calls for one rank, one for the other
    items = [
        Item((Encoded(tuple(place * 7 % 90 + 1 for place in range(length)), (0.0,) + (1.0,) * (length - 1), 1, "all"),))
        for length in (200, 30)
    ]
    plain, split = build(), build()
    for model in (plain, split):
        model.set_attn_implementation(attention.NAME)
    expected = sum(loss.sft_loss(plain, loss.pack_batch(item.sequences, torch.device("cpu"))) for item in items)
    expected.backward()
    shard(split, torch.device("cpu"))
    run = SimpleNamespace(
        world=world, packed=True, options=SimpleNamespace(split=True), model=split, device=torch.device("cpu"),
        spec=SimpleNamespace(objective=Objective.SFT),
    )  # fmt: skip
    (one,) = lay_out(run, items, 200)
    mine = loss.sft_loss(split, one.batch)
    mine.backward()
    dist.all_reduce(found := mine.detach().clone())
    torch.testing.assert_close(found, expected.detach())
    wanted = {name: parameter.grad for name, parameter in plain.named_parameters()}
    for name, parameter in split.named_parameters():
        gradient = whole(parameter.grad)
        if world.first:
            torch.testing.assert_close(gradient, wanted[name], msg=name)
        else:
            assert gradient.numel() == 0, "only the first rank has room for all of it"
    print("agreed")


if __name__ == "__main__":
    main()
