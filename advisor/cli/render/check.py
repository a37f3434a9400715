"""How ``check`` looks: the JSON document, and the page: what you have, what is wrong, what to do next."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from advisor.cli import render
from advisor.cli.render.bars import histogram, labels
from advisor.cli.render.next_steps import Asked, next_steps
from advisor.cli.render.screen import Screen
from advisor.dataset import CATALOGUE, Dataset, Fixed, Format, Level, Problem
from advisor.dataset.checks import levels_elsewhere
from advisor.evaluate.classifier import INSTALL, ClassifierScore, is_installed
from advisor.task import TaskType
from advisor.tokens import BILLED_BY, Profile

_LINES = 6  # line numbers named per problem
_LINES_FIXED = 5  # and per kind of change
_WORDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: "cyan"}
_FORMATS = {
    Format.OPENAI_CHAT: "chat", Format.PREFERENCE: "preference pairs", Format.INSTRUCTION: "instruction",
    Format.PROMPT_COMPLETION: "prompt and completion", Format.SHAREGPT: "ShareGPT",
}  # fmt: skip
_LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "el": "Greek", "he": "Hebrew", "ar": "Arabic", "hi": "Hindi", "th": "Thai", "ja": "Japanese",
    "zh": "Chinese", "ko": "Korean", "cyrillic": "Cyrillic script",
}  # fmt: skip


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


def _classifier(plain: ClassifierScore | None) -> str:
    if plain is None and not is_installed():
        return f"What a plain classifier scores on these rows, without a key or a bill: {INSTALL}"
    if plain is None:
        return "Too few rows to tell what a plain classifier would score."
    return (
        f"A plain classifier (TF-IDF and a linear model) gets {plain.score:.1%} right ({plain.low:.1%} to "
        f"{plain.high:.1%}), cross-validated on {plain.examples:,} of these rows. What you pay for has to beat that."
    )


def page(profile: Profile, dataset: Dataset, asked: Asked, fixed: Fixed | None, plain: ClassifierScore | None) -> None:
    """Print the page; ``plain`` is what a plain classifier scores on the data."""
    width = _width()
    names = ", ".join(source.name for source in dataset.sources)
    several = len(dataset.sources) > 1
    render.out(f"{len(dataset.sources)} files" if several and len(names) >= width else names)
    for label, text in _facts(profile, dataset, asked):
        _wrapped(f"  {label:<10} ", text, width)
    if len(profile.lengths) > 1:
        render.out("\n  Tokens per example")
        for line in histogram(profile.lengths, width - 2):
            render.out(f"  {line}")
    if profile.labels:
        render.out("\n  Examples per label")
        for line in labels(profile.labels, width - 2):
            render.out(f"  {line}")
    if profile.labels and profile.task_type is TaskType.CLASSIFICATION:
        render.out()
        _wrapped("  ", _classifier(plain), width)
    render.out()
    _problems(profile, width, asked.backend, "" if several else names)
    if fixed is not None:
        _fixed(fixed, width)
    render.out("Next:")
    for command, purpose in next_steps(profile, asked, fixed):
        render.out(f"  {command}")
        _wrapped("      ", purpose, width)


def _facts(profile: Profile, dataset: Dataset, asked: Asked) -> Iterator[tuple[str, str]]:
    size = dataset.bytes
    amount = f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
    plain = profile.format is Format.TEXT
    what = _many(profile.examples, "plain text" if plain else "example")
    yield "data", f"{what}, {amount}" if plain else f"{what}, {_FORMATS[profile.format]}, {amount}"
    yield "task", f"{profile.task_type.value.replace('_', ' ')}: {profile.task_reason}"
    total = profile.tokens.get("o200k_base", 0)
    learnt = profile.trained_tokens.get("o200k_base", 0)
    if learnt == total:
        yield "tokens", f"{total:,}, all to be learnt"
    else:
        sides = " in both answers of each pair" if profile.is_preference else ""
        share = f" ({learnt / total:.0%})" if total else ""
        yield "tokens", f"{total:,}{sides}; {learnt:,}{share} of them are answers to learn"
    named = profile.quality.get("model_tokens")
    if isinstance(named, dict):
        span = "" if named["exact"] else f" (between {named['low']:,} and {named['high']:,})"
        yield "model", f"{named['model']}: {named['tokens']:,} tokens{span}; {named['basis']}"
    if not plain and _is_billed_so(profile, asked.backend):
        yield "billed", _billed(profile, asked.model)
    each = profile.per_example
    if profile.examples > 1:
        spread = f"median {each.p50:,} tokens, 95% up to {each.p95:,}, longest {each.max:,}"
        yield "example", spread
    means = {
        "system and tools" if profile.has_tools else "system": profile.system_tokens,
        "prompt": profile.user_tokens,
        "answer": profile.output_tokens,
    }
    told = [f"{name} {mean:,.0f}" for name, mean in means.items() if mean >= 0.5]
    if len(told) > 1:
        turns = f"; {profile.turns:.1f} answers each" if profile.turns >= 1.05 and not profile.is_preference else ""
        yield "average", f"{', '.join(told)}{turns}"
    if profile.languages:
        known = [(name, share) for name, share in profile.languages.items() if share >= 0.005]
        yield "language", ", ".join(f"{_LANGUAGES.get(name, name)} {share:.0%}" for name, share in known[:4])
    if profile.labels:
        least, most = min(profile.labels.values()), max(profile.labels.values())
        spread = _many(most, "example") if least == most else f"{least:,} to {most:,} examples"
        always = profile.quality.get("majority_baseline")
        guess = f"; always '{next(iter(profile.labels))}' would be right in {always:.0%}" if always else ""
        yield "labels", f"{len(profile.labels):,}, with {spread} each{guess}"


def _billed(profile: Profile, model: str | None) -> str:
    """Say what OpenAI bills for one epoch, by encoding; the dead gpt-3.5 only when it is asked for."""
    billed: dict[int, list[str]] = {}
    for name, tokens in profile.billed_tokens_per_epoch.items():
        family = "-".join(name.split("-")[:2])
        if not family.startswith("gpt-3") or (model or "").startswith("gpt-3"):
            billed.setdefault(tokens, []).append(family)
    sums = "; ".join(f"{tokens:,} ({', '.join(dict.fromkeys(names))})" for tokens, names in billed.items())
    parts = "roles and tools included" if profile.has_tools else "roles included"
    doubt = "images" if profile.has_images else "pairs" if profile.is_preference else ""
    sure = "" if profile.exact else f"; an estimate, since no bill with {doubt or 'such data'} is published"
    return f"by {BILLED_BY} per epoch: {sums}, {parts}{sure}"


def _is_billed_so(profile: Profile, backend: str | None) -> bool:
    """Tell whether the backend, where one is named, sells the models whose bill was counted."""
    from advisor.pricing import PriceBook

    if backend is None:
        return True
    book = PriceBook.load()
    return any(book.offer(backend, model) is not None for model in profile.billed_tokens_per_epoch)


def _problems(profile: Profile, width: int, backend: str | None, main: str) -> None:
    """Print each kind of problem once, errors first; lines of the one file ``main`` go without its name."""
    problems = profile.problems
    where = f" for {backend}" if backend else ""
    if not problems:
        render.out(f"No problems found{where}.\n")
        return
    codes = {level: len({problem.code for problem in problems if problem.level is level}) for level in Level}
    counts = [_many(number, _WORDS[level]) for level, number in codes.items() if number]
    render.out(f"{', '.join(counts)}{where}:")
    groups: dict[str, list[Problem]] = {}
    for problem in sorted(problems, key=lambda one: list(Level).index(one.level)):
        groups.setdefault(problem.code, []).append(problem)
    for code, group in groups.items():
        level = group[0].level
        found = _finding(group, main, _found(profile, code))
        _wrapped(f"  {_WORDS[level]:<8} ", f"{found} [{code}]", width, _COLOURS[level])
        _wrapped(" " * 11, group[0].fix, width)
    render.out()


def _found(profile: Profile, code: str) -> int:
    """Return how often a problem was found; lines are named of the first hundred alone."""
    counts = profile.quality.get("counts")
    told = counts.get(code) if isinstance(counts, dict) else None
    told = told or profile.quality.get(f"{code}s") or profile.quality.get(code)
    return told if isinstance(told, int) else 0


def _finding(group: Sequence[Problem], main: str, total: int) -> str:
    """Say what was found and where: the title, the lines (of files other than ``main`` with their name), an example."""
    title = CATALOGUE[group[0].code].title
    lines = [f"{p.line}" if p.file == main else f"{p.file}:{p.line}" for p in group if p.line is not None]
    details = [(p.line, p.message.removeprefix(title).strip(": ").rstrip(".")) for p in group]
    if not lines:
        whole = [detail for _, detail in details if detail]
        return f"{title}: {'; '.join(whole)}" if whole else title
    more = max(total, len(lines)) - _LINES
    rest = f" and {more:,} more" if more > 0 else ""
    named = all(":" not in line for line in lines)
    unit = next(p.unit for p in group if p.line is not None)
    word = f"{unit if len(lines) == 1 else f'{unit}s'} " if named else ""
    first = next(detail for line, detail in details if line is not None)
    example = f", {first}" if len(lines) == 1 else f"; the first: {first}"
    return f"{title}: {word}{', '.join(lines[:_LINES])}{rest}{example if first else ''}"


def _fixed(fixed: Fixed, width: int) -> None:
    """Print what --fix did, like a diff: - for rows left out, ~ for rows changed, + for rows written."""
    for sign, changes, verb in (("-", fixed.dropped, "dropped"), ("~", fixed.mended, "mended")):
        for code, change in changes.items():
            where = f"{fixed.unit}{'' if change.rows == 1 else 's'} {_first(change.lines, change.rows)}"
            title = CATALOGUE[code].title
            _wrapped(f"{sign} ", f"{change.rows:,} {verb}: {title[0].lower()}{title[1:]} ({where})", width)
    lost: dict[str, list[int]] = {}
    for problem in fixed.lost:
        lost.setdefault(problem.message, []).extend([] if problem.line is None else [problem.line])
    for message, places in lost.items():
        lines = f" ({fixed.unit}{'' if len(places) == 1 else 's'} {_first(places)})" if places else ""
        _wrapped("! ", f"{message.rstrip('.')}{lines}.", width)
    kept = fixed.rows_written - fixed.rows_held_out
    was = ", in place of the file that was there" if fixed.replaced else ""
    render.out(f"+ {kept:,} of {_many(fixed.rows_read, 'row')} written to {fixed.out}{was}")
    if fixed.held_out is not None:
        render.out(f"+ {fixed.rows_held_out:,} held out in {fixed.held_out}")
    render.out()


def _first(lines: Sequence[int], count: int = 0) -> str:
    """Name the first lines, and say how many more there are of ``count`` (of these, where it is not given)."""
    more = max(count, len(lines)) - len(lines[:_LINES_FIXED])
    return f"{', '.join(map(str, lines[:_LINES_FIXED]))}{f' and {more:,} more' if more else ''}"


def explanation(code: str, as_json: bool) -> None:
    """Print the page of one problem; a list of all for 'list'."""
    from difflib import get_close_matches

    from advisor.errors import UsageError

    width = _width()
    if code == "list":
        if as_json:
            render.json_document([_entry(name) for name in CATALOGUE])
        for name, entry in () if as_json else CATALOGUE.items():
            _wrapped(f"{name:<23} {_WORDS[entry.level]:<8} ", entry.title, width)
        return
    if code not in CATALOGUE:
        near = get_close_matches(code, CATALOGUE, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "'tunewise check --explain list' lists them."
        raise UsageError(f"There is no problem '{code}'; {hint}")
    entry = CATALOGUE[code]
    if as_json:
        render.json_document(_entry(code))
        return
    levels = [f"{_WORDS[level]} for {name}" for name, level in levels_elsewhere(code).items()]
    _wrapped("", f"{code}: {entry.title} ({', '.join((_WORDS[entry.level], *levels))})", width)
    render.out()
    _wrapped("", entry.why, width)
    render.out()
    _wrapped("What to do: ", entry.fix, width)


def _entry(code: str) -> dict[str, object]:
    entry = CATALOGUE[code]
    told = {"level": entry.level, "title": entry.title, "why": entry.why, "fix": entry.fix}
    return {"code": code, **told, "at": levels_elsewhere(code)}


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _width() -> int:
    return max(60, min(100, shutil.get_terminal_size((80, 24)).columns))


def _wrapped(start: str, text: str, width: int, colour: str = "") -> None:
    """Print a paragraph that hangs beside its ``start``, which takes the colour where there are colours."""
    lines = textwrap.wrap(text, width - len(start), break_long_words=False, break_on_hyphens=False) or [""]
    screen = Screen()
    for number, line in enumerate(lines):
        screen.parts((start, colour) if number == 0 else (" " * len(start), ""), (line, ""))
