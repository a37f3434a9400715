"""The page and the comment: golden files, well-formed, closed to the network, equal to the plan, escaped, honest."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_story import TODAY, VOLUME, WHOLE, a_plan, a_profile, a_run, a_story, costs

from advisor.cli import render
from advisor.cli.render.report import Story, figures, markdown, money, page, slide, svg
from advisor.cli.render.report.markup import table, tiles
from advisor.runs.evaluation.samples import Sample

GOLDEN = Path(__file__).parent / "golden"
# The fixture `home` takes TUNEWISE_* out of the environment of a test, so this is read when the module is.
RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
_VOID = {"meta", "br", "hr", "img", "input", "link"}
STORIES = {
    "plan": WHOLE,
    "run": a_story(None, a_run(), a_profile()),
    "run-with-plan": a_story(a_plan(), a_run()),
    "no-volume": a_story(a_plan(volume=None)),
}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its turn, and what it refers to is there."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.data: list[tuple[tuple[str, ...], str]] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert len(found) == len(attrs), f"an attribute twice in {tag}"
        self.attributes.append((tag, found))
        if tag == "data":
            self.data.append((tuple(self.open), found["value"]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def all(self, name: str) -> Iterator[str]:
        return (attributes[name] for _, attributes in self.attributes if name in attributes)


def embedded(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


def visible(html: str) -> str:
    texts = Page(html).texts
    return " ".join(text for path, text in texts if not {"script", "style"} & set(path))


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("kind", ["html", "md"])
def test_golden(name: str, kind: str) -> None:
    """Style and script, files of their own, are left out; each element has a line, for the diff's sake."""
    text = (page if kind == "html" else markdown)(STORIES[name])
    text = re.sub(r"(<style>|<script>)(.+?)(?=</style>|</script>)", r"\1", text, flags=re.S)
    text = re.sub(r"(?=<(?:section|nav|figure|h\d|p|tr|li|div|details|svg|text|path|rect)\b)", "\n", text)
    path = GOLDEN / f"report-{name}.{kind}"
    if RENEW:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "renew with TUNEWISE_RENEW_GOLDEN=1 and read the diff"


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_page_is_well_formed_and_its_references_resolve(story: Story) -> None:
    found = Page(page(story))
    ids = list(found.all("id"))
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "aria-describedby"):
        assert {id for value in found.all(name) for id in value.split()} <= set(ids)
    assert {href.removeprefix("#") for href in found.all("href")} <= set(ids)
    headings = [tag for tag, _ in found.attributes if re.fullmatch("h[1-6]", tag)]
    assert headings.count("h1") == 1
    assert all(int(after[1]) - int(before[1]) <= 1 for before, after in pairwise(headings))
    drawings = [attributes for tag, attributes in found.attributes if tag == "svg"]
    named = ("aria-labelledby", "aria-label", "aria-hidden")
    assert all(any(one.get(name) for name in named) for one in drawings)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_nothing_on_the_page_asks_the_network_for_anything(story: Story) -> None:
    html = page(story)
    found = Page(html)
    assert not [
        tag for tag, _ in found.attributes if tag in ("link", "img", "iframe", "object", "embed", "base", "form")
    ]
    assert not list(found.all("src")) and not list(found.all("srcset")) and not list(found.all("style"))
    assert not [name for _, attributes in found.attributes for name in attributes if name.startswith("on")]
    style = "".join(text for path, text in found.texts if "style" in path)
    assert "url(" not in style and "@import" not in style
    policy = next(found.all("content"))
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_each_drawing_of_money_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for name in ("over_requests", "over_time"):
        draw = getattr(money, name)
        monkeypatch.setattr(money, name, lambda *given, name=name, draw=draw: (drawn.append(name), draw(*given))[1])
    assert page(WHOLE).count('<figure class="chart"') >= 2
    assert drawn == ["over_requests", "over_time"]


def test_the_figures_on_the_page_are_those_of_the_plan() -> None:
    plan = a_plan()
    html = page(WHOLE)
    assert embedded(html)["plan"] == render.to_json(plan.advice)
    assert embedded(html) == json.loads(json.dumps(figures(WHOLE)))
    shown = {value for _, value in Page(html).data}
    for option in plan.advice.options:
        estimate = option.estimate
        assert estimate is not None
        if option.ruled_out_by is None and estimate.total_usd is not None:
            each = estimate.per_request_usd.times(Decimal(1000)) if estimate.per_request_usd else None
            for amount in (estimate.total_usd, estimate.monthly_usd, estimate.one_off_usd, each):
                assert amount is not None and render.decimal_text(amount.mid) in shown


def test_the_options_table_holds_each_sum_in_its_column() -> None:
    html = page(WHOLE)
    table = html[html.index("Options that fit") :]
    row = table[table.index("Tune Qwen3-8B at Together") : table.index("Prompt old-1")]
    # 240 + 12 x (20 + 100,000 x 0.0001) = 600; a month 30; once 240; 1,000 requests 0.1.
    assert re.findall(r'<data value="([^"]+)">', row)[:4] == ["600", "30", "240", "0.1"]
    assert "2,400,000" in row


def cells(html: str) -> list[list[list[str]]]:
    """Return the rows of every table's body that has more than one."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", html, re.S)
    rows = [[re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("<tr")[1:]] for body in bodies]
    return [one for one in rows if len(one) > 1]


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_no_two_rows_have_the_same_name_and_no_column_is_the_same_in_every_row(story: Story) -> None:
    for rows in cells(page(story)):
        names, *columns = zip(*rows, strict=True)
        assert len(set(names)) == len(names)
        assert len(columns) == 1 or all(len(set(column)) > 1 for column in columns), names


def test_what_is_the_same_in_every_row_is_said_once_beneath() -> None:
    rows = [["a", "open", "1", ""], ["b", "open", "2", ""]]
    shown = visible(table("Options", ["Option", "available", "cost", "note"], rows))
    assert shown.split() == "Options Option cost a 1 b 2 The same for all: available: open.".split()  # noqa: SIM905
    tied = visible(table("Scores", ["Option", "score", "cost"], [["a", "0.5", "1"], ["b", "0.5", "2"]], results=(1,)))
    assert "The same" not in tied and tied.count("0.5") == 2
    alone = visible(table("Options", ["Option", "available"], [["a", "open"], ["b", "open"]]))
    assert "The same" not in alone and alone.count("open") == 2


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (4, 4), (5, 5), (6, 3), (7, 4), (8, 4), (10, 5)])
def test_tiles_fill_their_rows(count: int, columns: int) -> None:
    assert f'class="tiles of-{columns}"' in tiles([(f"name {one}", "x") for one in range(count)])


def test_the_front_figure_stands_alone_and_compares_what_the_page_does() -> None:
    found = slide(WHOLE)
    assert found is not None
    assert found.title == "Prompt gpt-6-luna with no examples. Do not fine-tune"
    assert (
        "$360 over 12 months at 100,000 requests a month" in found.said and "prices read by 1 Nov 2026" in found.source
    )
    # 12 x 100,000 x 0.0003 = 360; 240 + 12 x (20 + 10) = 600; 4.5 months x 40 = 180.
    assert [(bar.shown, bar.chosen) for bar in found.bars] == [("$360", True), ("$600", False), ("$180", False)]
    assert (found.bars[0].low, found.bars[0].high) == (360, 720)
    drawn = ElementTree.fromstring(svg(found))
    texts = {str(one.text) for one in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"$360", "Made by tunewise 1.2.3 on 22 Nov 2026; prices read by 1 Nov 2026"} <= texts
    assert not [one for one in drawn.iter() if {"href", "style", "class"} & one.attrib.keys()]
    widths = [float(one.attrib["width"]) for one in drawn.iter("{http://www.w3.org/2000/svg}rect")][2:]
    assert widths[1] / widths[0] == pytest.approx(600 / 360, rel=0.01)


def test_no_front_figure_is_drawn_of_nothing_but_zeros() -> None:
    plan = a_plan()
    free = [replace(one, estimate=costs("0", "0", "0")) for one in plan.options]
    advice = replace(plan.advice, recommendation=free[0], options=tuple(free), flips=())
    assert slide(a_story(replace(plan, option=free[0], options=tuple(free), advice=advice))) is None


def test_a_machine_by_the_hour_has_no_price_by_the_request_in_the_front_figure() -> None:
    found = slide(a_story(a_plan(volume=None)))
    assert found is not None and "per 1,000 requests" in found.measure
    assert [bar.shown for bar in found.bars] == ["$0.30", "$0.40"], "the tuned one costs 20 a month whatever is asked"


def test_the_front_figure_of_a_run_shows_its_scores_and_needs_some() -> None:
    found = slide(a_story(None, a_run()))
    assert found is not None and [bar.shown for bar in found.bars] == ["0.500", "0.800"]
    assert [bar.chosen for bar in found.bars] == [False, True] and found.highest == 1
    assert slide(a_story(None, replace(a_run(), scorecard=None))) is None


def test_a_hostile_name_is_only_text_in_the_front_figure() -> None:
    evil = '"><script>alert(1)</script>'
    found = slide(a_story(a_plan(model=evil)))
    assert found is not None
    drawn = ElementTree.fromstring(svg(found))
    assert not [one for one in drawn.iter() if one.tag.endswith("script")]


def test_samples_stand_beside_each_other_escaped_and_cut() -> None:
    html = page(a_story(None, a_run()))
    part = html[html.index('id="samples"') :].split("</section>")[0]
    assert re.findall("<dt>(.*?)</dt>", part) == ["expected", "base", "tuned"] * 2
    assert "<b>And</b>" not in part and "&lt;b&gt;And&lt;/b&gt; this one?" in part
    assert "no" * 200 + "…" in part and "no" * 201 not in part and "<em>nothing</em>" in part
    assert "--samples 0 leaves them out" in part
    others = json.dumps(figures(a_story(None, a_run()))) + markdown(a_story(None, a_run()))
    assert "I think it is yes" not in others, "only the page carries them"
    assert 'id="samples"' not in page(a_story(None, replace(a_run(), samples=())))


def test_a_sample_cannot_turn_the_direction_of_writing() -> None:
    told = replace(a_run(), samples=(Sample("\u202eevil", "a", {"base": "b"}),))
    assert "\u202e" not in page(a_story(None, told)) and "\\u202eevil" in page(a_story(None, told))


def test_a_planted_script_stays_text_everywhere() -> None:
    evil = "</script><script>alert('x')</script>|@team [a](b)"
    story = a_story(a_plan(model=evil), None, replace(a_profile(), task_reason=evil))
    html = page(story)
    found = Page(html)
    assert len([tag for tag, _ in found.attributes if tag == "script"]) == 2
    shown = visible(html).replace("\n", " ")
    assert evil in shown and f"Prompt {evil.rpartition('/')[2]}" in shown  # a model is named without its owner
    assert embedded(html)["plan"]["recommendation"]["model"] == evil
    comment = markdown(story)
    assert "<script" not in comment.replace("\\<", "") and "@team" not in comment
    rows = [line for line in comment.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_a_page_to_share_names_no_place_on_the_machine() -> None:
    for story in STORIES.values():
        assert "/somewhere/private" not in page(story) + markdown(story)


def test_the_same_story_makes_the_same_page() -> None:
    assert page(a_story(a_plan(), a_run(), a_profile())) == page(a_story(a_plan(), a_run(), a_profile()))


def test_an_unknown_cost_is_not_drawn_and_said() -> None:
    html = page(WHOLE)
    assert "Not drawn, because a price is unknown: Tune Secret-7B, LoRA, on your rtx-4090." in visible(html)
    drawn = [one["name"] for one in embedded(html)["charts"]["requests"]["series"]]
    assert not any("Secret-7B" in name for name in drawn)
    row = html[html.index("Tune Secret-7B, LoRA") :].split("</tr>")[0]
    assert row.count('<span class="unknown">unknown</span>') == 4 and "$0" not in row


def test_without_a_volume_no_cost_over_time_is_drawn_and_that_is_said() -> None:
    html = page(STORIES["no-volume"])
    assert "time" not in embedded(html)["charts"]
    assert "you did not say how many requests a month there will be" in visible(html)


def test_the_crossing_is_where_both_cost_the_same() -> None:
    html = page(WHOLE)
    chart = embedded(html)["charts"]["requests"]
    prompt, tuned = (next(one["values"] for one in chart["series"] if name in one["name"]) for name in ("luna", "Qwen"))
    at = chart["labels"].index("200,000 requests a month")
    assert prompt[at] == tuned[at] == 60.0
    assert prompt[at - 1] < tuned[at - 1] and prompt[at + 1] > tuned[at + 1]
    assert "cheaper than the answer from 200,000 requests a month on, 2 times your volume" in visible(html)
    rings = [found for _, found in Page(html).attributes if found.get("class") == "crossing"]
    assert float(rings[0]["cx"]) == chart["left"][at]


def test_the_legend_reads_at_the_users_own_volume() -> None:
    chart = embedded(page(WHOLE))["charts"]["requests"]
    at = chart["labels"].index(f"{VOLUME:,} requests a month")
    plan = a_plan()
    for one in chart["series"]:
        option = next(item for item in plan.advice.options if item.model.rsplit("/", 1)[-1] in one["name"])
        assert option.estimate is not None and option.estimate.amortised_monthly_usd is not None
        assert one["values"][at] == pytest.approx(float(option.estimate.amortised_monthly_usd.mid))


def test_a_line_ends_where_its_base_model_retires() -> None:
    html = page(WHOLE)
    chart = embedded(html)["charts"]["time"]
    dying = next(one["values"] for one in chart["series"] if "old-1" in one["name"])
    at = chart["labels"].index("after 4.5 months")
    assert dying[at] == 4.5 * 40 and dying[at + 1 :] == [None] * (len(dying) - at - 1)
    assert "retires 8 Apr 2027" in visible(html)
    assert "for 4.5 of 12 months" in visible(html) and "old-1" not in markdown(WHOLE)
    prompt = next(one["values"] for one in chart["series"] if "luna" in one["name"])
    assert prompt[-1] == 12 * 30
    tuned = next(one["values"] for one in chart["series"] if "Qwen" in one["name"])
    assert (tuned[0], tuned[-1]) == (240, 600)


def test_a_measured_option_that_ends_early_is_compared_and_its_months_are_said() -> None:
    plan = a_plan()
    measured = [
        replace(one, quality=plan.option.quality) if one.model.endswith("old-1") else one for one in plan.advice.options
    ]
    told = markdown(a_story(replace(plan, advice=replace(plan.advice, options=tuple(measured)))))
    assert "| Prompt old-1, 5 examples, OpenAI | $180 ($180 to $360) for 4.5 of 12 months |" in told


def test_every_example_is_in_one_bar_of_the_histogram() -> None:
    chart = embedded(page(WHOLE))["charts"]["tokens"]
    assert sum(chart["series"][0]["values"]) == 100
    assert chart["left"] == sorted(chart["left"])


def test_the_scorecard_and_the_losses_are_those_of_the_run() -> None:
    html = page(STORIES["run"])
    told = a_run()
    assert embedded(html)["run"]["scorecard"]["rows"] == told.scorecard["rows"]
    loss = embedded(html)["charts"]["loss"]["series"]
    assert [value for value in loss[0]["values"] if value is not None] == [
        value for _, value in told.losses["training"]
    ]
    assert [value for value in loss[1]["values"] if value is not None] == [0.3, 0.1]
    said = visible(html)
    assert "0.700 to 0.900" in said and "tuned minus base: +0.300 (+0.200 to +0.400): beyond chance." in said
    assert embedded(html)["run"]["billed_usd"] is None and "unknown" in said
    assert "Infinity" not in html and "inf" not in said and "change -0.500 (one example: no interval): fine." in said
    for text in (said, markdown(STORIES["run"])):
        assert "openai/gpt-4.1 preferred tuned to base on 67% (55% to 77%; won 30, tied 20, lost 10)" in text
        assert "Worth their price, cheapest first: base, then tuned." in text
        assert "few-shot:6: 2 of each of 3 labels." in text and "tend to prefer longer answers" in text


def test_a_run_without_a_scorecard_or_losses_says_so() -> None:
    told = replace(a_run(), scorecard=None, losses={})
    said = visible(page(a_story(None, told)))
    assert "Nothing was measured yet" in said and "No loss is known" in said
    assert "Not measured yet." in markdown(a_story(None, told))


def test_the_comment_holds_the_answer_the_flips_and_the_warnings() -> None:
    comment = markdown(WHOLE)
    assert comment.startswith("### Prompt gpt-6-luna with no examples. Do not fine-tune.")
    assert "**$360 ($360 to $720) over 12 months.**" in comment
    assert "200,000 or more requests a month (now 100,000): tune Qwen3-8B at Together" in comment
    assert "compare with the base model" in comment and "error: The answer is empty." in comment
    assert f"{TODAY.day} Nov 2026" in comment


def test_a_rehearsal_is_shown_as_one() -> None:
    """A page to share must not pass a drawn curve off as a training."""
    told = a_run()
    story = a_story(
        None, replace(told, view=replace(told.view, rehearses="together", backend="rehearsal"), scorecard=None)
    )
    said = visible(page(story))
    assert "A rehearsal of Qwen3-8B at Together AI: nothing was sent, trained or paid." in said
    assert "This curve is drawn" in said and "is trained" not in said
    assert "### A rehearsal of Qwen3-8B at Together" in markdown(story)
    assert "rehearsal" not in visible(page(a_story(None, told))).lower()


def test_the_comment_says_what_the_likely_sums_rest_on() -> None:
    plan = a_plan()
    assert plan.option.estimate
    told = replace(plan.option.estimate, condition="gpt-6-luna told not to reason")
    comment = markdown(a_story(replace(plan, option=replace(plan.option, estimate=told))))
    assert "The likely costs are for gpt-6-luna told not to reason." in comment
    assert "likely costs" not in markdown(a_story(plan))


def test_a_long_curve_is_thinned_by_means_and_says_so() -> None:
    told = replace(a_run(), losses={"training": tuple((step, float(step % 2)) for step in range(1, 1001))})
    html = page(a_story(None, told))
    values = embedded(html)["charts"]["loss"]["series"][0]["values"]
    assert len(values) <= 240 and "Each point is the mean of 5 steps." in visible(html)
    assert values[0] == pytest.approx(0.6) and sum(values) / len(values) == pytest.approx(0.5)


def test_amounts_keep_their_exact_figure() -> None:
    from advisor.cli.render.report.markup import usd

    assert usd(Decimal("0.000066")) == '<data value="0.000066">$0.000066</data>'
    assert usd(None) == '<span class="unknown">unknown</span>'


def test_the_tokens_shown_are_those_of_the_encoding_all_lengths_are_given_in() -> None:
    tokens = {"cl100k_base": 13_000, "o200k_base": 12_000}
    assert "12,000, counted exactly" in visible(page(a_story(a_plan(), None, replace(a_profile(), tokens=tokens))))


def test_the_letters_at_the_ends_of_lines_keep_clear_of_each_other() -> None:
    html = page(WHOLE)
    drawing = html[html.index('id="svg-time-title"') :].split("</svg>")[0]
    found = re.findall(r'class="badge s\d"><circle cx="([\d.]+)" cy="([\d.]+)"', drawing)
    letters = [(float(x), float(y)) for x, y in found]
    assert len(letters) == 3
    for place, (x, y) in enumerate(letters):
        assert all(max(abs(x - other), abs(y - up)) >= 20 for other, up in letters[:place])


def test_what_costs_nothing_is_called_no_bill_and_not_drawn() -> None:
    plan = a_plan()
    free = replace(plan.option, estimate=costs("0", "0", "0"))
    plan = replace(plan, option=free, advice=replace(plan.advice, recommendation=free, options=(free,), flips=()))
    html = page(a_story(plan))
    assert "No bill over 12 months" in visible(html) and "no option with a known cost has a bill" in visible(html)
    assert embedded(html)["charts"] == {}


def test_an_answer_of_unknown_cost_is_named_and_others_are_not_compared_with_it() -> None:
    plan = a_plan()
    blank = replace(next(one for one in plan.options if one.id == "unknown"), variant="")
    options = (blank, *(one for one in plan.options if one.id != "unknown"))
    plan = replace(plan, option=blank, advice=replace(plan.advice, recommendation=blank, options=options))
    said = visible(page(a_story(plan)))
    assert "Its cost is not known." in said and "Not drawn, because a price is unknown: Tune Secret-7B, LoRA." in said
    assert "than the answer" not in said and "cheaper than Tune Qwen3-8B at Together only up to 200,000" in said


def test_no_requests_at_all_is_no_division_by_zero() -> None:
    said = visible(page(a_story(a_plan(volume=0))))
    assert "read here" in said and "your volume" not in said and "At 10,000 requests a month" in said
