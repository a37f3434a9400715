"""One reading of amounts: every spelling means the same in a flag, a file, a variable and the wizard, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from advisor.cli import tunewise
from advisor.cli.flags.common import Count, Share, Usd
from advisor.cli.flags.workload import workload_flags
from advisor.cli.settings import in_force
from advisor.cli.wizard import questions
from advisor.cli.wizard.prompt import Back
from advisor.errors import AdvisorError
from advisor.money import decimal_text, parse_count, parse_share, parse_usd, usd
from advisor.workload import Workload, load_workload

REFUSED = None
# spelling: as US dollars, as a number of things, as a share
SPELLINGS: dict[str, tuple[str | None, int | None, float | None]] = {
    "1000": ("1000", 1000, REFUSED),
    "1,000": ("1000", 1000, REFUSED),
    "1,000.50": ("1000.50", REFUSED, REFUSED),
    "12,345,678": ("12345678", 12_345_678, REFUSED),
    "1_000": ("1000", 1000, REFUSED),
    "1,50": (REFUSED, REFUSED, REFUSED),
    "12,50": (REFUSED, REFUSED, REFUSED),
    "0,62": (REFUSED, REFUSED, REFUSED),
    "0,500": (REFUSED, REFUSED, REFUSED),
    "10,5": (REFUSED, REFUSED, REFUSED),
    "1,5k": (REFUSED, REFUSED, REFUSED),
    "1.000,50": (REFUSED, REFUSED, REFUSED),
    "2M": ("2000000", 2_000_000, REFUSED),
    "10k": ("10000", 10_000, REFUSED),
    "1.5k": ("1500", 1500, REFUSED),
    "1e6": ("1000000", 1_000_000, REFUSED),
    "$5": ("5", REFUSED, REFUSED),
    "$1500": ("1500", REFUSED, REFUSED),
    "$1,500.25": ("1500.25", REFUSED, REFUSED),
    "78%": (REFUSED, REFUSED, 0.78),
    ".62": ("0.62", REFUSED, 0.62),
    "0.62": ("0.62", REFUSED, 0.62),
    "1": ("1", 1, 1.0),
    "010": ("10", 10, REFUSED),
    "78": ("78", 78, REFUSED),
    "1e999": (REFUSED, REFUSED, REFUSED),
    "1e40": (REFUSED, REFUSED, REFUSED),
    "-5": (REFUSED, REFUSED, REFUSED),
    "nan": (REFUSED, REFUSED, REFUSED),
    "inf": (REFUSED, REFUSED, REFUSED),
    ".inf": (REFUSED, REFUSED, REFUSED),
    "true": (REFUSED, REFUSED, REFUSED),
    "1.2.3b": (REFUSED, REFUSED, REFUSED),
    "lots": (REFUSED, REFUSED, REFUSED),
}


def by_flag(kind: click.ParamType[object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return kind.convert(text, None, None)
        except click.BadParameter as error:
            raise ValueError(str(error)) from None

    return read


def by_workload_flag(flag: str, field: Callable[[Workload], object]) -> Callable[[str], object]:
    found: list[Workload] = []

    @click.command()
    @workload_flags
    def command(workload: Workload) -> None:
        found.append(workload)

    def read(text: str) -> object:
        result = CliRunner().invoke(command, [flag.format(text)])
        if result.exception is not None:
            assert not isinstance(result.exception, ArithmeticError), text
            raise ValueError(f"{result.output} {result.exception}")
        return field(found.pop())

    return read


def by_workload_file(line: str, field: Callable[[Workload], object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        path = Path("workload.yaml")
        path.write_text(line.format(text), encoding="utf-8")
        return field(load_workload(path))

    return read


def by_config_file(text: str) -> object:
    Path("tunewise.yaml").write_text(f"max_cost: {text}\n", encoding="utf-8")
    return Decimal(str(in_force()["max_cost"].value))


def by_variable(text: str) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWISE_MONTHLY_LIMIT", text)
        return Decimal(str(in_force()["monthly_limit"].value))


def by_wizard(step: questions.Step, field: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        typed = iter([text, "b"])  # what is refused is asked again
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("builtins.input", lambda _: next(typed))
            try:
                return getattr(step(questions.Answers()), field)
            except Back:
                raise ValueError("a comma separates thousands (the wizard says it on the screen)") from None

    return read


def requests(said: Workload) -> object:
    assert said.requests_per_month is not None
    return said.requests_per_month.mid


def examples(said: Workload) -> object:
    assert said.data is not None
    return said.data.examples


USD = 0
COUNT = 1
SHARE = 2
PLACES: dict[str, tuple[int, Callable[[str], object]]] = {
    "--max-cost": (USD, by_flag(Usd())),
    "--budget": (USD, by_workload_flag("--budget={}", lambda said: said.budget_usd)),
    "max_cost in tunewise.yaml": (USD, by_config_file),
    "TUNEWISE_MONTHLY_LIMIT": (USD, by_variable),
    "the wizard's budget": (USD, by_wizard(questions._ask_budget, "budget_usd")),
    "budget_usd in a workload": (USD, by_workload_file("budget_usd: {}", lambda said: said.budget_usd)),
    "--tokens": (COUNT, by_flag(Count())),
    "--requests-per-month": (
        COUNT,
        by_workload_flag(
            "--requests-per-month={}", lambda said: said.requests_per_month and said.requests_per_month.mid
        ),
    ),
    "the wizard's requests": (COUNT, by_wizard(questions._ask_volume, "requests_per_month")),
    "requests_per_month in a workload": (
        COUNT,
        by_workload_file(
            "requests_per_month: {}", lambda said: said.requests_per_month and said.requests_per_month.mid
        ),
    ),
    "examples in a workload": (
        COUNT,
        by_workload_file(
            "data:\n  examples: {}\n  tokens_per_example: 9", lambda said: said.data and said.data.examples
        ),
    ),
    "--target": (SHARE, by_flag(Share())),
    "--cache-hit": (SHARE, by_workload_flag("--cache-hit={}", lambda said: said.cache_hit)),
    "--measured": (SHARE, by_workload_flag("--measured=prompt={}", lambda said: said.scores["prompt"])),
    "the wizard's score": (SHARE, by_wizard(questions._ask_score, "score")),
    "measured in a workload": (SHARE, by_workload_file("measured:\n  prompt: {}", lambda said: said.scores["prompt"])),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", PLACES)
def test_a_spelling_means_the_same_everywhere(
    place: str, spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    kind, read = PLACES[place]
    meant = SPELLINGS[spelling][kind]
    if meant is not REFUSED:
        assert read(spelling) == (Decimal(str(meant)) if kind == USD else meant)
        return
    with pytest.raises((ValueError, AdvisorError)) as refused:
        read(spelling)
    if "," in spelling:
        assert "a comma separates thousands" in str(refused.value) or kind == SHARE or spelling == "1,000.50"


@pytest.mark.parametrize(
    ("parse", "written", "remedy"),
    [
        (parse_usd, "1,50", "so write 1.50."),
        (parse_usd, "0,5", "so write 0.5."),
        (parse_count, "1,5k", "so write 1.5k."),
        (parse_count, "1000,000", "a comma separates thousands."),
        (parse_share, "78", "write 0.78 or 78%."),
        (parse_usd, "1e40", "it is too large."),
    ],
)
def test_a_refusal_says_what_to_write(parse: Callable[[str], object], written: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=r"is not an? (amount|whole number|share)") as refused:
        parse(written)
    assert str(refused.value).endswith(remedy)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fit", "--model", "nobody/nothing", "--params", "1.2.3b"), "give a number of parameters such as 8b"),
        (("fit", "--model", "nobody/nothing", "--params", "0"), "give a number of parameters such as 8b"),
        (("plan", "--measured", "prompt=.62,hosted=.84"), "give the flag again for each"),
        (("pilot", "x.jsonl", "--model", "tiny", "--sizes", "1,000,2,000"), "not a list of sizes"),
        (("launch", "x.jsonl", "--max-cost", "1e999"), "is not an amount of US dollars"),
        (("launch", "x.jsonl", "--held-out", "95%"), "0.9 is the most"),
    ],
)
def test_a_number_that_is_none_is_refused_in_a_sentence(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(tunewise, list(arguments))
    assert result.exit_code != 0
    assert says in result.output + str(result.exception)


def test_a_comma_within_braces_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "workload.yaml"
    path.write_text("data: {tokens_per_example: 480, examples: 1,000}\n", encoding="utf-8")
    with pytest.raises(AdvisorError, match="a comma ends a value within braces"):
        load_workload(path)


@pytest.mark.parametrize(
    ("amount", "shown", "beside_a_limit"),
    [
        ("0", "$0", "$0"),
        ("1234.5", "$1,234", "$1,234.50"),
        ("12.5", "$12.50", "$12.50"),
        ("0.000123", "$0.00012", "$0.00012"),
    ],
)
def test_amounts_are_written_in_one_way(amount: str, shown: str, beside_a_limit: str) -> None:
    assert (usd(Decimal(amount)), usd(Decimal(amount), cents=True)) == (shown, beside_a_limit)
    assert (usd(None), decimal_text(Decimal("12.50"))) == ("unknown", "12.5")
