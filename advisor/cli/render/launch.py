"""How a launch looks before it happens: what, where, for how much, and what leaves this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.runs.launch.proposal import Proposal
    from backends import Hyperparameters, JobSpec

_LONGEST = 400  # characters of a request body worth showing in one value


def proposal(one: Proposal, *, talk: bool) -> None:
    """Print the plan of one run; on stderr when stdout is kept for the result."""
    from rich.markup import escape
    from rich.table import Table

    console = render.console(stderr=talk)
    spec, quote = one.run.spec, one.run.quote
    console.print(f"[bold]{escape(spec.model)}[/] on [bold]{spec.backend}[/]: {spec.method}, {spec.objective}")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=10, no_wrap=True)
    grid.add_column(overflow="fold")

    def line(label: str, text: str) -> None:
        grid.add_row(f"  {label}", text)

    line("settings", ", ".join(_settings(spec.hyperparameters)))
    files = [path for path in (spec.train_file, spec.validation_file) if path is not None]
    sizes = ", ".join(f"{path.name} {path.stat().st_size / 1000:,.1f} kB" for path in files)
    line("data", f"{sizes}; {_whereabouts(spec)}")
    if one.backend.validation_decides and spec.validation_file is not None:
        line("validation", f"{escape(str(one.run.origin.validation or spec.validation_file))} (picks the step to keep)")
    if one.run.origin.held_out is not None:
        line("held out", f"{escape(str(one.run.origin.held_out))} ({_role(one)})")
    for item in quote.lines:
        checked = f"; price read {item.checked}" if item.checked else ""
        quantity = render.decimal_text(round(item.quantity, 4))
        line(
            "price",
            f"{escape(item.name)}: {quantity} {item.unit} x {render.usd(item.unit_usd)} = "
            f"{render.usd(item.usd)} [dim]({escape(item.source)}{checked})[/]",
        )
    between = ""
    if quote.low_usd is not None and quote.high_usd is not None and quote.low_usd != quote.high_usd:
        between = f" ({render.usd(quote.low_usd)} to {render.usd(quote.high_usd)})"
    age = f", prices of {quote.prices_as_of}" if quote.prices_as_of else ""
    line("total", f"[bold]{render.usd(quote.usd)}[/]{between}{age}")
    if quote.train_minutes is not None:
        line("time", _minutes(quote.train_minutes, quote.train_minutes_range))
    if quote.serving:
        line("serving", escape(quote.serving))
    for said in quote.assumptions:
        line("[dim]assumed[/]", f"[dim]{escape(said)}[/]")
    for note in one.notes:
        line("[magenta]note[/]", escape(note))
    console.print(grid)


def _whereabouts(spec: JobSpec) -> str:
    """Word where the data goes."""
    if spec.backend != "local":
        return f"uploaded to {spec.backend}"
    return "read by your cluster" if spec.options.get("address") else "stays on this machine"


def _minutes(minutes: float, between: tuple[float, ...] | None) -> str:
    """Word a time in minutes; one that would read 0.0 as what it is."""
    if minutes < 0.1:
        return "less than 0.1 minutes"
    low_high = f" ({between[0]:,.1f} to {between[1]:,.1f})" if between else ""
    return f"about {minutes:,.1f} minutes{low_high}"


def _role(one: Proposal) -> str:
    """Say what the held-out examples decide: nothing, unless they are what the trainer validates on."""
    if one.run.origin.decides_on_held_out:
        return "the same file: scores on it flatter the tuned model; --held-out 0.1 keeps others back"
    return "never shown to the trainer, decides nothing"


def _settings(chosen: Hyperparameters) -> list[str]:
    """Word the settings: what they are is on record before anybody agrees; the rest is the trainer's own choice."""
    said = {name: value for name, value in asdict(chosen).items() if value is not None}
    words = {"epochs": "{} epoch" if chosen.epochs == 1 else "{} epochs", "batch_size": "batches of {}"}
    return [words.get(name, f"{name.replace('_', ' ')} {{}}").format(value) for name, value in said.items()]


def requests(one: Proposal) -> None:
    """Print the requests that a launch would send."""
    for request in one.backend.requests(one.run.spec):
        paid = "   (costs money)" if request.costs_money else ""
        render.out(f"{request.method} {request.url}{paid}")
        for line in json.dumps(render.to_json(request.body), indent=2).splitlines():
            render.out("  " + (line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."))
