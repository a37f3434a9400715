"""The story the tests of the report tell: small figures that can be checked by hand."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from advisor.cli.render.report import Story, Told
from advisor.dataset import Format, Level, Problem
from advisor.estimate import Estimate, LineItem, Range, Spread, Strategy
from advisor.evidence import Odds
from advisor.recommend import EvidenceRef, Flip, Option, Plan, Quality, Reason, Recommendation
from advisor.runs import Receipt, View
from advisor.runs.evaluation.samples import Sample
from advisor.runs.receipt import ReceiptLine
from advisor.task import TaskType
from advisor.tokens import Percentiles, Profile
from advisor.workload import Workload
from backends import Hyperparameters, JobStatus, Method

TODAY = date(2026, 11, 22)
MONTHS = 12
VOLUME = 100_000
LENGTHS = {100: 40, 120: 30, 121: 20, 180: 8, 260: 2}


def costs(once: str, fixed: str, each: str, months: str = "12", volume: int | None = VOLUME) -> Estimate:
    """Return the estimate of one payment, a fixed month and a price a request; high is twice the likely price."""
    month = None
    if volume is not None:
        month = Range(*(Decimal(fixed) + volume * Decimal(each) * factor for factor in (1, 1, 2)))
    total = None if month is None else Range.exact(Decimal(once)) + month.times(Decimal(months))
    line = LineItem(
        name="input",
        quantity=Decimal(60),
        unit="Mtok",
        unit_usd=Decimal("0.25"),
        usd=Decimal(15),
        usd_low=Decimal(15),
        usd_high=Decimal(30),
        source="price page of the provider",
        checked=date(2026, 11, 1),
        period="month",
    )
    return Estimate(
        one_off_usd=Range.exact(Decimal(once)),
        per_request_usd=Range(Decimal(each), Decimal(each), 2 * Decimal(each)),
        monthly_usd=month,
        total_usd=total,
        train_minutes=Spread(10, 20, 40) if Decimal(once) else None,
        lines=(line,),
        assumptions=("A request has 500 tokens.",),
        warnings=("The price rises in March.",) if Decimal(once) else (),
        prices_as_of=date(2026, 11, 1),
        marginal_usd=Range(Decimal(each), Decimal(each), 2 * Decimal(each)),
        fixed_monthly_usd=Range.exact(Decimal(fixed)),
        amortised_monthly_usd=None if total is None else total.times(1 / Decimal(months)),
        months=Decimal(months),
    )


def option(id: str, strategy: Strategy, model: str, estimate: Estimate | None, variant: str = "") -> Option:
    backend = "together" if strategy is Strategy.HOSTED else None
    return Option(
        id=id,
        strategy=strategy,
        backend=backend,
        model=model,
        availability="open",
        available_until=None,
        ruled_out_by=None,
        reasons=(),
        quality=None,
        hyperparameters=Hyperparameters(),
        estimate=estimate,
        method=Method.LORA if strategy.tunes else None,
        provider=backend or "openai",
        variant=variant,
        serving="tokens",
    )


def a_plan(volume: int | None = VOLUME, model: str = "gpt-6-luna") -> Plan:
    """Prompting is the answer; tuning crosses it at 200,000 requests a month; one price is unknown."""
    prompt = option("prompt", Strategy.PROMPT, model, costs("0", "0", "0.0003", volume=volume), "no examples")
    prompt = replace(prompt, quality=Quality(0.65, 0.71, 0.77, "your own measurement"))
    # 240 once over 12 months and 20 a month, against 0.0003 - 0.0001 saved a request: 40 / 0.0002 = 200,000.
    tuned = costs("240", "20", "0.0001", volume=volume)
    hosted = option("hosted", Strategy.HOSTED, "Qwen/Qwen3-8B", replace(tuned, break_even_requests=2_400_000))
    dying = option("dying", Strategy.FEW_SHOT, "old-1", costs("0", "0", "0.0004", "4.5", volume), "5 examples")
    dying = replace(dying, retires=date(2027, 4, 8))
    blank = Estimate(None, None, None, None, warnings=("No price is known.",))
    unknown = option("unknown", Strategy.LOCAL_LORA, "Secret-7B", blank, "on your rtx-4090")
    fallen = replace(
        option("fallen", Strategy.LOCAL_FULL, "Big-70B", costs("900", "400", "0", volume=volume), "on h100"),
        ruled_out_by="It does not fit on your GPU.",
    )
    standing = (prompt, hosted, dying, unknown, fallen)
    requests = {} if volume is None else {"requests_per_month": volume}
    advice = Recommendation(
        recommendation=prompt,
        reason="The prompt already scores what you need.",
        options=standing,
        prices_as_of=date(2026, 11, 1),
        assumptions=("You own no GPU.",),
        flips=(Flip("requests_per_month", "100,000", "200,000 or more", "hosted"),),
        evidence=(EvidenceRef("a published comparison", "bakeoff", 310),),
        confidence="medium",
        next_step="tunewise evaluate data.jsonl --model gpt-6-luna",
        reasons=(Reason("The prompt already scores what you need", "your-workload"),),
        unknowns=("How a tuned model does.",),
        warnings=(Reason("compare with the base model", "bakeoff"),),
        p_finetune_wins=0.18,
        odds=Odds(0.18, 0.1, 0.3, 0.6, 4, 9),
    )
    return Plan(
        data=(Path("/somewhere/private/data.jsonl"),),
        fingerprint="ab" * 32,
        option=prompt,
        workload=Workload.model_validate({**requests, "horizon_months": MONTHS}),
        created=TODAY,
        today=TODAY,
        reason=advice.reason,
        options=standing,
        advice=advice,
    )


def a_profile() -> Profile:
    problem = Problem(7, "empty_answer", Level.ERROR, "The answer is empty.", "Fill it in.", "data.jsonl")
    return Profile(
        examples=100,
        format=Format.OPENAI_CHAT,
        fingerprint="ab" * 32,
        tokens={"o200k_base": 12_000},
        billed_tokens_per_epoch={},
        trained_tokens={"o200k_base": 3_000},
        per_example=Percentiles(100, 120, 180, 260, 120.0),
        system_tokens=50,
        user_tokens=40,
        output_tokens=30,
        longest=260,
        turns=1,
        task_type=TaskType.CLASSIFICATION,
        task_reason="12 labels",
        labels={"yes": 60, "no": 40},
        exact=True,
        problems=(problem,),
        lengths=LENGTHS,
    )


def a_run() -> Told:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    said = {
        "run": "tw-1122-00000001",
        "backend": "together",
        "model": "Qwen/Qwen3-8B",
        "status": JobStatus.SUCCEEDED,
        "detail": "",
        "job_id": "ft-1",
        "quote_usd": Decimal("4.50"),
        "billed_usd": None,
        "spent_usd": None,
        "tuned_model": "me/Qwen3-8B-tuned",
        "error": None,
        "created": at,
        "started": at,
        "finished": at,
        "estimated_finish": None,
        "steps_done": 30,
        "steps_total": 30,
        "trained_tokens": None,
        "method": "lora",
        "objective": "sft",
        "data": ("/somewhere/private/data.jsonl",),
        "fingerprint": "ab" * 32,
        "held_out": Path("/somewhere/private/held.jsonl"),
        "metrics_path": Path("/somewhere/private/metrics.jsonl"),
        "folder": Path("/somewhere/private"),
    }
    # What a report does not show may be added to a view without a word here.
    view = View(**{**dict.fromkeys((one.name for one in fields(View)), None), **said})
    receipt = Receipt(
        run=view.run,
        backend="together",
        model=view.model,
        status=view.status,
        lines=(ReceiptLine("price", "USD", Decimal("4.50"), None, None, "no bill yet"),),
        quote_usd=Decimal("4.50"),
        billed_usd=None,
        error_pct=None,
        basis="no bill yet",
        quote_lines=(),
    )
    row = {"usd": None, "latency_ms_p50": None, "usd_per_request": None}
    scorecard = {
        "examples": 60,
        "metric": "label",
        "rows": [
            {**row, "name": "base", "score": 0.5, "low": 0.4, "high": 0.6, "usd_per_request": "0.0001"},
            {**row, "name": "tuned", "score": 0.8, "low": 0.7, "high": 0.9, "latency_ms_p50": 120.0},
        ],
        "winner": "tuned",
        "comparisons": [
            {"first": "base", "second": "tuned", "change": 0.3, "low": 0.2, "high": 0.4, "significant": True}
        ],
        "samples_path": "/somewhere/private/samples.jsonl",
        "warnings": ["Only 60 held-out examples."],
        "suites": [
            {
                "suite": "ours.jsonl",
                "base": 1.0,
                "tuned": 0.5,
                "change": -0.5,
                "low": float("-inf"),
                "high": float("inf"),
                "verdict": "fine",
            }
        ],
        "judge": {
            "judge": "openai/gpt-4.1",
            "pairs": [
                {
                    "first": "base",
                    "second": "tuned",
                    "first_wins": 10,
                    "ties": 20,
                    "second_wins": 30,
                    "preferred": 0.667,
                    "low": 0.55,
                    "high": 0.77,
                    "significant": True,
                }
            ],
            "limits": ["Judge models tend to prefer longer answers."],
        },
        "frontier": ["base", "tuned"],
        "notes": ["few-shot:6: 2 of each of 3 labels."],
    }
    losses = {"training": tuple((step, 2 / step) for step in range(1, 31)), "validation": ((10, 0.3), (30, 0.1))}
    samples = (
        Sample("Which label?", "yes", {"base": "I think it is yes.", "tuned": "yes"}),
        Sample("<b>And</b> this one?", "no", {"base": "", "tuned": "no" * 300}),
    )
    return Told(view, receipt, scorecard, losses, samples)


def a_story(plan: Plan | None = None, run: Told | None = None, profile: Profile | None = None) -> Story:
    return Story(made=TODAY, version="1.2.3", plan=plan, run=run, profile=profile)


WHOLE = a_story(a_plan(), None, a_profile())
