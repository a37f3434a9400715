"""An OpenAI-compatible endpoint that is being checked: asked greedily, without any provider's key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from advisor.errors import RunError
from backends import Completion, Json, Message, install_extra

if TYPE_CHECKING:
    from openai import OpenAI

_HELLO_S = 10.0  # for the list of its models
_PATIENCE_S = 600.0  # a server on a CPU may take minutes for a long answer


class Endpoint:
    """A server at ``url`` (ending in /v1), asked for the first of ``names`` it knows, else for the only model it lists.

    The key is $TUNEWISE_ENDPOINT_KEY, for servers that want one; what the environment holds
    for OpenAI (key, organisation, project, headers) is never sent.
    """

    def __init__(self, url: str, names: Sequence[str]) -> None:
        try:
            import openai
        except ImportError as error:
            raise RunError(f"Asking an endpoint needs the package 'openai': {install_extra('serve')}") from error
        self.url = url if url.rstrip("/").endswith("/v1") else f"{url.rstrip('/')}/v1"
        self._errors = (openai.OpenAIError,)
        self._refused = (openai.BadRequestError, openai.NotFoundError)
        self._client: OpenAI = openai.OpenAI(
            base_url=self.url,
            api_key=os.environ.get("TUNEWISE_ENDPOINT_KEY") or "none",
            timeout=_PATIENCE_S,
            max_retries=1,
        )
        self._client.organization = self._client.project = None
        self._client._custom_headers = {}  # those of OPENAI_CUSTOM_HEADERS; the SDK has no public way to leave them out
        self._names = list(names)
        self._names = self._in_order(names)

    def chat(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Json]], max_tokens: int) -> Completion:
        """Ask with the server's own chat template. Raises RunError when there is no answer."""
        more: dict[str, Any] = {"tools": [dict(tool) for tool in tools]} if tools else {}
        while True:
            try:
                said: Any = self._client.chat.completions.create(
                    model=self.model, messages=list(messages), max_tokens=max_tokens, temperature=0, **more
                )
                self._names = [self.model]
                break
            except self._refused as error:
                if len(self._names) == 1:
                    raise self._silent(error) from error
                del self._names[0]  # it goes by another name there
            except self._errors as error:
                raise self._silent(error) from error
        choice = said.choices[0]
        calls = choice.message.tool_calls or []
        return Completion(
            text=(choice.message.content or "").strip(),
            tool_calls=tuple(
                {"type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
                for call in calls
            ),
            prompt_tokens=said.usage.prompt_tokens if said.usage else None,
            completion_tokens=said.usage.completion_tokens if said.usage else None,
            finish_reason=choice.finish_reason,
        )

    def continued(self, prompt: str, max_tokens: int) -> str | None:
        """Return what follows ``prompt`` as it stands, without any chat template; None where that cannot be asked."""
        try:
            said: Any = self._client.completions.create(
                model=self.model, prompt=prompt, max_tokens=max_tokens, temperature=0
            )
        except self._errors:
            return None
        return str(said.choices[0].text).strip()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def model(self) -> str:
        """What the server is asked for."""
        return self._names[0]

    def _in_order(self, names: Sequence[str]) -> list[str]:
        """Put the names that the server lists first; where it lists none of them but one other, that one.

        Raises RunError where nobody is there.
        """
        import openai

        try:
            listed = [one.id for one in self._client.with_options(timeout=_HELLO_S, max_retries=0).models.list().data]
        except openai.APITimeoutError:
            listed = []  # it is there, and busy
        except openai.APIConnectionError as error:
            raise self._silent(error) from error
        except self._errors:
            listed = []
        known = [name for name in names if name in listed]
        only = listed if len(listed) == 1 and len(names) > 1 and not known else []
        return list(dict.fromkeys([*known, *only, *names]))

    def _silent(self, error: Exception) -> RunError:
        return RunError(
            f"{self.url} did not answer for model '{self.model}' ({_words(error)}); is the server up, and does it know "
            "that model? Another name is given with --model."
        )


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
