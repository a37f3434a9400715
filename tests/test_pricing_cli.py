"""The commands over the price book, and refreshing it from copies of the public feeds on the loopback."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pexpect
import pytest
import yaml
from click.testing import CliRunner, Result
from loopback import answering

from advisor.cli import tunewise
from advisor.cli.commands import prices
from advisor.errors import PriceError
from advisor.paths import packaged_prices
from advisor.pricing import PriceBook
from advisor.pricing.entries import entries
from advisor.pricing.feeds import FEEDS, collect

D = Decimal
TODAY = "--today=2026-11-22"


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(tunewise, ["prices", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit | PriceError):
        raise result.exception
    return result


def document(*arguments: str) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


# Looking


def test_list_shows_every_figure_with_source_and_age() -> None:
    rows = document("list", TODAY)["entries"]
    assert isinstance(rows, list) and len(rows) > 240
    mini = next(row for row in rows if row["key"].endswith("gpt-4.1-mini-2025-04-14.tuned.input_usd_per_mtok"))
    assert (mini["value"], mini["checked"], mini["age_days"], mini["stale"]) == ("0.8", "2026-11-12", 10, False)
    assert all(row["source"] for row in rows) and len({row["key"] for row in rows}) == len(rows)
    asked = document("list", "--provider", "google", TODAY)["prompt_models"]
    assert asked and all(one["provider"] == "google" and float(one["input_usd_per_mtok"]) > 0 for one in asked)
    only = document("list", "--provider", "fireworks", TODAY)["entries"]
    assert isinstance(only, list) and {row["provider"] for row in only} == {"fireworks"}
    stale = document("list", "--stale", TODAY)["entries"]
    assert isinstance(stale, list) and 0 < len(stale) < len(rows) and all(row["stale"] for row in stale)


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_a_narrow_screen_folds_and_cuts_nothing(monkeypatch: pytest.MonkeyPatch, columns: str, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    page = run("list", TODAY).stdout
    assert "…" not in page and max(len(line) for line in page.splitlines()[:-1]) <= int(columns)
    flat = "".join(page.split())
    for entry in entries(PriceBook.load(packaged_prices())):
        assert entry.model in flat, entry.key
    assert all(f"{entry.value}" in page for entry in entries(PriceBook.load()) if entry.name == "retirement")
    if columns == "80":
        assert "\nopenai gpt-4.1-mini-2025-04-14\n" in page.replace(" \n", "\n")
    newer = tmp_path / "newer.yaml"
    newer.write_text(packaged_prices().read_text().replace("train_usd_per_mtok: 0.34,", "train_usd_per_mtok: 0.51,"))
    changed = run("diff", str(packaged_prices()), str(newer)).stdout
    assert "…" not in changed
    key = "".join(line.split("  ")[0].strip() for line in changed.splitlines()[1:])
    assert key == "providers.together.Qwen/Qwen3.5-9B.training.lora.sft.train_usd_per_mtok"


def test_hourly_prices_are_stale_after_two_weeks() -> None:
    def stale(day: str) -> bool:
        rows = document("list", "--provider", "rental", f"--today={day}")["entries"]
        assert isinstance(rows, list)
        return bool(next(row["stale"] for row in rows if row["key"] == "gpu_rental.h100-80gb-sxm.low_usd_per_hour"))

    assert (stale("2026-11-23"), stale("2026-11-24")) == (False, True)  # read on 2026-11-09


def test_show_gives_conflicts_lifecycle_and_lab_prices() -> None:
    page = run("show", "Qwen/Qwen3.5-9B", TODAY).stdout
    assert "together trains" in page and "open" in page
    dispute = run("show", "together", TODAY).stdout.replace("\n", "")
    assert "min_charge: 4 USD" in dispute and "or 0 (together.ai/pricing" in dispute
    assert "closed" in run("show", "gpt-4.1-nano", TODAY).stdout
    shown = document("show", "gpt-6-luna", TODAY)
    assert isinstance(shown["inference"], dict) and shown["inference"]["input_usd_per_mtok"] == "0.1"
    assert "refuses every model" in run("show", "mistral", TODAY).stdout
    missing = run("show", "gpt-99", TODAY)
    assert missing.exit_code == 1 and "not in the price book" in str(missing.exception)


def test_check_says_what_is_old_and_holds_a_limit(tmp_path: Path) -> None:
    result = run("check", TODAY)
    assert result.exit_code == 0 and "valid" in result.stdout
    assert run("check", "--max-age", "30", TODAY).exit_code == 1
    broken = tmp_path / "broken.yaml"
    broken.write_text(packaged_prices().read_text().replace("train_usd_per_mtok: 25.00", "train_usd_per_mtok: 25000"))
    refused = run("check", str(broken))
    line = 1 + broken.read_text().splitlines().index(next(t for t in broken.read_text().splitlines() if "25000" in t))
    assert refused.exit_code == 1
    assert f"{broken}, line {line}: providers.openai.models.gpt-4.1-2025-04-14.training.0" in str(refused.exception)


def test_diff_names_what_changed_and_writes_markdown(tmp_path: Path) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_text(packaged_prices().read_text().replace("train_usd_per_mtok: 0.34,", "train_usd_per_mtok: 0.51,"))
    changes = document("diff", str(packaged_prices()), str(newer))["changes"]
    assert isinstance(changes, list) and len(changes) == 1
    assert (changes[0]["before"], changes[0]["after"], changes[0]["percent"]) == ("0.34", "0.51", "+50.0 %")
    table = run("diff", str(packaged_prices()), str(newer), "--md").stdout.splitlines()
    assert table[0] == "| figure | before | after | change | source |"
    assert "Qwen/Qwen3.5-9B.training.lora.sft" in table[2] and "| 0.34 | 0.51 | +50.0 % |" in table[2]
    assert "No figure differs." in run("diff", str(packaged_prices()), str(packaged_prices())).stdout


def test_diff_compares_the_estimates_of_two_plans(tmp_path: Path) -> None:
    block = "data: {examples: 2000, tokens_per_example: 480, output_tokens: 40}\ntask: classification\n"
    for name, volume in (("old", 10_000), ("new", 30_000)):
        workload = tmp_path / f"{name}.work.yaml"
        workload.write_text(f"{block}requests_per_month: {volume}\nmeasured: {{prompt: 0.9}}\n", encoding="utf-8")
        arguments = ["plan", "--workload", str(workload), "--out", str(tmp_path / f"{name}.yaml"), TODAY]
        made = CliRunner().invoke(tunewise, arguments)
        assert made.exit_code == 0, made.output
    both = (str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml"))
    rows = document("diff", *both)["differences"]
    assert isinstance(rows, list)
    month = next(row for row in rows if row["name"] == "monthly")
    assert D(month["after_usd"]) == 3 * D(month["before_usd"]) > 0
    request = next(row for row in rows if row["name"] == "per_request")
    assert request["before_usd"] == request["after_usd"]
    table = run("diff", *both, "--md").stdout.splitlines()
    assert table[1] == "|---|---|---|---|" and any(line.startswith("| monthly (month) | $") for line in table)
    assert "before: " in run("diff", *both).stdout
    for other in ((), (str(packaged_prices()),), (str(tmp_path / "gone.yaml"),)):
        refused = run("diff", both[0], *other)
        assert isinstance(refused.exception, PriceError) and "old.yaml is a plan, but" in str(refused.exception)


def test_an_overlay_is_checked_on_the_packaged_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of 'prices check --help', and the file that 'prices copy' writes."""
    monkeypatch.chdir(tmp_path)
    run("copy")
    monkeypatch.chdir(tmp_path.parent)  # so that it is not in use
    file = tmp_path / "pricing.local.yaml"
    assert "valid, " in run("check", str(file)).stdout
    file.write_text("gpu_rental: {l4: {typical_usd_per_hour: 0.72, source: gpu-survey, checked: 2026-11-20}}\n")
    assert document("check", str(file))["files"] == [str(packaged_prices()), str(file)]
    (change,) = document("diff", str(packaged_prices()), str(file))["changes"]  # type: ignore[misc]
    assert change["key"] == "gpu_rental.l4.typical_usd_per_hour" and change["after"] == "0.72"
    file.write_text("gpu_rental: {l4: {typical_usd_per_hour: 720, source: gpu-survey, checked: 2026-11-20}}\n")
    assert "is the unit right?" in str(run("check", str(file)).exception)


def test_copy_writes_an_overlay_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("copy").exit_code == 0 and Path("pricing.local.yaml").is_file()
    again = run("copy")
    assert again.exit_code == 1 and "exists already" in str(again.exception)
    assert run("copy", "mine.yaml", "--whole").exit_code == 0
    assert PriceBook.load(Path("mine.yaml")).as_of == PriceBook.load(packaged_prices()).as_of


# Refreshing: copies of the feeds, cut to a few rows, in the form the real ones have


def meter(name: str, usd: str, unit: str = "1K", **more: str) -> dict[str, object]:
    row = {"currencyCode": "USD", "retailPrice": float(usd), "unitOfMeasure": unit, "meterName": name}
    return {**row, "type": "Consumption", "armRegionName": "eastus2", **more}


TINKER = [
    {"tinker_id": "Qwen/Qwen3-8B", "train": "$0.50", "prefill": "$0.21", "cached_prefill": "$0.04", "sample": "$0.60"},
    {"tinker_id": "openai/gpt-oss-20b", "train": "$400.00", "prefill": "$0.18", "sample": "$0.45"},  # a wrong unit
    {"tinker_id": "somebody/new-model", "train": "$1.00", "prefill": "$0.10", "sample": "$0.40"},
]
VAST = [
    *(
        {"gpu_name": "RTX 4090", "num_gpus": cards, "dph_total": cards * usd}
        for cards, usd in ((1, 0.25), (2, 0.27), (8, 0.31))
    ),
    {"gpu_name": "RTX 4090", "num_gpus": 1, "dph_total": 0.01, "is_bid": True},
    {"gpu_name": "L40S", "num_gpus": 1, "dph_total": 0.5},  # one offer is no market
]
OPENROUTER = [
    {"id": "openai/gpt-6-luna", "pricing": {"prompt": "0.0000001", "completion": "0.0000009"}},
    {"id": "nobody/knows", "pricing": {"prompt": "0.000001", "completion": "0.000002"}},
]


def price_list(*rows: tuple[str, str, str]) -> dict[str, object]:
    """A region's list in AWS's form, of usage types with their unit and price."""
    products = {str(sku): {"attributes": {"usagetype": name}} for sku, (name, _, _) in enumerate(rows)}
    terms = {
        str(sku): {f"{sku}.T": {"priceDimensions": {f"{sku}.T.R": {"unit": unit, "pricePerUnit": {"USD": usd}}}}}
        for sku, (_, unit, usd) in enumerate(rows)
    }
    return {"offerCode": "AmazonBedrock", "products": products, "terms": {"OnDemand": terms}}


AWS = {
    "us-east-1": price_list(
        ("USE1-Nova2.0Lite-Customization-Training", "1K tokens", "0.0040000000"),
        ("USE1-Nova2.0Lite-Customization-Storage", "Month", "2.1000000000"),
        ("USE1-Nova2.0Lite-input-tokens-custom-model", "1K tokens", "0.0003500000"),
        ("USE1-NovaMicro-Customization-Training", "1K tokens", "1.0000000000"),  # a wrong unit
        ("USE1-NovaMicro-input-tokens-custom-model", "1K tokens", "0.0000350000"),  # the book has no such figure
        ("USE1-Nova2.0Lite-output-tokens-custom-model", "Bushel", "0.0025000000"),
    ),
    "us-west-2": price_list(("USW2-Llama3-3-70B-input-tokens", "1K tokens", "0.0007000000")),
}


class Answers(BaseHTTPRequestHandler):
    """Answers as the feeds do; Tinker's refuses the default client name, Azure's comes in pages."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if url.path == "/azure" and "page" not in asked:
            rows = [meter("gpt-4.1-mini FT Training global Tokens", "0.006")]
            rows += [meter("gpt-4.1-mini FT Training global Tokens", "0.0072", armRegionName="australia")]
            rows += [meter("gpt 4.1 mini dev ft training glbl Tokens", "2.75")]  # per 1K: a thousand times too much
            wanted = asked["$filter"][0]
            rows = [row for row in rows if f"'{row['meterName']}'" in wanted]
            self.answer({"Items": rows, "NextPageLink": f"http://{self.headers['Host']}/azure?page=2"})
        elif url.path == "/azure":
            self.answer(
                {"Items": [meter("gpt-4.1-mini-ft hosting global Unit", "1.90", "1 Hour")], "NextPageLink": None}
            )
        elif url.path == "/elsewhere":
            self.answer({"Items": [], "NextPageLink": "https://example.com/azure?page=2"})
        elif url.path == "/tinker" and "Python" not in self.headers["User-Agent"]:
            self.answer(TINKER)
        elif url.path.startswith("/aws/"):
            self.answer(AWS[url.path.split("/")[2]])
        elif url.path == "/vast":
            self.answer({"offers": VAST})
        elif url.path == "/openrouter":
            self.answer({"data": OPENROUTER})
        elif url.path == "/prose":
            self.answer("no longer here")
        else:
            self.send_error(403)

    def answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def feeds() -> Iterator[str]:
    with answering(HTTPServer(("127.0.0.1", 0), Answers)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def mirrors(base: str) -> list[str]:
    return [f"--url={name}={base}/{name}" for name in FEEDS]


def test_refresh_takes_known_figures_and_refuses_leaps(feeds: str, home: Path) -> None:
    result = run("refresh", *mirrors(feeds), "--today=2026-12-01", "--json")
    assert result.exit_code == 0, result.output
    by_feed = {row["feed"]: row for row in json.loads(result.stdout)["feeds"]}
    assert by_feed["azure"]["refused"] == [
        "azure gpt-4.1-mini train_usd_per_mtok: 2.5 here, 2750.0 in the feed; more than 3x apart, refused. "
        "Check the unit."
    ]
    assert len(by_feed["tinker"]["refused"]) == 1 and by_feed["tinker"]["unknown"] >= 3
    assert by_feed["openrouter"]["remarks"] == ["gpt-6-luna output: 0.5 USD/Mtok here, 0.9 at OpenRouter."]
    book = PriceBook.load()
    assert book.files == (packaged_prices(), home / "cache" / "pricing.refreshed.yaml")
    mini = book.offer("azure", "gpt-4.1-mini")
    assert mini is not None and mini.tuned is not None
    rate, developer = mini.rate(None), mini.rate(None, tier="developer")
    assert rate is not None and developer is not None
    assert (rate.price.mid, rate.price.cited.checked and rate.price.cited.checked.isoformat()) == (D("6"), "2026-12-01")
    assert developer.price.mid == D("2.5") and mini.tuned.hosting_usd_per_hour == D("1.90")
    assert rate.price.cited.source == "prices.azure.com retail price feed"
    assert (by_feed["aws"]["taken"], by_feed["aws"]["changed"], by_feed["aws"]["unknown"]) == (4, 4, 1)
    assert by_feed["aws"]["refused"] == [
        "bedrock amazon.nova-micro-v1:0 train_usd_per_mtok: 1.0 here, 1000.0 in the feed; more than 3x apart, "
        "refused. Check the unit."
    ]
    lite, llama = (
        book.offer("bedrock", f"{name}-v1:0") for name in ("amazon.nova-2-lite", "meta.llama3-3-70b-instruct")
    )
    assert lite is not None and lite.tuned is not None and lite.storage is not None and llama is not None
    training = lite.rate(None)
    assert training is not None and (training.price.mid, lite.storage.mid) == (D("4.0"), D("2.1"))
    assert (lite.tuned.input_usd_per_mtok, lite.tuned.output_usd_per_mtok) == (D("0.35"), D("2.50"))
    eight = book.offer("tinker", "Qwen/Qwen3-8B")
    assert eight is not None and eight.tuned is not None and eight.rate(None) is not None
    assert (eight.tuned.input_usd_per_mtok, eight.tuned.output_usd_per_mtok) == (D("0.21"), D("0.60"))
    card = book.gpu("rtx-4090")
    assert card is not None and (card.low, card.low_source) == (D("0.27"), "Vast (median offer)")
    untouched = book.gpu("l40s")
    assert untouched is not None and untouched.low == D("0.79")


def test_what_no_feed_gave_keeps_its_source_and_its_age(feeds: str, home: Path) -> None:
    run("refresh", *mirrors(feeds), "--today=2026-12-01")
    rows = document("list", "--today=2026-12-01")["entries"]
    assert isinstance(rows, list)
    by_key = {row["key"]: row for row in rows}
    low, typical = (by_key[f"gpu_rental.rtx-4090.{end}_usd_per_hour"] for end in ("low", "typical"))
    assert (low["value"], low["source"], low["checked"]) == ("0.27", "console.vast.ai offers, median", "2026-12-01")
    assert typical["checked"] == "2026-09-25" and "rental offers" in typical["source"]
    book = PriceBook.load()
    card = book.gpu("rtx-4090")
    assert card is not None and card.checked == date(2026, 9, 25)
    mini = book.inference("gpt-4.1-mini", "azure", tuned=True, on=date(2026, 12, 1))
    assert mini is not None and mini.checked == date(2026, 8, 11)
    assert mini.source == "prices.azure.com retail price feed, snapshot in azure-genai-prices 0.2.0; " + (
        "prices.azure.com retail price feed"
    )


def test_the_cache_holds_only_what_changed_and_yields_to_a_newer_package(feeds: str, home: Path) -> None:
    run("refresh", "vast", *mirrors(feeds), "--today=2026-12-01")
    cache = home / "cache" / "pricing.refreshed.yaml"
    tree = yaml.safe_load(cache.read_text())
    assert set(tree) == {"gpu_rental", "sources", "refreshed"} and set(tree["gpu_rental"]) == {"rtx-4090"}
    cache.write_text(cache.read_text().replace("refreshed: 2026-12-01", "refreshed: 2026-01-01"))
    assert PriceBook.load().files == (packaged_prices(),)


def test_a_dry_run_writes_nothing(feeds: str, home: Path) -> None:
    result = run("refresh", "tinker", *mirrors(feeds), "--dry-run", TODAY)
    assert result.exit_code == 0 and "nothing written" in result.stdout
    assert not (home / "cache").exists()


def test_a_feed_that_fails_does_not_stop_the_others(feeds: str, home: Path) -> None:
    result = run("refresh", "tinker", "vast", f"--url=tinker={feeds}/gone", f"--url=vast={feeds}/vast", TODAY)
    assert result.exit_code == 1 and " answered 403 Forbidden; the prices in use stay as they are." in result.stderr
    assert (home / "cache" / "pricing.refreshed.yaml").is_file()


@pytest.mark.parametrize(
    ("feed", "path", "says"),
    [
        ("tinker", "prose", "no list under 'the document'"),
        ("vast", "prose", "another form than expected"),
        ("azure", "elsewhere", "points to another host"),
        ("aws", "prose/", "answered 403"),
    ],
)
def test_a_feed_whose_form_changed_is_one_sentence(feeds: str, feed: str, path: str, says: str) -> None:
    result = run("refresh", feed, f"--url={feed}={feeds}/{path}", TODAY)
    assert result.exit_code == 1 and says in result.stderr and "Traceback" not in result.output


def test_a_feed_that_cannot_be_reached_is_one_sentence() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    result = run("refresh", "tinker", f"--url=tinker=http://127.0.0.1:{port}/", TODAY)
    assert result.exit_code == 1 and f"127.0.0.1:{port} cannot be reached" in result.stderr


def test_no_json_is_one_sentence() -> None:
    with pytest.raises(PriceError, match="did not answer with JSON"):
        collect(FEEDS["tinker"], lambda address: b"<html>")


def test_the_cheapest_region_wins_whatever_page_it_is_on() -> None:
    def fetch(address: str) -> bytes:
        if "page" in address:
            return json.dumps({"Items": [meter("gpt-4.1 FT Training global Tokens", "0.0275")]}).encode()
        rows = [meter("gpt-4.1 FT Training global Tokens", "0.025")]
        return json.dumps({"Items": rows, "NextPageLink": "https://azure.test/?page=2"}).encode()

    (reading,) = collect(FEEDS["azure"], fetch, "https://azure.test/")
    assert reading.value == D("25")


def test_an_answer_that_trickles_or_is_too_long_is_not_waited_for(feeds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_MOST_S", -1.0)
    slow = run("refresh", "tinker", f"--url=tinker={feeds}/tinker", TODAY)
    assert slow.exit_code == 1 and "takes longer than" in slow.stderr
    monkeypatch.setattr(prices, "_MOST_BYTES", 10)
    long = run("refresh", "tinker", f"--url=tinker={feeds}/tinker", TODAY)
    assert long.exit_code == 1 and "sends more than" in long.stderr


def test_a_feed_without_end_is_refused() -> None:
    asked: list[str] = []

    def fetch(address: str) -> bytes:
        asked.append(address)
        return json.dumps({"Items": [], "NextPageLink": f"https://azure.test/?page={len(asked)}"}).encode()

    with pytest.raises(PriceError, match="has more than 50 pages; nothing was taken"):
        collect(FEEDS["azure"], fetch, "https://azure.test/")


def test_an_unknown_feed_is_a_usage_error() -> None:
    result = run("refresh", "crystal-ball")
    assert result.exit_code == 2 and "There is no feed 'crystal-ball'" in result.output


@pytest.mark.parametrize(
    ("words", "environment", "pages"),
    [
        (("list",), {}, True),
        ((), {}, True),
        (("list", "--no-pager"), {}, False),
        (("list",), {"NO_PAGER": "1"}, False),
        (("list",), {"PAGER": ""}, False),
        (("list", "--provider", "tinker", "--json"), {}, False),
    ],
)
def test_a_long_list_is_shown_by_the_pager_of_a_terminal(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], pages: bool
) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\ncat; echo read by the pager\n", encoding="utf-8")
    pager.chmod(0o755)
    where = {**os.environ, "TERM": "xterm", "PAGER": str(pager), **environment}
    command = ["-m", "advisor", "prices", *words]
    said = pexpect.run(shlex.join([sys.executable, *command]), env=where, encoding="utf-8", timeout=60)
    assert said.count("read by the pager") == pages and "tinker" in said


def test_a_short_list_or_one_for_a_program_is_not(tmp_path: Path) -> None:
    where = {**os.environ, "TERM": "xterm", "PAGER": "false", "LINES": "2000"}
    command = shlex.join([sys.executable, "-m", "advisor", "prices", "list", "--provider", "tinker"])
    assert "tinker" in pexpect.run(command, env=where, encoding="utf-8", timeout=60)
    piped = subprocess.run(
        [sys.executable, "-m", "advisor", "prices", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PAGER": "false"},
        check=True,
    )
    assert piped.stdout.count("\n") > 100
