"""Does a model that was written answer as the one that was trained: the same prompts, greedily, and how likely it
finds those answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from backends.local.folder import RunFolder, read_json
from backends.local.inference.generate import generate_all
from backends.local.options import Options, read_options, spec_from_json
from backends.local.trainer import model as models
from backends.local.trainer.data import read_rows
from backends.local.trainer.loss import pad_batch
from backends.local.trainer.loss_mask import Encoded, template_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_ROWS, _LONGEST = 16, 64  # prompts compared; tokens of an answer
_LEAST_SAME, _MOST_NATS = 0.9, 0.02  # share of equal answers; change of the mean loss: beyond them something was lost


_ROUNDING = 0.15  # nats between two tokens that 16 bits may swap


@dataclass(frozen=True, slots=True)
class Proof:
    """Of ``rows`` answers ``same`` come out again; ``before`` and ``after`` are their mean loss, in nats a token."""

    rows: int
    same: int
    before: float
    after: float

    @property
    def holds(self) -> bool:
        return self.same >= _LEAST_SAME * self.rows and abs(self.after - self.before) <= _MOST_NATS

    def __str__(self) -> str:
        return (
            f"{self.same} of {self.rows} answers as trained, their loss {self.before:.3f} before and {self.after:.3f} "
            "after (nats a token)"
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """What the trained model answers: prompts with answers, the answers as what is scored, and their losses."""

    sequences: list[Encoded]
    losses: list[list[float]]


def trained_model(run: RunFolder, dtype: torch.dtype) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """Load what a run trained, base and adapter, with its tokenizer."""
    from peft import PeftModel

    spec = spec_from_json(read_json(run.config))
    options = read_options(spec.options)
    base = str(read_json(run.tuned / "adapter_config.json")["base_model_name_or_path"])
    model = models.load_base(base, dtype, torch.device("cpu"), options)
    _untie(model, run)
    with models.peft_asks_by_an_old_name():
        tuned = PeftModel.from_pretrained(model, str(run.tuned))
    return tuned.eval(), models.load_tokenizer(str(run.tuned), Options())


def answered(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Path) -> Answered:
    """Let the trained model answer the first prompts of a file of conversations."""
    prompts = []
    for _, row in read_rows(rows):
        turns = row.get("messages") or row["input"]["messages"]
        last = max((place for place, turn in enumerate(turns) if turn["role"] == "assistant"), default=len(turns))
        text = template_of(tokenizer).prompt(turns[:last], row.get("tools") or ())
        prompts.append(tokenizer(text, add_special_tokens=False)["input_ids"])
        if len(prompts) == _ROWS:
            break
    with torch.inference_mode():
        answers = generate_all(model, tokenizer, prompts, max_tokens=_LONGEST)
    sequences = [
        Encoded((*prompt, *answer), (0.0,) * len(prompt) + (1.0,) * len(answer), line, "all")
        for line, (prompt, (answer, _)) in enumerate(zip(prompts, answers, strict=True), 1)
    ]
    return Answered(sequences, [losses for losses, _ in _read(model, sequences)])


def prove(model: PreTrainedModel, known: Answered) -> Proof:
    """Hold a written model against what the trained one answered."""
    read = _read(model, known.sequences)
    tokens = sum(len(losses) for losses in known.losses)
    return Proof(
        rows=len(read),
        same=sum(right for _, right in read),
        before=sum(map(sum, known.losses)) / tokens,
        after=sum(sum(losses) for losses, _ in read) / tokens,
    )


def _read(model: Any, sequences: Sequence[Encoded]) -> list[tuple[list[float], bool]]:
    """Return of each sequence the losses of its answer's tokens, and whether each is the likeliest at its place.

    Two tokens within rounding of each other are both the likeliest.
    """
    found = []
    for one in sequences:
        batch = pad_batch([one], 0, model.device)
        with torch.inference_mode():
            logits = model(**batch.inputs, use_cache=False).logits[0, batch.places].float()
        losses = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none")
        given = logits.gather(-1, batch.targets[:, None])[:, 0]
        found.append((losses.tolist(), bool((logits.amax(-1) - given <= _ROUNDING).all())))
    return found


def _untie(model: PreTrainedModel, run: RunFolder) -> None:
    """Give the output head weights of its own where the adapter changes it and the embedding shares them.

    Merged into the shared matrix, what was learned for the one end would change the other too.
    """
    config = model.config.get_text_config()
    adapter = read_json(run.tuned / "adapter_config.json")
    targets = adapter.get("target_modules")
    names = [targets] if isinstance(targets, str) else targets if isinstance(targets, list) else []
    head: Any = model.get_output_embeddings()
    if not config.tie_word_embeddings or not any(str(name).endswith("lm_head") for name in names):
        return
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    model.config.tie_word_embeddings = config.tie_word_embeddings = False
