"""The price book: what it loads, refuses, and answers; who may buy what on which day."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import backends
from advisor.dataset import Dataset
from advisor.errors import PriceError
from advisor.estimate import Candidate, Strategy
from advisor.paths import packaged_prices
from advisor.pricing import Availability, PriceBook, Standing, TrainingOffer
from advisor.pricing.book import overlay_start
from advisor.pricing.entries import entries
from advisor.pricing.schema_base import BOUNDS
from advisor.pricing.user_terms import Own, OwnTerms
from advisor.recommend.gates import ruled_out
from advisor.recommend.prospect import Prospect
from advisor.tokens import profile
from advisor.workload import Workload
from backends import Method, Objective

D = Decimal
TODAY = date(2026, 11, 22)
MINIMAL = """\
version: 1
as_of: 2026-11-22
sources: {me: a test}
providers:
  acme:
    name: Acme
    billing: {rule: processed_tokens, validation_billed: false, granularity: token, source: me, checked: 2026-11-01}
    models:
      small:
        training:
          - {method: lora, train_usd_per_mtok: 0.5, source: me, checked: 2026-11-01}
"""


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.load(packaged_prices())


def written(folder: Path, text: str, name: str = "prices.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def offer(book: PriceBook, provider: str, model: str) -> TrainingOffer:
    found = book.offer(provider, model)
    assert found is not None
    return found


# What sells, to whom, when


@pytest.mark.parametrize(
    ("day", "standing", "state", "until", "says"),
    [
        ("2026-11-22", None, "restricted", "2027-01-06", "never fine-tuned (since 2026-05-07)"),
        ("2026-11-22", "never_fine_tuned", "closed", "2026-05-07", "no new jobs since 2026-05-07"),
        ("2026-11-22", "inactive", "closed", "2026-07-02", "no new jobs since 2026-07-02"),
        ("2026-11-22", "active", "closing", "2027-01-06", "gpt-4.1-mini-2025-04-14 shuts down on 2027-01-14"),
        ("2027-01-05", "active", "closing", "2027-01-06", "no new jobs from 2027-01-06"),
        ("2027-01-07", "active", "closed", "2027-01-06", "no new jobs since 2027-01-06"),
        ("2027-01-07", None, "closed", "2027-01-06", "no new jobs since 2027-01-06"),
        ("2027-01-15", "active", "closed", "2027-01-14", "was shut down on 2027-01-14"),
    ],
)
def test_openai_closes_in_steps(
    book: PriceBook, day: str, standing: Standing | None, state: str, until: str | None, says: str
) -> None:
    answer = book.availability(offer(book, "openai", "gpt-4.1-mini"), date.fromisoformat(day), standing)
    assert (answer.state, answer.until and answer.until.isoformat()) == (state, until)
    assert says in answer.reason and "deprecations" in answer.source


@pytest.mark.parametrize("model", ["gpt-4.1-nano", "o4-mini", "gpt-3.5-turbo"])
def test_dead_models_stay_in_the_book_as_closed(book: PriceBook, model: str) -> None:
    before = book.availability(offer(book, "openai", model), date(2026, 10, 22), "active")
    after = book.availability(offer(book, "openai", model), date(2026, 10, 23), "active")
    assert (before.state, after.state) == ("closing", "closed")


@pytest.mark.parametrize(
    ("provider", "model", "state"),
    [
        ("together", "Qwen/Qwen3.5-9B", "open"),
        ("replicate", "bring-your-own-trainer", "closed"),
        ("azure", "gpt-4.1-mini", "unknown"),
        ("prime_intellect", "Qwen/Qwen3.5-9B", "open"),
    ],
)
def test_other_providers(book: PriceBook, provider: str, model: str, state: str) -> None:
    answer = book.availability(offer(book, provider, model), TODAY)
    assert answer.state == state and answer.reason and answer.source


# What training costs


@pytest.mark.parametrize(
    ("provider", "model", "method", "objective", "usd"),
    [
        ("openai", "gpt-4.1-mini", None, Objective.SFT, "5"),
        ("openai", "gpt-4.1-mini", Method.LORA, Objective.DPO, "5"),  # OpenAI does not say how: any method is this
        ("together", "Qwen/Qwen3.5-9B", Method.LORA, Objective.SFT, "0.34"),  # its own price since 2026-09-11
        ("together", "Qwen/Qwen3.5-9B", Method.QLORA, Objective.SFT, "0.34"),
        ("together", "Qwen/Qwen3.5-9B", Method.FULL, Objective.SFT, "0.54"),  # the old price by size
        ("together", "Qwen/Qwen3.5-4B", Method.LORA, Objective.DPO, "1.20"),
        ("together", "mistralai/Mixtral-8x7B-Instruct-v0.1", Method.LORA, Objective.SFT, "1.50"),  # 46.7B in total
        ("fireworks", "openai/gpt-oss-120b", Method.LORA, Objective.SFT, "6.00"),
    ],
)
def test_training_rates(
    book: PriceBook, provider: str, model: str, method: Method | None, objective: Objective, usd: str
) -> None:
    rate = offer(book, provider, model).rate(method, objective)
    assert rate is not None and rate.price.mid == D(usd)


def test_a_superseded_price_is_the_dear_end_of_a_range(book: PriceBook) -> None:
    rate = offer(book, "together", "Qwen/Qwen3.5-4B").rate(Method.LORA)
    assert rate is not None and rate.price.cited.status == "superseded"
    assert (rate.price.low, rate.price.mid, rate.price.high) == (D("0.144"), D("0.48"), D("0.48"))  # 70 % less


def test_a_disputed_minimum_keeps_both_readings(book: PriceBook) -> None:
    minimum = offer(book, "together", "Qwen/Qwen3.5-9B").min_charge
    assert minimum is not None and minimum.cited.status == "disputed"
    assert (minimum.low, minimum.mid, minimum.high) == (0, 4, 4)


def test_a_disputed_batch_price_keeps_both_readings(book: PriceBook) -> None:
    batch = book.inference("gpt-4o-2024-08-06", "openai", tuned=True, tier="batch", on=TODAY)
    standard = book.inference("gpt-4o-2024-08-06", "openai", tuned=True, on=TODAY)
    assert batch is not None and standard is not None
    assert (batch.cited.status, batch.cited.confidence, standard.cited.status) == ("disputed", "low", "")
    rows = {entry.key: entry for entry in entries(book)}
    place = "providers.openai.gpt-4o-2024-08-06.tuned.batch"
    assert rows[f"{place}.output_usd_per_mtok"].readings[0].startswith("7.50 (half of the standard price")
    assert rows[f"{place}.cached_usd_per_mtok"].readings == ()
    half = rows["providers.openai.gpt-4o-mini-2024-07-18.tuned.batch.input_usd_per_mtok"]
    assert (half.status, half.source) == ("", book.content.sources["litellm"])


@pytest.mark.parametrize(
    ("provider", "model", "method"),
    [
        ("together", "moonshotai/Kimi-K2.6", Method.LORA),  # tunable, price not found
        ("together", "Qwen/Qwen3.5-35B-A3B", Method.FULL),  # LoRA only
        ("nebius", "meta-llama/Llama-3.3-70B-Instruct", Method.LORA),
    ],
)
def test_what_is_not_known_or_not_sold_has_no_rate(book: PriceBook, provider: str, model: str, method: Method) -> None:
    assert offer(book, provider, model).rate(method) is None


# What asking costs


def test_labs_are_priced_by_the_bundled_package(book: PriceBook) -> None:
    for item in book.prompt_models:
        prices = book.inference(item.model, item.provider, on=TODAY)
        assert prices is not None and "genai-prices" in prices.source, item.model
        assert 0 < prices.input_usd_per_mtok < prices.output_usd_per_mtok


def test_a_cliff_reprices_the_whole_request(book: PriceBook) -> None:
    luna = book.inference("gpt-6-luna", "openai", on=TODAY)
    assert luna is not None
    below, above = luna.at(272_000), luna.at(272_001)
    assert 272_000 * below.input_usd_per_mtok == D("27200")  # 0.0272 USD
    assert 272_001 * above.input_usd_per_mtok == D("54400.2")  # 0.0544002 USD


def test_a_tuned_model_is_never_priced_as_its_base(book: PriceBook) -> None:
    tuned = book.inference("ft:gpt-4.1-mini-2025-04-14:org::id", on=TODAY)
    base = book.inference("gpt-4.1-mini", "openai", on=TODAY)
    assert tuned is not None and base is not None
    assert (tuned.input_usd_per_mtok, base.input_usd_per_mtok) == (D("0.80"), D("0.4"))
    assert book.inference("ft:gpt-5-nano:org::id", on=TODAY) is None
    azure = book.inference("gpt-4o-mini", "azure", tuned=True, on=TODAY)
    assert azure is not None and (azure.input_usd_per_mtok, azure.hosting_usd_per_hour) == (D("0.15"), D("1.70"))


def test_an_unknown_price_is_none_and_a_misspelt_tier_an_error(book: PriceBook) -> None:
    assert book.inference("no-such-model", "openai", on=TODAY) is None
    assert book.inference("claude-haiku-5-5", "anthropic", tier="flex", on=TODAY) is None  # exists, is not sold
    assert book.inference("gpt-6-luna", "openai", tier="batch", on=date(2026, 10, 1)) is None  # not yet verified
    with pytest.raises(PriceError, match=r"no price tier 'bacth'. Did you mean 'batch'"):
        book.inference("gpt-6-luna", "openai", tier="bacth", on=TODAY)


@pytest.mark.parametrize("name", ["RTX 4090", "rtx-4090", "NVIDIA GeForce RTX 4090", "rtx4090"])
def test_a_gpu_is_found_under_its_spellings(book: PriceBook, name: str) -> None:
    rent = book.gpu(name)
    assert rent is not None
    assert (rent.low, rent.typical, rent.high) == (D("0.29"), D("0.34"), D("0.74"))
    assert book.gpu("abacus-9000") is None


# What is refused


@pytest.mark.parametrize(
    ("find", "put", "line", "field", "says"),
    [
        ("train_usd_per_mtok: 0.5", "train_usd_per_mtok: 0.5, colour: red", 11, "colour", "unknown key"),
        ("train_usd_per_mtok: 0.5", "train_usd_per_mtok: cheap", 11, "train_usd_per_mtok", "valid decimal"),
        ("train_usd_per_mtok: 0.5", "train_usd_per_mtok: 500", 11, "training.0", "is the unit right?"),
        ("train_usd_per_mtok: 0.5", "train_usd_per_mtok: -1", 11, "train_usd_per_mtok", "greater than or equal to 0"),
        ("train_usd_per_mtok: 0.5", "train_usd_per_mtok: .inf", 11, "train_usd_per_mtok", "finite"),
        ("train_usd_per_mtok: 0.5, ", "", 11, "training.0", "exactly one of"),
        (
            "lora, train_usd_per_mtok: 0.5, source: me",
            "lora, train_usd_per_mtok: 0.5, source: you",
            11,
            "training.0",
            "source 'you' is not listed",
        ),
        ("    name: Acme\n", "", 5, "providers.acme.name", "required"),
        ("as_of: 2026-11-22", "as_of: yesterday", 2, "as_of", "valid date"),
        ("version: 1", "version: 7", 1, "version", "1"),
    ],
)
def test_a_wrong_file_is_refused_with_path_line_and_field(
    tmp_path: Path, find: str, put: str, line: int, field: str, says: str
) -> None:
    assert find in MINIMAL
    path = written(tmp_path, MINIMAL.replace(find, put))
    with pytest.raises(PriceError) as caught:
        PriceBook.load(path)
    text = str(caught.value)
    assert f"{path}, line {line}: " in text and field in text and says in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1,\n b: }", "line 2: this is not valid YAML"),
        ("a: 1\nb: {c: 1, d: 2,\n    c: 3}\n", "line 3: this is not valid YAML (the key 'c' appears twice)"),
        ("- 1\n", "line 1: a price file is a mapping"),
        ("", "line 1: a price file is a mapping"),
        ("version: 1\nas_of: 2026-13-45\n", "line 2: this is not valid YAML (2026-13-45: month must be in 1..12)"),
    ],
)
def test_what_is_no_price_file_at_all(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PriceError, match=r"prices\.yaml") as caught:
        PriceBook.load(path)
    assert says in str(caught.value)


def test_an_overlay_named_as_the_whole_file_is_told_where_it_belongs(tmp_path: Path) -> None:
    path = written(tmp_path, "own: {tax_rate: 0.19}\n")
    with pytest.raises(PriceError, match=r"has to be a whole price file; a pricing\.local\.yaml in the working folder"):
        PriceBook.load(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PriceError, match="there is no such price file"):
        PriceBook.load(tmp_path / "nothing.yaml")


def test_every_packaged_price_off_by_a_thousand_is_caught() -> None:
    """Multiply and divide each figure by 1000, one at a time: its bounds must refuse both."""
    from advisor.pricing import schema, schema_base, source_file

    tree = source_file.read(packaged_prices()).tree
    parts: dict[str, type[schema_base.Part]] = {
        "min_charge": schema.Amount, "training": schema.Rate, "tuned": schema.Tokens, "base": schema.Tokens,
        "batch": schema.BatchTokens, "dedicated": schema.Replica, "storage": schema.Storage,
        "gpu_rental": schema.Rental, "multipliers": schema.Multiplier,
    }  # fmt: skip
    tried = 0

    def visit(node: object, part: type[schema_base.Part] | None) -> None:
        nonlocal tried
        if isinstance(node, dict):
            for key, value in node.items():
                if part is not None and key in BOUNDS and value:
                    for factor in (D(1000), D("0.001")):
                        wrong = {key: D(value) * factor}
                        made = part.model_construct(**{**dict.fromkeys(part.model_fields), **wrong})
                        with pytest.raises(ValueError, match="is the unit right"):
                            made._within_bounds()
                        tried += 1
                visit(value, parts.get(str(key), part))
        elif isinstance(node, list):
            for item in node:
                visit(item, part)

    visit(tree, None)
    assert tried > 400


def test_a_true_price_out_of_bounds_needs_a_word(tmp_path: Path) -> None:
    strange = MINIMAL.replace("train_usd_per_mtok: 0.5", "train_usd_per_mtok: 100, unusual: true")
    rate = offer(PriceBook.load(written(tmp_path, strange)), "acme", "small").rate(Method.LORA)
    assert rate is not None and rate.price.mid == 100


# What is said in two places


@pytest.mark.parametrize("name", ["openai", "together", "nebius", "replicate"])
def test_the_book_and_the_backend_take_the_same_files(book: PriceBook, name: str) -> None:
    rule = book.providers[name].files
    assert rule is not None and rule.max_bytes == getattr(backends.get(name), "most_bytes")  # noqa: B009


def test_a_refusal_of_openai_names_the_dates_of_the_book(book: PriceBook) -> None:
    closed = getattr(backends.get("openai"), "provider").closed  # noqa: B009
    dates = {ending.new_jobs_until.isoformat() for ending in book.providers["openai"].lifecycle}
    assert set(re.findall(r"\d{4}-\d{2}-\d{2}", closed)) == dates | {"2027-01-14"}
    assert offer(book, "openai", "gpt-4.1-mini").retires == date(2027, 1, 14)


def image_rows(folder: Path, text: str = "What is this?") -> Dataset:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    asked = {"role": "user", "content": [{"type": "text", "text": text}, picture]}
    row = json.dumps({"messages": [asked, {"role": "assistant", "content": "A cat."}]})
    return Dataset.open(written(folder, f"{row}\n" * 12, "images.jsonl"))


@pytest.mark.parametrize(
    ("backend", "model", "refused"),
    [
        ("openai", "gpt-4o-2024-08-06", False),
        ("openai", "gpt-4o-mini-2024-07-18", True),
        ("openai", "gpt-4.1-2025-04-14", True),
        ("openai", None, False),
        ("replicate", None, True),
        ("together", "google/gemma-4-31B-it-VLM", False),
    ],
)
def test_check_and_plan_agree_on_who_takes_images(
    book: PriceBook, tmp_path: Path, backend: str, model: str | None, refused: bool
) -> None:
    found = profile(image_rows(tmp_path), backend=backend, model=model)
    assert ("images_not_taken" in {problem.code for problem in found.problems}) is refused
    if model is None:
        return
    sold = offer(book, backend, model)
    prospect = Prospect("x", Candidate(Strategy.HOSTED, backend, model), offer=sold)
    reason = ruled_out(prospect, found, Workload(), book, None, Availability("open", None, "", ""), TODAY)
    assert ("hold images" in (reason or "")) is refused


def test_a_check_without_backend_or_model_leaves_the_book_shut(tmp_path: Path) -> None:
    rows = image_rows(tmp_path).paths[0]
    code = (
        "import sys; from advisor.dataset import Dataset; from advisor.tokens import profile\n"
        f"profile(Dataset.open({str(rows)!r})); print('advisor.pricing.book' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "False"


def test_the_limits_are_those_of_the_price_file_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = image_rows(tmp_path, "long " * 400)

    def codes() -> set[str]:
        return {item.code for item in profile(rows, backend="openai", model="gpt-4o-mini").problems}

    assert not {"over_token_limit", "file_too_large"} & codes()
    limits = "{max_context: {sft: 200}, source: me, checked: 2026-11-22}"
    overlay = (
        f"sources: {{me: a test}}\nproviders: {{openai: {{models: {{gpt-4o-mini-2024-07-18: {{limits: {limits}}}}}}}}}"
    )
    written(tmp_path, overlay, "pricing.local.yaml")
    assert "over_token_limit" in codes()


def test_every_source_is_cited_somewhere(book: PriceBook) -> None:
    text = packaged_prices().read_text(encoding="utf-8")
    assert [name for name in book.content.sources if f"source: {name}," not in text] == []


def test_an_editor_refuses_what_loading_refuses_and_takes_the_packaged_file() -> None:
    lines = packaged_prices().read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 160
    named = lines[0].removeprefix("# yaml-language-server: $schema=")
    validator = Draft202012Validator(json.loads((packaged_prices().parent / named).read_text(encoding="utf-8")))
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)  # as editors read a date
    content = yaml.load("\n".join(lines), Loader=loader)
    assert [error.message for error in validator.iter_errors(content)] == []
    content["providers"]["openai"]["colour"] = "red"
    content["gpu_rental"]["t4"]["low_usd_per_hour"] = "cheap"
    found = " ".join(error.message for error in validator.iter_errors(content))
    assert "'colour' was unexpected" in found and "'cheap' is not of type 'number'" in found


def test_decimals_are_exact() -> None:
    for entry in entries(PriceBook.load(packaged_prices())):
        assert not isinstance(entry.value, float), entry.key


# Overlays


def test_overlays_lie_over_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.chdir(tmp_path)
    usual = PriceBook.load()
    assert usual.files == (packaged_prices(),) and usual.discount("openai") == 0
    (home / "cache").mkdir(parents=True)
    written(home / "cache", "own: {discounts: {openai: 0.1, together: 0.2}}\n", "pricing.refreshed.yaml")
    written(home, "own: {discounts: {together: 0.3}, tax_rate: 0.19}\n", "pricing.yaml")
    written(tmp_path, "own: {discounts: {azure: 0.4}}\n", "pricing.local.yaml")
    book = PriceBook.load()
    assert len(book.files) == 4
    assert [book.discount(name) for name in ("openai", "together", "azure")] == [D("0.1"), D("0.3"), D("0.4")]
    assert book.content.own.tax_rate == D("0.19")
    named = written(tmp_path, MINIMAL)
    assert PriceBook.load(named).files == (named,)  # a file the user names replaces everything
    monkeypatch.setenv("TUNEWISE_PRICING", str(named))
    assert PriceBook.load().files == (named,)


def test_an_overlay_changes_one_price_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(
        tmp_path,
        "sources: {ours: our contract}\n"
        "providers: {openai: {models: {gpt-4o-mini-2024-07-18: {tuned:\n"
        "  {input_usd_per_mtok: 0.20, source: ours, checked: 2026-11-20}}}}}\n",
        "pricing.local.yaml",
    )
    prices = PriceBook.load().inference("gpt-4o-mini", "openai", tuned=True, on=TODAY)
    assert prices is not None and prices.source.startswith("our contract; litellm")
    assert prices.checked == date(2026, 11, 12)  # the other figures are as old as they were
    assert (prices.input_usd_per_mtok, prices.output_usd_per_mtok) == (D("0.20"), D("1.20"))


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("gpu_rental: {l4: {typical_usd_per_hour: 0.72}}\n", 1, "gpu_rental.l4.typical_usd_per_hour"),
        ("gpu_rental:\n  l4:\n    typical_usd_per_hour: 0.72\n    source: gpu-survey\n", 3, "gpu_rental.l4.typical"),
        ("providers:\n  together:\n    min_charge: {usd: 5}\n", 3, "providers.together.min_charge.usd"),
        ("providers: {together: {closure: {state: closed}}}\n", 1, "required"),
        (
            "providers:\n  openai:\n    models:\n      gpt-4o-mini-2024-07-18:\n        tuned:\n          batch:\n"
            "            {input_usd_per_mtok: 0.10, output_usd_per_mtok: 0.40}\n",
            6,
            "providers.openai.models.gpt-4o-mini-2024-07-18.tuned.batch",
        ),
    ],
)
def test_a_changed_figure_needs_its_own_source_and_date(tmp_path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(PriceError) as caught:
        PriceBook.load(packaged_prices(), overlays=(written(tmp_path, text, "mine.yaml"),))
    assert f"mine.yaml, line {line}: " in str(caught.value) and field in str(caught.value)


def test_an_overlay_speaks_for_its_own_figures_alone(tmp_path: Path) -> None:
    text = """\
sources: {ours: our contract}
gpu_rental: {l4: {typical_usd_per_hour: 0.72, source: ours, checked: 2026-11-20, confidence: high}}
providers:
  together: {min_charge: {usd: 5, source: ours, checked: 2026-11-20}}
  openai: {models: {gpt-4o-2024-08-06: {tuned: {input_usd_per_mtok: 3, source: ours, checked: 2026-11-20}}}}
"""
    book = PriceBook.load(packaged_prices(), overlays=(written(tmp_path, text),))
    rows = {entry.key: entry for entry in entries(book)}
    low, typical, high = (rows[f"gpu_rental.l4.{end}_usd_per_hour"] for end in ("low", "typical", "high"))
    assert (typical.value, typical.source, typical.checked) == (D("0.72"), "our contract", date(2026, 11, 20))
    assert low.checked == high.checked == date(2026, 8, 21) and low.confidence == "low"
    card = book.gpu("l4")
    assert card is not None and (card.source, card.checked) == ("our contract", date(2026, 11, 20))
    minimum = offer(book, "together", "Qwen/Qwen3.5-9B").min_charge
    assert minimum is not None and (minimum.low, minimum.high, minimum.cited.status) == (D(5), D(5), "")
    batch = rows["providers.openai.gpt-4o-2024-08-06.tuned.batch.output_usd_per_mtok"]
    assert batch.status == "disputed" and batch.source.startswith("batch table")


def test_an_error_in_an_overlay_names_the_overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "own:\n  discounts: {openai: 0.1}\n  tax_rate: 19\n", "pricing.local.yaml")
    with pytest.raises(PriceError, match=r"^pricing\.local\.yaml, line 3: own\.tax_rate: .*less than 1"):
        PriceBook.load()


def test_the_starter_overlay_is_valid_as_it_is_and_with_its_comments_removed(tmp_path: Path) -> None:
    plain = written(tmp_path, overlay_start(), "a.yaml")
    assert PriceBook.load(packaged_prices(), overlays=(plain,)).discount("openai") == 0
    lines = overlay_start().replace("\nown: {}\n", "").splitlines()[4:]
    opened = "\n".join(line.removeprefix("# ") for line in lines)
    assert "own" in yaml.safe_load(opened)
    book = PriceBook.load(packaged_prices(), overlays=(written(tmp_path, opened, "b.yaml"),))
    rate = offer(book, "together", "Qwen/Qwen3.5-9B").rate(Method.LORA)
    assert book.discount("openai") == D("0.10") and rate is not None and rate.price.mid == D("0.30")


def test_the_overlay_of_the_guide_is_valid_and_complete(tmp_path: Path) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "concepts" / "estimates.md").read_text(encoding="utf-8")
    block = next(text for text in guide.split("```yaml\n") if text.startswith("own:")).split("```")[0]
    own = PriceBook.load(packaged_prices(), overlays=(written(tmp_path, block),)).content.own
    assert own.terms.model_fields_set == set(OwnTerms.model_fields)
    assert own.model_fields_set == set(Own.model_fields)


def test_loading_is_quick_and_leaves_the_price_package_alone() -> None:
    code = (
        "import time; start = time.process_time()\n"
        "from advisor.pricing import PriceBook; PriceBook.load()\n"
        "import sys; assert 'genai_prices' not in sys.modules; print(time.process_time() - start)"
    )

    def seconds() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
        return float(done.stdout)

    runs = [seconds() for _ in range(3)]
    assert min(runs) < 0.6  # 0.2 s on an idle machine; room for a busy one


def test_our_figures_are_those_that_were_collected(book: PriceBook, shared: Path) -> None:
    """Compare every figure that has a row in the collected table with that row."""
    with (shared / "data" / "prices" / "prices.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    compared = 0
    for row in rows:
        ours = _ours(book, row["provider"].replace("-", "_"), row["model"].removeprefix("ft:"), row["kind"])
        if ours is None:
            continue
        compared += 1
        assert ours == D(row["usd"]), row
    assert compared > 130


def _ours(book: PriceBook, provider: str, model: str, kind: str) -> Decimal | None:
    """Return our figure for a row of the collected table; None where we keep none of that kind."""
    if provider == "SUMMARY":
        rent = book.gpu(model)
        return (
            {"gpu_rental_min": rent.low, "gpu_rental_median": rent.typical, "gpu_rental_max": rent.high}[kind]
            if rent
            else None
        )
    found = book.offer(provider, model)
    if found is None or "regional" in kind or "max_region" in kind or "STALE" in kind:
        return None
    if found.tuned is not None:
        tokens = {
            "ft_inference_input": found.tuned.input_usd_per_mtok,
            "ft_inference_input_global": found.tuned.input_usd_per_mtok,
            "tinker_prefill": found.tuned.input_usd_per_mtok,
            "ft_inference_cached_input": found.tuned.cached_usd_per_mtok,
            "ft_inference_cached_input_global": found.tuned.cached_usd_per_mtok,
            "tinker_cached_prefill": found.tuned.cached_usd_per_mtok,
            "ft_inference_output": found.tuned.output_usd_per_mtok,
            "ft_inference_output_global": found.tuned.output_usd_per_mtok,
            "tinker_sample": found.tuned.output_usd_per_mtok,
            "ft_hosting_global": found.tuned.hosting_usd_per_hour,
        }
        if kind in tokens:
            return tokens[kind]
    objective = "rft" if "rft" in kind else "sft"
    tier = {"developer": "developer", "datazone": "data_zone"}.get(kind.rsplit("_", 1)[-1], "standard")
    if kind.startswith("ft_training") or kind == "tinker_train":
        rate = found.rate(None, objective, tier)
        return None if rate is None else rate.price.mid
    return None
