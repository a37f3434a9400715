"""Turns what feeds say into an overlay of the packaged file: known figures only, and none that moved more than 3x."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import yaml

from advisor.paths import packaged_prices
from advisor.pricing import source_file
from advisor.pricing.book import PriceBook
from advisor.pricing.feeds import Feed, Reading
from advisor.pricing.overlay import Tree
from advisor.pricing.schema_base import BOUNDS

# A price that moves more than this between two readings is more likely a wrong unit than a new price.
MOST = Decimal(3)
# OpenRouter's prices are compared with ours; a difference up to this share is its margin.
_MARGIN = Decimal("0.1")

Place: TypeAlias = "tuple[str | int, ...]"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of one feed: figures taken, refusals and remarks (each one sentence), and names we do not carry."""

    feed: str
    taken: int
    changed: int
    refused: tuple[str, ...]
    remarks: tuple[str, ...]
    unknown: int


class Overlay:
    """The overlay being made; ``tree`` is what will be written."""

    def __init__(self, today: date) -> None:
        self._base = source_file.read(packaged_prices()).tree
        self._book = PriceBook.load(packaged_prices(), overlays=())
        self._today = today
        self.tree: Tree = {}

    @property
    def empty(self) -> bool:
        return not self.tree

    def take(self, feed: Feed, readings: Sequence[Reading]) -> Refreshed:
        """Lay one feed's readings over the packaged figures."""
        taken = changed = unknown = 0
        refused: list[str] = []
        remarks: list[str] = []
        for reading in readings:
            if reading.block == "compare":
                remark = self._compared(reading)
                taken += remark is not None
                remarks += [remark] if remark else []
                continue
            place = self._place(reading)
            entry = _at(self._base, place) if place else None
            current = entry.get(reading.field) if isinstance(entry, dict) else None
            if place is None or not isinstance(current, Decimal | int) or not current:
                unknown += 1
                continue
            sentence = _refusal(reading, Decimal(current))
            if sentence:
                refused.append(sentence)
                continue
            if reading.block == "rental" and not _is_low_end(entry, reading):
                continue
            taken += 1
            changed += reading.value != current
            self._set(place, reading, feed)
        return Refreshed(feed.name, taken, changed, tuple(refused), tuple(remarks), unknown)

    def write(self, path: Path) -> None:
        """Validate the overlay on top of the packaged file, then write it. Raises PriceError, writing nothing."""
        text = "# Written by 'tunewise prices refresh'. Delete it to go back to the packaged prices.\n"
        text += yaml.dump(self.tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        try:
            PriceBook.load(packaged_prices(), overlays=(draft,))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _place(self, reading: Reading) -> Place | None:
        """Return where in the file the figure's entry stands; None when the book has none."""
        if reading.block == "rental":
            rent = self._book.gpu(reading.model)
            return None if rent is None else ("gpu_rental", rent.name)
        if reading.block == "storage":
            return ("providers", reading.provider, "storage")
        place = ("providers", reading.provider, "models", reading.model, reading.block)
        if reading.block in ("tuned", "base"):
            return place
        rates = _at(self._base, place)
        if not isinstance(rates, list):
            return None
        number = next((number for number, rate in enumerate(rates) if _matches(rate, reading)), None)
        return None if number is None else (*place, number)

    def _set(self, place: Place, reading: Reading, feed: Feed) -> None:
        """Copy the entry into the overlay, a list of rates as a whole, and put the new figure in.

        Only this figure was read today: where the entry has others, those keep their source and their age.
        """
        keys = [key for key in place if isinstance(key, str)]
        parent: Tree = self.tree
        for key in keys[:-1]:
            parent = _below(parent, key)
        copied = parent.setdefault(keys[-1], copy.deepcopy(_at(self._base, tuple(keys))))
        entry = copied[place[-1]] if isinstance(copied, list) and isinstance(place[-1], int) else copied
        assert isinstance(entry, dict)
        entry[reading.field] = reading.value
        stated: Tree = {"source": f"feed-{feed.name}", "checked": self._today}
        if [key for key in entry if key in BOUNDS] == [reading.field] and "batch" not in entry:
            entry.update(stated)
        else:
            if "confidence" in entry:
                stated["confidence"] = entry["confidence"]
            _below(entry, "figures")[reading.field] = stated
        if reading.block == "rental":
            entry["low_at"] = "Vast (median offer)"
        _below(self.tree, "sources")[f"feed-{feed.name}"] = feed.source
        self.tree["refreshed"] = self._today

    def _compared(self, reading: Reading) -> str | None:
        for item in self._book.prompt_models:
            if reading.model.replace(".", "-") != item.model.replace(".", "-"):
                continue
            ours = self._book.inference(item.model, item.provider, on=self._today)
            if ours is None:
                return None
            usd: Decimal = getattr(ours, reading.field)
            if abs(reading.value - usd) > _MARGIN * usd:
                field = reading.field.removesuffix("_usd_per_mtok")
                return f"{item.model} {field}: {_plain(usd)} USD/Mtok here, {_plain(reading.value)} at OpenRouter."
        return None


class _Dumper(yaml.SafeDumper):
    """The safe dumper, writing decimals as plain numbers and a date that occurs twice twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(
    Decimal, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", _plain(value))
)


def _plain(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros, with a point so that YAML reads a decimal."""
    text = f"{value:f}"
    text = text.rstrip("0") if "." in text else f"{text}."
    return text + "0" if text.endswith(".") else text


def _refusal(reading: Reading, current: Decimal) -> str | None:
    if current / MOST <= reading.value <= current * MOST:
        return None
    what = f"{reading.provider} {reading.model} {reading.field}"
    apart = f"{_plain(current)} here, {_plain(reading.value)} in the feed"
    return f"{what}: {apart}; more than {MOST}x apart, refused. Check the unit."


def _matches(rate: object, reading: Reading) -> bool:
    if not isinstance(rate, dict):
        return False
    objectives = rate.get("objectives", ["sft"])
    tier = rate.get("tier", "standard")
    return reading.field in rate and reading.objective in objectives and tier == reading.tier


def _is_low_end(entry: object, reading: Reading) -> bool:
    """Tell whether this market is the cheap end of the range: it was already, or it is now."""
    assert isinstance(entry, dict)
    was = str(entry["low_at"]).startswith("Vast")
    low, typical = Decimal(entry["low_usd_per_hour"]), Decimal(entry["typical_usd_per_hour"])
    return (was or reading.value < low) and reading.value <= typical


def _below(tree: Tree, key: str) -> Tree:
    node = tree.setdefault(key, {})
    assert isinstance(node, dict)
    return node


def _at(tree: Tree, place: Place) -> object:
    node: object = tree
    for key in place:
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and isinstance(key, int):
            node = node[key]
        else:
            return None
    return node
