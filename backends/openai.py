"""OpenAI, and with OPENAI_BASE_URL any host that speaks its fine-tuning API."""

from __future__ import annotations

from typing import ClassVar

from backends._base import JobSpec
from backends._errors import FileRejected, ProviderUnavailable, SpecRefused
from backends._openai.protocol import TAG, OpenAIProtocol
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

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        return super().preflight(spec) + self._probe(spec)

    def _probe(self, spec: JobSpec) -> tuple[str, ...]:
        """Learn whether this organisation may create jobs, without uploading.

        Nothing but the create request says so. It is sent with a file that cannot exist: an open organisation is told
        that the file is wrong, a closed one that training is not available. Neither creates a job or costs anything.
        """
        jobs = self.client().with_options(max_retries=0).fine_tuning.jobs
        try:
            job = self.ask(
                lambda: jobs.create(
                    model=spec.model, training_file="file-tunewise-preflight", metadata={f"{TAG}_probe": spec.run}
                ),
            )
        except (FileRejected, SpecRefused):
            return ()
        except ProviderUnavailable as error:
            return (f"Whether this organisation may still create jobs could not be learned: {error}",)
        self.ask(lambda: jobs.cancel(job.id))
        return ("OpenAI accepted a job with a file that does not exist; it was cancelled at once.",)


BACKEND = OpenAIBackend
