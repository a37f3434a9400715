"""Training settings by the cited rules: enough steps, an explicit rate, a rank that holds the data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.evidence import is_source
from advisor.recommend.hyperparameters import settings_for, settings_reasons
from advisor.tokens import Profile, synthetic
from advisor.workload import DataBlock
from backends import Method, Objective

RANK_16 = 43_646_976  # trainable parameters of a rank-16 adapter on Qwen3-8B, all linear layers


def data(examples: int) -> Profile:
    return synthetic(DataBlock(examples=examples, tokens_per_example=500, output_tokens=80), None)


@pytest.mark.parametrize(
    ("place", "examples", "batch", "epochs"),
    [
        ("openai", 50, 8, 10),  # ceil(100 x 8 / 50) = 16, at most 10
        ("openai", 200, 8, 4),  # ceil(800 / 200)
        ("openai", 1999, 8, 1),
        ("openai", 2000, 16, 1),  # ceil(1600 / 2000)
        ("local", 50, 8, 3),
        ("local", 200, 8, 3),
        ("local", 1000, 8, 1),
        ("local", 2000, 16, 1),
    ],
)
def test_hosted_runs_take_at_least_100_steps_and_local_ones_few_passes(
    place: str, examples: int, batch: int, epochs: int
) -> None:
    found = settings_for(place, Method.LORA, Objective.SFT, data(examples), RANK_16)
    assert (found.batch_size, found.epochs) == (batch, epochs)
    assert place == "local" or epochs == 10 or epochs * examples / batch >= 100


def test_together_always_gets_an_explicit_rate_and_no_batch() -> None:
    lora = settings_for("together", Method.LORA, Objective.SFT, data(5000), None)
    full = settings_for("together", Method.FULL, Objective.SFT, data(5000), None)
    pairs = settings_for("together", Method.LORA, Objective.DPO, data(5000), None)
    assert (lora.learning_rate, full.learning_rate, pairs.learning_rate) == (3e-4, 3e-5, 1e-5)
    assert lora.batch_size is None and lora.lora_rank == 16 and lora.lora_alpha == 32
    assert full.lora_rank is None and full.lora_alpha is None


def test_openai_gets_no_absolute_rate_and_no_rank() -> None:
    found = settings_for("openai", None, Objective.SFT, data(5000), None)
    assert (found.learning_rate, found.lora_rank, found.epochs, found.batch_size) == (None, None, 1, 16)


def test_preference_tuning_at_home_leaves_the_rate_to_the_trainer() -> None:
    found = settings_for("local", Method.LORA, Objective.DPO, data(5000), RANK_16)
    assert found.learning_rate is None and found.dpo_beta is None
    assert "preference-tuning settings" in settings_reasons("local", Method.LORA, Objective.DPO, found)[2].text


@pytest.mark.parametrize(("trained", "rank"), [(400_000, 16), (50_000_000, 32), (90_000_000, 64), (10**9, 64)])
def test_the_rank_grows_with_the_trained_tokens(trained: int, rank: int) -> None:
    profile = replace(data(5000), trained_tokens={"o200k_base": trained})
    assert settings_for("local", Method.LORA, Objective.SFT, profile, RANK_16).lora_rank == rank


@pytest.mark.parametrize("place", ["local", "together", "openai", "tinker"])
def test_every_setting_is_explained_with_a_source(place: str) -> None:
    found = settings_for(place, Method.LORA, Objective.SFT, data(500), RANK_16)
    reasons = settings_reasons(place, Method.LORA, Objective.SFT, found)
    assert len(reasons) >= 2 and all(is_source(reason.source) for reason in reasons)
