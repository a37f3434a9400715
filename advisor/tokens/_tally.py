"""Counts of one stretch of a dataset, which add up: each process counts its blocks and the parts are merged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from typing import TypeAlias

from advisor.dataset.labels import LabelCount
from advisor.dataset.rows import Fault
from advisor.tokens._minhash import Marks
from backends import Json

FAULTS_KEPT = 100  # lines named per code; the rest is counted
LONGEST_KEPT = 100
SHORTEST_KEPT = 20
MARKS_KEPT = 3_000_000  # examples, 100 bytes each: what bounds the memory on files of any size
SYSTEMS_KEPT = 64  # distinct system prompts kept per block, and as many again in all

Finding: TypeAlias = tuple[int | None, int, str, str]  # line, file, code, detail

SUMS = (
    "examples", "messages", "turns", "asked", "tools", "with_tools", "with_calls", "images", "with_images",
    "preferences", "json_answers", "code_answers", "reasoned", "translated", "rewritten", "over_text", "prompt_chars",
    "answer_chars", "copied", "sampled",
)  # fmt: skip
COUNTERS = ("tokens", "billed", "trained", "roles", "lengths", "outputs", "systems", "languages")


@dataclass(slots=True)
class Tally:
    """Everything counted. ``tokens``, ``billed`` and ``trained`` are per encoding; other sums are of o200k_base."""

    examples: int = 0
    messages: int = 0
    turns: int = 0  # assistant answers
    asked: int = 0  # tokens before each of them in its conversation, added up over the answers
    tokens: Counter[str] = field(default_factory=Counter)
    billed: Counter[str] = field(default_factory=Counter)
    trained: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    tools: int = 0  # tokens of the tools as rendered, once per example
    lengths: Counter[int] = field(default_factory=Counter)  # billed tokens of an example -> examples
    outputs: Counter[int] = field(default_factory=Counter)  # tokens of an example's answers -> examples
    longest: list[tuple[int, int, int]] = field(default_factory=list)  # a heap of (tokens, -file, -line)
    shortest: list[tuple[int, int, int]] = field(default_factory=list)  # a heap of (-tokens of answers, -file, -line)
    with_tools: int = 0
    with_calls: int = 0
    images: int = 0
    with_images: int = 0
    unsure: bool = False  # some count is an estimate
    preferences: int = 0
    json_answers: int = 0
    code_answers: int = 0
    reasoned: int = 0  # answers that work something out step by step
    copied: int = 0  # answers made mostly of words of their prompt
    translated: int = 0  # answers in another language than their prompt
    rewritten: int = 0  # answers about as long as their prompt, in many of its words
    over_text: int = 0  # answers to a question about a text in the prompt
    sampled: int = 0  # examples whose answers were looked at closely
    prompt_chars: int = 0  # without the system prompt
    answer_chars: int = 0
    labels: LabelCount = field(default_factory=LabelCount)
    systems: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, int, str, str]] = field(default_factory=list)  # (file, line, code, detail)
    fault_counts: Counter[str] = field(default_factory=Counter)
    marks: Marks = field(default_factory=Marks)
    repeats: tuple[list[Finding], dict[str, Json]] | None = None  # what the marks show, once all are there

    def note(self, file: int, line: int, fault: Fault) -> None:
        """Keep the fault's line, or only count it when there are many of its kind."""
        code, detail = fault
        self.fault_counts[code] += 1
        if self.fault_counts[code] <= FAULTS_KEPT:
            self.faults.append((file, line, code, detail))

    def long(self, tokens: int, file: int, line: int) -> None:
        """Keep the example if it is among the longest."""
        longest = self.longest
        if len(longest) < LONGEST_KEPT:
            heappush(longest, (tokens, -file, -line))
        elif tokens > longest[0][0]:
            heapreplace(longest, (tokens, -file, -line))

    def short(self, tokens: int, file: int, line: int) -> None:
        """Keep the example if its answers are among the shortest."""
        shortest = self.shortest
        if len(shortest) < SHORTEST_KEPT:
            heappush(shortest, (-tokens, -file, -line))
        elif tokens < -shortest[0][0]:
            heapreplace(shortest, (-tokens, -file, -line))

    def shortest_first(self) -> list[tuple[int, int, int]]:
        """Return (tokens of answers, file, line) of the examples with the shortest answers, the shortest first."""
        return sorted((-tokens, -file, -line) for tokens, file, line in self.shortest)

    def longest_first(self) -> list[tuple[int, int, int]]:
        """Return (tokens, file, line) of the longest examples, the longest first."""
        return [(tokens, -file, -line) for tokens, file, line in sorted(self.longest, reverse=True)]

    def merge(self, other: Tally, line_offset: int = 0) -> None:
        """Add ``other``, which comes later in the data; its lines are moved by ``line_offset``."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        if len(self.systems) > 2 * SYSTEMS_KEPT:
            self.systems = Counter(dict(self.systems.most_common(SYSTEMS_KEPT)))
        self.unsure |= other.unsure
        self.labels.merge(other.labels)
        for tokens, file, line in other.longest:
            self.long(tokens, -file, line_offset - line)
        for tokens, file, line in other.shortest:
            self.short(-tokens, -file, line_offset - line)
        room = {code: FAULTS_KEPT - count for code, count in self.fault_counts.items()}
        for file, line, code, detail in other.faults:
            if room.setdefault(code, FAULTS_KEPT) > 0:
                room[code] -= 1
                self.faults.append((file, line + line_offset, code, detail))
        self.fault_counts.update(other.fault_counts)
        if len(self.marks) < MARKS_KEPT:
            self.marks.merge(other.marks, line_offset)
