"""The fit command: keys of the contract, 80 columns, cost from the price book, and what an unknown model is told."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from advisor.cli import tunewise
from advisor.errors import RunError, WorkloadError
from advisor.hardware import Band, architecture, gpu_named
from advisor.pricing import PriceBook
from advisor.runs import calibrate
from backends import Method


def run(*arguments: str) -> Result:
    return CliRunner().invoke(tunewise, ["fit", *arguments])


KEYS = {
    "gpu", "fits", "peak_gb", "peak_low_gb", "peak_high_gb", "peak_term", "breakdown", "tokens_per_s", "minutes",
    "usd", "micro_batch", "advice",
}  # fmt: skip


def test_json_has_the_promised_keys() -> None:
    result = run(
        "--model", "meta-llama/Llama-3.1-8B", "--method", "qlora", "--gpu", "rtx-4090", "--gpu", "h100", "--json"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [item["gpu"] for item in found] == ["rtx-4090", "h100-80gb-sxm"]
    for item in found:
        assert set(item) >= KEYS
        assert item["fits"] == "yes" and item["peak_low_gb"] < item["peak_gb"] < item["peak_high_gb"]
        assert sum(item["breakdown"].values()) == pytest.approx(item["peak_gb"], abs=0.01)
        assert item["minutes"] is None and item["usd"] is None


def test_tokens_give_minutes_and_the_rent_for_them() -> None:
    arguments = ("--model", "Qwen/Qwen3-8B", "--gpu", "rtx-4090", "--tokens", "2000000", "--epochs", "3", "--json")
    (item,) = json.loads(run(*arguments).stdout)
    assert item["tokens"] == 6_000_000
    assert item["minutes"]["mid"] == pytest.approx(6e6 / item["tokens_per_s"]["mid"] / 60, rel=1e-3)
    rent = PriceBook.load().gpu("rtx-4090")
    assert rent is not None
    # The longest time at the dearest offer, the shortest at the cheapest.
    for name, price in (("low", rent.low), ("mid", rent.typical), ("high", rent.high)):
        hours = Decimal(str(item["minutes"][name])) / 60
        assert float(item["usd"][name]) == pytest.approx(float(hours * price), rel=1e-3)
    assert item["rent_source"]


def test_what_does_not_fit_has_no_time_and_no_price() -> None:
    arguments = ("--model", "meta-llama/Llama-3.1-70B", "--method", "full", "--gpu", "l4", "--tokens", "1000", "--json")
    (item,) = json.loads(run(*arguments).stdout)
    assert item["fits"] == "no" and item["minutes"] is None and item["usd"] is None
    assert "training states" in item["advice"]


@pytest.mark.parametrize("tokens", [(), ("--tokens", "100000000")])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_every_screen_fits_its_columns(tokens: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cards = [part for name in ("t4", "rtx-4090", "h100-nvl-94gb", "b200") for part in ("--gpu", name)]
    result = run("--model", "meta-llama/Llama-3.1-70B", "--method", "full", *cards, *tokens)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= columns
    assert "h100-nvl" in result.stdout and "falls with" in result.stdout.replace("\n  ", " ")
    assert not any(
        line.endswith("-") for line in result.stdout.splitlines() if not line.startswith(("t4", "rtx", "h100", "b200"))
    )


def test_table_and_advice_name_the_same_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = run("--model", "Qwen/Qwen3-8B", "--gpu", "h200").stdout
    (item,) = json.loads(run("--model", "Qwen/Qwen3-8B", "--gpu", "h200", "--json").stdout)
    peak = f"{item['peak_gb']:.1f}"
    assert f"yes   {peak} (" in said and f" of {peak} GB)" in said.replace("\n  ", " ")


def test_data_is_counted(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi there"}]}] * 20
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (item,) = json.loads(run("--model", "tiny", "--gpu", "cpu", "--data", str(data), "--json").stdout)
    assert 60 <= item["tokens"] <= 600
    assert item["minutes"] is not None and item["usd"] is None


def test_an_unknown_model_is_told_what_to_give() -> None:
    result = run("--model", "nobody/unknown")
    assert isinstance(result.exception, WorkloadError)
    assert "--params 8b" in str(result.exception) and "config.json" in str(result.exception)
    sized = run("--model", "nobody/unknown", "--params", "8b", "--gpu", "l4")
    assert sized.exit_code == 0 and "only its size is known" in sized.stdout
    assert isinstance(run("--model", "x", "--params", "many").exception, WorkloadError)


def test_a_length_beyond_the_context_is_said() -> None:
    assert "context is 2,048 tokens" in run("--model", "tiny", "--gpu", "cpu", "--seq", "4096").stdout
    assert "context is" not in run("--model", "tiny", "--gpu", "cpu", "--seq", "2048").stdout


def test_what_4_bits_leave_wide_is_said() -> None:
    assert "experts stay in 16 bits" in run("--model", "Qwen/Qwen3-30B-A3B", "--method", "qlora").stdout
    assert "experts stay" not in run("--model", "Qwen/Qwen3-30B-A3B", "--method", "lora").stdout
    assert "experts stay" not in run("--model", "Qwen/Qwen3-8B", "--method", "qlora").stdout


def test_an_unknown_gpu_is_told_which_are_known() -> None:
    result = run("--model", "tiny", "--gpu", "voodoo-2")
    assert result.exit_code == 2 and "rtx-4090" in result.stderr


def test_a_calibration_of_a_card_that_is_not_asked_about_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.runs.calibrate.calibrate_here", lambda *_: "cpu")
    said = run("--model", "tiny", "--gpu", "t4", "--calibrate")
    assert said.exit_code == 0 and "measured on cpu, which is not asked about here: --gpu cpu uses it" in said.stderr
    assert "not asked about" not in run("--model", "tiny", "--gpu", "cpu", "--calibrate").stderr


@pytest.mark.slow
def test_two_real_short_trainings_calibrate(home: Path) -> None:
    pytest.importorskip("torch")
    before, after = (
        json.loads(run("--model", "tiny", "--gpu", "cpu", "--tokens", "50000", "--json", *flags).stdout)[0]
        for flags in ((), ("--calibrate",))
    )
    assert not before["calibrated"] and after["calibrated"]
    points = [json.loads(line) for line in (home / "calibration.jsonl").read_text().splitlines()]
    assert [point["gpu"] for point in points] == ["cpu", "cpu"]
    assert points[1]["tokens_per_step"] > 3 * points[0]["tokens_per_step"]
    # Narrower than by the kind of processor, and near what was measured.
    assert after["minutes"]["high"] / after["minutes"]["low"] < before["minutes"]["high"] / before["minutes"]["low"]
    measured = points[1]["tokens_per_step"] / points[1]["step_seconds"]
    assert 0.3 * measured < after["tokens_per_s"]["mid"] < 4 * measured


def test_a_calibration_says_what_it_takes_and_does_not_begin_what_would_take_hours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[int] = []

    def train(folder: Path, model: str, method: Method, rank: int, tokens: int, until: float) -> str:
        begun.append(tokens)
        return "stopped"

    monkeypatch.setattr(calibrate, "_train", train)
    monkeypatch.setattr(
        calibrate, "_seconds", lambda arch, method, rank, tokens: Band(tokens / 20, tokens / 10, tokens / 5)
    )
    said: list[str] = []
    tiny = architecture("tiny")
    assert tiny is not None
    with pytest.raises(RunError, match="measured nothing: stopped"):
        calibrate.calibrate_here(tiny, "tiny", Method.LORA, 16, said.append)
    assert begun == [128]  # 512 tokens would take 51 s a step
    assert "5 steps of about 128 tokens each, by the estimate 32 to 128 s" in said[0] and "5 minutes" in said[0]
    monkeypatch.setattr(calibrate, "_seconds", lambda *_: Band(500.0, 1000.0, 2000.0))
    with pytest.raises(RunError, match="too long on this machine"):
        calibrate.calibrate_here(tiny, "tiny", Method.LORA, 16, said.append)


def test_the_command_line_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from click.testing import CliRunner; from advisor.cli import tunewise;"
        "r = CliRunner().invoke(tunewise, ['fit', '--model', 'tiny', '--gpu', 'cpu']); assert r.exit_code == 0, r;"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_gpu_goes_by_a_part_of_its_name_as_in_a_plan() -> None:
    (answer,) = json.loads(run("--model", "tiny", "--gpu", "4090", "--json").stdout)
    assert answer["gpu"] == "rtx-4090"
    with pytest.raises(WorkloadError, match=r"no GPU 'l4x'\. Did you mean 'l4'"):
        gpu_named("l4x")
    assert gpu_named("L4").name == "l4"
