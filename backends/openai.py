"""OpenAI, and with OPENAI_BASE_URL any host that speaks its fine-tuning API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from backends._openai.protocol import OpenAIProtocol
from backends._provider import Provider
from backends._rows import RowFormat

# The dates are those of developers.openai.com/api/docs/deprecations, notices of 2026-05-07 and 2026-10-14.
_CLOSED = (
    "It is winding fine-tuning down: closed since 2026-05-07 to organisations that never tuned, since 2026-07-02 to "
    "those that have not used a tuned model in 60 days, and to everybody from 2027-01-06; the tuned models themselves "
    "end on 2027-01-14. Train elsewhere ('tunewise plan DATA --backend together --backend local') or prompt a newer "
    "model."
)


class OpenAIBackend(OpenAIProtocol):
    """OpenAI's fine-tuning: supervised and DPO. The training method is the provider's own; ``lora`` stands for it."""

    name: ClassVar[str] = "openai"
    levels: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("byte_order_mark", "too_few_examples", "developer_role", "bad_name", "special_token"), "error"
    )
    # Its guides to fine-tuning, vision fine-tuning and direct preference optimisation.
    rows: ClassVar[RowFormat] = replace(OpenAIProtocol.rows, least_examples=10, most_image_rows=50_000)
    provider: ClassVar[Provider] = Provider(
        "openai", "OpenAI", "OPENAI_API_KEY", "openai", "OPENAI_BASE_URL", "https://api.openai.com/v1", closed=_CLOSED
    )


BACKEND = OpenAIBackend
