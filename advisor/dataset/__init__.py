"""Training data: read any common format, find what is wrong, split it, write each backend's own format.

``Dataset.open(paths)`` is a light handle that streams; nothing is held in memory.
"""

from __future__ import annotations

from advisor.dataset.checks import CATALOGUE
from advisor.dataset.dataset import Dataset
from advisor.dataset.fix import Fixed, fix
from advisor.dataset.rated import Answers
from advisor.dataset.refusal import UnknownFields
from advisor.dataset.shape import FIELDS
from advisor.dataset.split import split
from advisor.dataset.types import Example, Format, Level, Problem
from advisor.dataset.write import write_for

__all__ = [
    "CATALOGUE",
    "FIELDS",
    "Answers",
    "Dataset",
    "Example",
    "Fixed",
    "Format",
    "Level",
    "Problem",
    "UnknownFields",
    "fix",
    "split",
    "write_for",
]
