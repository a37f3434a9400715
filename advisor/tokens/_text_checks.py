"""What the wording of prompts and answers gives away: quality, form, and marks by which rows are compared."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from advisor.dataset.converse import Conversation
from advisor.dataset.scan import scan, utf8
from advisor.dataset.write import text_of
from advisor.tokens._answers import is_cut, is_given_away, is_refusal, language
from advisor.tokens._fillers import SHORT as _SHORT
from advisor.tokens._fillers import unfilled, why_filler
from advisor.tokens._tally import Tally
from backends import Json, Message

_SYSTEMS = 4096  # distinct system prompts that are known to have been searched
_NOTHING: tuple[object, ...] = (None, "", [])  # what tables and SDKs write for a field that is not there
_BESIDE = ("reasoning", "reasoning_content", "refusal")  # texts that a message may have beside its content
_SCAN_BYTES = 1 << 20  # texts searched together
_STEPS = re.compile(r"(?:\bstep \d|\btherefore\b|\bthus\b|=\s*\$?\d|####|<think>|\bso the answer\b)", re.IGNORECASE)
_VERDICT = re.compile(r"\b(?:yes|no|maybe|true|false|unknown)\W*$", re.IGNORECASE)
_GIVEN = re.compile(
    r"\b(?:context|passage|text|abstract|article|document|paragraph|excerpt|source)s?\s*:", re.IGNORECASE
)
_CODE = re.compile(r"```|^\s*(?:def|class|import|SELECT|function|const|#include|public)\b", re.MULTILINE)


class Look:
    """Looks at conversations that were counted; of every ``every``-th one also at language and form."""

    def __init__(self, tally: Tally, every: int) -> None:
        self._tally, self._every = tally, every
        self._systems: set[bytes] = set()
        self._texts: list[bytes] = []
        self._places: list[tuple[int, int]] = []
        self._bytes = 0

    def at(self, talk: Conversation, messages: list[Message], file: int, line: int) -> None:
        """Note what the wording of prompt and answer gives away."""
        tally = self._tally
        texts = [
            content if type(content := message.get("content")) is str else text_of(message) for message in messages
        ]
        pair = talk.preferred is not None
        asked = len(talk.messages) - (not pair)
        answer = texts[asked] if pair or messages[-1]["role"] == "assistant" else ""
        if answer:
            before = texts[messages[0]["role"] == "system" : asked]
            if is_refusal(answer):
                tally.note(file, line, ("refusal", repr(answer[:40])))
            if is_cut(answer):
                tally.note(file, line, ("cut_answer", f"it ends with {answer.rstrip()[-20:]!r}"))
            self._fillers(answer, before[-1] if before else None, file, line)
            if is_given_away(answer, before):
                tally.note(file, line, ("answer_in_prompt", ""))
            tally.answer_chars += len(answer)
            tally.prompt_chars += sum(map(len, before))
            if tally.examples % self._every == 0:
                self._sample(answer, "\n".join(before))
        raw = list(map(utf8, texts))
        split = asked
        while not pair and split and messages[split]["role"] != "assistant":
            split -= 1
        answered = _identity(messages[split:], raw[split:])
        # Where nothing comes before the answer, as in plain text, only equal answers have equal prompts.
        prompt = _identity(messages[:split], raw) if split else answered
        tools = talk.offered()
        if tools:
            prompt += orjson.dumps(tools, option=orjson.OPT_SORT_KEYS)
        tally.marks.add(prompt, answered, file, line)
        joined = b"\n".join(self._searchable(messages, raw))
        self._texts.append(joined)
        self._places.append((file, line))
        self._bytes += len(joined)
        if self._bytes > _SCAN_BYTES:
            self.search()

    def _searchable(self, messages: list[Message], raw: list[bytes]) -> Iterator[bytes]:
        """Yield what is to be searched: every text, reasoning and call's arguments, a system prompt once."""
        for message, text in zip(messages, raw, strict=True):
            if message["role"] != "system":
                yield text
            elif text not in self._systems:
                if len(self._systems) < _SYSTEMS:
                    self._systems.add(text)
                yield text
            if len(message) > 2:
                yield from (utf8(said) for key in _BESIDE if isinstance(said := message.get(key), str))
            if "tool_calls" in message:
                yield from (utf8(call["function"]["arguments"]) for call in message["tool_calls"] or ())

    def _fillers(self, answer: str, prompt: str | None, file: int, line: int) -> None:
        """Note what stands where something else should."""
        if field := unfilled(answer, prompt or ""):
            self._tally.note(file, line, ("unfilled_field", repr(field)))
        if prompt is not None and len(prompt) <= _SHORT and (why := why_filler(prompt)) and prompt.strip():
            self._tally.note(file, line, ("filler", f"the prompt is {prompt.strip()!r}, {why}"))
        elif answer[:1] == "#" and len(answer) <= _SHORT and (why := why_filler(answer)):
            self._tally.note(file, line, ("filler", f"the answer is {answer.strip()!r}, {why}"))

    def _sample(self, answer: str, prompt: str) -> None:
        """Look closer at every n-th example: language, and the form of the answer."""
        tally = self._tally
        found = language(answer) or language(prompt[-300:])
        if found:
            tally.languages[found] += 1
        tally.sampled += 1
        start = answer.lstrip()[:1]
        if start in ("{", "[") and len(answer) < 100_000:
            try:
                held = orjson.loads(answer)
            except orjson.JSONDecodeError:
                pass
            else:
                tally.json_answers += 1
                said = [text for text in _leaves(held) if len(text) > 2]
                tally.copied += bool(said) and sum(text in prompt for text in said) > 0.6 * len(said)
                return
        self._kind(answer, prompt, found)
        if _CODE.search(answer, 0, 1500):
            tally.code_answers += 1
        elif len(answer) > 60 and len(_STEPS.findall(answer[:1500])) >= 2:
            tally.reasoned += 1
        words = answer[:2000].lower().split()
        if len(words) >= 5 and len(words) * 3 < prompt.count(" "):
            asked = set(prompt.lower().split())
            tally.copied += sum(word in asked for word in words) > 0.6 * len(words)

    def _kind(self, answer: str, prompt: str, spoken: str) -> None:
        """Tell what the answer is to its prompt: another language, the same text in other words, a reply out of it."""
        tally, words = self._tally, answer[:2000].lower().split()
        asked = prompt[:4000].lower().split()
        known = set(asked)
        own = [word for word in words if len(word) > 3]
        shared = sum(word in known for word in own) / len(own) if own else 0.0
        told = language(prompt)
        if spoken and told and spoken != told:
            tally.translated += 1
        elif len(asked) >= 12 and len(words) < len(asked) and _asks_over_text(prompt):
            tally.over_text += shared >= 0.5 or bool(_VERDICT.search(answer[-40:]))
        elif len(words) >= 6 and 0.5 <= len(answer) / max(1, len(prompt)) <= 1.6 and 0.4 <= shared < 1.0:
            tally.rewritten += 1

    def search(self) -> None:
        """Search the texts that wait for it, and note what they hold."""
        seen: set[tuple[int, str, str]] = set()
        for hit in scan(self._texts):
            if (hit.index, hit.code, hit.detail) not in seen:
                seen.add((hit.index, hit.code, hit.detail))
                self._tally.note(*self._places[hit.index], (hit.code, hit.detail))
        self._texts, self._places, self._bytes = [], [], 0


def _asks_over_text(prompt: str) -> bool:
    """Tell a question beside a text it is about: said so, or a question at one end and sentences at the other."""
    if "?" not in prompt:
        return False
    if _GIVEN.search(prompt):
        return True
    first, last = prompt.find("?"), prompt.rstrip().endswith("?")
    return (len(prompt) - first > 300 and first < 200) or (last and len(prompt) > 600)


def _identity(messages: list[Message], raw: list[bytes]) -> bytes:
    """Return bytes that are equal for equal messages alone; ``raw`` holds their texts in UTF-8."""
    parts: list[bytes] = []
    for message, text in zip(messages, raw, strict=False):
        held = message.keys() if len(message) == 2 else {key for key, value in message.items() if value not in _NOTHING}
        if held == {"role", "content"}:
            parts += (message["role"].encode(), text)
        else:
            rest = {key: value for key, value in message.items() if key in held}
            parts.append(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS))
    return b"\0".join(parts)


def _leaves(value: Json) -> Iterator[str]:
    """Yield the texts a JSON value holds, two levels deep: what an extraction copies from its prompt."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if isinstance(one, str):
            yield one
        else:
            below = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            yield from (text for text in below if isinstance(text, str))
