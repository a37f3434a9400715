"""Does a server answer as the trainer does: the same prompts, greedily, text, chat template and end of turn compared.

A tuned model that is good in the trainer and gibberish when served nearly always has another chat template there, or
another end of turn. So the trainer's own prompt is also sent as plain text: when that brings the right answer, the
server's template is at fault, and otherwise its weights or precision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from advisor.errors import RunError
from advisor.runs.evaluation.answers import losses
from advisor.runs.evaluation.question import Conversation, Question
from advisor.runs.run import Run
from advisor.runs.serving.endpoint import Endpoint
from advisor.runs.serving.export import tuned_folder
from backends import Backend, Completion
from backends.local.inference.export import Prompt, Turns, turns

_ROUNDING = 0.1  # nats a token that another answer may be less likely: rounding, where two words are nearly as likely
_PROBES = 3  # answers that differ and are asked again as plain text


@dataclass(frozen=True, slots=True)
class Compared:
    """One prompt, answered by the trainer and by the server; ``plain`` is the server's answer without its template.

    ``same``: the texts are equal. ``alike``: they are, or the trainer finds the other one as likely: rounding.
    """

    id: str
    asked: str
    trainer: str
    served: str
    same: bool
    trainer_prompt_tokens: int
    served_prompt_tokens: int | None
    trainer_end: str | None
    served_end: str | None
    diverges_at: int | None = None  # the first character that differs
    less_likely: float | None = None  # nats a token: what the trainer finds of another answer, beside its own
    plain: str | None = None

    @property
    def alike(self) -> bool:
        return self.same or (self.less_likely is not None and self.less_likely <= _ROUNDING)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. ``template``, ``end_of_turn``: same | different | unknown; ``cause`` names what is at fault."""

    run: str
    url: str
    model: str
    passed: bool
    prompts: int
    same: int
    template: str
    end_of_turn: str
    cause: str | None
    advice: str | None
    rows: tuple[Compared, ...]

    @property
    def first(self) -> Compared | None:
        """Return the first prompt on which the two differ."""
        return next((row for row in self.rows if not row.same), None)


def verify(
    run: Run,
    endpoint: Endpoint,
    trainer: Backend,
    asked: Sequence[Question],
    *,
    max_tokens: int,
    at_least: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Compare the server's answers with those of the run's tuned model in the trainer.

    It passes when chat template and end of turn agree and at least the share ``at_least`` of the texts is equal, or as
    likely to the trainer as its own.
    """
    if not asked:
        raise RunError("There are no held-out prompts to compare on; give some with --test-data.")
    tuned = tuned_folder(run)
    seen = turns(tuned, [(question.messages, question.tools) for question in asked])
    rows: list[Compared] = []
    probes = _PROBES
    for question, prompt in zip(asked, seen.prompts, strict=True):
        ours = trainer.complete(str(tuned), question.messages, tools=question.tools, max_tokens=max_tokens)
        theirs = endpoint.chat(question.messages, question.tools, max_tokens)
        plain = None
        if _said(ours) != _said(theirs) and probes:
            probes -= 1
            plain = endpoint.continued(_without_begin(prompt.text, seen), max_tokens)
        rows.append(_compared(question, prompt, ours, theirs, plain))
        progress(len(rows), len(asked))
    rows = _weighed(rows, asked, trainer, str(tuned))
    return judged(run.id, endpoint.url, endpoint.model, rows, seen, at_least)


def _weighed(rows: list[Compared], asked: Sequence[Question], trainer: Backend, tuned: str) -> list[Compared]:
    """Note of each answer that differs how much less likely than its own the trainer finds it."""
    other = [place for place, row in enumerate(rows) if not row.same and row.served and row.trainer]
    texts = [(rows[place].served, rows[place].trainer) for place in other]
    conversations = [
        Conversation((*asked[place].messages, {"role": "assistant", "content": text}), asked[place].tools)
        for place, pair in zip(other, texts, strict=True)
        for text in pair
    ]
    found = losses(trainer, tuned, conversations) if conversations else None
    if found is None:
        return rows
    means = [nats / max(1, tokens) for nats, tokens in zip(found.sums, found.tokens, strict=True)]
    gaps = {place: means[2 * at] - means[2 * at + 1] for at, place in enumerate(other)}
    return [replace(row, less_likely=gaps.get(place)) for place, row in enumerate(rows)]


def judged(
    run: str, url: str, model: str, rows: Sequence[Compared], seen: Turns, at_least: float = 1.0
) -> Verification:
    """Draw the verdict from the answers."""
    same = sum(row.same for row in rows)
    template, end = _template(rows), _end(rows)
    alike = sum(row.alike for row in rows) >= at_least * len(rows)
    cause = advice = None
    if template == "different":
        cause = f"chat template: {_template_words(rows, seen)}"
        advice = "Give the server the chat_template.jinja of the run's tuned folder."
    elif end == "different":
        cause = f"end of turn: the server does not stop at {seen.end!r}"
        advice = f"Make {seen.end!r} an end token or a stop word of the server."
    elif not alike:
        cause = "answers: the chat template is not at fault; weights, precision or decoding differ"
        if template == "unknown":
            cause = "answers: the server does not let the chat template be told from weights and decoding"
        advice = "Serve the merged model in the trainer's precision, or allow for rounding with --at-least."
    return Verification(
        run=run,
        url=url,
        model=model,
        passed=cause is None,
        prompts=len(rows),
        same=same,
        template=template,
        end_of_turn=end,
        cause=cause,
        advice=advice,
        rows=tuple(rows),
    )


def _compared(question: Question, prompt: Prompt, ours: Completion, theirs: Completion, plain: str | None) -> Compared:
    one, two = _said(ours), _said(theirs)
    return Compared(
        id=question.id,
        asked=str(question.messages[-1].get("content") or ""),
        trainer=one,
        served=two,
        same=one == two,
        trainer_prompt_tokens=prompt.tokens,
        served_prompt_tokens=theirs.prompt_tokens,
        trainer_end=ours.finish_reason,
        served_end=theirs.finish_reason,
        diverges_at=None if one == two else _shared(one, two),
        plain=plain,
    )


def _shared(one: str, two: str) -> int:
    """Return how many characters two texts begin with in common."""
    return next((place for place, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _template(rows: Sequence[Compared]) -> str:
    """Judge the template: prompts of another length, or right answers only without the server's own template."""
    counted = [row for row in rows if row.served_prompt_tokens is not None]
    if _most([row.served_prompt_tokens != row.trainer_prompt_tokens for row in counted]):
        return "different"
    probed = [row for row in rows if row.plain is not None]
    if _most([row.plain == row.trainer for row in probed]):
        return "different"
    return "same" if counted or probed else "unknown"


def _end(rows: Sequence[Compared]) -> str:
    """Judge the end of turn on the answers that the trainer ended by itself."""
    ended = [row for row in rows if row.trainer_end in ("stop", "tool_calls")]
    if _most([row.served != row.trainer and row.served.startswith(row.trainer) and row.trainer != "" for row in ended]):
        return "different"
    told = [row for row in ended if row.same and row.served_end is not None]
    if _most([row.served_end == "length" for row in told]):
        return "different"
    return "same" if told else "unknown"


def _most(signs: Sequence[bool]) -> bool:
    """Tell whether a sign is seen in half of the rows or more: one alone may have a cause of its own."""
    return bool(signs) and 2 * sum(signs) >= len(signs)


def _template_words(rows: Sequence[Compared], seen: Turns) -> str:
    more = {
        row.served_prompt_tokens - row.trainer_prompt_tokens for row in rows if row.served_prompt_tokens is not None
    }
    if more == {1} and seen.begin:
        return f"the server puts {seen.begin!r} twice before the prompt"
    longer = next((row for row in rows if row.served_prompt_tokens not in (None, row.trainer_prompt_tokens)), None)
    if longer is not None:
        return (
            f"the server makes {longer.served_prompt_tokens} tokens of a prompt that had "
            f"{longer.trainer_prompt_tokens} in training"
        )
    return "the server answers correctly only when the prompt is sent as plain text"


def _without_begin(prompt: str, seen: Turns) -> str:
    """Leave out the token that the server's tokenizer puts at the start by itself."""
    return prompt.removeprefix(seen.begin) if seen.begin else prompt


def _said(answer: Completion) -> str:
    """Return an answer as one text, its tool calls included."""
    calls = [call["function"] for call in answer.tool_calls]
    written = [f"{call['name']}({_plain_arguments(call['arguments'])})" for call in calls]
    return "\n".join([answer.text, *written]) if written else answer.text


def _plain_arguments(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except ValueError:
        return text
