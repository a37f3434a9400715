"""`tunewise report`: from a plan file and from a run, with what is not at hand said; and the axes of its drawings."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from report_story import a_plan, a_run

from advisor.cli import tunewise
from advisor.cli.render.costs import over_requests, over_time
from advisor.cli.render.curves import crossings, drawn, lines
from advisor.cli.render.report import Story, markdown, page
from advisor.cli.render.report.charts import figure
from advisor.cli.render.scale import linear, short
from advisor.dataset import Dataset
from advisor.errors import AdvisorError
from advisor.estimate import Range
from advisor.pricing import PriceBook
from advisor.recommend import read_plan, recommend, write_plan
from advisor.runs import Ledger, Origin, Quote, Run
from advisor.runs.evaluation.samples import read_answers
from advisor.tokens import profile
from advisor.workload import load_workload
from backends import Job, JobEvent, JobSpec, JobStatus

EXAMPLES = Path(__file__).parent.parent / "examples"
TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def report(*arguments: str | Path, code: int = 0) -> Result:
    found = CliRunner().invoke(tunewise, ["report", "--today", "2026-11-22", *map(str, arguments)])
    assert found.exit_code == code, found.output
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of the shipped tickets, on a copy of their file."""
    data = tmp_path / "tickets.jsonl"
    data.write_bytes((EXAMPLES / "support_tickets.jsonl").read_bytes())
    workload = load_workload(EXAMPLES / "support_tickets.yaml")
    opened = Dataset.open(data)
    found = recommend(profile(opened), workload, PriceBook.load(), today=TODAY, data="tickets.jsonl")
    path = tmp_path / "plan.yaml"
    write_plan(path, found, data=[data], fingerprint=opened.fingerprint, workload=workload, today=TODAY, created=TODAY)
    assert read_plan(path).advice == found, "a plan file gives back the whole recommendation"
    return path


def test_a_plan_becomes_a_page_whose_figures_are_those_of_the_plan(plan: Path, tmp_path: Path) -> None:
    html, md = tmp_path / "out.html", tmp_path / "out.md"
    found = report(plan, "--html", html, "--md", md, "--json")
    said = json.loads(found.stdout)
    text = html.read_text(encoding="utf-8")
    inside = json.loads(text.split('id="figures">')[1].split("</script>")[0])
    assert inside == said
    printed = json.loads(plan_json(plan))
    assert said["plan"] == {name: printed[name] for name in said["plan"]} and len(said["plan"]) > 12
    assert set(said["charts"]) >= {"requests", "time", "tokens"}
    assert sum(said["charts"]["tokens"]["series"][0]["values"]) == 400
    assert md.read_text(encoding="utf-8").startswith("### ")
    assert "written: " in found.stderr


def plan_json(plan: Path) -> str:
    arguments = ["plan", str(plan.parent / "tickets.jsonl"), "--workload", str(EXAMPLES / "support_tickets.yaml")]
    found = CliRunner().invoke(tunewise, [*arguments, "--today", "2026-11-22", "--json"])
    document = json.loads(found.stdout)
    document["next_step"] = document["next_step"].replace(str(plan.parent / "tickets.jsonl"), "tickets.jsonl")
    return json.dumps(document)


def test_every_option_drawn_costs_at_the_users_volume_what_its_estimate_says(plan: Path) -> None:
    kept = read_plan(plan)
    volume = kept.workload.requests_per_month
    assert volume is not None
    everything = [option for option in kept.advice.options if option.estimate and option.estimate.marginal_usd]
    everything = [option for option in everything if option.estimate.amortised_monthly_usd]
    assert len(everything) > 10
    for line in lines(everything, kept.workload):
        estimate = line.option.estimate
        assert float(line.monthly(Decimal(volume.mid)).mid) == pytest.approx(
            float(estimate.amortised_monthly_usd.mid), rel=1e-4
        ), line.option.id
        assert line.cumulative[-1][1] == estimate.total_usd
    for one in crossings(lines(drawn(kept.advice)[0], kept.workload)):
        first, second = (lines(drawn(kept.advice)[0], kept.workload)[place] for place in (one.first, one.second))
        assert first.monthly(one.requests).mid == pytest.approx(second.monthly(one.requests).mid)


def test_what_is_paid_once_is_spread_over_the_months_an_option_lives() -> None:
    kept = a_plan(volume=None)
    found = lines(drawn(kept.advice)[0], kept.workload)
    tuned = next(line for line in found if line.option.id == "hosted")
    # 240 once over 12 months, 20 a month, 100,000 requests at 0.0001.
    assert tuned.monthly(Decimal(100_000)).mid == 20 + 20 + 10
    assert [one.requests for one in crossings(found) if one.first == 0] == [200_000]


def test_a_letter_means_the_same_option_in_both_drawings_of_money() -> None:
    kept = a_plan()
    found = lines(drawn(kept.advice)[0], kept.workload)
    blank = [replace(found[0], cumulative=()), *found[1:]]
    requests, time = over_requests(blank, kept.workload, "A"), over_time(blank, kept.workload, TODAY)
    assert requests is not None and time is not None
    assert [one.name for one in requests.series] == [one.name for one in time.series]
    assert time.series[0].shown == "unknown" and set(time.series[0].values) == {None}
    assert "<svg" in figure(time)


def test_what_is_paid_inside_the_horizon_is_in_the_last_month_and_in_the_spread() -> None:
    kept = a_plan()
    tuned = next(one for one in kept.options if one.id == "hosted")
    total = Range.exact(Decimal(600 + 120))  # retrained once for 120
    later = replace(tuned.estimate, total_usd=total, amortised_monthly_usd=Range.exact(Decimal(60)))
    (line,) = lines([replace(tuned, estimate=later)], kept.workload)
    assert line.cumulative[-1][1].mid == 720 and line.cumulative[-2][1].mid == 240 + 11 * 30
    assert line.monthly(Decimal(100_000)).mid == 60


def test_changed_or_absent_data_is_said_and_not_shown(plan: Path) -> None:
    data = plan.parent / "tickets.jsonl"
    data.write_bytes(data.read_bytes().splitlines(keepends=True)[0])
    out = plan.parent / "out.html"
    report(plan, "--html", out)
    assert "The data (tickets.jsonl) has changed since" in out.read_text(encoding="utf-8")
    assert 'id="chart-tokens"' not in out.read_text(encoding="utf-8")
    data.unlink()
    report(plan, "--html", out)
    assert "The data (tickets.jsonl) is not at hand" in out.read_text(encoding="utf-8")


def test_a_plan_made_before_there_was_data_says_so(plan: Path) -> None:
    found = read_plan(plan)
    said = {"fingerprint": "", "workload": found.workload, "today": TODAY, "created": TODAY}
    write_plan(plan, found.advice, data=[], **said)
    report(plan, "--html", plan.parent / "out.html")
    assert "from a description, before there was data" in (plan.parent / "out.html").read_text(encoding="utf-8")


def test_a_plan_file_without_its_argument_still_makes_a_page(plan: Path) -> None:
    content = yaml.safe_load(plan.read_text(encoding="utf-8"))
    del content["argument"], content["options"]
    plan.write_text(yaml.safe_dump(content), encoding="utf-8")
    out = plan.parent / "out.html"
    report(plan, "--html", out, "--md", plan.parent / "out.md")
    assert 'id="flips"' not in out.read_text(encoding="utf-8")


def test_nothing_to_write_is_a_usage_error_and_no_plan_is_a_sentence(plan: Path) -> None:
    assert "--html OUT.html" in report(plan, code=2).output
    figure = plan.parent / "figure.svg"
    report(plan, "--svg", figure)
    assert figure.read_text(encoding="utf-8").startswith("<svg xmlns=")
    for what in ("nowhere.yaml", "tw-0000-none"):
        found = CliRunner().invoke(tunewise, ["report", what, "--html", str(plan.parent / "x.html")])
        assert isinstance(found.exception, AdvisorError)
    assert not (plan.parent / "x.html").exists()


def test_a_place_that_cannot_be_written_is_a_sentence(plan: Path) -> None:
    found = CliRunner().invoke(tunewise, ["report", str(plan), "--html", str(plan.parent / "none" / "x.html")])
    assert isinstance(found.exception, AdvisorError) and "choose another place" in str(found.exception)


def a_ledger_run(tmp_path: Path, **job: object) -> Run:
    spec = JobSpec(run="tw-1122-0000000a", backend="local", model="tiny", train_file=tmp_path / "train.jsonl")
    snapshot = replace(
        Job(spec.run, "local", "tiny", id="1", status=JobStatus.SUCCEEDED, created=NOON, finished=NOON), **job
    )
    run = Run(spec.run, NOON, spec, Quote(usd=Decimal(0)), Origin(source=str(tmp_path / "gone.yaml")), snapshot)
    ledger = Ledger.open()
    ledger.add(run)
    ledger.save(snapshot)
    return run


def kept_answers(path: Path) -> None:
    """Three examples: one answered alike, one where they differ, one that only base answered."""
    said = {"1": ("same", "same"), "2": ("<think>hm</think>no", "write to jane.doe@gmail.com"), "3": ("x", None)}
    rows = [
        {"key": f"{name}{id}", "option": name, "example": id, "asked": f"q{id}", "reference": "r", "answer": answer}
        for id, answers in said.items()
        for name, answer in zip(("base", "tuned"), answers, strict=True)
        if answer is not None
    ]
    rows.insert(0, {**rows[0], "answer": "an earlier answer"})
    rows.append({"key": "j", "option": "judge", "example": "1", "answer": "A"})
    rows.append({**rows[1], "example": "4", "tool_calls": [{"function": {"name": "look"}}], "answer": ""})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"torn', encoding="utf-8")


def test_kept_answers_are_read_beside_each_other_those_that_differ_first(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    kept_answers(path)
    found = read_answers(path, ("base", "tuned"), 5)
    assert [(one.asked, dict(one.answers)) for one in found] == [
        ("q2", {"base": "no", "tuned": "write to [PERSONAL DATA]"}),
        ("q1", {"base": "same", "tuned": "same"}),
    ]
    assert [one.asked for one in read_answers(path, ("base", "tuned"), 1)] == ["q2"]
    assert read_answers(path, ("base", "tuned"), 0) == () == read_answers(tmp_path / "none", ("base",), 3)
    assert '"name": "look"' in read_answers(path, ("base",), 9)[-1].answers["base"]


def test_a_page_holds_as_many_samples_as_asked_for_and_says_that_it_does(tmp_path: Path) -> None:
    run = a_ledger_run(tmp_path)
    kept_answers(tmp_path / "samples.jsonl")
    card = {**(a_run().scorecard or {}), "samples_path": str(tmp_path / "samples.jsonl")}
    Ledger.open().append(run.id, "scorecard", card)
    out = tmp_path / "run.html"
    assert "shows 2 of your held-out examples; --samples 0" in report(run.id, "--html", out).stderr
    assert "[PERSONAL DATA]" in out.read_text(encoding="utf-8")
    assert "held-out examples; --samples" not in report(run.id, "--html", out, "--samples", 0).stderr
    assert 'id="samples"' not in out.read_text(encoding="utf-8")


def test_a_run_becomes_a_page_with_its_scorecard_and_losses(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(
        '{"step": 0, "valid_loss": 3.0}\n{"step": 1, "train_loss": 2.5}\n{"step": 2, "train_loss": NaN}\n'
        '{"step": 2, "valid_loss": 2.0}\n{"step": 3, "train_lo'
    )
    run = a_ledger_run(tmp_path, metrics_path=metrics)
    Ledger.open().append(run.id, "scorecard", a_run().scorecard)
    out = tmp_path / "run.html"
    said = json.loads(report("0000000a", "--html", out, "--json").stdout)
    assert said["run"]["scorecard"]["winner"] == "tuned"
    series = {one["name"]: one["values"] for one in said["charts"]["loss"]["series"]}
    assert series == {"training": [None, 2.5, None], "validation": [3.0, None, 2.0]}
    assert "The plan it was launched from is not shown" in out.read_text(encoding="utf-8")


def test_an_unfinished_run_is_asked_for_unless_offline(tmp_path: Path) -> None:
    run = a_ledger_run(tmp_path, status=JobStatus.RUNNING, finished=None)
    out = tmp_path / "run.html"
    assert "not refreshed: " in report(run.id, "--html", out).stderr, "its folder is gone, so nobody can tell"
    assert "not refreshed: " not in report(run.id, "--offline", "--html", out).stderr
    assert "tiny is training on this machine." in out.read_text(encoding="utf-8")


def test_losses_come_from_the_providers_events_where_there_is_no_file(tmp_path: Path) -> None:
    from advisor.runs import keep_events

    run = a_ledger_run(tmp_path)
    events = [JobEvent(str(step), NOON, "info", "", step, {"train_loss": 1 / step}) for step in (1, 2, 4)]
    keep_events(run.id, events)
    said = json.loads(report(run.id, "--json").stdout)
    assert said["charts"]["loss"]["series"] == [{"name": "training", "values": [1.0, 0.5, 0.25]}]


def test_the_answer_is_drawn_first_and_a_ruled_out_tuning_only_for_comparison() -> None:
    advice = a_plan().advice
    options, unknown = drawn(advice)
    assert options[0] == advice.recommendation
    assert [option.id for option in unknown] == ["unknown"]
    assert "fallen" not in [option.id for option in options], "another tuning stands, so nothing ruled out is drawn"
    lonely = replace(advice, flips=(), options=tuple(o for o in advice.options if o.id not in ("hosted", "unknown")))
    assert [option.id for option in drawn(lonely)[0]] == ["prompt", "dying", "fallen"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 97, [0, 20, 40, 60, 80, 100]),
        (0, 0.9, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (150, 393, [150, 200, 250, 300, 350, 400]),
    ],
)
def test_an_even_axis_has_round_marks(low: float, high: float, ticks: list[float]) -> None:
    scale = linear(low, high, 0, 100)
    assert scale.ticks(6) == pytest.approx(ticks)
    assert scale(scale.low) == 0 and scale(scale.high) == 100


@pytest.mark.parametrize(
    ("value", "text"), [(0, "$0"), (0.05, "$0.05"), (1500, "$1.5k"), (2e6, "$2M"), (999, "$999"), (0.00002, "$0.00002")]
)
def test_marks_are_short(value: float, text: str) -> None:
    assert short(value, "$") == text


def test_what_is_shared_names_files_and_no_folder(plan: Path, tmp_path: Path) -> None:
    found = read_plan(plan)
    step = f"tunewise evaluate '{tmp_path}/my data/tickets.jsonl' --out {tmp_path}/out.json && tunewise plan /a/b.jsonl"
    found = replace(found, advice=replace(found.advice, next_step=step))
    told = a_run()
    told = replace(told, view=replace(told.view, error=f"Its log is {tmp_path}/runs/trainer.log."))
    for story in (Story(TODAY, "1", plan=found), Story(TODAY, "1", run=told, notes=(f"{plan}: is not there.",))):
        shared = page(story) + markdown(story)
        assert str(tmp_path) not in shared and "my data" not in shared and "/a/b" not in shared
        assert "tickets.jsonl" in shared or "trainer.log" in shared
    assert "openai.com/" in page(Story(TODAY, "1", plan=found)), "addresses of sources stay"


def test_what_a_person_names_to_be_written_has_the_usual_rights(plan: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        report(plan, "--html", tmp_path / "plan.html", "--md", tmp_path / "plan.md")
        data, limit = str(tmp_path / "tickets.jsonl"), ["--limit", "500"]
        budget = ["budget", data, *limit, "--html", str(tmp_path / "budget.html")]
        assert CliRunner().invoke(tunewise, budget).exit_code == 0
        assert CliRunner().invoke(tunewise, ["plan", data, "--out", str(tmp_path / "new.yaml")]).exit_code == 0
    finally:
        os.umask(before)
    written = ("plan.html", "plan.md", "budget.html", "new.yaml")
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in written} == dict.fromkeys(written, 0o644)
