"""What a good answer is: one score per example between 0 and 1, chosen by the kind of task."""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Literal, Self, TypeVar

from advisor.evaluate import sql
from advisor.evaluate.fields import overlap, plain
from advisor.evaluate.schema import keeps
from advisor.task import TaskType
from backends import Json, Message, ToolCall


class NotJson(Enum):
    """What a text reads as that is no JSON."""

    NOT_JSON = 1


NOT_JSON = NotJson.NOT_JSON
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # written without blanks
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_LONGEST_LABEL = 80  # characters
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was written, by a model or by the reference: text, tool calls, or both."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def spoken(self) -> Self:
        """The answer without what was thought aloud before it; a thought that never ends stays."""
        return replace(self, text=_THOUGHT.sub("", self.text))

    @property
    def only_thought(self) -> bool:
        """Whether it was cut off before the thought came to an end."""
        return self.spoken.text.lstrip().startswith("<think>")

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return the answer a message holds."""
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content)
        return cls(content or "", tuple(message.get("tool_calls") or ()))


@dataclass(frozen=True, slots=True)
class Reference(Answer):
    """The answer an example should get, with what it is judged by beside its words.

    ``asked`` is the whole prompt; ``schema`` a JSON Schema; ``database`` an SQLite file that queries are run on.
    """

    asked: str = ""
    schema: Mapping[str, Json] | None = None
    database: Path | None = None


def exact(answer: Answer, reference: Reference) -> float:
    """1 when the texts are equal after trimming, case folding and joining white space."""
    return float(plain(answer.text) == plain(reference.text))


def label(answer: Answer, reference: Reference) -> float:
    """1 when the label is right, whatever quotes or full stop are around it."""
    return float(label_of(answer.text) == label_of(reference.text))


def label_of(text: str) -> str:
    """Return the label a text gives: its first line without quotes, markup and closing punctuation, case folded."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    first = re.sub(r"^(?:label|category|class|answer)\s*[:=]\s*", "", first.strip(" \t`*\"'"), flags=re.IGNORECASE)
    return plain(first.strip(" \t`*\"'.,;:!"))


def label_set(answer: Answer, reference: Reference) -> float:
    """Return the F1 of the labels, given as a JSON list or joined by commas; no label on both sides is right."""
    got, wanted = labels_of(answer.text), labels_of(reference.text)
    if not got or not wanted:
        return float(got == wanted)
    return 2 * len(got & wanted) / (len(got) + len(wanted))


def labels_of(text: str) -> frozenset[str]:
    """Return the labels a text gives: the items of a JSON list, or what stands between commas, semicolons and lines."""
    held = json_of(text)
    items = list(map(str, held)) if isinstance(held, list) else re.split(r"[,;\n]", text.strip())
    return frozenset(name for item in items if (name := label_of(item)) and name != "none")


def json_valid(answer: Answer, reference: Reference) -> float:
    """1 when the answer is JSON with the same kind of top value as the reference."""
    got, wanted = json_of(answer.text), json_of(reference.text)
    return float(got is not NOT_JSON and (wanted is NOT_JSON or type(got) is type(wanted)))


def json_schema(answer: Answer, reference: Reference) -> float:
    """1 when the answer is JSON that keeps the schema; without a schema, when it is JSON of the reference's kind."""
    got = json_of(answer.text)
    if reference.schema is None:
        return json_valid(answer, reference)
    return float(got is not NOT_JSON and keeps(got, reference.schema))


def json_fields(answer: Answer, reference: Reference) -> float:
    """Return the F1 of the leaf fields, path and value both right; the items of a list may come in any order."""
    got, wanted = json_of(answer.text), json_of(reference.text)
    if got is NOT_JSON or wanted is NOT_JSON:
        return exact(answer, reference) if wanted is NOT_JSON else 0.0
    return overlap(got, wanted)


def tools(answer: Answer, reference: Reference) -> float:
    """1 when the same tools are called with the same arguments, in any order; without calls, when the texts agree."""
    if not reference.tool_calls:
        return 0.0 if answer.tool_calls else exact(answer, reference)
    return float(Counter(map(_call, answer.tool_calls)) == Counter(map(_call, reference.tool_calls)))


def tool_name(answer: Answer, reference: Reference) -> float:
    """1 when the same tools are called, whatever their arguments."""
    names = [Counter(call["function"]["name"] for call in side.tool_calls) for side in (answer, reference)]
    return float(names[0] == names[1])


def token_f1(answer: Answer, reference: Reference) -> float:
    """Return the F1 of words as in SQuAD: lower case, without punctuation and articles; Chinese and such by letter."""
    got, wanted = _squad(answer.text), _squad(reference.text)
    if not got or not wanted:
        return float(got == wanted)
    return _overlap_f1(Counter(got), Counter(wanted))


def rouge_l(answer: Answer, reference: Reference) -> float:
    """Return ROUGE-L's F-measure over lower-case words, as rouge-score computes it without stemming.

    rouge-score knows a to z alone and gives other scripts 0; here their words count, Chinese and such by letter.
    """
    got, wanted = (_WORD.findall(side.text.lower()) for side in (answer, reference))
    common = _longest_common(got, wanted)
    if common == 0:
        return 0.0
    precision, recall = common / len(got), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def number(answer: Answer, reference: Reference) -> float:
    """1 when the last number of the answer (or the one behind ####) equals the reference's."""
    got, wanted = _number(answer.text), _number(reference.text)
    if wanted is None:
        return exact(answer, reference)
    return float(got is not None and math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-6))


def sql_text(answer: Answer, reference: Reference) -> float:
    """1 when the queries are the same text but for white space, capitals outside quotes and a closing semicolon."""
    return float(sql.same_text(answer.text, reference.text))


def sql_result(answer: Answer, reference: Reference) -> float:
    """1 when the queries return the same rows (execution accuracy); as ``sql_text`` where that cannot be told."""
    same = sql_outcome(answer, reference)
    return sql_text(answer, reference) if same is None else float(same)


def sql_outcome(answer: Answer, reference: Reference) -> bool | None:
    """Tell whether two queries return the same rows; None where the reference cannot be run or returns nothing."""
    schema = "" if reference.database else sql.schema_of(reference.asked)
    if not schema and reference.database is None:
        return None
    return sql.same_result(answer.text, reference.text, schema=schema, database=reference.database)


Metric = Callable[[Answer, Reference], float]

METRICS: Mapping[str, Metric] = {
    "exact": exact,
    "label": label,
    "label_set": label_set,
    "json_valid": json_valid,
    "json_schema": json_schema,
    "json_fields": json_fields,
    "sql_result": sql_result,
    "sql_text": sql_text,
    "tools": tools,
    "tool_name": tool_name,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "number": number,
}

_BY_TASK: Mapping[TaskType, str] = {
    TaskType.CLASSIFICATION: "label",
    TaskType.MULTI_LABEL: "label_set",
    TaskType.QUESTION_ANSWERING: "token_f1",
    TaskType.EXTRACTION: "json_fields",
    TaskType.STRUCTURED: "json_fields",
    TaskType.SUMMARISATION: "rouge_l",
    TaskType.REASONING: "number",
    TaskType.TOOL_USE: "tools",
    TaskType.KNOWLEDGE: "token_f1",
}


def metric_for(task: TaskType | None, references: Sequence[Reference]) -> str:
    """Return the name of the metric that fits: by the task, corrected by what the references really are."""
    if references and sum(sql.is_query(reference.text) for reference in references) * 10 >= len(references) * 9:
        run = sum(bool(one.database or sql.schema_of(one.asked)) for one in references)
        return "sql_result" if run * 10 >= len(references) * 9 else "sql_text"
    if references and sum(bool(reference.tool_calls) for reference in references) * 2 >= len(references):
        return "tools"
    if references and (task is TaskType.MULTI_LABEL or all(map(_is_label_list, references))):
        return "label_set"
    as_json = sum(isinstance(json_of(reference.text), dict | list) for reference in references)
    if references and as_json * 10 >= len(references) * 9:
        return "json_fields"
    chosen = _BY_TASK.get(task, "rouge_l") if task is not None else "rouge_l"
    if chosen == "json_fields" or (chosen == "number" and any(_number(item.text) is None for item in references)):
        return "token_f1"
    if task is None and len({label_of(item.text) for item in references}) * 3 <= len(references):
        return "label"
    if task is None and references and all(_gives_number(item.text) for item in references):
        return "number"
    return chosen


def _is_label_list(reference: Reference) -> bool:
    held = json_of(reference.text)
    return isinstance(held, list) and all(isinstance(one, str) and len(one) <= _LONGEST_LABEL for one in held)


def numbers_in(text: str) -> list[float]:
    """Return the numbers of a text; a comma groups digits, and a typographic minus is one."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+", text.replace("\u2212", "-"))
    return [float(one.replace(",", "")) for one in found]


def json_of(text: str) -> Json | Literal[NotJson.NOT_JSON]:
    """Return the JSON value of a text, also inside one code fence; NOT_JSON when it is none."""
    fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", text, re.DOTALL)
    try:
        found: Json = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return NOT_JSON
    return found


def macro_f1(got: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the unweighted mean F1 over the labels seen on either side, as scikit-learn computes it."""
    labels = set(got) | set(wanted)
    hits = Counter(one for one, other in zip(got, wanted, strict=True) if one == other)
    given, true = Counter(got), Counter(wanted)
    return sum(2 * hits[name] / (given[name] + true[name]) for name in labels) / len(labels) if labels else 0.0


def confusions(got: Sequence[str], wanted: Sequence[str], most: int = 10) -> tuple[tuple[str, str, int], ...]:
    """Return the commonest mistakes as (right label, label given, count)."""
    wrong = Counter((right, given) for given, right in zip(got, wanted, strict=True) if given != right)
    return tuple((right, given, count) for (right, given), count in wrong.most_common(most))


def _call(call: ToolCall) -> tuple[str, str]:
    function = call["function"]
    try:
        return function["name"], json.dumps(json.loads(function["arguments"] or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        return function["name"], function["arguments"]


def _overlap_f1(got: Counter[Part], wanted: Counter[Part]) -> float:
    common = (got & wanted).total()
    total = got.total() + wanted.total()
    return 2 * common / total if total else 1.0


def _squad(text: str) -> list[str]:
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(rf"([{_UNSPACED}])", r" \1 ", re.sub(r"\b(a|an|the)\b", " ", text)).split()


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        corner = 0
        for place, other in enumerate(second, 1):
            above = row[place]
            row[place] = corner + 1 if word == other else max(above, row[place - 1])
            corner = above
    return row[-1]


def _gives_number(text: str) -> bool:
    """Tell whether a text is a number, or ends at one marked by ####, as worked answers do."""
    return re.search(r"(?:^|####)\s*[-$€]?\s*\d[\d,]*(?:\.\d+)?\s*$", text) is not None


def _number(text: str) -> float | None:
    marked = text.rsplit("####", 1)
    found = numbers_in(marked[-1])
    if not found:
        return None
    return found[0] if len(marked) == 2 else found[-1]
