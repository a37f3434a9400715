"""`tunewise plan diff`: what became of the advice between two kept plans, and what the plans tell of the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from advisor.cli import tunewise
from advisor.cli.render.plan_diff import markdown
from advisor.recommend import Plan, plan_diff, read_plan

EXAMPLES = Path(__file__).parent.parent / "examples"
TICKETS, WORK = EXAMPLES / "support_tickets.jsonl", EXAMPLES / "support_tickets.yaml"
PLANNED = ("--workload", WORK, "--today", "2026-11-22", "--backend", "bedrock")


def run(*words: str | Path, code: int = 0) -> Result:
    done = CliRunner().invoke(tunewise, ["--quiet", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def kept(path: Path, *words: str | Path) -> Path:
    """Keep a plan of the shipped tickets as of a fixed day, with more flags; one backend keeps it small."""
    run("plan", TICKETS, *PLANNED, "--out", path, *words)
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWISE_HOME", str(folder / "home"))
        return kept(folder / "plan.yaml")


@pytest.fixture(scope="module")
def plan(base: Path) -> Plan:
    return read_plan(base)


def test_two_plans_that_say_the_same_are_said_to(base: Path) -> None:
    assert run("plan", "diff", base, base).stdout.startswith("Nothing changed. The advice: ")
    said = json.loads(run("plan", "diff", base, base, "--json").stdout)
    assert not said["advice_changed"]
    assert all(not said[key] for key in ("inputs", "why", "data", "workload", "prices", "lines", "options"))


def test_a_flip_names_the_only_cause_and_both_reasons(base: Path, tmp_path: Path) -> None:
    """The base plan flips at 2,652 requests a month and fewer, says its own 'flips'."""
    assert any(flip.variable == "requests_per_month" for flip in read_plan(base).advice.flips)
    few = kept(tmp_path / "few.yaml", "--requests-per-month", "2000")
    said = json.loads(run("plan", "diff", base, few, "--json").stdout)
    assert said["advice_changed"] and said["inputs"] == ["workload"]
    assert {"what": "requests_per_month.mid", "old": 200_000, "new": 2000} in said["workload"]
    page = " ".join(run("plan", "diff", base, few).stdout.split())
    assert "only the workload changed" in page
    assert "$0.0015 or more (you say $0.02)" in page and "Said now: Tuning" in page


def test_a_price_is_named_with_its_source_and_moves_the_bill_as_it_moved(base: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    text = (EXAMPLES.parent / "pricing.yaml").read_text(encoding="utf-8")
    kept_plan = read_plan(base)
    line = next(one for one in kept_plan.option.estimate.lines if one.name == "input")
    model = text.index(kept_plan.option.model)
    place = text.index(f"{line.unit_usd}", model)
    prices.write_text(text[:place] + "0.42" + text[place + len(f"{line.unit_usd}") :], encoding="utf-8")
    paid = kept(tmp_path / "paid.yaml", "--pricing", prices)
    found = plan_diff(kept_plan, read_plan(paid))
    assert found.inputs == ("prices",) and not found.advice_changed
    (price,) = [one for one in found.prices if one.option == kept_plan.option.id and one.line == "input"]
    assert (price.old_usd, price.new_usd, price.source) == (line.unit_usd, Decimal("0.42"), line.source)
    (bill,) = [one for one in found.lines if one.name == "input"]
    assert bill.old is not None and bill.new is not None
    assert bill.old.quantity == bill.new.quantity == line.quantity
    assert bill.new.usd - bill.old.usd == line.quantity * (Decimal("0.42") - line.unit_usd)
    assert "only the prices changed" in run("plan", "diff", base, paid).stdout.replace("\n", " ")


def test_less_data_is_told_in_examples_and_tokens(base: Path, tmp_path: Path) -> None:
    fewer = tmp_path / "fewer.jsonl"
    fewer.write_text("".join(TICKETS.read_text(encoding="utf-8").splitlines(keepends=True)[:300]), encoding="utf-8")
    run("plan", fewer, *PLANNED, "--out", tmp_path / "fewer.yaml")
    found = plan_diff(read_plan(tmp_path / "fewer.yaml"), read_plan(base))
    assert found.inputs == ("data",)
    assert {(one.what, one.old, one.new) for one in found.data} >= {("examples", 300, 400)}
    evaluation = [one for one in found.lines if one.name.startswith("evaluation")]
    assert [(one.old.quantity, one.new.quantity) for one in evaluation if one.old and one.new] == [(30, 40)]


def test_what_was_advised_and_is_ruled_out_now_says_why(plan: Plan) -> None:
    """As a provider that closes: the option falls, and the next best that stands takes its place."""
    second = next(one for one in plan.options if one.ruled_out_by is None and one.id != plan.option.id)
    closed = replace(plan.option, ruled_out_by="No new jobs since 2026-11-25.")
    options = tuple(closed if one.id == closed.id else one for one in plan.options)
    later = replace(plan, option=second, options=options, today=plan.today.replace(day=26))
    found = plan_diff(plan, later)
    assert found.advice_changed and found.inputs == ("day",)
    assert found.why[0].endswith("ruled out now. No new jobs since 2026-11-25.")
    (told,) = [one for one in found.options if one.option == closed.id]
    assert (told.change, told.because) == ("ruled out", "No new jobs since 2026-11-25.")
    back = plan_diff(later, plan)
    assert any(one.endswith("was ruled out before. No new jobs since 2026-11-25.") for one in back.why)


def test_options_that_came_and_went_are_told(plan: Plan) -> None:
    without = replace(plan, options=plan.options[:-1])
    assert [one.change for one in plan_diff(without, plan).options] == ["new"]
    assert [one.change for one in plan_diff(plan, without).options] == ["gone"]


def test_a_change_with_the_same_inputs_is_not_blamed_on_them(plan: Plan) -> None:
    other = next(one for one in plan.options if one.id != plan.option.id)
    (*_, last) = plan_diff(plan, replace(plan, option=other)).why
    assert "measured runs or another version" in last


def test_no_text_of_a_plan_becomes_markup_or_steers_a_terminal(plan: Plan, tmp_path: Path) -> None:
    hostile = "m\x1b[2J</details><img src=x>\n\n# @octocat | `x` [a](http://b)"
    option = replace(plan.option, model=hostile, ruled_out_by=hostile)
    found = plan_diff(plan, replace(plan, option=option, reason=hostile, options=(option, *plan.options[1:])))
    said = markdown(found)
    assert "<img" not in said.replace("\\<", "") and "\x1b" not in said and "@octocat" not in said
    assert all(not line.startswith("# ") for line in said.splitlines())


def test_data_in_a_file_named_diff_is_read_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "diff").write_text("no data\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "diff, line 1: this is not training data" in str(run("plan", "./diff", code=1).exception)
    refused = run("plan", "diff", code=2)
    assert "tunewise plan diff [OPTIONS] OLD.yaml NEW.yaml" in refused.stderr
