"""What a person has to know of the data before it is sent or trained on: keys in it, rows left out, repeats kept."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.money import number_of

if TYPE_CHECKING:
    from advisor.runs import Order
    from advisor.tokens import Profile


@dataclass(frozen=True, slots=True)
class InData:
    """``notes`` go before consent; ``secret`` is said where a hosted provider would receive a key or password.

    ``left_out`` says which rows are not trained on; it is kept with the run.
    """

    notes: tuple[str, ...]
    secret: str | None
    left_out: str = ""


def readable(orders: Sequence[Order]) -> list[Order]:
    """Open every order's data before anybody is asked about it; stdin is read once, into a file. Raises DataError."""
    from advisor.dataset import Dataset

    opened = {order.data: Dataset.open(*order.data) for order in orders}
    return [
        replace(order, data=tuple(map(str, opened[order.data].paths))) if "-" in order.data else order
        for order in orders
    ]


def look_into(order: Order) -> InData:
    """Read the data of an order, as ``check`` and ``plan`` do (what they counted is remembered), and its validation."""
    from advisor.dataset import Dataset
    from advisor.tokens import profile

    given: list[tuple[tuple[str | Path, ...], str]] = [(order.data, _name(order))]
    if order.validation is not None:
        given.append(((order.validation,), shlex.quote(str(order.validation))))
    notes: list[str] = []
    secrets: list[str] = []
    for paths, name in given:
        found = profile(Dataset.open(*paths))
        said = _secret(found, name)
        secrets += said
        notes += [*said, *_rows(found, name), *_forms(found, name), *_personal(found, name)]
    left = left_out(profile(Dataset.open(*order.data)))
    return InData(tuple(notes), " ".join(secrets) if secrets and order.backend != "local" else None, left)


def refused(order: Order, sent: Profile) -> Iterator[str]:
    """Say what the order's backend refuses, or fails at, of the rows it would be ``sent``."""
    from advisor.dataset import CATALOGUE, Level

    wrong = [one for one in sent.problems if one.level is Level.ERROR and one.code != "developer_role"]  # not written
    said = [one.message.rstrip(".") if one.line is None else CATALOGUE[one.code].title for one in wrong]
    if said:
        yield (
            f"{order.backend} refuses this, or the job fails there: {'; '.join(dict.fromkeys(said))}. "
            f"'tunewise check {_name(order)} --for {order.backend}' says where, and what to do."
        )


def too_long(counted: Profile, model: str) -> Iterator[str]:
    """Say how many rows our own trainer leaves out because they are too long for the model, where that was counted."""
    facts = counted.quality.get("model_tokens")
    if isinstance(facts, dict) and facts.get("exact") and isinstance(over := facts.get("over"), int) and over:
        context = facts.get("context")
        held = f"{number_of(over, 'row')} longer than the {context:,} tokens of {model}"
        are = "is" if over == 1 else "are"
        yield f"{held} {are} left out of training: truncated, they would teach the model to break off."


def _name(order: Order) -> str:
    """Name the data as the command line would be given it again; 'DATA' where it is a file of our own."""
    from advisor.dataset.source import SPOOLED

    unnamed = order.group or any(Path(path).name.startswith(SPOOLED) for path in order.data)
    return "DATA" if unnamed else shlex.join(order.data)


def _secret(found: Profile, name: str) -> list[str]:
    lines = _lines(found, "secret")
    if not lines:
        return []
    return [
        f"{name} holds what looks like a key or password ({lines}). Revoke it; 'tunewise check {name} --fix "
        "clean.jsonl --redact' writes the data without it."
    ]


def _personal(found: Profile, name: str) -> Iterator[str]:
    lines = _lines(found, "personal_data")
    if lines:
        yield f"{name} holds what looks like personal data ({lines}): a tuned model can repeat it."


_NAMED = 10  # lines of rows left out
_LOST = ("rated_answers", "meaning_lost", "extra_answers")


def _forms(found: Profile, name: str) -> Iterator[str]:
    from advisor.dataset import CATALOGUE

    for code in _LOST:
        named = [one for one in found.problems if one.code == code]
        if named:
            where = _lines(found, code)
            said = named[0].message.rstrip(".") if not where else f"{CATALOGUE[code].title} ({where})"
            yield f"{name}: {said[0].lower()}{said[1:]}. 'tunewise check {name}' says what to do."
    if rows := _counts(found).get("response_format"):
        held = f"{name} has a response_format in {number_of(rows, 'row')}"
        yield f"{held}, which no training file keeps: ask the tuned model with the same one."


def _rows(found: Profile, name: str) -> Iterator[str]:
    """Say how many rows are left out and why, and how many are there twice and stay."""
    from advisor.dataset import CATALOGUE

    parts = [said] if (said := left_out(found)) else []
    if repeated := found.quality.get("exact_duplicates"):
        parts.append(f"{repeated:,} exact duplicate{'' if repeated == 1 else 's'} kept")
    if parts:
        yield f"{', '.join(parts)}: 'tunewise check {name}' names the lines."
    for one in found.problems:
        if one.code == "rest_unread":
            yield f"{one.file}: nothing after line {one.line} is read. {CATALOGUE['rest_unread'].fix}"


def left_out(found: Profile) -> str:
    """Say how many rows are not trained on, why, and which: their kinds, and the first lines; '' where all are."""
    from advisor.dataset import CATALOGUE, Level

    counts = _counts(found)
    broken = {code: count for code, count in counts.items() if CATALOGUE[code].level is Level.ERROR}
    if not broken:
        return ""
    places = sorted({(one.file, one.line) for one in found.problems if one.code in broken and one.line is not None})
    total = sum(broken.values())
    every = total == sum(one.code in broken and one.line is not None for one in found.problems)
    rows = number_of(len(places), "row") if every else f"up to {number_of(total, 'row')}"
    unit = next((one.unit for one in found.problems if one.code in broken and one.line is not None), "line")
    named = ", ".join(str(line) for _, line in places[:_NAMED])
    more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
    where = f"; {unit}{'s' * (len(places) != 1)} {named}{more}" if places else ""
    kinds = ", ".join(f"{count:,} {code}" for code, count in broken.items())
    return f"{rows} left out, {number_of(found.examples, 'example')} read ({kinds}{where})"


def _counts(found: Profile) -> dict[str, int]:
    """Return how often each fault of a row was found."""
    counts = found.quality.get("counts")
    return {code: count for code, count in counts.items() if isinstance(count, int)} if isinstance(counts, dict) else {}


def _lines(found: Profile, code: str) -> str:
    """Word where a fault was found: its first three lines."""
    places = sorted({one.line for one in found.problems if one.code == code and one.line is not None})
    more = max(_counts(found).get(code, 0), len(places)) - 3
    shown = ", ".join(map(str, places[:3]))
    unit = next((one.unit for one in found.problems if one.code == code and one.line is not None), "line")
    return (
        f"{unit}{'' if len(places) == 1 else 's'} {shown}{f' and {more:,} more' if more > 0 else ''}" if places else ""
    )
