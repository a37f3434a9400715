"""Public price feeds that need no key: what each says, read from its bytes; asking the network is the caller's part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from statistics import median
from urllib.parse import quote, urljoin, urlsplit

from advisor.errors import PriceError

# Feeds whose prices replace ours; OpenRouter's are another seller's and only compared.
_AZURE = "https://prices.azure.com/api/retail/prices"
_AWS = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonBedrock/current"
_TINKER = "https://tinker-docs.thinkingmachines.ai/tinker/models.json"
_VAST = "https://console.vast.ai/api/v0/bundles/"
_OPENROUTER = "https://openrouter.ai/api/v1/models"
_FEWEST_OFFERS = 3
_MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure a feed gives: where it belongs in the book, and its value there in US dollars.

    ``block`` is training, tuned, base, storage (of the provider, without a model), rental or compare; ``field`` the
    key in it; ``objective`` and ``tier`` pick a training rate.
    """

    provider: str
    model: str
    block: str
    field: str
    value: Decimal
    objective: str = "sft"
    tier: str = "standard"


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed: where to ask, and how to read one answer into readings and the next address (None: done)."""

    name: str
    source: str
    addresses: Callable[[str], tuple[str, ...]]
    read: Callable[[bytes, str], tuple[tuple[Reading, ...], str | None]]
    url: str


def _meters() -> dict[str, tuple[str, str, str, str, str]]:
    """Return Azure's meter name -> model, block, field, objective, tier."""
    found: dict[str, tuple[str, str, str, str, str]] = {}
    for model in ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"):
        plain, short = model.replace("-", " ", 1), model.removeprefix("gpt-")
        spaced = plain.replace("-", " ")
        found[f"{model} FT Training global Tokens"] = (model, "training", "train_usd_per_mtok", "sft", "standard")
        found[f"{spaced} dev ft training glbl Tokens"] = (model, "training", "train_usd_per_mtok", "sft", "developer")
        zone = f"{short.replace('-', ' ')} ft training Dz Tokens"
        found[zone] = (model, "training", "train_usd_per_mtok", "sft", "data_zone")
        found[f"{model}-ft hosting global Unit"] = (model, "tuned", "hosting_usd_per_hour", "", "")
        for word, field in (("input", "input"), ("cached input", "cached"), ("output", "output")):
            found[f"{model}-ft {word} global Tokens"] = (model, "tuned", f"{field}_usd_per_mtok", "", "")
    for model, prefix, training, output in (
        ("gpt-4o", "gpt-4o-0806-FT", "Trng-glbl tkn", "outp"),
        ("gpt-4o-mini", "gpt-4o-mini-0718-FT", "Trng-glbl", "Outp"),
    ):
        found[f"{prefix}-{training} Tokens"] = (model, "training", "train_usd_per_mtok", "sft", "standard")
        found[f"{prefix}-Hstng-glbl Unit"] = (model, "tuned", "hosting_usd_per_hour", "", "")
        found[f"{prefix}-inp-glbl Tokens"] = (model, "tuned", "input_usd_per_mtok", "", "")
        found[f"{prefix}-{output}-glbl Tokens"] = (model, "tuned", "output_usd_per_mtok", "", "")
    for model, training, hosting, asked, answered in (
        ("gpt-oss-20b", "OSS-20b FT", "OSS-20b FT Deployment Hosting", "GPT-OSS-20b-IN-FT", "GPT-OSS-20b-Out-FT"),
        ("llama-3.3-70b", "3.3 70b FT", "3.3 70b FT Deployment Hosting", "Llama3.3 70b-IN-FT", "Llama3.3-Out-FT"),
        (
            "ministral-3b",
            "Mnstrl 3B FT",
            "Mnstrl 3B FT Deployment Hosting",
            "Ministral 3B Model In-FT",
            "Ministral 3B Model Out-FT",
        ),
    ):
        found[f"{training} Tokens"] = (model, "training", "train_usd_per_mtok", "sft", "standard")
        found[f"{hosting} Unit"] = (model, "tuned", "hosting_usd_per_hour", "", "")
        found[f"{asked} Tokens"] = (model, "tuned", "input_usd_per_mtok", "", "")
        found[f"{answered} Tokens"] = (model, "tuned", "output_usd_per_mtok", "", "")
    return found


# What Azure's units are of ours (a million tokens, an hour).
_AZURE_UNITS = {"1K": Decimal(1000), "1M": Decimal(1), "1": Decimal(1), "1 Hour": Decimal(1), "1/Hour": Decimal(1)}


def _azure_addresses(url: str) -> tuple[str, ...]:
    names = list(_meters())
    asked = []
    for start in range(0, len(names), 10):
        wanted = " or ".join(f"meterName eq '{name}'" for name in names[start : start + 10])
        asked.append(f"{url}?$filter={quote(wanted)}")
    return tuple(asked)


def _read_azure(body: bytes, asked: str) -> tuple[tuple[Reading, ...], str | None]:
    answer = _mapping(_parsed(body), "Azure")
    meters = _meters()
    cheapest: dict[str, Decimal] = {}
    for row in _list(answer.get("Items"), "Azure", "Items"):
        item = _mapping(row, "Azure")
        name, scale = str(item.get("meterName")), _AZURE_UNITS.get(str(item.get("unitOfMeasure")))
        usd = _decimal(item.get("retailPrice"))
        sold = item.get("type") == "Consumption" and item.get("currencyCode") == "USD"
        if name in meters and scale and usd and sold:
            cheapest[name] = min(usd * scale, cheapest.get(name, usd * scale))
    readings = []
    for name, usd in cheapest.items():
        model, block, field, objective, tier = meters[name]
        readings.append(Reading("azure", model, block, field, usd, objective, tier))
    following = answer.get("NextPageLink")
    if not isinstance(following, str) or not following:
        return tuple(readings), None
    next_page = urljoin(asked, following)
    if urlsplit(next_page)[:2] != urlsplit(asked)[:2]:
        raise PriceError(f"The Azure feed points to another host ({urlsplit(next_page).netloc}); nothing was taken.")
    return tuple(readings), next_page


# The regions in which Bedrock tunes, with what their usage types begin with, and what they call the models.
_AWS_REGIONS = {"us-east-1": "USE1", "us-west-2": "USW2"}
_AWS_MODELS = {
    "Nova2.0Lite": "amazon.nova-2-lite-v1:0",
    "NovaMicro": "amazon.nova-micro-v1:0",
    "Llama3-3-70B": "meta.llama3-3-70b-instruct-v1:0",
}
_AWS_FIGURES = {
    "Customization-Training": ("training", "train_usd_per_mtok"),
    "Customization-Storage": ("storage", "usd_per_model_month"),
    "input-tokens-custom-model": ("tuned", "input_usd_per_mtok"),
    "output-tokens-custom-model": ("tuned", "output_usd_per_mtok"),
    "input-tokens": ("base", "input_usd_per_mtok"),
    "output-tokens": ("base", "output_usd_per_mtok"),
}
# What AWS's units are of ours (a million tokens; a month), by the words of its list.
_AWS_UNITS = {"1k tokens": Decimal(1000), "1m tokens": Decimal(1), "month": Decimal(1), "model-month": Decimal(1)}


def _aws_addresses(url: str) -> tuple[str, ...]:
    return tuple(f"{url}/{region}/index.json" for region in _AWS_REGIONS)


def _read_aws(body: bytes, asked: str) -> tuple[tuple[Reading, ...], str | None]:
    """Read one region's list: a product says what it is, its on-demand term what it costs, a thousand tokens mostly."""
    answer = _mapping(_parsed(body), "AWS")
    terms = _mapping(_mapping(answer.get("terms"), "AWS").get("OnDemand"), "AWS")
    names = {
        f"{prefix}-{short}-{kind}": ("" if block == "storage" else model, block, field)
        for prefix in _AWS_REGIONS.values()
        for short, model in _AWS_MODELS.items()
        for kind, (block, field) in _AWS_FIGURES.items()
    }
    readings = []
    for sku, product in _mapping(answer.get("products"), "AWS").items():
        place = names.get(str(_mapping(_mapping(product, "AWS").get("attributes"), "AWS").get("usagetype")))
        if place is None:
            continue
        for term in _mapping(terms.get(sku, {}), "AWS").values():
            for dimension in _mapping(_mapping(term, "AWS").get("priceDimensions"), "AWS").values():
                row = _mapping(dimension, "AWS")
                scale = _AWS_UNITS.get(str(row.get("unit")).lower())
                usd = _decimal(_mapping(row.get("pricePerUnit"), "AWS").get("USD"))
                if scale and usd:
                    readings.append(Reading("bedrock", *place, usd * scale))
    return tuple(readings), None


def _read_tinker(body: bytes, asked: str) -> tuple[tuple[Reading, ...], str | None]:
    readings = []
    for row in _list(_parsed(body), "Tinker", "the document"):
        item = _mapping(row, "Tinker")
        model = str(item.get("tinker_id"))
        for key, block, field in (
            ("train", "training", "train_usd_per_mtok"),
            ("prefill", "tuned", "input_usd_per_mtok"),
            ("cached_prefill", "tuned", "cached_usd_per_mtok"),
            ("sample", "tuned", "output_usd_per_mtok"),
        ):
            usd = _decimal(item.get(key))
            if usd is not None:
                readings.append(Reading("tinker", model, block, field, usd))
    return tuple(readings), None


def _vast_addresses(url: str) -> tuple[str, ...]:
    query = {"verified": {"eq": True}, "rentable": {"eq": True}, "type": "on-demand", "limit": 1000}
    return (f"{url}?q={quote(json.dumps(query))}",)


def _read_vast(body: bytes, asked: str) -> tuple[tuple[Reading, ...], str | None]:
    """Read the median price of one GPU of each type; ``dph_total`` is the whole machine's."""
    answer = _mapping(_parsed(body), "Vast")
    prices: dict[str, list[Decimal]] = {}
    for row in _list(answer.get("offers"), "Vast", "offers"):
        item = _mapping(row, "Vast")
        usd, cards = _decimal(item.get("dph_total")), _decimal(item.get("num_gpus"))
        if usd and cards and not item.get("is_bid"):
            prices.setdefault(str(item.get("gpu_name")), []).append(usd / cards)
    return tuple(
        Reading("rental", name, "rental", "low_usd_per_hour", median(found).quantize(Decimal("0.0001")))
        for name, found in prices.items()
        if len(found) >= _FEWEST_OFFERS
    ), None


def _read_openrouter(body: bytes, asked: str) -> tuple[tuple[Reading, ...], str | None]:
    answer = _mapping(_parsed(body), "OpenRouter")
    readings = []
    for row in _list(answer.get("data"), "OpenRouter", "data"):
        item = _mapping(row, "OpenRouter")
        seller, _, model = str(item.get("id")).partition("/")
        prices = item.get("pricing")
        if not isinstance(prices, dict):
            continue
        for key, field in (("prompt", "input_usd_per_mtok"), ("completion", "output_usd_per_mtok")):
            usd = _decimal(prices.get(key))
            if usd is not None and usd >= 0:
                readings.append(Reading(seller, model, "compare", field, usd * 1_000_000))
    return tuple(readings), None


def _one(url: str) -> tuple[str, ...]:
    return (url,)


FEEDS: Mapping[str, Feed] = {
    feed.name: feed
    for feed in (
        Feed("azure", "prices.azure.com retail price feed", _azure_addresses, _read_azure, _AZURE),
        Feed("aws", "pricing.us-east-1.amazonaws.com price list", _aws_addresses, _read_aws, _AWS),
        Feed("tinker", "tinker-docs.thinkingmachines.ai models.json", _one, _read_tinker, _TINKER),
        Feed("vast", "console.vast.ai offers, median", _vast_addresses, _read_vast, _VAST),
        Feed("openrouter", "openrouter.ai models", _one, _read_openrouter, _OPENROUTER),
    )
}


def collect(feed: Feed, fetch: Callable[[str], bytes], url: str | None = None) -> tuple[Reading, ...]:
    """Ask ``feed`` through ``fetch`` (address -> body), page by page; of several offers of one figure the cheapest.

    Raises PriceError when the feed answers nonsense, or more pages than are read: half a market has no cheapest offer.
    """
    cheapest: dict[Reading, Reading] = {}
    for reading in _pages(feed, fetch, url or feed.url):
        place = replace(reading, value=Decimal(0))
        known = cheapest.get(place)
        if known is None or reading.value < known.value:
            cheapest[place] = reading
    return tuple(cheapest.values())


def _pages(feed: Feed, fetch: Callable[[str], bytes], url: str) -> Iterator[Reading]:
    for address in feed.addresses(url):
        following: str | None = address
        for _ in range(_MOST_PAGES):
            if following is None:
                break
            readings, following = feed.read(fetch(following), following)
            yield from readings
        if following is not None:
            raise PriceError(
                f"The {feed.name} feed has more than {_MOST_PAGES} pages; nothing was taken. Ask a mirror with --url."
            )


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise PriceError(f"The feed did not answer with JSON ({error}); nothing was taken.") from error


def _mapping(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PriceError(f"The {name} feed has another form than expected; nothing was taken.")
    return value


def _list(value: object, name: str, key: str) -> list[object]:
    if not isinstance(value, list):
        raise PriceError(f"The {name} feed has no list under '{key}'; its form changed, nothing was taken.")
    return value


def _decimal(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value).strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
