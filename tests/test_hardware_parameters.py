"""Parameters of a configuration, held to the model that transformers builds of it: within 1 % for every kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoConfig, OPTConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from advisor.hardware import architecture
from advisor.hardware.models import from_mapping
from advisor.hardware.param_probe import count
from advisor.hardware.parameters import SUMMED, counted


@pytest.mark.parametrize("kind", sorted(SUMMED))
def test_our_sum_is_within_one_percent_of_the_model_where_nobody_is_asked(kind: str) -> None:
    if kind not in CONFIG_MAPPING:
        pytest.skip(f"this transformers has no {kind}")
    config = AutoConfig.for_model(kind).get_text_config().to_dict()
    assert counted(config) is None
    assert from_mapping(config, kind, kind).params == pytest.approx(count(config), rel=0.01)


@pytest.mark.parametrize(
    "kind", ["bloom", "deepseek_v3", "falcon", "gpt_bigcode", "jamba", "mamba2", "opt", "qwen3_5_text", "qwen3_next"]
)
def test_any_other_kind_is_counted_by_transformers_itself(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path))
    config = AutoConfig.for_model(kind).to_dict()
    monkeypatch.setattr("advisor.hardware.parameters._built", lambda asked: str(count(json.loads(asked))))
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = architecture(str(tmp_path / "config.json"))
    assert found is not None and found.params == count(config)


def test_the_count_comes_from_a_process_of_its_own_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path))
    sizes = {"hidden_size": 64, "ffn_dim": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = OPTConfig(**sizes, word_embed_proj_dim=64).to_dict()
    known = count(config)
    assert counted(config) == known
    monkeypatch.setattr("advisor.hardware.parameters._built", lambda asked: pytest.fail("it was asked again"))
    assert counted(config) == known


def test_what_cannot_be_built_is_summed_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path))
    config = AutoConfig.for_model("llama").to_dict() | {"model_type": "nobodys", "auto_map": {}}
    monkeypatch.setattr("advisor.hardware.parameters._built", lambda asked: '"ValueError: unknown"')
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = architecture(str(tmp_path / "config.json"))
    assert found is not None and "its parameters are our own sum" in found.note
