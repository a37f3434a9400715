"""The page: one HTML file that holds everything, asks the network for nothing, and reads well without its script."""

from __future__ import annotations

from advisor.cli.render.report import advice
from advisor.cli.render.report.data import data_section
from advisor.cli.render.report.figures import figures
from advisor.cli.render.report.markup import Html, join, tag
from advisor.cli.render.report.money import Costs, cost_section, costs_of
from advisor.cli.render.report.options import options_section, ruled_out_section
from advisor.cli.render.report.outer import contents, document, embedded
from advisor.cli.render.report.run import (
    loss_section,
    receipt_section,
    run_facts,
    run_headline,
    scorecard_section,
    verdict,
)
from advisor.cli.render.report.samples import samples_section
from advisor.cli.render.report.slide import slide, svg
from advisor.cli.render.report.story import Story, Told
from advisor.cli.render.report.sums import sums_section
from advisor.recommend import wording as words
from advisor.runs.names import with_name


def page(story: Story, *, above: Html = Html(""), live: bool = False) -> str:  # noqa: B008  a string, never changed
    """Return the whole page. The same story gives the same page, to the byte.

    ``above`` stands over the answer; ``live``: the page is served, and asks for itself every few seconds.
    """
    costs = None if story.plan is None else costs_of(story.plan)
    parts = _sections(story, costs)
    content = (above, _answer(story), contents(parts), _front(story), *(part for _, _, part in parts))
    return document(headline(story), content, _footer(story), embedded(figures(story, costs)), live=live)


def headline(story: Story) -> str:
    """Return the report's one sentence."""
    if story.run is not None:
        return run_headline(story.run)
    assert story.plan is not None
    return words.headline(story.plan.option, story.plan.advice.confidence)


def _answer(story: Story) -> Html:
    over = tag("p", f"Run {_called(story.run)}" if story.run else "Recommendation", class_="over")
    top = (over, tag("h1", headline(story)))
    if story.run is not None:
        told = story.run
        if told.view.error:
            said = told.view.error
        elif told.scorecard is not None:
            said = verdict(told.scorecard)
        else:
            said = "Its answers were not compared with anything yet."
        return tag("header", *top, tag("p", said, class_="lede"), run_facts(told), id="answer", tabindex="-1")
    assert story.plan is not None
    step = story.plan.advice.next_step
    following = tag("p", "Next: ", tag("code", *_words(step)), class_="next") if step else ""
    content = (*top, advice.lede(story.plan), advice.figures(story.plan), following)
    return tag("header", *content, id="answer", tabindex="-1")


def _front(story: Story) -> Html:
    found = slide(story)
    if found is None:
        return Html("")
    how = ("For a slide: ", tag("code", f"tunewise report {_what(story)} --svg figure.svg"))
    return tag("figure", svg(found), tag("figcaption", *how), class_="slide")


def _called(told: Told) -> str:
    return with_name(told.view.run, told.view.name)


def _what(story: Story) -> str:
    return story.run.view.run if story.run else "PLAN.yaml"


def _sections(story: Story, costs: Costs | None) -> list[tuple[str, str, Html]]:
    """Return (id, name in the table of contents, content) of every part that has something to say."""
    found: list[tuple[str, str, Html]] = []
    plan, run = story.plan, story.run
    if run is not None:
        measured = ("scorecard", "Scorecard", scorecard_section(run.scorecard, run.view.run))
        training = ("loss", "Training", loss_section(run))
        answers = ("samples", "Answers", samples_section(run.samples))
        found += (measured, answers, training) if run.view.status.finished else (training, measured, answers)
        found.append(("receipt", "Receipt", receipt_section(run.receipt)))
    if plan is not None:
        behind = "Why" if run is None else f"The plan behind it: {words.headline(plan.option, plan.advice.confidence)}"
        found.append(("why", "Why" if run is None else "Plan", advice.why(plan.advice, behind)))
        found.append(("options", "Options", options_section(plan)))
        found.append(("cost", "Cost", cost_section(costs) if costs else Html("")))
        found.append(("flips", "What would change it", advice.flips_section(plan.advice, plan.workload.gpus)))
    found.append(("data", "Data", data_section(story.profile, story.notes)))
    if plan is not None:
        found.append(("ruled-out", "Ruled out", ruled_out_section(plan.advice)))
        found.append(("sums", "Cost lines", sums_section(plan)))
        found.append(("grounds", "Grounds", advice.grounds_section(plan)))
    return [one for one in found if one[2]]


def _words(command: str) -> list[Html]:
    """Return a command whose words are never broken at their hyphens, such as --backend."""
    return [join((tag("span", word, class_="word"), " ")) for word in command.split(" ")]


def _footer(story: Story) -> list[str]:
    lines = [f"Made by tunewise {story.version} on {words.day(story.made)}. Nothing on this page came from a network."]
    if story.plan is not None:
        plan = story.plan
        prices = f"; prices read by {words.day(plan.advice.prices_as_of)}" if plan.advice.prices_as_of else ""
        lines.append(f"The plan was made for {words.day(plan.today)}{prices}.")
        if plan.fingerprint:
            lines.append(f"Data: {', '.join(path.name for path in plan.data)}, sha256 {plan.fingerprint}.")
    if story.profile is not None:
        lines += story.notes
    return lines
