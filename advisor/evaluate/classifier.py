"""A plain classifier, TF-IDF and a linear model: what it scores on the user's own rows, and how it is trained.

It needs no key, no GPU and no money, so whatever is paid for has to do better. scikit-learn comes with the extra
``baseline`` and is imported where it is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

from advisor.dataset import Dataset
from advisor.errors import DataError
from advisor.evaluate.statistics import mean_interval
from backends import install_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 20_000  # rows looked at; more take minutes and change the score by less than its interval
_FOLDS = 3
_FEWEST = 3 * _FOLDS


@dataclass(frozen=True, slots=True)
class ClassifierScore:
    """The share of right labels, 0 to 1, on rows each model had not seen, and its 95 % interval."""

    score: float
    low: float
    high: float
    examples: int
    labels: int


def install() -> str:
    """Return the command that brings scikit-learn."""
    return install_extra("baseline")


def is_installed() -> bool:
    """Tell whether scikit-learn is there."""
    return importlib.util.find_spec("sklearn") is not None


def labelled(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Return the texts and their labels: what users say in an example, and its last answer; a text counts once."""
    found: dict[str, str] = {}
    for text, label in islice(_pairs(dataset), _MOST):
        found.setdefault(text, label)
    return list(found), list(found.values())


def cross_validated(texts: Sequence[str], labels: Sequence[str]) -> ClassifierScore | None:
    """Return what it scores on a third of the rows when trained on the others; None where there is nothing to tell.

    Needs scikit-learn; about a second of one core for a thousand short texts.
    """
    if len(texts) < _FEWEST or len(set(labels)) < 2:
        return None
    order = list(range(len(texts)))
    Random(0).shuffle(order)
    right: list[float] = []
    for fold in range(_FOLDS):
        held_out = order[fold::_FOLDS]
        kept = sorted(set(order) - set(held_out))
        if len({labels[at] for at in kept}) < 2:
            return None
        model = trained([texts[at] for at in kept], [labels[at] for at in kept])
        said = model.predict([texts[at] for at in held_out])
        right += [float(one == labels[at]) for one, at in zip(said, held_out, strict=True)]
    found = mean_interval(right)
    return ClassifierScore(sum(right) / len(right), found.low, found.high, len(texts), len(set(labels)))


def trained(texts: Sequence[str], labels: Sequence[str]) -> Any:
    """Return a scikit-learn pipeline that labels texts. Raises DataError where there is only one label, or none."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    if len(set(labels)) < 2:
        raise DataError("A classifier needs examples of two labels at least; 'tunewise check' shows those of the data.")
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    parts_of_words = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4))
    return make_pipeline(make_union(words, parts_of_words), LinearSVC()).fit(list(texts), list(labels))


def _pairs(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for example in dataset.examples():
        *asked, answer = example.messages
        text = "\n".join(_plain(message.get("content")) for message in asked if message["role"] == "user").strip()
        label = _plain(answer.get("content")).strip()
        if text and label and answer["role"] == "assistant":
            yield text, label


def _plain(content: object) -> str:
    """Return a message's text; parts that are no text are left out."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
