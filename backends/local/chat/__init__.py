"""How a model reads conversations, in one place: whoever counts, trains or answers renders messages by this alone.

Nothing in here imports torch or transformers; jinja2 is imported when the first template is compiled.
"""

from __future__ import annotations

from backends.local.chat.answers import Span, Text, plain_text, texts
from backends.local.chat.messages import MaskRefused, Turn
from backends.local.chat.template import FIXED_DATE, PLAIN_TEMPLATE, ChatTemplate, chat_template
from backends.local.chat.tokenizer_files import template_in

__all__ = [
    "FIXED_DATE",
    "PLAIN_TEMPLATE",
    "ChatTemplate",
    "MaskRefused",
    "Span",
    "Text",
    "Turn",
    "chat_template",
    "plain_text",
    "template_in",
    "texts",
]
