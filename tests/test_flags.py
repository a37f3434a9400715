"""Flags that are made of the values they fill, and help in groups."""

from __future__ import annotations

import re
from dataclasses import fields

import click
import pytest
from click.testing import CliRunner

from advisor.cli.commands.launch import command
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
