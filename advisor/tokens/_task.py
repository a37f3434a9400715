"""What a dataset teaches, inferred from its answers, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from advisor.dataset import Format
from advisor.task import TaskType
from advisor.tokens._tally import Tally


def infer(tally: Tally, labels: Mapping[str, int] | None, format: Format) -> tuple[TaskType, str]:
    """Return the task type and one sentence saying why. The order of the questions is the order of certainty."""
    examples, looked = max(1, tally.examples), max(1, tally.sampled)
    if tally.with_calls > 0.2 * examples:
        return TaskType.TOOL_USE, f"{tally.with_calls / examples:.0%} of the examples end in a tool call"
    if tally.with_tools > 0.5 * examples:
        return TaskType.TOOL_USE, f"{tally.with_tools / examples:.0%} of the examples describe tools to call"
    if format is Format.TEXT:
        return TaskType.KNOWLEDGE, "plain text without prompts"
    if labels and tally.labels.several() is not None:
        return TaskType.MULTI_LABEL, f"answers of any number of {len(labels)} labels"
    if labels:
        return TaskType.CLASSIFICATION, f"{len(labels)} different short answers in {tally.examples:,} examples"
    if tally.json_answers > 0.5 * looked:
        copied = tally.copied > 0.3 * looked
        kind = TaskType.EXTRACTION if copied else TaskType.STRUCTURED
        return kind, f"{tally.json_answers / looked:.0%} of the answers are JSON"
    if tally.code_answers > 0.4 * looked:
        return TaskType.CODE, f"{tally.code_answers / looked:.0%} of the answers hold code"
    if tally.reasoned > 0.4 * looked:
        return TaskType.REASONING, f"{tally.reasoned / looked:.0%} of the answers work something out step by step"
    if tally.turns > 1.5 * examples and not tally.preferences:
        return TaskType.CHAT, f"{tally.turns / examples:.1f} answers per conversation"
    if tally.translated > 0.5 * looked:
        return TaskType.TRANSLATION, f"{tally.translated / looked:.0%} of the answers are in another language"
    if tally.over_text > 0.5 * looked:
        return (
            TaskType.QUESTION_ANSWERING,
            f"{tally.over_text / looked:.0%} of the answers are about a text in the prompt",
        )
    if tally.rewritten > 0.5 * looked:
        return TaskType.REWRITING, f"{tally.rewritten / looked:.0%} of the answers are their prompt in other words"
    if tally.copied > 0.5 * looked:
        return TaskType.SUMMARISATION, "the answers are much shorter than their prompts and share their words"
    if 0.5 < tally.answer_chars / max(1, tally.prompt_chars) < 2 and tally.answer_chars > 60 * examples:
        return TaskType.STYLE, "the answers are about as long as their prompts"
    return TaskType.OTHER, "the form of the answers does not tell"
