"""A model's chat template, compiled once: what it writes, what it asks of messages, and what ends its answers.

Two things are changed in the template itself, so that every server that is given it renders as the trainer did: the
token a tokenizer puts at the start of a text comes first, and a date that the template writes is always the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from backends.local.chat.messages import PLAIN_FORM, Form, MaskRefused, Turn, turns_of

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FIXED_DATE = date(2024, 7, 26)  # that which Llama's own template falls back to

# For a base model without a chat template: plain text, and the tokenizer's own end token after each answer.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ '### ' + message['role'] + ':\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{{ '\\n' }}{% else %}{{ message['content'] + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\\n' }}{% endif %}"
)

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"  # around what {% generation %} holds; no text may contain them
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_NOW = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
_DATED = f"{{# its date is fixed: {FIXED_DATE} #}}"
_USER, _ANSWER, _MORE, _THOUGHT = "qk7 question", "qk7 answer", "qk7 more", "qk7 thought"
_TOOL = {"type": "function", "function": {"name": "qk7", "description": "qk7", "parameters": {"type": "object"}}}


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """One or two templates (the second for conversations with tools), and the tokens they name.

    ``adds_bos``: the tokenizer by itself puts its first token at the start of a text; ``own``: it is the model's, not
    the plain one for a base without any; ``form`` is how messages are brought before them; ``end`` is the text that
    ends an answer and ``end_of_call`` a call of tools, which the template itself writes only where ``writes_end``;
    else they are the ``specials`` that open the next turn, or the end of a text.
    """

    default: str
    with_tools: str
    tokens: tuple[tuple[str, str], ...]
    adds_bos: bool = False
    own: bool = True
    form: Form = PLAIN_FORM
    specials: frozenset[str] = frozenset()
    end: str = ""
    end_of_call: str = ""
    writes_end: bool = True

    @property
    def dated(self) -> bool:
        """Tell whether the template writes a date, which is then FIXED_DATE."""
        return _DATED in self.default + self.with_tools

    @property
    def bos(self) -> str:
        """Return the token that the tokenizer puts first by itself, if it does."""
        return dict(self.tokens).get("bos_token", "") if self.adds_bos else ""

    def opening_of(self, text: str) -> str:
        """Return the special token that ``text`` begins with, which then ends the answer before it, or else the end."""
        opening = (one for one in self.specials if one and text.lstrip().startswith(one))
        return max(opening, key=len, default=dict(self.tokens).get("eos_token", ""))

    @property
    def marks_answers(self) -> bool:
        """Tell whether the template says with {% generation %} what an answer is."""
        return bool(_GENERATION.search(self.default + self.with_tools))

    def turns(self, messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
        """Return messages of OpenAI's format as this template reads them."""
        return turns_of(messages, self.form)

    def prompt(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return what the model reads before it answers."""
        return self.render(self.turns(messages), tools, prompt=True)

    def render(self, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]] = (), *, prompt: bool = False) -> str:
        """Write the conversation as the model sees it; ``prompt`` adds the opening of the next answer."""
        return self.marked(turns, tools, prompt=prompt)[0]

    def marked(
        self, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]] = (), *, prompt: bool = False
    ) -> tuple[str, list[tuple[int, int]]]:
        """Return the conversation and the places (from, to) that the template itself marks as answers."""
        compiled = _compiled(self.with_tools if tools else self.default)
        try:
            written = compiled.render(
                messages=list(turns),
                tools=[dict(tool) for tool in tools] or None,
                documents=None,
                add_generation_prompt=prompt,
                **dict(self.tokens),
            )
        except Exception as error:  # a template is foreign code and may raise anything
            raise MaskRefused(f"the model's chat template does not accept it ({error})") from error
        text, spans = "", []
        for piece in written.split(_OPEN):
            answer, closed, behind = piece.partition(_CLOSE)
            if closed:
                spans.append((len(text), len(text) + len(answer)))
            text += answer + behind
        return text, spans


@lru_cache(maxsize=32)
def chat_template(
    sources: str | tuple[tuple[str, str], ...] | None,
    tokens: tuple[tuple[str, str], ...],
    *,
    adds_bos: bool,
    specials: frozenset[str] = frozenset(),
) -> ChatTemplate:
    """Read a template and try out what it asks of messages.

    ``sources`` is its text, or several by name ("default", "tool_use"), or None for a base model, which gets a plain
    one; ``tokens`` are the tokenizer's named tokens ("bos_token", ...), ``specials`` all special ones. Raises
    MaskRefused where nothing can end an answer.
    """
    named = {"default": sources or PLAIN_TEMPLATE} if sources is None or isinstance(sources, str) else dict(sources)
    default = named.get("default") or next(iter(named.values()))
    found = ChatTemplate(
        _fixed(default), _fixed(named.get("tool_use", default)), tokens, adds_bos, default != PLAIN_TEMPLATE
    )
    if adds_bos and not _opens_with(found, found.bos):
        first = "{{ bos_token }}"
        found = replace(found, default=first + found.default, with_tools=first + found.with_tools)
    return _ended(replace(found, form=_form_of(found), specials=specials))


def _fixed(source: str) -> str:
    """Write the fixed date in the place of every call for today's."""
    if _DATED in source or not _NOW.search(source):
        return source
    return _DATED + _NOW.sub(lambda call: json.dumps(FIXED_DATE.strftime(call[2])), source)


def _opens_with(template: ChatTemplate, text: str) -> bool:
    try:
        return template.render([{"role": "user", "content": _USER}], prompt=True).startswith(text)
    except MaskRefused:
        return text in template.default


def _form_of(template: ChatTemplate) -> Form:
    """Try calls as objects and as text, with long ids and with short ones; and thinking in a field of its own."""
    thought = {"role": "assistant", "content": _ANSWER, "reasoning_content": _THOUGHT, "thinking": _THOUGHT}
    thinks = _THOUGHT in _tried(template, [{"role": "user", "content": _USER}, thought], Form())
    arguments = {"qkey": "qvalue", "qflag": True}
    call = {"id": "call_qk7", "type": "function", "function": {"name": "qk7", "arguments": arguments}}
    asked: list[Turn] = [
        {"role": "user", "content": _USER},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_qk7", "content": _MORE},
        {"role": "assistant", "content": _ANSWER},
    ]
    for short in (False, True):
        plain, as_text = (Form(text, short, thinks) for text in (False, True))
        written = _tried(template, asked, plain)
        if "qvalue" in written and "'qkey'" not in written:  # not as Python writes a dictionary
            return plain
        if json.dumps(arguments) in _tried(template, asked, as_text):
            return as_text
        if written:
            return plain
    return Form(thinks=thinks)


def _tried(template: ChatTemplate, messages: Sequence[Mapping[str, Any]], form: Form) -> str:
    try:
        return template.render(turns_of(messages, form), [_TOOL] if len(messages) > 2 else [])
    except MaskRefused:
        return ""


def _ended(template: ChatTemplate) -> ChatTemplate:
    """Find what ends an answer, and whether the template writes it behind the last one too."""
    asked: list[Turn] = [{"role": "user", "content": _USER}, {"role": "assistant", "content": _ANSWER}]
    behind = template.render(asked).rpartition(_ANSWER)[2].strip()
    if behind:
        return replace(template, end=behind, end_of_call=behind)
    ends = [_followed(template, asked, role) for role in ("user", "tool")]
    if not all(ends):
        raise MaskRefused(
            "the chat template writes nothing after an answer and the tokenizer has no end token, so no model would "
            "learn to stop; put a token there in chat_template.jinja, or use another model"
        )
    return replace(template, end=ends[0], end_of_call=ends[1], writes_end=False)


def _followed(template: ChatTemplate, asked: Sequence[Turn], role: str) -> str:
    """Return the token behind an answer that a turn of ``role`` follows; the user's where there is no such role."""
    try:
        text = template.render([*asked, {"role": role, "content": _MORE}])
    except MaskRefused:
        text = template.render([*asked, {"role": "user", "content": _MORE}])
    return template.opening_of(text.rpartition(_ANSWER)[2])


@lru_cache(maxsize=32)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Return the world a template sees, as transformers makes it; sandboxed, for it is foreign code."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}``: an answer, for trainers."""

        tags = {"generation"}  # noqa: RUF012  jinja2's own way

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_around"), [], [], body).set_lineno(line)

        def _around(self, caller: Callable[[], str]) -> str:
            return f"{_OPEN}{caller()}{_CLOSE}"

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def to_json(value: Any, ensure_ascii: bool = False, **style: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **style)

    world = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    world.filters["tojson"] = to_json
    world.globals["raise_exception"] = refuse
    world.globals["strftime_now"] = FIXED_DATE.strftime
    return world
