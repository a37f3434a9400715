"""Who may still buy an offer on a given day, and why not."""

from __future__ import annotations

from datetime import date

from advisor.pricing.rates import Availability, Standing, TrainingOffer


def availability(offer: TrainingOffer, today: date, standing: Standing | None) -> Availability:
    """Tell whether a new job can be created on ``today``. A job is refused from the announced day on."""
    retires = offer.retires
    if retires and today >= retires:
        instead = f"; the named replacement is {offer.replacement}" if offer.replacement else ""
        reason = f"{offer.model} was shut down on {retires.isoformat()}, and every fine-tune of it{instead}."
        return Availability("closed", retires, reason, offer.retires_source)
    if offer.closed_state == "closed" and (offer.restricted_since is None or today >= offer.restricted_since):
        since = f" (since {offer.restricted_since.isoformat()})" if offer.restricted_since else ""
        return Availability("closed", offer.restricted_since, f"{offer.closed_reason}{since}.", offer.closed_source)
    for ending in offer.lifecycle:
        if today >= ending.new_jobs_until and ending.standing in (None, standing):
            reason = f"{ending.reason} (no new jobs since {ending.new_jobs_until.isoformat()})."
            return Availability("closed", ending.new_jobs_until, reason, ending.cited.source)
    barred = [ending for ending in offer.lifecycle if ending.standing and today >= ending.new_jobs_until]
    if barred and standing is None:
        whom = "; ".join(f"{ending.reason} (since {ending.new_jobs_until.isoformat()})" for ending in barred)
        last = _last_day(offer)
        until = f" Everybody else can create jobs until {last.isoformat()}." if last else ""
        reason = f"{whom}.{until} Say which you are: standing: {{{offer.provider}: active}} in the workload."
        return Availability("restricted", last, reason, barred[0].cited.source)
    if offer.closed_state == "unknown":
        return Availability("unknown", None, f"{offer.closed_reason}.", offer.closed_source)
    last = _last_day(offer, standing)
    if last:
        ending = next(item for item in offer.lifecycle if item.new_jobs_until == last)
        base = (
            f"; the base model {offer.model} shuts down on {retires.isoformat()}, and its fine-tunes with it"
            if retires
            else ""
        )
        return Availability(
            "closing", last, f"{ending.reason}: no new jobs from {last.isoformat()}{base}.", ending.cited.source
        )
    if retires:
        reason = f"The base model {offer.model} shuts down on {retires.isoformat()}, and its fine-tunes with it."
        return Availability("closing", retires, reason, offer.retires_source)
    return Availability("open", None, "New jobs are accepted.", offer.billing.cited.source)


def _last_day(offer: TrainingOffer, standing: Standing | None = None) -> date | None:
    return min((item.new_jobs_until for item in offer.lifecycle if item.standing in (None, standing)), default=None)
