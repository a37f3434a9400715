"""How a budget looks in a terminal: yes or no, the months, less and more traffic, what more money would buy."""

from __future__ import annotations

from advisor.cli import render
from advisor.cli.render.estimate import flip
from advisor.cli.render.screen import Screen
from advisor.estimate import Fit
from advisor.recommend import wording as words
from advisor.recommend.spending import Choice, Spending

_BAR = 24  # columns of a month's bar
_OTHERS = 6
_OFTEN = 0.05  # options cheapest in this share of the draws come first
FITS = {
    Fit.YES: "yes",
    Fit.LIKELY: "likely, not at the dear end",
    Fit.PARTLY: "for a part",
    Fit.NO: "no",
    Fit.OPEN: "not known",
}


def page(found: Spending) -> None:
    """Print the verdict, the plan, its months, the scenarios and what else the sum would buy."""
    screen = Screen()
    screen.paragraph(found.verdict, "bold")
    if found.best is None or found.buys is None:
        return
    buys = found.buys
    for said in (found.condition, found.beside, f"Why this one: {found.advice.reason}" if not found.beside else None):
        if said:
            screen.paragraph(said)
    screen.line()
    for item in plan_lines(found):
        screen.bullet(item)
    for cut in buys.cuts:
        screen.bullet(f"To stay within the sum it {cut}.", "magenta")
    _months(found, screen)
    _scenarios(found, screen)
    _more(found, screen)
    flips = [
        f"{words.capital(flip(one.variable, one.current, one.flips_at))}: {found.named(one.to)}" for one in found.flips
    ]
    screen.section("Another option becomes cheaper at", flips)
    often = {id: share or 0 for id, share in found.shares.items()}
    others = sorted(
        (choice for choice in found.choices if choice.buys and choice is not found.best),
        key=lambda choice: -often.get(choice.option.id, 0) if often.get(choice.option.id, 0) >= _OFTEN else 0,
    )
    screen.section(
        "The same sum would also buy",
        [
            f"{words.full_name(choice.option)}: {render.usd(choice.buys.total_usd)}"
            + (f" ({'; '.join(choice.buys.cuts)})" if choice.buys.cuts else "")
            for choice in others[:_OTHERS]
            if choice.buys
        ],
    )
    if len(others) > _OTHERS:
        screen.line(f"  and {len(others) - _OTHERS} more; --json lists all, --html FILE draws it.", "dim")


def plan_lines(found: Spending) -> list[str]:
    """Return what the plan is made of: training, evaluation, what a mistake adds, what is left."""
    buys = found.buys
    assert buys is not None and found.best is not None
    said = []
    if buys.epochs is not None:
        epochs = "1 epoch" if buys.epochs == 1 else f"{buys.epochs} epochs"
        said.append(f"Trained for {epochs} on {buys.examples:,} examples.")
    rows = f"evaluation on {buys.evaluation_rows} held-out examples" if buys.evaluation_rows else "no evaluation"
    said.append(f"Once: {render.usd(buys.one_off_usd.mid)}, with {rows}.")
    if buys.monthly_usd is not None:
        said.append(f"A month: {words.plain_range(buys.monthly_usd)}. Left over: {render.usd(buys.left_usd)}.")
    mistakes = found.mistakes.get(found.best.option.id)
    if mistakes is not None:
        said.append(f"A request costs {render.usd(mistakes)} with its mistakes paid for.")
    if found.cheapest:
        said.append(found.cheapest)
    return said


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
    screen.line(f"  {'traffic':<11} {'requests':>11}  {'a month':>9}  {covers:>10}  does the sum carry it?", "bold")
    for one in found.scenarios:
        carried = FITS[one.fit]
        if one.fit is Fit.PARTLY and one.buys:
            carried = f"for {words.months(one.buys.months)}"
        requests = f"{one.requests:,}"
        screen.line(
            f"  {one.name:<11} {requests:>11}  {render.usd(one.monthly_usd.mid):>9}  "
            f"{render.usd(one.total_usd.mid):>10}  {carried}"
        )


def _more(found: Spending, screen: Screen) -> None:
    items = [f"{render.usd(one.usd)}, {render.usd(one.extra_usd)} more: {one.buys}" for one in found.steps]
    if found.dollar:
        items.insert(0, found.dollar)
    screen.section("What more money buys", items)


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
