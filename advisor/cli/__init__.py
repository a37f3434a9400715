"""The command line: one module per command, imported only when that command runs."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import click

from advisor.cli import render
from advisor.errors import AdvisorError
from backends import BackendError

# Command -> the module that holds it and the line --help shows. Kept here so that --help imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("advisor.cli.commands.check", "Read the data, count its tokens, find what is wrong with it."),
    "plan": ("advisor.cli.commands.plan", "Recommend: prompt, few-shot, or fine-tune, where, and for how much."),
    "budget": ("advisor.cli.commands.budget", "The best use of a given sum, month by month."),
    "fit": ("advisor.cli.commands.fit", "Will it fit on this GPU, how long will it take, what will it cost."),
    "launch": ("advisor.cli.commands.launch", "Start a training job on any backend."),
    "jobs": ("advisor.cli.commands.jobs", "List the runs in the ledger."),
    "show": ("advisor.cli.commands.show", "One run, as it stands."),
    "watch": ("advisor.cli.commands.watch", "Follow a run live: loss, steps, spend."),
    "cancel": ("advisor.cli.commands.cancel", "Stop a run."),
    "logs": ("advisor.cli.commands.logs", "What the provider said, line by line."),
    "evaluate": ("advisor.cli.commands.evaluate", "Base, few-shot and tuned on the same held-out examples."),
    "pilot": ("advisor.cli.commands.pilot", "Small measured runs, and what more data would buy."),
    "classifier": ("advisor.cli.commands.classifier", "Train a plain classifier on labelled data, without a key."),
    "receipt": ("advisor.cli.commands.receipt", "Quoted beside billed."),
    "receipts": ("advisor.cli.commands.receipts", "How well all runs were quoted."),
    "chat": ("advisor.cli.commands.chat", "Try a model."),
    "export": ("advisor.cli.commands.export", "Take a tuned model out: adapter, merged, card, Ollama, GGUF."),
    "serve": ("advisor.cli.commands.serve", "Serve a tuned model, or check a server against the trainer."),
    "report": ("advisor.cli.commands.report", "A page to share."),
    "prices": ("advisor.cli.commands.prices", "The price book: values, ages, sources."),
    "keys": ("advisor.cli.commands.keys", "Keep provider keys in the system keyring."),
    "config": ("advisor.cli.commands.config", "The settings in force, and where each comes from."),
    "mcp": ("advisor.cli.commands.mcp", "A server for agents: look at data, advice, prices and runs."),
    "doctor": ("advisor.cli.commands.doctor", "What works on this machine, and what to do about what does not."),
}


WITHOUT_STATE = ("check", "plan", "budget", "fit")  # which a state folder only makes faster
EVERYWHERE = ("--quiet", "--verbose", "--no-color")
WORDS = "tunewise.words"  # the words behind a command's name, in the meta of its context


class _Commands(click.Group):
    """Loads a command's module when it is called, and suggests the nearest name when there is none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        command.epilog = f"Also {', '.join(EVERYWHERE)}; 'tunewise --help' says what they do."
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if ctx.resilient_parsing:  # completion: what is wrong is for the command itself to say
            return super().resolve_command(ctx, args)
        if args and args[0] not in COMMANDS:
            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " 'tunewise --help' lists them."
            ctx.fail(f"There is no command '{args[0]}'.{hint}")
        name, command, rest = super().resolve_command(ctx, args)
        rest = _lifted(ctx, rest)
        ctx.meta[WORDS] = tuple(rest)
        render.configure(quiet=ctx.params["quiet"], color=not ctx.params["no_color"])
        if command is not None:
            _apply_settings(ctx, command, rest)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader (head, less) has seen enough; click would call it an error
            _let_go_of_stdout()
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _lifted(ctx: click.Context, words: list[str]) -> list[str]:
    """Take what holds for every command out of a command's words: behind its name it means the same as before."""
    rest = []
    waiting = iter(words)
    for word in waiting:
        flag, found, value = word.partition("=")
        if word in EVERYWHERE:
            ctx.params[word.removeprefix("--").replace("-", "_")] = True
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
        if key in found:
            os.environ.setdefault(settings.variable(key), str(found[key].value))
    if command.name in WITHOUT_STATE:
        _do_without_state(ctx)
    pricing = found.get("pricing")
    if pricing is not None and pricing.source == str(settings.files()[0]) and not ctx.params["pricing"]:
        # A file that came with a project must not change what things cost without a word.
        render.note(f"note: prices are those of {pricing.value}, as tunewise.yaml in this folder says.")
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
        render.note(f"warning: {error} This goes on without: nothing is remembered, and no earlier run is known.")
        os.environ["TUNEWISE_HOME"] = ctx.with_resource(
            TemporaryDirectory(prefix="tunewise-", ignore_cleanup_errors=True)  # Windows keeps what is still open
        )


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quiet", is_flag=True, help="No talk on stderr; results and errors only.")
@click.option("--verbose", is_flag=True, help="Say what is read, asked and started, with times; trace errors.")
@click.option("--no-color", is_flag=True, help="Plain text; the variable NO_COLOR does the same.")
@click.option("--pricing", metavar="FILE", help="Use this price file instead of the packaged one.")
@click.version_option(package_name="tunewise", message="%(prog)s %(version)s")
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
        os.environ["TUNEWISE_PRICING"] = pricing
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
