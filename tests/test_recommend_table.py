"""The advice as one readable table: a workload in, the strategy and the deciding reason of a good consultant out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Any

import pytest

from advisor.errors import WorkloadError
from advisor.estimate import Strategy
from advisor.evidence import fixed_shots, is_source
from advisor.pricing import PriceBook
from advisor.recommend import Measurement, Recommendation, recommend
from advisor.recommend.gates import standing
from advisor.tokens import synthetic
from advisor.workload import parse_workload

TODAY = date(2026, 11, 22)


@cache
def book() -> PriceBook:
    return PriceBook.load()


@dataclass(frozen=True)
class Asked:
    """A workload for 5,000 extraction examples and 50,000 requests a month, unless it says otherwise."""

    says: Mapping[str, Any] = field(default_factory=dict)
    task: str = "extraction"
    examples: int = 5000
    labels: int | None = None
    tokens: int = 500
    volume: int | None = 50_000
    profile: Mapping[str, Any] = field(default_factory=dict)
    backends: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def answer(self, own: tuple[Measurement, ...] = (), **more: Any) -> Recommendation:
        data = {"examples": self.examples, "tokens_per_example": self.tokens, "output_tokens": 80}
        content: dict[str, Any] = {"task": self.task, "data": data | ({"labels": self.labels} if self.labels else {})}
        if self.volume is not None:
            content["requests_per_month"] = self.volume
        workload = parse_workload({**content, **self.says, **more}, where="the table")
        assert workload.data
        profile = replace(synthetic(workload.data, workload.task), **self.profile)
        return recommend(profile, workload, book(), today=TODAY, backends=self.backends, models=self.models, own=own)


def prompt(score: float, **says: Any) -> dict[str, Any]:
    return {"measured": {"prompt": score}, **says}


HERE = {"privacy": "on_premises", "gpus": ["rtx-4090"]}
LONG = {"prompt_tokens": {"system": 3300, "user": 200, "output": 100}, "cache_hit": 0.95}
ACTIVE = {"standing": {"openai": "active"}}
DEAR = {"model": "gpt-6.1-sol", "strategy": "few_shot", "system_tokens": 5000, "score": 0.86}
TUNED_MINI = {"model": "gpt-4o-mini-2024-07-18", "strategy": "hosted", "score": 0.84}

# workload, what is advised (start of the option's id; None: nothing), part of the deciding reason, confidence
TABLE: dict[str, tuple[Asked, str | None, str, str]] = {
    # quality decides
    "60 examples, a prompt at 0.93": (
        Asked(prompt(0.93), examples=60), "prompt:", "costs $14 a month more", "medium"),
    "5,000 extraction rows, a prompt at 0.62": (
        Asked(prompt(0.62)), "hosted:bedrock/", "scores 62%", "medium"),
    "extraction, a prompt at 0.9: form is learnt late": (
        Asked(prompt(0.9)), "hosted:bedrock/", "scores 90%", "medium"),
    "extraction, a prompt at 0.96": (
        Asked(prompt(0.96)), "prompt:", "costs $15 a month more", "medium"),
    "sorting into two labels, a prompt at 0.9": (
        Asked(prompt(0.9), "classification", 5000, 2), "prompt:", "costs $14 a month more", "medium"),
    "structured output, a prompt at 0.5": (
        Asked(prompt(0.5), "structured"), "few_shot:", "costs $15 a month more", "medium"),
    "structured output, a prompt at 0.3": (
        Asked(prompt(0.3), "structured"), "hosted:bedrock/", "by more than chance are about 9 in 10", "medium"),
    "house style, 3,000 examples, a prompt at 0.4": (
        Asked(prompt(0.4), "style", 3000), "hosted:bedrock/", "by more than chance are about 9 in 10", "medium"),
    "house style, a prompt at 0.9: no published prompt was as good": (
        Asked(prompt(0.9), "style", 3000), "prompt:", "costs $15 a month more", "medium"),
    "house style, 150 examples": (
        Asked(prompt(0.4), "style", 150), "few_shot:", "costs $14 a month more", "medium"),
    "12 labels, 100 each, a prompt at 0.8": (
        Asked(prompt(0.8), "classification", 1200, 12), "few_shot:", "scores 80%", "medium"),
    "12 labels, 50 each, a prompt at 0.8": (
        Asked(prompt(0.8), "classification", 600, 12), "few_shot:", "by more than chance are about 4 in 10", "medium"),
    "30 labels with 4 examples each": (
        Asked({}, "classification", 120, 30), "few_shot:",
        "try a prompt first: nobody has measured how well one does on", "low"),
    "30 labels with 4 examples each, a prompt at 0.6": (
        Asked(prompt(0.6), "classification", 120, 30), "few_shot:", "by more than chance are about 3 in 10", "medium"),
    "500 classified rows, labels not known": (
        Asked(prompt(0.8), "classification", 500), "few_shot:", "costs $14 a month more", "medium"),
    "two labels, a prompt at 0.96": (
        Asked(prompt(0.96), "classification", 5000, 2), "prompt:", "costs $14 a month more", "medium"),
    "150 agent traces, a prompt at 0.5": (
        Asked(prompt(0.5), "tool_use", 150), "hosted:bedrock/", "by more than chance are about 9 in 10", "low"),
    "40 agent traces": (
        Asked(prompt(0.5), "tool_use", 40), "few_shot:", "costs $14 a month more", "medium"),
    "8 examples": (
        Asked(prompt(0.4), examples=8), "few_shot:", "every way of fine-tuning is ruled out, each for", "medium"),
    "reasoning, a prompt at 0.6": (
        Asked(prompt(0.6), "reasoning", 8000), "prompt:", "costs $15 a month more", "medium"),
    "reasoning, a prompt at 0.3": (
        Asked(prompt(0.3), "reasoning", 8000), "hosted:bedrock/", "scores 30%", "medium"),
    "code, a prompt at 0.7": (
        Asked(prompt(0.7), "code"), "prompt:", "scores 70%", "medium"),
    "few-shot far ahead of the prompt, at 0.88": (
        Asked({"measured": {"prompt": 0.7, "few_shot": 0.88}}, "other"), "few_shot:",
        "by more than chance are about 5 in 10", "medium"),
    "few-shot level with the prompt: the simpler one": (
        Asked({"measured": {"prompt": 0.87, "few_shot": 0.88}}, "other"), "prompt:",
        "by more than chance are about 5 in 10", "medium"),
    "no score measured": (
        Asked(), "few_shot:", "nobody has measured", "low"),
    "open conversation, no score measured": (
        Asked({}, "chat", 1000), "prompt:", "nobody has measured", "low"),
    "reasoning, no score measured": (
        Asked({}, "reasoning", 8000), "prompt:", "nobody has measured", "low"),
    "preference pairs, a prompt at 0.6": (
        Asked(prompt(0.6), "style", 3000, profile={"is_preference": True}), "few_shot:",
        "costs $244 a month more", "medium"),
    # what the user measured himself
    "a tuned model measured, better": (
        Asked({"measured": {"prompt": 0.8, "hosted": 0.9}, "error_cost_usd": 0.5}), "hosted:",
        "you measured it: tuned", "high"),
    "a tuned model measured, better; what a wrong answer costs is not said": (
        Asked({"measured": {"prompt": 0.8, "hosted": 0.9}}), "hosted:", "you measured it: tuned", "high"),
    "a tuned model measured, better by little more than chance": (
        Asked({"measured": {"prompt": 0.8, "hosted": 0.83}, "error_cost_usd": 0.5}), "prompt:",
        "you measured it: tuning (hosted) gave 83%, your best prompt 8", "medium"),
    "a tuned model measured, better, for wrong answers that cost next to nothing": (
        Asked({"measured": {"prompt": 0.8, "hosted": 0.9}, "error_cost_usd": "0.001"}), "prompt:",
        "costs $15 a month more", "medium"),
    "a tuned model measured, no better": (
        Asked({"measured": {"prompt": 0.82, "hosted": 0.81}}), "prompt:",
        "you measured it: tuning (hosted) gave 81%, your best prompt 8", "high"),
    "a tuned model measured at home, better": (
        Asked({"measured": {"prompt": 0.5, "local_lora": 0.8}, **HERE}), "local_lora:", "you measured it", "high"),
    # the target
    "the prompt meets the target": (
        Asked(prompt(0.9, quality_target=0.85)), "prompt:", "keep it, recheck now and then", "high"),
    "few-shot meets the target": (
        Asked({"measured": {"prompt": 0.7, "few_shot": 0.88}, "quality_target": 0.85}), "few_shot:",
        "keep it, recheck now and then", "high"),
    "few-shot just meets the target": (
        Asked({"measured": {"prompt": 0.7, "few_shot": 0.86}, "quality_target": 0.85}), "few_shot:",
        "keep it, recheck now and then", "medium"),
    "a target of 0.95 against a prompt at 0.8": (
        Asked(prompt(0.8, quality_target=0.95)), "hosted:bedrock/", "scores 80%", "medium"),
    "a target of 0.95 against a prompt at 0.75 and few-shot at 0.8": (
        Asked({"measured": {"prompt": 0.75, "few_shot": 0.8}, "quality_target": 0.95}), "hosted:bedrock/",
        "scores 80%", "medium"),
    "a target of 0.88 against a prompt at 0.75 and few-shot at 0.8": (
        Asked({"measured": {"prompt": 0.75, "few_shot": 0.8}, "quality_target": 0.88}), "hosted:bedrock/",
        "scores 80%", "high"),
    "a target of 0.97 against a prompt at 0.9": (
        Asked(prompt(0.9, quality_target=0.97), "classification", 5000, 2), "hosted:bedrock/",
        "by more than chance are about 8 in 10", "medium"),
    # knowledge
    "facts that change daily": (
        Asked({"knowledge_changes": "daily"}, "knowledge"), "retrieval", "change daily", "medium"),
    "a chat on facts that change monthly": (
        Asked(prompt(0.6, knowledge_changes="monthly"), "chat"), "retrieval", "change monthly", "medium"),
    "a house style whose facts change monthly": (
        Asked(prompt(0.4, knowledge_changes="monthly"), "style"), "hosted:bedrock/",
        "by more than chance are about 9 in 10", "medium"),
    "knowledge questions, a prompt at 0.7": (
        Asked(prompt(0.7), "knowledge"), "prompt:", "by more than chance are about 5 in 10", "medium"),
    "knowledge questions, a prompt at 0.35": (
        Asked(prompt(0.35), "knowledge"), "retrieval", "lacks the facts", "medium"),
    # privacy and hardware
    "on premises with one RTX 4090, a prompt at 0.62": (
        Asked(prompt(0.62, **HERE)), "local_lora:Qwen/Qwen3-8B@rtx-4090",
        "by more than chance are more than 19 in 20", "high"),
    "on premises with one RTX 4090, no score": (
        Asked(HERE), "local_lora:Qwen/Qwen3-8B@rtx-4090",
        "without a measured prompt, the odds that tuning beats the best", "low"),
    "on premises, reasoning at 0.6: the same model is tuned": (
        Asked(prompt(0.6, **HERE), "reasoning", 8000), "local_lora:",
        "by more than chance are about 7 in 10", "medium"),
    "on premises with a T4": (
        Asked(prompt(0.5, privacy="on_premises", gpus=["t4"])), "local_qlora:Qwen/Qwen3-8B@t4",
        "by more than chance are more than 19 in 20", "high"),
    "on premises, a good prompt": (
        Asked(prompt(0.97, **HERE)), "prompt:local/",
        "tuning would gain about 1.1 points here: too little to train ", "medium"),
    "no GPU and no provider allowed": (
        Asked({"privacy": "on_premises"}), None, "no model can run", "high"),
    "data stays in the EU": (
        Asked(prompt(0.62, privacy="region:eu")), "few_shot:", "costs $244 a month more", "medium"),
    "an own RTX 4090, providers allowed": (
        Asked(prompt(0.62, gpus=["rtx-4090"])), "local_lora:Qwen/Qwen3-8B@rtx-4090", "scores 62%", "medium"),
    "no GPU may be rented": (
        Asked(prompt(0.62, may_rent_gpus=False)), "hosted:bedrock/", "scores 62%", "medium"),
    "images": (
        Asked(prompt(0.6), profile={"has_images": True}), "few_shot:", "every way of fine-tuning is ruled out", "high"),
    "examples longer than any model there takes": (
        Asked(prompt(0.5), tokens=200_000, backends=("together",)), "few_shot:",
        "every way of fine-tuning is ruled out, each for its own reason", "high"),
    "on premises, no GPU, 12 labels: a plain classifier needs neither": (
        Asked({"privacy": "on_premises"}, "classification", 2000, 12), "classifier",
        "nothing else may run here", "low"),
    "two labels and not one example: no classifier without rows": (
        Asked({"privacy": "on_premises"}, "classification", 0, 2), None, "no model can run", "high"),
    # providers and dates
    "an OpenAI customer that is active": (
        Asked(prompt(0.62, **ACTIVE)), "hosted:bedrock/", "scores 62%", "medium"),
    "an OpenAI customer that is active, for one month": (
        Asked(prompt(0.62, horizon_months=1, **ACTIVE)), "hosted:bedrock/",
        "by more than chance are more than 19 in 20", "medium"),
    "an organisation that never fine-tuned at OpenAI, for one month": (
        Asked(prompt(0.62, horizon_months=1, standing={"openai": "never_fine_tuned"})), "hosted:bedrock/",
        "scores 62%", "medium"),
    # money
    "a budget of $50": (
        Asked(prompt(0.62, budget_usd=50), volume=10_000), "few_shot:",
        "no way of fine-tuning fits your budget of $50", "high"),
    "a budget of ten cents for 100,000 requests": (
        Asked(prompt(0.62, budget_usd="0.1"), volume=100_000), None, "fits a budget of $0.10", "high"),
    "1M requests a month on a long few-shot prompt": (
        Asked({"measured": {"prompt": 0.7, "few_shot": 0.9}, **LONG}, "classification", 2000, 12, volume=1_000_000),
        "few_shot:", "by more than chance are about 2 in 10", "high"),
    "wrong answers that cost next to nothing": (
        Asked(prompt(0.75, error_cost_usd="0.001"), volume=10_000), "few_shot:",
        "costs $5 a month more", "medium"),
    "a target, but wrong answers that cost less than putting them right": (
        Asked(prompt(0.75, error_cost_usd="0.002", quality_target=0.9), volume=10_000), "few_shot:",
        "it pays if a wrong answer costs $0.0047 or more (you say $0.002)", "medium"),
    "wrong answers that cost nothing, and a target": (
        Asked(prompt(0.75, error_cost_usd=0, quality_target=0.9), volume=10_000), "few_shot:",
        "(you say $0.00)", "medium"),
    "no requests at all": (
        Asked(prompt(0.62), volume=0), "few_shot:", "costs $3 a month more", "medium"),
    "wrong answers that cost two dollars": (
        Asked(prompt(0.75, error_cost_usd=2), volume=10_000), "hosted:bedrock/", "scores 75%", "medium"),
    "volume not known": (
        Asked(prompt(0.62), volume=None), "few_shot:",
        "whether tuning is worth its cost depends on how many requests", "low"),
    "only the local backend": (
        Asked(prompt(0.62), backends=("local",)), "few_shot:", "costs $244 a month more", "medium"),
    "only a dear model": (
        Asked(prompt(0.96), models=("gpt-6.1-sol",)), "prompt:openai/gpt-6.1-sol",
        "every way of fine-tuning is ruled out, each for its own reason", "medium"),
    # what the odds are worth
    "structured output at 0.7, 100,000 requests, no GPU to rent: $4,000 a month is not $20": (
        Asked(prompt(0.7, may_rent_gpus=False), "structured", 2000, volume=100_000), "few_shot:",
        "costs $27 a month more", "medium"),
    "few-shot at 0.78 with a budget of $500": (
        Asked({"measured": {"few_shot": 0.78}, "budget_usd": 500}, "structured", 400, tokens=190, volume=20_000),
        "few_shot:", "by more than chance are about 4 in 10", "medium"),
    "a prompt at 0.9, few requests": (
        Asked(prompt(0.9), "structured", 400, tokens=190, volume=20_000), "prompt:",
        "costs $6 a month more", "medium"),
    "a tuned model two points ahead, within chance": (
        Asked({"measured": {"prompt": 0.8, "hosted": 0.82}}, "structured", 400, volume=20_000), "prompt:",
        "x", "medium"),
    "a try that pays: low odds, five dollars an error": (
        Asked(prompt(0.85, error_cost_usd=5), "classification", 1200, 12), "hosted:bedrock/",
        "by more than chance are about 4 in 10", "low"),
    "low odds, a tenth of a cent an error": (
        Asked(prompt(0.85, error_cost_usd="0.001"), "classification", 1200, 12), "few_shot:",
        "by more than chance are about 4 in 10", "medium"),
    "even odds, a cent an error": (
        Asked(prompt(0.8, error_cost_usd="0.01"), "classification", 5000, 12), "hosted:bedrock/",
        "by more than chance are about 5 in 10", "medium"),
    "even odds, a tenth of a cent an error": (
        Asked(prompt(0.8, error_cost_usd="0.001"), "classification", 5000, 12), "few_shot:",
        "you say $0.001", "medium"),
    "good odds, a cent an error, a million requests": (
        Asked(prompt(0.7, error_cost_usd="0.01"), "classification", 5000, 4, volume=1_000_000), "hosted:together/",
        "by more than chance are about 7 in 10", "medium"),
    "clear odds and a million requests: it pays below a cent an error": (
        Asked(prompt(0.5), volume=1_000_000), "hosted:together/",
        "by more than chance are more than 19 in 20", "medium"),
    "clear odds and 1,000 requests": (
        Asked(prompt(0.5), volume=1000), "few_shot:", "costs $3 a month more", "medium"),
    "60 agent traces, five dollars an error": (
        Asked(prompt(0.3, error_cost_usd=5), "tool_use", 60), "hosted:bedrock/",
        "by more than chance are about 9 in 10", "low"),
    "a target within reach, likelier than not": (
        Asked(prompt(0.75, quality_target=0.85), "tool_use", 2000), "hosted:bedrock/",
        "by more than chance are about 9 in 10", "medium"),
    "a target that the odds speak against": (
        Asked(prompt(0.8, quality_target=0.9), "classification", 1200, 12), "few_shot:",
        "by more than chance are about 4 in 10", "medium"),
    "ten million requests on a cheap prompt": (
        Asked(prompt(0.85), "classification", 5000, 4, volume=10_000_000), "hosted:together/",
        "by more than chance are about 6 in 10", "medium"),
    "a horizon of three years": (
        Asked(prompt(0.62, horizon_months=36)), "hosted:bedrock/",
        "by more than chance are more than 19 in 20", "medium"),
    # smooth where it jumped
    "199 rows, a prompt at 0.7": (
        Asked(prompt(0.7), examples=199), "hosted:bedrock/", "by more than chance are about 9 in 10", "low"),
    "200 rows, a prompt at 0.7": (
        Asked(prompt(0.7), examples=200), "hosted:bedrock/", "by more than chance are about 9 in 10", "medium"),
    "code, a prompt at 0.54": (
        Asked(prompt(0.54), "code", 2000), "prompt:", "costs $14 a month more", "medium"),
    "code, a prompt at 0.55": (
        Asked(prompt(0.55), "code", 2000), "prompt:", "costs $14 a month more", "medium"),
    # how strong the prompted model is
    "measured with the strongest model": (
        Asked(prompt(0.7, measured_with="gpt-6.1-sol"), "classification", 5000, 4), "prompt:",
        "the same prompt on gpt-6-luna costs $6 a month against $114 o", "low"),
    "measured with a small open model": (
        Asked(prompt(0.7, measured_with="Qwen/Qwen3-4B", gpus=["rtx-4090"]), "classification", 5000, 4), "local_lora:",
        "by more than chance are about 8 in 10", "medium"),
    "on premises, classification at 0.7": (
        Asked(prompt(0.7, **HERE), "classification", 5000, 4), "local_lora:",
        "by more than chance are about 8 in 10", "medium"),
    "on premises, code at 0.8": (
        Asked(prompt(0.8, **HERE), "code", 5000), "prompt:", "by more than chance are about 2 in 10", "medium"),
    "on premises, 40 rows": (
        Asked(prompt(0.7, **HERE), "classification", 40, 4), "few_shot:",
        "by more than chance are about 5 in 10", "medium"),
    "summaries at 0.6": (
        Asked(prompt(0.6), "summarisation", 2000), "few_shot:", "costs $14 a month more", "medium"),
    "open conversation at 0.5: no published case is of it": (
        Asked(prompt(0.5), "chat", 1000), "prompt:", "costs $14 a month more", "medium"),
    "open conversation at 0.2, 20,000 rows: neither": (
        Asked(prompt(0.2), "chat", 20_000), "prompt:", "costs $17 a month more", "medium"),
    "open conversation at 0.2, and a wrong answer costs a dollar": (
        Asked(prompt(0.2, error_cost_usd=1), "chat", 20_000), "hosted:bedrock/",
        "by more than chance are about 9 in 10", "medium"),
    "code, a prompt at 0.2: tuning won no published case of it": (
        Asked(prompt(0.2), "code"), "prompt:", "costs $15 a month more", "medium"),
    # what answers today
    "a support team with a dear prompt of 5,000 tokens and two million requests": (
        Asked({"current": DEAR}, "classification", 3000, 12, tokens=400, volume=2_000_000), "prompt:",
        "the same prompt on gpt-6-luna costs $819 a month against $15,", "low"),
    "the same, and the score is good enough": (
        Asked({"current": DEAR, "quality_target": 0.85}, "classification", 3000, 12, tokens=400, volume=2_000_000),
        "prompt:", "your prompt scores 86% and your target is 85%: tune nothing; ", "medium"),
    "a hospital with one RTX 4090 and a prompt at 0.74": (
        Asked(prompt(0.74, measured_with="Qwen/Qwen3-8B", **HERE), examples=1500, volume=20_000), "local_lora:",
        "by more than chance are more than 19 in 20", "high"),
    "a researcher with a tuned gpt-4o-mini": (
        Asked({"current": TUNED_MINI, **ACTIVE}, "classification", 2000, 5, tokens=300),
        "few_shot:", "your fine-tune of gpt-4o-mini-2024-07-18 shuts down with its ", "low"),
    "the same researcher for one month": (
        Asked({"current": TUNED_MINI, "horizon_months": 1, **ACTIVE}, "classification", 2000, 5, tokens=300),
        "few_shot:", "your fine-tune of gpt-4o-mini-2024-07-18 shuts down with its ", "low"),
    "500 dollars and no data": (
        Asked({"budget_usd": 500}, "classification", 0, 8, tokens=300, volume=20_000), "prompt:",
        "there are no examples yet: label 150 to 200 as a test set first", "low"),
}  # fmt: skip


def test_a_gpu_may_be_named_in_short() -> None:
    found = Asked(prompt(0.62, privacy="on_premises", gpus=["4090"])).answer().recommendation
    assert found and found.gpu == "rtx-4090"
    for name in ("rtx-9999", "rtx-40"):
        with pytest.raises(WorkloadError, match=f"'{name}'. (Did you mean|Choose)|'{name}' could be any of these GPUs"):
            Asked({"gpus": [name]}).answer()


@cache
def answer(name: str) -> Recommendation:
    return TABLE[name][0].answer()


@pytest.mark.parametrize("name", TABLE)
def test_advice(name: str) -> None:
    _, option, reason, confidence = TABLE[name]
    found = answer(name)
    chosen = found.recommendation
    assert (chosen.id if chosen else None) == option if option is None else chosen and chosen.id.startswith(option)
    assert reason.lower() in found.reason.lower()
    assert found.confidence == confidence


@pytest.mark.parametrize("name", TABLE)
def test_every_printed_claim_has_a_source_and_every_fallen_option_a_sentence(name: str) -> None:
    found = answer(name)
    reasons = [*found.reasons, *found.warnings, *(reason for option in found.options for reason in option.reasons)]
    assert found.reasons and found.next_step.startswith("tunewise ")
    assert [item for item in (*reasons, *found.evidence) if not is_source(item.source)] == []
    for option in found.options:
        assert option.ruled_out_by is None or (option.ruled_out_by.endswith(".") and len(option.ruled_out_by) > 20)
        assert option.availability != "closed" or option.ruled_out_by
    assert found.recommendation is None or found.recommendation.ruled_out_by is None


def test_the_error_cost_of_the_tie_turns_the_advice_though_a_target_is_named() -> None:
    asked = Asked(prompt(0.75, error_cost_usd="0.01", quality_target=0.9), volume=10_000, backends=("together",))
    tie = next(flip.flips_at for flip in asked.answer().flips if flip.variable == "error_cost_usd")
    usd = float(tie.removeprefix("$").removesuffix(" or more"))
    for factor, tunes in ((0.9, False), (1.1, True)):
        chosen = asked.answer(error_cost_usd=f"{usd * factor:.4f}").recommendation
        assert chosen and chosen.strategy.tunes == tunes


@pytest.mark.parametrize(("score", "confidence"), [(0.80, "high"), (0.83, "medium"), (0.87, "medium"), (0.90, "high")])
def test_close_to_the_score_that_changes_the_advice_nobody_is_sure(score: float, confidence: str) -> None:
    """A target of 0.85 and 200 items, whose standard error is 2.1 to 2.8 points there."""
    says = {"measured": {"prompt": 0.7, "few_shot": score}, "quality_target": 0.85, "error_cost_usd": 1}
    found = Asked(says).answer()
    assert found.recommendation and found.recommendation.strategy.tunes == (score < 0.85)
    assert found.confidence == confidence
    said = any("by chance alone" in one.text and f"{score:.0%}" in one.text for one in found.reasons)
    assert said == (confidence == "medium")


@pytest.mark.parametrize(("name", "meant"), [("few-shot", "few_shot"), ("promt", "prompt"), ("rag", None)])
def test_a_score_of_an_unknown_way_is_refused(name: str, meant: str | None) -> None:
    remedy = f"Did you mean .{meant}" if meant else "It is of"
    with pytest.raises(WorkloadError, match=f"cannot be of '{name}'.*{remedy}"):
        Asked({"measured": {"prompt": 0.71, name: 0.78}}).answer()


def test_a_standing_with_an_unknown_provider_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"standing: There is no backend 'opnai'.*openai"):
        Asked({"standing": {"opnai": "active"}}).answer()


def test_the_model_that_was_measured_is_the_one_advised() -> None:
    """Not the best of its kind, which nobody measured; and where it is not on the list, nobody is sure."""
    asked = Asked({"measured": {"prompt": 0.5}, "error_cost_usd": 1, "gpus": ["rtx-4090"]})
    for model, confidence in (("Qwen/Qwen3-4B", "high"), ("somebody/elses-7b", "medium")):
        own = (Measurement("local_lora", 0.9, 0.85, 0.95, "run tw-1122-7f3a9c01", model),)
        found = asked.answer(own=own)
        chosen = found.recommendation
        assert found.confidence == confidence and chosen and chosen.strategy is Strategy.LOCAL_LORA
        assert (chosen.model == model) == (chosen.quality is not None) == (confidence == "high")
        assert ("not among the options" in found.reason) == (confidence == "medium")


def test_a_saving_on_machines_counts_as_many_as_carry_the_load() -> None:
    asked = Asked(prompt(0.62, **LONG), volume=5_000_000)
    chosen = asked.answer().recommendation
    assert chosen and chosen.serving == "self_hosted" and chosen.estimate and chosen.estimate.answer_s
    assert any("handles a peak of 3x the mean load" in text for text in chosen.estimate.assumptions)
    in_haste = asked.answer(latency_p95_ms=200)
    slow = next(option for option in in_haste.options if option.id == chosen.id)
    assert slow.ruled_out_by and "you allow 0.2 s" in slow.ruled_out_by
    assert any("by the token: no figures are on record" in text for text in in_haste.unknowns)


def test_what_a_wrong_answer_must_cost_never_looks_like_what_it_costs() -> None:
    asked = Asked(prompt(0.75, error_cost_usd=1), volume=10_000)
    tie = next(flip.flips_at for flip in asked.answer().flips if flip.variable == "error_cost_usd")
    found = asked.answer(error_cost_usd=tie.removeprefix("below $")).reason
    must, said = re.findall(r"\$(\d\.\d+)", found)
    assert f"you say ${said}" in found and float(must) > float(said)


def test_openai_is_closed_to_newcomers_and_closing_for_customers() -> None:
    says = prompt(0.62)
    for standing_there, state in (("never_fine_tuned", "closed"), ("inactive", "closed"), ("active", "closing")):
        found = Asked({**says, "standing": {"openai": standing_there}}).answer()
        options = [
            option for option in found.options if option.strategy is Strategy.HOSTED and option.backend == "openai"
        ]
        living = [option for option in options if "nano" not in option.model]
        assert len(living) == 4
        assert {option.availability for option in living} == {state}
        assert all(option.ruled_out_by for option in options)
        if state == "closing":
            assert {option.available_until for option in living} == {date(2027, 1, 6)}
            assert all("2027-01-14" in (option.ruled_out_by or "") for option in living)
        else:
            assert all("2026-" in (option.ruled_out_by or "") for option in living)
    assert standing(parse_workload({}, "t"), "openai") == "never_fine_tuned"


def test_without_a_measured_score_no_quality_is_claimed_and_the_next_step_measures_one() -> None:
    found = Asked().answer()
    assert found.confidence == "low"
    assert found.next_step.startswith("tunewise evaluate DATA --backend openai --model gpt-6-luna")
    assert all(option.quality is None for option in found.options)
    assert found.odds and found.p_finetune_wins == found.odds.p and found.odds.low < found.odds.p < found.odds.high
    assert any("nobody has measured" in reason.text for reason in found.reasons)


def test_a_dying_base_is_not_tuned_anew_however_short_the_horizon() -> None:
    found = answer("an OpenAI customer that is active, for one month")
    chosen = found.recommendation
    assert chosen and not (chosen.strategy.tunes and chosen.backend == "openai")
    assert {one.day for one in found.deadlines} == {date(2027, 1, 6), date(2027, 1, 14)}
    again = [one for one in found.options if one.backend == "openai" and one.strategy.tunes and "nano" not in one.model]
    assert again and all("too soon to train anything on it" in (one.ruled_out_by or "") for one in again)


def test_an_unmet_target_with_conflicting_evidence_asks_for_a_pilot() -> None:
    found = Asked(prompt(0.8, quality_target=0.95), "classification", 1200, 12, backends=("together",)).answer()
    assert found.recommendation and not found.recommendation.strategy.tunes
    assert found.p_finetune_wins and 0.2 < found.p_finetune_wins < 0.5
    assert found.next_step.startswith("tunewise pilot DATA --backend together")


def test_full_fine_tuning_is_for_data_that_an_adapter_cannot_hold() -> None:
    model = ("Qwen/Qwen3-1.7B",)
    small = Asked(prompt(0.5, gpus=["h200"]), models=model).answer()
    full = next(option for option in small.options if option.strategy is Strategy.LOCAL_FULL)
    assert full.ruled_out_by and "LoRA is enough" in full.ruled_out_by
    big = Asked(prompt(0.5, gpus=["h200"]), examples=9_000_000, models=model).answer()
    full = next(option for option in big.options if option.strategy is Strategy.LOCAL_FULL)
    assert full.ruled_out_by is None


def test_labels_with_hardly_an_example_are_named() -> None:
    labels = {f"label {number}": 800 for number in range(6)} | {"rare": 3}
    found = Asked(prompt(0.6, error_cost_usd=5), "classification", profile={"labels": labels}).answer()
    assert any("one label has fewer than 10 examples" in warning.text for warning in found.warnings)


def test_what_would_flip_the_advice_does_flip_it() -> None:
    asked = Asked(prompt(0.62, error_cost_usd="0.1"), backends=("together",))
    flips = {flip.variable: flip for flip in asked.answer().flips}
    score = float(flips["measured.prompt"].flips_at.removesuffix(" or more"))
    for measured, tunes in ((score - 0.01, True), (score, False)):
        again = asked.answer(measured={"prompt": measured}).recommendation
        assert again and again.strategy.tunes is tunes
    tie = float(flips["error_cost_usd"].flips_at.removeprefix("below $"))
    for cost, tunes in ((tie * 0.8, False), (tie * 1.2, True)):
        again = asked.answer(error_cost_usd=f"{cost:.5f}").recommendation
        assert again and again.strategy.tunes is tunes
    daily = asked.answer(knowledge_changes="daily")
    assert daily.recommendation and daily.recommendation.id == flips["knowledge_changes"].to
    assert daily.flips[-1].variable == "knowledge_changes" and daily.flips[-1].to.startswith("hosted:together/")


def test_a_score_belongs_to_the_model_that_was_measured() -> None:
    asked = Asked({"measured": {"prompt": 0.6, "few_shot": 0.9}})

    def scored(**says: Any) -> set[str]:
        return {option.id for option in asked.answer(**says).options if option.quality is not None}

    assert scored() == {"prompt:openai/gpt-6-luna", "few_shot:openai/gpt-6-luna"}
    assert scored(measured_with="claude-haiku-5-5") == {
        "prompt:anthropic/claude-haiku-5-5", "few_shot:anthropic/claude-haiku-5-5"
    }  # fmt: skip
    kept = asked.answer(measured_with="gpt-5.4-nano", quality_target=0.85)
    assert kept.recommendation and kept.recommendation.id == "few_shot:openai/gpt-5.4-nano"
    assert any("gpt-5.4-nano" in text for text in kept.assumptions)
    tuned = Asked({"measured": {"prompt": 0.6, "hosted": 0.9}}).answer()
    assert [option.id for option in tuned.options if option.quality and option.strategy.tunes] == [
        tuned.recommendation.id if tuned.recommendation else ""
    ]


def test_a_score_of_a_model_nothing_is_known_of_is_nobody_elses() -> None:
    with pytest.raises(WorkloadError, match="measured_with: no option prompts a model 'foo-9'"):
        Asked(prompt(0.97, measured_with="foo-9")).answer()
    model = "Qwen/Qwen2.5-7B-Instruct"
    asked = Asked(prompt(0.97, measured_with=model, gpus=["rtx-4090"]), "other")
    for narrowed in (asked, replace(asked, backends=("together",)), replace(asked, models=("gpt-4.1-mini",))):
        found = narrowed.answer()
        chosen = found.recommendation
        assert chosen and chosen.model == model and chosen.quality
        tuned = any(option.strategy.tunes and option.model == model for option in found.options)
        assert tuned == (narrowed is asked)


def test_a_model_beyond_the_list_can_be_the_one_that_was_measured() -> None:
    found = Asked(prompt(0.97, measured_with="gpt-4.1"), volume=100).answer()
    assert found.recommendation and found.recommendation.id == "prompt:openai/gpt-4.1"
    assert found.recommendation.quality and found.recommendation.estimate and found.recommendation.estimate.total_usd


@pytest.mark.parametrize(
    ("examples", "labels", "shots"),
    [(5000, None, 5), (5000, 3, 6), (5000, 12, 24), (5000, 30, 30), (5000, 77, 40), (8, None, 4), (60, 77, 30)],
)
def test_the_same_examples_are_five_or_show_every_label(examples: int, labels: int | None, shots: int) -> None:
    """100 tokens an example: 40 of them fit, and no more than half of the data are shown."""
    found = Asked({}, "classification", examples, labels, tokens=100).answer()
    fixed = next(option for option in found.options if option.id == "few_shot:openai/gpt-6-luna")
    assert fixed.shots == shots == fixed_shots(labels, examples // 2, 100)
    assert fixed.variant == f"{shots} examples"
    if labels == 12:
        assert found.recommendation == fixed and found.next_step.endswith(
            "base,few-shot:24 --max-examples 200 --max-cost 1"
        )


def test_of_many_labels_the_examples_near_the_question_are_shown() -> None:
    found = Asked({}, "classification", 5000, 77, tokens=100).answer()
    assert found.recommendation and found.recommendation.id.endswith(":retrieved")
    assert "base,few-shot:20:near --max-examples 200 --max-cost 1" in found.next_step


def test_tuning_is_set_against_the_prompt_that_is_advised() -> None:
    """The flip of the volume, the options' break-even and the advice speak of one and the same prompt."""
    found = Asked(prompt(0.97), "classification", 5000, 12, tokens=3000, backends=("together",)).answer()
    chosen = found.recommendation
    assert chosen and chosen.estimate and not chosen.strategy.tunes
    flip = next(flip for flip in found.flips if flip.variable == "requests_per_month")
    tuned = next(option for option in found.options if option.id == flip.to)
    assert tuned.estimate and tuned.estimate.break_even_requests
    assert flip.flips_at.startswith(f"{-(-tuned.estimate.break_even_requests // 12):,} or more")


def test_the_flip_of_the_score_names_the_prompt_that_has_it() -> None:
    found = Asked({"measured": {"prompt": 0.6, "few_shot": 0.7}, "error_cost_usd": "0.1"}).answer()
    flip = next(flip for flip in found.flips if flip.variable.startswith("measured."))
    assert (flip.variable, flip.current) == ("measured.few_shot", "0.7")


def test_knowledge_that_changes_is_asked_again_and_not_assumed() -> None:
    """A chat looks up what changes monthly already, so that is where it flips; for other tasks it is daily."""
    for task, at in (("chat", "monthly"), ("extraction", "daily")):
        flip = next(flip for flip in Asked(prompt(0.6), task).answer().flips if flip.variable == "knowledge_changes")
        assert (flip.flips_at, flip.to) == (at, "retrieval")
        again = Asked(prompt(0.6), task).answer(knowledge_changes=at).recommendation
        assert again and again.id == "retrieval"


def test_the_volume_that_changes_the_advice_does_change_it() -> None:
    asked = Asked(prompt(0.62, error_cost_usd="0.1"), backends=("together",))
    flip = next(flip for flip in asked.answer().flips if flip.variable == "requests_per_month")
    assert not flip.on_cost_alone and flip.flips_at.endswith("or fewer")
    edge = int(flip.flips_at.split()[0].replace(",", ""))
    for volume, tunes in ((round(edge * 1.02), True), (edge, False)):
        again = replace(asked, volume=volume).answer().recommendation
        assert again and again.strategy.tunes is tunes, volume
    few = Asked(prompt(0.5), "style", 8).answer()  # too few examples: no volume makes tuning the advice
    assert all(flip.on_cost_alone for flip in few.flips if flip.variable == "requests_per_month")


def test_without_a_gpu_on_the_premises_one_would_change_the_answer() -> None:
    asked = Asked(prompt(0.62, privacy="on_premises"))
    flip = next(flip for flip in asked.answer().flips if flip.variable == "gpus")
    then = asked.answer(gpus=[flip.flips_at]).recommendation
    assert flip.current == "none" and then and then.id == flip.to


def test_what_is_measured_already_is_not_the_next_step() -> None:
    both = Asked({"measured": {"prompt": 0.62, "few_shot": 0.7}}, "code").answer()
    assert "--against base,few-shot:8:near" in both.next_step  # 8 of 500 tokens fit into 4,000
    assert "--against base,few-shot:5" in Asked(prompt(0.62), "code").answer().next_step


def test_a_prompt_that_is_kept_is_the_one_to_measure_again() -> None:
    asked = Asked({"measured": {"prompt": 0.7, "few_shot": 0.9}})
    assert "--against base,few-shot:5 " in asked.answer(quality_target=0.85).next_step


def test_a_budget_that_rules_tuning_out_says_what_would_do() -> None:
    asked = Asked(prompt(0.62, budget_usd=10, error_cost_usd=1), volume=10_000, backends=("together",))
    flip = next(flip for flip in asked.answer().flips if flip.variable == "budget_usd")
    enough = flip.flips_at.removesuffix(" or more").removeprefix("$").replace(",", "")
    then = asked.answer(budget_usd=enough).recommendation
    assert flip.current == "$10.00" and then and then.id == flip.to


def test_a_tuned_model_asked_with_a_shorter_prompt_than_the_workload_names_says_so() -> None:
    asked = Asked(prompt(0.5, prompt_tokens={"system": 3300, "user": 200, "output": 100}))
    for option in asked.answer().options:
        if option.estimate and option.strategy.tunes:
            assert any("system tokens" in said and "not sent" in said for said in option.estimate.assumptions)
        elif option.estimate:
            assert not any("not sent" in said for said in option.estimate.assumptions)
