"""Export: the card says what the run knows and no more; Ollama's Modelfile writes what the chat template writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hosted_stage import hosted
from test_local import rows, write
from test_runs_ledger import a_run
from transformers import LlamaConfig, PreTrainedTokenizerBase
from transformers.models.auto import AutoModelForCausalLM

from advisor.cli import tunewise
from advisor.errors import RunError
from advisor.runs import Ledger, Run
from advisor.runs.serving.export import export_adapter, export_card, export_merged, tuned_folder
from advisor.runs.serving.model_card import base_licence, model_card
from advisor.runs.serving.modelfile import limits, modelfile
from backends import JobStatus, Method
from backends.local.inference.chat_template import describe, end_of_turn, ends_of, ready_to_serve, shape_of
from backends.local.inference.export import Shape, Turns
from backends.local.trainer import tiny
from backends.local.trainer.loss_mask import template_of

HEADERS = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start|>' + message['role'] + '<|stop|>\n\n' + message['content'] | trim + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|stop|>\n\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}"
    "{{ '<' + message['role'] + '>' + message['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
FOLDED = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}"
    "{% for message in rest %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + (first if loop.first else '') + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + '<|im_end|>' }}{% endif %}{% endfor %}"
)
TALKS = [
    [("system", "Rules."), ("user", "One\n\nline?")],
    [("user", "Hello")],
    [("user", "Hello"), ("assistant", "Yes."), ("user", "More?")],
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return tiny._tokenizer(write(tmp_path_factory.mktemp("words") / "train.jsonl", rows(20, 1)))


def as_ollama(template: str, system: str | None, talk: list[tuple[str, str]]) -> str:
    """Write a conversation as Ollama does with the few Go constructs that we use."""
    if system is not None and talk[0][0] != "system":
        talk = [("system", system), *talk]
    matched = re.fullmatch(r"(.*?){{ range \.Messages }}(.*){{ end }}{{ end }}(.*?)", template, re.DOTALL)
    assert matched is not None
    cases = re.split(r'{{ (?:else )?if eq \.Role "(\w+)" }}', matched[2])[1:]
    by_role = dict(zip(cases[::2], cases[1::2], strict=True))
    return matched[1] + "".join(by_role[role].replace("{{ .Content }}", said) for role, said in talk) + matched[3]


@pytest.mark.parametrize("template", [tiny.CHAT_TEMPLATE, HEADERS, DEFAULT_SYSTEM], ids=["own", "headers", "default"])
def test_the_modelfile_writes_conversations_as_the_chat_template_does(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, template: str
) -> None:
    tokenizer.chat_template = template
    tokenizer.bos_token = "<|im_start|>" if template == HEADERS else None
    found = turns_of(tokenizer, tmp_path)
    written = modelfile(found, "./model", None)
    (go,) = re.findall(r'TEMPLATE """(.*?)"""', written, re.DOTALL)
    system = re.findall(r'SYSTEM """(.*?)"""', written, re.DOTALL)
    for talk in TALKS:
        ours = as_ollama(go, system[0] if system else None, talk)
        assert ours == template_of(tokenizer).prompt([{"role": role, "content": said} for role, said in talk])
    assert system == (["Be kind."] if template == DEFAULT_SYSTEM else [])
    assert 'PARAMETER stop "<|im_end|>"' in written.splitlines()


@pytest.mark.parametrize("template", [NO_SYSTEM, FOLDED], ids=["no system", "folded"])
def test_a_template_that_is_more_than_text_around_turns_is_said_to_be_missing(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, template: str
) -> None:
    tokenizer.chat_template = template
    tokenizer.bos_token = None
    found = turns_of(tokenizer, tmp_path)
    assert found.shape is None
    written = modelfile(found, "./model", "Rules.")
    assert "TEMPLATE" not in written
    assert "# Not expressed here: the chat template itself" in written
    assert 'SYSTEM """Rules."""' in written and 'PARAMETER stop "<|im_end|>"' in written


@pytest.mark.parametrize(
    ("system", "kept"),
    [
        ('Answer as JSON.\nUse """ for text and {{name}} for slots. He said "hi".', True),
        ("One line.", True),
        ('"Quoted" at both "ends"', True),
        ("Three at the end:\n" + '"""', True),
        ("A block:\n" + '"""' + "\ntext\n" + '"""' + "\nthen more", False),
    ],
)
def test_a_system_prompt_is_read_back_by_ollama_as_it_was_or_said_to_be_missing(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, system: str, kept: bool
) -> None:
    tokenizer.chat_template = tiny.CHAT_TEMPLATE
    written = modelfile(turns_of(tokenizer, tmp_path), "./model", system)
    found = re.search(r"^SYSTEM (.*)\Z", written, re.DOTALL | re.MULTILINE)
    assert (found is not None) == kept
    if found is not None:
        assert read_by_ollama(found[1]) == system
    else:
        assert "# Not expressed here: the system prompt" in written


def read_by_ollama(written: str) -> str:
    """Read the first value of ``written`` as Ollama's parser does: it may end at the end of any line."""
    for end in [at for at, letter in enumerate(written) if letter == "\n"]:
        seen = written[:end].strip()
        if seen.startswith('"""') and (len(seen) < 6 or not seen.endswith('"""')):
            continue
        return seen[3:-3]
    raise AssertionError("the value never ends")


def turns_of(tokenizer: PreTrainedTokenizerBase, folder: Path) -> Turns:
    """Read a tokenizer as the child process does, without the process."""
    tokenizer.save_pretrained(folder)
    said = describe(folder, [])
    shape = said["shape"]
    return Turns(
        template=said["template"],
        end=said["end"],
        stops=tuple(said["stops"]),
        begin=said["begin"],
        shape=Shape(
            shape["start"],
            {role: (pair[0], pair[1]) for role, pair in shape["around"].items()},
            shape["opening"],
            shape["default_system"],
        )
        if shape
        else None,
        beyond=tuple(said["beyond"]),
        prompts=(),
    )


def test_trimming_and_tools_are_named_as_not_expressed(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    tokenizer.chat_template = HEADERS
    assert shape_of(template_of(tokenizer))[1] == ["the chat template trims white space around what is said"]
    tokenizer.chat_template = tiny.CHAT_TEMPLATE
    assert limits(turns_of(tokenizer, tmp_path)) == ("tools: their part of the chat template",)


def test_an_answer_ends_where_the_template_ends_a_turn_even_if_the_base_does_not_list_it(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    config = LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=512)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = 7
    tokenizer.chat_template = tiny.CHAT_TEMPLATE
    kept, tokenizer.eos_token = tokenizer.eos_token, "<|pad|>"
    try:
        end = tokenizer.convert_tokens_to_ids("<|im_end|>")
        assert end_of_turn(tokenizer) == ("<|im_end|>", end)
        ends = [7, tokenizer.convert_tokens_to_ids("<|pad|>"), end]
        assert ends_of(model, tokenizer) == ends
        model.config.use_cache = False
        ready_to_serve(model, tokenizer)
        model.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "generation_config.json").read_text())["eos_token_id"] == ends
        assert json.loads((tmp_path / "config.json").read_text())["use_cache"] is True
    finally:
        tokenizer.eos_token = kept


def local_run(tmp_path: Path, **adapter: object) -> Run:
    """Describe a finished local run whose tuned folder holds an adapter's settings."""
    run = a_run()
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    (tuned / "adapter_config.json").write_text(json.dumps({"r": 16, "base_model_name_or_path": "a/base", **adapter}))
    (tuned / "adapter_model.safetensors").write_bytes(b"weights")
    (tuned / "chat_template.jinja").write_text("{{ messages }}")
    job = replace(
        run.job, backend="local", status=JobStatus.SUCCEEDED, tuned_model=str(tuned), extra={"base": "a/base"}
    )
    return replace(run, spec=replace(run.spec, backend="local", model="a/base"), job=job)


def test_the_card_holds_what_the_run_knows_and_calls_the_rest_unknown() -> None:
    run = a_run()
    card = model_card(run)
    assert f"| data, sha256 | {'ab' * 32} |" in card
    assert "| licence of the base | unknown |" in card
    assert "| learning_rate | 0.0003 |" in card and "| epochs | 3 |" in card
    assert "method qlora" in card
    assert "Not evaluated." in card
    assert "Training: unknown" in card
    assert "/data" not in card  # folders of one machine are nobody else's business
    evaluated = replace(
        run,
        job=replace(run.job, status=JobStatus.SUCCEEDED, billed_usd=Decimal("7.25")),
        scorecard={
            "examples": 40,
            "metric": "label",
            "rows": [{"name": "tuned", "score": 0.925, "low": 0.8, "high": 0.974}],
            "loss": {"base": 2.5, "tuned": 1.25},
            "suites": [{"suite": "general text", "verdict": "warn", "base": 3.0, "tuned": 3.2}],
            "warnings": ["Leak: 2 of 40."],
        },
    )
    card = model_card(evaluated)
    assert "| tuned | 0.925 | 0.800 to 0.974 |" in card
    assert "2.500 nats per token before, 1.250 after" in card
    assert "Regression on general text: warn (3.000 to 3.200)." in card
    assert "- Leak: 2 of 40." in card
    assert "Training: $7.25" in card


def test_the_card_counts_the_split_and_names_what_loads_the_model(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    train, held = write(tmp_path / "train.jsonl", rows(18, 1)), write(tmp_path / "held.jsonl", rows(2, 2))
    run = replace(run, origin=replace(run.origin, train=train, held_out=held, share=0.1))
    card = model_card(run)
    assert "| examples trained on | 18 |" in card and "| held out of training | 2 (10% of the data) |" in card
    assert "library_name: peft" in card and "library_name: transformers" in model_card(run, whole=True)
    train.unlink()
    assert "| examples trained on | unknown |" in model_card(run)


def test_a_licence_comes_from_the_catalogue_or_is_unknown() -> None:
    assert base_licence("nobody/nothing-7b") == "unknown"
    assert base_licence("Qwen/Qwen2-7B") == "Apache-2.0"
    assert base_licence("Qwen/Qwen-7B") == "Qwen licence (not checked against the licence itself)"
    run = a_run()
    assert "license: apache-2.0" in model_card(replace(run, spec=replace(run.spec, model="Qwen/Qwen2-7B")))
    assert "license:" not in model_card(replace(run, spec=replace(run.spec, model="Qwen/Qwen-7B"))).split("# tw-")[0]


def test_the_adapter_is_copied_with_its_card_and_nothing_is_overwritten(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    notes = export_adapter(run, tmp_path / "out" / "adapter")
    names = {path.name for path in (tmp_path / "out" / "adapter").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "README.md"}
    assert notes == ("It needs its base beside it: a/base.",)
    with pytest.raises(RunError, match="not empty"):
        export_adapter(run, tmp_path / "out" / "adapter")


def test_a_failed_merge_leaves_nothing_behind(tmp_path: Path) -> None:
    from backends import ModelNotTunable

    run = local_run(tmp_path)
    run = replace(run, job=replace(run.job, extra={**run.job.extra, "folder": str(tmp_path)}))
    with pytest.raises(ModelNotTunable):
        export_merged(run, tmp_path / "out" / "whole")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_hosted_run_exports_its_card_alone(tmp_path: Path) -> None:
    run = a_run()
    with pytest.raises(RunError, match="has no tuned model"):  # and so no card
        export_card(run, tmp_path / "card.md")
    run = replace(run, job=replace(run.job, status=JobStatus.SUCCEEDED, tuned_model="ft:one"))
    Ledger.open().add(run)
    Ledger.open().save(run.job)
    with pytest.raises(RunError, match="--card writes its card"):
        tuned_folder(run)
    card = tmp_path / "card.md"
    done = CliRunner().invoke(tunewise, ["export", run.id, "--card", str(card), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["written"] == {"card": str(card)}
    assert card.read_text() == model_card(run)
    assert CliRunner().invoke(tunewise, ["export", run.id]).exit_code == 2


@pytest.mark.parametrize("name", ["together", "fireworks"])
def test_a_hosted_adapter_is_fetched_where_it_is_given_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosted(name, tmp_path, monkeypatch) as stage:
        done = stage.finish(stage.submit())
        run = replace(a_run(), spec=stage.spec(), job=done)
        assert export_adapter(run, tmp_path / "out") == (f"It needs its base beside it: {run.spec.model}.",)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "README.md", "adapter_config.json", "adapter_model.safetensors",
        ]  # fmt: skip
        assert (tmp_path / "out" / "README.md").read_text() == model_card(run)
        with pytest.raises(RunError, match="was trained whole"):
            export_adapter(replace(run, spec=replace(run.spec, method=Method.FULL)), tmp_path / "whole")
        with pytest.raises(RunError, match="made of local runs"):
            export_merged(run, tmp_path / "merged")
    assert not (tmp_path / "whole").exists() and not (tmp_path / "merged").exists()


def test_where_no_weights_are_given_out_that_is_said(tmp_path: Path) -> None:
    run = a_run()
    spec = replace(run.spec, backend="bedrock")
    run = replace(run, spec=spec, job=replace(run.job, status=JobStatus.SUCCEEDED, tuned_model="arn:aws:one"))
    with pytest.raises(RunError, match=r"AWS Bedrock does not hand out weights.*--card"):
        export_adapter(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_licence_of_a_folder_comes_from_its_own_card(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    assert base_licence("smollm2").startswith("Apache-2.0")  # not fetched: the catalogue's
    folder = tmp_path / "a-base"
    folder.mkdir()
    assert base_licence(str(folder)) == "unknown"
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    mine = replace(run, spec=replace(run.spec, model=str(folder)))
    text = model_card(mine)
    assert "\nlicense: mit\n" in text and "| licence of the base | mit (by the card in the model's folder) |" in text
    assert "base_model:" not in text
    assert "base_model: HuggingFaceTB/SmolLM2-135M-Instruct" in model_card(
        replace(run, spec=replace(run.spec, model="smollm2"))
    )
