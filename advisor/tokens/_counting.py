"""The walk over conversations that fills a tally: tokens always, quality when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

import orjson

from advisor.dataset.converse import Conversation
from advisor.dataset.write import text_of
from advisor.tokens._billing import LOW_DETAIL_IMAGE, PER_EXAMPLE, PER_MESSAGE, tools_text
from advisor.tokens._minhash import Ids, Sketch
from advisor.tokens._tally import SYSTEMS_KEPT, Tally
from advisor.tokens._text_checks import Look
from advisor.tokens._tokenizers import Codec, Encode
from backends import Json, Message

_Waiting: TypeAlias = tuple[Conversation, list[Message], int, int]  # with its messages, file and line

_MEMO = 4096  # distinct system prompts and tool lists whose count is remembered
_TOGETHER = 4 << 20  # characters encoded together


class Counting:
    """Adds conversations to a tally: the first of ``codecs`` in every detail, the others for their totals alone."""

    def __init__(self, codecs: Mapping[str, Codec], sketch: Sketch | None, every: int = 1) -> None:
        self.tally = Tally()
        (self._name, self._codec), *others = codecs.items()
        self._encode = self._codec.encode
        self._others = [(name, codec.encode) for name, codec in others]
        self._sketch = sketch
        self._look = Look(self.tally, every)
        self._memo: dict[str | bytes, int] = {}
        self._other_memo: dict[tuple[str, str | bytes], int] = {}
        self._overhead: dict[str, int] = {}  # tokens of a message with this role, before its content
        self._roles: dict[str, int] = {}
        self._sums = [0, 0, 0]  # tokens, billed, trained
        self._waiting: list[_Waiting] = []
        self._plain: list[str] = []  # their contents, which are encoded together
        self._characters = 0
        self.full = False  # enough is held that it should be finished, and another begun
        self._ids: list[list[Ids]] = []

    def add(self, talk: Conversation, file: int, line: int) -> None:
        """Take one conversation; it is counted together with others."""
        messages = talk.messages
        if talk.non_preferred is not None and talk.preferred is not None:
            messages = [*messages, talk.preferred, talk.non_preferred]
        characters, plain = 0, self._plain
        for message in messages:
            content = message.get("content")
            if type(content) is str and "tool_calls" not in message and message["role"] != "system":
                plain.append(content)
                characters += len(content)
        self._waiting.append((talk, messages, file, line))
        self._characters += characters
        if self._characters > _TOGETHER:
            self._count()
            self.full = True

    def _count(self) -> None:
        ids: list[Ids] = []
        if self._sketch is None:
            counts = iter(self._codec.each(self._plain, len))
        else:
            ids.extend(self._codec.each(self._plain, _kept))
            counts = map(len, ids)
        kept = iter(ids)
        for talk, messages, file, line in self._waiting:
            self._one(talk, messages, file, line, counts, kept)
        self._waiting, self._plain, self._characters = [], [], 0

    def _one(
        self, talk: Conversation, messages: list[Message], file: int, line: int, counts: Iterator[int],
        ids: Iterator[Ids],
    ) -> None:  # fmt: skip
        """Count one conversation, and look at it when quality is asked for.

        ``counts`` has the tokens of contents that are plain text, and ``ids`` their ids where they are sketched.
        """
        tally, encode, roles, overhead = self.tally, self._encode, self._roles, self._overhead
        tokens = trained = output = answers = asked = 0
        billed = PER_EXAMPLE
        parts: list[Ids] = []
        sketched = self._sketch is not None
        rejected = talk.non_preferred
        images = tally.images
        for message in messages:
            role, content = message["role"], message.get("content")
            if type(content) is not str or "tool_calls" in message:
                count = self._unusual(message, encode, self._memo, parts)
            elif role == "system":
                count = self._remembered(content)
            else:
                count = next(counts)
                if sketched:
                    parts.append(next(ids))
            tokens += count
            if role not in overhead:
                overhead[role] = PER_MESSAGE + len(encode(role))
                roles.setdefault(role, 0)
            billed += count + overhead[role]
            roles[role] += count
            if role == "assistant":
                output += count
                answers += 1
                if message is not rejected:
                    asked += tokens - count
                if message is not rejected and message.get("weight") != 0:
                    trained += count
        tools = talk.offered()
        if tools:
            rendered = self._tools(tools)
            billed += rendered
            tally.tools += rendered
            tally.with_tools += 1
        tally.with_images += tally.images > images
        tally.examples += 1
        tally.messages += len(messages)
        tally.turns += answers - (rejected is not None)
        tally.asked += asked
        tally.preferences += rejected is not None
        self._sums[0] += tokens
        self._sums[1] += billed
        self._sums[2] += trained
        tally.lengths[billed] += 1
        tally.outputs[output] += 1
        tally.long(billed, file, line)
        tally.short(output, file, line)
        for name, other in self._others:
            self._add_other(name, other, messages, talk, rejected)
        self._describe(talk)
        if sketched:
            self._ids.append(parts)
            self._look.at(talk, messages, file, line)

    def finish(self) -> Tally:
        """Count, sketch and search what is still waiting, and return the tally."""
        self._count()
        self._look.search()
        tally = self.tally
        if self._sketch is not None and self._ids:
            tally.marks.sketches.extend(self._sketch(self._ids))
        for counter, total in zip((tally.tokens, tally.billed, tally.trained), self._sums, strict=True):
            counter[self._name] += total
        tally.roles.update(self._roles)
        return tally

    def _describe(self, talk: Conversation) -> None:
        """Note what the task is told from: calls, labels, system prompts."""
        tally, messages = self.tally, talk.messages
        last, first = talk.preferred or messages[-1], messages[0]
        if last["role"] == "assistant":
            tally.with_calls += "tool_calls" in last and bool(last["tool_calls"])
            content = last.get("content")
            tally.labels.add(content if type(content) is str else text_of(last))
        if first["role"] == "system":
            opening = text_of(first)
            if opening in tally.systems or len(tally.systems) < SYSTEMS_KEPT:
                tally.systems[opening] += 1

    def _add_other(
        self, name: str, encode: Encode, messages: list[Message], talk: Conversation, rejected: Message | None
    ) -> None:
        """Count the same for another encoding: totals only."""
        tokens = trained = 0
        billed = PER_EXAMPLE
        memo = self._other_memo
        for message in messages:
            role, content = message["role"], message.get("content")
            if type(content) is not str or "tool_calls" in message:
                count = self._unusual(message, encode, None, [])
            elif role == "system":
                if (name, content) not in memo:
                    memo[name, content] = len(encode(content))
                count = memo[name, content]
            else:
                count = len(encode(content))
            tokens += count
            if (name, role) not in memo:
                memo[name, role] = len(encode(role))
            billed += PER_MESSAGE + count + memo[name, role]
            if role == "assistant" and message.get("weight") != 0 and message is not rejected:
                trained += count
        tools = talk.offered()
        if tools:
            key = orjson.dumps(tools)
            if (name, key) not in memo:
                memo[name, key] = len(encode(tools_text(tools)))
            billed += memo[name, key]
        if len(memo) > _MEMO:
            memo.clear()
        self.tally.tokens[name] += tokens
        self.tally.billed[name] += billed
        self.tally.trained[name] += trained

    def _unusual(self, message: Message, encode: Encode, first: dict[str | bytes, int] | None, parts: list[Ids]) -> int:
        """Count a message with tool calls, with parts, or without content."""
        content = message.get("content")
        texts = [text_of(message)]
        for call in message.get("tool_calls") or ():
            function = cast(Mapping[str, Json], call["function"])
            texts.extend(str(function.get(key) or "") for key in ("name", "arguments"))
        older = cast(Mapping[str, Json], message).get("function_call")
        if isinstance(older, dict):
            texts.extend(str(older.get(key) or "") for key in ("name", "arguments"))
        count = 0
        for text in texts:
            if text:
                ids = encode(text)
                count += len(ids)
                parts.append(ids)
        if isinstance(content, list):
            images = [part for part in content if isinstance(part, dict) and part.get("type") == "image_url"]
            count += LOW_DETAIL_IMAGE * len(images)
            if first is not None and images:
                self.tally.images += len(images)
                details = [part["image_url"].get("detail") for part in images if isinstance(part["image_url"], dict)]
                self.tally.unsure |= details != ["low"] * len(images)
        return count

    def _tools(self, tools: list[dict[str, Json]]) -> int:
        key = orjson.dumps(tools)
        known = self._memo.get(key)
        if known is None:
            known = self._keep(key, len(self._encode(tools_text(tools))))
        return known

    def _remembered(self, text: str) -> int:
        known = self._memo.get(text)
        return self._keep(text, len(self._encode(text))) if known is None else known

    def _keep(self, key: str | bytes, count: int) -> int:
        if len(self._memo) >= _MEMO:
            self._memo.clear()
        self._memo[key] = count
        return count


def _kept(ids: Ids) -> Ids:
    return ids
