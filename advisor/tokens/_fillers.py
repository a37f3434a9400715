"""Texts that stand where something else should: unfilled fields of templates, a spreadsheet's errors, empty cells."""

from __future__ import annotations

import re

_DOUBLE = re.compile(r"\{\{\s*[A-Za-z_][\w .-]{0,40}\}\}")
_BRACES = re.compile(
    r"\{\{\s*[A-Za-z_][\w .-]{0,40}\}\}"  # {{name}}
    r"|(?<![\w$\\{}])\{[a-z][a-z_]{2,30}\}(?![\w}])"  # {author}
)
_CAPITALS = re.compile(
    r"<(?!(?:PAD|UNK|EOS|BOS|SEP|CLS|MASK|URL|BR|HR|TABLE|HTML|BODY|HEAD|DIV|CODE|PRE|SQL)>)"
    r"[A-Z]{2,}(?:[ _-][A-Z]+){0,4}>"  # <NAME>
)
_BRACKETS = re.compile(
    r"\[(?:your|insert|enter|company|customer|client|recipient|first|last|full)\b[^\]\[\n]{0,40}\](?!\()", re.IGNORECASE
)
_CODE = re.compile(
    r"```|^\s*(?:def|class|import|function|const|#include|public)\b|\\(?:frac|begin)|=>|;\s*$", re.MULTILINE
)
_SHEET = re.compile(r"#(?:VALUE!|REF!|DIV/0!|N/A|NAME\?|NULL!|NUM!|SPILL!|CALC!|ERROR!)")
_EMPTY = re.compile(
    r"(?:[\w ]{0,20}[:\s])?(?:n/?a|nan|null|none|undefined|nil|tbd|todo|placeholder|test|lorem ipsum.*|-+|\.+|\?+)",
    re.IGNORECASE,
)
SHORT = 60  # characters of a text that says it is empty


def unfilled(answer: str, prompt: str) -> str:
    """Return a field of a template that an answer has and its prompt does not, or {{one}} that a prompt alone has.

    Nothing where there is none. In code, braces are no template.
    """
    if field := _field(answer, prompt):
        return field
    if "{{" in prompt:
        found = next((match.group() for match in _DOUBLE.finditer(prompt) if match.group() not in answer), "")
        return "" if found and _CODE.search(prompt) else found
    return ""


def _field(answer: str, prompt: str) -> str:
    """Return the first field of the answer that its prompt does not have; nothing where the answer holds code."""
    for sign, pattern in (("{", _BRACES), ("<", _CAPITALS), ("[", _BRACKETS)):
        if sign in answer:
            for match in pattern.finditer(answer):
                if match.group() not in prompt:
                    return "" if _CODE.search(answer) else match.group()
    return ""


def why_filler(text: str) -> str:
    """Say why a text is no question of anybody's; nothing where it may be one."""
    text = text.strip()
    if _SHEET.fullmatch(text):
        return "an error value of a spreadsheet"
    if not text:
        return "an empty cell"
    if len(text) <= SHORT and _EMPTY.fullmatch(text):
        return "what is written where there is nothing"
    return ""
