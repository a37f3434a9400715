"""How a recommendation, a profile, a scorecard and a receipt look in a notebook: the parts of the page to share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from advisor.cli.render import to_json
from advisor.cli.render.report.advice import flips_section, source_list, why
from advisor.cli.render.report.data import data_section
from advisor.cli.render.report.markup import Html, spread, table, tag
from advisor.cli.render.report.options import label, ruled_out_section
from advisor.cli.render.report.run import receipt_section, scorecard_section
from advisor.evaluate import Scorecard
from advisor.recommend import Option, Recommendation
from advisor.recommend import wording as words
from advisor.runs import Receipt
from advisor.tokens import Profile


def html(value: object) -> str:
    """Return ``value`` as HTML without style or script. Raises TypeError for what has no such look."""
    for kind, render in _LOOKS.items():
        if isinstance(value, kind):
            return str(tag("div", render(value)))
    raise TypeError(f"{type(value).__name__} has no look of its own.")


def _advice(advice: Recommendation) -> Html:
    standing = [option for option in advice.options if option.ruled_out_by is None]
    return tag(
        "section",
        tag("h3", words.headline(advice.recommendation, advice.confidence)),
        tag("p", advice.reason),
        table(
            "Options that fit",
            ("option", "a month", "a request"),
            [_row(option) for option in standing],
            numbers=(1, 2),
        ),
        why(advice),
        flips_section(advice, None),
        ruled_out_section(advice),
        source_list(advice),
        tag("p", "Next: ", tag("code", advice.next_step)),
    )


def _row(option: Option) -> list[str]:
    costs = option.estimate
    return [
        label(option),
        spread(costs.monthly_usd if costs else None),
        spread(costs.per_request_usd if costs else None),
    ]


def _scorecard(card: Scorecard) -> Html:
    content = to_json(card)
    assert isinstance(content, dict)
    return scorecard_section(content, "")


_LOOKS: dict[type, Callable[..., Html]] = {
    Recommendation: _advice,
    Profile: partial(data_section, why_not=()),
    Scorecard: _scorecard,
    Receipt: receipt_section,
}
