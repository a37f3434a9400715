"""The page in a real browser: no complaint, no request, readable, usable with a keyboard and without a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_browser import CHROMIUM, NO_AXE, NO_CHROMIUM, Browser, axe, browser
from report_story import WHOLE, a_plan, a_profile, a_run, a_story

from advisor.cli import tunewise
from advisor.cli.render.report import page

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NO_CHROMIUM)
VIEWS = [(390, False), (390, True), (1280, False), (1280, True)]


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fullest page there is: a run, its plan and its data."""
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(page(a_story(a_plan(), a_run(), a_profile())), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_nothing_is_complained_of_and_nothing_asked_for(tab: Browser, file: Path, width: int, dark: bool) -> None:
    tab.open(file, width=width, dark=dark)
    assert tab.requests == [file.as_uri()]
    assert tab.complaints == []
    wide = tab.run("document.documentElement.scrollWidth")
    assert isinstance(wide, int) and wide <= width, "the page itself never scrolls sideways"


@pytest.mark.skipif(axe() is None, reason=NO_AXE)
@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_axe_finds_no_violation(tab: Browser, file: Path, width: int, dark: bool) -> None:
    tab.open(file, width=width, dark=dark)
    assert tab.violations() == []


def test_a_table_that_goes_on_says_so_until_its_end_is_seen(tab: Browser, file: Path) -> None:
    hidden = "document.querySelector('#options .hint').hidden"
    box = "document.querySelector('#options .scroll')"
    tab.open(file, width=1280)
    assert tab.run(hidden) is tab.run(f"{box}.scrollWidth <= {box}.clientWidth + 1")  # whether it fits is the font's
    tab.open(file, width=390)
    assert tab.run(hidden) is False
    scrolled = f"new Promise((seen) => {{ {box}.onscroll = () => setTimeout(seen, 0); {box}.scrollLeft = 9999; }})"
    tab.run(f"{scrolled}.then(() => 0)")
    assert tab.run(hidden) is True


def test_the_page_refuses_what_is_not_its_own(tab: Browser, tmp_path: Path) -> None:
    planted = page(WHOLE).replace("</body>", "<script>document.title = 'changed'</script></body>")
    path = tmp_path / "planted.html"
    path.write_text(planted, encoding="utf-8")
    tab.open(path)
    assert tab.run("document.title") != "changed"
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_the_arrow_keys_read_a_drawing_and_escape_ends_it(tab: Browser, file: Path) -> None:
    tab.open(file)
    legend = "document.querySelector('#chart-requests .legend').innerText"
    before = str(tab.run(legend))
    assert "At 100,000 requests a month" in before and "$30.00" in before
    tab.run("document.querySelector('[data-chart=requests]').focus()")
    tab.key("Home")
    assert "At 0 requests a month" in str(tab.run(legend)) and "$0" in str(tab.run(legend))
    tab.key("End")
    chart = json.loads(str(tab.run("document.getElementById('figures').textContent")))["charts"]["requests"]
    last = str(tab.run(legend))
    assert chart["labels"][-1] in last and f"${chart['series'][0]['values'][-1]:,.0f}" in last
    tab.key("Escape")
    assert tab.run(legend) == before


def test_a_pointer_reads_the_histogram(tab: Browser, file: Path) -> None:
    tab.open(file)
    tab.run("document.getElementById('chart-tokens').scrollIntoView({block: 'center', behavior: 'instant'})")
    place = "document.querySelector('[data-chart=tokens] svg').getBoundingClientRect()"
    x, y = tab.run(f"{place}.left + {place}.width * 0.15"), tab.run(f"{place}.top + 20")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert "40 examples" in str(tab.run("document.querySelector('#chart-tokens .reading').innerText"))


def test_without_a_script_everything_is_there_to_read(tab: Browser, file: Path) -> None:
    tab.open(file, script=False)
    html = file.read_text(encoding="utf-8")
    assert "At 100,000 requests a month" in html and html.count("Show as a table") == 4
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.run("document.querySelector('[data-chart]').tabIndex") == -1, "nothing to focus that does nothing"


def test_print_is_black_on_white_and_opens_what_is_folded(tab: Browser, file: Path) -> None:
    tab.open(file, dark=True)
    tab.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.run("dispatchEvent(new Event('beforeprint')); 0")
    folded = "[...document.querySelectorAll('details:not([open])')].filter((one) => !one.closest('.appendix')).length"
    assert tab.run(folded) == 0
    assert tab.run("document.querySelectorAll('details.appendix[open]').length") == 0
    tab.run("dispatchEvent(new Event('afterprint')); 0")
    assert tab.run("document.querySelectorAll('details[open]').length") == 0
    tab.call("Emulation.setEmulatedMedia", media="", features=[])


@pytest.fixture(scope="module")
def budget(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a budget, as the command writes it."""
    folder = tmp_path_factory.mktemp("budget")
    work, path = folder / "work.yaml", folder / "budget.html"
    work.write_text(
        "data: {examples: 2000, tokens_per_example: 480}\nrequests_per_month: {low: 50000, mid: 90000, high: 200000}\n"
    )
    words = ["budget", "--workload", str(work), "--limit", "120", "--html", str(path), "--today", "2026-11-22"]
    assert CliRunner().invoke(tunewise, words).exit_code == 0
    return path


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_budget_is_quiet_and_fits(tab: Browser, budget: Path, width: int, dark: bool) -> None:
    tab.open(budget, width=width, dark=dark)
    assert tab.requests == [budget.as_uri()] and tab.complaints == []
    wide = tab.run("document.documentElement.scrollWidth")
    assert isinstance(wide, int) and wide <= width
    tab.run("document.querySelector('[data-chart=spending]').focus()")
    tab.key("Home")
    assert "At the start" in str(tab.run("document.querySelector('#chart-spending .legend').innerText"))


@pytest.mark.skipif(axe() is None, reason=NO_AXE)
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_axe_finds_no_violation_on_a_budget(tab: Browser, budget: Path, width: int, dark: bool) -> None:
    tab.open(budget, width=width, dark=dark)
    assert tab.violations() == []
