"""Azure OpenAI (Foundry): OpenAI's fine-tuning API on a resource of one's own, by its v1 paths.

AZURE_OPENAI_ENDPOINT is the resource's address, such as https://NAME.openai.azure.com. A tuned model answers only once
it is deployed there, under the name of the deployment, and a deployment is billed by the hour while it stands.
"""

from __future__ import annotations

import os
from typing import ClassVar

from backends._base import JobSpec, Json
from backends._errors import SpecRefused
from backends._openai.protocol import OpenAIProtocol
from backends._provider import Provider

# learn.microsoft.com, "Customize a model with fine-tuning": where the training runs and what it costs.
_TRAINING_TYPE = "GlobalStandard"  # said where nobody says another: it is what is quoted, and some resources want one
# As its price list calls them: where it trains in one region it charges by the region.
_TRAINING_TYPES = {"Standard": "regional", "GlobalStandard": "standard", "DeveloperTier": "developer"}


class AzureBackend(OpenAIProtocol):
    """Azure's flavour of the protocol: its address, its header, and the training type."""

    name: ClassVar[str] = "azure"
    provider: ClassVar[Provider] = Provider(
        "azure", "Azure OpenAI", "AZURE_OPENAI_API_KEY", "openai", "AZURE_OPENAI_ENDPOINT"
    )
    filters_by_tag: ClassVar[bool] = False
    option_names: ClassVar[frozenset[str]] = frozenset({"suffix", "training_type"})

    def base_url(self) -> str:
        endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT", "").rstrip("/")
        if not endpoint:
            raise SpecRefused(
                "Set AZURE_OPENAI_ENDPOINT to the address of the resource: https://NAME.openai.azure.com."
            )
        return endpoint if endpoint.endswith("/v1") else f"{endpoint}/openai/v1"

    def headers(self) -> dict[str, str]:
        return {"api-key": self.key()}

    def price_tier(self, spec: JobSpec) -> str:
        return _TRAINING_TYPES.get(str(spec.options.get("training_type", _TRAINING_TYPE)), "standard")

    def extra_body(self, spec: JobSpec) -> dict[str, Json]:
        kind = spec.options.get("training_type", _TRAINING_TYPE)
        if kind not in _TRAINING_TYPES:
            raise SpecRefused(f"The option 'training_type' must be one of {', '.join(_TRAINING_TYPES)}.")
        return {"trainingType": kind}


BACKEND = AzureBackend
