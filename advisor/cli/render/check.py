"""How ``check`` looks: the JSON document, and the page: what you have, what is wrong, what to do first."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from advisor.cli import render
from advisor.dataset import CATALOGUE, Dataset, Fixed, Level, Problem
from advisor.tokens import Profile

_BARS = " ▏▎▍▌▋▊▉█"
_LINES = 6  # line numbers named per problem
_WORDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}


def document(profile: Profile, fixed: Fixed | None = None) -> dict[str, object]:
    """Return the contract's document, and what more we know."""
    made: dict[str, object] = {
        "examples": profile.examples,
        "format": profile.format,
        "fingerprint": profile.fingerprint,
        "tokens": profile.tokens,
        "billed_tokens_per_epoch": profile.billed_tokens_per_epoch,
        "trained_tokens": profile.trained_tokens,
        "per_example": profile.per_example,
        "longest": profile.longest,
        "roles": profile.roles,
        "turns": round(profile.turns, 3),
        "task_type": profile.task_type,
        "task_reason": profile.task_reason,
        "labels": profile.labels,
        "languages": profile.languages,
        "problems": profile.problems,
        "quality": profile.quality,
        "exact": profile.exact,
    }
    if fixed is not None:
        made["fixed"] = fixed
    return made


def page(profile: Profile, dataset: Dataset, backend: str | None, fixed: Fixed | None = None) -> None:
    """Print the page."""
    width = max(60, min(100, shutil.get_terminal_size((80, 24)).columns))
    names = ", ".join(source.name for source in dataset.sources)
    render.out(names if len(names) < width else f"{len(dataset.sources)} files")
    for label, text in _facts(profile, dataset):
        _wrapped(f"  {label:<10} ", text, width)
    if len(profile.lengths) > 1:
        render.out("\n  Tokens per example")
        for line in histogram(profile.lengths, width - 2):
            render.out(f"  {line}")
    if profile.labels:
        render.out(f"\n  {len(profile.labels)} labels")
        for line in _bars([(label, count) for label, count in list(profile.labels.items())[:8]], width - 2):
            render.out(f"  {line}")
        if len(profile.labels) > 8:
            render.out(f"  and {len(profile.labels) - 8} more")
    render.out()
    _problems(profile.problems, width, several=len(dataset.sources) > 1)
    if fixed is not None:
        _fixed(fixed, width)
    _wrapped("First: ", _first(profile, dataset, backend, fixed), width)


def _facts(profile: Profile, dataset: Dataset) -> Iterator[tuple[str, str]]:
    size = dataset.bytes
    amount = f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
    yield "data", f"{profile.examples:,} examples, {profile.format.value}, {amount}"
    yield "task", f"{profile.task_type.value}: {profile.task_reason}"
    total = profile.tokens.get("o200k_base", 0)
    learnt = profile.trained_tokens.get("o200k_base", 0)
    share = f" ({learnt / total:.0%})" if total else ""
    sure = "" if profile.exact else "; not all counts are exact"
    yield "tokens", f"{total:,}, of which the answers to learn are {learnt:,}{share}{sure}"
    named = profile.quality.get("model_tokens")
    if isinstance(named, dict):
        span = "" if named["exact"] else f" (between {named['low']:,} and {named['high']:,})"
        yield "model", f"{named['model']}: {named['tokens']:,} tokens{span}; {named['basis']}"
    billed: dict[int, list[str]] = {}
    for model, tokens in profile.billed_tokens_per_epoch.items():
        billed.setdefault(tokens, []).append("-".join(model.split("-")[:2]))
    models = "; ".join(f"{tokens:,} ({', '.join(dict.fromkeys(names))})" for tokens, names in billed.items())
    yield "billed", f"by OpenAI per epoch: {models}"
    each = profile.per_example
    means = (
        f"system {profile.system_tokens:,.0f}, prompt {profile.user_tokens:,.0f}, answer {profile.output_tokens:,.0f}"
    )
    spread = f"median {each.p50:,} tokens, 95 % under {each.p95:,}, longest {each.max:,}"
    yield "example", f"{spread}; on average {means}"
    if profile.languages:
        told = [f"{name} {share:.0%}" for name, share in list(profile.languages.items())[:4] if share >= 0.005]
        yield "language", ", ".join(told)


def histogram(lengths: Mapping[int, int], width: int) -> list[str]:
    """Draw how many examples have how many tokens: up to ten classes, their bounds doubling over a wide range."""
    low, high = min(lengths), max(lengths)
    if high > 20 * max(1, low):
        bounds = [low]
        while bounds[-1] < high:
            bounds.append(bounds[-1] * 2 if bounds[-1] else 1)
        bounds = bounds if len(bounds) <= 11 else [low, *bounds[-10:]]
    else:
        step = max(1, -(-(high - low + 1) // 10))
        bounds = list(range(low, high + step + 1, step))
    classes: list[tuple[str, int]] = []
    for start, end in pairwise(bounds):
        last = end == bounds[-1]
        count = sum(n for tokens, n in lengths.items() if start <= tokens < end or (last and tokens == end))
        classes.append((f"{start:,} - {end if last else end - 1:,}", count))
    while len(classes) > 1 and not classes[-1][1]:
        classes.pop()
    return _bars(classes, width)


def _bars(rows: Sequence[tuple[str, int]], width: int) -> list[str]:
    longest = min(32, max(len(name) for name, _ in rows))
    digits = max(len(f"{count:,}") for _, count in rows)
    room = max(10, min(50, width - longest - digits - 2))
    most = max(1, *(count for _, count in rows))
    return [
        f"{name[:longest].rjust(longest)} {_bar(count / most * room).ljust(room)} {count:>{digits},}".rstrip()
        for name, count in rows
    ]


def _bar(length: float) -> str:
    whole, eighths = divmod(round(length * 8), 8)
    if not whole and not eighths and length > 0:
        eighths = 1
    return "█" * whole + (_BARS[eighths] if eighths else "")


def _problems(problems: Sequence[Problem], width: int, several: bool) -> None:
    if not problems:
        render.out("No problems found.\n")
        return
    kinds = {level: len({problem.code for problem in problems if problem.level is level}) for level in Level}
    render.out(", ".join(f"{n} kind{'s' * (n > 1)} of {_WORDS[level]}" for level, n in kinds.items() if n))
    groups: dict[str, list[Problem]] = {}
    for problem in sorted(problems, key=lambda one: list(Level).index(one.level)):
        groups.setdefault(problem.code, []).append(problem)
    for code, group in groups.items():
        title = CATALOGUE[code].title
        lines = [f"{p.file}:{p.line}" if several else f"{p.line}" for p in group if p.line is not None]
        whole = [p.message.removeprefix(title).lstrip(": ") for p in group if p.line is None]
        text = title
        if whole and not lines:
            text = f"{title}: {'; '.join(whole)}" if any(whole) else f"{title}."
        elif lines:
            more = len(lines) - _LINES
            rest = f" and {more} more" if more > 0 else ""
            beyond = f" ({whole[0].rstrip('.')})" if whole else ""
            where = ", ".join(lines[:_LINES])
            first = next(p for p in group if p.line is not None).message.removeprefix(title).lstrip(": ")
            text = f"{title}, line{'s' if len(lines) > 1 else ''} {where}{rest}{beyond}." + (
                f" {first}" if first.strip(".") else ""
            )
        _wrapped(f"  {_WORDS[group[0].level]:<8} ", f"{text} {group[0].fix} [{code}]", width)
    render.out()


def _first(profile: Profile, dataset: Dataset, backend: str | None, fixed: Fixed | None) -> str:
    """Return the one thing to do next."""
    name = dataset.sources[0].name
    errors = [problem for problem in profile.problems if problem.level is Level.ERROR]
    if fixed is not None:
        return f"tunewise check {fixed.out}, then tunewise plan {fixed.out}"
    if errors:
        where = f" (line {errors[0].line})" if errors[0].line else ""
        return f"mend {errors[0].code}{where}: tunewise check --explain {errors[0].code}; or drop such rows: --fix OUT"
    mendable = {"exact_duplicate", "byte_order_mark", "control_characters", "unknown_message_key", "developer_role"}
    if any(problem.code in mendable for problem in profile.problems):
        return f"tunewise check {name} --fix clean.jsonl, then tunewise plan clean.jsonl"
    return f"tunewise plan {name}"


def _fixed(fixed: Fixed, width: int) -> None:
    """Print what --fix did, like a diff: - for rows left out, ~ for rows changed, + for rows written."""
    for sign, changes, verb in (("-", fixed.dropped, "dropped"), ("~", fixed.mended, "mended")):
        for code, change in changes.items():
            lines = ", ".join(str(line) for line in change.lines)
            rest = f" and {change.rows - len(change.lines):,} more" if change.rows > len(change.lines) else ""
            title = CATALOGUE[code].title
            _wrapped(f"{sign} ", f"{change.rows:,} {verb}: {title[0].lower()}{title[1:]} (lines {lines}{rest})", width)
    render.out(f"+ {fixed.rows_written:,} of {fixed.rows_read:,} rows written to {fixed.out}")
    if fixed.held_out is not None:
        render.out(f"+ a part of them held out in {fixed.held_out}")
    render.out()


def explanation(code: str, as_json: bool) -> None:
    """Print the page of one problem; a list of all for 'list'."""
    from difflib import get_close_matches

    from advisor.errors import DataError

    if code == "list" and not as_json:
        for name, entry in CATALOGUE.items():
            render.out(f"{name:<24} {_WORDS[entry.level]:<8} {entry.title}")
        return
    if code not in CATALOGUE:
        near = get_close_matches(code, CATALOGUE, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "'tunewise check --explain list' lists them."
        raise DataError(f"There is no problem '{code}'; {hint}")
    entry = CATALOGUE[code]
    if as_json:
        render.json_document({"code": code, **{k: getattr(entry, k) for k in ("level", "title", "why", "fix", "at")}})
        return
    width = max(60, min(100, shutil.get_terminal_size((80, 24)).columns))
    levels = [f"{_WORDS[level]} for {name}" for name, level in entry.at.items()]
    render.out(f"{code}: {entry.title} ({', '.join((_WORDS[entry.level], *levels))})\n")
    _wrapped("", entry.why, width)
    render.out()
    _wrapped("What to do: ", entry.fix, width)


def _wrapped(start: str, text: str, width: int) -> None:
    lines = textwrap.wrap(text, width - len(start), break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        render.out((start if number == 0 else " " * len(start)) + line)
