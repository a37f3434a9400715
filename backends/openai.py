"""OpenAI, and with OPENAI_BASE_URL any host that speaks its fine-tuning API."""

from __future__ import annotations

from typing import ClassVar

from backends._openai.protocol import OpenAIProtocol
from backends._refusals import Provider

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
    provider: ClassVar[Provider] = Provider("openai", "OpenAI", "OPENAI_API_KEY", closed=_CLOSED)


BACKEND = OpenAIBackend
