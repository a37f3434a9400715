"""How a budget looks in a terminal: yes or no, the figures, less and more traffic; the rest on demand."""

from __future__ import annotations

from textwrap import wrap

from advisor.cli import render
from advisor.cli.render.flips import flip
from advisor.cli.render.screen import Screen
from advisor.estimate import Fit
from advisor.recommend import wording as words
from advisor.recommend.spending import Choice, Spending

_BAR = 24  # columns of a month's bar
_OTHERS = 3  # unless all are asked for
_OFTEN = 0.05  # options cheapest in this share of the draws come first
FITS = {
    Fit.YES: "yes",
    Fit.LIKELY: "likely, not at the highest estimate",
    Fit.PARTLY: "for part of the time",
    Fit.NO: "no",
    Fit.OPEN: "unknown",
}


def page(found: Spending, *, everything: bool = False) -> None:
    """Print the verdict, the figures, the scenarios and the total; ``everything``: months and all options too."""
    screen = Screen()
    screen.paragraph(found.verdict, "bold")
    if found.best is None or found.buys is None:
        return
    for said in (found.condition, found.beside, f"Why this one: {found.advice.reason}" if not found.beside else None):
        if said:
            screen.paragraph(said)
    screen.line()
    for label, figure, remark in _figures(found):
        remarks = screen.wrapped(remark, " " * 26, " " * 26) if remark else [""]
        screen.line(f"  {label:<12}{figure:>10}  {remarks[0].strip()}")
        for line in remarks[1:]:
            screen.line(line)
    for cut in found.buys.cuts:
        screen.bullet(f"To stay within the budget it {cut}.", "magenta")
    if everything:
        _months(found, screen)
    _scenarios(found, screen)
    if everything:
        _grounds(found, screen)
    _others(found, screen, everything=everything)
    screen.line()
    screen.paragraph(_total(found), "bold")


def _figures(found: Spending) -> list[tuple[str, str, str]]:
    """Return what the plan is made of, as label, figure and remark."""
    buys = found.buys
    assert buys is not None and found.best is not None
    made = []
    if buys.epochs is not None:
        epochs = "1 epoch" if buys.epochs == 1 else f"{buys.epochs} epochs"
        made.append(f"trains {epochs} on {buys.examples:,} examples")
    made.append(f"evaluates on {buys.evaluation_rows} held-out examples" if buys.evaluation_rows else "no evaluation")
    rows = [("once", render.usd(buys.one_off_usd.mid), ", ".join(made))]
    if buys.monthly_usd is not None:
        month = buys.monthly_usd
        spread = "" if month.low == month.high else f"{render.usd(month.low)} to {render.usd(month.high)}"
        rows.append(("a month", render.usd(month.mid), spread))
        rows.append((words.months(buys.months), render.usd(buys.total_usd), f"at most {render.usd(buys.dear_usd)}"))
    mistakes = found.mistakes.get(found.best.option.id)
    if mistakes is not None:
        rows.append(("a request", render.usd(mistakes), "with the cost of its mistakes"))
    return rows


def plan_lines(found: Spending) -> list[str]:
    """Return what the plan is made of as sentences, and what is cheapest."""
    figures = [
        f"{words.capital(label)}: {usd}{f', {remark}' if remark else ''}." for label, usd, remark in _figures(found)
    ]
    return [*figures, found.cheapest] if found.cheapest else figures


def _total(found: Spending) -> str:
    buys = found.buys
    assert buys is not None
    limit, left = render.usd(found.limit_usd), render.usd(buys.left_usd)
    if buys.monthly_usd is None:
        return f"Total: {render.usd(buys.total_usd)} of {limit} before the first request; {left} left for requests."
    return f"Total: {render.usd(buys.total_usd)} of {limit} for {words.months(buys.months)}; {left} left over."


def _months(found: Spending, screen: Screen) -> None:
    buys, places = found.buys, found.shown_months()
    if buys is None or not places or not buys.dear_usd:
        return
    full = "#" if screen.ascii else "█"
    wide = min(_BAR, screen.width - 46)
    screen.line()
    screen.line(
        f"  {'month':>5}  {'from':<10}  {'spends':>10}  {'so far':>10}  of {render.usd(found.limit_usd)}", "bold"
    )
    for place in places:
        month = buys.spend[place]
        share = min(1, float(month.so_far_usd / found.limit_usd)) if found.limit_usd else 1
        row = f"  {month.number:>5}  {month.starts.isoformat()}  {render.usd(month.usd):>10}  "
        row += f"{render.usd(month.so_far_usd):>10}  "
        screen.parts((row, ""), (full * round(share * wide), "green"))


def _scenarios(found: Spending, screen: Screen) -> None:
    if not any(one.total_usd.high for one in found.scenarios):
        return
    screen.line()
    covers = words.months(found.buys.of_months if found.buys else 0)
    screen.line(f"  {'traffic':<11}{'requests':>11}  {'a month':>9}  {covers:>10}  covered?", "bold")
    for one in found.scenarios:
        covered = FITS[one.fit].partition(",")[0]
        if one.fit is Fit.PARTLY and one.buys:
            covered = f"{words.months(one.buys.months)}"
        screen.line(
            f"  {one.name:<11}{one.requests:>11,}  {render.usd(one.monthly_usd.mid):>9}  "
            f"{render.usd(one.total_usd.mid):>10}  {covered}"
        )


def _grounds(found: Spending, screen: Screen) -> None:
    """Write what more money buys, what is cheapest how often, and what would make another option cheaper."""
    items = [f"{render.usd(one.usd)}, {render.usd(one.extra_usd)} more: {one.buys}" for one in found.steps]
    if found.dollar:
        items.insert(0, found.dollar)
    screen.section("What more money buys", items)
    screen.section("The cheapest option", [found.cheapest] if found.cheapest else [])
    flips = [f"{flip(one.variable, one.current, one.flips_at)}: {found.named(one.to)}" for one in found.flips]
    screen.section("Another option becomes cheaper when", flips)


def _others(found: Spending, screen: Screen, *, everything: bool) -> None:
    """Write what else the sum buys in full, the likeliest to be cheapest first; cut short unless all is wanted."""
    often = {id: share or 0 for id, share in found.shares.items()}
    others = sorted(
        ((choice, choice.buys) for choice in found.choices if choice.buys and choice is not found.best),
        key=lambda pair: -often.get(pair[0].option.id, 0) if often.get(pair[0].option.id, 0) >= _OFTEN else 0,
    )
    if not others:
        return
    shown = others if everything else others[:_OTHERS]
    screen.line()
    screen.line("  The same budget also buys", "bold")
    room = min(screen.width - 14, max(len(words.full_name(choice.option)) for choice, _ in shown))
    for choice, buys in shown:
        name, *rest = wrap(words.full_name(choice.option), room, break_on_hyphens=False)
        screen.line(f"  {name:<{room}}  {render.usd(buys.total_usd):>10}")
        for line in rest:
            screen.line(f"    {line}")
        for cut in buys.cuts:
            screen.paragraph(cut, "dim", first="    ", rest="    ")
    if not everything:
        more = f"{len(others) - len(shown)} more options, " if len(others) > len(shown) else ""
        screen.paragraph(f"{more}month by month, and what more money buys: --all", "dim", first="  ", rest="  ")


def document(found: Spending) -> dict[str, object]:
    """Return the JSON document."""
    advice = found.advice
    return {
        "limit_usd": found.limit_usd,
        "fits": found.fit,
        "verdict": found.verdict,
        "plan": None if found.best is None else _row(found.best, found),
        "scenarios": found.scenarios,
        "more": found.steps,
        "one_dollar_more_buys": found.per_dollar,
        "options": [_row(choice, found) for choice in found.choices],
        "flips": found.flips,
        "recommended": advice.recommendation.id if advice.recommendation else None,
        "reason": advice.reason,
        "assumptions": advice.assumptions,
        "prices_as_of": advice.prices_as_of,
    }


def _row(choice: Choice, found: Spending) -> dict[str, object]:
    option, buys = choice.option, choice.buys
    return {
        "id": option.id,
        "name": words.full_name(option),
        "strategy": option.strategy,
        "backend": option.backend,
        "model": option.model,
        "quality": option.quality,
        "p_cheapest": found.shares.get(option.id),
        "with_mistakes_usd": found.mistakes.get(option.id),
        "buys": buys,
        "reason": choice.reason or None,
    }
