"""Whole training runs of the local trainer: the same weights whatever happens to them, and the ways they may end."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from backends import Hyperparameters, JobSpec, Json, Method, Objective
from backends.local.folder import RunFolder, read_json, read_lines, write_json
from backends.local.options import spec_to_json
from backends.local.trainer import samples, step, tensorboard
from backends.local.trainer import train as trainer
from backends.local.trainer.run_log import Record
from backends.local.trainer.state import Pass, Run
from backends.local.workers import process


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, and let the trainer's own handler of SIGTERM end with this module."""
    torch.set_num_threads(1)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with chats, pairs of answers, and nothing else."""
    folder = tmp_path_factory.mktemp("data")
    chance = random.Random(0)
    chats, pairs = [], []
    for _ in range(48):
        word, other = chance.sample(["red", "green", "blue", "black"], 2)
        said = {"role": "user", "content": f"Say {word}" + " please" * chance.randint(0, 12)}
        chats.append({"messages": [said, {"role": "assistant", "content": f"It is {word}."}]})
        pairs.append(
            {
                "input": {"messages": [said]},
                "preferred_output": [{"role": "assistant", "content": f"Gladly: {word}"}],
                "non_preferred_output": [{"role": "assistant", "content": f"No, {other}"}],
            }
        )
    for name, rows in (("chats", chats), ("valid", chats[:8]), ("pairs", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def spec(data: Path, **more: object) -> JobSpec:
    options: dict[str, Json] = {"threads": 1, "device": "cpu", "max_steps": 12, "save_every": 3}
    options |= more.pop("options", {})  # type: ignore[call-overload]
    settings = Hyperparameters(batch_size=4, epochs=3, evaluations=2, lora_dropout=0.1, early_stopping_patience=0)
    asked = JobSpec("run", "local", "tiny", data / "chats.jsonl", data / "valid.jsonl", hyperparameters=settings)
    return replace(asked, options=options, **more)  # type: ignore[arg-type]


def prepare(folder: Path, asked: JobSpec) -> RunFolder:
    folder.mkdir()
    write_json(RunFolder(folder).config, spec_to_json(asked))
    return RunFolder(folder)


def run(folder: Path, asked: JobSpec, code: int = 0) -> RunFolder:
    """Train in this very process."""
    made = prepare(folder, asked)
    assert trainer.main([str(folder)]) == code, read_json(made.status)
    return made


def weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    found = sorted(folder.tuned.glob("*.safetensors"))
    assert len(found) == 1
    return dict(load_file(found[0]))


def assert_same(one: RunFolder, two: RunFolder) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def losses(folder: RunFolder, name: str = "train_loss") -> list[float]:
    return [float(str(line[name])) for _, line in read_lines(folder.metrics) if name in line]


def test_one_seed_gives_the_same_bits_and_another_does_not(data: Path, tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", spec(data)), run(tmp_path / "two", spec(data))
    assert_same(one, two)
    assert losses(one) == losses(two)
    other = replace(spec(data), hyperparameters=replace(spec(data).hyperparameters, seed=1))
    assert losses(run(tmp_path / "three", other)) != losses(one)


def test_a_stopped_run_goes_on_to_the_same_bits(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", spec(data))
    halted = prepare(tmp_path / "halted", spec(data))
    take = step.take

    def stop_after(last: int) -> None:
        def taken(run, masters, progress, rate):  # type: ignore[no-untyped-def]
            if progress.step == last:
                halted.stop.touch()
            return take(run, masters, progress, rate)

        monkeypatch.setattr(step, "take", taken)

    for last in (1, 7):
        stop_after(last)
        assert trainer.main([str(halted.path)]) == 0
        assert read_json(halted.status)["status"] == "cancelled"
        assert not halted.tuned.exists()
        halted.stop.unlink()
    monkeypatch.setattr(step, "take", take)
    assert trainer.main([str(halted.path)]) == 0
    assert_same(whole, halted)
    assert losses(whole) == losses(halted)
    assert losses(whole, "valid_loss") == losses(halted, "valid_loss")


def test_packed_and_padded_runs_learn_the_same(data: Path, tmp_path: Path) -> None:
    settings = replace(spec(data).hyperparameters, lora_dropout=0.0)
    packed = run(tmp_path / "packed", spec(data, hyperparameters=settings))
    small = run(tmp_path / "small", spec(data, hyperparameters=settings, options={"micro_batch_tokens": 64}))
    padded = run(tmp_path / "padded", spec(data, hyperparameters=replace(settings, packing=False)))
    recomputed = run(tmp_path / "again", spec(data, hyperparameters=settings, options={"gradient_checkpointing": True}))
    assert read_json(packed.chosen)["packed"] is True and read_json(padded.chosen)["packed"] is False
    for other in (small, padded, recomputed):
        assert losses(other) == pytest.approx(losses(packed), rel=2e-3)
        assert losses(other, "valid_loss") == pytest.approx(losses(packed, "valid_loss"), rel=2e-3)


@pytest.mark.filterwarnings("ignore")  # what the compiler itself warns of
@pytest.mark.parametrize("backend", ["no such compiler", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_layers_learn_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    settings = replace(spec(data).hyperparameters, lora_dropout=0.0, evaluations=0)
    plain = run(tmp_path / "plain", spec(data, hyperparameters=settings, options={"max_steps": 4}))
    monkeypatch.setattr("backends.local.trainer.torch_compile._BACKEND", backend)
    fast = run(tmp_path / "fast", spec(data, hyperparameters=settings, options={"max_steps": 4, "compile": True}))
    because, said = read_json(fast.chosen)["because"], "Decoder layers are compiled"
    said = said if backend == "inductor" else "Not compiled: "
    assert any(str(one).startswith(said) for one in because), because  # type: ignore[union-attr]
    assert losses(fast) == pytest.approx(losses(plain), rel=1e-3 if backend == "inductor" else 0)


@pytest.mark.filterwarnings("ignore")  # what the compiler itself warns of
def test_a_compiler_that_fails_on_the_way_back_leaves_no_gradient(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, calls = step.loss_of, iter(range(100))

    def breaks(one: Run, taken: Pass) -> tuple[torch.Tensor, torch.Tensor]:
        loss = honest(one, taken)
        if next(calls) == 3:  # the first one with compiled layers
            loss[0].backward()
            raise RuntimeError("no kernel for this gradient")
        return loss

    plain = run(tmp_path / "plain", spec(data, options={"max_steps": 2}))
    monkeypatch.setattr("backends.local.trainer.torch_compile.loss_of", breaks)
    monkeypatch.setattr("backends.local.trainer.torch_compile._BACKEND", "eager")
    fast = run(tmp_path / "fast", spec(data, options={"max_steps": 2, "compile": True}))
    assert any("no kernel for this gradient" in str(one) for one in read_json(fast.chosen)["because"])  # type: ignore[union-attr]
    assert_same(plain, fast)


def test_a_nan_stops_the_run_names_the_lines_and_saves_no_adapter(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = step.sft_loss

    calls = iter(range(10_000))
    monkeypatch.setattr(
        step, "sft_loss", lambda model, batch: honest(model, batch) * (float("nan") if next(calls) > 12 else 1)
    )
    folder = run(tmp_path / "nan", spec(data), code=3)
    state = read_json(folder.status)
    assert state["status"] == "failed" and "is not finite: loss nan" in str(state["error"])
    assert "Its batch is lines [" in str(state["error"]) and "on their own, lines [" in str(state["error"])
    assert not folder.tuned.exists()
    for path in folder.checkpoints.iterdir():
        assert all(bool(torch.isfinite(tensor).all()) for tensor in load_file(path / "weights.safetensors").values())


def test_out_of_memory_halves_then_recomputes_then_gives_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = step.sft_loss
    room = 70  # tokens of the longest example that fits; below it nothing helps

    def short_of_memory(model, batch):  # type: ignore[no-untyped-def]
        if torch.is_grad_enabled() and batch.tokens > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return honest(model, batch)

    monkeypatch.setattr(step, "sft_loss", short_of_memory)
    folder = run(tmp_path / "short", spec(data, options={"micro_batch_tokens": 240, "max_steps": 3}))
    said = [str(line["message"]) for _, line in read_lines(folder.events)]
    assert sum(message.startswith("Out of memory: forward passes of") for message in said) >= 1
    assert int(str(read_json(folder.summary)["micro_batch_tokens"])) <= room
    room = 3
    folder = run(tmp_path / "none", spec(data), code=1)
    assert "does not fit in memory, even with recomputed activations" in str(read_json(folder.status)["error"])
    said = [str(line["message"]) for _, line in read_lines(folder.events)]
    assert "Out of memory: activations are recomputed from here on (slower)." in said


def test_samples_that_cannot_be_generated_cost_no_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(samples, "generate_all", full)
    folder = run(tmp_path / "run", spec(data, options={"max_steps": 2}))
    assert (folder.tuned / "adapter_model.safetensors").is_file() and not (folder.path / "samples.jsonl").exists()
    said = [str(line["message"]) for _, line in read_lines(folder.events)]
    assert any(message.startswith("No samples were written: CUDA out of memory") for message in said)


def test_a_disk_that_fills_at_the_end_leaves_no_half_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedTokenizerBase

    save = PreTrainedTokenizerBase.save_pretrained

    def full(self: PreTrainedTokenizerBase, folder: Path, **more: object) -> object:
        if "tuned" in Path(folder).name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, folder, **more)

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedTokenizerBase, "save_pretrained", full)
        folder = run(tmp_path / "run", spec(data, options={"max_steps": 2}), code=1)
    assert "is full. Make room, then resume" in str(read_json(folder.status)["error"])
    assert not [path for path in folder.path.iterdir() if "tuned" in path.name]
    assert trainer.main([str(folder.path)]) == 0  # with room again it goes on, and only saves
    assert (folder.tuned / "adapter_model.safetensors").is_file()


def test_a_run_that_stopped_early_and_was_killed_while_it_finished_trains_no_further(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for the process ending here."""

    def killed(*_: object) -> None:
        raise Killed

    settings = replace(
        spec(data).hyperparameters, learning_rate=0.5, evaluations=12, early_stopping_patience=2, warmup_ratio=0.0
    )
    folder = prepare(tmp_path / "wild", spec(data, hyperparameters=settings))
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_finish", killed)
        with pytest.raises(Killed):
            trainer.main([str(folder.path)])
    taken = losses(folder)
    assert trainer.main([str(folder.path)]) == 0
    assert losses(folder) == taken
    assert read_json(folder.summary)["steps"] == len(taken) < 12


def test_early_stopping_keeps_the_best_weights(data: Path, tmp_path: Path) -> None:
    settings = replace(
        spec(data).hyperparameters, learning_rate=0.5, evaluations=12, early_stopping_patience=2, warmup_ratio=0.0
    )
    folder = run(tmp_path / "wild", spec(data, hyperparameters=settings))
    summary = read_json(folder.summary)
    valid = losses(folder, "valid_loss")
    assert int(str(summary["steps"])) < 12 and summary["best_valid_loss"] == min(valid)
    said = [str(line["message"]) for _, line in read_lines(folder.events)]
    assert any(message.startswith("Stopped early") for message in said)
    best = folder.checkpoints / f"step-{int(str(summary['best_step'])):08d}" / "weights.safetensors"
    kept = {name.replace(".default", "").replace("modules_to_save.", ""): w for name, w in load_file(best).items()}
    saved = weights(folder)
    assert kept.keys() == saved.keys() and all(torch.equal(kept[name], saved[name]) for name in saved)


def test_dpo_raises_the_preferred_over_the_other(data: Path, tmp_path: Path) -> None:
    settings = replace(spec(data).hyperparameters, learning_rate=3e-3)
    asked = spec(
        data,
        hyperparameters=settings,
        objective=Objective.DPO,
        train_file=data / "pairs.jsonl",
        options={"validation_fraction": 0.2},
    )
    folder = run(tmp_path / "dpo", replace(asked, validation_file=None))
    assert losses(folder)[0] == pytest.approx(0.6931, abs=2e-3)
    assert losses(folder, "valid_loss")[-1] < 0.6
    assert losses(folder, "reward_margin")[-1] > 0.2


def test_full_fine_tuning_writes_a_whole_model_that_loads(data: Path, tmp_path: Path) -> None:
    from transformers.models.auto import AutoModelForCausalLM

    folder = run(tmp_path / "full", spec(data, method=Method.FULL))
    assert losses(folder)[-1] < losses(folder)[0] - 1
    model = AutoModelForCausalLM.from_pretrained(folder.tuned)
    assert model.config.num_hidden_layers == 4 and not (folder.tuned / "adapter_config.json").exists()


def test_the_run_folder_is_for_people(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", spec(data, options={"merge": True}))
    summary = read_json(folder.summary)
    assert {
        "seconds",
        "step_seconds",
        "tokens_per_step",
        "trained_tokens",
        "peak_allocated_gb",
        "peak_reserved_gb",
    } <= set(summary)
    assert summary["trained_tokens"] == sum(
        int(str(line["tokens"])) for _, line in list(read_lines(folder.metrics))[-2:-1]
    )
    samples = [json.loads(line) for line in (folder.path / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 3 and samples[0]["expected"].startswith("It is ")
    assert (folder.path / "merged" / "model.safetensors").is_file()
    assert read_json(folder.environment)["threads"] == 1
    assert any("Packed" in str(sentence) for sentence in read_json(folder.chosen)["because"])  # type: ignore[union-attr]
    assert not list(folder.path.rglob("*.bin")) + list(folder.path.rglob("*.pt"))
    said = (folder.path / "README.md").read_text()
    there = {path.name for path in folder.path.iterdir()} - {"lock", "merged", "README.md", "stop"}
    assert all(f"`{name}" in said for name in there), there
    assert "- Packed: sequences share a forward pass" in said and "lora of `tiny` on 48 examples" in said
    assert not (folder.tuned / "README.md").exists()


def board(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Read the event file as TensorBoard does."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard here")
    shown = reader.EventAccumulator(str(folder.tensorboard))
    shown.Reload()
    return {tag: [(one.step, one.value) for one in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_tensorboard_shows_the_metrics_also_after_a_resume(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", spec(data, options={"max_steps": 4}))
    lines = [line for _, line in read_lines(folder.metrics)]
    for name in ("train_loss", "valid_loss", "grad_norm", "learning_rate"):
        expected = [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in lines if name in line]
        assert board(folder)[name] == expected
    Record(folder).rewind(2)
    Record(folder).metrics(3, {"train_loss": 0.5})
    assert [step for step, _ in board(folder)["train_loss"]] == [1, 2, 3]


def test_tensorboard_itself_reads_the_file(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard here")
    path = tensorboard.begin(tmp_path / "board", [(0, 1.5, {"valid_loss": 2.0}), (300, 2.5, {"train_loss": 0.25})])
    tensorboard.add(path, (70_000, 3.5, {"train_loss": 0.125, "grad_norm": 1.0}))
    shown = reader.EventAccumulator(str(tmp_path / "board"))
    shown.Reload()
    points = [(point.wall_time, point.step, point.value) for point in shown.Scalars("train_loss")]
    assert points == [(2.5, 300, 0.25), (3.5, 70_000, 0.125)] and shown.Scalars("grad_norm")[0].value == 1.0


STUCK_S = 600.0  # without a step


def ended(child: subprocess.Popen[bytes], folder: RunFolder) -> int:
    """Return a trainer's exit code; it may take as long as it gets on, since only a stuck one stands still."""
    seen, since = -1, time.monotonic()
    while child.poll() is None:
        if (steps := len(losses(folder))) != seen:
            seen, since = steps, time.monotonic()
        assert time.monotonic() - since < STUCK_S, f"no step behind {seen} in {STUCK_S} s"
        time.sleep(0.02)
    assert child.returncode is not None
    return child.returncode


def kill_at_random(folder: RunFolder, kills: int, chance: random.Random) -> int:
    """Start the trainer again and again, kill it at random moments, let the last one finish; return the kills made."""
    done = 0
    while True:
        child = subprocess.Popen(
            process.command("trainer.train", str(folder.path)), env=process.environment(), stderr=subprocess.DEVNULL
        )
        if done == kills:
            assert ended(child, folder) == 0
            return done
        # Either anywhere in start-up, or somewhere in the steps it takes: between them, or in the middle of a file.
        before, further = len(losses(folder)), chance.randint(0, 3)
        while further and child.poll() is None and len(losses(folder)) < before + further:
            time.sleep(0.002)
        time.sleep(chance.random() * (0.03 if further else 2.0))
        if child.poll() is not None:
            return done
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        done += 1


@pytest.mark.slow
def test_kill_9_at_random_moments_changes_nothing(data: Path, tmp_path: Path) -> None:
    asked = spec(data, options={"max_steps": 120, "save_every": 2})
    asked = replace(asked, hyperparameters=replace(asked.hyperparameters, epochs=40))
    whole, killed = run(tmp_path / "whole", asked), prepare(tmp_path / "killed", asked)
    assert kill_at_random(killed, 6, random.Random(20)) >= 5
    assert_same(whole, killed)
    assert losses(whole) == losses(killed)
