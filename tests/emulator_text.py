"""What the emulators do with training text: count it, bill it, and answer the way a model trained on it would."""

from __future__ import annotations

import functools
import json
import warnings
from typing import Any


@functools.cache
def _encoding() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # bpe_openai opens its data the old way
        import bpe_openai

    return bpe_openai.get_encoding("o200k_base")


def tokens(text: str) -> int:
    return len(_encoding().encode_ordinary(text))


def in_parts(answer: dict[str, Any], *, usage: bool) -> bytes:
    """Return a chat completion as the events of a stream: its text word by word, then why it ended, then its usage."""
    choice = answer["choices"][0]
    text = choice["message"]["content"]
    words = [f"{word} " for word in text.split(" ")[:-1]] + [text.split(" ")[-1]]
    chunk = {name: answer[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas = [{"role": "assistant", "content": word} for word in words]
    sent = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    sent.append({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if usage:
        sent.append({"choices": [], "usage": answer["usage"]})
    return "".join(f"data: {json.dumps(chunk | part)}\n\n" for part in sent).encode() + b"data: [DONE]\n\n"


def rows(content: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects of a JSONL file. Raises ValueError naming the line."""
    found = []
    for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"Line {number} is not valid JSON") from error
        if not isinstance(row, dict):
            raise ValueError(f"Line {number} is not a dictionary")
        found.append(row)
    return found


def messages_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    if "input" in row:
        return [*row["input"]["messages"], *row["preferred_output"]]
    if "messages" in row:
        return list(row["messages"])
    return [
        {"role": "user", "content": str(row.get("prompt", ""))},
        {"role": "assistant", "content": str(row.get("completion", row.get("text", "")))},
    ]


def epoch_tokens(found: list[dict[str, Any]]) -> int:
    """Tokens of one epoch: 1 per example and 3 + role + content per message, as real OpenAI jobs were billed."""
    return sum(
        1 + sum(3 + tokens(str(m.get("role", ""))) + tokens(str(m.get("content") or "")) for m in messages_of(row))
        for row in found
    )


def auto_epochs(examples: int) -> int:
    """OpenAI's choice for ``n_epochs: auto``, as its data preparation notebook states it."""
    if 3 * examples < 100:
        return min(25, 100 // examples)
    return max(1, 25_000 // examples) if 3 * examples > 25_000 else 3


def learned_answer(question: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """Answer as a model that remembers its training rows: the answer of the row whose words overlap most."""
    return _text(learned_turn(question, found))


def learned_turn(question: list[dict[str, Any]], found: list[dict[str, Any]]) -> dict[str, Any]:
    """As ``learned_answer``, but the whole turn, with the tool calls it may hold."""
    words = set(_text(question[-1]).lower().split())
    best, answer = -1.0, dict[str, Any]()
    for row in found:
        turns = messages_of(row)
        asked = set(" ".join(_text(m) for m in turns if m["role"] == "user").lower().split())
        overlap = len(words & asked) / (len(words | asked) or 1)
        if overlap > best:
            best, answer = overlap, turns[-1]
    return answer


def untrained_answer(question: list[dict[str, Any]]) -> str:
    return f"I was asked: {_text(question[-1])[:80]}"


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content or "")
