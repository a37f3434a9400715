"""Ollama's Modelfile from a model's own chat template and end tokens; what it cannot express is written into it."""

from __future__ import annotations

import json

from backends.local.chat import FIXED_DATE
from backends.local.inference.export import Shape, Turns

_UNQUOTED = "# Not expressed here: the system prompt; a line of it ends with three quotes, which ends it for Ollama."
_ROLES = ("system", "user", "assistant")


def modelfile(turns: Turns, source: str, system: str | None) -> str:
    """Return a Modelfile for the model folder ``source``, whose default system prompt is ``system``."""
    lines = [f"FROM {source}", ""]
    if turns.dated:
        lines += [f"# The template's date is {FIXED_DATE}, as in training."]
    lines += [f"# Not expressed here: {said}." for said in limits(turns)]
    if turns.shape is not None:
        lines += ["", f'TEMPLATE """{_go(turns.shape, turns.begin)}"""', ""]
        system = system if system is not None else turns.shape.default_system
    if system is not None:
        lines += [f'SYSTEM """{system}"""' if _quotable(system) else _UNQUOTED, ""]
    # The stop words end an answer also where the import has lost the end tokens of the model.
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops(turns)]
    return "\n".join(lines) + "\n"


def _quotable(text: str) -> bool:
    """Tell whether Ollama reads ``text`` between triple quotes to its end.

    Its parser takes everything as it stands, and closes at the first line that ends with three quotes (parser.go).
    """
    written = f'"""{text}"""'
    lines = [at for at, letter in enumerate(written) if letter in "\r\n"]
    return not any(at >= 6 and written[:at].strip().endswith('"""') for at in lines)


def stops(turns: Turns) -> tuple[str, ...]:
    """Return the texts that end an answer, the end of a turn first."""
    return tuple(dict.fromkeys(one for one in (turns.end, *turns.stops) if one))


def limits(turns: Turns) -> tuple[str, ...]:
    """Say what of the chat template a Modelfile leaves out."""
    said = list(turns.beyond)
    if turns.shape is None:
        said.append("the chat template itself; Ollama guesses one, so check it with 'tunewise serve RUN --verify URL'")
    elif _quoted(turns.shape):
        said.append("text of the chat template that holds the braces or quotes of Ollama's own syntax")
    if turns.begin and turns.shape is not None and turns.shape.start != turns.begin:
        said.append(f"that no {turns.begin} comes first; Ollama puts it there as the tokenizer does")
    if "tools" in turns.template:
        said.append("tools: their part of the chat template")
    if "think" in turns.template:
        said.append("thinking: what the chat template does with it")
    return tuple(said)


def _go(shape: Shape, begin: str | None) -> str:
    """Write the shape as a Go template, without the start that Ollama puts there itself, as the tokenizer does."""
    cases = []
    for place, role in enumerate(_ROLES):
        before, behind = shape.around[role]
        cases.append(
            f'{{{{ {"if" if place == 0 else "else if"} eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{behind}'
        )
    start = "" if shape.start == begin else shape.start
    return f"{start}{{{{ range .Messages }}}}{''.join(cases)}{{{{ end }}}}{{{{ end }}}}{shape.opening}"


def _quoted(shape: Shape) -> bool:
    texts = [shape.opening, *(text for pair in shape.around.values() for text in pair)]
    return any(mark in text for text in texts for mark in ("{{", "}}", '"""'))
