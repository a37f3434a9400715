"""What only the whole dataset shows: duplicates, contradictions, label balance, the price of the system prompt."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from advisor.dataset.source import Source
from advisor.tokens._conflicts import Place, explained
from advisor.tokens._minhash import WORDS, Marks
from advisor.tokens._tally import SYSTEMS_KEPT, Finding, Tally
from backends import Json

_KEPT = 100  # lines named per code
_EXPLAINED = 5  # prompts with several answers that are shown
_SIMILAR = 29  # equal bins of 32, about 0.9 of the token pairs in common
_LARGE = 50_000  # examples: from here on numpy compares, when it is there
_RARE = 10  # examples a label should have; OpenAI refuses whole files below 10
_DOMINANT = 0.6
_COMPARED = 20  # examples from which a median means something
_LONG_ANSWER = 30  # tokens: of shorter answers a tenth is nothing odd
_FEW = 0.05  # of the examples: more of a kind are no outliers


Prompts: TypeAlias = Callable[[Sequence[Place]], Mapping[Place, str]]


def duplicates(
    marks: Marks, sources: Sequence[Source], prompts: Prompts | None = None
) -> tuple[list[Finding], dict[str, Json]]:
    """Find equal rows, nearly equal rows, and equal prompts with different answers.

    ``prompts`` reads the prompts at some places, so that they can be shown.
    """
    equal, differ = _same_fast(marks) if _numpy(marks) else _same(marks)
    blamed = {at for at, _ in equal} | {at for at, _ in differ}
    alike = [(at, other) for at, other in near(marks) if at not in blamed]
    causes = _causes(differ, marks, prompts)
    found = [
        *_named("exact_duplicate", "the same as {}", equal, marks, sources),
        *_named("conflicting_answers", "the same prompt as {}", differ, marks, sources, causes),
        *_named("near_duplicate", "almost the same as {}", alike, marks, sources),
    ]
    return found, {
        "compared": len(marks),
        "exact_duplicates": len(equal),
        "near_duplicates": len(alike),
        "conflicting_answers": len(differ),
        "duplicate_share": round(len(equal) / max(1, len(marks)), 4),
    }


def _causes(differ: Pairs, marks: Marks, prompts: Prompts | None) -> Mapping[int, str]:
    """Explain the prompts that most rows answer differently, by the example that had them first."""
    counts = Counter(first for _, first in differ).most_common(_EXPLAINED)
    if prompts is None or not counts:
        return {}
    texts = prompts([(marks.files[first], marks.lines[first]) for first, _ in counts])
    return {
        first: explained(texts[place], count + 1)
        for first, count in counts
        if (place := (marks.files[first], marks.lines[first])) in texts
    }


Pairs: TypeAlias = list[tuple[int, int]]  # (example, an earlier one)


def _numpy(marks: Marks) -> bool:
    return len(marks) >= _LARGE and importlib.util.find_spec("numpy") is not None


def _same(marks: Marks) -> tuple[Pairs, Pairs]:
    """Return the repeated rows, and the rows whose prompt came before with another answer."""
    first_row: dict[tuple[int, int], int] = {}
    first_prompt: dict[int, int] = {}
    equal: Pairs = []
    differ: Pairs = []
    for at, key in enumerate(zip(marks.prompts, marks.answers, strict=True)):
        first = first_row.setdefault(key, at)
        if first != at:
            equal.append((at, first))
        else:
            other = first_prompt.setdefault(key[0], at)
            if other != at:
                differ.append((at, other))
    return equal, differ


def _same_fast(marks: Marks) -> tuple[Pairs, Pairs]:
    """The same on arrays, in a tenth of the memory."""
    import numpy as np

    prompts, answers = (np.frombuffer(column, dtype=np.uint64) for column in (marks.prompts, marks.answers))
    order = np.lexsort((answers, prompts))  # stable: of equal rows the earliest comes first
    prompt, answer = prompts[order], answers[order]
    new_prompt = np.concatenate(([True], prompt[1:] != prompt[:-1]))
    new_row = new_prompt | np.concatenate(([True], answer[1:] != answer[:-1]))
    first = order[np.flatnonzero(new_row)[np.cumsum(new_row) - 1]]
    # Of the rows with one prompt, the earliest is the one the others are compared with.
    group = np.cumsum(new_prompt) - 1
    earliest = np.minimum.reduceat(order, np.flatnonzero(new_prompt))[group]
    repeated = ~new_row
    other = new_row & (order != earliest)
    equal = sorted(zip(order[repeated].tolist(), first[repeated].tolist(), strict=True))
    differ = sorted(zip(order[other].tolist(), earliest[other].tolist(), strict=True))
    return equal, differ


def _named(
    code: str,
    form: str,
    pairs: list[tuple[int, int]],
    marks: Marks,
    sources: Sequence[Source],
    more: Mapping[int, str] = {},
) -> Iterator[Finding]:
    def where(other: int, beside: int) -> str:
        same = marks.files[other] == marks.files[beside]
        source = sources[marks.files[other]]
        return f"{source.unit} {marks.lines[other]}" + ("" if same else f" of {source.name}")

    for at, other in pairs[:_KEPT]:
        beside = f": {more[other]}" if other in more else ""
        yield marks.lines[at], marks.files[at], code, form.format(where(other, at)) + beside
    if len(pairs) > _KEPT:
        yield None, 0, code, f"{len(pairs) - _KEPT:,} more {sources[0].unit}{'s' * (len(pairs) > _KEPT + 1)}"


def near(marks: Marks) -> Pairs:
    """Return (example, earlier example like it), each example once, in order.

    Only examples that share a whole band of the sketch are compared, each with the first of its band.
    """
    if _numpy(marks):
        return _near_fast(marks)
    found: dict[int, int] = {}
    words = marks.sketches
    bands: list[dict[int, int]] = [{} for _ in range(WORDS)]
    for at in range(len(marks)):
        for band, firsts in enumerate(bands):
            first = firsts.setdefault(words[at * WORDS + band], at)
            if first != at and at not in found and _alike(words, at, first):
                found[at] = first
    return sorted(found.items())


def _alike(words: Sequence[int], one: int, two: int) -> bool:
    equal = 0
    for word in range(WORDS):
        differ = words[one * WORDS + word] ^ words[two * WORDS + word]
        equal += sum((differ >> shift) & 0xFFFF == 0 for shift in (0, 16, 32, 48))
    return equal >= _SIMILAR


def _near_fast(marks: Marks) -> Pairs:
    import numpy as np

    words = np.frombuffer(marks.sketches, dtype=np.uint64).reshape(-1, WORDS)
    like = np.full(len(words), -1, dtype=np.int64)
    for band in range(WORDS):
        order = np.argsort(words[:, band], kind="stable")
        key = words[order, band]
        begins = np.concatenate(([True], key[1:] != key[:-1]))
        first = order[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
        pairs = np.flatnonzero((order != first) & (like[order] < 0))
        for start in range(0, len(pairs), 1 << 18):
            some = pairs[start : start + (1 << 18)]
            one = words[order[some]].view(np.uint16)
            two = words[first[some]].view(np.uint16)
            good = (one == two).sum(axis=1) >= _SIMILAR
            like[order[some][good]] = first[some][good]
    at = np.flatnonzero(like >= 0)
    return list(zip(at.tolist(), like[at].tolist(), strict=True))


def label_findings(labels: Mapping[str, int] | None, tally: Tally) -> tuple[list[Finding], dict[str, Json]]:
    """Judge the balance of the labels."""
    answers = tally.labels
    if labels is None:
        only = len(answers.counts) == 1 and not answers.others and answers.answers > 3
        return ([(None, 0, "constant_answer", repr(next(iter(answers.counts))))] if only else []), {}
    several = answers.several() is not None
    total = answers.answers if several else sum(labels.values())
    frequent, most = next(iter(labels.items()))
    found: list[Finding] = []
    if not several and most > _DOMINANT * total and most * len(labels) > 1.5 * total:
        found.append((None, 0, "label_imbalance", f"{frequent!r} is {most / total:.0%} of the answers"))
    rare = [label for label, count in labels.items() if count < _RARE]
    if rare:
        some = ", ".join(repr(label) for label in rare[-3:])
        have = "has" if len(rare) == 1 else "have"
        found.append((None, 0, "rare_label", f"{len(rare)} of {len(labels)} {have} fewer than {_RARE}: {some}"))
    spelled: dict[str, list[str]] = {}
    for label in labels:
        spelled.setdefault(" ".join(label.casefold().replace("_", " ").replace("-", " ").split()), []).append(label)
    groups = (" and ".join(map(repr, group)) for group in spelled.values() if len(group) > 1)
    found.extend((None, 0, "label_variants", names) for names in groups)
    if several:
        return found, {"labels": len(labels), "labels_per_answer": round(sum(labels.values()) / total, 2)}
    return found, {"labels": len(labels), "majority_label": frequent, "majority_baseline": round(most / total, 4)}


def cost_findings(tally: Tally, sources: Sequence[Source]) -> tuple[list[Finding], dict[str, Json]]:
    """Find what is paid for without need: one system prompt over and over, and outliers in length."""
    found: list[Finding] = []
    distinct = len(tally.systems)
    facts: dict[str, Json] = {"distinct_system_prompts": distinct if distinct < SYSTEMS_KEPT else None}
    total = tally.billed["o200k_base"]
    spent = tally.roles["system"]
    if tally.systems and total:
        share = spent / total
        facts["system_share"] = round(share, 4)
        _, count = tally.systems.most_common(1)[0]
        if share > 0.25 and count > 0.5 * tally.examples:
            detail = f"{share:.0%} of all billed tokens, {spent // tally.examples:,} an example"
            found.append((None, 0, "system_prompt_cost", detail))
    if tally.examples >= _COMPARED:
        found.extend(_outliers(tally, sources))
    return found, facts


def _outliers(tally: Tally, sources: Sequence[Source]) -> Iterator[Finding]:
    """Find the few examples that are far longer, and the few answers that are far shorter, than the median."""
    typical = _median(tally.lengths)
    far = [(file, line) for tokens, file, line in tally.longest_first() if tokens > max(10 * typical, 500)]
    if far:
        detail = f"{len(far)} over ten times the median of {typical:,} tokens: {lines_named(far, sources)}"
        yield None, far[0][0], "long_outliers", detail
    answer = _median(tally.outputs)
    count = sum(number for tokens, number in tally.outputs.items() if tokens * 10 < answer)
    if answer >= _LONG_ANSWER and 0 < count <= _FEW * tally.examples:
        short = [(file, line) for tokens, file, line in tally.shortest_first() if tokens * 10 < answer]
        if short:  # of a sample no line is known
            detail = f"{count} under a tenth of the median of {answer:,} tokens: {lines_named(short, sources)}"
            yield None, short[0][0], "short_outliers", detail


def lines_named(places: list[tuple[int, int]], sources: Sequence[Source]) -> str:
    """Name the first five of (file, line)."""
    word = sources[places[0][0]].unit + "s" * (len(places) > 1)
    said = [f"{line}" if len(sources) == 1 else f"{sources[file].name}:{line}" for file, line in places[:5]]
    return f"{word} {', '.join(said)}{', ...' if len(places) > 5 else ''}"


def _median(counts: Mapping[int, int]) -> int:
    half, passed = sum(counts.values()) / 2, 0
    for value, count in sorted(counts.items()):
        passed += count
        if passed >= half:
            return value
    return 0


def language_findings(languages: Counter[str]) -> list[Finding]:
    """Say when a second language is more than a stray."""
    told = languages.total()
    if told < 20:
        return []
    shares = [(name, count / told) for name, count in languages.most_common() if count >= max(3, 0.02 * told)]
    if len(shares) < 2:
        return []
    return [(None, 0, "mixed_languages", ", ".join(f"{name} {share:.0%}" for name, share in shares[:5]))]
