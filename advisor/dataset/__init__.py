"""Training data: read any common format, find what is wrong, split it, write each backend's own format.

``Dataset.open(paths)`` is a light handle that streams; nothing is held in memory.
"""

from __future__ import annotations

from advisor.dataset._checks import CATALOGUE
from advisor.dataset._dataset import Dataset
from advisor.dataset._fix import Fixed, fix
from advisor.dataset._rated import Answers
from advisor.dataset._refusal import UnknownFields
from advisor.dataset._shape import FIELDS
from advisor.dataset._split import split
from advisor.dataset._types import Example, Format, Level, Problem
from advisor.dataset._write import write_for

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
