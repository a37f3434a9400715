"""Texts that stand where something else should: unfilled fields of templates, a spreadsheet's errors, empty cells."""

from __future__ import annotations

import re

_DOUBLE = re.compile(r"\{\{\s*[A-Za-z_][\w .-]{0,40}\}\}")
_FIELDS = re.compile(
    r"\{\{\s*[A-Za-z_][\w .-]{0,40}\}\}"  # {{name}}
    r"|(?<![\w$\\{}])\{[a-z][a-z_]{2,30}\}(?![\w}])"  # {author}
    r"|<(?!(?:PAD|UNK|EOS|BOS|SEP|CLS|MASK|URL|BR|HR|TABLE|HTML|BODY|HEAD|DIV|CODE|PRE|SQL)>)"
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
    if ("{" in answer or "<" in answer or "[" in answer) and not _CODE.search(answer):
        for pattern in (_FIELDS, _BRACKETS):
            for match in pattern.finditer(answer):
                if match.group() not in prompt:
                    return match.group()
    if "{{" in prompt and not _CODE.search(prompt):
        return next((match.group() for match in _DOUBLE.finditer(prompt) if match.group() not in answer), "")
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
