"""``tunewise prices``: what is in the price book, how old it is, who says so, and what changed."""

from __future__ import annotations

import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Group
from advisor.nearest import meant, no_such
from advisor.pricing.rates import Standing

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from advisor.pricing import PriceBook

FILE = click.Path(path_type=Path, dir_okay=False)
_LISTS = "'tunewise prices list' shows what is"
_MOST_BYTES = 50_000_000
_MOST_S = 60.0  # for one answer, however steadily it trickles


@click.group("prices", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """The price book: every figure with its source, its date and how far to trust it.

    \b
    tunewise prices list --provider together
    tunewise prices show gpt-4.1-mini
    tunewise prices check
    tunewise prices diff old.yaml new.yaml --md
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, provider=None, stale=False, no_pager=False, today=date.today(), as_json=False)


@command.command("list")
@click.option("--provider", shell_complete=completing.sellers, help="Only this provider's figures; 'rental' for GPUs.")
@click.option("--stale", is_flag=True, help="Only figures that are due to be checked again.")
@click.option("--no-pager", is_flag=True, help="Print a long list at once; the variable NO_PAGER does the same.")
@common.today
@common.as_json
def listing(provider: str | None, stale: bool, no_pager: bool, today: date, as_json: bool) -> None:
    """List every figure: value, unit, age, trust.

    \b
    tunewise prices list --provider together --stale
    """
    from advisor.cli.render import prices as page
    from advisor.cli.render.pager import paged
    from advisor.errors import UsageError
    from advisor.pricing import PriceBook
    from advisor.pricing.entries import entries

    book = PriceBook.load()
    found = entries(book)
    known = dict.fromkeys(entry.provider for entry in found)
    asked = [one for one in book.prompt_models if provider in (None, one.provider) and not stale]
    if provider and provider not in (*known, *book.providers) and not asked:
        raise UsageError(no_such("provider", provider, known))
    chosen = [entry for entry in found if provider in (None, entry.provider) and (not stale or entry.stale(today))]
    prompted = [price for one in asked if (price := book.inference(one.model, one.provider, on=today)) is not None]
    if as_json:
        render.json_document(page.list_document(book, chosen, today) | {"prompt_models": prompted})
    else:
        with paged(wanted=not no_pager):
            page.list_page(book, chosen, prompted, today)


@command.command("show")
@click.argument("name", shell_complete=completing.models)
@click.option("--standing", type=common.Choice(get_args(Standing)), help="Your organisation's standing there.")
@common.today
@common.as_json
def show(name: str, standing: Standing | None, today: date, as_json: bool) -> None:
    """Show everything known about a model, a provider or a GPU: prices, sources that disagree, end of sale.

    \b
    tunewise prices show gpt-4.1-mini --standing active
    """
    from advisor.cli.render import prices as page
    from advisor.errors import PriceError
    from advisor.pricing import PriceBook
    from advisor.pricing.lookup import look_up, names

    book = PriceBook.load()
    found = look_up(book, name, today, standing)
    if found is None:
        raise PriceError(f"'{name}' is not in the price book. {meant(name, names(book), see=_LISTS)}")
    if as_json:
        render.json_document(page.show_document(found, today))
    else:
        page.show_page(found)


@command.command("check")
@click.argument("file", type=FILE, required=False)
@click.option("--max-age", type=click.IntRange(min=0), metavar="DAYS", help="Exit 1 when a figure is older.")
@common.today
@common.as_json
def check(file: Path | None, max_age: int | None, today: date, as_json: bool) -> None:
    """Validate a price file, or an overlay on the packaged one (default: what is in use), and say how old it is.

    \b
    tunewise prices check pricing.local.yaml
    """
    from advisor.cli.render import prices as page
    from advisor.pricing.entries import entries

    book = _book(file)
    found = entries(book)
    too_old = [entry for entry in found if max_age is not None and (entry.age_days(today) or 0) > max_age]
    if as_json:
        render.json_document(page.check_document(book, found, too_old, today))
    else:
        page.check_page(book, found, too_old, today)
    if too_old:
        sys.exit(1)


@command.command("diff")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE, required=False)
@click.option("--md", is_flag=True, help="Print a Markdown table, for a pull request.")
@common.as_json
def diff(old: Path, new: Path | None, md: bool, as_json: bool) -> None:
    """Say what differs between two price files, or between the estimates of two plans.

    Without NEW a price file is compared with the one in use.

    \b
    tunewise prices diff old.yaml new.yaml --md
    tunewise prices diff plan-may.yaml plan-june.yaml
    """
    from advisor.cli.render import price_changes as page
    from advisor.errors import PriceError
    from advisor.pricing.compare import changes

    plans = [file for file in (old, new) if file is not None and _is_plan(file)]
    if new is not None and len(plans) == 2:
        _diff_plans(old, new, md, as_json)
        return
    if plans:
        beside = "nothing to compare it with was named" if new is None else f"{new if plans == [old] else old} is not"
        raise PriceError(f"{plans[0]} is a plan, but {beside}: compare two plans, or two price files.")
    found = changes(_book(old), _book(new))
    if as_json:
        render.json_document({"old": old, "new": new, "changes": page.change_rows(found)})
    elif md:
        page.diff_markdown(found)
    else:
        page.diff_page(found)


def _book(file: Path | None) -> PriceBook:
    """Return a price file as a book, an overlay laid over the packaged file; None: the book in use."""
    from advisor.paths import packaged_prices
    from advisor.pricing import PriceBook
    from advisor.pricing.source_file import read

    if file is None or "version" in read(file).tree:
        return PriceBook.load(file)
    return PriceBook.load(packaged_prices(), overlays=(file,))


def _is_plan(file: Path) -> bool:
    """Tell a plan from a price file by its keys; what is neither is left to the price file's errors."""
    from advisor.errors import PriceError
    from advisor.pricing.source_file import read

    try:
        return "option" in read(file).tree
    except PriceError:
        return False


def _diff_plans(old: Path, new: Path, md: bool, as_json: bool) -> None:
    from advisor.cli.render import price_changes as page
    from advisor.errors import PriceError
    from advisor.estimate import compare
    from advisor.recommend import read_plan

    before, after = read_plan(old).option, read_plan(new).option
    if before.estimate is None or after.estimate is None:
        unpriced = old if before.estimate is None else new
        raise PriceError(f"{unpriced}: the option of this plan has no estimate to compare.")
    found = compare(before.estimate, after.estimate)
    if as_json:
        render.json_document({"old": before.id, "new": after.id, "differences": found})
    else:
        page.plans(before.id, after.id, found, md=md)


@command.command("copy")
@click.argument("file", type=FILE, default=Path("pricing.local.yaml"))
@click.option("--whole", is_flag=True, help="Write the whole price file instead of an empty overlay.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@common.as_json
def copy(file: Path, whole: bool, force: bool, as_json: bool) -> None:
    """Write an overlay to put your own prices, discounts and tax in (default: pricing.local.yaml).

    \b
    tunewise prices copy
    """
    from advisor.errors import PriceError
    from advisor.paths import packaged_prices
    from advisor.pricing.book import overlay_start

    if file.exists() and not force:
        raise PriceError(f"{file} exists already; give another name, or --force to overwrite it.")
    text = packaged_prices().read_text(encoding="utf-8") if whole else overlay_start()
    file.write_text(text, encoding="utf-8")
    render.note(f"wrote {file}")
    if as_json:
        render.json_document({"file": file.absolute()})


@command.command("refresh")
@click.argument("feeds", nargs=-1, metavar="[azure] [aws] [tinker] [vast] [openrouter]")
@click.option("--url", "urls", multiple=True, metavar="FEED=URL", help="Ask a mirror of a feed instead.")
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@common.today
@common.as_json
def refresh(feeds: tuple[str, ...], urls: tuple[str, ...], dry_run: bool, today: date, as_json: bool) -> None:
    """Ask public price feeds (no key needed) and keep what they say over the packaged prices.

    Only figures already in the book are taken, and none that changed more than threefold.

    \b
    tunewise prices refresh --dry-run
    """
    from advisor.cli.render import price_changes as page
    from advisor.errors import PriceError
    from advisor.pricing.book import overlay_places
    from advisor.pricing.feeds import FEEDS, collect
    from advisor.pricing.refresh import Overlay

    mirrors = dict(_pair(text) for text in urls)
    for name in (*feeds, *mirrors):
        if name not in FEEDS:
            raise click.UsageError(no_such("feed", name, FEEDS))
    overlay = Overlay(today)
    results, failures = [], {}
    for name in feeds or FEEDS:
        try:
            results.append(overlay.take(FEEDS[name], collect(FEEDS[name], _fetch, mirrors.get(name))))
        except (OSError, PriceError) as error:
            failures[name] = f"{name}: {error}"
    target = overlay_places()[0]
    written = not overlay.empty and not dry_run
    if written:
        overlay.write(target)
    if as_json:
        render.json_document({"feeds": results, "failed": failures, "written": target if written else None})
    else:
        page.refresh_page(results, failures, target if written else None)
    if failures:
        sys.exit(1)


def _fetch(address: str) -> bytes:
    """Ask one address; a feed that answers slowly or at length is not waited for."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not address.startswith(("https://", "http://")):
        raise OSError(f"{address} is not a web address")
    # Tinker's site refuses the default name of Python's client.
    request = Request(address, headers={"User-Agent": "tunewise", "Accept": "application/json"})
    host = urlsplit(address).netloc
    try:
        with urlopen(request, timeout=20) as answer:
            body = _bounded(answer, address)
    except HTTPError as error:
        raise OSError(f"{host} answered {error.code} {error.reason}; the prices in use stay as they are.") from error
    except URLError as error:
        raise OSError(f"{host} cannot be reached ({error.reason}); the prices in use stay as they are.") from error
    return body


def _bounded(answer: HTTPResponse, address: str) -> bytes:
    """Read an answer that is neither too long nor too slow. Raises OSError."""
    until, parts, size = time.monotonic() + _MOST_S, [], 0
    while part := answer.read1(1 << 20):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            raise OSError(f"{address} sends more than {_MOST_BYTES // 1_000_000} MB")
        if time.monotonic() > until:
            raise OSError(f"{address} takes longer than {_MOST_S:.0f} s to answer")
    return b"".join(parts)


def _pair(text: str) -> tuple[str, str]:
    name, found, url = text.partition("=")
    if not found:
        raise click.BadParameter(f"'{text}' is not of the form FEED=URL.", param_hint="--url")
    return name, url
