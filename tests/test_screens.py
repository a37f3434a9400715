"""The first screen of `tunewise plan` in thirteen situations, in a narrow, a usual and a wide terminal."""

from __future__ import annotations

import functools
import io
import os
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from click.testing import CliRunner

from advisor.cli import tunewise
from advisor.cli.render import plan as pages
from advisor.cli.render.screen import MenuBelow
from advisor.recommend import Recommendation
from advisor.workload import Workload

ROOT = Path(__file__).parent.parent
EXAMPLES, USERS = ROOT / "examples", ROOT / "tests" / "data" / "users"
GOLDEN = Path(__file__).parent / "golden" / "screens"
RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
SITUATIONS = {
    "below_the_target": (EXAMPLES, "support_tickets.jsonl --workload support_tickets.yaml"),
    "target_met": (EXAMPLES, "intents_small.jsonl --workload intents_small.yaml"),
    "tuning_over_budget": (EXAMPLES, "house_style.jsonl --workload house_style.yaml"),
    "classifier": (EXAMPLES, "bike_intents.jsonl --workload bike_intents.yaml --quality-target 0.4"),
    "on_premises": (EXAMPLES, "support_tickets.jsonl --workload on_premises.yaml"),
    "own_gpu": (USERS, "--workload hospital.yaml"),
    "no_data": (USERS, "--workload manager.yaml"),
    "base_shuts_down": (USERS, "--workload researcher.yaml"),
    "expensive_prompt": (USERS, "--workload support_team.yaml"),
    "one_provider": (
        EXAMPLES,
        "support_tickets.jsonl --backend together --measured prompt=0.71 --requests-per-month 50k --error-cost-usd 1",
    ),
    "facts_change": (EXAMPLES, "support_tickets.jsonl --knowledge-changes daily --requests-per-month 20k"),
    "nothing_fits": (EXAMPLES, "support_tickets.jsonl --privacy on_premises"),
    "nothing_said": (EXAMPLES, "support_tickets.jsonl"),
}


@functools.cache
def advice(name: str) -> tuple[Recommendation, Workload, str]:
    """Ask the command once; its screen is then written at every width."""
    folder, words = SITUATIONS[name]
    seen: list[tuple[Recommendation, Workload, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(pages, "page", lambda found, workload, again, *_: seen.append((found, workload, again)))
        done = CliRunner().invoke(tunewise, ["plan", *shlex.split(words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return seen[0]


def screen(name: str, width: int, monkeypatch: pytest.MonkeyPatch, below: MenuBelow | None = None) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
    with redirect_stdout(stdout):
        pages.page(*advice(name), below=below)
    return written.getvalue().decode().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", SITUATIONS)
def test_golden_screen(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, golden = screen(name, width, monkeypatch), GOLDEN / f"{name}-{width}.txt"
    text = "\n".join((*lines, ""))
    if RENEW:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "renew with TUNEWISE_RENEW_GOLDEN=1 and read the diff"
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30 or width < 80


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_screen_answers_and_leaves_room_for_a_menu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = screen(name, 80, monkeypatch)
    start = next(number for number, line in enumerate(lines) if line.startswith("Type next, "))
    start = next(number for number in range(start, len(lines)) if lines[number].endswith(":")) + 1
    command, *rest = lines[start:]
    for line in rest:
        if not command.endswith(("\\", "&&")):
            break
        command = command.removesuffix("\\").rstrip() + f" {line.strip()}"
    command = command.strip()
    assert any(line.startswith("- ") for line in lines), "it says what would change the advice"
    assert any(part in " ".join(lines[:3]) for part in ("a month", "$0")), "the first lines say what a month costs"
    found = advice(name)[0]
    assert command == found.next_step
    table = lines[lines.index("") + 2 : lines.index("", lines.index("") + 1) - 1]
    named = [tuple(re.split(r"\s{2,}", line[2:])[:2]) for line in table]
    assert len(set(named)) == len(named) and (len(named) >= 4 or found.recommendation is None)
    assert len([line for line in lines if line.startswith("> ")]) == (found.recommendation is not None)
    assert len(screen(name, 80, monkeypatch, MenuBelow(20))) <= 20
