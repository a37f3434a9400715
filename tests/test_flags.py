"""Flags that are made of the values they fill, and help in groups."""

from __future__ import annotations

import re
from dataclasses import fields

import click
import pytest
from click.testing import CliRunner

from advisor.cli.commands.launch import command
from advisor.cli.flags.command import Command, Group
from advisor.cli.flags.hyperparameters import given, names
from backends import Hyperparameters


def test_every_hyperparameter_is_a_flag_of_launch() -> None:
    assert {*names(), "seed"} == {field.name for field in fields(Hyperparameters)}
    flags = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    assert {f"--{name.replace('_', '-')}" for name in (*names(), "seed")} <= flags


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--rank 8 --lora-alpha 16", {"lora_rank": 8, "lora_alpha": 16}),
        ("--no-packing --warmup-ratio 0.1", {"packing": False, "warmup_ratio": 0.1}),
        ("--packing --dpo-beta .2", {"packing": True, "dpo_beta": 0.2}),
        ("", {}),
    ],
)
def test_what_flags_say_arrives_by_the_fields_name(words: str, said: dict[str, object]) -> None:
    assert given(command.make_context("launch", ["data.jsonl", *words.split()])) == said


@pytest.mark.parametrize("words", ["--dpo-beta 0", "--warmup-ratio 1.5", "--lora-rank 0", "--epochs many"])
def test_what_a_setting_cannot_be_is_refused(words: str) -> None:
    with pytest.raises(click.BadParameter):
        command.make_context("launch", ["data.jsonl", *words.split()])


def test_the_help_of_launch_is_in_groups_and_names_each_flag_once() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    headings = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings[-6:] == ["Where and what", "Training", "Machines", "Money", "Start and follow", "Other"]
    listed = text.partition("\nData:\n")[2]  # behind what the command says of itself
    shown = re.findall(r"^  (?:-\w, )?(--[\w-]+)", listed, flags=re.MULTILINE)
    options = [param for param in command.params if isinstance(param, click.Option)]
    first = [next(flag for flag in option.opts if flag.startswith("--")) for option in options]
    assert sorted(shown) == sorted([*first, "--help"])


def every_command() -> list[tuple[str, click.Command]]:
    from advisor.cli import COMMANDS, tunewise

    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        whole = tunewise.get_command(click.Context(tunewise), name)
        assert whole is not None
        parts = whole.commands if isinstance(whole, click.Group) else {}
        found += [(name, whole), *((f"{name} {part}", one) for part, one in parts.items())]
    return found


def test_the_short_help_of_each_command_is_short_has_an_example_and_only_flags_there_are() -> None:
    for name, one in every_command():
        assert isinstance(one, Command | Group), name
        params = {param.name for param in one.params}
        assert params >= {*one.usual, *(flag for flags in one.groups.values() for flag in flags)}, name
        if isinstance(one, Command):
            flags = {flag for param in one.params for flag in param.opts}
            assert flags >= set(one.renamed.values()) and not flags & set(one.renamed), name
        short, whole = (
            CliRunner().invoke(one, [flag], prog_name=f"tunewise {name}").output for flag in ("-h", "--help")
        )
        assert f"\n  tunewise {name}" in short, name
        assert len(short.splitlines()) <= 30, (name, short)
        if len(params) > 9:
            assert one.usual and one.groups, name
            assert len(short.splitlines()) < len(whole.splitlines()) and "shows everything" in short, name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "--gpu", "nope"), "--gpu is called --own-gpu now"),
        (("evaluate", "missing.jsonl", "--limit=5"), "--limit is called --max-examples now"),
        (("serve", "run", "--data", "x"), "--data is called --test-data now"),
    ],
)
def test_a_flag_of_old_still_works_and_says_its_name(words: tuple[str, ...], said: str) -> None:
    from advisor.cli import tunewise

    done = CliRunner().invoke(tunewise, words)
    assert done.stderr.count(said) == 1 and "No such option" not in done.stderr
    old = next(word for word in words if word.startswith("--")).partition("=")[0]
    assert old not in CliRunner().invoke(tunewise, [words[0], "--help"]).stdout.split()


def test_one_name_means_one_thing_in_every_command() -> None:
    kinds: dict[str, set[str]] = {}
    for _, one in every_command():
        for param in one.params:
            for flag in param.opts:
                kinds.setdefault(flag, set()).add(type(param.type).__name__)
    assert kinds["--limit"] == {"Usd"} and kinds["--max-examples"] == {"IntRange"}
    assert kinds["--gpu"] == kinds["--own-gpu"] == {"GpuName"}
    assert kinds["--backend"] <= {"BackendName", "StringParamType"}  # jobs: of one that was taken out, runs may be left
    assert {name for name, one in every_command() if any("--data" in param.opts for param in one.params)} == {"fit"}


@pytest.mark.parametrize("words", [("-V",), ("--version",)])
def test_the_version(words: tuple[str, ...]) -> None:
    from advisor.cli import tunewise

    assert CliRunner().invoke(tunewise, words).output.startswith("tunewise ")


def test_help_is_a_command() -> None:
    from advisor.cli import tunewise

    def said(*words: str) -> str:
        return CliRunner().invoke(tunewise, words, prog_name="tunewise").output

    assert said("help") == said("--help")
    assert said("help", "plan") == said("plan", "--help")
    assert said("help", "prices", "list") == said("prices", "list", "--help")
    assert "Did you mean 'plan'?" in said("help", "plna")
    assert "has no subcommands" in said("help", "fit", "more")


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_stands_before_or_behind_the_command(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.cli import tunewise

    for words in ((flag, "plan", "--gpu", "nope"), ("plan", "--gpu", "nope", flag)):
        assert "is called" not in CliRunner().invoke(tunewise, words).stderr
