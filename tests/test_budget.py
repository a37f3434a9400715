"""What a sum buys: never more than the sum, cut in the right order, and the months add up to the total."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_estimate import LUNA, MINI, NINE, PRIME, TODAY, book, made, profile_of, work

from advisor.cli import tunewise
from advisor.cli.render.flips import flip
from advisor.errors import OverLimit
from advisor.estimate import Affordable, Candidate, afford, monthly_spend
from advisor.workload import Workload
from backends import Hyperparameters

D = Decimal
SIX_EPOCHS = replace(PRIME, hyperparameters=Hyperparameters(epochs=6))


def bought(limit: Decimal | int, candidate: Candidate, workload: Workload | None = None) -> Affordable | None:
    workload = workload or work()
    full = made(candidate, workload)
    return afford(D(limit), candidate, profile_of(), workload, book(), full, today=TODAY)


@given(st.decimals(0, 5000, places=2), st.sampled_from([LUNA, PRIME, SIX_EPOCHS, NINE, MINI]))
@settings(max_examples=80, deadline=None)
def test_never_more_than_the_sum(limit: Decimal, candidate: Candidate) -> None:
    buys = bought(limit, candidate)
    if buys is None:
        return
    assert buys.total_usd <= limit and buys.left_usd == limit - buys.total_usd >= 0
    assert buys.spend[-1].so_far_usd == buys.total_usd == sum(month.usd for month in buys.spend)
    assert buys.total_usd <= buys.dear_usd and buys.months <= buys.of_months
    assert buys.whole == (not any("months" in cut for cut in buys.cuts))


def test_more_money_never_buys_less() -> None:
    last = D(0)
    for limit in range(0, 200, 5):
        buys = bought(limit, PRIME)
        months = buys.months if buys else D(0)
        assert months >= last
        last = months
    assert last == 12


def test_evaluation_goes_first_then_epochs_then_examples() -> None:
    def full(limit: Decimal) -> Affordable:
        buys = bought(limit, SIX_EPOCHS, work(requests_per_month=None))
        assert buys is not None
        return buys

    # 0.25 Mtok an epoch at 0.60, 50 evaluated at 0.00011: 6 epochs are 0.90 + 0.0055
    assert full(D("0.9055")).cuts == ()
    assert full(D("0.80")).cuts == ("trains 5 epochs instead of 6",)
    small = full(D("0.10"))
    assert small.cuts == ("trains 1 epoch instead of 6", "trains on 250 of 500 examples")
    assert small.one_off_usd.mid <= D("0.10") and small.epochs == 1 and small.examples == 250


def test_the_rest_answers_requests_where_no_volume_was_given() -> None:
    buys = bought(10, PRIME, work(requests_per_month=None))
    result = made(PRIME, work(requests_per_month=None))
    assert buys is not None and result.one_off_usd is not None and result.marginal_usd is not None
    assert buys.requests_left == int((10 - result.one_off_usd.mid) / result.marginal_usd.mid)


def test_what_cannot_be_bought_or_priced_is_none() -> None:
    assert bought(3, NINE) is None  # one job is 4 dollars at least
    assert bought(1000, replace(PRIME, model="no-such-model")) is None


@given(st.decimals(0, 1000, places=2), st.decimals(0, 1000, places=2), st.decimals("0.01", "36", places=2))
@settings(deadline=None)
def test_months_add_up(one_off: Decimal, monthly: Decimal, months: Decimal) -> None:
    spend = monthly_spend(one_off, monthly, months, TODAY)
    assert sum(month.usd for month in spend) == one_off + months * monthly == spend[-1].so_far_usd
    assert spend[0].starts == TODAY and [month.number for month in spend] == list(range(1, len(spend) + 1))


WORKLOAD = """\
data: {examples: 2000, tokens_per_example: 480, output_tokens: 40, labels: 12}
task: classification
requests_per_month: 50000
measured: {prompt: 0.55}
may_rent_gpus: false
"""


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(tunewise, list(arguments), standalone_mode=True)
    if isinstance(result.exception, OverLimit):
        return result.exception.exit_code, result.stdout + str(result.exception)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def workload_file(tmp_path: Path) -> str:
    path = tmp_path / "work.yaml"
    path.write_text(WORKLOAD, encoding="utf-8")
    return str(path)


def test_the_command_plans_without_data(workload_file: str) -> None:
    code, text = run("budget", "--limit", "500", "--workload", workload_file, "--today", "2026-11-22", "--json")
    document = json.loads(text)
    plan = document["plan"]
    assert code == 0 and document["limit_usd"] == "500"
    assert D(plan["buys"]["total_usd"]) + D(plan["buys"]["left_usd"]) == 500
    assert [D(month["so_far_usd"]) for month in plan["buys"]["spend"]][-1] == D(plan["buys"]["total_usd"])
    shares = [option["p_cheapest"] for option in document["options"] if option["p_cheapest"] is not None]
    assert sum(shares) == pytest.approx(1)
    assert all(flip["to"] != plan["id"] for flip in document["flips"])
    closed = next(
        option for option in document["options"] if option["backend"] == "openai" and option["strategy"] == "hosted"
    )
    assert closed["buys"] is None and "2026-05-07" in closed["reason"]


def test_the_page_shows_months_and_what_else(workload_file: str) -> None:
    code, text = run("budget", "--limit", "500", "--workload", workload_file, "--today", "2026-11-22")
    assert code == 0 and "so far" not in text and "also buys" in text and text.rstrip().endswith("left over.")
    assert text.split()[0] in ("Yes:", "Likely:") and "covered?" in text and len(text.splitlines()) <= 30
    whole = run("budget", "--limit", "500", "--workload", workload_file, "--today", "2026-11-22", "--all")[1]
    assert "so far" in whole and "What more money buys" in whole and "more options" not in whole
    assert "few_shot:" not in text and "prompt:openai" not in text and "1 epochs" not in text


EXTRACTION = WORKLOAD.replace(", labels: 12", "").replace("classification", "extraction")


def test_a_sum_that_buys_nothing_exits_with_4(tmp_path: Path) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(EXTRACTION, encoding="utf-8")
    code, text = run("budget", "--limit", "0", "--workload", str(file), "--today", "2026-11-22")
    assert code == 4 and text.startswith("No: $0 does not pay for one month of any option; the cheapest needs $")


def test_where_nothing_stands_more_money_is_not_the_answer(tmp_path: Path) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(EXTRACTION + "privacy: on_premises\n", encoding="utf-8")
    code, text = run("budget", "--limit", "100", "--workload", str(file), "--today", "2026-11-22")
    assert (
        code == 4 and text.startswith("No: $100 buys nothing. Nothing may leave your premises") and "needs" not in text
    )


@pytest.mark.parametrize("said", ["budget_usd: 0", "privacy: on_premises"])
def test_labels_need_no_model_that_costs_money(tmp_path: Path, said: str) -> None:
    """Where nothing else may run a plain classifier does, for nothing; the plan and the budget say the same."""
    file = tmp_path / "work.yaml"
    file.write_text(f"{WORKLOAD}{said}\n", encoding="utf-8")
    both = ("--workload", str(file), "--today", "2026-11-22", "--json")
    advised, bought = (json.loads(run(*command, *both)[1]) for command in (("plan",), ("budget", "--limit", "0")))
    assert advised["recommendation"]["id"] == bought["plan"]["id"] == "classifier"
    assert "nothing else may run here" in advised["reason"].lower() and advised["confidence"] == "low"
    assert D(bought["plan"]["buys"]["total_usd"]) == 0


@pytest.mark.parametrize("limit", ["much", "-5", "inf", "nan"])
def test_a_limit_is_an_amount(workload_file: str, limit: str) -> None:
    result = CliRunner().invoke(tunewise, ["budget", "--limit", limit, "--workload", workload_file])
    assert result.exit_code == 2 and "is not an amount of US dollars" in result.output


def test_no_option_closed_on_the_day_is_bought(tmp_path: Path) -> None:
    path = tmp_path / "work.yaml"
    path.write_text(WORKLOAD + "standing: {openai: active}\n", encoding="utf-8")
    for day, open_there in (("2026-11-22", True), ("2027-01-07", False), ("2027-01-15", False)):
        _, text = run("budget", "--limit", "5000", "--workload", str(path), "--today", day, "--json")
        hosted = [o for o in json.loads(text)["options"] if o["backend"] == "openai" and o["strategy"] == "hosted"]
        assert hosted
        if not open_there:
            assert all(option["buys"] is None for option in hosted)


def test_less_than_a_month_is_bought_by_no_sum() -> None:
    """NINE costs thousands a month to host: a sum that trains it but does not carry one month buys nothing."""
    assert bought(100, NINE) is None


def test_when_the_advice_is_out_of_reach_the_prompt_that_lasts_longest_is_bought(tmp_path: Path) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(
        "task: extraction\ndata: {examples: 5000, tokens_per_example: 480, output_tokens: 40}\n"
        "requests_per_month: 200000\nmeasured: {prompt: 0.71, few_shot: 0.78}\nquality_target: 0.85\n"
    )
    for limit in ("30", "300"):
        result = CliRunner().invoke(tunewise, ["budget", "--workload", str(file), "--limit", limit, "--json"])
        assert json.loads(result.stdout)["plan"]["strategy"] in ("prompt", "few_shot"), result.stdout[:300]
    assert isinstance(
        CliRunner().invoke(tunewise, ["budget", "--workload", str(file), "--limit", "5"]).exception, OverLimit
    )


SMALL = """\
data: {examples: 2000, tokens_per_example: 480, output_tokens: 40}
task: extraction
prompt_tokens: {system: 100, user: 300, output: 40}
measured: {prompt: 0.97}
"""


def asked(folder: Path, *words: str) -> dict[str, Any]:
    file = folder / "small.yaml"
    file.write_text(SMALL, encoding="utf-8")
    _, text = run("budget", "--workload", str(file), "--today", "2026-11-22", "--json", *words)
    found = json.loads(text[: text.rindex("}") + 1])
    assert isinstance(found, dict)
    return found


def test_the_verdict_is_yes_likely_partly_or_no(tmp_path: Path) -> None:
    """400 x 0.10 + 40 x 0.50 a million are 0.00006 a request: 100,000 a month are 6 dollars, 72 in a year."""
    year = ("--requests-per-month", "100000")
    for limit, fits in (("5", "no"), ("60", "partly"), ("80", "likely"), ("5000", "yes")):
        found = asked(tmp_path, "--limit", limit, *year)
        assert found["fits"] == fits and found["verdict"].lower().startswith(fits), found["verdict"]
    assert "but not at the highest estimate, $" in asked(tmp_path, "--limit", "80", *year)["verdict"]
    assert "Partly: $60.00 covers prompting gpt-6-luna" in asked(tmp_path, "--limit", "60", *year)["verdict"]


@pytest.mark.parametrize("sum_", [60, 400, 3500])
def test_a_plan_with_a_budget_and_a_budget_with_that_limit_answer_alike(tmp_path: Path, sum_: int) -> None:
    """One question, one answer: the sum is for all of it over the horizon in both."""
    file = tmp_path / "work.yaml"
    scores = "measured: {prompt: 0.5, few_shot: 0.6}"
    said = SMALL.replace("measured: {prompt: 0.97}", f"{scores}\nquality_target: 0.9\nrequests_per_month: 50000")
    file.write_text(said, encoding="utf-8")
    day = ("--workload", str(file), "--today", "2026-11-22", "--json")
    plan = json.loads(run("plan", *day, "--budget-usd", str(sum_))[1])
    buys = json.loads(run("budget", *day, "--limit", str(sum_))[1])
    assert plan["recommendation"]["id"] == buys["plan"]["id"]
    assert buys["fits"] in ("yes", "likely")
    dear = json.loads(run("plan", *day, "--budget-usd", "2")[1])
    assert dear["recommendation"] is None and "--limit 2" in dear["next_step"]


def test_a_sum_that_cuts_nothing_pays_once_what_the_plan_says(tmp_path: Path) -> None:
    """Examples near each question are no fixed prefix, and a tuned model is sent fewer tokens: as in the plan."""
    file = tmp_path / "work.yaml"
    prompt = "prompt_tokens: {system: 2000, user: 300, output: 40}"
    said = SMALL.replace("prompt_tokens: {system: 100, user: 300, output: 40}", prompt)
    file.write_text(said + "requests_per_month: 1000\nhorizon_months: 1\n", encoding="utf-8")
    both = ("--workload", str(file), "--today", "2026-11-22", "--json")
    advised = {one["id"]: one["estimate"] for one in json.loads(run("plan", *both)[1])["options"]}
    bought = json.loads(run("budget", *both, "--limit", "1000")[1])["options"]
    uncut = {one["id"]: one["buys"]["one_off_usd"] for one in bought if one["buys"] and not one["buys"]["cuts"]}
    assert any(id.endswith(":retrieved") for id in uncut) and any(id.startswith("hosted:bedrock") for id in uncut)
    assert uncut == {id: advised[id]["one_off_usd"] for id in uncut}


@pytest.mark.parametrize("name", ["rtx-4090", "4090"])
def test_a_gpu_of_ones_own_is_not_rented_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(WORKLOAD + f"privacy: on_premises\ngpus: ['{name}']\n", encoding="utf-8")
    _, text = run("budget", "--limit", "100", "--workload", str(file), "--today", "2026-11-22", "--json")
    bought = [option["buys"] for option in json.loads(text)["options"] if option["buys"]]
    assert len(bought) > 3 and {D(buys["one_off_usd"]["high"]) for buys in bought} == {D(0)}


def test_what_costs_nothing_has_no_months_to_show(tmp_path: Path) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(WORKLOAD + "privacy: on_premises\ngpus: [rtx-4090]\n", encoding="utf-8")
    _, text = run("budget", "--limit", "100", "--workload", str(file), "--today", "2026-11-22")
    assert text.startswith("Yes: $100 covers") and "so far" not in text and "Cheapest on price" not in text


def test_without_a_volume_no_month_is_claimed(tmp_path: Path) -> None:
    found = asked(tmp_path, "--limit", "60")
    assert found["fits"] == "open" and "no volume of requests was given" in found["verdict"]
    assert found["plan"]["buys"]["spend"] == [] and found["scenarios"] == []
    answered = found["plan"]["buys"]["requests_left"]
    assert f"{answered:,} requests" in found["verdict"] and f"{answered // 12:,} a month" in found["verdict"]


def test_the_scenarios_are_the_volumes_and_their_own_costs(tmp_path: Path) -> None:
    found = asked(tmp_path, "--limit", "100", "--requests-per-month", "50000:100000:200000")
    assert [(one["name"], one["requests"]) for one in found["scenarios"]] == [
        ("low", 50_000), ("mid", 100_000), ("high", 200_000)
    ]  # fmt: skip
    assert [D(one["monthly_usd"]["mid"]) for one in found["scenarios"]] == [3, 6, 12]
    assert [one["fit"] for one in found["scenarios"]] == ["likely", "likely", "partly"]
    one = asked(tmp_path, "--limit", "100", "--requests-per-month", "100000")
    assert [(one["name"], one["requests"]) for one in one["scenarios"]] == [
        ("half", 50_000), ("as given", 100_000), ("double", 200_000)
    ]  # fmt: skip


def test_what_more_money_buys_is_bought_by_it(tmp_path: Path) -> None:
    """Every step's sum, given as the limit, has the verdict it promises; a dollar more is its requests."""
    year = ("--requests-per-month", "100000")
    found = asked(tmp_path, "--limit", "60", *year)
    assert found["one_dollar_more_buys"] == "16,666 more requests"  # 1 / 0.00006
    assert [D(step["usd"]) - 60 for step in found["more"]] == [D(step["extra_usd"]) for step in found["more"]]
    for step, fits in zip(found["more"], ("likely", "yes"), strict=True):
        assert asked(tmp_path, "--limit", step["usd"], *year)["fits"] == fits, step


def test_the_page_holds_the_figures_of_the_document(tmp_path: Path) -> None:
    html = tmp_path / "budget.html"
    found = asked(tmp_path, "--limit", "80", "--requests-per-month", "100000", "--html", str(html))
    text = html.read_text(encoding="utf-8")
    inside = json.loads(text.split('id="figures">')[1].split("</script>")[0])
    assert inside["budget"] == found
    spent = inside["charts"]["spending"]["series"]
    assert [one["values"][-1] for one in spent] == [
        pytest.approx(float(one["total_usd"]["mid"])) for one in (found["scenarios"][place] for place in (1, 0, 2))
    ] + [80]
    assert found["verdict"].split(";")[0] in text and " src=" not in text and "https://" not in text


@pytest.mark.parametrize("volume", [("--requests-per-month", "100000"), ()], ids=["volume", "no volume"])
def test_the_page_lists_other_options_by_their_price_and_not_by_the_budget(
    tmp_path: Path, volume: tuple[str, ...]
) -> None:
    html = tmp_path / "budget.html"
    asked(tmp_path, "--limit", "80", *volume, "--html", str(html))
    rows = html.read_text(encoding="utf-8").split("Other options by price</caption>")[1].split("</table>")[0]
    prices = [D(price) for price in re.findall(r'</th><td class="figure"><data value="([^"]+)"', rows)]
    assert len(prices) > 4 and prices == sorted(prices) and len(set(prices)) > len(prices) / 2
    assert any(price > 80 for price in prices) or not volume


def test_months_start_on_the_same_day_of_each() -> None:
    starts = [month.starts for month in monthly_spend(Decimal(0), Decimal(1), Decimal(5), date(2026, 10, 31))]
    ends = [date(2026, 10, 31), date(2026, 11, 30), date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28)]
    assert starts == ends


def test_what_would_change_the_answer_is_said_with_separators() -> None:
    many = "you have 3,800,000 or more requests a month (now 20,000)"
    assert flip("requests_per_month", "20000", "3783934 or more") == many
    assert flip("gpus", "none", "rtx-4090") == "you own a GPU such as the rtx-4090 (now none)"
    assert flip("error_cost_usd", None, "0.08 or less") == "a wrong answer costs you $0.08 or less (not said)"
