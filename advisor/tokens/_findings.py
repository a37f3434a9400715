"""What a dataset shows as a whole, and all problems of it in the order they are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from advisor.dataset import Format, Problem
from advisor.dataset.checks import problem
from advisor.dataset.dataset import Dataset, ends
from advisor.dataset.rows import Container
from advisor.dataset.shape import changes_meaning
from advisor.tokens._quality import cost_findings, duplicates, label_findings, language_findings
from advisor.tokens._tally import Finding, Tally
from backends import Json

_CONTAINERS = {
    Container.JSON: "a JSON array or objects over several lines", Container.DOCUMENT: "one JSON object",
    Container.CSV: "CSV", Container.TSV: "TSV", Container.PARQUET: "Parquet",
}  # fmt: skip


def whole_findings(
    tally: Tally, dataset: Dataset, labels: Mapping[str, int] | None
) -> tuple[list[Finding], dict[str, Json]]:
    """Return what the whole shows, and the figures behind it."""
    repeated, facts = tally.repeats or duplicates(tally.marks, dataset.sources)
    findings, quality = list(repeated), dict(facts)
    for found, more in (label_findings(labels, tally), cost_findings(tally, dataset.sources)):
        findings.extend(found)
        quality.update(more)
    findings.extend(language_findings(tally.languages))
    findings.extend(
        (line, file, "rest_unread", "") for file, line, code, _ in tally.faults if ends(dataset.containers[file], code)
    )
    rating = dataset.shape.rating
    if rating is not None:
        findings.append((None, 0, "rated_answers", f"'{rating.column:.40}'"))
    rest = [name for name in dataset.unread if rating is None or name != rating.column]
    meant = [name for name in rest if changes_meaning(name)]
    for code, fields in (("meaning_lost", meant), ("unknown_field", [name for name in rest if name not in meant])):
        if fields:
            named, others = ", ".join(f"'{name:.40}'" for name in fields[:6]), len(fields) - 6
            findings.append((None, 0, code, f"{named} and {others:,} more" if others > 0 else named))
    other = next((name for container in dataset.containers if (name := _CONTAINERS.get(container))), "")
    if other:
        findings.append((None, 0, "not_jsonl", f"this is {other}"))
    quality["counts"] = dict(tally.fault_counts)
    return findings, quality


def all_problems(tally: Tally, dataset: Dataset, findings: list[Finding], backend: str | None) -> Iterator[Problem]:
    """Yield the problems: those of the whole first, then those of lines in their order."""
    sources = dataset.sources
    habits: set[str] = set()  # of plain text, which has no answers
    if dataset.format is Format.TEXT:
        habits = {"cut_answer", "refusal"}
    lines = [fault for fault in tally.faults if fault[2] not in habits]
    lines += [(file, line, code, detail) for line, file, code, detail in findings if line is not None]
    kept = Counter(code for _, _, code, _ in tally.faults)
    for line, file, code, detail in findings:
        if line is None:
            yield problem(code, None, sources[file].name, detail, backend=backend)
    for code, count in tally.fault_counts.items():
        if count > kept[code] and code not in habits:
            more, beyond = "more " if kept[code] else "", count - kept[code]
            counted = f"{beyond:,} {more}{sources[0].unit}{'s' * (beyond > 1)}"
            yield problem(code, None, sources[0].name, counted, backend=backend)
    for file, line, code, detail in sorted(lines):
        yield problem(code, line, sources[file].name, detail, backend=backend, unit=sources[file].unit)
