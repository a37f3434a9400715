"""`tunewise plan`: the page, the document, the plan file, limits, what own runs add, and what is refused."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pexpect
import pytest
import yaml
from click.testing import CliRunner, Result

from advisor.cli import tunewise
from advisor.dataset import Dataset
from advisor.errors import AdvisorError, DataError
from advisor.evaluate import Row, Scorecard
from advisor.evidence import is_source
from advisor.recommend import PlanError, read_plan
from advisor.runs import Ledger, Origin, Quote, Run
from advisor.runs.evaluation.measurements import _scores
from backends import Job, JobSpec

ROOT = Path(__file__).parent.parent
TICKETS = ROOT / "examples" / "support_tickets.jsonl"
DAY = ("--today", "2026-11-22")
DEAR_ERRORS = ("--error-cost-usd", "1")
AT_TOGETHER = ("--backend", "together")


def run(*words: object) -> Result:
    return CliRunner().invoke(tunewise, ["plan", *map(str, words), *DAY], catch_exceptions=True)


def document(*words: object) -> dict[str, object]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def write(path: Path, content: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_first_screen_has_the_answer_its_reason_and_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run(TICKETS, "--measured", "prompt=0.71", "--requests-per-month", 50000, *DEAR_ERRORS, *AT_TOGETHER)
    lines = result.stdout.splitlines()
    said = "FINE-TUNE Qwen3.5-9B at Together and run it on a rented rtx-4090: $4.00 once, then $248 a month."
    assert " ".join(lines[:2]) == said
    assert lines[3].startswith("Your best prompt scores 71%")
    assert any(line.startswith("Tuning Qwen3.5-9B costs $247 a month more; ") for line in lines)
    chosen = [line for line in lines if line.startswith("> ")]
    assert len(chosen) == 1 and chosen[0].startswith("> tune Qwen3.5-9B, LoRA")
    named = [
        line[2:45] for line in lines[lines.index("What would change this:") - 8 :] if line[:2] in ("  ", "> ", "* ")
    ]
    assert len(set(named)) == len(named)


def test_the_rest_is_behind_flags(tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    result = run(
        TICKETS, "--measured", "prompt=0.71", "--requests-per-month", 50000, "--why", "--all", "--chart", "--html", page
    )
    wanted = (
        "Why:", "What it costs:", "What would change this:", "What we do not know:", "Taken for granted:", "per 1k",
        "Ruled out:", "What a month costs", "Next:",
    )  # fmt: skip
    places = [result.stdout.index(title) for title in wanted]
    assert places == sorted(places)
    standing = [one for one in document(TICKETS, "--measured", "prompt=0.71")["options"] if not one["ruled_out_by"]]  # type: ignore[attr-defined]
    assert all(str(one["id"]) in " ".join(result.stdout.split()) for one in standing)
    assert "--why" not in result.stdout[result.stdout.rindex("Next:") :]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_is_said_of_the_cost_adds_up(tmp_path: Path) -> None:
    """500 answers to evaluate it are a tenth of a year of 300 requests a month: said, not hidden in the total."""
    told = {"task": "classification", "data": {"examples": 5000, "tokens_per_example": 120, "output_tokens": 5}}
    file = write(tmp_path / "w.yaml", {**told, "requests_per_month": 300, "measured": {"prompt": 0.9}})
    text = " ".join(run("--workload", file, "--why", "--chart").stdout.split())
    said = re.search(r"What it costs: - \$(\S+) once to evaluate it, \$(\S+) a month at 300 requests, \$(\S+) ", text)
    assert said
    once, month, total = map(float, said.groups())
    assert once + 12 * month == pytest.approx(total, rel=0.02)
    assert re.search(r"A Prompt \S+ no examples, OpenAI: \$\S+ a month, its evaluation spread out", text)


def test_a_tax_stands_beside_the_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = (TICKETS, "--measured", "prompt=0.97", "--requests-per-month", 1_000_000, "--why")
    plain = " ".join(run(*asked).stdout.split())
    Path("pricing.local.yaml").write_text("own: {tax_rate: 0.5}\n")
    text = " ".join(run(*asked).stdout.split())
    said = re.search(
        r"a month at 1,000,000 requests, \$(\S+) \(\S+ to \S+\) over 12 months, and \$(\S+) of tax\.", text
    )
    assert said and float(said[2]) == pytest.approx(float(said[1]) / 2, abs=1) and "of tax" not in plain
    explained = run(*asked, "--explain", "prompt:openai/gpt-6-luna").stdout
    assert "tax on top of that, low / mid / high: $" in explained


@pytest.mark.parametrize(("budget", "short"), [(3000, True), (7000, False)])
def test_a_budget_that_holds_at_the_likely_cost_alone_says_so(budget: int, short: bool) -> None:
    """A rented GPU is $2,982 a year, and up to $6,486."""
    asked = (TICKETS, "--measured", "prompt=0.5", "--requests-per-month", 50_000, "--budget-usd", budget)
    text = " ".join(run(*asked, *DEAR_ERRORS, *AT_TOGETHER).stdout.split())
    assert text.startswith("FINE-TUNE") and f"budget ${budget:,}" in text
    assert ("at worst over your budget" in text) is short


def test_who_stops_reading_the_page_has_the_plan(tmp_path: Path) -> None:
    out = tmp_path / "plan.yaml"
    command = [sys.executable, "-m", "advisor", "plan", str(TICKETS), "--measured", "prompt=0.9", "--out", str(out)]
    with subprocess.Popen([*command, *DAY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as asked:
        assert asked.stdout
        asked.stdout.close()
    assert read_plan(out).data == (TICKETS.resolve(),)


def test_the_drawing_marks_where_two_cost_the_same() -> None:
    told = run(TICKETS, "--measured", "prompt=0.97", "--requests-per-month", 1_000_000, "--chart").stdout
    assert "cheaper than A from about" in " ".join(told.split())
    text = run(TICKETS, "--measured", "prompt=0.97", "--requests-per-month", 9_000_000, "--chart").stdout
    drawing = text[text.index("What a month costs") : text.index("Next:")]
    rows = [line for line in drawing.splitlines() if "│" in line]
    assert len(rows) == 13 and any("╳" in row for row in rows) and all("A" in "".join(rows) for _ in rows)
    assert "↑ your volume" in drawing
    ticks = [float(row.split("│")[0].strip().strip("$").replace("k", "e3").replace("M", "e6") or "nan") for row in rows]
    named = [tick for tick in ticks if tick == tick]
    assert len(named) >= 2 and named == sorted(named, reverse=True)


def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    command = [sys.executable, "-m", "advisor", "plan", str(TICKETS), "--measured", "prompt=0.9", "--chart", *DAY]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=plain)
    assert b"^ read here" in done.stdout and done.stdout.isascii() and b"\x1b" not in done.stdout


def test_what_is_shown_multiplies() -> None:
    """The product on each line of --explain is that of the two factors on it, to the last digit shown."""
    asked = (TICKETS, "--measured", "prompt=0.71", "--requests-per-month", 50000)
    for option in ("hosted:together/Qwen/Qwen3.5-9B:self_hosted", "prompt:openai/gpt-6-luna",
                   "local_lora:Qwen/Qwen3-8B@rtx-4090"):  # fmt: skip
        text = " ".join(run(*asked, "--explain", option).stdout.split())
        lines = re.findall(r"([\d.,]+) \w+ x \$([\d.,]+) = \$([\d.,]+)", text)
        assert len(lines) >= 2
        for quantity, each, product in (tuple(part.replace(",", "") for part in line) for line in lines):
            digits = len(product.partition(".")[2])
            assert round(Decimal(quantity) * Decimal(each), digits) == Decimal(product), (quantity, each, product)


def test_the_document_has_the_contract_keys() -> None:
    found = document(TICKETS, "--measured", "prompt=0.71", "--requests-per-month", 50000)
    wanted = "recommendation options prices_as_of assumptions flips evidence confidence next_step"
    assert set(wanted.split()) <= set(found)
    option_keys = (
        "id strategy backend model availability available_until ruled_out_by reasons quality hyperparameters estimate"
    )
    estimate_keys = (
        "one_off_usd per_request_usd monthly_usd total_usd train_minutes gpu_gb break_even_requests lines warnings"
    )
    options = found["options"]
    assert isinstance(options, list) and len(options) > 30
    for option in options:
        assert set(option_keys.split()) <= set(option)
        assert option["strategy"] in {
            "prompt", "few_shot", "hosted", "local_lora", "local_qlora", "local_full", "retrieval"
        }  # fmt: skip
        if option["estimate"]:
            assert set(estimate_keys.split()) <= set(option["estimate"])
            total = option["estimate"]["total_usd"]
            assert total is None or Decimal(total["low"]) <= Decimal(total["mid"]) <= Decimal(total["high"])
        assert all(set(reason) == {"text", "source"} and is_source(reason["source"]) for reason in option["reasons"])
    assert found["recommendation"] == options[0]
    flips, evidence = found["flips"], found["evidence"]
    assert isinstance(flips, list) and {"variable", "current", "flips_at", "to", "also"} == set(flips[0])
    assert isinstance(evidence, list) and {"claim", "source", "n_cases"} == set(evidence[0])
    assert all(is_source(item["source"]) for item in evidence)


def test_what_would_change_the_advice_is_said_in_words() -> None:
    asked = ("--measured", "prompt=0.97", "--requests-per-month", 5_000_000, "--error-cost-usd", "0.0001")
    text = " ".join(run(TICKETS, *asked, "--why").stdout.split())
    tuned = "tune Qwen3.5-9B at Together and run it on a rented rtx-4090"
    assert f"- Its prices are 1.679 times what they are: {tuned}" in text.split("but not the advice:")[1]
    assert f"or more requests a month (now 5,000,000): {tuned}" in text
    assert re.search(rf"- A wrong answer costs you \$0\.0\d+ or more \(now .*?\): {tuned}", text)
    assert "- The facts it answers from change daily: look them up (retrieval)" in text


def test_openai_is_closed_unless_the_organisation_is_active() -> None:
    def openai(*words: object) -> list[dict[str, object]]:
        options = document(TICKETS, *words)["options"]
        assert isinstance(options, list)
        return [item for item in options if item["backend"] == "openai" and item["strategy"] == "hosted"]

    for closed in (openai(), openai("--standing", "openai=never_fine_tuned")):
        assert {item["availability"] for item in closed} == {"closed"}
        assert all("2026-" in str(item["ruled_out_by"]) for item in closed)
    closing = [item for item in openai("--standing", "openai=active") if "nano" not in str(item["model"])]
    assert {(item["availability"], item["available_until"]) for item in closing} == {("closing", "2027-01-06")}
    assert all("2027-01-14" in str(item["ruled_out_by"]) for item in closing)


def test_flags_are_laid_over_the_workload_file(tmp_path: Path) -> None:
    file = write(tmp_path / "w.yaml", {"measured": {"prompt": 0.5, "few_shot": 0.6}, "horizon_months": 3})
    out = tmp_path / "plan.yaml"
    result = run(TICKETS, "--workload", file, "--measured", "prompt=0.9", "--own-gpu", "rtx-4090", "--out", out)
    assert result.exit_code == 0, result.output
    workload = read_plan(out).workload
    assert workload.measured == {"prompt": 0.9, "few_shot": 0.6}
    assert workload.horizon_months == 3 and workload.gpus == ("rtx-4090",)


def test_a_prompted_model_that_ends_within_the_horizon_says_so_in_the_first_lines() -> None:
    lines = run(TICKETS, "--measured", "prompt=0.97", "--measured-with", "gpt-5.4-nano").stdout.splitlines()
    assert any(
        line.startswith("gpt-5.4-nano shuts down on 1 Apr 2027, after 4.27 months of your 12.") for line in lines[:4]
    )
    short = run(TICKETS, "--measured", "prompt=0.97", "--measured-with", "gpt-5.4-nano", "--horizon-months", 3).stdout
    assert "shuts down on" not in "".join(short.splitlines()[:4])


def test_a_score_with_its_model_and_what_runs_today_are_said_by_flags(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    asked = ("--measured", "prompt=0.7@gpt-6-luna", "--current", "model=gpt-6-luna", "--current", "system_tokens=900")
    run(TICKETS, *asked, "--out", plan)
    workload = read_plan(plan).workload
    assert (workload.scores, workload.scored_with("prompt")) == ({"prompt": 0.7}, "gpt-6-luna")
    assert workload.current is not None
    assert (workload.current.model, workload.current.system_tokens) == ("gpt-6-luna", 900)


def test_a_plan_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    out = tmp_path / "plan.yaml"
    found = document(
        TICKETS, "--measured", "prompt=0.71", "--requests-per-month", 50000, *DEAR_ERRORS, *AT_TOGETHER, "--out", out
    )
    plan = read_plan(out)
    assert plan.data == (TICKETS,) and plan.today == date(2026, 11, 22) and len(plan.fingerprint) == 64
    chosen = found["recommendation"]
    assert isinstance(chosen, dict)
    assert plan.option.id == chosen["id"] and plan.option.hyperparameters.learning_rate == 3e-4
    assert plan.option.estimate and plan.option.estimate.total_usd
    assert str(plan.option.estimate.total_usd.mid) == "2982.40"
    assert len(plan.option.estimate.lines) == len(chosen["estimate"]["lines"])
    assert found["next_step"] == f"tunewise launch {out}"
    assert yaml.safe_load(out.read_text())["version"] == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 7\noption: {}\n", "version 7"),
        ("nothing: here\n", "not a plan file"),
        ("a: [\n", "not valid YAML"),
        ("version: 1\noption: {id: x}\n", "make it again"),
    ],
)
def test_a_plan_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError, match=says) as caught:
        read_plan(path)
    assert str(path) in str(caught.value)
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path / "none.yaml")


def test_nothing_recommended_writes_no_plan(tmp_path: Path) -> None:
    out = tmp_path / "plan.yaml"
    result = run(TICKETS, "--privacy", "on_premises", "--out", out)
    assert isinstance(result.exception, PlanError) and not out.exists()
    assert result.stdout.startswith("NOTHING FITS. Nothing may leave your premises")
    found = document(TICKETS, "--privacy", "on_premises")
    assert found["recommendation"] is None and "no model can run" in str(found["reason"])


def test_without_data_the_workload_describes_it(tmp_path: Path) -> None:
    file = write(tmp_path / "w.yaml", {"task": "extraction", "data": {"examples": 3000, "tokens_per_example": 400}})
    assert document("--workload", file)["confidence"] == "low"
    assert run().exit_code == 2


def test_explain_shows_every_sum_setting_and_source() -> None:
    tuned = "hosted:together/Qwen/Qwen3.5-9B:self_hosted"
    asked = ("--measured", "prompt=0.71", "--requests-per-month", 50_000, *DEAR_ERRORS, *AT_TOGETHER)
    text = run(TICKETS, *asked, "--explain", tuned).stdout
    for part in ("Settings:", "learning_rate: 0.0003", "Sums:", "at the minimum charge", "Evidence:", "[tier A]"):
        assert part in text
    ruled_out = run(TICKETS, "--explain", "hosted:openai/gpt-4.1-mini-2025-04-14").stdout
    assert "Ruled out: OpenAI closed fine-tuning" in ruled_out
    wrong = run(TICKETS, "--explain", "hosted:together/qwen3.5")
    assert isinstance(wrong.exception, AdvisorError) and "There is no option" in str(wrong.exception)


def test_over_a_money_limit_the_advice_is_shown_and_the_exit_code_is_4() -> None:
    words = (TICKETS, "--measured", "prompt=0.71", "--requests-per-month", "50000", *DEAR_ERRORS, *AT_TOGETHER)
    for limit in (("--max-cost", "1"), ("--max-monthly", "$100")):
        command = [sys.executable, "-m", "advisor", "plan", *map(str, words), *limit, *DAY, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 4 and "over --max" in done.stderr
        assert json.loads(done.stdout)["recommendation"]["backend"] == "together"
    assert run(*words, "--max-cost", "10", "--max-monthly", "1000").exit_code == 0
    assert run(*words, "--max-cost", "much").exit_code == 2


@pytest.mark.parametrize("flag", ["--max-cost", "--max-monthly", "--budget-usd", "--error-cost-usd"])
def test_every_amount_is_read_the_same_way(flag: str) -> None:
    for amount in ("nan", "-5", "inf", "much", ""):
        result = run(TICKETS, flag, amount)
        assert result.exit_code == 2 and "is not an amount of US dollars" in result.output, amount
    assert run(TICKETS, flag, "$1,250.50", "--requests-per-month", 1000).exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--measured", "prompt"), "KEY=VALUE"),
        (("--measured", "prompt=71"), "write 0.71 or 71%"),
        (("--measured", "prompt=1.5"), "measured.prompt"),
        (("--workload", "not-there.yaml"), "There is no workload file not-there.yaml"),
        (("--requests-per-month", "10x"), "not a whole number such as"),
        (("--backend", "nowhere"), "no backend 'nowhere'"),
        (("--model", "gpt-9-nano"), "Neither a price nor a size is known for a model 'gpt-9-nano'"),
        (("--privacy", "secret"), "privacy"),
        (("--task", "poetry"), "task"),
        (("--own-gpu", "rtx-9999"), "no GPU 'rtx-9999'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(words: tuple[str, ...], says: str) -> None:
    result = run(TICKETS, *words)
    assert says in (result.output + str(result.exception))
    assert "Traceback" not in result.output


def test_tuning_for_little_traffic_needs_a_price_of_errors_or_a_target() -> None:
    """$248 a month for 100 requests and an expected gain of some 10 points: about $25 an error."""
    asked = (TICKETS, "--measured", "prompt=0.6", "--requests-per-month", 100)
    found = document(*asked)
    assert found["recommendation"]["strategy"] in ("prompt", "few_shot")  # type: ignore[index]
    assert "you have not said what one costs" in str(found["reason"])
    for said in (("--error-cost-usd", "40"), ("--quality-target", "0.8")):
        assert document(*asked, *said)["recommendation"]["strategy"] not in ("prompt", "few_shot")  # type: ignore[index]


def test_a_pilot_outranks_the_literature(tmp_path: Path) -> None:
    ahead = [
        {"examples": n, "score": score, "low": score - 0.04, "high": score + 0.04}
        for n, score in ((400, 0.9), (800, 0.93))
    ]
    pilot = tmp_path / "pilot.json"
    pilot.write_text(json.dumps({"id": "pilot-1a2b3c4d", "metric": "label", "predictions": ahead}))
    found = document(TICKETS, "--measured", "prompt=0.95", "--pilot", pilot)
    assert found["confidence"] == "high" and "tuning (pilot) gave 90%" in str(found["reason"])
    found = document(TICKETS, "--measured", "prompt=0.8", "--pilot", pilot)
    assert "you measured it: tuned (pilot) 90%" in str(found["reason"]).lower()
    told = {"id": "pilot-1a2b3c4d", "metric": "label", "predictions": ahead}
    for model in ("Qwen/Qwen3-8B", "somebody/elses-7b"):
        pilot.write_text(json.dumps({**told, "model": model}))
        options = document(TICKETS, "--measured", "prompt=0.95", "--pilot", pilot)["options"]
        scored = {one["model"] for one in options if one["strategy"].startswith(("local", "hosted")) and one["quality"]}  # type: ignore[attr-defined]
        assert scored == {model} - {"somebody/elses-7b"}  # what was measured on one model says nothing of another
    pilot.write_text(json.dumps({**told, "model": "tiny"}))
    assert "made on the spot" in str(run(TICKETS, "--pilot", pilot).exception)
    pilot.write_text("{}")
    assert "pilot --json" in str(run(TICKETS, "--pilot", pilot).exception)


@pytest.mark.parametrize("metric", ["likelihood", "rouge_l", "token_f1"])
def test_a_pilot_that_measured_no_share_of_right_answers_is_refused(tmp_path: Path, metric: str) -> None:
    pilot = tmp_path / "pilot.json"
    ahead = [{"examples": 400, "score": 0.31, "low": 0.3, "high": 0.32}]
    pilot.write_text(json.dumps({"id": "pilot-1a2b3c4d", "metric": metric, "predictions": ahead}))
    result = run(TICKETS, "--measured", "prompt=0.6", "--pilot", pilot)
    assert isinstance(result.exception, DataError)
    assert f"measured {metric}, which is not a share of right answers" in str(result.exception)


def evaluated(id: str, metric: str, *rows: tuple[str, str, float], model: str = "Qwen/Qwen3-8B") -> Run:
    spec = JobSpec(id, "local", model, TICKETS)
    origin = Origin((str(TICKETS),), Dataset.open(TICKETS).fingerprint)
    job = Job(id, "local", model, tuned_model=f"adapters/{id}")
    run = Run(id, datetime.now(UTC), spec, Quote(usd=Decimal(2)), origin, job)
    ledger = Ledger.open()
    ledger.add(run)
    ledger.save(job)
    if rows:
        scored = [Row(*row[:2], "local", row[2], row[2] - 0.05, row[2] + 0.05, *[None] * 4, 80, 0) for row in rows]
        ledger.append(id, "scorecard", Scorecard(80, metric, tuple(scored), None, False, None, None))
    return run


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("tw-1122-00000002", "adapters/tw-1122-00000002"),  # a run of the ledger
        ("adapters/tw-1122-00000002", "adapters/tw-1122-00000002"),  # its model by name
        ("tw-1122-99999999", "adapters/elsewhere"),  # a run this ledger no longer holds
        ("ft:gpt-4.1-mini-2025-04-14:acme::x", "ft:gpt-4.1-mini-2025-04-14:acme::x"),
    ],
)
def test_another_tuned_model_on_the_scorecard_is_no_prompt(home: Path, name: str, model: str) -> None:
    evaluated("tw-1122-00000002", "exact")
    evaluated("tw-1122-00000001", "exact", (name, model, 0.93), ("tuned", "adapters/tw-1122-00000001", 0.8))
    found = document(TICKETS, "--measured", "prompt=0.6", "--privacy", "on_premises", "--own-gpu", "rtx-4090")
    assert "93% against 60% for the best prompt" in str(found["reason"])
    assert not any(str(text).startswith("prompt: 93%") for text in found["assumptions"])  # type: ignore[attr-defined]


def test_another_prompted_model_on_the_scorecard_is_a_prompt(home: Path) -> None:
    evaluated("tw-1122-00000001", "exact", ("gpt-6.1-sol", "gpt-6.1-sol", 0.93), ("tuned", "x", 0.8))
    assert "your best prompt 93%" in str(document(TICKETS)["reason"])


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("base", "prompt"),
        ("prompt:careful", "optimised"),
        ("few-shot:5", "few_shot"),
        ("few-shot:20:near", "retrieved"),
    ],
)
def test_ways_to_prompt_the_base_keep_their_names(home: Path, name: str, recipe: str) -> None:
    run = evaluated("tw-1122-00000001", "label", (name, "Qwen/Qwen3-8B", 0.91), ("tuned", "x", 0.8))
    run = Ledger.open().get(run.id)
    (found, _) = _scores(run, {run.id: run}, on_premises=True)
    assert (found.name, found.model) == (recipe, "Qwen/Qwen3-8B")


def test_a_scorecard_of_word_overlap_is_no_measurement(home: Path) -> None:
    evaluated("tw-1122-00000001", "rouge_l", ("gpt-6.1-sol", "gpt-6.1-sol", 0.93), ("tuned", "x", 0.8))
    assert "93%" not in str(document(TICKETS)["assumptions"])


def test_a_model_made_on_the_spot_is_no_evidence(home: Path) -> None:
    evaluated("tw-1122-00000001", "json_fields", ("base", "tiny", 0.0), ("tuned", "x", 0.48), model="tiny")
    found = document(TICKETS, "--measured", "prompt=0.3")
    assert "48%" not in str(found["reason"]) + str(found["assumptions"])


def test_an_evaluated_run_on_the_same_data_is_used(home: Path) -> None:
    base, tuned = ("base", "Qwen/Qwen3-8B", 0.5), ("tuned", "x", 0.9)
    spec = evaluated("tw-1122-00000001", "exact", base, tuned).spec
    ledger = Ledger.open()
    here = ("--privacy", "on_premises", "--own-gpu", "rtx-4090")
    found = document(TICKETS, *here)
    assert found["confidence"] == "high" and "tuned (local_lora) 90% against 50%" in str(found["reason"])
    chosen = found["recommendation"]
    assert isinstance(chosen, dict) and "run tw-1122-00000001" in chosen["quality"]["basis"]
    assert chosen["quality"]["low"] == pytest.approx(0.85)
    asked = ["budget", str(TICKETS), "--limit", "50", "--json", *here, *DAY]  # a budget knows of the run, too
    assert json.loads(CliRunner().invoke(tunewise, asked).stdout)["reason"] == found["reason"]
    ledger.append(spec.run, "settled", {"usd": "3", "basis": "billed"})
    # Elsewhere a larger model would be prompted, so the small base's score is no prompt to beat.
    found = document(TICKETS)
    assert found["confidence"] == "low"
    assert "Your settled run at local was billed 1.50x the quote." in str(found["assumptions"])


def test_real_datasets_get_advice(shared: Path) -> None:
    drone = shared / "data" / "openai" / "drone_training.jsonl"
    found = document(drone, "--measured", "prompt=0.6", "--requests-per-month", 10000)
    assert found["recommendation"] is not None


def test_500_rows_take_little_cpu(tmp_path: Path) -> None:
    rows = (TICKETS.read_text().splitlines() * 2)[:500]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(rows) + "\n")
    command = [sys.executable, "-m", "advisor", "plan", str(data), *DAY]
    # Beside ten million additions in the same minute (1 s where this was set, the plan 1.5): machines differ, and
    # on a busy one a second of CPU does less. The best of three.
    adding = [sys.executable, "-c", "x = 0\nfor i in range(10_000_000): x += i"]
    assert any(_cpu_of(command) < 3 * _cpu_of(adding) for _ in range(3))


def _cpu_of(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_key_in_the_data_is_named_and_taken_out_first(tmp_path: Path) -> None:
    data = tmp_path / "key.jsonl"
    key = "sk-" + "proj-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0"
    rows = TICKETS.read_text().splitlines()
    data.write_text(
        "\n".join([rows[0].replace("The", f"My key {key}. The", 1).replace("You", f"{key} You", 1), *rows[1:]])
    )
    found = document(data, "--measured", "prompt=0.71")
    assert any("looks like a key or password" in str(one["text"]) for one in found["warnings"])  # type: ignore[attr-defined]
    assert found["next_step"] == f"tunewise check {data} --fix clean.jsonl --redact"


@pytest.mark.parametrize("no_color", [False, True])
def test_colour_is_for_terminals_that_want_it(no_color: bool) -> None:
    command = [
        "-m",
        "advisor",
        "plan",
        str(TICKETS),
        "--measured",
        "prompt=0.9",
        *DAY,
        "--requests-per-month",
        "50000",
        "--all",
        "--chart",
    ]
    wanted = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **({"NO_COLOR": "1"} if no_color else {})}
    process = pexpect.spawn(sys.executable, command, cwd=ROOT, env=wanted, encoding="utf-8", dimensions=(200, 80))
    process.expect(pexpect.EOF, timeout=120)
    screen = str(process.before)
    told = screen[screen.index("DON'T FINE-TUNE") :]
    assert ("\x1b[" in told) is not no_color
    assert "12 months" in told and "  A  Prompt gpt-6-luna" in told


@pytest.mark.parametrize(("said", "many"), [("10k", "10,000"), ("1.5M", "1,500,000"), ("2_000", "2,000")])
def test_requests_may_be_said_in_thousands_and_millions(said: str, many: str) -> None:
    assert f"{many} requests a month" in " ".join(run(TICKETS, "--requests-per-month", said).output.split())


def test_the_command_that_explains_is_whole_and_no_source_is_cut() -> None:
    said = " ".join(run(TICKETS, "--requests-per-month", "20k", "--why", "--chart").output.replace("\\\n", " ").split())
    flags = "--requests-per-month 20k --today 2026-11-22"
    assert re.search(rf"tunewise plan {re.escape(str(TICKETS))} {flags} --explain \S+:openai/gpt-6-luna", said)
    assert ".. " not in said and "Dots are the range of what A may cost." in said


@pytest.mark.parametrize("out", [("--out", "{}"), ("--out={}",)])
def test_the_command_that_explains_does_not_write_the_plan_again(tmp_path: Path, out: tuple[str, ...]) -> None:
    file = tmp_path / "plan.yaml"
    text = " ".join(run(TICKETS, *(word.format(file) for word in out), "--task", "other", "--why").stdout.split())
    again = text[text.index("Every sum, setting and source of the advised option:") :]
    assert file.exists() and "--out" not in again and str(file) not in again and "--task other" in again


@pytest.mark.parametrize("command", [("plan",), ("budget", "--limit", "500"), ("launch",), ("wizard",)])
def test_that_half_of_the_data_cannot_be_read_is_said(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from advisor.cli.flags.common import read

    data = tmp_path / "half.jsonl"
    row = '{"messages": [{"role": "user", "content": "is %d odd?"}, {"role": "assistant", "content": "%s"}]}\n'
    data.write_text("".join(row % (number, ["no", "yes"][number % 2]) + "{broken\n" for number in range(200)))
    if command[0] == "wizard":
        read([data])
        said = capsys.readouterr().err
    elif command[0] == "launch":
        said = (
            CliRunner()
            .invoke(tunewise, ["launch", str(data), "--backend", "local", "--model", "tiny", "--dry-run"])
            .output
        )
    else:
        said = CliRunner().invoke(tunewise, [command[0], str(data), *command[1:]]).stderr
    assert "up to 200 rows left out, 200 examples read (200 invalid_json" in " ".join(said.split())


def test_the_next_command_names_the_data_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("diff").write_text(TICKETS.read_text(encoding="utf-8"), encoding="utf-8")
    (again,) = re.findall(r"tunewise plan .*--all", run("./diff").stdout)
    assert again.count("diff") == 1


def test_what_follows_two_dashes_is_data_and_prices_last_for_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("--quiet").write_text(TICKETS.read_text(encoding="utf-8"), encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text((ROOT / "pricing.yaml").read_text(encoding="utf-8").replace("name: OpenAI", "name: Elsewhere"))
    asked = ["--pricing", str(mine), "plan", *DAY, "--why", "--", "--quiet"]
    assert "Elsewhere" in CliRunner().invoke(tunewise, asked).stdout
    assert "TUNEWISE_PRICING" not in os.environ
    assert "Elsewhere" not in CliRunner().invoke(tunewise, asked[2:]).stdout
