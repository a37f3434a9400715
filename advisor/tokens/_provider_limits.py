"""What each backend and model takes: method, examples, bytes, tokens of each; and how a dataset stands against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import backends
from advisor.dataset import Dataset, Format
from advisor.dataset.rows import Container
from advisor.tokens._open_models import is_open
from advisor.tokens._quality import lines_named
from advisor.tokens._tally import Finding, Tally
from backends import Backend, Objective, RowFormat

if TYPE_CHECKING:
    from advisor.pricing import TrainingOffer


@dataclass(frozen=True, slots=True)
class Aim:
    """What the data is for; None where that was not said."""

    backend: str | None = None
    model: str | None = None
    objective: Objective | None = None

    def trained(self, dataset: Dataset) -> Objective:
        """Return the objective: as said, else what the data is made for."""
        return self.objective or (Objective.DPO if dataset.format is Format.PREFERENCE else Objective.SFT)


ANYWHERE = Aim()


def limit_findings(tally: Tally, dataset: Dataset, aim: Aim) -> Iterator[Finding]:
    """Yield what is beyond a limit, for the dataset as a whole."""
    backend, count = aim.backend, tally.examples
    place = backends.get(backend) if backend in backends.names() else None
    rows = place.rows if place else RowFormat()
    least = rows.least_examples
    if count == 0:
        yield None, 0, "no_examples", ""
    elif count < least:
        yield None, 0, "too_few_examples", f"{count}, and {backend} takes no fewer than {least}"
    elif count < 50 and dataset.format is not Format.TEXT:  # of which a long one may hold more than many
        yield None, 0, "too_few_examples" if count < 10 else "few_examples", f"{count}"
    offers, most = _offers(aim)
    if aim.model and not offers and not (place and place.brings_model) and not (backend is None and is_open(aim.model)):
        yield (
            None,
            0,
            "unknown_model",
            f"the price book knows no '{aim.model}'{f' at {backend}' if backend else ''}",
        )
    yield from _method_findings(tally, dataset, aim, offers, place)
    if most and dataset.bytes > most:
        yield None, 0, "file_too_large", f"{dataset.bytes / 1e6:,.0f} MB, and {backend} takes {most / 1e6:,.0f} MB"
    longest = _longest(offers, aim.trained(dataset))
    if longest:
        yield from _too_long(tally, dataset, longest)
    if rows.most_image_rows is not None and tally.with_images > rows.most_image_rows:
        yield None, 0, "too_many_image_rows", f"{tally.with_images:,}"
    if tally.with_images and not rows.images:
        yield None, 0, "images_not_taken", f"{_many(tally.with_images)}; {backend} reads text only"
    elif tally.with_images and backend and offers and all(offer.images is False for offer in offers):
        yield None, 0, "images_not_taken", f"{_many(tally.with_images)}; {aim.model or backend} reads text only"


def _method_findings(
    tally: Tally, dataset: Dataset, aim: Aim, offers: tuple[TrainingOffer, ...], place: Backend | None
) -> Iterator[Finding]:
    """Yield where the form of the data and the way of training do not go together."""
    paired, objective = dataset.format is Format.PREFERENCE, aim.trained(dataset)
    if objective is Objective.DPO and not paired:
        yield None, 0, "no_pair", "the rows hold one answer each"
    if objective is Objective.SFT and paired:
        yield None, 0, "rejected_unused", f"{tally.examples:,} {'pair' if tally.examples == 1 else 'pairs'}"
    if dataset.format is Format.TEXT:
        if place is not None and place.rows.form == "messages" and not place.rows.text:
            yield None, 0, "text_as_answer", f"{aim.backend} takes conversations only"
        else:
            paragraphs = dataset.containers[0] is Container.TEXT
            yield None, 0, "plain_text", f"each {'paragraph' if paragraphs else 'row'} is a text to learn"
    if place is not None and place.rows.form == "prompt":
        yield from _as_prompts(tally)
    sold = {known for offer in offers for known in offer.objectives}
    if objective is Objective.DPO and (
        (place and objective not in place.objectives) or (sold and objective not in sold)
    ):
        yield None, 0, "not_trained_there", f"{aim.model or aim.backend} learns from single answers, not from pairs"
    if objective is Objective.DPO and tally.with_images and place and not place.rows.pair_images:
        yield None, 0, "images_not_taken", f"{_many(tally.with_images)}; pairs are text only at {aim.backend}"


def _many(examples: int) -> str:
    return f"{examples:,} example{'' if examples == 1 else 's'}"


def _as_prompts(tally: Tally) -> Iterator[Finding]:
    """Yield what a file of prompts and completions cannot hold, or not as it is."""
    held = max(tally.with_tools, tally.with_calls, tally.with_images)
    if held:
        yield None, 0, "not_expressible", f"{_many(held)} with tools or images; it takes prompt and completion"
    if tally.systems or tally.turns > tally.examples:
        yield None, 0, "flattened", "roles and turns become text in the prompt"


def offered_context(aim: Aim, dataset: Dataset) -> int | None:
    """Return the most tokens of an example where the backend trains an open model, None where no figure is known."""
    if aim.backend is None or aim.model is None:
        return None
    offers, _ = _offers(aim)
    return offers[0].max_context.get(aim.trained(dataset)) if offers and offers[0].open_weights else None


def _offers(aim: Aim) -> tuple[tuple[TrainingOffer, ...], int | None]:
    """Return what the price book knows of the model there (None: the first one's), or of all models of the backend.

    Beside it stands the largest file the backend takes, in bytes. The book is opened only when one of them is named.
    """
    if aim.backend is None and aim.model is None:
        return (), None
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    seller = aim.backend or next(iter(book.providers))  # the first one's hold where none is named
    sold = book.offers(seller)
    most = sold[0].max_file_bytes if sold and aim.backend else None
    if aim.model is None:
        return sold, most
    found = book.offer(seller, aim.model)
    return (() if found is None else (found,)), most


def _longest(offers: tuple[TrainingOffer, ...], objective: Objective) -> int | None:
    """Return the most tokens of an example, None where no figure is known.

    What is over OpenAI's limit is cut off at the end and the rest still trained on. The open models are counted with
    their own tokenizers elsewhere.
    """
    if len(offers) != 1 or offers[0].open_weights:
        return None
    return offers[0].max_context.get(objective)


def _too_long(tally: Tally, dataset: Dataset, longest: int) -> Iterator[Finding]:
    over = sum(count for tokens, count in tally.lengths.items() if tokens > longest)
    lost = sum((tokens - longest) * count for tokens, count in tally.lengths.items() if tokens > longest)
    if not over:
        return
    named = [(file, line) for tokens, file, line in tally.longest_first()[:5] if tokens > longest]
    both = ", both answers of a pair together" if tally.preferences else ""
    where = f"the longest {'is' if len(named) == 1 else 'are'} in {lines_named(named, dataset.sources)}"
    yield (
        None,
        named[0][0],
        "over_token_limit",
        f"{over:,} over {longest:,} tokens, {lost:,} tokens cut off{both}; {where}",
    )
