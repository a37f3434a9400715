"""The person before a launch: is shown what would start, is asked, and may say no."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal

from advisor.cli import render
from advisor.errors import RunError
from advisor.runs.launch.limits import Limits, hold
from advisor.runs.launch.proposal import Proposal
from advisor.runs.ledger import TwinRunning


def check_somebody_is_here(limits: Limits) -> None:
    """Raise RunError when nobody can be asked and nothing was agreed to beforehand."""
    if not limits.unattended and not sys.stdin.isatty():
        raise RunError(
            "Nobody is here to agree to this; without a terminal, give --yes, with --max-cost for what costs money."
        )


def agrees_to_twin(twin: TwinRunning) -> bool:
    """Ask whether to pay for the same work once more; nobody there, or Enter, is no."""
    if not sys.stdin.isatty():
        return False
    render.note(str(twin))
    return render.confirm("Start another?", err=True)


def goes_by_our_quote(said: str, most_usd: Decimal | None) -> bool:
    """Say that a provider states no price; under a cap, ask whether our quote will do. Nobody there is no."""
    render.note(f"note: {said}")
    if most_usd is None:
        return True
    if not sys.stdin.isatty():
        return False
    return render.confirm(f"So --max-cost {render.usd(most_usd)} was checked against our quote only. Start?", err=True)


def consent(proposals: Sequence[Proposal], limits: Limits, as_json: bool) -> None:
    """Let every proposal pass the limits and a person, or raise: OverLimit, RunError or the backend's refusal."""
    from advisor.cli.render.launch import proposal as show

    hold(proposals, limits)
    for one in [proposal.checked() for proposal in proposals]:
        show(one, talk=as_json or limits.unattended)
    question = "Start?" if len(proposals) == 1 else "Start all?"
    if any(one.secret for one in proposals):
        question = f"The data seems to hold a key or password, which would be sent along. {question}"
    if not limits.unattended and not render.confirm(question, err=as_json):
        raise RunError("Nothing was started.")
