"""How runs look to a person: the ledger's table, one run, its log, the receipt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.cli.render.screen import Screen
from advisor.runs.names import with_name

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from advisor.runs import Accuracy, Receipt
    from advisor.runs.run_view import View
    from advisor.runs.standstill import StageAge
    from backends import JobEvent

_LEFT_OUT = ("created", "backend", "quoted", "model")  # of the table of runs, the first to make room first
_SAYS = 72  # columns from which a receipt has room for who says so
COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "magenta", "running": "bright_blue", "queued": "dim"}


def table(views: Sequence[View]) -> None:
    """Print one row a run; a narrow terminal leaves columns out and says which, the narrowest has a few lines a run."""
    if not views:
        render.out("No runs yet; 'tunewise launch' starts one.")
        return
    console = render.console()
    for count in range(len(_LEFT_OUT) + 1):
        grid = _grid(views, _LEFT_OUT[:count])
        if fits(console, grid):
            console.print(grid)
            if count:
                names = ", ".join(_LEFT_OUT[:count])
                said = f"Left out in {console.width} columns: {names}; 'tunewise show RUN' has them."
                Screen().paragraph(said, "dim")
            return
    for one in views:
        _lines(one, console)


def _grid(views: Sequence[View], left_out: Sequence[str]) -> Table:
    """Return the table without the columns that are left out; then a model is named without its owner."""
    from rich.markup import escape

    cells = {
        "run": [one.run for one in views],
        "name": [escape(one.name or "") for one in views],
        "backend": [_place(one) for one in views],
        "model": [escape(short(one.model.split("/")[-1] if left_out else one.model)) for one in views],
        "status": [f"[{COLOURS[one.status]}]{one.status}[/]{_so_far(one)}" for one in views],
        "steps": [steps(one.steps_done, one.steps_total) for one in views],
        "quoted": [render.usd(one.quote_usd) for one in views],
        "billed": [_billed(one) for one in views],
        "created": [f"{one.created:%Y-%m-%d %H:%M}" for one in views],
    }
    shown = [title for title, column in cells.items() if title not in left_out and (title != "name" or any(column))]
    grid = grid_of(*shown)
    for row in zip(*(cells[title] for title in shown), strict=True):
        grid.add_row(*row)
    return grid


def _lines(one: View, console: Console) -> None:
    from rich.markup import escape
    from rich.padding import Padding

    console.print(
        f"{escape(with_name(one.run, one.name))} [{COLOURS[one.status]}]{one.status}[/]{_so_far(one)} "
        f"{one.created:%Y-%m-%d %H:%M}"
    )
    how_far = steps(one.steps_done, one.steps_total)
    parts = [f"{how_far} steps"] if how_far else []
    parts += [f"quoted {render.usd(one.quote_usd)}", *([f"billed {billed}"] if (billed := _billed(one)) else [])]
    console.print(Padding(f"{escape(short(one.model))} on {_place(one)}", (0, 0, 0, 2)))
    console.print(Padding(", ".join(parts), (0, 0, 0, 2)))


def card(one: View) -> None:
    """Print everything about one run."""
    from rich.markup import escape

    grid = grid_of()
    rows: list[tuple[str, str | None]] = [
        ("run", one.run),
        ("name", escape(one.name) if one.name else None),
        ("status", f"[{COLOURS[one.status]}]{one.status}[/] {escape(_beside(one))}".strip()),
        ("stages", escape(stages_text(one.stages)) or None),
        ("stands still", f"[magenta]{escape(one.standstill)}[/]" if one.standstill else None),
        ("error", escape(one.error) if one.error else None),
        ("twins", f"[magenta]{escape(twins_text(one))}[/]" if one.twins else None),
        ("changed", f"[magenta]{escape(changed_text(one))}[/]" if one.changed_by_provider else None),
        ("model", escape(f"{one.model} on {_place(one)} ({one.method}, {one.objective})")),
        ("job", escape(one.job_id) if one.job_id else None),
        ("steps", steps(one.steps_done, one.steps_total) or None),
        ("finishes about", (clock(one.estimated_finish) or None) if not one.status.finished else None),
        ("quoted", render.usd(one.quote_usd)),
        ("their quote", render.usd(one.provider_quote_usd) if one.provider_quote_usd is not None else None),
        ("billed", render.usd(one.billed_usd) if one.status.finished else None),
        ("tuned model", escape(one.tuned_model) if one.tuned_model else None),
        ("data", escape(", ".join(one.data))),
        ("too long", f"[magenta]{escape(' '.join(one.too_long))}[/]" if one.too_long else None),
        ("uploaded", escape(", ".join(one.uploads)) or None),
        ("held out", escape(str(one.held_out)) if one.held_out else None),
        ("left out", escape(one.left_out) or None),
        ("metrics", escape(str(one.metrics_path)) if one.metrics_path else None),
        ("folder", escape(str(one.folder))),
        ("created", f"{one.created:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    for name, value in rows:
        if value is not None:
            grid.add_row(f"[dim]{name}[/]", value)
    for column in grid.columns:
        column.overflow = "fold"
    render.console().print(grid)


def stages_text(stages: Sequence[StageAge]) -> str:
    """Say how long a job was at each of its stages."""
    from advisor.recommend.wording import duration

    return ", ".join(f"{one.name} {duration(one.minutes)}" for one in stages)


def changed_text(one: View) -> str:
    """Say that the provider trains with other settings than it was asked for."""
    return f"{one.backend} trains with settings other than those asked for: {one.changed_by_provider}."


def twins_text(one: View | Receipt) -> str:
    """Say that other jobs of this run are at the provider."""
    return (
        f"{one.backend} holds more than one job of {one.run}: {', '.join(one.twins)} beside it. A reply was lost and "
        "came true later; cancel there what you do not want, since each may be billed."
    )


def beside_theirs(one: View) -> str:
    """Set the provider's own price beside ours."""
    ours, theirs = one.quote_usd, one.provider_quote_usd
    off = f", {float(theirs / ours - 1):+.1%} on ours of {render.usd(ours)}" if ours and theirs is not None else ""
    return f"{one.backend} itself quotes {render.usd(theirs)} for {one.run}{off}."


def log(events: Iterable[JobEvent]) -> None:
    """Print one line an event."""
    for event in events:
        numbers = "" if event.message else " ".join(f"{name}={value:.4g}" for name, value in event.metrics.items())
        level = "" if event.level in ("info", "sample") else f"{event.level}: "  # a sample says itself that it is one
        render.out(f"{event.time:%Y-%m-%d %H:%M:%S} {level}{event.message} {numbers}".rstrip())


def receipt_table(found: Receipt, *, everything: bool = False) -> None:
    """Print quoted beside actual, the total last; ``everything``: the lines of the quote too."""
    over = found.status.finished
    screen = Screen()
    says = ["says"] if screen.width >= _SAYS else []
    grid = grid_of("", "quoted", *(("actual", "off by") if over else ("so far",)), *says)
    for column in grid.columns[1 : 4 if over else 3]:
        column.justify = "right"
    for line in found.lines:
        if line.quoted is None and line.actual is None and line.unit != "USD":
            continue
        error = "" if line.error_pct is None else f"{line.error_pct:+.1f}%"
        actual = "" if line.actual is None and not over else _amount(line.actual, line.unit)
        cells = [_amount(line.quoted, line.unit), actual, *([error] if over else [])]
        grid.add_row(line.name, *cells, *([line.basis] if says else []))
    grid.columns[0].no_wrap = True
    name = with_name(found.run, found.name)
    screen.paragraph(f"Receipt of {name}: {short(found.model)} on {found.backend}, {found.status}", "bold")
    render.console().print(grid)
    taught = [f"{line.name} {100 * (line.corrected - 1):+.1f}%" for line in found.lines if line.corrected != 1]
    if taught:
        screen.paragraph(f"The quote was corrected by the median error of earlier runs: {', '.join(taught)}.")
    if found.missing:
        screen.paragraph(f"Missing here, since {found.backend} did not give it: {', '.join(found.missing)}.")
    if found.twins:
        screen.paragraph(twins_text(found), "magenta")
    if found.provider_quote_usd is not None:
        screen.paragraph(f"{found.backend} itself quoted {render.usd(found.provider_quote_usd)}.")
    if found.serving:
        screen.paragraph(found.serving)
    for item in found.quote_lines if everything else ():
        checked = f", read {item.checked}" if item.checked else ""
        quantity = render.decimal_text(round(item.quantity, 4))
        screen.bullet(
            f"quoted: {item.name}: {quantity} {item.unit} x {render.usd(item.unit_usd)} = "
            f"{render.usd(item.usd)} ({item.source}{checked})",
            "dim",
        )
    screen.paragraph(_receipt_total(found) + ("" if everything else " The lines of the quote: --all"), "bold")


def _receipt_total(found: Receipt) -> str:
    quoted = render.usd(found.quote_usd)
    if not found.status.finished:
        return f"It is {found.status}, so nothing is final yet; quoted {quoted}."
    return f"Total: {render.usd(found.billed_usd)}, quoted {quoted}."


def accuracy_table(found: Sequence[Accuracy]) -> None:
    """Print how well runs were quoted, by backend and quantity."""
    if not found:
        render.out("No run has ended yet that was quoted and measured.")
        return
    grid = grid_of("backend", "quantity", "runs", "median error", "median |error|", "within 10%")
    for one in found:
        grid.add_row(
            one.backend,
            one.quantity,
            str(one.runs),
            f"{one.median_error_pct:+.1f}%",
            f"{one.median_abs_pct:.1f}%",
            f"{one.within_10_pct:.0%}",
        )
    render.console().print(grid)


def grid_of(*columns: str) -> Table:
    """Return an empty table without lines; without ``columns`` it has no header either."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, show_header=bool(columns), header_style="dim")
    for column in columns:
        grid.add_column(column, overflow="fold", no_wrap=column == "run")
    return grid


def fits(console: Console, grid: Table) -> bool:
    """Tell whether every cell has room without being broken."""
    unbounded = console.options.update(width=10_000)
    return console.measure(grid, options=unbounded).maximum <= console.width


def _so_far(one: View) -> str:
    """Say for how long a job that goes on is at its stage."""
    from advisor.recommend.wording import duration

    return f" {duration(one.stages[-1].minutes)}" if one.stages and not one.status.finished else ""


def _billed(one: View) -> str:
    return render.usd(one.billed_usd) if one.status.finished else ""


def _beside(one: View) -> str:
    return "" if one.detail == one.status else one.detail


def _place(one: View) -> str:
    return f"REHEARSAL of {one.rehearses}" if one.rehearses else one.backend


def short(model: str) -> str:
    """Return a model's name for a table: the 64 digits of a Replicate version cut to twelve."""
    name, colon, version = model.partition(":")
    return f"{name}:{version[:12]}" if colon and len(version) == 64 else model


def steps(done: int | None, total: int | None) -> str:
    if done is None and total is None:
        return ""
    return f"{done or 0}/{total}" if total else str(done)


def clock(moment: datetime | None) -> str:
    if moment is None:
        return ""
    local = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone()
    return f"{local:%H:%M:%S}"


def _amount(value: Decimal | None, unit: str) -> str:
    from advisor.recommend.wording import duration

    if unit == "USD":
        return render.usd(value)
    if value is None:
        return "unknown"
    if unit == "minutes":
        return duration(float(value))
    return f"{value:,.0f}" if unit == "tokens" else f"{value:,.2f} {unit}"
