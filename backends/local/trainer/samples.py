"""A few validation prompts answered by the model in training, for a person to read beside the expected answers."""

from __future__ import annotations

import json

import torch

from backends import Objective
from backends.local.inference.generate import generate_all
from backends.local.trainer import model as models
from backends.local.trainer.state import Run

_COUNT, _LONGEST = 3, 128  # prompts answered at the end; tokens of an answer
_ON_THE_WAY = 48  # tokens of the one answer that each evaluation shows
_SHOWN = 80  # characters of a text in an event
LEVEL = "sample"  # of the events that hold one


def write_samples(run: Run) -> None:
    """Answer the first prompts and keep them as samples.jsonl."""
    lines = _answers(run, _COUNT, _LONGEST)
    if lines:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (run.folder.path / "samples.jsonl").write_text(text, encoding="utf-8")


def say_sample(run: Run, step: int) -> None:
    """Answer the first prompt and say it as an event: a loss does not show what a model writes."""
    for one in _answers(run, 1, _ON_THE_WAY):
        asked, wanted, said = (_short(one[key]) for key in ("prompt", "expected", "answer"))
        run.record.event(f"sample at step {step}: {asked!r} -> {said!r} (expected {wanted!r})", level=LEVEL, step=step)


def _answers(run: Run, count: int, longest: int) -> list[dict[str, str]]:
    """Return prompt, expected and given answer; nothing where there is none to give, or no memory to give it in."""
    if run.spec.objective is Objective.DPO or run.options.split:  # split: the ranks would have to generate together
        return []
    model = models.causal(run.model)
    training = model.training
    packing = model.config._attn_implementation
    shown = [item.sequences[0] for item in run.valid[:count]]
    starts = [next(place for place, weight in enumerate(one.weights) if weight > 0) for one in shown]
    prompts = [one.ids[:start] for one, start in zip(shown, starts, strict=True)]
    try:
        models.rest(model)
        model.set_attn_implementation(run.own_attention)  # packing is for training alone
        with torch.compiler.set_stance("force_eager"):
            answers = generate_all(model, run.tokenizer, prompts, max_tokens=longest) if prompts else []
    except RuntimeError as error:  # out of memory, say: these are only to look at
        run.record.event(f"No samples were written: {models.first_line(error)}", level="warning")
        return []
    finally:
        model.set_attn_implementation(packing)
        run.model.train(training)
    return [
        {
            "prompt": run.tokenizer.decode(prompt),
            "expected": run.tokenizer.decode(one.ids[start:], skip_special_tokens=True).strip(),
            "answer": run.tokenizer.decode(answer, skip_special_tokens=True).strip(),
        }
        for one, start, prompt, (answer, _) in zip(shown, starts, prompts, answers, strict=True)
    ]


def _short(text: str) -> str:
    """Return the end of a text: of a prompt, what was asked stands there."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"...{flat[-_SHOWN:]}"
