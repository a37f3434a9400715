"""Which solved examples stand before a question: how many, which, and why so many."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from advisor.errors import RunError, WorkloadError
from advisor.evaluate.metrics import Answer, label_of
from advisor.evidence import ROOM_TOKENS, retrieved_shots, shots_to_show
from advisor.hardware.models import architecture
from advisor.runs.evaluation.bm25 import Nearest
from advisor.runs.evaluation.question import Question
from backends import Message, ToolCall

_BYTES_A_TOKEN = 3
_LONGEST_LABEL = 80


@dataclass(frozen=True, slots=True)
class Shots:
    """So many solved examples: always the same, or the ``near``est to each question; ``note`` says why."""

    count: int
    near: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        return f"few-shot:{self.count}{':near' if self.near else ''}"


def shots(name: str, shown: Sequence[Question], model: str) -> Shots:
    """Read few-shot, few-shot:K or few-shot:K:near; without K, the number follows from the labels and the room.

    Raises RunError when the name cannot be read, or there are too few examples.
    """
    parts = re.fullmatch(r"few-shot(?::(\d+))?(:near)?", name)
    if parts is None or parts[1] == "0":
        raise RunError(
            f"--against {name}: write few-shot:5, few-shot:5:near for the nearest examples, or few-shot alone."
        )
    labels = len(_by_label(shown))
    if parts[1] is None:
        chosen = _chosen(shown, labels, _room(model), nearest=parts[2] is not None)
    else:
        chosen = Shots(int(parts[1]), parts[2] is not None)
        if chosen.count < labels and not chosen.near:
            chosen = Shots(
                chosen.count,
                note=f"{name} shows {chosen.count} of {labels} labels; few-shot:{chosen.count}:near shows those that "
                "are likeliest to matter, few-shot alone chooses.",
            )
    if len(shown) < max(1, chosen.count):
        raise RunError(f"--against {name}: the training part has only {len(shown)} examples to show.")
    return chosen


def before(shown: Sequence[Question], chosen: Shots, seed: int) -> Callable[[Question], Sequence[Message]]:
    """Return what puts the chosen examples before a question; fixed ones go round the labels."""
    if not chosen.near:
        fixed = _round(shown, chosen.count, seed)
        return lambda question: [turn for one in fixed for turn in _turns(one)]
    index = Nearest([asked_text(one) for one in shown])
    return lambda question: [
        turn for place in index.to(asked_text(question), chosen.count) for turn in _turns(shown[place])
    ]


def asked_text(question: Question) -> str:
    """Return what was asked, without the system prompt, for comparison."""
    turns = (message for message in question.messages if message["role"] not in ("system", "developer"))
    return " ".join(" ".join(Answer.of(message).text for message in turns).casefold().split())


def _chosen(shown: Sequence[Question], labels: int, room: int, *, nearest: bool) -> Shots:
    """Two of every label, else one, where they fit; else the nearest, which need not show every label."""
    sizes = [
        sum(len(Answer.of(turn).text.encode(errors="replace")) for turn in _turns(one)) / _BYTES_A_TOKEN + 8
        for one in shown
    ]
    large = round(fmean(sizes)) if sizes else 1
    count, no_room = shots_to_show(labels, len(shown), large, room)
    known = f"about {room:,} tokens of examples fit, at {large} each"
    if not labels:
        return Shots(count, nearest, f"few-shot:{count}: the answers are no labels; {known}.")
    if not nearest and not no_room:
        return Shots(count, note=f"few-shot:{count}: {count // labels} of each of {labels} labels; {known}.")
    count = retrieved_shots(len(shown), large, room)
    why = "" if nearest else f" one of each of {labels} labels would not fit;"
    # Retrieved examples match or beat a fixed set with many labels: Bertsch et al. 2024, arXiv 2405.00200.
    return Shots(count, True, f"few-shot:{count}:near: the nearest to each question, of {labels} labels;{why} {known}.")


def _room(model: str) -> int:
    """Return the tokens that examples may take: half of the model's context where it is known and short."""
    try:
        shape = architecture(model)
    except WorkloadError:
        shape = None
    return min(ROOM_TOKENS, shape.context // 2) if shape is not None and shape.context else ROOM_TOKENS


def _by_label(shown: Sequence[Question]) -> dict[str, list[Question]]:
    """Group the examples by label; empty when their answers are not labels: long, or hardly ever the same."""
    texts = [Answer.of(one.reference).text for one in shown]
    if not all(0 < len(text.strip()) <= _LONGEST_LABEL and "\n" not in text.strip() for text in texts):
        return {}
    found: dict[str, list[Question]] = defaultdict(list)
    for one, text in zip(shown, texts, strict=True):
        found[label_of(text)].append(one)
    return dict(found) if 1 < len(found) <= len(shown) / 3 else {}


def _round(shown: Sequence[Question], count: int, seed: int) -> list[Question]:
    """Return a seeded sample that takes one of each label in turn."""
    random = Random(seed)
    groups = list(_by_label(shown).values())
    if not groups:
        return random.sample(list(shown), count)
    for group in groups:
        random.shuffle(group)
    random.shuffle(groups)
    rounds = (group[place] for place in range(max(map(len, groups))) for group in groups if place < len(group))
    taken = [one for one, _ in zip(rounds, range(count), strict=False)]
    random.shuffle(taken)
    return taken


def _turns(one: Question) -> list[Message]:
    """Return a solved example without its system prompt; calls get an empty result, as chat endpoints demand."""
    turns = [message for message in one.messages if message["role"] not in ("system", "developer")]
    calls = one.reference.get("tool_calls")
    if not calls:
        return [*turns, one.reference]
    named: list[ToolCall] = [
        {"id": call.get("id") or f"call_{number}", "type": "function", "function": call["function"]}
        for number, call in enumerate(calls)
    ]
    results: list[Message] = [{"role": "tool", "tool_call_id": call["id"], "content": ""} for call in named]
    return [*turns, {**one.reference, "tool_calls": named}, *results]
