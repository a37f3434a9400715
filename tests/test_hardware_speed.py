"""Time of training: arithmetic by hand, calibration from measured steps, detection, and what is unknown."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.hardware import (
    Band,
    Correction,
    Point,
    Setup,
    architecture,
    calibrate,
    correction,
    detect,
    fit,
    flops_per_token,
    gpu,
    peak,
    point_of_run,
    remember,
    remembered,
    step_seconds,
    train_minutes,
)
from advisor.hardware.models import Architecture
from backends import Method


def shape(model: str) -> Architecture:
    found = architecture(model)
    assert found is not None
    return found


LLAMA = shape("meta-llama/Llama-3.1-8B")


def test_arithmetic_of_a_token_by_hand() -> None:
    # Linear parameters with the output head 6,979,321,856 + 128,256 x 4,096 = 7,504,658,432: 2 operations each,
    # and causal attention 2 x 2,048 x 4,096 x 32 layers.
    forward = 2 * 7_504_658_432 + 2 * 2048 * 4096 * 32
    assert flops_per_token(LLAMA, Method.FULL, 2048) == 3 * forward
    assert flops_per_token(LLAMA, Method.FULL, 2048, checkpointing=True) == 4 * forward
    assert flops_per_token(LLAMA, Method.LORA, 2048) == 2 * forward + 6 * 41_943_040
    # The published ratio of LoRA to full tuning on H100 is 1.47 (7B) and 1.44 (70B) without recomputation.
    ratio = flops_per_token(LLAMA, Method.FULL, 4096) / flops_per_token(LLAMA, Method.LORA, 4096)
    assert ratio == pytest.approx(1.47, abs=0.04)


def test_time_grows_with_tokens_and_shrinks_with_the_card() -> None:
    times = [train_minutes(LLAMA, Method.LORA, name, 10_000_000) for name in ("rtx-4090", "a100-80gb", "h100")]
    assert all(time is not None for time in times)
    mids = [time.mid for time in times if time]
    assert mids == sorted(mids, reverse=True)
    for time in times:
        assert time is not None and time.low <= time.mid <= time.high
    one, ten = (train_minutes(LLAMA, Method.LORA, "h100", tokens) for tokens in (1_000_000, 10_000_000))
    assert one is not None and ten is not None
    assert ten.mid == pytest.approx(10 * one.mid)


def test_a_processor_has_a_time_for_the_tiny_model() -> None:
    time = train_minutes(shape("tiny"), Method.LORA, "cpu", 100_000)
    assert time is not None and 0 < time.low < time.mid < time.high < 120


def test_unknown_cards_have_no_time() -> None:
    assert train_minutes(LLAMA, Method.LORA, "gpu-of-tomorrow", 1000) is None


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100-PCIE-40GB", "a100-40gb"),
        ("NVIDIA H100 80GB HBM3", "h100-80gb-sxm"),
        ("Tesla T4", "t4"),
        ("NVIDIA L40S", "l40s"),
        ("h100", "h100-80gb-sxm"),
        ("RTX_4090", "rtx-4090"),
    ],
)
def test_spellings_of_drivers_and_clouds(spelling: str, name: str) -> None:
    card = gpu(spelling)
    assert card is not None and card.name == name


def plant_driver(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Put a program called nvidia-smi first on the path that prints ``lines``, each behind a uuid."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    listed = "\n".join(f"GPU-{place}a{place}, {line}" for place, line in enumerate(lines.splitlines()))
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{listed}'\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_detection_reads_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "NVIDIA GeForce RTX 4090, 24564\nNVIDIA A100-SXM4-40GB, 40960\nNVIDIA Tomorrow 9000, 65536\n"
    plant_driver(tmp_path, monkeypatch, lines)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    found = detect()
    assert [card.name for card in found] == ["rtx-4090", "a100-40gb", "tomorrow-9000"]
    assert found[0].memory_gb == pytest.approx(24564 * 2**20 / 1e9, abs=0.001)
    assert found[2].peak_tflops is None and found[2].memory_gb == pytest.approx(68.719, abs=0.001)
    unknown = fit(LLAMA, Method.QLORA, found[2])
    assert unknown.fits == "yes" and unknown.tokens_per_s is None


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("", []),
        ("-1", []),
        ("1", ["a100-40gb"]),
        ("1, 0", ["a100-40gb", "rtx-4090"]),
        ("GPU-1a", ["a100-40gb"]),
        ("1,7,0", ["a100-40gb"]),  # what is behind a card that is not there is hidden too
        ("GPU-", []),  # names two
    ],
)
def test_only_the_cards_that_a_program_may_see_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]
) -> None:
    plant_driver(tmp_path, monkeypatch, "NVIDIA GeForce RTX 4090, 24564\nNVIDIA A100-SXM4-40GB, 40960")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [card.name for card in detect()] == names


def test_a_launch_spreads_over_the_cards_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from advisor.cli import tunewise

    plant_driver(tmp_path, monkeypatch, "NVIDIA GeForce RTX 4090, 24564\n" * 2)
    data = tmp_path / "train.jsonl"
    turns = [
        [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": "Four."}] for n in range(40)
    ]
    data.write_text("".join(json.dumps({"messages": turn}) + "\n" for turn in turns))
    asked = ["launch", str(data), "--backend", "local", "--dry-run", "--json", "--model"]

    def options(*more: str) -> object:
        said = CliRunner().invoke(tunewise, [*asked, *more])
        assert said.exit_code == 0, said.output
        (request,) = json.loads(said.stdout)["requests"]
        return request["body"]["options"]

    assert options("Qwen/Qwen3-0.6B") == {"workers": 2, "shard": "ddp"}
    assert options("Qwen/Qwen3-14B") == {"workers": 2, "shard": "fsdp"}
    assert options("Qwen/Qwen3-14B", "-o", "workers=1") == {"workers": 1}
    assert options("nobody/unknown") == {}


def test_no_driver_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert detect() == ()
    monkeypatch.undo()
    plant_driver(tmp_path, monkeypatch, "")
    assert detect() == ()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho No devices were found\n")
    assert detect() == ()


def test_apple_silicon_has_three_quarters_of_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sysctl"
    program.write_text('#!/bin/sh\ncase "$2" in hw.memsize) echo 34359738368;; *) echo "Apple M2 Max";; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    (card,) = detect()
    assert (card.name, card.memory_gb) == ("apple-m2-max", pytest.approx(25.77, abs=0.01))
    program.write_text('#!/bin/sh\ncase "$2" in hw.memsize) echo 34359738368;; *) echo "Apple M9";; esac\n')
    (card,) = detect()
    assert card.name == "apple-m9" and card.peak_tflops is None


@given(st.floats(0.01, 2), st.floats(1e-5, 1e-2), st.lists(st.integers(64, 65536), min_size=2, max_size=6, unique=True))
def test_two_points_on_a_line_find_it(fixed: float, scale: float, sizes: list[int]) -> None:
    if max(sizes) < 1.5 * min(sizes):
        return
    found = calibrate([(size, fixed + scale * size) for size in sizes])
    assert found[0] == pytest.approx(fixed, rel=1e-3, abs=1e-4)
    assert found[1] == pytest.approx(scale, rel=1e-3)
    assert found[2] == 0.25


def test_one_point_scales_and_says_it_is_less_sure() -> None:
    assert calibrate([(1000, 2.0)]) == (0.0, 0.002, 0.5)
    # A longer step that took less time contradicts the shorter one: a scale alone is left, and its misfit is the error.
    fixed, scale, error = calibrate([(1000, 2.0), (2000, 0.5)])
    assert fixed == 0.0 and scale > 0 and error > 0.5
    with pytest.raises(ValueError, match="at least one"):
        calibrate([])


def test_runs_on_this_machine_correct_the_estimate() -> None:
    card = gpu("rtx-4090")
    assert card is not None
    points = []
    for batch in (1, 8):
        setup = Setup(Method.LORA, seq=512, micro_batch=batch, checkpointing=False)
        estimate = step_seconds(shape("Qwen/Qwen3-0.6B"), setup, card)
        assert estimate is not None
        # This machine takes twice the arithmetic and a tenth of a second more; four micro-steps make a step.
        seconds = 4 * (0.1 + 2 * estimate.mid)
        points.append(
            Point(
                "rtx-4090", "Qwen/Qwen3-0.6B", "lora", 16, 512, 512 * batch, False, 4 * 512 * batch, seconds, 4.0, 4.5
            )
        )
    for point in points:
        remember(point)
    remember(Point("l4", "Qwen/Qwen3-0.6B", "lora", 16, 512, 512, False, 512, 9.0))
    assert remembered("rtx-4090") == tuple(points) and len(remembered()) == 3
    found = correction(remembered("rtx-4090"), card)
    assert found is not None
    assert (found.points, found.scale, found.fixed_s) == (2, pytest.approx(2, rel=1e-6), pytest.approx(0.1, rel=1e-6))
    middle = Setup(Method.LORA, seq=512, micro_batch=4, checkpointing=False)
    estimate = step_seconds(LLAMA, middle, card)
    corrected = fit(LLAMA, Method.LORA, card, seq=512, micro_batch=4, checkpointing=False, correction=found)
    assert estimate is not None and corrected.tokens_per_s is not None and corrected.calibrated
    assert corrected.tokens_per_s.mid == pytest.approx(middle.tokens / (0.1 + 2 * estimate.mid))


def test_a_machine_faster_than_the_estimate_at_the_start_is_met_at_both_points_and_never_below_nothing() -> None:
    """Measured 0.2 s where 0.3 s were estimated, and 4.5 where 4.6: the fixed part of the estimate is too large."""
    fixed, scale, _ = calibrate([(0.3, 0.2), (4.6, 4.5)])
    assert (fixed, scale) == (pytest.approx(-0.1), pytest.approx(1.0))
    found = Correction(2, fixed, scale, 0.25, shortest_s=0.3)
    seconds = {mid: found.seconds(Band(mid, mid, mid)).mid for mid in (0.03, 0.3, 2.0, 4.6)}
    assert seconds == pytest.approx({0.03: 0.02, 0.3: 0.2, 2.0: 1.9, 4.6: 4.5})


def test_every_estimate_uses_what_this_machine_measured(home: Path) -> None:
    card = gpu("rtx-4090")
    assert card is not None
    before = fit(LLAMA, Method.QLORA, card, seq=1024).tokens_per_s, train_minutes(LLAMA, Method.QLORA, card, 10**6)
    for batch, seconds in ((512, 0.9), (8192, 9.0)):
        remember(Point("rtx-4090", "meta-llama/Llama-3.1-8B", "qlora", 16, 512, batch, False, batch, seconds))
    found = fit(LLAMA, Method.QLORA, card, seq=1024)
    assert found.calibrated and found.tokens_per_s != before[0]
    assert train_minutes(LLAMA, Method.QLORA, card, 10**6) != before[1]
    assert not fit(LLAMA, Method.QLORA, replace(card, name="l4"), seq=1024).calibrated


def test_points_of_unknown_models_say_nothing() -> None:
    card = gpu("l4")
    assert card is not None
    assert correction([Point("l4", "nobody/unknown", "lora", 8, 512, 512, False, 512, 1.0)], card) is None
    assert correction([], card) is None


def test_memory_is_compared_at_the_heaviest_pass_not_at_the_usual_one() -> None:
    card = gpu("rtx-4090")
    assert card is not None
    setup = Setup(Method.LORA, seq=8192, checkpointing=False)
    peak_gb = peak(LLAMA, setup).reserved_gb
    point = Point("rtx-4090", LLAMA.model, "lora", 16, 600, 2400, False, 2400, 1.0, None, peak_gb, peak_tokens=8192)
    found = correction([point], card)
    assert found is not None and found.memory == pytest.approx(1.0)


def plant_run(folder: Path, device: str, ranks: int = 1) -> None:
    folder.mkdir(parents=True)
    contents = {
        "config.json": {"model": "Qwen/Qwen3-0.6B", "method": "qlora"},
        "chosen.json": {"base": "Qwen/Qwen3-0.6B", "hyperparameters": {"lora_rank": 8, "max_seq_length": 1024}},
        "environment.json": {"device": device, "ranks": ranks},
        "summary.json": {
            "step_seconds": 2.5,
            "tokens_per_step": 16384.0,
            "micro_batch_tokens": 4096,
            "longest_tokens": 900,  # max_seq_length is only what the model could read
            "heaviest_pass_tokens": 4000,
            "gradient_checkpointing": True,
            "peak_allocated_gb": 6.1,
            "peak_reserved_gb": 6.6,
        },
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))


def test_the_middle_step_counts_not_the_slow_first_one(tmp_path: Path) -> None:
    plant_run(tmp_path / "run", "NVIDIA L4")
    lines = [{"step": 0, "valid_loss": 7.0}, {"step": 1, "tokens": 4000, "step_seconds": 30.0}]
    lines += [{"step": 2 + n, "tokens": 4000 * (2 + n), "step_seconds": 1.0 + n / 10} for n in range(3)]
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "torn")
    point = point_of_run(tmp_path / "run")
    assert point is not None
    assert (point.tokens_per_step, point.step_seconds) == (4000, 1.1)


def test_finished_runs_of_the_trainer_are_points(home: Path) -> None:
    """The folders that the local trainer leaves are read as they are; nobody has to hand them over."""
    assert remembered() == ()
    plant_run(home / "runs" / "tw-1", "NVIDIA L4")
    plant_run(home / "runs" / "tw-2", "NVIDIA L4", ranks=4)
    plant_run(home / "runs" / "tw-3", "Card of Tomorrow")
    (home / "runs" / "tw-4").mkdir()
    (home / "runs" / "tw-4" / "summary.json").write_text("torn")
    point = Point("l4", "Qwen/Qwen3-0.6B", "qlora", 8, 900, 4096, True, 16384.0, 2.5, 6.1, 6.6, 4000)
    assert remembered() == (point,)
    assert point_of_run(home / "runs" / "tw-4") is None
    path = remember(point)
    path.write_text("not a point\n" + path.read_text() + '{"gpu": 3}\n')
    assert remembered("l4") == (point,)
    assert remembered("t4") == ()
