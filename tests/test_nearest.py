"""What somebody meant: a beginning, a part, a slip of the pen; else what there is."""

from __future__ import annotations

import pytest

from advisor.nearest import meant, nearest, no_such

NAMES = ("openai", "together", "replicate", "Qwen/Qwen3-8B", "tw-1122-7f3a", "tw-1122-0b44")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("OPENAI", ("openai",)),
        ("qwen3-8b", ("Qwen/Qwen3-8B",)),
        ("repl", ("replicate",)),
        ("tw-11", ("tw-1122-7f3a", "tw-1122-0b44")),
        ("7f3", ("tw-1122-7f3a",)),
        ("togehter", ("together",)),
        ("Qwen3-8", ("Qwen/Qwen3-8B",)),
        ("mistral", ()),
        ("", ()),
    ],
)
def test_nearest(name: str, near: tuple[str, ...]) -> None:
    assert nearest(name, NAMES) == near


def test_where_none_is_near_the_few_are_listed_and_many_are_pointed_at() -> None:
    assert no_such("backend", "x", ("a", "b", "a")) == "There is no backend 'x'. Choose one of: a, b."
    many = [f"m-{number}" for number in range(40)]
    assert meant("x", many, see="'tunewise jobs' lists them") == "'tunewise jobs' lists them."
    assert meant("x", many).startswith("Choose one of: m-0, m-1")
    assert meant("x", ()) == ""
    assert meant("tw-11", NAMES) == "Did you mean 'tw-1122-7f3a' or 'tw-1122-0b44'?"
