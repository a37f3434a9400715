"""How ``check`` looks: the JSON document, and the page: what you have, what is wrong, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.cli import render
from advisor.cli.render.bars import histogram, labels
from advisor.cli.render.next_steps import Asked, next_steps
from advisor.cli.render.screen import Screen, hanging, page_width
from advisor.dataset import CATALOGUE, Dataset, Fixed, Format, Level, Problem
from advisor.evaluate.classifier import ClassifierScore, install, is_installed
from advisor.money import number_of
from advisor.task import TaskType
from advisor.tokens import BILLED_BY, Profile

_KINDS = 5  # of problems shown unless all are asked for
_LINES = 6  # line numbers named per problem
_LINES_FIXED = 5  # and per kind of change
WORDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_COLOURS = {Level.ERROR: "red", Level.WARNING: "magenta", Level.INFO: "bright_blue"}
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
        return f"to see what a plain classifier scores, without a key or a bill: {install()}"
    if plain is None:
        return "too few rows to tell what a plain classifier would score"
    return (
        f"a plain classifier (TF-IDF and a linear model) gets {plain.score:.0%} right ({plain.low:.0%} to "
        f"{plain.high:.0%}), cross-validated on {plain.examples:,} rows; what you pay for has to beat that"
    )


def page(
    profile: Profile,
    dataset: Dataset,
    asked: Asked,
    fixed: Fixed | None,
    plain: ClassifierScore | None,
    *,
    everything: bool = False,
) -> None:
    """Print what the data is, what is wrong with it and what to do next, the verdict last.

    ``plain`` is what a plain classifier scores on the data; ``everything``: the distributions and each remedy too.
    """
    width = page_width()
    names = ", ".join(source.name for source in dataset.sources)
    several = len(dataset.sources) > 1
    render.out(f"{len(dataset.sources)} files" if several and len(names) >= width else names)
    for label, text in _facts(profile, dataset, asked, everything=everything):
        hanging(f"  {label:<10} ", text, width)
    if everything:
        _distributions(profile, width)
    if profile.labels and profile.task_type is TaskType.CLASSIFICATION:
        hanging("  baseline   ", _classifier(plain), width)
    render.out()
    _problems(profile, width, "" if several else names, everything=everything)
    if fixed is not None:
        _fixed(fixed, width)
    render.out("Next:")
    screen = Screen()
    for command, purpose in next_steps(profile, asked, fixed):
        screen.command(command)
        hanging("      ", purpose, width)
    hanging("", _verdict(profile, asked.backend) + ("" if everything else " More: --all"), width)


def _verdict(profile: Profile, backend: str | None) -> str:
    """Say whether the data can be used as it is, and what was found."""
    where = f" for {backend}" if backend else ""
    if not profile.problems:
        return f"Ready: no problems found{where}."
    codes = {level: len({one.code for one in profile.problems if one.level is level}) for level in Level}
    counts = [number_of(number, WORDS[level]) for level, number in codes.items() if number]
    return f"{'Not ready' if codes[Level.ERROR] else 'Ready'}: {', '.join(counts)}{where}."


def _distributions(profile: Profile, width: int) -> None:
    """Draw how long the examples are and how many each label has, where they differ."""
    if len(profile.lengths) > 1:
        render.out("\n  Tokens per example")
        for line in histogram(profile.lengths, width - 2):
            render.out(f"  {line}")
    if len(set(profile.labels.values()) if profile.labels else ()) > 1:
        render.out("\n  Examples per label")
        for line in labels(profile.labels or {}, width - 2):
            render.out(f"  {line}")
    render.out()


def _facts(profile: Profile, dataset: Dataset, asked: Asked, *, everything: bool) -> Iterator[tuple[str, str]]:
    size = dataset.bytes
    amount = f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
    plain = profile.format is Format.TEXT
    what = number_of(profile.examples, "plain text" if plain else "example")
    yield "data", f"{what}, {amount}" if plain else f"{what}, {_FORMATS[profile.format]}, {amount}"
    yield "task", f"{profile.task_type.value.replace('_', ' ')}: {profile.task_reason}"
    total = profile.tokens.get("o200k_base", 0)
    learnt = profile.trained_tokens.get("o200k_base", 0)
    if learnt == total:
        yield "tokens", f"{total:,}, all to be learnt"
    else:
        sides = " in both answers of each pair" if profile.is_preference else ""
        share = f" ({learnt / total:.0%})" if total else ""
        yield "tokens", f"{total:,}{sides}; {learnt:,}{share} are answers to learn"
    named = profile.quality.get("model_tokens")
    if isinstance(named, dict):
        span = "" if named["exact"] else f" (between {named['low']:,} and {named['high']:,})"
        yield "model", f"{named['model']}: {named['tokens']:,} tokens{span}; {named['basis']}"
    if not plain and _is_billed_so(profile, asked.backend):
        yield "billed", _billed(profile, asked.model)
    each = profile.per_example
    if profile.examples > 1:
        yield "example", f"median {each.p50:,} tokens, 95% up to {each.p95:,}, longest {each.max:,}"
    if everything:
        yield from _means(profile)
    if profile.languages and (everything or len(profile.languages) > 1):
        known = [(name, share) for name, share in profile.languages.items() if share >= 0.005]
        yield "language", ", ".join(f"{_LANGUAGES.get(name, name)} {share:.0%}" for name, share in known[:4])
    if profile.labels:
        least, most = min(profile.labels.values()), max(profile.labels.values())
        spread = number_of(most, "example") if least == most else f"{least:,} to {most:,} examples"
        always = profile.quality.get("majority_baseline")
        guess = f"; always '{next(iter(profile.labels))}' would be right {always:.0%} of the time" if always else ""
        yield "labels", f"{len(profile.labels):,}, with {spread} each{guess}"


def _means(profile: Profile) -> Iterator[tuple[str, str]]:
    means = {
        "system and tools" if profile.has_tools else "system": profile.system_tokens,
        "prompt": profile.user_tokens,
        "answer": profile.output_tokens,
    }
    told = [f"{name} {mean:,.0f}" for name, mean in means.items() if mean >= 0.5]
    if len(told) > 1:
        turns = f"; {profile.turns:.1f} answers each" if profile.turns >= 1.05 and not profile.is_preference else ""
        yield "average", f"{', '.join(told)} tokens{turns}"


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


def _problems(profile: Profile, width: int, main: str, *, everything: bool) -> None:
    """Print each kind of problem once, errors first; lines of the one file ``main`` go without its name.

    Unless ``everything`` is wanted, notes go without their remedy, and of many kinds the first are shown.
    """
    groups: dict[str, list[Problem]] = {}
    for problem in sorted(profile.problems, key=lambda one: list(Level).index(one.level)):
        groups.setdefault(problem.code, []).append(problem)
    shown = list(groups.items()) if everything else list(groups.items())[:_KINDS]
    for code, group in shown:
        level = group[0].level
        found = _finding(group, main, _found(profile, code))
        hanging(f"  {WORDS[level]:<10} ", f"{found} [{code}]", width, _COLOURS[level])
        if everything or level is not Level.INFO:
            hanging(" " * 13, group[0].fix, width)
    if len(shown) < len(groups):
        render.out(f"  {len(groups) - len(shown)} more kinds of problems: --all")
    if groups:
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
            hanging(f"{sign} ", f"{change.rows:,} {verb}: {title[0].lower()}{title[1:]} ({where})", width)
    lost: dict[str, list[int]] = {}
    for problem in fixed.lost:
        lost.setdefault(problem.message, []).extend([] if problem.line is None else [problem.line])
    for message, places in lost.items():
        lines = f" ({fixed.unit}{'' if len(places) == 1 else 's'} {_first(places)})" if places else ""
        hanging("! ", f"{message.rstrip('.')}{lines}.", width)
    kept = fixed.rows_written - fixed.rows_held_out
    was = ", in place of the file that was there" if fixed.replaced else ""
    render.out(f"+ {kept:,} of {number_of(fixed.rows_read, 'row')} written to {fixed.out}{was}")
    if fixed.held_out is not None:
        render.out(f"+ {fixed.rows_held_out:,} held out in {fixed.held_out}")
    render.out()


def _first(lines: Sequence[int], count: int = 0) -> str:
    """Name the first lines, and say how many more there are of ``count`` (of these, where it is not given)."""
    more = max(count, len(lines)) - len(lines[:_LINES_FIXED])
    return f"{', '.join(map(str, lines[:_LINES_FIXED]))}{f' and {more:,} more' if more else ''}"
