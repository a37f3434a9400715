"""How ``plan`` looks: the page, and everything about one option; --json prints the recommendation as it is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches

from advisor.cli import render
from advisor.cli.render.estimate import flip
from advisor.errors import AdvisorError
from advisor.estimate import Estimate, Range, Strategy
from advisor.evidence import source
from advisor.recommend import Option, Reason, Recommendation
from advisor.tokens import Profile
from advisor.workload import Workload
from backends import Method

_WIDTH = 80
_NAME = 45
_TUNED = {Method.LORA: "LoRA", Method.QLORA: "QLoRA", Method.FULL: "full fine-tuning"}
_METHODS = {Strategy.LOCAL_LORA: "LoRA", Strategy.LOCAL_QLORA: "QLoRA", Strategy.LOCAL_FULL: "full fine-tuning"}


@dataclass
class _Sources:
    """Numbers the sources of a page in the order they are named."""

    ids: list[str] = field(default_factory=list)

    def mark(self, reason: Reason) -> str:
        if reason.source not in self.ids:
            self.ids.append(reason.source)
        return f"{_sentence(reason.text)} [{self.ids.index(reason.source) + 1}]"


def document(found: Recommendation, profile: Profile) -> dict[str, object]:
    """Return the contract's document, and how the data was counted: exactly, from a sample, or not at all."""
    total = profile.tokens.get("o200k_base")
    sampled = profile.sampled
    low, high, confidence = (sampled.low, sampled.high, 0.95) if sampled else (None, None, None)
    if profile.exact:
        low, high, confidence = total, total, 1
    tokens = {
        "low": low,
        "mid": total,
        "high": high,
        "confidence": confidence,
        "share": sampled.share if sampled else 1,
    }
    made = {item.name: getattr(found, item.name) for item in fields(found)}
    return {**made, "exact": profile.exact, "tokens": tokens}


def page(found: Recommendation, workload: Workload) -> None:
    """Print the answer and its reason, the options, what would flip it, what is not known, what to run next."""
    sources = _Sources()
    render.out(textwrap.shorten(f"Advice: {_answer(found.recommendation)}", _WIDTH, placeholder=" ..."))
    _paragraph(f"Why: {sources.mark(found.reasons[0])}")
    render.out()
    odds = ""
    if found.p_finetune_wins is not None:
        odds = f" Odds that tuning beats the best prompt, from published cases: {found.p_finetune_wins:.0%}."
    _paragraph(f"Confidence: {found.confidence}.{odds}")
    for reason in found.reasons[1:]:
        _bullet(sources.mark(reason))
    for warning in found.warnings:
        _bullet(f"Mind: {sources.mark(warning)}")
    for number, id in enumerate(sources.ids, 1):
        render.out(textwrap.shorten(f"  [{number}] {source(id).citation}", _WIDTH, placeholder=" ..."))
    near = [ref.claim for ref in found.evidence if ref.claim.startswith(("nearest", "They disagree"))]
    _section("Nearest published cases, and where sources disagree", near)
    _table(found, workload)
    if found.recommendation and found.recommendation.estimate:
        _section("About these prices", found.recommendation.estimate.warnings)
    _fallen(found)
    flips = [f"{_capital(flip(item.variable, item.current, item.flips_at))}: {item.to}" for item in found.flips]
    _section("What would change this", flips)
    _section("What we do not know", found.unknowns)
    _section(
        "Taken for granted", [text for text in found.assumptions if text.startswith(("You", "The task", "The data"))]
    )
    render.out()
    render.out("Next:")
    render.out(f"  {found.next_step}")
    if found.recommendation:
        render.out(f"Every sum, setting and source: --explain {found.recommendation.id}")


def explanation(found: Recommendation, wanted: str) -> None:
    """Print everything about one option. Raises AdvisorError when there is none of that name."""
    option = _find(found.options, wanted)
    render.out(option.id)
    _paragraph(_sentence(_answer(option)))
    if option.ruled_out_by:
        _paragraph(f"Ruled out: {option.ruled_out_by}")
    until = f" until {option.available_until}" if option.available_until else ""
    render.out(f"Availability: {option.availability}{until}")
    size = f"{option.params_b:g} billion parameters" if option.params_b else ""
    context = f"{option.context:,} tokens of context" if option.context else ""
    licence = f"licence {option.licence}" if option.licence else ""
    dies = f"shut down on {option.retires}" if option.retires else ""
    if about := ", ".join(part for part in (size, context, licence, dies) if part):
        _paragraph(f"The base model: {about}.")
    if option.quality:
        q = option.quality
        render.out(f"Quality: {q.mid:.0%} ({q.low:.0%} to {q.high:.0%}), {q.basis}")
    elif option.p_finetune_wins is not None:
        render.out(f"Quality: no score is claimed; odds of beating the best prompt: {option.p_finetune_wins:.0%}")
    _section("Reasons", [_sourced(reason) for reason in option.reasons])
    if found.recommendation and option.id == found.recommendation.id:
        _section("The argument", [_sourced(reason) for reason in found.reasons])
        _section("Evidence", [f"{ref.claim} [{source(ref.source).citation}]" for ref in found.evidence])
    _settings(option)
    if option.estimate:
        _sums(option.estimate)


def _answer(option: Option | None) -> str:
    if option is None:
        return "nothing can be recommended."
    if option.strategy is Strategy.RETRIEVAL:
        return "look the facts up when asked (retrieval); do not fine-tune."
    if option.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT):
        return f"prompt {option.model}, {option.variant}; do not fine-tune."
    if option.strategy is Strategy.HOSTED:
        how = f" with {_TUNED[option.method]}" if option.method else ""
        return f"fine-tune {option.model} at {option.backend}{how}."
    return f"fine-tune {option.model} with {_METHODS[option.strategy]} on {option.gpu}."


def _table(found: Recommendation, workload: Workload) -> None:
    standing = [option for option in found.options if option.ruled_out_by is None]
    if not standing:
        return
    shown = _representatives(standing)
    render.out()
    months = f"{workload.horizon_months} months"
    render.out(f"  {'Options that stand':<{_NAME}}{'once':>10}{'a month':>10}{months:>12}")
    for option in shown:
        mark = ">" if found.recommendation and option.id == found.recommendation.id else " "
        name = _shown(option)
        name = name if len(name) < _NAME else f"{name[: _NAME - 3]}.."
        estimate = option.estimate
        once, monthly, total = (
            _usd(getattr(estimate, part) if estimate else None) for part in ("one_off_usd", "monthly_usd", "total_usd")
        )
        render.out(f"{mark} {name:<{_NAME}}{once:>10}{monthly:>10}{total:>12}")
    if len(standing) > len(shown):
        render.out(f"  and {len(standing) - len(shown)} more of the same kinds; --json lists all.")


def _representatives(standing: Sequence[Option]) -> list[Option]:
    """The first option of each kind: recipe and seller of a prompt; place, method and serving of a tuned model."""
    kinds: dict[tuple[object, ...], Option] = {}
    for option in standing:
        recipe = option.variant if option.provider and not option.strategy.tunes else ""
        where = option.gpu if option.strategy.local else option.serving
        kind = (option.strategy, option.backend if option.strategy.tunes else bool(option.provider), recipe, where)
        kinds.setdefault(kind, option)
    return list(kinds.values())


def _shown(option: Option) -> str:
    """Name an option in a few words."""
    if option.strategy is Strategy.RETRIEVAL:
        return "retrieval"
    if option.strategy.local:
        return f"{_METHODS[option.strategy]} {option.model} on {option.gpu}"
    if option.strategy is Strategy.HOSTED:
        where = {"tokens": "", "dedicated": ", dedicated", "self_hosted": f", on {option.gpu}"}[option.serving]
        return f"{option.backend}: {option.model.split('/')[-1]}{where}"
    place = option.provider or "local"
    recipe = option.id.rsplit(":", 1)[-1]
    recipe = recipe if recipe in ("optimised", "retrieved", "many") else ""
    kind = {"optimised": "prompt, optimised", "retrieved": "few-shot, retrieved", "many": "few-shot, many"}.get(recipe)
    return f"{kind or str(option.strategy).replace('_', '-')}: {place} {option.model.split('/')[-1]}"


def _usd(amount: Range | None) -> str:
    return "unknown" if amount is None else render.usd(amount.mid)


def _fallen(found: Recommendation) -> None:
    groups: dict[str, list[str]] = {}
    for option in found.options:
        if option.ruled_out_by:
            groups.setdefault(" ".join(option.ruled_out_by.split()[:4]), []).append(option.id)
    if not groups:
        return
    by_id = {option.id: option for option in found.options}
    render.out()
    render.out(f"Ruled out: {sum(map(len, groups.values()))} options (--explain OPTION says more)")
    for ids in groups.values():
        first = by_id[ids[0]]
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        _bullet(f"{_shown(first)}{more}: {first.ruled_out_by}")


def _settings(option: Option) -> None:
    shown = [(item.name, getattr(option.hyperparameters, item.name)) for item in fields(option.hyperparameters)]
    if option.strategy.tunes:
        _section("Settings", [f"{name}: {value}" for name, value in shown if value is not None])


def _sums(estimate: Estimate) -> None:
    lines = [
        f"{line.name}: {render.decimal_text(line.quantity)} {line.unit} x {render.usd(line.unit_usd)} = "
        f"{render.usd(line.usd)} ({line.period}; {line.source}{f', read {line.checked}' if line.checked else ''})"
        for line in estimate.lines
    ]
    _section("Sums", lines)
    for name in ("one_off_usd", "per_request_usd", "monthly_usd", "total_usd"):
        amount: Range | None = getattr(estimate, name)
        ends = () if amount is None else (amount.low, amount.mid, amount.high)
        render.out(f"  {name} (low / mid / high): {' / '.join(map(render.usd, ends)) or 'unknown'}")
    if estimate.break_even_requests is not None:
        render.out(f"  costs less than prompting from {estimate.break_even_requests:,} requests on")
    _section("Assumed", estimate.assumptions)
    _section("Warnings", estimate.warnings)


def _find(options: Sequence[Option], wanted: str) -> Option:
    for option in options:
        if wanted in (option.id, option.id.split(":", 1)[-1]):
            return option
    near = get_close_matches(wanted, [option.id for option in options], n=3, cutoff=0.3)
    raise AdvisorError(f"There is no option '{wanted}'. Near it: {', '.join(near) or options[0].id}.")


def _sourced(reason: Reason) -> str:
    return f"{_sentence(reason.text)} [{source(reason.source).citation}]"


def _sentence(text: str) -> str:
    return _capital(text).rstrip(".") + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _section(title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if not found:
        return
    render.out()
    render.out(f"{title}:")
    for line in found:
        _bullet(line)


def _bullet(text: str) -> None:
    render.out(textwrap.fill(text, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False))


def _paragraph(text: str) -> None:
    render.out(textwrap.fill(text, _WIDTH, break_on_hyphens=False))
