"""What to run after ``check``: mend what stops a job, then ask what to do with the data, within limits."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from advisor.dataset import CATALOGUE, Fixed, Format, Level, Problem
from advisor.tokens import Profile

# What --fix repairs within a row, at whatever level; rows with other errors of every backend it leaves out.
_MENDED = frozenset(
    ("exact_duplicate", "byte_order_mark", "control_characters", "unknown_message_key", "developer_role",
     "weight_not_assistant", "arguments_not_text")
)  # fmt: skip
_REDACTED = frozenset(("secret", "personal_data"))
_LEAKS = frozenset(("leak", "near_leak"))
_MANY = 500  # examples: from here on asking or training on all of them is no first step
_ASKED = 200  # answers tell a share to 1.96 x sqrt(0.25 / 200), 7 points, at worst
_PARTS = (0.125, 0.25, 0.5)  # of the data, what a pilot trains on unless told otherwise
_EPOCHS = 3
_DEAR_USD_PER_MTOK = 10  # above what all but the dearest models charge: for a limit, not for an estimate
_LIMITS = (1, 2, 5, 10, 20, 50, 100)  # US dollars


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``check`` was called with: the words that name the data, and for whom."""

    data: tuple[str, ...]
    backend: str | None = None
    model: str | None = None
    columns: str | None = None
    validation: str | None = None

    def words(self, *more: str) -> str:
        """Return the data, what goes with it and its columns as the command line would be given them again."""
        return shlex.join((*self.data, *more, *(("--columns", self.columns) if self.columns else ())))


def next_steps(profile: Profile, asked: Asked, fixed: Fixed | None) -> Iterator[tuple[str, str]]:
    """Yield (command, what it is for), the most urgent first."""
    if fixed is not None:
        held = (fixed.held_out, fixed.rows_held_out) if fixed.held_out else None
        yield from _onward(profile, asked, shlex.quote(str(fixed.out)), held)
        return
    errors = [problem for problem in profile.problems if problem.level is Level.ERROR]
    by_hand = list(dict.fromkeys(problem.code for problem in errors if not _is_mended(problem)))
    if by_hand:
        others = f"; then {', '.join(by_hand[1:])}" if by_hand[1:] else ""
        yield f"tunewise check --explain {by_hand[0]}", f"why it stops a job, and what to do{others}"
    if profile.examples == 0:
        return
    if any(problem.code in _LEAKS for problem in profile.problems):
        both = asked.words(*((asked.validation,) if asked.validation else ()))
        yield f"tunewise check {both} --fix clean.jsonl --held-out 0.1", "divides all of it anew, without leaks"
        return
    told = {problem.code for problem in profile.problems}
    mended = any(_is_mended(problem) for problem in profile.problems)
    redact = " --redact" if told & _REDACTED else ""
    if mended or redact or asked.columns:
        kinds = [
            "leaves out the rows with errors and exact duplicates, and mends what is safe" if mended else "",
            "takes out what looks like keys and personal data" if redact else "",
            "" if mended or redact else "writes the columns under the names every command reads",
        ]
        yield f"tunewise check {asked.words()} --fix clean.jsonl{redact}", "; ".join(kind for kind in kinds if kind)
        data = "clean.jsonl"
    else:
        data = asked.words()
    if not by_hand:
        yield from _onward(profile, asked, data)


def _is_mended(problem: Problem) -> bool:
    if problem.code in _MENDED:
        return True
    row = problem.line is not None and problem.code not in _LEAKS and problem.code != "rest_unread"
    return row and CATALOGUE[problem.code].level is Level.ERROR


def _onward(
    profile: Profile, asked: Asked, data: str, held: tuple[Path, int] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the advice, and for much data what to try first; ``held`` is the file set aside and its rows."""
    yield f"tunewise plan {data}", "what to do with it, what it costs, and why"
    if profile.examples < _MANY or profile.format is Format.TEXT:
        return
    where = f"--backend {asked.backend or 'BACKEND'} --model {shlex.quote(asked.model or 'MODEL')}"
    test, rows = (shlex.quote(str(held[0])), held[1]) if held else (data, profile.examples)
    number = min(_ASKED, rows)
    points = math.ceil(196 * math.sqrt(0.25 / number))
    tokens = number * (profile.system_tokens + profile.user_tokens + profile.output_tokens)
    yield (
        f"tunewise evaluate {test} {where} --max-examples {number} --max-cost {_limit(tokens)}",
        f"how far a prompt gets: {number} of {rows:,} examples tell the share of right answers to {points} points",
    )
    trained = _EPOCHS * sum(_PARTS) * profile.per_example.mean * profile.examples
    most = _limit(trained + (len(_PARTS) + 1) * tokens)
    yield (
        f"tunewise pilot {data} {where} --max-examples {number} --max-cost {most}",
        "what tuning adds, and whether more data would: trains on parts first",
    )


def _limit(tokens: float) -> int:
    """Return a round sum in US dollars that so many tokens should not pass."""
    usd = tokens / 1e6 * _DEAR_USD_PER_MTOK
    return next((limit for limit in _LIMITS if usd <= limit), _LIMITS[-1])
