"""The local backend, for real: a small model is made, trained, watched, stopped, resumed, asked and scored."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import backends
from backends import (
    BackendMissing,
    Hyperparameters,
    Job,
    JobSpec,
    JobStatus,
    Json,
    Method,
    ModelNotTunable,
    SpecRefused,
)
from backends.local import LocalBackend, ScoredExample
from backends.local.folder import RunFolder, append_line, home, now, write_json
from backends.local.options import spec_to_json

TOPICS = {"billing": "invoice", "shipping": "parcel", "login": "password", "bug": "crash"}


def rows(count: int, seed: int) -> list[dict[str, list[dict[str, str]]]]:
    """Write tickets whose category follows from one word, with some noise around it."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        topic = chance.choice(list(TOPICS))
        noise = " ".join(chance.choice(["Please help.", "It is urgent.", "Thank you."]) for _ in range(3))
        made.append(
            {
                "messages": [
                    {"role": "system", "content": "Sort the ticket into billing, shipping, login or bug."},
                    {"role": "user", "content": f"Ticket {chance.randint(100, 999)}: my {TOPICS[topic]}. {noise}"},
                    {"role": "assistant", "content": json.dumps({"category": topic})},
                ]
            }
        )
    return made


def write(path: Path, content: list[dict[str, list[dict[str, str]]]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    return path


def spec(folder: Path, run: str = "run-1", **more: object) -> JobSpec:
    """Describe a run of a few seconds on one thread."""
    options: dict[str, Json] = {"threads": 1, "device": "cpu"}
    options |= more.pop("options", {})  # type: ignore[call-overload]
    if not (folder / "train.jsonl").exists():
        write(folder / "train.jsonl", rows(120, 1))
        write(folder / "valid.jsonl", rows(24, 2))
    return JobSpec(
        run=run,
        backend="local",
        model=str(more.pop("model", "tiny")),
        train_file=folder / "train.jsonl",
        validation_file=folder / "valid.jsonl",
        options=options,
        **more,  # type: ignore[arg-type]
    )


def wait(backend: LocalBackend, job: Job, until: JobStatus | int, limit_s: float = 120) -> Job:
    """Follow a real process until a status or a step, as ``watch`` does."""
    seen, end = job, time.monotonic() + limit_s
    while time.monotonic() < end:
        job = backend.refresh(job)
        if job != seen:  # it gets on, at whatever speed this machine has
            seen, end = job, time.monotonic() + limit_s
        if job.status is until or (isinstance(until, int) and (job.steps_done or 0) >= until):
            return job
        if job.status.finished:
            pytest.fail(f"{job.status}: {job.error}")
        time.sleep(0.05)
    pytest.fail(f"still {job.status} ({job.detail}) after {limit_s} s")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JobSpec, Job, list[str]]]:
    """One finished LoRA run, its spec and its first snapshots, shared by the tests that only look at it."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWISE_HOME", str(folder / "home"))
        backend = LocalBackend()
        saved: list[str] = []
        asked = spec(folder)
        job = backend.submit(asked, save=lambda job: saved.append(job.status))
        yield asked, wait(backend, job, JobStatus.SUCCEEDED), saved


@pytest.fixture
def local() -> Iterator[LocalBackend]:
    backend = LocalBackend()
    yield backend
    backend.close()


def test_it_is_found_as_a_backend() -> None:
    assert "local" in backends.names()
    assert isinstance(backends.get("local"), LocalBackend)


def test_a_run_ends_with_a_falling_loss_and_an_adapter(done: tuple[JobSpec, Job, list[str]]) -> None:
    _, job, saved = done
    assert saved[0] == "queued"
    assert (job.steps_done, job.steps_total) == (150, 150)
    assert job.trained_tokens and job.train_seconds and job.started and job.finished
    assert job.accepted == Hyperparameters(
        epochs=10, batch_size=8, learning_rate=3e-3, warmup_ratio=0.1, weight_decay=0.0, lora_rank=16, lora_alpha=32,
        lora_dropout=0.0, max_seq_length=2048, packing=True, evaluations=5, early_stopping_patience=3,
    )  # fmt: skip
    assert job.metrics_path
    lines = [json.loads(line) for line in job.metrics_path.read_text().splitlines()]
    losses = [line["valid_loss"] for line in lines if "valid_loss" in line]
    assert losses[0] > 6  # about ln(vocabulary): the base knows nothing
    assert min(losses) < losses[0] / 3
    assert job.tuned_model
    tuned = Path(job.tuned_model)
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= {p.name for p in tuned.iterdir()}
    assert not [path for path in tuned.parent.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]


def test_its_events_are_the_same_from_another_object_and_go_on_where_one_left_off(
    done: tuple[JobSpec, Job, list[str]],
) -> None:
    _, job, _ = done
    events = list(LocalBackend().events(job))
    assert [event.id for event in events] == sorted({event.id for event in events}, key=int)
    assert any("train_loss" in event.metrics for event in events)
    later = list(LocalBackend().events(job, after=events[10].id))
    assert later == events[11:]


def test_the_run_is_found_again_by_its_spec(done: tuple[JobSpec, Job, list[str]], tmp_path: Path) -> None:
    asked, job, _ = done
    elsewhere = JobSpec(
        **{**{f: getattr(asked, f) for f in JobSpec.__slots__}, "options": {"folder": job.extra["folder"]}}
    )
    found = LocalBackend().find(elsewhere)
    assert found is not None and found.status is JobStatus.SUCCEEDED
    assert LocalBackend().find(spec(tmp_path, run="never")) is None


def test_base_and_tuned_are_scored_and_asked(done: tuple[JobSpec, Job, list[str]], local: LocalBackend) -> None:
    _, job, _ = done
    assert job.tuned_model
    held = [ScoredExample(row["messages"]) for row in rows(20, 3)]  # type: ignore[arg-type]
    base, tuned = local.score(job.extra["base"], held), local.score(job.tuned_model, held)
    assert [loss.tokens for loss in base] == [loss.tokens for loss in tuned]
    tokens = sum(loss.tokens for loss in base)
    assert sum(loss.nll_sum for loss in tuned) / tokens < 1 < 6 < sum(loss.nll_sum for loss in base) / tokens
    answer = local.complete(job.tuned_model, held[0].messages[:-1], max_tokens=24)
    assert answer.text.startswith('{"category"') and answer.finish_reason == "stop"
    assert answer.prompt_tokens and answer.completion_tokens
    with ThreadPoolExecutor(6) as pool:  # what is asked at once is answered together, each as alone
        together = list(
            pool.map(lambda one: local.complete(str(job.tuned_model), one.messages[:-1], max_tokens=24), held[:6])
        )
    assert together[0].text == answer.text
    assert len({one.latency_ms for one in together}) < 6  # fewer batches than questions
    one_by_one = local.complete(job.tuned_model, held[5].messages[:-1], max_tokens=24)
    assert (one_by_one.text, one_by_one.completion_tokens) == (together[5].text, together[5].completion_tokens)
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    with pytest.raises(ModelNotTunable, match="images"):
        local.complete(job.tuned_model, [picture], max_tokens=2)  # type: ignore[list-item]
    again = local.complete(job.extra["base"], held[0].messages[:-1], max_tokens=8)
    assert not again.text.startswith('{"category"')  # the adapter is off again


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_the_adapter_loads_through_peft_and_gives_the_scored_loss(
    done: tuple[JobSpec, Job, list[str]], local: LocalBackend
) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    _, job, _ = done
    assert job.tuned_model
    torch.set_num_threads(1)
    model = AutoPeftModelForCausalLM.from_pretrained(job.tuned_model)
    tokenizer = AutoTokenizer.from_pretrained(job.tuned_model)
    row = rows(1, 4)[0]["messages"]
    encoded = tokenizer.apply_chat_template(
        row, return_assistant_tokens_mask=True, return_dict=True, return_tensors="pt"
    )
    labels = encoded["input_ids"].masked_fill(encoded["assistant_masks"] == 0, -100)
    loss = model(input_ids=encoded["input_ids"], labels=labels).loss.item()
    scored = local.score(job.tuned_model, [ScoredExample(row)])[0]  # type: ignore[arg-type]
    assert scored.nll_sum / scored.tokens == pytest.approx(loss, rel=1e-4)


def test_cancel_keeps_a_checkpoint_and_resume_goes_on(tmp_path: Path, local: LocalBackend) -> None:
    asked = spec(tmp_path, hyperparameters=Hyperparameters(epochs=40))
    job = wait(local, local.submit(asked), 3)
    job = wait(local, local.cancel(job), JobStatus.CANCELLED)
    assert (job.steps_done or 0) < 600 and job.tuned_model is None
    assert LocalBackend().cancel(job) == job
    resumed = local.submit(asked, resume=job)
    later = wait(local, resumed, (job.steps_done or 0) + 1)
    messages = [event.message for event in local.events(later)]
    assert any(message.startswith(f"Resumed after step {job.steps_done} ") for message in messages)
    wait(local, local.cancel(later), JobStatus.CANCELLED)


def test_a_killed_trainer_is_failed_data_with_the_way_on(tmp_path: Path, local: LocalBackend) -> None:
    job = wait(local, local.submit(spec(tmp_path, hyperparameters=Hyperparameters(epochs=40))), 2)
    folder = Path(job.extra["folder"])
    os.kill(json.loads((folder / "process.json").read_text())["pid"], signal.SIGKILL)
    job = wait(local, job, JobStatus.FAILED)
    assert job.error and "--resume run-1" in job.error


def test_a_process_id_given_to_another_process_is_not_taken_for_the_trainer(tmp_path: Path) -> None:
    from backends.local.folder import RunFolder, write_json
    from backends.local.workers import process

    folder = RunFolder(tmp_path)
    write_json(folder.process, {"pid": os.getpid(), "started": process.started(os.getpid())})
    assert process.alive(folder)
    write_json(folder.process, {"pid": os.getpid(), "started": "12345"})
    assert not process.alive(folder)


def test_bad_rows_fail_the_run_with_the_line(tmp_path: Path, local: LocalBackend) -> None:
    asked = spec(tmp_path)
    with asked.train_file.open("a") as file:
        file.write('{"messages": [{"role": "user", "content": "no answer"}]}\n')
    job = wait(local, local.submit(asked), JobStatus.FAILED)
    assert job.error and "train.jsonl, line 121" in job.error and job.tuned_model is None


def test_what_cannot_be_trained_is_refused_before_anything_starts(
    tmp_path: Path, local: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    split: dict[str, Json] = {"workers": 2, "shard": "fsdp"}
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "bitsandbytes" else find(name))
    with pytest.raises(SpecRefused, match="4-bit base cannot be split"):
        local.preflight(spec(tmp_path, method=Method.QLORA, options=split))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    with pytest.raises(BackendMissing, match=r"\[qlora\]"):
        local.preflight(spec(tmp_path, method=Method.QLORA))
    with pytest.raises(SpecRefused, match="no option 'colour'"):
        local.preflight(spec(tmp_path, options={"colour": "red"}))
    with pytest.raises(SpecRefused, match="keep of the local backend must be int"):
        local.preflight(spec(tmp_path, options={"keep": "two"}))
    with pytest.raises(ModelNotTunable, match="has no config"):
        local.preflight(spec(tmp_path, model=str(tmp_path)))
    with pytest.raises(ModelNotTunable, match="neither a hub id"):
        local.preflight(spec(tmp_path, model="llama"))
    assert not (tmp_path / "home").exists()


def test_the_last_words_of_a_killed_trainer_are_its_own(tmp_path: Path) -> None:
    """What libraries print into its log (advice to install something, say) is none of them."""
    write(tmp_path / "train.jsonl", rows(8, 0))
    backend, asked = LocalBackend(), spec(tmp_path)
    folder = RunFolder(home() / "runs" / asked.run)
    folder.path.mkdir(parents=True)
    write_json(folder.config, spec_to_json(asked))
    write_json(folder.status, {"status": "running", "detail": "training"})
    append_line(folder.events, {"time": now(), "level": "info", "message": "step 7: train_loss 0.5", "step": 7})
    folder.log.write_text("step failed\nThe fast path is not available: pip install some-kernel\n")
    job = backend.find(asked)
    assert job is not None and job.error is not None
    assert "Its last words: step 7: train_loss 0.5 Its log is" in job.error
    folder.log.write_text("Traceback (most recent call last):\ntorch.OutOfMemoryError: no room\n")
    assert "step 7: train_loss 0.5 | torch.OutOfMemoryError: no room Its log" in str(backend.refresh(job).error)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked for under /proc")
def test_the_answering_process_ends_with_whoever_asks() -> None:
    """Also in the middle of an answer, when nothing tells it that its pipe was closed: here the pipe stays open."""
    line = (
        "import os, subprocess, time; from backends.local.workers.process import command, environment;"
        "child = subprocess.Popen(command('inference.worker', str(os.getpid())), env=environment());"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert parent.stdin is not None and parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ended = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < ended:
        time.sleep(0.1)
    parent.stdin.close()
    assert not Path(f"/proc/{child}").exists()
