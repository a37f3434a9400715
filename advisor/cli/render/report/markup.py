"""The few pieces of HTML everything is made of; every text passes through here and is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from advisor.cli import render
from advisor.cli.render.safe_text import without_folders
from advisor.estimate import Range

_NOTHING = ("", "–")


class Html(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def text(value: str) -> Html:
    """Return ``value`` for use in an element or an attribute; markup is left as it is, and files lose their folders."""
    return value if isinstance(value, Html) else Html(escape(without_folders(value), quote=True))


def tag(name: str, *content: str, **attributes: str) -> Html:
    """Return an element. ``class_`` becomes class, ``aria_label`` aria-label; all content is escaped unless Html."""
    given = "".join(f' {key.strip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>{join(content)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    """Put pieces one after the other."""
    return Html(text(between).join(text(part) for part in parts))


def section(id: str, title: str, *content: str) -> Html:
    """Return a part of the page that the table of contents can point at; nothing when it is empty."""
    if not any(content):
        return Html("")
    body = (tag("h2", title, id=f"{id}-title"), *content)
    return tag("section", *body, id=id, aria_labelledby=f"{id}-title")


def bullets(items: Iterable[str], class_: str = "plain") -> Html:
    """Return a list; nothing when it is empty."""
    found = [tag("li", item) for item in items]
    return tag("ul", *found, class_=class_) if found else Html("")


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    marked: int = -1,
    results: Sequence[int] = (),
) -> Html:
    """Return a table in a box of its own that scrolls sideways where the screen is narrow.

    ``numbers`` are the columns that hold figures, ``marked`` the row that is the answer; a row's first cell heads it.
    A column that holds the same in every row says it once, beneath the table; not so the ``results``, where being the
    same is what was found.
    """
    alike = [column for column in _alike(rows) if column not in results]
    shown = [column for column in range(len(head)) if column not in alike]

    def kind(column: int) -> dict[str, str]:
        return {"class_": "figure"} if column in numbers else {}

    top = [tag("th", head[column], scope="col", **kind(column)) for column in shown]
    body = []
    for place, row in enumerate(rows):
        cells = [tag("th", row[0], scope="row")]
        cells += [tag("td", row[column], **kind(column)) for column in shown[1:]]
        body.append(tag("tr", *cells, **({"class_": "chosen"} if place == marked else {})))
    inside = tag("table", tag("caption", caption), tag("thead", tag("tr", *top)), tag("tbody", *body))
    box = tag("div", inside, class_="scroll", role="region", aria_label=caption, tabindex="0")
    said = [join((head[column], ": ", rows[0][column])) for column in alike if rows[0][column] not in _NOTHING]
    return join((box, tag("p", "The same for all: ", join(said, "; "), ".", class_="note alike"))) if said else box


def _alike(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns that tell no row from another; none where no other column would be left."""
    found = []
    for column in range(1, len(rows[0]) if rows else 0):
        values = {row[column] for row in rows}
        if (len(rows) > 1 and len(values) == 1) or values <= set(_NOTHING):
            found.append(column)
    return found if found and len(found) < len(rows[0]) - 1 else []


def folded(summary: str, *content: str, class_: str = "") -> Html:
    """Return content that opens on demand, with a keyboard too; print opens it."""
    return tag("details", tag("summary", summary), *content, **({"class_": class_} if class_ else {}))


def usd(amount: Decimal | None) -> Html:
    """Return an amount as people read it, carrying the exact figure for machines."""
    if amount is None:
        return tag("span", "unknown", class_="unknown")
    return tag("data", render.usd(amount), value=render.decimal_text(amount))


def tiles(found: Sequence[tuple[str, str]]) -> Html:
    """Return figures side by side, each with its name, in rows that are full."""
    columns = next((count for count in (5, 4, 3) if len(found) % count == 0), 4)
    columns = min(columns, len(found))
    boxes = [tag("div", tag("dt", name), tag("dd", value)) for name, value in found]
    return tag("dl", *boxes, class_=f"tiles of-{columns}")


def spread(amount: Range | None) -> Html:
    """Return the likely amount, and below it low to high where they differ."""
    if amount is None or amount.low == amount.high:
        return usd(None if amount is None else amount.mid)
    ends = f"{render.usd(amount.low)} to {render.usd(amount.high)}"
    return join((usd(amount.mid), tag("small", ends, class_="range")), " ")
