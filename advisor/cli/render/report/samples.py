"""Sampled answers in a report: the question, the expected answer, and what base, few-shot and tuned said."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.cli.render.report.markup import Html, section, tag
from advisor.cli.render.safe_text import for_terminal
from advisor.runs.evaluation.samples import Sample

_LONGEST = 400  # characters of a text that are shown


def samples_section(samples: Sequence[Sample]) -> Html:
    """Return the samples side by side; nothing where there are none."""
    if not samples:
        return Html("")
    differ = sum(len(set(one.answers.values())) > 1 for one in samples)
    which = (
        "on all of which the answers differ" if differ == len(samples) else "those first on which the answers differ"
    )
    note = f"{len(samples)} of the held-out examples, {which}. Long texts are cut, and e-mail addresses, telephone "
    note += "numbers, keys and the like are replaced. These texts are your data: --samples 0 leaves them out."
    shown = [_sample(number, one) for number, one in enumerate(samples, 1)]
    return section("samples", "What the models answered", tag("p", note, class_="note"), *shown)


def _sample(number: int, one: Sample) -> Html:
    answers = [("expected", one.expected), *one.answers.items()]
    boxes = [tag("div", tag("dt", name), tag("dd", _text(said))) for name, said in answers]
    asked = tag("p", _text(one.asked), class_="asked")
    return tag("div", tag("h3", f"Example {number}"), asked, tag("dl", *boxes, class_="answers"), class_="sample")


def _text(said: str) -> Html:
    """Return a text cut to a readable length; marks that turn the direction of writing are written out."""
    if not said:
        return tag("em", "nothing")
    shown = for_terminal(said[:_LONGEST])
    return tag("span", shown + ("…" if len(said) > _LONGEST else ""))
