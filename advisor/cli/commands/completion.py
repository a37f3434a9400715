"""``tunewise completion``: let the shell complete commands, files, runs, backends, GPUs and models with Tab."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.command import Group
from advisor.errors import AdvisorError, UsageError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TUNEWISE_COMPLETE"  # by which click is asked for a script, and by the script for completions
# Zsh knows compdef only once its completion system was started, which not every .zshrc does.
_ZSH_START = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"

_shell = click.option("--shell", type=common.Choice(SHELLS), help="Default: the shell of $SHELL.")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a shell's script goes, and the line of its start-up file that reads it; fish needs none."""

    script: Path
    startup: Path | None
    line: str = ""

    @property
    def read(self) -> bool:
        """Tell whether the start-up file reads the script already."""
        if self.startup is None:
            return True
        return self.startup.is_file() and self.line in self.startup.read_text(encoding="utf-8").splitlines()


@click.group("completion", cls=Group)
def command() -> None:
    """Complete commands, files, runs, backends, GPUs and models with Tab, in bash, zsh and fish.

    \b
    tunewise completion install
    tunewise completion show bash
    """


@command.command("install")
@_shell
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.as_json
def install(shell: str | None, yes: bool, as_json: bool) -> None:
    """Write the completion script, and have the shell read it when it starts. Asks before it writes.

    \b
    tunewise completion install
    tunewise completion install --shell zsh --yes
    """
    shell = shell or _shell_in_use()
    found = _installation(shell)
    render.note(f"Writes the script {found.script}.")
    if found.startup is not None and not found.read:
        render.note(f"Adds a line to {found.startup}: {found.line}")
    if not yes:
        if as_json or not render.is_terminal():
            raise UsageError("Nobody is here to agree to that; add --yes.")
        if not render.confirm("Write it?", err=True):
            raise AdvisorError("Nothing was written.")
    try:
        found.script.parent.mkdir(parents=True, exist_ok=True)
        found.script.write_text(script(shell), encoding="utf-8")
        if found.startup is not None and not found.read:
            with found.startup.open("a", encoding="utf-8") as file:
                file.write(f"\n{found.line}\n")
    except OSError as error:
        raise AdvisorError(
            f"{error.filename}: cannot be written ({error.strerror}). 'tunewise completion show {shell}' prints the "
            "script for a place of your choice."
        ) from error
    render.note(f"Done. A new {shell} completes 'tunewise' with Tab.")
    if as_json:
        render.json_document({"shell": shell, "script": found.script, "startup": found.startup})


@command.command("show")
@click.argument("shell", type=common.Choice(SHELLS))
def show(shell: str) -> None:
    """Print the script of a shell.

    \b
    tunewise completion show bash > /etc/bash_completion.d/tunewise
    """
    click.echo(script(shell), nl=False)


def script(shell: str) -> str:
    """Return what the shell has to read."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(click.get_current_context().find_root().command, {}, "tunewise", VARIABLE)
    # Not made.source(): for bash that starts one to ask for its version, though the script may be for another machine.
    text = made.source_template % made.source_vars()
    return (_ZSH_START if shell == "zsh" else "") + text.lstrip("\n")


def _installation(shell: str) -> Installation:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    if shell == "fish":
        return Installation(config / "fish" / "completions" / "tunewise.fish", None)
    file = config / "tunewise" / f"completion.{shell}"
    folder = Path((os.environ.get("ZDOTDIR") if shell == "zsh" else None) or "~").expanduser()
    return Installation(file, folder / f".{shell}rc", f'[ -f "{file}" ] && . "{file}"')


def _shell_in_use() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    which = f"for {name}" if name else "without $SHELL"
    raise UsageError(f"There is no completion {which}. Say which shell with --shell: {', '.join(SHELLS)}.")
