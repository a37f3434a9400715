"""The kinds of task that the advice tells apart; apart from the workload, so that reading data needs no pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class TaskType(StrEnum):
    CLASSIFICATION = "classification"
    MULTI_LABEL = "multi_label"  # classification with any number of labels an answer
    EXTRACTION = "extraction"
    STRUCTURED = "structured"
    STYLE = "style"
    REWRITING = "rewriting"
    TRANSLATION = "translation"
    SUMMARISATION = "summarisation"
    REASONING = "reasoning"
    QUESTION_ANSWERING = "question_answering"  # over a text that is given with the question
    KNOWLEDGE = "knowledge"
    CODE = "code"
    TOOL_USE = "tool_use"
    CHAT = "chat"
    OTHER = "other"

    @property
    def family(self) -> TaskType:
        """The kind whose published comparisons this one is judged by; it is its own where it has some."""
        return _FAMILIES.get(self, self)


# What a kind that was inferred from data is mistaken for: a yes or no over an abstract is a label or an answer.
MISTAKEN: Mapping[TaskType, tuple[TaskType, ...]] = {
    TaskType.CLASSIFICATION: (TaskType.QUESTION_ANSWERING, TaskType.KNOWLEDGE, TaskType.REASONING),
    TaskType.QUESTION_ANSWERING: (TaskType.CLASSIFICATION, TaskType.EXTRACTION, TaskType.KNOWLEDGE, TaskType.REASONING),
    TaskType.SUMMARISATION: (TaskType.EXTRACTION, TaskType.REWRITING, TaskType.QUESTION_ANSWERING),
    TaskType.STYLE: (TaskType.REWRITING, TaskType.KNOWLEDGE, TaskType.CHAT),
    TaskType.REASONING: (TaskType.QUESTION_ANSWERING, TaskType.KNOWLEDGE),
    TaskType.OTHER: (
        TaskType.QUESTION_ANSWERING, TaskType.KNOWLEDGE, TaskType.REASONING, TaskType.CLASSIFICATION,
        TaskType.EXTRACTION, TaskType.STYLE,
    ),
}  # fmt: skip

_FAMILIES: Mapping[TaskType, TaskType] = {
    TaskType.MULTI_LABEL: TaskType.CLASSIFICATION,
    TaskType.REWRITING: TaskType.STYLE,
    TaskType.TRANSLATION: TaskType.STYLE,
    TaskType.QUESTION_ANSWERING: TaskType.OTHER,
}
