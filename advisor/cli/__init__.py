"""The command line: one module per command, imported only when that command runs."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from advisor.cli import render
from advisor.cli.flags.command import Command, Group, is_short
from advisor.errors import AdvisorError
from backends import BackendError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Heading -> command -> its module, and the line --help shows. Kept here so that --help imports none of them.
LISTED: dict[str, dict[str, tuple[str, str]]] = {
    "Decide": {
        "check": ("advisor.cli.commands.check", "Read the data, count its tokens, find what is wrong with it."),
        "plan": ("advisor.cli.commands.plan", "Recommend: prompt, few-shot, or fine-tune, where, and for how much."),
        "budget": ("advisor.cli.commands.budget", "What a given sum buys, month by month."),
        "fit": ("advisor.cli.commands.fit", "Whether a model fits on a GPU, how long training takes, what it costs."),
        "classifier": ("advisor.cli.commands.classifier", "Train a plain classifier on labelled data, without a key."),
    },
    "Train": {
        "pilot": ("advisor.cli.commands.pilot", "Train on small parts of the data, and see what more of it would buy."),
        "launch": ("advisor.cli.commands.launch", "Start a training job on any backend."),
        "jobs": ("advisor.cli.commands.jobs", "List the runs in the ledger."),
        "show": ("advisor.cli.commands.show", "Show one run."),
        "watch": ("advisor.cli.commands.watch", "Follow a run live: loss, steps, spend."),
        "ui": ("advisor.cli.commands.ui", "Follow all runs on a page of this machine."),
        "logs": ("advisor.cli.commands.logs", "Print what the provider said, line by line."),
        "cancel": ("advisor.cli.commands.cancel", "Stop a run."),
    },
    "Look back": {
        "evaluate": (
            "advisor.cli.commands.evaluate",
            "Compare base, few-shot and tuned on the same held-out examples.",
        ),
        "receipt": ("advisor.cli.commands.receipt", "Compare a run's quote with its bill."),
        "receipts": ("advisor.cli.commands.receipts", "Show how accurate the quotes of all runs were."),
        "report": ("advisor.cli.commands.report", "Write a page to share."),
    },
    "Use the model": {
        "chat": ("advisor.cli.commands.chat", "Talk to a model."),
        "export": ("advisor.cli.commands.export", "Write a tuned model as an adapter, merged, for Ollama or as GGUF."),
        "serve": ("advisor.cli.commands.serve", "Serve a tuned model, or check a server against the trainer."),
    },
    "Set up": {
        "prices": ("advisor.cli.commands.prices", "Show and update the price book: values, ages, sources."),
        "keys": ("advisor.cli.commands.keys", "Keep provider keys in the system keyring."),
        "config": ("advisor.cli.commands.config", "Show the settings in force, and where each comes from."),
        "completion": ("advisor.cli.commands.completion", "Complete commands, files, runs and models with Tab."),
        "doctor": ("advisor.cli.commands.doctor", "Say what works on this machine, and how to fix what does not."),
        "mcp": ("advisor.cli.commands.mcp", "Run a server for agents: data, advice, prices and runs."),
        "help": ("advisor.cli.commands.help", "Show the help of a command."),
    },
}
COMMANDS = {name: about for commands in LISTED.values() for name, about in commands.items()}

WITHOUT_STATE = ("check", "plan", "budget", "fit")  # which a state folder only makes faster
EVERYWHERE = {"--quiet": "quiet", "-q": "quiet", "--verbose": "verbose", "--no-color": "no_color"}  # flag -> parameter
WORDS = "tunewise.words"  # the words behind a command's name, in the meta of its context


class _Commands(Group):
    """Loads a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        everywhere = [flag for flag in EVERYWHERE if flag.startswith("--")]
        command.epilog = f"Also {', '.join(everywhere)}; 'tunewise --help' explains them."
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if ctx.resilient_parsing:  # completion: what is wrong is for the command itself to say
            return name, command, rest
        rest = _lifted(ctx, command, rest)
        render.configure(quiet=ctx.params["quiet"], color=not ctx.params["no_color"])
        rest = command.renewed(rest) if isinstance(command, Command) else rest
        ctx.meta[WORDS] = tuple(rest)
        if command is not None:
            _apply_settings(ctx, command, rest)
        return name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader (head, less) has seen enough; click would call it an error
            _let_go_of_stdout()
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if is_short(ctx):
            with formatter.section("Commands"):
                formatter.write_dl([(heading, ", ".join(commands)) for heading, commands in LISTED.items()])
            return
        for heading, commands in LISTED.items():
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()], col_max=12)


def _lifted(ctx: click.Context, command: click.Command | None, words: list[str]) -> list[str]:
    """Take what holds for every command out of a command's words: behind its name it means the same as before.

    The value of another flag is left to it, and so is all that follows ``--``.
    """
    options = [one for one in command.params if isinstance(one, click.Option)] if command else []
    valued = {flag for one in options if not one.is_flag and not one.count for flag in one.opts}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        flag, found, value = word.partition("=")
        if word == "--":
            rest += [word, *waiting]
        elif word in valued:
            rest += [word, *islice(waiting, 1)]
        elif word in EVERYWHERE:
            ctx.params[EVERYWHERE[word]] = True
        elif flag == "--pricing":
            ctx.params["pricing"] = value if found else next(waiting, None) or ctx.fail("--pricing needs a FILE.")
        else:
            rest.append(word)
    return rest


def _apply_settings(ctx: click.Context, command: click.Command, arguments: Sequence[str]) -> None:
    """Lay what tunewise.yaml and the environment say below the flags; a flag of the command line stays as it is."""
    from advisor.cli import settings

    if {"-h", "--help"} & set(arguments) or command.name == "config":  # which reads them itself
        return
    try:
        found = settings.in_force()
    except settings.ConfigError:
        if command.name == "doctor":  # says what is wrong with it
            return
        raise
    for key in ("home", "pricing"):
        if key in found and settings.variable(key) not in os.environ:
            ctx.with_resource(_set(settings.variable(key), str(found[key].value)))
    if command.name in WITHOUT_STATE:
        _do_without_state(ctx)
    pricing = found.get("pricing")
    if pricing is not None and pricing.source == str(settings.files()[0]) and not ctx.params["pricing"]:
        # A file that came with a project must not change what things cost without a word.
        render.note(f"note: prices come from {pricing.value}, as set by tunewise.yaml in this folder.")
    for key, parameter, value in (("color", "no_color", False), ("quiet", "quiet", True)):
        if key in found and found[key].value is value:
            ctx.params[parameter] = True
    ctx.default_map = {str(command.name): settings.defaults_for(command, arguments, found)}


def _do_without_state(ctx: click.Context) -> None:
    """Where the state folder cannot be made or written, work in a temporary one: what is kept there only saves time."""
    from tempfile import TemporaryDirectory

    from advisor.paths import home

    try:
        home()
    except AdvisorError as error:
        render.note(f"warning: {error} Going on without it: nothing is remembered, and no earlier run is known.")
        # Windows keeps what is still open.
        folder = ctx.with_resource(TemporaryDirectory(prefix="tunewise-", ignore_cleanup_errors=True))
        ctx.with_resource(_set("TUNEWISE_HOME", folder))


@contextmanager
def _set(variable: str, value: str) -> Iterator[None]:
    """Have a variable of the environment, which what is started here inherits, while the command runs."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


@click.group(cls=_Commands, invoke_without_command=True)
@click.option("-q", "--quiet", is_flag=True, help="Print results and errors only.")
@click.option("--verbose", is_flag=True, help="Say what is read, requested and started, with times; trace errors.")
@click.option("--no-color", is_flag=True, help="Print plain text; the variable NO_COLOR does the same.")
@click.option("--pricing", metavar="FILE", help="Use this price file instead of the packaged one.")
@click.version_option(None, "-V", "--version", package_name="tunewise", message="%(prog)s %(version)s")
@click.pass_context
def tunewise(ctx: click.Context, quiet: bool, verbose: bool, no_color: bool, pricing: str | None) -> None:
    """Should I fine-tune at all, where, what will it cost - and then do it.

    \b
    tunewise check train.jsonl            what you have and what is wrong with it
    tunewise plan train.jsonl             what to do, why, and what it costs
    tunewise launch plan.yaml             do it
    """
    render.configure(quiet=quiet, color=not no_color)
    if pricing:
        ctx.with_resource(_set("TUNEWISE_PRICING", pricing))
    if ctx.invoked_subcommand is not None:
        return
    if not render.is_terminal():
        render.out(ctx.get_help())
        ctx.exit(2)
    from advisor.cli.wizard.conversation import run

    _apply_settings(ctx, ctx.command, ())
    run()


def main() -> NoReturn:
    """Run the command line and exit with the contract's code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the shell (>&-): what is written there is for nobody
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a pipe on Windows cannot say is a question mark, no crash
        sys.stdout.reconfigure(errors="replace")
    if os.environ.get("_TUNEWISE_COMPLETE", "").endswith("_complete"):  # what fails at Tab must not write over the line
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    verbose = "--verbose" in sys.argv[1:]
    if verbose:
        from advisor.cli.trace import tell

        ended = tell()
    code = _exit_code(verbose)
    _let_go_of_stdout()
    if verbose:
        ended(code)
    sys.exit(code)


def _exit_code(verbose: bool) -> int:
    try:
        code = tunewise.main(prog_name="tunewise", standalone_mode=False)
        sys.stdout.flush()  # here, where a pipe that was closed is no error
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        render.error("interrupted; what was done so far is saved.")
        return 130
    except click.ClickException as error:
        render.usage_error(error)
        return error.exit_code
    except (AdvisorError, BackendError) as error:
        if verbose:
            import traceback

            from advisor.cli.trace import hidden

            render.note(hidden(traceback.format_exc()))
        render.error(str(error))
        return getattr(error, "exit_code", 1)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:  # as above, where it was noticed only at the end
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _let_go_of_stdout()
        render.error(f"{error.filename or 'A disk'}: {error.strerror}. Make room; what was done so far is saved.")
        return 1


def _let_go_of_stdout() -> None:
    """Point stdout at nothing where it takes no more, so that the interpreter's own flush stays silent."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
