"""The data in a report: how much of it, how long its examples are, what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from advisor.cli.render.chart import BOTTOM, LEFT, RIGHT, TOP
from advisor.cli.render.report.charts import frame, open_svg
from advisor.cli.render.report.markup import Html, folded, section, table, tag
from advisor.cli.render.scale import linear, nice, short
from advisor.dataset import Problem
from advisor.tokens import Profile

_BINS = 24
_MOST = 12  # kinds of finding shown


def data_section(profile: Profile | None, why_not: Sequence[str]) -> Html:
    """Return what is known about the data, or why nothing is."""
    if profile is None:
        return section("data", "Your data", *(tag("p", note) for note in why_not))
    counted = "counted exactly" if profile.exact else "estimated"
    if not profile.fingerprint:
        counted = "as you described it; nothing was counted yet"
    facts = [
        ("Examples", f"{profile.examples:,}"),
        ("Tokens", f"{profile.tokens.get('o200k_base', 0):,}, {counted}"),
        ("Task", f"{profile.task_type}: {profile.task_reason}"),
        ("Longest example", f"{profile.longest:,} tokens"),
    ]
    if profile.labels:
        facts.append(("Labels", f"{len(profile.labels):,}"))
    listed = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]
    return section(
        "data", "Your data", tag("dl", *listed, class_="facts"), histogram(profile.lengths, profile), _findings(profile)
    )


def bins(lengths: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """Return (first length, last length, examples) of round, equally wide bins that hold every example once."""
    if not lengths:
        return []
    width = max(1, round(nice((max(lengths) - min(lengths) + 1) / _BINS)))
    first, last = min(lengths) // width, max(lengths) // width
    sums: Counter[int] = Counter()
    for length, examples in lengths.items():
        sums[length // width] += examples
    return [(place * width, place * width + width - 1, sums[place]) for place in range(first, last + 1)]


def histogram_payload(lengths: Mapping[int, int]) -> dict[str, object]:
    """Return the histogram's numbers for the page's one block of data."""
    found = bins(lengths)
    x = linear(found[0][0], found[-1][1] + 1, LEFT, RIGHT)
    return {
        "unit": "",
        "left": [round((x(low) + x(high + 1)) / 2, 2) for low, high, _ in found],
        "labels": [_between(low, high) for low, high, _ in found],
        "series": [{"name": "examples", "values": [examples for *_, examples in found]}],
        "top": TOP,
        "bottom": BOTTOM,
    }


def histogram(lengths: Mapping[int, int], profile: Profile) -> Html:
    """Draw how long the examples are; nothing where single lengths are not known."""
    found = bins(lengths)
    if len(found) < 2:
        return Html("")
    x = linear(found[0][0], found[-1][1] + 1, LEFT, RIGHT)
    y = linear(0, max(examples for *_, examples in found), BOTTOM, TOP)
    ticks = [(value, short(value)) for value in x.ticks(6)]
    parts = [frame(x, y, ticks, "tokens of an example", "examples", "")]
    for low, high, examples in found:
        left, right, top = x(low), x(high + 1), y(examples)
        wide = max(right - left - 1, 0.8)
        parts.append(Html(f'<rect class="bar" x="{left}" y="{top}" width="{wide:.2f}" height="{BOTTOM - top:.2f}"/>'))
    each = profile.per_example
    for value, name in ((each.p50, "half"), (each.p95, "95 %")):
        at = x(value)
        parts.append(Html(f'<path class="here" d="M{at} {TOP}V{BOTTOM}"/>'))
        parts.append(Html(f'<text class="here" x="{at + 5}" y="{TOP + 10}">{name}</text>'))
    summary = (
        f"Half of the examples have {each.p50:,} tokens or fewer, 95 % have {each.p95:,} or fewer; "
        f"the longest has {each.max:,}."
    )
    rows = [[_between(low, high), f"{examples:,}"] for low, high, examples in found]
    title = "How long the examples are"
    return tag(
        "figure",
        tag("figcaption", title),
        tag("div", open_svg("svg-tokens", title, summary, *parts), class_="plot", data_chart="tokens"),
        tag("p", summary, class_="reading", aria_live="polite"),
        folded("Show as a table", table(title, ["length", "examples"], rows, numbers=(1,)), class_="appendix"),
        class_="chart",
        id="chart-tokens",
    )


def _between(low: int, high: int) -> str:
    return f"{low:,} to {high:,} tokens" if high > low else f"{low:,} tokens"


def _findings(profile: Profile) -> Html:
    """List what was found, the worst first, one line a kind."""
    kinds: dict[str, list[Problem]] = {}
    for one in profile.problems:
        kinds.setdefault(one.code, []).append(one)
    order = {"error": 0, "warning": 1, "info": 2}
    ranked = sorted(kinds.values(), key=lambda found: order[found[0].level])
    if not ranked:
        return tag("p", "No problem was found.") if profile.fingerprint else Html("")
    items = []
    for found in ranked[:_MOST]:
        where = [str(one.line) for one in found if one.line is not None]
        lines = f" ({'lines' if len(where) > 1 else 'line'} {', '.join(where[:5])}" if where else ""
        lines += f" and {len(where) - 5:,} more)" if len(where) > 5 else (")" if where else "")
        level = tag("span", str(found[0].level), class_=f"level {found[0].level}")
        said = tag("span", found[0].message, lines, " ", tag("em", found[0].fix))
        items.append(tag("li", level, " ", said))
    more = f"and {len(ranked) - _MOST} more kinds; tunewise check lists them" if len(ranked) > _MOST else ""
    return tag("div", tag("h3", "Findings"), tag("ul", *items, class_="findings"), tag("p", more) if more else "")
