"""Images in messages: how many, where, of which kind and size."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.dataset.rows import Fault

MOST = 10  # per example, OpenAI's vision fine-tuning guide and Together's data page
LARGEST_BYTES = 10_000_000  # each, same sources
_DETAILS = ("auto", "low", "high")
_KINDS = ("image/png", "image/jpeg", "image/jpg", "image/webp")


def images_in(content: object) -> int:
    """Return how many images a message's content holds."""
    if not isinstance(content, list):
        return 0
    return sum(1 for part in content if isinstance(part, dict) and part.get("type") == "image_url")


def image_faults(parts: list[object], role: str, where: str) -> Iterator[Fault]:
    """Yield the faults of the images among a message's parts."""
    images = [part for part in parts if isinstance(part, dict) and part.get("type") == "image_url"]
    if not images:
        return
    if role != "user":
        yield "image_in_answer", where
    for image in images:
        held = image.get("image_url")
        url = held.get("url") if isinstance(held, dict) else held
        if isinstance(held, dict) and held.get("detail", "auto") not in _DETAILS:
            yield "bad_image", f"{where} has an image of detail {held.get('detail')!r:.40}"
        if not isinstance(url, str) or not url:
            yield "bad_image", f"{where} has an image without a url"
        elif url.startswith(("http://", "https://")):
            yield "image_link", where
        elif not url.startswith("data:"):
            yield "bad_image", f"{where} has an image that is neither a link nor a data: URI"
        else:
            kind, _, content = url[5:].partition(",")
            if not kind.endswith(";base64") or kind.removesuffix(";base64").lower() not in _KINDS:
                yield "bad_image", f"{where} has an image of kind {kind[:40]!r}"
            elif len(content) * 3 // 4 > LARGEST_BYTES:
                yield "bad_image", f"{where} has an image of {len(content) * 3 / 4e6:.0f} MB"
